"""The inverse of A'A for A in arrow form: blocks on the diagonal and a few columns, at a cost linear in the blocks.

With own modes and shared directions as in arrow_qr.py,

    (A D)^+ ((A D)^+)' = diag_b (V s^-2 V')_b + X X',

where each column of X [P, S] is a direction of the shared columns that own ones follow, over its singular value. Modes
and directions whose singular values are below the tolerance are left out, as in the inverse of a matrix.
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.linalg.arrow_layout import Layout
from odefit.linalg.arrow_qr import Elimination, Reduced
from odefit.linalg.matrix import Inverse
from odefit.records import dataclass


@dataclass(frozen=True)
class ArrowInverse(Inverse):
    """diag(own) + X core X'. The methods are those of `Inverse`, where they are documented.

    Parameters
    ----------
    layout
        Which columns are shared, and which belong to a block.
    own
        [B, K, K], the blocks on the diagonal.
    x, core
        [P, r] and [r, r], the rest.
    null_own, null
        [B, K, K] and [P, k]: null null' plus `null_own` on the diagonal projects on the directions that were left out,
        in units of columns with length one.
    size
        [P], one over the lengths of the columns; 0 where they were not chosen.
    """

    layout: Layout
    own: FloatArray
    x: FloatArray
    core: FloatArray
    null_own: FloatArray
    null: FloatArray
    size: FloatArray

    @classmethod
    def of(cls, reduced: Reduced, chosen: Mask, size: FloatArray, tolerance: float) -> ArrowInverse:
        """The inverse for [A D] in few rows.

        Parameters
        ----------
        reduced
            The rows, with columns of length one.
        chosen
            [P], the columns to be inverted, none of which is zero.
        size
            [P], one over the lengths of the columns; 0 where they are not chosen.
        tolerance
            Singular values below this share of the largest (which is met to a factor sqrt(2)) are left out.
        """
        layout = reduced.layout
        parts = Elimination(reduced, chosen, threshold=tolerance * reduced.norm)
        vt, directions, known = parts.vt, parts.directions, parts.directions.known
        inverse = np.where(parts.seen, 1 / np.where(parts.seen, parts.s, 1.0), 0.0)
        own = np.einsum("bkj,bk,bki->bji", vt, inverse**2, vt)
        null_own = np.einsum("bkj,bk,bki->bji", vt, (~parts.seen).astype(np.float64), vt)
        shared = np.zeros((len(layout.shared), len(known)))
        shared[parts.free_shared] = directions.shared
        both = layout.joined(shared, directions.own) if len(known) else np.zeros((layout.n, 0))
        x, null = both[:, known] / directions.values[known], both[:, ~known]
        core = np.eye(x.shape[1])
        if null.shape[1]:
            # What a block does alone has a part in the directions N that are left out:
            # (1 - N N') G (1 - N N') = G - N (G N)' - (G N) N' + N N'G N N'.
            g = x @ (x.T @ null) + _times(layout, own, null)
            k, r = null.shape[1], x.shape[1]
            x = np.column_stack([x, null, g])
            core = np.zeros((r + 2 * k, r + 2 * k))
            core[:r, :r] = np.eye(r)
            core[r : r + k, r : r + k] = null.T @ g
            core[r : r + k, r + k :] = core[r + k :, r : r + k] = -np.eye(k)
        _, sizes = layout.split(size)
        scaled = own * sizes[:, :, None] * sizes[:, None, :]
        _, kept = layout.split(chosen.astype(np.float64))
        null_own = null_own * kept[:, :, None] * kept[:, None, :]
        return cls(layout, scaled, x * size[:, None], core, null_own, null * chosen[:, None], size)

    @property
    def diagonal(self) -> FloatArray:
        own = self.layout.joined(np.zeros(len(self.layout.shared)), np.einsum("bkk->bk", self.own))
        shared: FloatArray = ((self.x @ self.core) * self.x).sum(axis=1)
        return own + shared

    @property
    def shared(self) -> IntArray:
        return np.sort(self.layout.shared)

    @property
    def participation(self) -> FloatArray:
        own = self.layout.joined(np.zeros(len(self.layout.shared)), np.einsum("bkk->bk", self.null_own))
        shared: FloatArray = (self.null**2).sum(axis=1)
        return np.sqrt(own + shared)

    def partners(self, column: int) -> FloatArray:
        found: FloatArray = self.null @ self.null[column]
        block = self.layout.owner[column]
        if block < self.layout.n_blocks:
            columns = self.layout.own[block]
            real = columns < self.layout.n
            found[columns[real]] += self.null_own[block][real, np.flatnonzero(columns == column)[0]]
        return found

    def part(self, columns: IntArray) -> FloatArray:
        shared: FloatArray = self.x[columns] @ self.core @ self.x[columns].T
        return shared + self._diagonal_part(self.own, columns)

    def _diagonal_part(self, own: FloatArray, columns: IntArray) -> FloatArray:
        """[k, k] of k columns of diag(own), own [B, K, K]."""
        found = np.zeros((len(columns), len(columns)))
        block, place = self.layout.owner[columns], self.layout.place[columns] - len(self.layout.shared)
        i, j = np.nonzero((block[:, None] == block) & (block[:, None] < self.layout.n_blocks))
        found[i, j] = own[block[i], place[i], place[j]]
        return found

    def null_parts(self, slopes: FloatArray, columns: IntArray) -> FloatArray:
        scaled = slopes * self.size[columns]
        shared = ((scaled @ self.null[columns]) ** 2).sum(axis=1)
        own = np.einsum("ti,ij,tj->t", scaled, self._diagonal_part(self.null_own, columns), scaled)
        length = np.linalg.norm(scaled, axis=1)
        return np.asarray(np.sqrt(np.maximum(shared + own, 0.0)) / np.where(length > 0, length, 1.0))

    def quadratic(self, g: FloatArray) -> float:
        _, own = self.layout.split(g)
        x = self.x.T @ g
        return float(np.einsum("bj,bjk,bk->", own, self.own, own) + x @ self.core @ x)


def _times(layout: Layout, own: FloatArray, x: FloatArray) -> FloatArray:
    """diag(own) x, [P, k]."""
    shared, blocks = layout.split(x)
    return layout.joined(np.zeros_like(shared), np.einsum("bij,bjk->bik", own, blocks))
