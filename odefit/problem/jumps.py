"""Where what is measured jumps: at doses, events and steps of inputs whose times are known before anything is fitted.

A dose into a depot does not make the blood jump, and an event that moves an amount from one state to another leaves
their sum alone. So each observable is computed on both sides of what happens, at states and parameters that stand for
any others: numbers drawn once, but for those that are known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.data.experiments import Experiment
from odefit.model.formulas import free_names
from odefit.model.functions import derivatives, numpy_function
from odefit.model.system import TIME, NetworkCall, symbol
from odefit.problem.described import Described
from odefit.records import dataclass

NOTHING, DOSE, EVENT, STEP = range(4)
"""What makes an observable jump."""
_DRAWS, _SEED = 2, 20
_SAME = 1e-9
"""Values that differ by less, relatively, are one."""
_SEEN = 1e-6
"""Shares of its value by which an observable must differ to be believed where it does not."""
_ROUNDING, _LARGE = 1e-14, 1e4
"""What sums of numbers lose, as a share of these, and below which states that is nothing beside drawn ones."""


@dataclass(frozen=True)
class _Happening:
    """What happens at one time: events in their order, the sums of doses by state, inputs that jump."""

    events: tuple[int, ...]
    doses: tuple[tuple[int, float], ...]
    steps: tuple[str, ...]


class JumpFinder:
    """Of one system; `known`: the parameters that never move."""

    def __init__(self, described: Described, known: Mapping[str, float]) -> None:
        self.system, self.dosing, self.known = described.system, described.dosing, dict(known)
        self.observables = list(self.system.observables.values())
        self._found: dict[tuple[Any, ...], tuple[Mask, Mask]] = {}
        self._changes: dict[int, tuple[IntArray, Mask, Any]] = {}
        named = set().union(*map(free_names, self.observables)) if self.observables else set()
        self._inputs = [name for name in self.system.inputs if name in named]
        self._timed = TIME in named

    @cached_property
    def _draws(self) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
        """States, parameters and inputs, drawn."""
        rng = np.random.default_rng(_SEED)
        s, p, u = len(self.system.states), len(self.system.parameters), len(self.system.inputs)
        return [(rng.uniform(0.5, 1.5, s), rng.uniform(0.5, 1.5, p), rng.random(u)) for _ in range(_DRAWS)]

    def may_jump(self, experiment: Experiment) -> bool:
        """False where nothing happens that could make an observable jump."""
        steps = any(len(experiment.inputs[name].steps) for name in self._inputs)
        return bool(self.system.events or self.system.triggers or experiment.doses or self._timed or steps)

    @property
    def knows_all(self) -> bool:
        """Whether the time of everything that makes states jump is known beforehand."""
        if self.system.triggers:
            return False
        times = [self.dosing.lag, *(event.time for event in self.system.events)]
        return all(free_names(time) <= self.known.keys() for time in times)

    def kinds(self, experiment: Experiment) -> IntArray:
        """[T, O] `DOSE`, `EVENT` or `STEP` where an observable jumps at the time of a row, else `NOTHING`."""
        found = np.zeros((len(experiment.times), len(self.observables)), dtype=np.intp)
        if not len(experiment.times):
            return found
        values = self._values(experiment)
        for row, what in self._happenings(experiment, values).items():
            jumps, by_dose = self._jumps(what, values, float(experiment.times[row]))
            found[row, jumps] = EVENT if what.events else STEP
            found[row, by_dose] = DOSE
        if self._timed:
            found[(found == NOTHING) & self._switched(experiment, values)] = STEP
        return found

    def certain(self, experiment: Experiment) -> FloatArray:
        """[2, T, O] what is just before and just after, where it is one number whatever is estimated; else NaN."""
        found = np.full((2, len(experiment.times), len(self.observables)), np.nan)
        values = self._values(experiment)
        for row, what in self._happenings(experiment, values).items():
            t = float(experiment.times[row])
            draws = []
            for y, p, u in self._draws:
                known = np.where(np.isnan(values), p, values)
                at_start = np.array(self._start(*known)) if t <= experiment.start else y
                draws.append(self._sides(what, t, at_start, known, u))
            first, second = np.array(draws)
            found[:, row] = np.where(_differ(first, second, np.True_), np.nan, first)
        return found

    @cached_property
    def _start(self) -> Any:
        """The initial values, of the parameters."""
        return numpy_function(list(self.system.start), self.system.parameters)

    def _values(self, experiment: Experiment) -> FloatArray:
        """The parameters of the system in this experiment; NaN for those that are estimated."""
        known = self.known | dict(experiment.constants)
        return np.array([known.get(name, np.nan) for name in self.system.parameters], dtype=np.float64)

    def _happenings(self, experiment: Experiment, values: FloatArray) -> dict[int, _Happening]:
        """By row, with what happens at its time; rows with the same time share it."""
        t = np.asarray(experiment.times, dtype=np.float64)
        slack = experiment.slack
        lag, *times = self._times(*values)
        events: dict[int, list[int]] = {}
        doses: dict[int, dict[int, float]] = {}
        steps: dict[int, list[str]] = {}
        for k, time in enumerate(map(float, times)):
            if time >= experiment.start - slack:
                for row in _at(t, time, slack):
                    events.setdefault(row, []).append(k)
        for dose in experiment.doses:
            if dose.spread is None and dose.duration <= slack:
                state = self.system.states.index(dose.state)
                for row in _at(t, dose.time + float(lag), slack):
                    sums = doses.setdefault(row, {})
                    sums[state] = sums.get(state, 0.0) + dose.amount
        for name in self._inputs:
            for row in {row for time in experiment.inputs[name].steps for row in _at(t, float(time), slack)}:
                steps.setdefault(row, []).append(name)
        return {
            row: _Happening(
                tuple(events.get(row, [])),
                tuple(sorted(doses.get(row, {}).items())),
                tuple(steps.get(row, [])),
            )
            for row in sorted({*events, *doses, *steps})
        }

    @cached_property
    def _times(self) -> Any:
        """The lag of doses and the times of events, of the parameters."""
        return numpy_function([self.dosing.lag, *(event.time for event in self.system.events)], self.system.parameters)

    def _jumps(self, what: _Happening, values: FloatArray, t: float) -> tuple[Mask, Mask]:
        """[O] each: which observables jump, and which of them by a dose."""
        key = (what, values.tobytes(), t if self._timed else 0.0)
        if key not in self._found:
            moved = [self._moved(what, values, t, *draw) for draw in self._draws]
            jumps, by_dose = (np.any([m[k] for m in moved], axis=0) for k in (0, 1))
            self._found[key] = jumps, by_dose & jumps
        return self._found[key]

    def _moved(
        self, what: _Happening, values: FloatArray, t: float, y: FloatArray, p: FloatArray, u: FloatArray
    ) -> tuple[Mask, Mask]:
        p = np.where(np.isnan(values), p, values)
        after, moved = self._acted(what, t, y, p, u)
        jumps = self._jump(y, after, moved, t, p, u, self._stepped(what, u))
        if not (what.events or what.steps):
            return jumps, jumps
        dosed = self._doses(what, p)
        return jumps, self._jump(y, y + dosed, dosed, t, p, u, u)

    def _jump(
        self,
        y: FloatArray,
        after: FloatArray,
        d: FloatArray,
        t: float,
        p: FloatArray,
        u: FloatArray,
        then: FloatArray,
    ) -> Mask:
        """[O] which observables jump where states move by d from y to `after`, and inputs from u to `then`.

        As y is drawn, d may be so small beside it, in some unit, that an observable rounds away what it makes. There

            sum_i dg/dy_i d_i

        is what tells, as it tells how much of a difference is the rounding of large states.
        """
        steps = [name for name, one, other in zip(self.system.inputs, u, then, strict=True) if one != other]
        named = self._named_by(np.flatnonzero(d != 0), steps)
        if not named.any():
            return named
        after = np.where(d == 0, y, after)
        before, beyond = self._observe(y, t, p, u), self._observe(after, t, p, then)
        apart = named & _differ(before, beyond, named)
        if (apart == named).all() and np.abs(after).max(initial=0.0) < _LARGE:
            return apart
        with np.errstate(all="ignore"):
            slope, size = self._along(d, y, t, p, u)
            _, lost = self._along(np.where(d == 0, 0.0, after), after, t, p, then)
            apart &= ~(np.abs(beyond - before) <= _ROUNDING * lost)
            hidden = (size < _SEEN * np.abs(before)) & (np.abs(slope) > _SAME * size)
        return apart | (named & hidden)

    def _sides(
        self, what: _Happening, t: float, y: FloatArray, p: FloatArray, u: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """The observables [O] just before and just after, for states y [S] before and inputs u."""
        after, _ = self._acted(what, t, y, p, u)
        return self._observe(y, t, p, u), self._observe(after, t, p, self._stepped(what, u))

    def _stepped(self, what: _Happening, u: FloatArray) -> FloatArray:
        after: FloatArray = u + np.array([1.0 if name in what.steps else 0.0 for name in self.system.inputs])
        return after

    def _acted(
        self, what: _Happening, t: float, y: FloatArray, p: FloatArray, u: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """The states [S] just after, and by how much they have moved, which the states themselves may round away."""
        after, moved = y.copy(), np.zeros(len(y))
        for k in what.events:
            states, own, function = self._change(k)
            found = np.array(function(*after, t, *p, *self._stepped(what, u)), dtype=np.float64).reshape(2, -1)
            value, by = found
            rounding = own & (np.abs(by) <= _SAME * (np.abs(value) + np.abs(after[states])))
            moved[states] += np.where(rounding, 0.0, by)
            after[states] = value
        doses = self._doses(what, p)
        return after + doses, moved + doses

    def _doses(self, what: _Happening, p: FloatArray) -> FloatArray:
        """[S] what doses bring into the states."""
        found = np.zeros(len(self.system.states))
        for state, amount in what.doses:
            found[state] += amount * float(self._fraction(*p)[0])
        return found

    @cached_property
    def _fraction(self) -> Any:
        return numpy_function([self.dosing.fraction], self.system.parameters)

    def _change(self, event: int) -> tuple[IntArray, Mask, Any]:
        """The states that an event changes, whether by how much depends on themselves, and a function: their values
        after it, then by how much they move."""
        if event not in self._changes:
            changes = self.system.events[event].changes
            by = [value - symbol(state) for state, value in changes.items()]
            own = np.array([state in free_names(d) for state, d in zip(changes, by, strict=True)], dtype=bool)
            states = np.array([self.system.states.index(state) for state in changes], dtype=np.intp)
            self._changes[event] = states, own, numpy_function([*changes.values(), *by], self._arguments)
        return self._changes[event]

    @property
    def _arguments(self) -> tuple[str, ...]:
        return (*self.system.states, TIME, *self.system.parameters, *self.system.inputs)

    def _observe(self, y: FloatArray, t: float, p: FloatArray, u: FloatArray) -> FloatArray:
        """[O]; NaN where an observable calls a network."""
        found = np.full(len(self.observables), np.nan)
        for k, value in zip(self._plain, self._observed(*y, t, *p, *u), strict=True):
            found[k] = value
        return found

    @cached_property
    def _plain(self) -> list[int]:
        return [k for k, formula in enumerate(self.observables) if not formula.has(NetworkCall)]

    @cached_property
    def _observed(self) -> Any:
        return numpy_function([self.observables[k] for k in self._plain], self._arguments)

    def _along(
        self, d: FloatArray, y: FloatArray, t: float, p: FloatArray, u: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """The sums of dg/dy_i d_i, and of their sizes, of each observable [O]."""
        of, by, function = self._slopes
        moved = np.flatnonzero(d[by])
        parts = np.array(function(*y, t, *p, *u), dtype=np.float64)[moved] * d[by[moved]]
        sums: FloatArray = np.zeros((2, len(self.observables)))
        np.add.at(sums.T, of[moved], np.column_stack([parts, np.abs(parts)]))
        return sums[0], sums[1]

    @cached_property
    def _slopes(self) -> tuple[IntArray, IntArray, Any]:
        """Observables and states, and a function: the dg/dy of these, where they are not nothing."""
        rows = derivatives([self.observables[k] for k in self._plain], self.system.states)
        found = [(k, i, d) for k, row in zip(self._plain, rows, strict=True) for i, d in enumerate(row) if d != 0]
        of, by = (np.array([one[k] for one in found], dtype=np.intp) for k in (0, 1))
        return of, by, numpy_function([d for _, _, d in found], self._arguments)

    def _named_by(self, states: IntArray, steps: Sequence[str]) -> Mask:
        """[O] which observables name one of these states or inputs."""
        names = {*(self.system.states[k] for k in states), *steps}
        return np.array([not names.isdisjoint(own) for own in self._names], dtype=bool)

    @cached_property
    def _names(self) -> list[set[str]]:
        """What each observable names."""
        return [free_names(formula) for formula in self.observables]

    def _switched(self, experiment: Experiment, values: FloatArray) -> Mask:
        """[T, O] where a formula of the time alone makes an observable jump."""
        found = np.zeros((len(experiment.times), len(self.observables)), dtype=bool)
        y, p, u = self._draws[0]
        p = np.where(np.isnan(values), p, values)
        sides = [self._observed(*y, side.clock, *p, *u) for side in experiment.before_and_after]
        for k, before, after in zip(self._plain, *sides, strict=True):
            found[:, k] = np.broadcast_to(_differ(np.asarray(before), np.asarray(after), np.False_), len(found))
        return found


def _at(times: FloatArray, time: float, slack: float) -> range:
    """The rows at a time; none for NaN."""
    if np.isnan(time):
        return range(0)
    low, high = np.searchsorted(times, time - slack), np.searchsorted(times, time + slack, side="right")
    return range(int(low), int(high))


def _differ(before: FloatArray, after: FloatArray, unknown: Any) -> Mask:
    """Where two values are not one; `unknown` where they are no numbers."""
    with np.errstate(all="ignore"):
        apart = np.abs(after - before) > _SAME * (np.abs(after) + np.abs(before))
    found: Mask = np.where(np.isfinite(before) & np.isfinite(after), apart, unknown)
    return found
