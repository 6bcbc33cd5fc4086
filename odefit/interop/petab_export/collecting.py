"""From an assembled problem to PEtab's tables; what these cannot hold is named, all of it at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.errors import Faults
from odefit.interop.mathematics import Name, Number, Tree, call, names_in
from odefit.interop.petab_export.events import Doses, doses_of, model_events
from odefit.interop.petab_export.inputs import inputs_of
from odefit.interop.petab_export.names import Identifiers
from odefit.interop.petab_export.networks import NetworkOutputs, names_in_arguments, network_tables, refuse, value_of
from odefit.interop.petab_export.parameters import is_logarithm, parameter_rows
from odefit.interop.petab_export.periods import AT_REST, Before, periods_of, switched
from odefit.interop.petab_export.problem import (
    ExperimentRow,
    MeasurementRow,
    ObservableRow,
    PetabTables,
    SbmlModel,
)
from odefit.interop.petab_export.trees import NoCounterpart, renamed, tree_of
from odefit.model.system import TIME
from odefit.problem.assembly import Assembly
from odefit.records import dataclass
from odefit.text import clip

NOISE = {
    "gaussian": "normal",
    "lognormal": "log-normal",
    "laplace": "laplace",
    "log_laplace": "log-laplace",
    "log10_normal": "log-normal",
    "log10_laplace": "log-laplace",
}
"""What PEtab calls the noise models that it has; a sigma of decimal logarithms is one of natural ones already."""


def petab_tables(assembly: Assembly, theta: FloatArray, name: str) -> PetabTables:
    """A problem as tables.

    Parameters
    ----------
    assembly
        The problem and its data.
    theta
        [N], the nominal values.
    name
        What it is called.

    Raises
    ------
    ConfigError
        Everything that PEtab cannot hold.
    """
    faults = Faults()
    _refuse(assembly, faults)
    faults.check()
    tables = _Collector(assembly, theta, name, faults).tables()
    faults.check()
    return tables


def _refuse(assembly: Assembly, faults: Faults) -> None:
    """What there is no place for, whatever the formulas are."""
    loaded, problem = assembly.loaded, assembly.problem
    system = problem.engine.system
    for spread in assembly.described.dosing.spreads:
        what = f"the {spread.kind} {clip(spread.text)} of an infusion is a formula, and only numbers are exported"
        faults.add(loaded.where("data", "doses"), f"{what}; write it as `model.events`")
    for observable, kind in system.compared.items():
        faults.add(
            loaded.where("model", "observables", observable), f"'{kind}' compares two times, which PEtab does not"
        )
    for observable, data in zip(problem.observation.names, problem.data, strict=True):
        noise = problem.observation.noise[observable]
        if data.n and noise.model not in NOISE:
            what = f"{observable}: {noise.model} noise; PEtab has {', '.join(dict.fromkeys(NOISE.values()))}"
            faults.add(loaded.where("noise"), what)
        if data.censored is not None:
            faults.add(loaded.where("data"), f"{observable}: measurements below or above a limit, which PEtab has not")


@dataclass(frozen=True)
class _Observed:
    """column: among the observables; those symbols that each measurement has its own value for.

    seen: of the formula; own: of the noise.
    """

    column: int
    row: ObservableRow
    seen: tuple[str, ...]
    own: tuple[str, ...]


@dataclass
class _Collector:
    """Collects the tables; every fault is told on the way."""

    assembly: Assembly
    theta: FloatArray
    name: str
    faults: Faults

    def __post_init__(self) -> None:
        self.problem = self.assembly.problem
        self.system = self.problem.engine.system
        self.identifiers = Identifiers()
        self.model_id = self.identifiers.new(self.name, "_model")
        self.states = {state: self.identifiers.new(state) for state in self.system.states}
        binding = self.problem.binding
        calls = {} if binding.calls is None else binding.calls.formulas
        levels = [noise.sigma for noise in self.problem.observation.noise.values() if noise.sigma is not None]
        self.outputs = NetworkOutputs(calls, self.identifiers)
        self.outputs.gather((*replace(self.system, rest=None).formulas, *levels))
        inner = names_in_arguments(self.outputs, self.system)
        symbols = dict.fromkeys((*binding.symbols[: self.problem.n_system], *inner, *calls))
        self.symbols = {symbol: self.identifiers.new(symbol) for symbol in symbols}
        if self.system.rest is not None and not self.system.rest.values.keys() <= self.symbols.keys():
            self.outputs.gather(self.system.rest.equations.values())  # else conditions set what differed
        if self.assembly.networks is not None:
            refuse(self.assembly, self.outputs, self.faults)
        self.rows: dict[int, str] = {}
        where = self.assembly.loaded.where("data", "inputs")
        self.inputs = inputs_of(self.system, self.problem.experiments, self.identifiers, self.faults, where)
        self.experiment_ids = [self.identifiers.new(e.name, "_data") for e in self.problem.experiments]

    @property
    def experiments(self) -> tuple[Experiment, ...]:
        return self.problem.experiments

    @cached_property
    def doses(self) -> Doses:
        return doses_of(self.system, self.experiments, self.identifiers)

    def target(self, symbol: str, experiment: int) -> Tree:
        """What a local symbol is bound to in an experiment: a number, or a parameter of the table."""
        column = self.problem.binding.symbols.index(symbol)
        position = int(self.problem.binding.index[experiment, column])
        if position < 0:
            return Number(float(self.problem.binding.constant[experiment, column]))
        found = self.problem.table.parameters[position]
        if not found.estimate:
            return Number(float(self.theta[position]))
        name = Name(self.parameter(position))
        return call("exp", name) if is_logarithm(found) else name

    def parameter(self, position: int) -> str:
        """The id of a parameter of the fit: that of the symbol where it is the same thing in all experiments."""
        if position not in self.rows:
            name = self.problem.table.names[position]
            if is_logarithm(self.problem.table.parameters[position]):
                self.rows[position] = self.identifiers.new(f"ln_{name}")
                return self.rows[position]
            same = name in self.symbols and self.is_shared(name)
            self.rows[position] = self.symbols[name] if same else self.identifiers.new(name, "_value")
        return self.rows[position]

    def is_shared(self, symbol: str) -> bool:
        """Whether a symbol is the parameter of its own name in all experiments, and before them."""
        if self.system.rest is not None and symbol in self.system.rest.values:
            return False
        own = self.problem.table.index.get(symbol, -1)
        column = self.problem.binding.symbols.index(symbol)
        estimated = own >= 0 and self.problem.table.parameters[own].estimate
        estimated = estimated and not is_logarithm(self.problem.table.parameters[own])
        return estimated and bool((self.problem.binding.index[:, column] == own).all())

    @cached_property
    def constants(self) -> dict[str, float]:
        """Symbol -> the number that it is in all experiments."""
        found = {}
        for symbol in self.problem.binding.symbols:
            targets = {self.target(symbol, e) for e in range(len(self.experiments))}
            first = targets.pop()
            if not targets and isinstance(first, Number):
                found[symbol] = first.value
        return found

    @cached_property
    def varying(self) -> list[str]:
        """Symbols of the model that each experiment has its own value for."""
        return [s for s in self.symbols if s not in self.constants and not self.is_shared(s)]

    def tree(self, formula: Any, where: str, *, observed: bool = False) -> Tree:
        """A formula with the ids of the model; one that is observed names outputs of networks themselves."""
        ids: dict[str, Tree] = {n: Name(i) for n, i in {**self.states, **self.symbols, **self.inputs.ids}.items()}
        outputs, assembly = self.outputs, self.assembly
        formula, own = outputs.put(
            formula, lambda o: value_of(assembly, outputs, o) if observed else Name(outputs.target_of(o))
        )
        ids |= own
        try:
            return renamed(tree_of(formula, TIME), ids)
        except NoCounterpart as error:
            self.faults.add(where, f"{error}: SBML and PEtab have nothing of the kind")
            return Number(0.0)

    def tables(self) -> PetabTables:
        """Everything."""
        loaded = self.assembly.loaded
        where = loaded.where("model")
        rates = {self.states[s]: self.tree(f, where) for s, f in self.system.equations.items()}
        rates, before = self._before(rates, where)
        rates = self.doses.with_infusions(rates, self.states)
        initial = {self.states[s]: self.tree(f, where) for s, f in self.system.initial.items()}
        constants: dict[str, Tree] = {
            self.symbols[s]: Number(v) for s, v in self.constants.items() if s in self.symbols
        }
        periods = [
            periods_of(
                float(experiment.start),
                dict(self._own(e)),
                constants,
                initial,
                before if experiment.steady_state else None,
            )
            for e, experiment in enumerate(self.experiments)
        ]
        own = set(initial).intersection(*(each[0].changes for each in periods))
        starts = [float(e.start) for e in self.experiments]
        events = model_events(
            self.system, self.doses, self.states, starts, lambda f: self.tree(f, where), self.identifiers
        )
        model = SbmlModel(
            self.model_id,
            {
                **{self.symbols[s]: self._number(s) for s in self.symbols},
                **self.doses.constants,
                **self.inputs.constants,
                **dict.fromkeys(self.outputs.targets.values(), 0.0),
                **({before.switch: 0.0} if before and before.switch else {}),
            },
            rates,
            self.inputs.rules,
            self.doses.levels,
            {name: Number(0.0) if name in own else start for name, start in initial.items()},
            events,
        )
        observables = list(self._observables())
        networks = None
        if self.assembly.networks is not None:
            networks = network_tables(
                self.assembly, self.outputs, self.symbols, lambda f: self.tree(f, where), self.faults
            )
        rows, notes, offset = parameter_rows(self.problem.table, self.theta, self.parameter, self.faults, loaded)
        self._check_sides()
        return PetabTables(
            self.name,
            model,
            rows,
            tuple(seen.row for seen in observables),
            tuple(ExperimentRow(i, each) for i, each in zip(self.experiment_ids, periods, strict=True)),
            tuple(self._measurements(observables)),
            notes,
            offset,
            networks,
        )

    def _number(self, symbol: str) -> float:
        """What the model itself has for a symbol: its number, or the value in the first experiment."""
        target = self.target(symbol, 0)
        if isinstance(target, Number):
            return target.value
        column = self.problem.binding.symbols.index(symbol)
        return float(self.theta[int(self.problem.binding.index[0, column])])

    def _own(self, e: int) -> Iterator[tuple[str, Tree]]:
        """What holds in one experiment: its own values of symbols, of doses and of inputs."""
        yield from ((self.symbols[s], self.target(s, e)) for s in self.varying)
        yield from self.doses.own(e)
        yield from self.inputs.own(e)

    def _before(self, rates: dict[str, Tree], where: str) -> tuple[dict[str, Tree], Before | None]:
        """What differs before the start, and the rates for both times."""
        rest = self.system.rest
        if rest is None:
            return rates, None
        initial = {self.states[s]: self.tree(f, where) for s, f in rest.initial.items()}
        if rest.values.keys() <= self.symbols.keys():
            values = {self.symbols[name]: self.tree(f, where) for name, f in rest.values.items()}
            return rates, Before(values, initial)
        earlier = {self.states[s]: self.tree(f, where) for s, f in rest.equations.items()}
        switch = self.identifiers.new(AT_REST)
        return switched(rates, earlier, switch), Before({}, initial, switch)

    # -- observables

    def _observables(self) -> Iterator[_Observed]:
        """Every observable that was measured."""
        observation = self.problem.observation
        for k, (observable, data) in enumerate(zip(observation.names, self.problem.data, strict=True)):
            if not data.n:
                continue
            noise, where = observation.noise[observable], self.assembly.loaded.where("noise")
            place = self.assembly.loaded.where("model", "observables")
            formula = self.tree(self.system.predicted[observable], place, observed=True)
            sigma: Tree = Name("sd") if noise.sigma is None else self.tree(noise.sigma, where, observed=True)
            own: dict[str, str] = {}
            values: dict[str, Tree] = {}
            identifier = self.identifiers.new(observable, "_observed")
            columns = [name for name in dict.fromkeys(names_in(formula)) if name.endswith("]")]
            seen = {name: f"observableParameter{n}_{identifier}" for n, name in enumerate(columns, 1)}
            formula = renamed(formula, {name: Name(place) for name, place in seen.items()})
            known = {*self.states.values(), *self.symbols.values(), *self.outputs.ids.values()}
            for name in dict.fromkeys(names_in(sigma)):
                if name in known:
                    continue
                shared = self._shared(name)
                if shared is not None:
                    values[name] = shared
                else:
                    own[name] = f"noiseParameter{len(own) + 1}_{identifier}"
                    values[name] = Name(own[name])
            row = ObservableRow(
                *(identifier, observable, formula, renamed(sigma, values), NOISE[noise.model]),
                *(tuple(seen.values()), tuple(own.values())),
            )
            yield _Observed(k, row, tuple(seen), tuple(own))

    def _shared(self, symbol: str) -> Tree | None:
        """What a symbol of the noise is in all experiments; None where that differs, or is of each measurement."""
        if symbol not in self.problem.binding.symbols:
            return None
        targets = {self.target(symbol, e) for e in range(len(self.experiments))}
        return targets.pop() if len(targets) == 1 else None

    def _measurements(self, observables: list[_Observed]) -> Iterator[MeasurementRow]:
        for e, experiment in enumerate(self.experiments):
            for t in range(len(experiment.times)):
                for seen in observables:
                    value = float(experiment.values[t, seen.column])
                    if not math.isnan(value):
                        own = [
                            tuple(self._of_row(name, e, t, seen.column) for name in names)
                            for names in (seen.seen, seen.own)
                        ]
                        time = float(experiment.times[t])
                        yield MeasurementRow(seen.row.id, self.experiment_ids[e], time, value, *own)

    def _of_row(self, symbol: str, e: int, t: int, k: int) -> Tree:
        experiment = self.experiments[e]
        if symbol in self.problem.binding.symbols:
            return self.target(symbol, e)
        if symbol == "sd" and experiment.sigma is not None:
            unit = self.problem.observation.noise[self.problem.observation.names[k]].unit
            return Number(float(experiment.sigma[t, k]) * unit)
        column = symbol.rsplit("[", 1)[0]
        if column in experiment.covariates:
            return Number(float(experiment.covariates[column][t, k]))
        self.faults.add(self.assembly.loaded.where("noise"), f"'{clip(symbol)}' is known to nothing that is exported")
        return Number(1.0)

    def _check_sides(self) -> None:
        """PEtab measures after what happens at a time: a sample just before it has no place."""
        for experiment in self.experiments:
            before = experiment.times[experiment.sides < 0]
            if len(before):
                times = ", ".join(f"{t:g}" for t in np.unique(before)[:3])
                what = f"experiment {clip(experiment.name)} has measurements just before what happens at t = {times}"
                self.faults.add(
                    self.assembly.loaded.where("data", "at_jumps"),
                    f"{what}; PEtab's come after it, see `data.at_jumps`",
                )
