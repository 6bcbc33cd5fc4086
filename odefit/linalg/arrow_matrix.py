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
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.errors import FitError
from odefit.linalg.arrow_inverse import ArrowInverse
from odefit.linalg.arrow_layout import Layout
from odefit.linalg.arrow_least_squares import ArrowLeastSquares
from odefit.linalg.arrow_qr import Reduced, triangle
from odefit.linalg.matrix import EPS, Matrix
from odefit.records import dataclass

MAX_DENSE_BYTES = 4e9
"""The most memory that a matrix with all its entries may take."""


@dataclass(frozen=True, eq=False)
class ArrowMatrix(Matrix):
    """A in arrow form. The methods that `Matrix` has are documented there.

    Parameters
    ----------
    layout
        Which columns are shared, and which belong to a block.
    block
        [M], the block of each row; B (one past the end) for a row of no block.
    shared
        [M, S], the entries in the shared columns.
    own
        [M, K], the entries in the columns of the row's block; zero where it has fewer than K.
    """

    layout: Layout
    block: IntArray
    shared: FloatArray
    own: FloatArray

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.block), self.layout.n

    def times(self, d: FloatArray) -> FloatArray:
        shared, own = self.layout.split(d)
        found: FloatArray = self.shared @ shared
        if own.size:
            rows = np.concatenate([own, np.zeros((1, own.shape[1]))])[self.block]
            found += np.einsum("mk,mk->m", self.own, rows)
        return found

    def adjoint(self, z: FloatArray) -> FloatArray:
        return self.layout.joined(self.shared.T @ z, self._sums(self.own * z[:, None]))

    @cached_property
    def lengths(self) -> FloatArray:
        with np.errstate(over="ignore"):
            shared = np.sqrt(np.einsum("ms,ms->s", self.shared, self.shared))
            return self.layout.joined(shared, np.sqrt(self._sums(self.own**2)))

    def _sums(self, own: FloatArray) -> FloatArray:
        """[B, K], the sums over the rows of every block of [M, K]."""
        n = self.layout.n_blocks
        sums = [np.bincount(self.block, column, minlength=n + 1)[:n] for column in own.T]
        return np.stack(sums, axis=1) if sums else np.zeros((n, 0))

    @property
    def max_abs(self) -> float:
        return float(np.maximum(np.abs(self.shared).max(initial=0.0), np.abs(self.own).max(initial=0.0)))

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.shared).all() and np.isfinite(self.own).all())

    def scale_rows(self, factor: FloatArray) -> ArrowMatrix:
        return ArrowMatrix(self.layout, self.block, self.shared * factor[:, None], self.own * factor[:, None])

    def select(self, columns: IntArray) -> ArrowMatrix:
        layout = self.layout.select(columns)
        keep = np.zeros(self.layout.n + 1, dtype=bool)
        keep[columns] = True
        kept = np.concatenate([keep[self.layout.own], np.zeros((1, self.layout.own.shape[1]), dtype=bool)])
        shared = (
            self.shared if len(layout.shared) == len(self.layout.shared) else self.shared[:, keep[self.layout.shared]]
        )
        own = self.own if kept[:-1].sum() == (self.layout.own < self.layout.n).sum() else self.own * kept[self.block]
        return ArrowMatrix(layout, self.block, shared, own)

    def groups(self) -> Iterator[tuple[IntArray, IntArray]]:
        """The rows block by block, in groups of blocks with similarly many rows.

        Yields
        ------
        blocks, rows
            [b] and [b, r]; M (one past the end) where a block has fewer than r rows. Each block comes once; blocks
            without rows are left out.
        """
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
        m, n = self.shape
        if 8.0 * m * n > MAX_DENSE_BYTES:
            raise FitError(f"a matrix of {m} rows and {n} columns would take {8e-9 * m * n:.0f} GB")
        found = np.zeros((m, n + 1))
        columns = np.concatenate([self.layout.own, np.full((1, self.layout.own.shape[1]), n)])[self.block]
        np.put_along_axis(found, columns, self.own, axis=1)
        found[:, self.layout.shared] = self.shared
        return found[:, :n]

    def reduced(self, z: FloatArray, size: FloatArray | float = 1.0) -> Reduced:
        """[A D | z] turned into few rows, with z [M] and the diagonal of D in size [P]."""
        layout = self.layout
        (n_blocks, k), s = layout.own.shape, len(layout.shared)
        scale_shared, scale_own = layout.split(np.broadcast_to(np.asarray(size, dtype=np.float64), (layout.n,)))
        scale = np.concatenate([scale_own, np.zeros((1, k))])[self.block]
        # One more row, of zeros, fills up what is shorter.
        whole = np.zeros((len(z) + 1, k + s + 1))
        whole[:-1, :k] = self.own * scale
        whole[:-1, k:-1] = self.shared * scale_shared
        whole[:-1, -1] = z
        heads, tails = np.zeros((n_blocks, k, k + s + 1)), [whole[:-1][self.block == n_blocks, k:]]
        for blocks, rows in self.groups():
            turned = triangle(whole[rows])
            have = min(k, turned.shape[1])
            heads[blocks, :have] = turned[:, :have]
            tails.append(turned[:, have:, k:].reshape(-1, s + 1))
        rest = triangle(np.concatenate(tails))
        rounding = max(self.shape) * EPS
        return Reduced(layout, heads[:, :, :k], heads[:, :, k:-1], heads[:, :, -1], rest[:, :-1], rest[:, -1], rounding)

    def least_squares(self, z: FloatArray, size: FloatArray | float = 1.0) -> ArrowLeastSquares:
        return ArrowLeastSquares(self.reduced(z, size))

    def inverse(self, chosen: Mask, tolerance: float) -> ArrowInverse:
        size = np.where(chosen, 1 / np.where(chosen, self.lengths, 1.0), 0.0)
        return ArrowInverse.of(self.reduced(np.zeros(len(self.block)), size), chosen, size, tolerance)
