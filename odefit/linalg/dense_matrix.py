"""A matrix with all its entries: least squares by its singular values, for any damping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.linalg.dense_inverse import DenseInverse
from odefit.linalg.matrix import EPS, HeldLeastSquares, LeastSquares, Matrix

WELL_DAMPED = 1e-8
"""Damping over the largest squared singular value, above which the normal equations lose nothing."""


@dataclass(frozen=True, eq=False)
class DenseMatrix(Matrix):
    """A as an array, values [M, P]. The methods are those of `Matrix`, where they are documented."""

    values: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        return self.values.shape[0], self.values.shape[1]

    def times(self, d: FloatArray) -> FloatArray:
        return self.values @ d

    def adjoint(self, z: FloatArray) -> FloatArray:
        return self.values.T @ z

    @property
    def lengths(self) -> FloatArray:
        return np.asarray(np.linalg.norm(self.values, axis=0))

    @property
    def max_abs(self) -> float:
        return float(np.abs(self.values).max(initial=0.0))

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.values).all())

    def select(self, columns: IntArray) -> DenseMatrix:
        return DenseMatrix(self.values[:, columns])

    def scale_rows(self, factor: FloatArray) -> DenseMatrix:
        return DenseMatrix(self.values * factor[:, None])

    def least_squares(self, z: FloatArray, size: FloatArray | float = 1.0) -> DenseLeastSquares:
        u, s, v = np.linalg.svd(self.values * size, full_matrices=False)
        seen = s > max(self.shape) * EPS * s[:1]
        return DenseLeastSquares(s[seen], v[seen], u[:, seen].T @ z)

    def inverse(self, chosen: Mask, tolerance: float) -> DenseInverse:
        return DenseInverse.of(self.values, chosen, tolerance)

    def dense(self) -> FloatArray:
        return self.values


@dataclass(frozen=True)
class DenseLeastSquares(LeastSquares):
    """m(p) = |s * (V p) + c|²/2 - |c|²/2 over the k singular values that are not rounding.

    s: [k], positive. V: [k, P], its rows are orthonormal. c: [k], U'z. The methods are those of `LeastSquares`.
    """

    s: FloatArray
    V: FloatArray
    c: FloatArray

    def decrease(self, p: FloatArray) -> float:
        change = self.s * (self.V @ p)
        return float(-(change @ self.c) - change @ change / 2)

    def steepness(self) -> float:
        slope = (self.s * self.c) @ self.V
        return float(np.sqrt(slope @ slope))

    def largest_curvature(self) -> float:
        return float(self.s[0]) ** 2 if len(self.s) else 0.0

    def minimiser(self, damping: float) -> FloatArray:
        return -(self.s / (self.s**2 + damping) * self.c) @ self.V

    def held(self, damping: float) -> HeldLeastSquares:
        return _Held(self, damping)


class _Held(HeldLeastSquares):
    def __init__(self, problem: DenseLeastSquares, damping: float) -> None:
        n = problem.V.shape[1]
        self.B = np.vstack([problem.s[:, None] * problem.V, np.sqrt(damping) * np.eye(n)])
        # Well damped, the normal equations lose nothing and are solved several times faster.
        self.H = self.B.T @ self.B if damping > WELL_DAMPED * problem.s[0] ** 2 else None
        self.target = np.concatenate([-problem.c, np.zeros(n)])

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
