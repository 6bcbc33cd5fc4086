"""Matrices with all their entries at many points at once."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.linalg.dense_least_squares import DenseLeastSquares, adjoint, times
from odefit.linalg.dense_matrix import DenseMatrix
from odefit.linalg.stack import MatrixStack
from odefit.records import dataclass


@dataclass(eq=False)
class DenseStack(MatrixStack):
    """A as an array, values [B, M, P]. The methods are those of `MatrixStack`."""

    values: FloatArray

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, point: int) -> DenseMatrix:
        return DenseMatrix(self.values[point])

    def times(self, d: FloatArray) -> FloatArray:
        return times(self.values, d)

    def adjoint(self, z: FloatArray) -> FloatArray:
        return adjoint(self.values, z)

    @property
    def lengths(self) -> FloatArray:
        return np.asarray(np.sqrt(np.square(self.values).sum(axis=1)))

    @property
    def max_abs(self) -> FloatArray:
        return np.asarray(np.abs(self.values).max(axis=(1, 2), initial=0.0))

    def select(self, columns: IntArray) -> DenseStack:
        return DenseStack(np.take(self.values, columns, axis=2))

    def take(self, points: IntArray) -> DenseStack:
        return self if len(points) == len(self.values) else DenseStack(self.values.take(points, axis=0))

    def put(self, points: IntArray, other: DenseStack) -> None:
        self.values[points] = other.values

    def least_squares(self, z: FloatArray, size: FloatArray | float = 1.0) -> DenseLeastSquares:
        return DenseLeastSquares.of(self.values * size, z)
