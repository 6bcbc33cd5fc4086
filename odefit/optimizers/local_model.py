"""The quadratic model of an objective in score form, at one point, and its minima within bounds and a radius.

In p = d / size [P], for z and A at that point and D = diag(size),

    m(p) - f = |A D p + z|**2 / 2 - |z|**2 / 2      for low <= p <= high    (low <= 0 <= high).

The linear algebra is that of the matrix (linalg/matrix.py), in whichever form A is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from odefit.arrays import FloatArray
from odefit.linalg.matrix import HeldLeastSquares, LeastSquares
from odefit.linalg.score import Evaluation

REGULARISATION = (1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0)
"""Dampings, as shares of the largest curvature, that are tried one after the other where A is nearly singular."""


@dataclass(frozen=True)
class LocalModel:
    """The model at one point.

    Parameters
    ----------
    problem
        m(p) - f without bounds.
    low, high
        [P], the bounds of p.
    """

    problem: LeastSquares
    low: FloatArray
    high: FloatArray

    @classmethod
    def at(cls, u: FloatArray, here: Evaluation, size: FloatArray, lower: FloatArray, upper: FloatArray) -> LocalModel:
        """The model of the objective `here`, at u, for lower <= u + size p <= upper; [P] each."""
        return cls(here.A.least_squares(here.z, size), (lower - u) / size, (upper - u) / size)

    def decrease(self, p: FloatArray) -> float:
        """How much the model falls along p."""
        return self.problem.decrease(p)

    def step(self, radius: float) -> tuple[FloatArray, float]:
        """The minimiser of the model in box and radius (which is met to 10 %), and the damping that it takes."""
        p = self.damped(0.0)
        length = norm(p)
        if length <= 1.1 * radius:
            return p, 0.0
        # |p| falls as the damping rises, and 1/|p| is nearly linear in it: safeguarded secants.
        low, high = 0.0, self.problem.steepness() / radius
        damping_before, length_before = 0.0, length
        damping = 1e-3 * high
        for _ in range(30):
            p = self.damped(damping)
            length = norm(p)
            if 0.9 * radius <= length <= 1.1 * radius:
                break
            low, high = (damping, high) if length > radius else (low, damping)
            rise = 1 / length - 1 / length_before if min(length, length_before) > 0 else 0.0
            guess = damping + (1 / radius - 1 / length) * (damping - damping_before) / rise if rise else -1.0
            damping_before, length_before = damping, length
            damping = guess if low < guess < high else max(np.sqrt(low * high), 1e-3 * high)
        return p, damping

    def damped(self, damping: float) -> FloatArray:
        """The minimiser of m(p) + damping |p|**2 / 2 in the box (the shortest one, for damping 0)."""
        p = self.problem.minimiser(damping)
        if (p >= self.low).all() and (p <= self.high).all():
            return p
        # Pivoting ends where the model is strictly convex. Where A is as good as singular it need not, nor lead
        # downhill: then as little damping as helps makes it so.
        found, is_minimum = self._pivoted(self.problem.held(damping), p)
        for share in REGULARISATION:
            if is_minimum and self.decrease(found) >= 0:
                break
            more = max(damping, share * self.problem.largest_curvature())
            found, is_minimum = self._pivoted(self.problem.held(more), self.problem.minimiser(more))
        return found

    def _pivoted(self, problem: HeldLeastSquares, unbounded: FloatArray) -> tuple[FloatArray, bool]:
        """Pivots between variables on a bound and free ones until all signs are right; whether they became so.

        All wrong ones change sides at once as long as that makes them fewer, then one at a time (Júdice
        and Pires 1994), which ends for every strictly convex problem.
        """
        p = np.zeros_like(self.low)
        side = self._beyond(unbounded)
        fewest, patience = len(p) + 1, 3
        for _ in range(10 * len(p) + 10):
            free = side == 0
            p[~free] = np.where(side[~free] < 0, self.low[~free], self.high[~free])
            if free.any():
                p = problem.solve(free, p)
            slope, rounding = problem.slope(p)
            beyond = self._beyond(p)
            wrong = (free & (beyond != 0)) | (side * slope > rounding)
            count = int(wrong.sum())
            if count == 0:
                return np.clip(p, self.low, self.high), True
            if count < fewest:
                fewest, patience = count, 3
            else:
                patience -= 1
            if patience <= 0:
                wrong[: np.flatnonzero(wrong)[-1]] = False
            side = np.where(wrong, np.where(free, beyond, 0), side)
        return np.clip(p, self.low, self.high), False

    def _beyond(self, p: FloatArray) -> NDArray[np.int8]:
        return (p > self.high).astype(np.int8) - (p < self.low).astype(np.int8)


def norm(x: FloatArray) -> float:
    """The Euclidean length of a vector."""
    return float(np.sqrt(x @ x))
