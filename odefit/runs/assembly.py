"""From a config and its data to a `Problem`: every name is bound here, and every contradiction found.

Nothing is solved and nothing is written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import sympy as sp

from odefit.config.load import LoadedConfig
from odefit.config.schema import NoiseSection, ParameterSection
from odefit.data.experiments import Experiment
from odefit.data.layouts import replicate_of
from odefit.engines.base import SolverOptions
from odefit.engines.choice import make_engine
from odefit.errors import ConfigError, Faults, ModelError
from odefit.model.formulas import free_names, parse_formula
from odefit.model.operators import put_numbers
from odefit.model.system import System, symbol
from odefit.objective.observation import Noise, Observation
from odefit.objective.parameters import Binding, Parameter, ParameterTable
from odefit.objective.priors import Prior
from odefit.objective.problem import Problem
from odefit.runs.systems import ESTIMATE, FIRST, Described, initial_name

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Assembly:
    """A problem, and what a result says about how it came together.

    measured: the experiments with every measurement; the problem's own leave out a first row that serves
    as initial value. networks: the torch modules of the system, or None for a mechanistic one.
    """

    loaded: LoadedConfig
    described: Described
    measured: tuple[Experiment, ...]
    problem: Problem
    networks: nn.ModuleDict | None


def assemble(loaded: LoadedConfig, described: Described, measured: Sequence[Experiment]) -> Assembly:
    """Bind a described system to its data. Raises ConfigError with all faults found."""
    faults = Faults()
    noise, extra = _noise(loaded, described, faults)
    table_builder = _Table(loaded, described, measured, faults)
    table_builder.add_model(extra)
    table_builder.add_initial()
    table_builder.add_noise(noise)
    _check_unused(loaded, described, noise, faults)
    _check_measurements(loaded, noise, measured, faults)
    faults.check()
    experiments = tuple(_without_first(described, e) for e in measured)
    if not any(e.n_measured for e in experiments):
        raise ConfigError(loaded.where("model", "initial"), "the first row is all there is, and `first` uses it up")
    table = ParameterTable(tuple(table_builder.rows.values()))
    system, noise = _inline(described.system, noise, table_builder)
    symbols = (*system.parameters, *_noise_symbols(noise, system))
    binding = table_builder.bind(symbols)
    moving = _moving(binding, table)
    # A scale or an offset of an observable moves no state: no sensitivity equation is spent on it.
    in_states = set().union(*(free_names(formula) for formula in (*system.rhs, *system.start)))
    sensitive = tuple(name for name in system.parameters if name in moving and name in in_states)
    observed = tuple(name for name in symbols if name in moving and name not in sensitive)
    options = SolverOptions(**loaded.config.solver.model_dump())
    networks = _networks(described.system, loaded.config.fit.seed)
    engine = make_engine(system, options, sensitive, networks, loaded.where("solver", "method"))
    observation = Observation(system, noise, symbols, (*sensitive, *observed))
    return Assembly(
        loaded,
        described,
        tuple(measured),
        Problem(experiments, table, binding, observation, engine),
        networks,
    )


def _networks(system: System, seed: int) -> nn.ModuleDict | None:
    """The torch modules of a system's networks; the engine moves them to its device and dtype."""
    if system.is_mechanistic:
        return None
    from odefit.model.networks import build_networks

    return build_networks(system.networks.values(), seed)


