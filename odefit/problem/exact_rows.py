"""Measurements that the model meets exactly, whatever its parameters are: there a noise level may go to nothing.

A state whose initial value is a number has that value at the start; one whose derivative is zero as long as all such
states rest keeps it until a dose or an event. Where a measurement equals what follows from these values alone, its
residual is 0 for every parameter, and -ln p = ln s + const falls without limit if s can go to 0 there while the noise
of all other measurements stays positive: additive and proportional noise at a measured 0, for instance. Where it
follows that there is nothing to be measured, noise of logarithms and of counts allows no measurement.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from odefit import algebra as sp
from odefit.data.experiments import Experiment
from odefit.errors import Faults, ModelError
from odefit.model.operators import put_numbers
from odefit.model.system import TIME, symbol
from odefit.objective.observation import covariate_symbol
from odefit.objective.parameters import Parameter
from odefit.problem.checks import Draft
from odefit.problem.noise_models import without_logarithm
from odefit.records import dataclass

CLOSE = 1e-12
"""The relative distance within which a measurement is what the model says."""
TINY = 1e-30
"""A noise level that stands for one on its way to zero."""


@dataclass(frozen=True)
class _Act:
    """A dose or an event. time: None where it is not known beforehand. states: those that jump."""

    time: float | None
    states: frozenset[str]


@dataclass(frozen=True)
class _Surroundings:
    """One experiment, and what is known of its states before anything is solved."""

    draft: Draft
    row: int
    experiment: Experiment

    @cached_property
    def numbers(self) -> dict[str, float]:
        """The symbols that are numbers here."""
        builder = self.draft.builder
        found = {name: builder.number(targets[self.row]) for name, targets in builder.bound.items()}
        return {name: value for name, value in found.items() if value is not None}

    @cached_property
    def at_start(self) -> dict[str, float]:
        """The states with a number as initial value."""
        found = {}
        for state, formula in self.draft.described.system.initial.items():
            value = self.numbers.get(str(formula)) if formula.is_Symbol else _number(formula, self.numbers)
            if value is not None:
                found[state] = value
        return found

    @cached_property
    def resting(self) -> dict[str, float]:
        """Those of them that stay where they are as long as nothing acts on any state."""
        found, equations = dict(self.at_start), self.draft.described.system.equations
        while True:
            moving = [s for s in found if _number(equations[s], self.numbers | found) != 0]
            if not moving:
                return found
            found = {s: value for s, value in found.items() if s not in moving}

    @cached_property
    def acts(self) -> list[_Act]:
        """What happens to the states on the way."""
        described = self.draft.described
        lag = _number(described.dosing.lag, self.numbers)
        doses = [
            _Act(None if lag is None else dose.time + lag, frozenset([dose.state] if dose.jumps else []))
            for dose in self.experiment.doses
        ]
        events = [_Act(_number(e.time, self.numbers), frozenset(e.changes)) for e in described.system.events]
        events += [_Act(None, frozenset(trigger.changes)) for trigger in described.system.triggers]
        return doses + events

    def states(self, t: float, before: bool) -> dict[str, float]:
        """The states whose value at time t, or just before what happens then, does not depend on any estimate."""
        if self.draft.described.system.rest is not None and self.experiment.steady_state:
            return {}
        jumped = [a.states for a in self.acts if a.time is None or a.time < t or (a.time == t and not before)]
        known = self.at_start
        if t > self.experiment.start:
            known = {} if any(a.time is None or a.time < t for a in self.acts) else self.resting
        return {s: value for s, value in known.items() if not any(s in states for states in jumped)}

    def at(self, k: int, observable: str, column: int) -> dict[str, float]:
        """What is a number at the k-th time, for the noise of an observable."""
        t, clock = float(self.experiment.times[k]), self.experiment.clock[[k]]
        inputs = {name: float(u(clock)[0]) for name, u in self.experiment.inputs.items()}
        beside = {
            covariate_symbol(name, observable): float(numbers[k, column])
            for name, numbers in self.experiment.covariates.items()
            if not math.isnan(numbers[k, column])
        }
        return {**self.numbers, **self.states(t, bool(self.experiment.sides[k] < 0)), **inputs, **beside, TIME: t}


@dataclass(frozen=True)
class _Cell:
    """A measurement that is met exactly, and the noise level that is left there."""

    place: _Surroundings
    k: int
    observable: str
    column: int
    value: float
    sigma: sp.Expr

    def __str__(self) -> str:
        experiment = self.place.experiment
        return (
            f"the measurement of {self.observable} in experiment {experiment.name} at t = {experiment.times[self.k]:g}"
        )


def check_possible(draft: Draft, seen: Sequence[Experiment]) -> None:
    """Refuse measurements that cannot be, whatever the parameters are: log-normal noise about 0 has no logarithm, and
    counts with mean 0 are 0. What the solver makes of such a 0 would be fitted instead.

    Raises ConfigError that names the first of them for each observable. draft, seen: as in `check_bounded`.
    """
    found: dict[str, list[_Cell]] = {}
    models = draft.noise.models
    if any(model.is_log or model.family.is_count for model in models.values()):
        places = [_Surroundings(draft, row, e) for row, e in enumerate(seen)]
        for cell in (cell for place in places if place.at_start for cell in _impossible_cells(place)):
            found.setdefault(cell.observable, []).append(cell)
    faults = Faults()
    for name, (cell, *others) in found.items():
        more = f", as {len(others)} more do" if others else ""
        what = f"{cell} cannot be under {models[name].model} noise, since the model says {cell.value:g} there"
        other = f"leave the row out (`data.exclude`), or give {name} a background that is above 0"
        remedy = without_logarithm(name) if models[name].is_log else other
        if cell.place.experiment.sides[cell.k] < 0:
            remedy = f"`data.at_jumps: after` where it was measured after the dose or event there; else {remedy}"
        faults.add(draft.loaded.where("noise", name), f"{what} whatever its parameters are{more}: {remedy}")
    faults.check()


def _impossible_cells(place: _Surroundings) -> Iterator[_Cell]:
    """The measurements above 0 of what is 0 or less, where the noise is of logarithms or of counts."""
    draft, experiment = place.draft, place.experiment
    for column, (name, g) in enumerate(draft.described.system.predicted.items()):
        model = draft.noise.models[name]
        if not (model.is_log or model.family.is_count):
            continue
        known = experiment.values[:, column] > 0
        if experiment.censored is not None:
            known &= experiment.censored[:, column] == 0
        for k in np.flatnonzero(known).tolist():
            if experiment.times[k] > experiment.start and not place.states(float(experiment.times[k]), before=False):
                break  # nothing is known of any state from here on
            m = _number(g, place.at(k, name, column))
            if m is not None and m <= 0:
                yield _Cell(place, k, name, column, m, sp.S.Zero)


def check_bounded(draft: Draft, seen: Sequence[Experiment]) -> None:
    """Refuse data under which the likelihood has no maximum. Raises ConfigError that names a row.

    Parameters
    ----------
    draft
        The problem so far.
    seen
        All experiments with those measurements that the fit is to explain.
    """
    if not any(_may_vanish(draft, name) for name in draft.described.system.observables):
        return
    places = [_Surroundings(draft, row, e) for row, e in enumerate(seen)]
    cells = [cell for place in places if place.at_start for cell in _exact_cells(place)]
    faults, told = Faults(), set[str]()
    for cell in cells:
        where = draft.loaded.where("noise", cell.observable)
        if cell.sigma.is_zero:
            if cell.observable not in told:
                what = f"{cell} has no noise there, since the model says {cell.value:g} whatever its parameters are"
                remedy = (
                    "leave the row out, or add a part that is a number (`model: additive_proportional, sigma: 0.1`)"
                )
                faults.add(where, f"{what}: {remedy}")
            told.add(cell.observable)
            continue
        for name in sorted(str(s.name) for s in cell.sigma.free_symbols):
            target = draft.builder.bound.get(name, [None] * len(seen))[cell.place.row]
            if not isinstance(target, str) or target in told:
                continue
            parameter = draft.builder.rows[target]
            if not _vanishes(cell.sigma, name) or _is_kept(draft, parameter, name, cells):
                continue
            if not _holds(places, cells, target):
                told.add(target)
                faults.add(where, _unbounded(cell, parameter, name))
    faults.check()


def _unbounded(cell: _Cell, parameter: Parameter, name: str) -> str:
    value = parameter.value
    what = f"{cell} is {cell.value:g}, which the model says whatever its parameters are, so the likelihood grows "
    what += f"without limit as {parameter.name} goes to 0: leave the row out, or give {name} a number or a lower bound"
    return f"{what}, such as `{name}: {{value: {value:.3g}, bounds: [{0.01 * value:.3g}, {100 * value:.3g}]}}`"


def _exact_cells(place: _Surroundings) -> Iterator[_Cell]:
    """The measurements that are met exactly, or that have no noise at all."""
    draft, experiment = place.draft, place.experiment
    for column, (name, g) in enumerate(draft.described.system.predicted.items()):
        sigma = draft.noise.models[name].sigma
        if sigma is None or not _may_vanish(draft, name):
            continue
        known = ~np.isnan(experiment.values[:, column])
        if experiment.censored is not None:
            known &= experiment.censored[:, column] == 0
        for k in np.flatnonzero(known).tolist():
            if experiment.times[k] > experiment.start and not place.resting:
                break
            numbers = place.at(k, name, column)
            m, d = _number(g, numbers), float(experiment.values[k, column])
            if m is None:
                continue
            level = _put(sigma, numbers)
            if level.is_zero or abs(m - d) <= CLOSE * abs(d):
                yield _Cell(place, k, name, column, m, level)


def _may_vanish(draft: Draft, observable: str) -> bool:
    """Whether a noise level can be nothing in some rows only: it is no number, nor one parameter for all of them."""
    noise = draft.noise.models[observable]
    if noise.sigma is None or noise.family.is_count or noise.sigma.is_number:
        return False
    return not noise.sigma.is_Symbol or len(set(draft.builder.bound.get(str(noise.sigma), ()))) > 1


def _vanishes(sigma: sp.Expr, name: str) -> bool:
    """Whether a noise level is nothing where one of its symbols is."""
    return bool(_put(sigma, {name: 0.0}).is_zero)


def _is_kept(draft: Draft, parameter: Parameter, name: str, cells: Sequence[_Cell]) -> bool:
    """Whether the user keeps a parameter away from zero: by a bound, or by a prior that excludes it."""
    bounds, prior = draft.builder.section(name).bounds, parameter.prior
    if bounds is not None and bounds[0] > 0:
        return True
    return prior is not None and prior.value(TINY) + math.log(TINY) * len(cells) > prior.value(parameter.value)


def _holds(places: Sequence[_Surroundings], cells: Sequence[_Cell], target: str) -> bool:
    """Whether a measurement that is not met exactly keeps a parameter from zero: its noise would vanish, too."""
    exact: dict[tuple[int, int], int] = {}
    for cell in cells:
        key = (cell.place.row, cell.column)
        exact[key] = exact.get(key, 0) + 1
    for place in places:
        draft = place.draft
        zero = {name: 0.0 for name, targets in draft.builder.bound.items() if targets[place.row] == target}
        for column, name in enumerate(draft.described.system.observables):
            sigma = draft.noise.models[name].sigma
            measured = int(np.count_nonzero(~np.isnan(place.experiment.values[:, column])))
            if sigma is None or measured <= exact.get((place.row, column), 0):
                continue
            if zero.keys() & {str(s) for s in sigma.free_symbols} and _put(sigma, place.numbers | zero).is_zero:
                return True
    return False


def _put(formula: sp.Expr, numbers: Mapping[str, float]) -> sp.Expr:
    """A formula with numbers in place of names; as it was where it has no value with them."""
    named = sorted(str(s.name) for s in formula.free_symbols)
    return _put_own(formula, tuple((name, numbers[name]) for name in named if name in numbers))


@functools.lru_cache(maxsize=4096)  # thousands of experiments put the same numbers in the same formulas
def _put_own(formula: sp.Expr, numbers: tuple[tuple[str, float], ...]) -> sp.Expr:
    try:
        put: sp.Expr = put_numbers(formula, {symbol(name): value for name, value in numbers})
    except ModelError:
        return formula
    return put


def _number(formula: sp.Expr, numbers: Mapping[str, float]) -> float | None:
    """The value of a formula, where it needs no other names than these."""
    found = _put(formula, numbers)
    return float(found) if found.is_number and found.is_finite else None
