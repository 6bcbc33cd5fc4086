"""What stands in for a prediction that is zero as far as the solver can tell, where it must be positive.

A log-normal prediction of 1e-30 is solved as 3e-17 or as -2e-16: its sign is the solver's. Let g+ be the largest
prediction within the solver's own error of the states,

    y+_i = y_i + ERRORS sign(dg/dy_i) (atol_i + rtol |y_i|),     g+ = g(y+).

Where g is less than half of g+ and than a small part of the least measurement, the lesser of half g+ and that part is
taken in its place: far from what was measured, so that a search leaves, and finite, so that it can. That place does not
move with the parameters, so it has no derivatives. The same holds for the mean of a count that is not zero; for one of
zero a mean of 0 will do, and only one that the solver left below that is replaced. An increase is a difference of two
values, and its error is that of these:  g+ = g + ERRORS (sum_i |dh/dy_i| (atol_i + rtol |y_i|) + rtol |g|).
A prediction below zero by more than this (g+ <= 0) stays
impossible. A noise level that vanishes with its prediction is taken at y+ too, but for a measurement of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray, IntArray, Mask
from odefit.model.derivatives import derivatives
from odefit.model.formulas import free_names
from odefit.model.functions import numpy_function
from odefit.model.system import TIME, NetworkCall
from odefit.objective.measurements import ObservableData, at_rows
from odefit.objective.noise.counts import MEAN_ERROR
from odefit.objective.observation import Moments, Observation

ERRORS = 10.0
"""The solver's tolerances that its error may come to."""
LEAST_SHARE = 1e-3
"""Of the least measurement: no prediction above it is touched."""


