"""Which columns of a matrix in arrow form are shared by all blocks of rows, and which belong to one of them."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.records import dataclass


@dataclass(frozen=True)
class Layout:
    """The P columns of a matrix in arrow form, each of which is in one place.

    Parameters
    ----------
    n
        P.
    shared
        [S], the columns that rows of every block may touch.
    own
        [B, K], the columns of each of the B blocks; n (one past the end) where a block has fewer than K.
    """

    n: int
    shared: IntArray
    own: IntArray

    @property
    def n_blocks(self) -> int:
        """B, the number of blocks."""
        return len(self.own)

    @cached_property
    def place(self) -> IntArray:
        """Where a row keeps each column, [n + 1].

        It is s < S for a shared column and S + k for one of a block; S + K for n, which stands for no column.
        """
        width = len(self.shared) + self.own.shape[1]
        found = np.full(self.n + 1, width, dtype=np.intp)
        found[self.own] = len(self.shared) + np.arange(self.own.shape[1])
        found[self.shared] = np.arange(len(self.shared))
        found[self.n] = width
        return found

    @cached_property
    def owner(self) -> IntArray:
        """The block of each column, [n + 1]; B (one past the end) for a shared one, and for n."""
        found = np.full(self.n + 1, self.n_blocks, dtype=np.intp)
        found[self.own] = np.arange(self.n_blocks)[:, None]
        found[self.n] = self.n_blocks
        return found

    def split(self, values: FloatArray, fill: float = 0.0) -> tuple[FloatArray, FloatArray]:
        """Values of the columns, sorted by where these belong.

        Parameters
        ----------
        values
            [P, ...].
        fill
            What stands where a block has fewer than K columns.

        Returns
        -------
        shared, own
            [S, ...] and [B, K, ...].
        """
        padded = np.concatenate([values, np.full((1, *values.shape[1:]), fill, dtype=values.dtype)])
        return values[self.shared], padded[self.own]

    def joined(self, shared: FloatArray, own: FloatArray) -> FloatArray:
        """Values of the columns [P, ...] from the shared [S, ...] and own ones [B, K, ...]: the inverse of `split`."""
        values = np.zeros((self.n + 1, *shared.shape[1:]), dtype=np.result_type(shared, own))
        values[self.own.ravel()] = own.reshape(self.own.size, *shared.shape[1:])
        values[self.shared] = shared
        return values[: self.n]

    def select(self, columns: IntArray) -> Layout:
        """The layout of some columns [k], which keep their order; a block may be left without any."""
        new = np.full(self.n + 1, len(columns), dtype=np.intp)
        new[columns] = np.arange(len(columns))
        shared = new[self.shared]
        return Layout(len(columns), shared[shared < len(columns)], new[self.own])
