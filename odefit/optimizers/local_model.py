"""The quadratic model of an objective in score form, at one point, and its minima within bounds and a radius.

In p = d / size [P], for z and A at that point and D = diag(size),

    m(p) - f = |A D p + z|**2 / 2 - |z|**2 / 2      for low <= p <= high    (low <= 0 <= high).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from odefit.arrays import FloatArray, Mask
from odefit.linalg.score import Evaluation

EPS = float(np.finfo(np.float64).eps)


class Pinned(ABC):
    """m(p) + damping |p|**2 / 2 for one damping, to be minimised while some variables lie on a bound."""

    @abstractmethod
    def solve(self, free: Mask, p: FloatArray) -> FloatArray:
        """p [P] with the `free` ones [P] at their best."""

    @abstractmethod
    def slope(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The gradient at p, and how much of it may be rounding, [P] each."""


class BoxModel(ABC):
    """What a search asks of its model: low, high [P], and steps."""

    low: FloatArray
    high: FloatArray

    @abstractmethod
    def decrease(self, p: FloatArray) -> float:
        """How much the model falls along p."""

    @abstractmethod
    def steepness(self) -> float:
        """The length of the gradient at p = 0."""

    @abstractmethod
    def unbounded(self, damping: float) -> FloatArray:
        """The minimiser of m(p) + damping |p|**2 / 2 without bounds (the shortest one, for damping 0)."""

    @abstractmethod
    def pinned(self, damping: float) -> Pinned:
        """The same with bounds."""

    def step(self, radius: float) -> FloatArray:
        """The minimiser of the model in box and radius (which is met to 10 %)."""
        p = self.damped(0.0)
        length = norm(p)
        if length <= 1.1 * radius:
            return p
        # |p| falls as the damping rises, and 1/|p| is nearly linear in it: safeguarded secants.
        low, high = 0.0, self.steepness() / radius
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
        return p

    def damped(self, damping: float) -> FloatArray:
        """The minimiser of m(p) + damping |p|**2 / 2 in the box (the shortest one, for damping 0)."""
        p = self.unbounded(damping)
        if (p >= self.low).all() and (p <= self.high).all():
            return p
        return self._pivoted(self.pinned(damping), p)

    def _pivoted(self, problem: Pinned, unbounded: FloatArray) -> FloatArray:
        """Pivots between variables on a bound and free ones until all signs are right.

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
                break
            if count < fewest:
                fewest, patience = count, 3
            else:
                patience -= 1
            if patience <= 0:
                wrong[: np.flatnonzero(wrong)[-1]] = False
            side = np.where(wrong, np.where(free, beyond, 0), side)
        return np.clip(p, self.low, self.high)

    def _beyond(self, p: FloatArray) -> NDArray[np.int8]:
        return (p > self.high).astype(np.int8) - (p < self.low).astype(np.int8)


@dataclass(frozen=True)
class LocalModel(BoxModel):
    """The model of a matrix A, reduced to its k singular values:

    m(p) - f = |s * (V p) + c|**2 / 2 - |c|**2 / 2.
    """

    s: FloatArray  # [k], positive
    V: FloatArray  # [k, P], rows are orthonormal
    c: FloatArray  # [k]
    low: FloatArray
    high: FloatArray

    @classmethod
    def at(cls, u: FloatArray, here: Evaluation, size: FloatArray, lower: FloatArray, upper: FloatArray) -> LocalModel:
        A = np.asarray(here.A)
        U, s, V = np.linalg.svd(A * size, full_matrices=False)
        seen = s > max(A.shape) * EPS * s[:1]
        return cls(s[seen], V[seen], U[:, seen].T @ here.z, (lower - u) / size, (upper - u) / size)

    def decrease(self, p: FloatArray) -> float:
        change = self.s * (self.V @ p)
        return float(-(change @ self.c) - change @ change / 2)

    def steepness(self) -> float:
        return norm((self.s * self.c) @ self.V)

    def unbounded(self, damping: float) -> FloatArray:
        return -(self.s / (self.s**2 + damping) * self.c) @ self.V

    def pinned(self, damping: float) -> Pinned:
        return _Pinned(self, damping)


class _Pinned(Pinned):
    def __init__(self, model: LocalModel, damping: float) -> None:
        n = len(model.low)
        self.B = np.vstack([model.s[:, None] * model.V, np.sqrt(damping) * np.eye(n)])
        # Well damped, the normal equations lose nothing and are solved several times faster.
        self.H = self.B.T @ self.B if damping > 1e-8 * model.s[0] ** 2 else None
        self.target = np.concatenate([-model.c, np.zeros(n)])

    def solve(self, free: Mask, p: FloatArray) -> FloatArray:
        B, p = self.B, p.copy()
        rest = self.target - B[:, ~free] @ p[~free]
        p[free] = (
            np.linalg.lstsq(B[:, free], rest, rcond=None)[0]
            if self.H is None
            else np.linalg.solve(self.H[np.ix_(free, free)], B[:, free].T @ rest)
        )
        return p

    def slope(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        error = self.B @ p - self.target
        return self.B.T @ error, len(self.B) * EPS * (np.abs(self.B).T @ np.abs(error))


def norm(x: FloatArray) -> float:
    return float(np.sqrt(x @ x))