class SolverFloor:
    """Raises what must be positive for log-normal data, counts or a noise level, where it is zero but for the error."""

    def __init__(
        self,
        observation: Observation,
        data: Sequence[ObservableData],
        rtol: float,
        atol: float | tuple[float, ...],
    ) -> None:
        """Choose the observables.

        Parameters
        ----------
        observation
            The observables and their noise.
        data
            The measurements of each.
        rtol, atol
            Of the solver; atol one for all states, or one for each.
        """
        self._observation, self._rtol = observation, rtol
        n, states = len(observation.system.states), set(observation.levels)
        self._atol = np.broadcast_to(np.asarray(atol, dtype=np.float64), n)
        self._chosen = [
            k
            for k, (name, g) in enumerate(observation.system.predicted.items())
            if data[k].n
            and free_names(g) & states
            and not g.has(NetworkCall)
            and (self._is_positive(name) or observation.noise[name].moves_with(states))
        ]
        self._measured: dict[int, tuple[IntArray, FloatArray, float]] = {}
        """Rows and values of each chosen observable, and the prediction above which none of it is touched."""
        for k in self._chosen:
            rows = np.concatenate([block.rows for block in data[k].blocks])
            values = np.concatenate([block.values for block in data[k].blocks])
            self._measured[k] = rows, values, self._limit(k, values)
        self._slopes: dict[tuple[sp.Expr, int], Any] = {}

    @property
    def matters(self) -> bool:
        """Whether any observable must be positive, or has a noise level that must."""
        return bool(self._chosen)

    def _is_positive(self, name: str) -> bool:
        """Whether the predictions of an observable must be positive."""
        noise = self._observation.noise[name]
        return noise.is_log or noise.family.is_count

    def raised(
        self, moments: list[Moments], y: FloatArray, t: FloatArray, p: FloatArray, dy: FloatArray | None
    ) -> list[Moments]:
        """The moments with what stands in for zeros; the same where nothing does.

        Parameters
        ----------
        moments
            One per observable, at B points.
        y, t, p, dy
            What they were made from, as in `Observation.moments`, with a leading axis of points.
        """
        out = list(moments)
        for k in self._chosen:
            point, cell = np.nonzero(self._is_low(k, moments[k]))
            if len(point):
                row = self._measured[k][0][cell]
                own = p[point, 0] if p.shape[1] == 1 else p[point, row]
                part = y[point, row], t[row], own, None if dy is None else dy[point, row]
                out[k] = self._raised(k, moments[k], (point, row), part)
        return out

    def _is_low(self, k: int, moments: Moments) -> Mask:
        """Which of the measured rows may have to be raised, [..., M]."""
        rows, values, limit = self._measured[k]
        noise = self._observation.noise[self._observation.names[k]]
        m = at_rows(moments.m, rows)
        if noise.is_log:
            return np.asarray(~(m > limit))
        if noise.family.is_count:
            return np.asarray(~(m > np.where(values > 0, limit, -MEAN_ERROR)))
        s = at_rows(np.broadcast_to(np.asarray(moments.s, dtype=np.float64), moments.m.shape), rows)
        return np.asarray(~(s > 0) & (values != 0))

    def _limit(self, k: int, values: FloatArray) -> float:
        """The prediction above which none is touched, on the scale of the noise."""
        if self._observation.noise[self._observation.names[k]].is_log:
            return float(values.min() + np.log(LEAST_SHARE))
        return LEAST_SHARE * float(values[values > 0].min(initial=np.inf)) if (values > 0).any() else LEAST_SHARE

    def _raised(self, k: int, moments: Moments, at: tuple[IntArray, IntArray], part: tuple[Any, ...]) -> Moments:
        """at: points and rows, [n] each, which may be raised; part: what their moments are made from."""
        y, t, p, dy = part
        above = self._observation.moments(self._above(k, y, t, p), t, p, dy)[k]
        m, s, dm, ds = moments.m.copy(), moments.s, moments.dm, moments.ds
        name = self._observation.names[k]
        if self._is_positive(name):
            is_log = self._observation.noise[name].is_log
            half = above.m - np.log(2) if is_log else above.m / 2
            chosen = np.isfinite(half) & ~(m[at] >= half) & (is_log | (half > 0))
            there = at[0][chosen], at[1][chosen]
            m[there] = np.minimum(half, self._measured[k][2])[chosen]
            if dm is not None:
                dm = dm.copy()
                dm[there] = 0.0
        if s is not None and above.s is not None:
            s = np.broadcast_to(np.asarray(s, dtype=np.float64), m.shape).copy()
            instead = np.broadcast_to(np.asarray(above.s, dtype=np.float64), at[1].shape)
            chosen = ~(s[at] > 0) & (instead > 0)
            there = at[0][chosen], at[1][chosen]
            s[there] = instead[chosen]
            if ds is not None and above.ds is not None:
                ds = ds.copy()
                ds[there] = above.ds[chosen]
        return replace(moments, m=m, s=s, dm=dm, ds=ds)

    def _above(self, k: int, y: FloatArray, t: FloatArray, p: FloatArray) -> FloatArray:
        """y+ [M, S] for observable k."""
        g = list(self._observation.system.predicted.values())[k]
        signs = np.sign(self._slope(g, self._observation.levels, y, t, p))
        raised: FloatArray = y + ERRORS * signs * self._errors(y, t, p)
        return raised

    def _errors(self, y: FloatArray, t: FloatArray, p: FloatArray) -> FloatArray:
        """[M, S], one tolerance of every level."""
        system, comparisons = self._observation.system, self._observation.comparisons
        n = len(system.states)
        errors = self._rtol * np.abs(y)
        errors[:, :n] += self._atol
        if comparisons is not None:
            # Of a ratio to the start only the relative error is known.
            for c, (kind, h) in enumerate(zip(system.compared.values(), comparisons.formulas, strict=True)):
                if kind == "increase" and not h.has(NetworkCall):
                    slopes = self._slope(h, system.states, y[:, :n], t, p)
                    errors[:, n + c] += np.sum(np.abs(slopes) * errors[:, :n], axis=1)
        return errors

    def _slope(
        self, formula: sp.Expr, levels: Sequence[str], y: FloatArray, t: FloatArray, p: FloatArray
    ) -> FloatArray:
        """[M, S], the derivatives of a formula to levels y."""
        key = formula, len(levels)
        if key not in self._slopes:
            arguments = (*levels, TIME, *self._observation.symbols)
            self._slopes[key] = numpy_function(derivatives([formula], levels)[0], arguments)
        found = self._slopes[key](*y.T, t, *p.T)
        return np.stack([np.broadcast_to(slope, t.shape) for slope in found], axis=1)


def raised_rows(moments: Sequence[Moments], raised: Sequence[Moments]) -> list[Mask]:
    """Which rows of every observable have another prediction since they were raised, [B, R] each."""
    pairs = zip(moments, raised, strict=True)
    return [~((other.m == plain.m) | np.isnan(other.m)) for plain, other in pairs]