class _Table:
    """Grows the parameter table row by row, and remembers what each symbol is bound to."""

    def __init__(
        self, loaded: LoadedConfig, described: Described, measured: Sequence[Experiment], faults: Faults
    ) -> None:
        self.loaded, self.described, self.faults = loaded, described, faults
        self.measured = tuple(measured)
        self.rows: dict[str, Parameter] = {}
        self.bound: dict[str, list[str | float]] = {}
        """symbol -> per experiment the name of its parameter, or its number."""

    def section(self, name: str) -> ParameterSection:
        return self.loaded.config.parameters.get(name, ParameterSection())

    def add(self, name: str, symbol_name: str, section: ParameterSection, default: float | None, role: str) -> None:
        value = section.value if section.value is not None else default
        if value is None:
            self.faults.add(
                self.loaded.where("parameters", symbol_name),
                f"needs a value to start from, e.g. `{symbol_name}: {{value: 1}}`",
            )
            return
        low, high = section.bounds or (-math.inf, math.inf)
        scale = section.scale or ("log" if role == "noise" else "linear")
        prior = Prior(section.prior.kind, *section.prior.numbers) if section.prior else None
        if prior and prior.kind == "uniform":
            low, high = max(low, prior.a), min(high, prior.b)
        if scale == "log":
            low = max(low, 0.0)
        if section.estimate and section.value is None and not self._inside(value, low, high, scale):
            self.faults.add(
                self.loaded.where("parameters", symbol_name),
                f"the value that it would start from, {value:g}, does not fit its bounds and scale; give a `value`",
            )
        elif section.estimate and prior and not math.isfinite(prior.value(value)):
            self.faults.add(
                self.loaded.where("parameters", symbol_name),
                f"value: {value:g} is impossible under its prior",
            )
        self.rows[name] = Parameter(name, value, low, high, scale, section.estimate, prior, section.unit, role)

    @staticmethod
    def _inside(value: float, low: float, high: float, scale: str) -> bool:
        if scale == "linear":
            return low <= value <= high
        return low < value < high if scale == "logit" else value > 0 and low <= value <= high

    def add_model(self, extra: set[str]) -> None:
        """Parameters of the equations and observables, and those that only noise formulas use."""
        system = self.described.system
        starts = {initial_name(state) for state, kind in self.described.initial_kind.items() if kind != "formula"}
        for name in (*system.parameters, *sorted(extra - set(system.parameters))):
            if name in starts:
                continue
            self.add(name, name, self.section(name), self.described.nominal.get(name), "model")
            self.bound[name] = [name] * len(self.measured)

    def add_initial(self) -> None:
        for state, kind in self.described.initial_kind.items():
            name = initial_name(state)
            if kind == FIRST:
                if name in self.loaded.config.parameters:
                    self.faults.add(self.loaded.where("parameters", name), "model.initial takes it from the first row")
                self.bound[name] = [self._first(state, e, strict=True) or 0.0 for e in self.measured]
            elif kind == ESTIMATE:
                self.bound[name] = [self._estimated(state, name, e) for e in self.measured]

    def _estimated(self, state: str, symbol_name: str, experiment: Experiment) -> str:
        several = len({replicate_of(e.name) for e in self.measured}) > 1
        name = f"{symbol_name}[{replicate_of(experiment.name)}]" if several else symbol_name
        if name not in self.rows:
            guess = self._first(state, experiment, strict=False)
            guess = self.described.nominal_initial.get(state) if guess is None else guess
            self.add(name, symbol_name, self.section(symbol_name), guess, "initial")
        return name

    def _first(self, state: str, experiment: Experiment, strict: bool) -> float | None:
        """The first measurement of a state; with `strict` it must be there at the very start."""
        system = self.described.system
        column = next((i for i, g in enumerate(system.observables.values()) if g == symbol(state)), None)
        where = self.loaded.where("model", "initial", state)
        if column is None:
            if strict:
                self.faults.add(where, f"`first` needs an observable that is `{state}` itself; use `estimate`")
            return None
        values = experiment.values[:, column]
        if strict:
            if experiment.times[0] != experiment.start or math.isnan(values[0]):
                self.faults.add(
                    where,
                    f"experiment {experiment.name} has no measurement of {state} at its start "
                    f"(t = {experiment.start:g}); use `estimate`",
                )
                return None
            return float(values[0])
        known = values[~np.isnan(values)]
        return float(known[0]) if len(known) else None

    def add_noise(self, noise: Mapping[str, Noise]) -> None:
        for column, (name, model) in enumerate(noise.items()):
            sigma = f"sigma_{name}"
            if model.sigma != symbol(sigma) or sigma in self.rows:
                continue
            values = np.concatenate([e.values[:, column] for e in self.measured])
            values = values[~np.isnan(values)]
            if model.is_log:
                values = np.log(values[values > 0])
            spread = float(values.std()) if len(values) > 1 else 0.0
            self.add(sigma, sigma, self.section(sigma), spread or 1.0, "noise")
            self.bound[sigma] = [sigma] * len(self.measured)

    def inlined(self) -> dict[str, float]:
        """Symbols that are the same number in every experiment and never move."""
        numbers = {}
        for name, targets in self.bound.items():
            values = {self._number(target) for target in targets}
            if len(values) == 1 and (value := values.pop()) is not None:
                numbers[name] = value
        return numbers

    def _number(self, target: str | float) -> float | None:
        if isinstance(target, str):
            row = self.rows[target]
            return None if row.estimate else row.value
        return target

    def bind(self, symbols: Sequence[str]) -> Binding:
        position = {name: i for i, name in enumerate(self.rows)}
        index = np.full((len(self.measured), len(symbols)), -1, dtype=np.intp)
        constant = np.zeros(index.shape)
        for column, name in enumerate(symbols):
            for row, target in enumerate(self.bound[name]):
                if isinstance(target, str):
                    index[row, column] = position[target]
                else:
                    constant[row, column] = target
        return Binding(tuple(symbols), index, constant)


