"""A [M, P] in arrow form: where each block of rows touches the shared columns and a few of its own, and no others.

Experiments with initial values of their own make A such. A row of block b is nonzero in the S shared columns and in
the K columns of b, so S + K numbers are kept of it instead of P, and all that is asked of A costs as much as its rows:

    A = [ O_1             S_1 ]
        [      O_2        S_2 ]
        [           ...   ... ]
        [                 S_0 ]      (rows of no block: priors of shared parameters)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.errors import FitError

IntArray = IntArray

DENSE_MOST = 4e9
"""Bytes of a matrix that nobody should ask for."""


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

    def only(self, chosen: IntArray) -> Layout:
        """The layout of some of the columns, which keep their order; a block may be left without any."""
        new = np.full(self.n + 1, len(chosen), dtype=np.intp)
        new[chosen] = np.arange(len(chosen))
        shared = new[self.shared]
        return Layout(len(chosen), shared[shared < len(chosen)], new[self.own])


@dataclass(frozen=True, eq=False)
class BlockRows:
    """A [M, P]. block: [M], B (one past the end) for a row of no block. shared: [M, S]. own: [M, K], zero where a row
    has no such column."""

    layout: Layout
    block: IntArray
    shared: FloatArray
    own: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.block), self.layout.n

    def times(self, d: FloatArray) -> FloatArray:
        """A d, [M], of d [P]."""
        shared, own = self.layout.split(d)
        found: FloatArray = self.shared @ shared
        if own.size:
            rows = np.concatenate([own, np.zeros((1, own.shape[1]))])[self.block]
            found += np.einsum("mk,mk->m", self.own, rows)
        return found

    def adjoint(self, z: FloatArray) -> FloatArray:
        """A' z, [P], of z [M]."""
        return self.layout.joined(self.shared.T @ z, self._sums(self.own * z[:, None]))

    @cached_property
    def lengths(self) -> FloatArray:
        """Of the columns, [P]."""
        with np.errstate(over="ignore"):
            shared = np.sqrt(np.einsum("ms,ms->s", self.shared, self.shared))
            return self.layout.joined(shared, np.sqrt(self._sums(self.own**2)))

    def _sums(self, own: FloatArray) -> FloatArray:
        """[B, K], the sums over the rows of every block of [M, K]."""
        n = self.layout.n_blocks
        sums = [np.bincount(self.block, column, minlength=n + 1)[:n] for column in own.T]
        return np.stack(sums, axis=1) if sums else np.zeros((n, 0))

    def any(self, axis: int) -> Mask:
        """As NumPy's: of every row (axis 1) or column (0), whether it has an entry that is not zero."""
        if axis == 1:
            return np.asarray(np.column_stack([self.shared, self.own]).any(axis=1))
        return np.asarray(self.lengths != 0)

    @property
    def largest(self) -> float:
        """max |A|; NaN where there is one."""
        return float(np.maximum(np.abs(self.shared).max(initial=0.0), np.abs(self.own).max(initial=0.0)))

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.shared).all() and np.isfinite(self.own).all())

    def scaled(self, factor: FloatArray) -> BlockRows:
        """The rows times a factor each, [M]."""
        return BlockRows(self.layout, self.block, self.shared * factor[:, None], self.own * factor[:, None])

    def only(self, chosen: IntArray) -> BlockRows:
        """Some of the columns, in their order."""
        layout = self.layout.only(chosen)
        keep = np.zeros(self.layout.n + 1, dtype=bool)
        keep[chosen] = True
        kept = np.concatenate([keep[self.layout.own], np.zeros((1, self.layout.own.shape[1]), dtype=bool)])
        shared = (
            self.shared if len(layout.shared) == len(self.layout.shared) else self.shared[:, keep[self.layout.shared]]
        )
        own = self.own if kept[:-1].sum() == (self.layout.own < self.layout.n).sum() else self.own * kept[self.block]
        return BlockRows(layout, self.block, shared, own)

    def groups(self) -> Iterator[tuple[IntArray, IntArray]]:
        """The rows block by block: (blocks [b], rows [b, r]) of blocks with similarly many rows, each block once; M
        (one past the end) where a block has fewer than r. Blocks without rows are left out."""
        n = self.layout.n_blocks
        order = np.argsort(self.block, kind="stable")
        counts = np.bincount(self.block, minlength=n + 1)[:n]
        first = np.cumsum(counts) - counts
        size = np.ceil(np.log2(np.maximum(counts, 1))).astype(np.intp)
        for k in np.unique(size[counts > 0]):
            blocks = np.flatnonzero((size == k) & (counts > 0))
            place = np.arange(counts[blocks].max())
            inside = place < counts[blocks, None]
            rows = order[np.where(inside, first[blocks, None] + place, 0)]
            yield blocks, np.where(inside, rows, len(self.block))

    def dense(self) -> FloatArray:
        """The whole matrix [M, P], for small problems. Raises FitError where it is not to be had."""
        m, n = self.shape
        if 8.0 * m * n > DENSE_MOST:
            raise FitError(f"a matrix of {m} rows and {n} columns would take {8e-9 * m * n:.0f} GB")
        found = np.zeros((m, n + 1))
        columns = np.concatenate([self.layout.own, np.full((1, self.layout.own.shape[1]), n)])[self.block]
        np.put_along_axis(found, columns, self.own, axis=1)
        found[:, self.layout.shared] = self.shared
        return found[:, :n]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> FloatArray:
        """Who knows nothing of blocks gets the dense matrix."""
        del copy
        return self.dense() if dtype is None else self.dense().astype(dtype)


Rows = FloatArray | BlockRows
"""A, in whichever form."""


def times(a: Rows, d: FloatArray) -> FloatArray:
    """A d."""
    return a.times(d) if isinstance(a, BlockRows) else a @ d


def adjoint(a: Rows, z: FloatArray) -> FloatArray:
    """A' z."""
    return a.adjoint(z) if isinstance(a, BlockRows) else a.T @ z


def only_columns(a: Rows, chosen: IntArray) -> Rows:
    """Some of the columns, whose positions increase."""
    return a.only(chosen) if isinstance(a, BlockRows) else a[:, chosen]


def column_lengths(a: Rows) -> FloatArray:
    """[P]"""
    return a.lengths if isinstance(a, BlockRows) else np.linalg.norm(a, axis=0)


def largest(a: Rows) -> float:
    """max |A|; NaN where there is one, 0 where there is nothing."""
    return a.largest if isinstance(a, BlockRows) else float(np.abs(a).max(initial=0.0))
