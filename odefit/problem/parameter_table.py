"""The parameter table, row by row, and what each symbol of the equations is bound to in each experiment."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Sequence

import numpy as np

from odefit.config.load import LoadedConfig
from odefit.config.model_section import ParameterSection
from odefit.data.experiments import Experiment
from odefit.data.replicates import replicate_of
from odefit.errors import Faults
from odefit.model.free_states import free_states
from odefit.model.system import symbol
from odefit.objective.parameters import Binding, Parameter
from odefit.problem.described import FIRST, FORMULA, GIVEN, Cell, Described, initial_name
from odefit.problem.noise_models import NoiseModels, first_guess
from odefit.problem.priors import prior_of
from odefit.text import suggest

Target = str | float
"""What a symbol is in one experiment: the parameter of this name, or a number."""


MIN_LEVEL_SHARE = 1e-5
"""The share of its first guess below which a noise level that is only part of a model is not looked for."""
INITIAL_FACTOR = 1e3
"""How far the initial value of a state with positive measurements may be from the first of them, either way."""
Default = float | None | Callable[[Experiment], float | None]


class TableBuilder:
    """Grows the parameter table, and remembers what each symbol is bound to.

    Attributes
    ----------
    rows
        Name -> parameter.
    bound
        Symbol -> its target in every experiment.
    """

    def __init__(
        self,
        loaded: LoadedConfig,
        described: Described,
        measured: Sequence[Experiment],
        seen: Sequence[Experiment],
        faults: Faults,
    ) -> None:
        self.loaded, self.described, self.faults = loaded, described, faults
        self.measured, self.seen = tuple(measured), tuple(seen)
        self.rows: dict[str, Parameter] = {}
        self.bound: dict[str, list[Target]] = {}
        """symbol -> its target in every experiment."""

    @property
    def known(self) -> set[str]:
        """The names that can be bound: parameters, constants of experiments, and initial values."""
        constants = {name for e in self.measured for name in e.constants}
        starts = map(initial_name, self.described.system.states)
        return {*self.loaded.config.parameters, *self.described.nominal, *constants, *starts, *self.described.cells}

    def section(self, name: str) -> ParameterSection:
        """The config's section of a parameter; an empty one where it has none."""
        return self.loaded.config.parameters.get(name, ParameterSection())

    def add(
        self,
        name: str,
        symbol_name: str,
        default: float | None,
        role: str,
        floor: float = -math.inf,
        around: float | None = None,
    ) -> None:
        """A row called `name` with the config's settings for `symbol_name`.

        floor: its lower bound if it has none. around: where neither bounds, scale nor prior are given, it gets a log
        scale and bounds that are this factor away from its start.
        """
        section = self.section(symbol_name)
        where = self.loaded.where("parameters", symbol_name)
        value = section.value if section.value is not None else default
        if section.value is None and section.bounds is not None:
            value = _within(value, *section.bounds, section.scale or ("log" if role == "noise" else "linear"))
        if value is None:
            what = f"needs a value to start from, e.g. `{symbol_name}: {{value: 1}}`, or finite bounds"
            what += " above 0" if section.scale == "log" else ""
            self.faults.add(where, what)
            return
        low, high = section.bounds or (floor, math.inf)
        scale = section.scale or ("log" if role == "noise" else "linear")
        if around is not None and value > 0 and not (section.bounds or section.scale or section.prior):
            scale, low, high = "log", value / around, value * around
        prior = None if section.prior is None else prior_of(section.prior, (low, high))
        if prior:
            low, high = max(low, prior.support[0]), min(high, prior.support[1])
        if section.prior and not section.estimate:
            self.faults.add(where, "prior: means nothing to a parameter that is not estimated; remove one of the two")
        if scale == "log":
            low = max(low, 0.0)
        if section.estimate and not low < high:
            self.faults.add(where, "prior: is zero everywhere within the bounds; change one of the two")
        elif section.estimate and section.value is None and not _inside(value, low, high, scale):
            what = f"the value that it would start from, {value:g}, does not fit its bounds and scale; give a `value`"
            self.faults.add(where, what)
        elif section.estimate and prior and not math.isfinite(prior.value(value)):
            self.faults.add(where, f"value: {value:g} is impossible under its prior")
        self.rows[name] = Parameter(name, value, low, high, scale, section.estimate, prior, section.unit, role)

    def add_model(self, more: Sequence[str]) -> None:
        """Parameters and constants of the equations and observables; more: those that only other formulas name."""
        starts = {initial_name(state) for state, kind in self.described.initial_kind.items() if kind != FORMULA}
        names = dict.fromkeys((*self.described.system.parameters, *more))
        # What cells name comes in the order of the config, too.
        first = [name for name in self.described.known if name in names] if self.described.in_cells else []
        for name in dict.fromkeys((*first, *names)):
            if name not in starts and name not in self.bound:
                self.bind_symbol(name, self.described.nominal.get(name), "model")

    def add_initial(self) -> None:
        """The initial values that are no formulas."""
        several = len({replicate_of(e.name) for e in self.measured}) > 1
        for state, kind in self.described.initial_kind.items():
            name = initial_name(state)
            if kind == FIRST:
                if name in self.loaded.config.parameters:
                    self.faults.add(self.loaded.where("parameters", name), "model.initial takes it from the first row")
                self.bound[name] = [self._first(state, e) for e in self.measured]
            elif kind != FORMULA:
                by = "experiment" if several or kind == GIVEN else None
                guess = functools.partial(self._guess, state)
                self.bind_symbol(name, guess, "initial", by, around=self._around(state))

    def add_named(self, noise: NoiseModels) -> None:
        """Parameters of the config that nothing but noise formulas name."""
        for name in sorted(noise.named - self.bound.keys()):
            users = [observable for observable, model in noise.models.items() if model.sigma == symbol(name)]
            self.bind_symbol(name, self._level(users[0], "sigma", noise) if users else None, "model")

    def add_noise(self, noise: NoiseModels) -> None:
        """Noise levels that the config does not name."""
        for name, (observable, kind) in noise.own.items():
            guess = self._level(observable, kind, noise)
            # Part of a noise model may well be nothing; on its way to zero it would have no end.
            floor = (
                -math.inf
                if noise.models[observable].sigma == symbol(name) and kind == "sigma"
                else MIN_LEVEL_SHARE * guess
            )
            self.bind_symbol(name, guess, "noise", floor=floor)

    def _level(self, observable: str, kind: str, noise: NoiseModels) -> float:
        column = list(noise.models).index(observable)
        values = np.concatenate([e.values[:, column] for e in self.seen])
        return first_guess(kind, noise.models[observable], values)

    def bind_symbol(
        self,
        name: str,
        default: Default,
        role: str,
        by: str | None = None,
        floor: float = -math.inf,
        around: float | None = None,
    ) -> None:
        """Bind a symbol in every experiment: to the experiment's own number, or to a parameter, or one of a group.

        Parameters
        ----------
        name
            The symbol.
        default
            Where a parameter starts that has no value.
        role
            See `Parameter`.
        by
            How it is grouped unless the config says so.
        floor, around
            See `add`.
        """
        chosen = self.section(name).by or by
        groups: list[str | None] = [None] * len(self.seen)
        if chosen is not None:
            groups = list(self._groups(name, chosen))
        rows = [name if group is None else f"{name}[{group}]" for group in groups]
        members: dict[str, list[int]] = {}
        for k, row in enumerate(rows):
            members.setdefault(row, []).append(k)
        targets: list[Target] = []
        cells = self.described.cells.get(name, {})
        for k, (experiment, row) in enumerate(zip(self.seen, rows, strict=True)):
            if experiment.name in cells:
                targets.append(self._of_cell(cells[experiment.name], k))
                continue
            if name in experiment.constants:
                targets.append(experiment.constants[name])
                continue
            if row not in self.rows:
                self.add(row, name, self._default(default, members[row]), role, floor, around)
            targets.append(row)
        self.bound[name] = targets
        if name in self.loaded.config.parameters and not any(isinstance(target, str) for target in targets):
            what = "data.experiments gives a number for it to every experiment; remove one of the two"
            self.faults.add(self.loaded.where("parameters", name), what)

    def _of_cell(self, cell: Cell, position: int) -> Target:
        """What a column is in the experiment at a position: a number, or what the parameter is that its cell names."""
        if not isinstance(cell, str):
            return cell
        if cell not in self.bound:
            self.bind_symbol(cell, self.described.nominal.get(cell), "model")
        return self.bound[cell][position]

    def _default(self, default: Default, members: Sequence[int]) -> float | None:
        """The start value of a row: what the first experiment of its group, by position, that knows it says.

        Where none does because all are held out, what they measured: there is a fault in that, but another one.
        """
        if not callable(default):
            return default
        guesses = (default(experiments[k]) for experiments in (self.seen, self.measured) for k in members)
        return next((guess for guess in guesses if guess is not None), None)

    def _groups(self, name: str, by: str | dict[str, list[str]]) -> list[str]:
        """The group of every experiment; what is wrong with the grouping becomes a fault."""
        where = self.loaded.where("parameters", name, "by")
        bases = dict.fromkeys(replicate_of(e.name) for e in self.seen)
        if isinstance(by, dict):
            for group, members in by.items():
                for member in members:
                    # A choice of experiments need not touch the groups.
                    if member not in bases and self.loaded.config.data.only is None:
                        what = f"group {group}: no experiment is called '{member}'; {suggest(member, bases)}"
                        self.faults.add(where, what)
            for base in bases:
                mine = [group for group, members in by.items() if base in members]
                if len(mine) != 1:
                    what = f"is in the groups {' and '.join(mine)}; choose one" if mine else "is in no group"
                    self.faults.add(where, f"experiment {base} {what}")
            return groups_of(by, self.seen)
        groups = groups_of(by, self.seen)
        known = {name: None for e in self.seen for name in (*e.labels, *e.constants)}
        if by != "experiment" and by not in known:
            self.faults.add(where, f"data.experiments has no column '{by}'; {suggest(by, ['experiment', *known])}")
        elif "" in groups:
            self.faults.add(where, f"the column '{by}' says nothing of experiment {self.seen[groups.index('')].name}")
        return groups

    @functools.cached_property
    def _observed(self) -> dict[str, int]:
        """The column of the observable that is a state itself, of each state that has one."""
        observables = [*enumerate(self.described.system.predicted.values())]
        return {s: i for s in self.described.system.states for i, g in reversed(observables) if g == symbol(s)}

    def _first(self, state: str, experiment: Experiment) -> float:
        """The first measurement of a state, which must be there at the very start."""
        column = self._observed.get(state)
        if column is None:
            where = self.loaded.where("model", "initial", state)
            self.faults.add(where, f"`first` needs an observable that is `{state}` itself; use `estimate`")
            return 0.0
        value = experiment.values[0, column]
        censored = experiment.censored is not None and experiment.censored[0, column]
        if experiment.times[0] != experiment.start or math.isnan(value) or censored:
            self.faults.add(
                self.loaded.where("model", "initial", state),
                f"experiment {experiment.name} has no measurement of {state} at its start "
                f"(t = {experiment.start:g}); use `estimate`",
            )
            return 0.0
        return float(value)

    def _around(self, state: str) -> float | None:
        """See `add`: of the initial value of a state whose measurements are all positive; None of others."""
        column = self._observed.get(state)
        if self.loaded.config.model.initial_scale == "linear" or column is None:
            return None
        if not self.described.system.is_mechanistic:
            return None
        values = np.concatenate([e.values[:, column] for e in self.measured])
        values = values[~np.isnan(values)]
        return INITIAL_FACTOR if len(values) and (values > 0).all() else None

    def _guess(self, state: str, experiment: Experiment) -> float | None:
        column = self._observed.get(state)
        known = [] if column is None else experiment.values[~np.isnan(experiment.values[:, column]), column]
        if not len(known) and state in free_states(self.described.system):
            return 0.0
        return float(known[0]) if len(known) else self.described.nominal_initial.get(state)

    def inlined(self) -> dict[str, float]:
        """Symbols that are the same number in every experiment and never move."""
        numbers = {}
        for name, targets in self.bound.items():
            values = {self.number(target) for target in targets}
            if len(values) == 1 and (value := values.pop()) is not None:
                numbers[name] = value
        return numbers

    def number(self, target: Target) -> float | None:
        """What a target is, where it never moves."""
        if isinstance(target, str):
            row = self.rows.get(target)
            return None if row is None or row.estimate else row.value
        return target

    def bind(self, symbols: Sequence[str], computed: Collection[str] = ()) -> Binding:
        """Which number each of the symbols [L] takes in each experiment; 0 of those that are computed from others."""
        position = {name: i for i, name in enumerate(self.rows)}
        index = np.full((len(self.measured), len(symbols)), -1, dtype=np.intp)
        constant = np.zeros(index.shape)
        for column, name in enumerate(symbols):
            for row, target in enumerate(() if name in computed else self.bound[name]):
                if isinstance(target, str):
                    index[row, column] = position[target]
                else:
                    constant[row, column] = target
        return Binding(tuple(symbols), index, constant)


def _within(value: float | None, low: float, high: float, scale: str) -> float | None:
    """The middle of finite bounds, on the scale of the search, for a value that is not known or not between them."""
    if value is not None and _inside(value, low, high, scale):
        return value
    if scale == "log":
        return math.sqrt(low) * math.sqrt(high) if low > 0 and math.isfinite(high) else value
    return low + 0.5 * (high - low) if math.isfinite(low) and math.isfinite(high) else value


def _inside(value: float, low: float, high: float, scale: str) -> bool:
    if scale == "linear":
        return low <= value <= high
    return low < value < high if scale == "logit" else value > 0 and low <= value <= high


def groups_of(by: str | dict[str, list[str]], experiments: Sequence[Experiment]) -> list[str]:
    """The group of every experiment: itself, what a column of the table of experiments says of it, or the one that
    lists it; empty where there is none."""
    bases = [replicate_of(e.name) for e in experiments]
    if isinstance(by, dict):
        return [next((group for group, members in by.items() if base in members), "") for base in bases]
    if by == "experiment":
        return bases
    return [e.labels.get(by) or (f"{e.constants[by]:g}" if by in e.constants else "") for e in experiments]
