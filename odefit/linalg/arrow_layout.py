"""Which columns of a matrix in arrow form are shared by all blocks of rows, and which belong to one of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Layout:
    """Which of the n = P columns are shared, and which belong to one of the B blocks.

    shared: [S]. own: [B, K], n (one past the end) where a block has fewer than K. Each column is in one place.
    """

    n: int
    shared: IntArray
    own: IntArray

    @property
    def n_blocks(self) -> int:
        return len(self.own)

    @cached_property
    def place(self) -> IntArray:
        """[n + 1], where a row keeps each column: s < S of a shared one, S + k of an own one, S + K at the end."""
        width = len(self.shared) + self.own.shape[1]
        found = np.full(self.n + 1, width, dtype=np.intp)
        found[self.own] = len(self.shared) + np.arange(self.own.shape[1])
        found[self.shared] = np.arange(len(self.shared))
        found[self.n] = width
        return found

    @cached_property
    def owner(self) -> IntArray:
        """[n + 1], the block of each column; B (one past the end) of a shared one, and at the end."""
        found = np.full(self.n + 1, self.n_blocks, dtype=np.intp)
        found[self.own] = np.arange(self.n_blocks)[:, None]
        found[self.n] = self.n_blocks
        return found

    def split(self, values: FloatArray, fill: float = 0.0) -> tuple[FloatArray, FloatArray]:
        """Values of the columns [P, ...] -> those of the shared [S, ...] and the own ones [B, K, ...]."""
        padded = np.concatenate([values, np.full((1, *values.shape[1:]), fill, dtype=values.dtype)])
        return values[self.shared], padded[self.own]

    def joined(self, shared: FloatArray, own: FloatArray) -> FloatArray:
        """The inverse of `split`."""
        values = np.zeros((self.n + 1, *shared.shape[1:]), dtype=np.result_type(shared, own))
        values[self.own.ravel()] = own.reshape(self.own.size, *shared.shape[1:])
        values[self.shared] = shared
        return values[: self.n]

    def select(self, columns: IntArray) -> Layout:
        """The layout of some of the columns, which keep their order; a block may be left without any."""
        new = np.full(self.n + 1, len(columns), dtype=np.intp)
        new[columns] = np.arange(len(columns))
        shared = new[self.shared]
        return Layout(len(columns), shared[shared < len(columns)], new[self.own])