def _noise(loaded: LoadedConfig, described: Described, faults: Faults) -> tuple[dict[str, Noise], set[str]]:
    """The noise model of every observable, and the parameters that only its formulas name."""
    section, system = loaded.config.noise, described.system
    general = section if isinstance(section, NoiseSection) else NoiseSection()
    own = {} if isinstance(section, NoiseSection) else section
    for name in own:
        if name not in system.observables:
            faults.add(
                loaded.where("noise", name),
                f"'{name}' is no observable; there is: {', '.join(system.observables)}",
            )
    names = {*system.states, *system.observables, *loaded.config.parameters, *described.nominal}
    noise, extra = {}, set()
    for name in system.observables:
        chosen = own.get(name, general)
        if chosen.sigma == ESTIMATE:
            sigma = symbol(f"sigma_{name}")
            if f"sigma_{name}" in system.parameters:
                faults.add(
                    loaded.where("parameters", f"sigma_{name}"),
                    f"is also the name of the noise level of {name}; rename it, or give noise.{name}.sigma",
                )
        elif chosen.sigma == "column":
            sigma = None
        else:
            with faults.catching():
                keys = ("noise", "sigma") if chosen is general and not own else ("noise", name, "sigma")
                sigma = parse_formula(chosen.sigma, names, loaded.where(*keys))
                extra |= free_names(sigma) - {*system.states, *system.observables, "t"}
                # In a noise formula an observable's name means its prediction.
                sigma = sigma.xreplace({symbol(o): f for o, f in system.observables.items()})
                if sigma.is_number and not float(sigma) > 0:
                    faults.add(loaded.where(*keys), f"sigma must be positive (got {chosen.sigma})")
            if faults.found:
                sigma = sp.Integer(1)
        noise[name] = Noise(chosen.model, sigma)
    return noise, extra


def _noise_symbols(noise: Mapping[str, Noise], system: System) -> tuple[str, ...]:
    known = {*system.parameters, *system.states, "t"}
    names = [n for model in noise.values() if model.sigma is not None for n in sorted(free_names(model.sigma))]
    return tuple(name for name in dict.fromkeys(names) if name not in known)


def _check_unused(loaded: LoadedConfig, described: Described, noise: Mapping[str, Noise], faults: Faults) -> None:
    used = set().union(*(free_names(m.sigma) for m in noise.values() if m.sigma is not None))
    starts = {initial_name(s) for s, kind in described.initial_kind.items() if kind == "formula"}
    for name in described.unused:
        if name in used:
            continue
        if name in starts:
            what = "model.initial already says what this state starts from; remove one of the two"
        else:
            what = "appears in no formula; remove it, or check its spelling there"
        faults.add(loaded.where("parameters", name), what)


def _check_measurements(
    loaded: LoadedConfig, noise: Mapping[str, Noise], measured: Sequence[Experiment], faults: Faults
) -> None:
    for column, (name, model) in enumerate(noise.items()):
        for experiment in measured:
            values = experiment.values[:, column]
            if model.is_log and (bad := np.flatnonzero(values <= 0)).size:
                faults.add(
                    loaded.where("noise", name),
                    f"log-normal noise needs positive measurements; experiment {experiment.name} has "
                    f"{values[bad[0]]:g} at t = {experiment.times[bad[0]]:g}",
                )
                break
            if model.sigma is None and (
                experiment.sigma is None or np.isnan(experiment.sigma[~np.isnan(values), column]).any()
            ):
                faults.add(
                    loaded.where("noise", name, "sigma"),
                    f"the data bring no sigma for every measurement of {name}: add a column `{name}_sigma`, "
                    "or let it be estimated",
                )
                break


def _without_first(described: Described, experiment: Experiment) -> Experiment:
    """A first row that serves as the initial value is no measurement any more."""
    if FIRST not in described.initial_kind.values():
        return experiment
    values = experiment.values.copy()
    for column, g in enumerate(described.system.observables.values()):
        if any(g == symbol(s) and kind == FIRST for s, kind in described.initial_kind.items()):
            values[0, column] = np.nan
    return replace(experiment, values=values)


def _inline(system: System, noise: Mapping[str, Noise], table: _Table) -> tuple[System, dict[str, Noise]]:
    """Numbers in place of symbols that never move: engines need not carry their sensitivities."""
    numbers = table.inlined()
    values = {symbol(name): float(value) for name, value in numbers.items()}
    try:
        bound = system.bind(numbers)
        swapped = {
            name: model if model.sigma is None else Noise(model.model, put_numbers(model.sigma, values))
            for name, model in noise.items()
        }
    except ModelError as error:
        raise ConfigError(table.loaded.where("parameters"), error.faults[0].what) from None
    return bound, swapped


def _moving(binding: Binding, table: ParameterTable) -> set[str]:
    """Local symbols that depend on an estimated parameter in some experiment."""
    estimated = set(table.estimated.tolist())
    return {
        name
        for column, name in enumerate(binding.symbols)
        if any(int(i) in estimated for i in binding.index[:, column])
    }
