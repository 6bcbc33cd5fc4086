"""Least squares of matrices with all their entries, at many points at once, by singular values: for any damping.

LAPACK takes the matrices of a stack one by one, and so does BLAS in a product of stacks: neither knows how many there
are.
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.linalg.boxed_quadratic import minima_in_boxes
from odefit.linalg.matrix import EPS
from odefit.linalg.stack import HeldStack, LeastSquaresStack
from odefit.records import dataclass

STRICT = 1e-8
"""The least over the largest curvature, damping included, above which the normal equations lose nothing, and are solved
several times faster."""

RIDGE = 1e-9
"""Damping in the units of the columns with which the normal equations can be solved, whatever their rank."""


def times(a: FloatArray, x: FloatArray) -> FloatArray:
    """a x [B, M] of a [B, M, P] and x [B, P]."""
    product: FloatArray = (a @ x[..., None])[..., 0]
    return product


def adjoint(a: FloatArray, z: FloatArray) -> FloatArray:
    """a'z [B, P] of a [B, M, P] and z [B, M]."""
    return times(np.swapaxes(a, -1, -2), z)


@dataclass
class DenseLeastSquares(LeastSquaresStack):
    """m(p) = |s * (V p) + c|²/2 - |c|²/2; singular values that are rounding, and all of theirs, are zero.

    s: [B, k]. V: [B, k, P], its rows are orthonormal. U: [B, M, k]. c: [B, k], U'z. The methods are those of
    `LeastSquaresStack`.
    """

    s: FloatArray
    V: FloatArray
    U: FloatArray
    c: FloatArray

    @classmethod
    def of(cls, a: FloatArray, z: FloatArray) -> DenseLeastSquares:
        """The problems of matrices a [B, M, P], in the units of their columns, and z [B, M]."""
        u, s, v = np.linalg.svd(a, full_matrices=False)
        seen = s > max(a.shape[1:]) * EPS * s[:, :1]
        u *= seen[:, None, :]
        return cls(np.where(seen, s, 0.0), v * seen[:, :, None], u, adjoint(u, z))

    def decrease(self, p: FloatArray) -> FloatArray:
        change = self.s * times(self.V, p)
        fall: FloatArray = -(change * self.c).sum(axis=1) - (change * change).sum(axis=1) / 2
        return fall

    def steepness(self) -> FloatArray:
        return np.asarray(np.sqrt(np.square(self.slope_at_zero()).sum(axis=1)))

    def largest_curvature(self) -> FloatArray:
        return np.asarray(np.square(self.s).max(axis=1, initial=0.0))

    def minimiser(self, damping: FloatArray) -> FloatArray:
        curvature = self.s * self.s + damping[:, None]
        return -adjoint(self.V, self.s / np.where(curvature > 0, curvature, 1.0) * self.c)

    def is_strict(self, damping: FloatArray) -> Mask:
        square, (rank, n) = np.square(self.s), self.V.shape[1:]
        least = square.min(axis=1, initial=np.inf) if rank == n else 0.0
        return np.asarray(least + damping > STRICT * (self.largest_curvature() + damping))

    def held(self, damping: FloatArray) -> HeldStack:
        return _Held.of(self, damping)

    def strictly_held(self, damping: FloatArray) -> HeldStack:
        return _StrictlyHeld.of(self, damping)

    def curvature(self, damping: FloatArray) -> FloatArray:
        """V's²V and the damping, [B, P, P]."""
        rows, diagonal = self.s[:, :, None] * self.V, np.arange(self.V.shape[2])
        h: FloatArray = np.swapaxes(rows, 1, 2) @ rows
        h[:, diagonal, diagonal] += damping[:, None]
        return h

    def slope_at_zero(self) -> FloatArray:
        """D A'z, [B, P]."""
        return adjoint(self.V, self.s * self.c)

    def near_minimisers(self, damping: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        h, diagonal = self.curvature(damping), np.arange(self.V.shape[2])
        lengths = np.sqrt(h[:, diagonal, diagonal])
        # In the units of its columns, some of which may be shorter than others by many orders.
        lengths = np.where(lengths > EPS * lengths.max(axis=1, keepdims=True), lengths, 1.0)
        h /= lengths[:, :, None] * lengths[:, None, :]
        h[:, diagonal, diagonal] += RIDGE
        slope = self.slope_at_zero() / lengths
        found = minima_in_boxes(h, slope, lengths * low, lengths * high, np.zeros_like(low))
        return np.where(found <= lengths * low, low, np.where(found >= lengths * high, high, found / lengths))

    def shifted(self, change: FloatArray) -> DenseLeastSquares:
        return DenseLeastSquares(self.s, self.V, self.U, self.c + adjoint(self.U, change))

    def take(self, points: IntArray) -> DenseLeastSquares:
        if len(points) == len(self.s):
            return self
        return DenseLeastSquares(*(array.take(points, axis=0) for array in (self.s, self.V, self.U, self.c)))

    def put(self, points: IntArray, other: DenseLeastSquares) -> None:
        self.s[points], self.V[points], self.U[points], self.c[points] = other.s, other.V, other.U, other.c


@dataclass
class _Held(HeldStack):
    """B: [B, k + P, P], s V over the root of the damping."""

    B: FloatArray
    target: FloatArray

    @classmethod
    def of(cls, problem: DenseLeastSquares, damping: FloatArray) -> _Held:
        n = problem.V.shape[2]
        eye = np.broadcast_to(np.eye(n), (len(damping), n, n))
        b = np.concatenate([problem.s[:, :, None] * problem.V, np.sqrt(damping)[:, None, None] * eye], axis=1)
        return cls(b, np.concatenate([-problem.c, np.zeros((len(damping), n))], axis=1))

    def take(self, points: IntArray) -> _Held:
        if len(points) == len(self.B):
            return self
        return _Held(self.B.take(points, axis=0), self.target.take(points, axis=0))

    def solve(self, free: Mask, p: FloatArray) -> FloatArray:
        """By singular values: the shortest solution, whatever the rank."""
        held = np.where(free, 0.0, p)
        u, s, v = np.linalg.svd(self.B * free[:, None, :], full_matrices=False)
        seen = s > max(self.B.shape[1:]) * EPS * s[:, :1]
        along = adjoint(u, self.target - times(self.B, held)) / np.where(seen, s, 1.0)
        return np.where(free, adjoint(v, np.where(seen, along, 0.0)), held)

    def slope(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        error = times(self.B, p) - self.target
        return adjoint(self.B, error), self.B.shape[1] * EPS * adjoint(np.abs(self.B), np.abs(error))


@dataclass
class _StrictlyHeld(HeldStack):
    """The same by the normal equations H p = -g; H: [B, P, P], well-conditioned, g: [B, P]."""

    H: FloatArray
    g: FloatArray

    @classmethod
    def of(cls, problem: DenseLeastSquares, damping: FloatArray) -> _StrictlyHeld:
        return cls(problem.curvature(damping), problem.slope_at_zero())

    def take(self, points: IntArray) -> _StrictlyHeld:
        if len(points) == len(self.H):
            return self
        return _StrictlyHeld(self.H.take(points, axis=0), self.g.take(points, axis=0))

    def solve(self, free: Mask, p: FloatArray) -> FloatArray:
        held, diagonal = np.where(free, 0.0, p), np.arange(p.shape[1])
        h = self.H * (free[:, :, None] & free[:, None, :])
        h[:, diagonal, diagonal] += ~free
        return np.asarray(np.linalg.solve(h, np.where(free, -self.g - times(self.H, held), p)[..., None])[..., 0])

    def slope(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        rounding = times(np.abs(self.H), np.abs(p)) + np.abs(self.g)
        return times(self.H, p) + self.g, p.shape[1] * EPS * rounding
