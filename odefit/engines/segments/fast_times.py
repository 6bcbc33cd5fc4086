"""Where a formula of t changes fast within a small part of an experiment: there a solver has to stop.

A solver sees a formula at its steps only. A pulse of width 0.005 in a span of 10 falls between them, at every
tolerance: before the pulse nothing changes, so that steps grow. A stop within the pulse makes it seen, for a step that
ends there meets it, and its error shows.

The formula is looked at on a grid that is refined where neighbours differ, and around the times that the formula
itself singles out (`centres`). Stops stand where its total variation has passed another third of its range, as far as
they follow each other fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.model.functions import numpy_function
from odefit.model.system import TIME, System
from odefit.model.time_formulas import centres, time_formulas

GRID, FINE_GRID = 2048, 16_384
"""Intervals of the first grid; and of that for formulas without parameters, which are looked at once."""

AROUND = 2.0 ** -np.arange(1, 46)
"""Distances from a centre that are looked at, in time spans: a pulse of any width is met."""

ROUNDS, MOST_POINTS = 12, 40_000
"""Refinements of the grid, and the points that it may have."""

COARSE = 1 / 8
"""Share of the formula's range by which neighbours may differ."""

SHARE = 1 / 3
"""Of the formula's range, between two stops."""

FAST = 1 / 40
"""Of the time span: a third of the range in less is fast."""

ISOLATED = 0.2
"""Share of the mean time between stops that fast ones are apart: what is as fast everywhere, such as an oscillation, is
seen by any step."""

MANY_STOPS, MOST_STOPS = 300, 2000
"""Of one formula in one experiment; more than MANY stand MORE_APART."""
MORE_APART = 2.0

LARGEST = 1e290
"""The largest value that counts: sums of such values do not overflow."""

REMEMBERED = 10_000
"""Parameters and experiments of which the stops are kept."""


class FastTimes:
    """The stops that a system's formulas of t need."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.formulas = time_formulas(system)
        used = set().union(*({s.name for s in formula.free_symbols} for formula in self.formulas))
        self._used = np.array([k for k, name in enumerate(system.parameters) if name in used], dtype=np.intp)
        self._known: dict[tuple[bytes, float, float], FloatArray] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Without compiled functions."""
        return {key: value for key, value in vars(self).items() if key not in ("_functions", "_centres")}

    @cached_property
    def _functions(self) -> list[Any]:
        return [numpy_function([formula], (TIME, *self.system.parameters)) for formula in self.formulas]

    @cached_property
    def _centres(self) -> list[Any]:
        return [numpy_function(list(centres(formula)), self.system.parameters) for formula in self.formulas]

    def stops(self, p: FloatArray, experiment: Experiment) -> FloatArray:
        """The times at which a solver has to stop.

        Parameters
        ----------
        p
            [L], the system's parameters.
        experiment
            Its start and its last time count.

        Returns
        -------
        FloatArray
            Increasing; empty where nothing is fast.
        """
        if not self.formulas or not len(experiment.times):
            return np.empty(0)
        start, end = experiment.start, experiment.last
        key = (p[self._used].tobytes(), start, end)
        if key not in self._known:
            if len(self._known) > REMEMBERED:
                self._known.clear()
            self._known[key] = self._found(p, start, end)
        return self._known[key]

    def _found(self, p: FloatArray, start: float, end: float) -> FloatArray:
        if not end > start or not np.isfinite(p).all():
            return np.empty(0)
        parts = []
        with np.errstate(all="ignore"):
            for function, singled_out in zip(self._functions, self._centres, strict=True):

                def values(t: FloatArray, function: Any = function) -> FloatArray:
                    return np.broadcast_to(np.asarray(function(t, *p)[0], dtype=np.float64), t.shape)

                hints = [float(time) for time in singled_out(*p)]
                parts.append(fast_times(values, start, end, hints, GRID if len(self._used) else FINE_GRID))
        return np.unique(np.concatenate(parts))


def fast_times(values: Any, start: float, end: float, hints: Sequence[float] = (), n_first: int = GRID) -> FloatArray:
    """Where one function of t is fast.

    Parameters
    ----------
    values
        From times [n] to numbers [n]; 0 stands for those that are not finite.
    start, end
        Where to look.
    hints
        Times around which to look closely.
    n_first
        Intervals of the first grid.
    """

    def bounded(t: FloatArray) -> FloatArray:
        g = values(t)
        within: FloatArray = np.clip(np.where(np.isfinite(g), g, 0.0), -LARGEST, LARGEST)
        return within

    span = end - start
    around = [c + side * span * AROUND for c in hints if np.isfinite(c) for side in (-1, 1)]
    t = np.unique(np.concatenate([np.linspace(start, end, n_first + 1), *around, [c for c in hints if np.isfinite(c)]]))
    t = t[(t >= start) & (t <= end)]
    g = bounded(t)
    for _ in range(ROUNDS):
        apart = np.flatnonzero(np.abs(np.diff(g)) > COARSE * np.ptp(g))
        if not len(apart) or len(t) > MOST_POINTS:
            break
        more = (t[apart, None] + np.diff(t)[apart, None] * np.array([0.25, 0.5, 0.75])).ravel()
        order = np.argsort(t := np.concatenate([t, more]), kind="stable")
        g, t = np.concatenate([g, bounded(more)])[order], t[order]
    step = SHARE * float(np.ptp(g))
    if step <= 0:
        return np.empty(0)
    passed = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(g)))])
    if passed[-1] > MANY_STOPS * step:
        step *= MORE_APART
    stops = np.interp(np.arange(0.5 * step, passed[-1], step), passed, t)
    gaps = np.diff(np.concatenate([[start], stops, [end]]))
    is_fast = gaps < min(FAST * span, ISOLATED * span / len(gaps))
    # What is fast from the start on is met by the first step.
    begun = int(np.argmin(is_fast)) if is_fast[0] else 0
    is_fast[:begun] = False
    kept: FloatArray = stops[is_fast[:-1] | is_fast[1:]]
    return kept if len(kept) <= MOST_STOPS else np.empty(0)
