"""A matrix with all its entries; its least squares are those of a stack of one (dense_least_squares.py)."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.linalg.dense_inverse import DenseInverse
from odefit.linalg.dense_least_squares import DenseLeastSquares
from odefit.linalg.matrix import LeastSquares, Matrix
from odefit.linalg.stack import OneLeastSquares
from odefit.records import dataclass


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

    def least_squares(self, z: FloatArray, size: FloatArray | float = 1.0) -> LeastSquares:
        return OneLeastSquares(DenseLeastSquares.of((self.values * size)[None], z[None]))

    def inverse(self, chosen: Mask, tolerance: float) -> DenseInverse:
        return DenseInverse.of(self.values, chosen, tolerance)

    def dense(self) -> FloatArray:
        return self.values
