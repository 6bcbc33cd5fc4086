"""Natural cubic smoothing splines of short series, by their eigenvectors (Demmler & Reinsch 1975).

With g the values of the spline at the times of the data d, and g' K g = ∫ s''(t)² dt,

    |g - d|² + lambda g' K g  ->  min,     g = U (1 + lambda e)^-1 U' d,     K = U diag(e) U',

so that one decomposition serves every lambda. K = Q R^-1 Q' has the matrices of P. J. Green and B. W. Silverman,
"Nonparametric Regression and Generalized Linear Models" (1994), section 2.1. lambda minimises the generalized
cross-validation n RSS / (n - 1.4 trace)², summed over all series of one kind; the factor 1.4 keeps it from following
the noise of short series (Y.-J. Kim & C. Gu 2004).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray
from odefit.records import dataclass

MIN_POINTS = 5
"""The fewest points that are smoothed; fewer are interpolated linearly."""

TRACE_FACTOR = 1.4
"""How much a degree of freedom of the spline counts for in the cross-validation."""

UNRESOLVED = 0.6
"""The share of the scatter of the data that curves may leave; of more it is not known whether it is noise."""

STRENGTHS = np.logspace(-10, 4, 57)
"""The values of lambda that are tried: 1 damps the slowest wave of a series to a half."""


@dataclass(frozen=True)
class Smoother:
    """The splines through the times t [n] of one series."""

    t: FloatArray

    @cached_property
    def _q_and_r(self) -> tuple[FloatArray, FloatArray]:
        """Q [n, n - 2] and R [n - 2, n - 2]: Q' g = R g'' for the second derivatives g'' at the inner times."""
        n, h = len(self.t), np.diff(self.t)
        q, j = np.zeros((n, n - 2)), np.arange(n - 2)
        q[j, j], q[j + 2, j] = 1 / h[:-1], 1 / h[1:]
        q[j + 1, j] = -1 / h[:-1] - 1 / h[1:]
        return q, np.diag((h[:-1] + h[1:]) / 3) + np.diag(h[1:-1] / 6, 1) + np.diag(h[1:-1] / 6, -1)

    @cached_property
    def _modes(self) -> tuple[FloatArray, FloatArray]:
        """e [n], in units of the smallest that is not zero, and U [n, n]."""
        q, r = self._q_and_r
        e, u = np.linalg.eigh(q @ np.linalg.solve(r, q.T))
        e[:2] = 0.0  # a straight line costs nothing
        return np.maximum(e, 0.0) / e[2], u

    def residuals(self, d: FloatArray, strengths: FloatArray) -> tuple[FloatArray, FloatArray]:
        """|g - d|² and the trace of what makes g of d [n], for each lambda [L]."""
        e, u = self._modes
        kept = 1 / (1 + strengths[:, None] * e)
        return np.sum(((1 - kept) * (u.T @ d)) ** 2, axis=1), kept.sum(axis=1)

    def smoothed(self, d: FloatArray, strength: float) -> FloatArray:
        """g [n]."""
        e, u = self._modes
        g: FloatArray = u @ ((u.T @ d) / (1 + strength * e))
        return g

    def interpolated(self, g: FloatArray, times: FloatArray) -> FloatArray:
        """The natural spline through g [n] at `times`; beyond the first and the last time a straight line."""
        q, r = self._q_and_r
        bend = np.concatenate([[0.0], np.linalg.solve(r, q.T @ g), [0.0]])
        k = np.clip(np.searchsorted(self.t, times, side="right") - 1, 0, len(self.t) - 2)
        h, s = self.t[k + 1] - self.t[k], times - self.t[k]
        h_first, h_last = self.t[1] - self.t[0], self.t[-1] - self.t[-2]
        slope = (g[k + 1] - g[k]) / h - h * (2 * bend[k] + bend[k + 1]) / 6
        inside = g[k] + s * (slope + s * (bend[k] / 2 + s * (bend[k + 1] - bend[k]) / (6 * h)))
        first = g[0] + ((g[1] - g[0]) / h_first - h_first * bend[1] / 6) * (times - self.t[0])
        last = g[-1] + ((g[-1] - g[-2]) / h_last + h_last * bend[-2] / 6) * (times - self.t[-1])
        found: FloatArray = np.where(times < self.t[0], first, np.where(times > self.t[-1], last, inside))
        return found


@dataclass(frozen=True)
class Curves:
    """Smooth curves through several series of one kind.

    Parameters
    ----------
    series
        (t [n], d [n]) each.
    """

    series: Sequence[tuple[FloatArray, FloatArray]]

    @cached_property
    def _smoothers(self) -> list[Smoother | None]:
        known: dict[bytes, Smoother] = {}
        return [known.setdefault(t.tobytes(), Smoother(t)) if len(t) >= MIN_POINTS else None for t, _ in self.series]

    @cached_property
    def _fit(self) -> tuple[float, float]:
        """The best lambda, and the standard deviation of the data about their curves there.

        Curves that hardly follow the data may have taken an oscillation for noise that is sampled too thinly to be
        seen: then they go through the data, and the standard deviation is not known.
        """
        pairs = [(s, d) for s, (_, d) in zip(self._smoothers, self.series, strict=True) if s is not None]
        if not pairs:
            return 0.0, math.nan
        score, rss, free = np.zeros((3, len(STRENGTHS)))
        for smoother, d in pairs:
            n, (squares, trace) = len(d), smoother.residuals(d, STRENGTHS)
            left = n - TRACE_FACTOR * trace
            score += np.where(left > 0, n * squares / np.where(left > 0, left, 1.0) ** 2, np.inf)
            rss, free = rss + squares, free + n - trace
        best = int(np.argmin(score))
        if not np.isfinite(score[best]):
            return 0.0, math.nan
        deviation = math.sqrt(rss[best] / free[best])
        spread = np.sqrt(np.mean(np.concatenate([d - d.mean() for _, d in pairs]) ** 2))
        return (0.0, math.nan) if deviation > UNRESOLVED * spread else (float(STRENGTHS[best]), deviation)

    @property
    def deviation(self) -> float:
        """The standard deviation of the data about their curves; NaN where no series is long enough."""
        return self._fit[1]

    def at(self, k: int, times: FloatArray) -> FloatArray:
        """The curve of series k at `times`; NaN where it has no data."""
        (t, d), smoother = self.series[k], self._smoothers[k]
        if not len(t):
            return np.full(len(times), np.nan)
        if smoother is None:
            return np.interp(times, t, d)
        return smoother.interpolated(smoother.smoothed(d, self._fit[0]), times)
