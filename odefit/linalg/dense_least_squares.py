"""Least squares of matrices with all their entries, at many points at once, by QR, and by singular values where that
tells too little: for any damping.

LAPACK takes the matrices of a stack one by one, and so does BLAS in a product of stacks: neither knows how many there
are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask, true_at
from odefit.linalg.boxed_quadratic import minima_in_boxes
from odefit.linalg.matrix import EPS
from odefit.linalg.quick_minima import quick_minima, quick_triangles
from odefit.linalg.stack import HeldStack, LeastSquaresStack
from odefit.linalg.strict_minima import STRICT
from odefit.records import dataclass

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
    """m(p) = |F p + c|²/2 - |c|²/2.

    F: [B, k, P], upper triangles where the problem is strict (`is_strict` without damping), and else s V, singular
    values times singular vectors, of which those that are rounding are zero. Q: [B, M, k] with A = Q F. c: [B, k], Q'z.
    least, most: [B], what the curvatures of m are at least, and at most. The methods are those of `LeastSquaresStack`.
    """

    F: FloatArray
    Q: FloatArray
    c: FloatArray
    least: FloatArray
    most: FloatArray

    @classmethod
    def of(cls, a: FloatArray, z: FloatArray) -> DenseLeastSquares:
        """The problems of matrices a [B, M, P], in the units of their columns, and z [B, M]."""
        q, r, least, most = quick_triangles(a) or _triangles(a)
        whole = cls(r, q, adjoint(q, z), least, most)
        others = true_at(~whole.is_strict(np.zeros(len(a))))
        if len(others):
            u, s, v = np.linalg.svd(a[others], full_matrices=False)
            seen = s > max(a.shape[1:]) * EPS * s[:, :1]
            r[others] = np.where(seen, s, 0.0)[:, :, None] * v
            q[others] = u * seen[:, None, :]
            whole.c[others] = adjoint(q[others], z[others])
        return whole

    def decrease(self, p: FloatArray) -> FloatArray:
        change = times(self.F, p)
        fall: FloatArray = -(change * self.c).sum(axis=1) - (change * change).sum(axis=1) / 2
        return fall

    def steepness(self) -> FloatArray:
        return np.asarray(np.sqrt(np.square(self.slope_at_zero()).sum(axis=1)))

    def largest_curvature(self) -> FloatArray:
        if not self.F.shape[2]:
            return np.zeros(len(self.F))
        return np.asarray(np.square(np.linalg.svd(self.F, compute_uv=False)).max(axis=1, initial=0.0))

    def minimiser(self, damping: FloatArray) -> FloatArray:
        curvature = np.square(self.F).sum(axis=2) + damping[:, None]
        p = -adjoint(self.F, self.c / np.where(curvature > 0, curvature, 1.0))
        strict = true_at(self.is_strict(np.zeros(len(p))))
        if len(strict):
            held = _StrictlyHeld.of(self.take(strict), damping[strict])
            p[strict] = held.solve(np.ones(held.g.shape, dtype=bool), held.g)
        return p

    def is_strict(self, damping: FloatArray) -> Mask:
        return np.asarray(self.least + damping > STRICT * (self.most + damping))

    def quick_minima(
        self, damping: FloatArray, radius: FloatArray, low: FloatArray, high: FloatArray
    ) -> tuple[FloatArray, FloatArray, Mask] | None:
        return quick_minima(self.F, self.c, self.least, self.most, low, high, radius, damping)

    def held(self, damping: FloatArray) -> HeldStack:
        return _Held.of(self, damping)

    def strictly_held(self, damping: FloatArray) -> HeldStack:
        return _StrictlyHeld.of(self, damping)

    def curvature(self, damping: FloatArray) -> FloatArray:
        """F'F and the damping, [B, P, P]."""
        diagonal = np.arange(self.F.shape[2])
        h: FloatArray = np.swapaxes(self.F, 1, 2) @ self.F
        h[:, diagonal, diagonal] += damping[:, None]
        return h

    def slope_at_zero(self) -> FloatArray:
        """D A'z, [B, P]."""
        return adjoint(self.F, self.c)

    def near_minimisers(self, damping: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        h, diagonal = self.curvature(damping), np.arange(self.F.shape[2])
        lengths = np.sqrt(h[:, diagonal, diagonal])
        # In the units of its columns, some of which may be shorter than others by many orders.
        lengths = np.where(lengths > EPS * lengths.max(axis=1, keepdims=True), lengths, 1.0)
        h /= lengths[:, :, None] * lengths[:, None, :]
        h[:, diagonal, diagonal] += RIDGE
        slope = self.slope_at_zero() / lengths
        found = minima_in_boxes(h, slope, lengths * low, lengths * high, np.zeros_like(low))
        return np.where(found <= lengths * low, low, np.where(found >= lengths * high, high, found / lengths))

    def shifted(self, change: FloatArray) -> DenseLeastSquares:
        return replace(self, c=self.c + adjoint(self.Q, change))

    def take(self, points: IntArray) -> DenseLeastSquares:
        if len(points) == len(self.F):
            return self
        arrays = self.F, self.Q, self.c, self.least, self.most
        return DenseLeastSquares(*(array.take(points, axis=0) for array in arrays))

    def put(self, points: IntArray, other: DenseLeastSquares) -> None:
        self.F[points], self.Q[points], self.c[points] = other.F, other.Q, other.c
        self.least[points], self.most[points] = other.least, other.most


def _triangles(a: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Q [B, M, k] and R [B, k, P] of a [B, M, P], and what the curvatures of |a p|²/2 are at least, and at most, [B].

    The squares of the singular values add up to |R|², and those of their inverses to |R^-1|², by Frobenius' norm.
    """
    q, r = np.linalg.qr(a)
    rank, n = r.shape[1:]
    most = np.square(r).sum(axis=(1, 2))
    if rank < n:
        return q, r, np.zeros(len(r)), most
    regular = (r[:, np.arange(n), np.arange(n)] != 0).all(axis=1)
    with np.errstate(over="ignore", divide="ignore"):  # without columns the least of none is infinite
        inverse = np.square(np.linalg.inv(np.where(regular[:, None, None], r, np.eye(n)))).sum(axis=(1, 2))
        return q, r, np.where(regular, 1 / inverse, 0.0), most


@dataclass
class _Held(HeldStack):
    """B: [B, k + P, P], F over the root of the damping."""

    B: FloatArray
    target: FloatArray

    @classmethod
    def of(cls, problem: DenseLeastSquares, damping: FloatArray) -> _Held:
        n = problem.F.shape[2]
        eye = np.broadcast_to(np.eye(n), (len(damping), n, n))
        b = np.concatenate([problem.F, np.sqrt(damping)[:, None, None] * eye], axis=1)
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
