"""The inverse of A'A for a matrix with all its entries, from a QR and a singular value decomposition of A.

A'A itself is never formed, so no digit is lost where A is badly conditioned.
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.linalg.matrix import Inverse
from odefit.records import dataclass


@dataclass(frozen=True)
class DenseInverse(Inverse):
    """root @ root.T. The methods are those of `Inverse`, where they are documented.

    Parameters
    ----------
    root
        [P, r], zero for columns that were not chosen.
    null
        [P, k], the directions that were left out, as unit vectors where each column of A has length one.
    size
        [P], one over the lengths of the columns; 0 where they were not chosen.
    """

    root: FloatArray
    null: FloatArray
    size: FloatArray

    @classmethod
    def of(cls, a: FloatArray, chosen: Mask, tolerance: float) -> DenseInverse:
        """The inverse for a [M, P]; see `Matrix.inverse`."""
        n, columns = a.shape[1], np.flatnonzero(chosen)
        size = np.zeros(n)
        if not columns.size:
            return cls(np.zeros((n, 0)), np.zeros((n, 0)), size)
        length = np.linalg.norm(a[:, columns], axis=0)
        size[columns] = 1 / length
        # R has the singular values of A, and is small: a full U of many data would be [M, M].
        r = np.linalg.qr(a[:, columns] / length, mode="r")
        _, s, vt = np.linalg.svd(r, full_matrices=True)
        s = np.concatenate([s, np.zeros(len(columns) - len(s))])
        known = s > tolerance * s[0]
        root, null = np.zeros((n, int(known.sum()))), np.zeros((n, int((~known).sum())))
        root[columns] = vt[known].T / s[known] / length[:, None]
        null[columns] = vt[~known].T
        return cls(root, null, size)

    @property
    def diagonal(self) -> FloatArray:
        return np.asarray((self.root**2).sum(axis=1))

    def part(self, columns: IntArray) -> FloatArray:
        root = self.root[columns]
        return np.asarray(root @ root.T)

    @property
    def participation(self) -> FloatArray:
        return np.asarray(np.linalg.norm(self.null, axis=1))

    def partners(self, column: int) -> FloatArray:
        return np.asarray(self.null @ self.null[column])

    def null_parts(self, slopes: FloatArray, columns: IntArray) -> FloatArray:
        scaled = slopes * self.size[columns]
        length = np.linalg.norm(scaled, axis=1)
        return np.asarray(np.linalg.norm(scaled @ self.null[columns], axis=1) / np.where(length > 0, length, 1.0))

    def quadratic(self, g: FloatArray) -> float:
        part = self.root.T @ g
        return float(part @ part)

    def variances(self, slopes: FloatArray, columns: IntArray) -> FloatArray:
        return np.asarray(((slopes @ self.root[columns]) ** 2).sum(axis=1))
