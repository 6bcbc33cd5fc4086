"""Linear least squares with a matrix in arrow form, at a cost linear in the number of blocks, without A'A.

To minimise |A p + z|² + damping |p|² over p, the rows of each block b are first turned by Householder reflections into

    [ R_b  C_b  z_b ]      K rows, all that the block's own columns see
    [ 0    T_b  t_b ]      rows that know shared columns only; those of all blocks are turned into one small triangle

and that once for all dampings (`ArrowMatrix.reduced`). With the singular values R_b = U s V', each own mode o' = V' o
has one row, s o' + c x + d, with c and d the rows of U'C_b and U'z_b, and x the shared part of p. Its best
o' = -s (c x + d) / (s² + damping) leaves of it and of damping o'² the one row

    sqrt(damping / (s² + damping)) (c x + d),

which joins the triangle: a small problem for x is left. Without damping the rows of modes with s > 0 vanish. Modes with
s = 0 take no step, and leave their row as it is. G. H. Golub and V. Pereyra, "The differentiation of pseudo-inverses
and nonlinear least squares problems whose variables separate" (1973), eliminate variables like that.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.linalg.arrow_layout import Layout
from odefit.records import dataclass


@dataclass(frozen=True)
class Reduced:
    """[A D | z] turned into few rows.

    Parameters
    ----------
    layout
        Which columns are shared, and which belong to a block.
    own, shared, z
        [B, K, K], [B, K, S] and [B, K], the rows of the blocks.
    rest, rest_z
        [T, S] and [T], the rows that know shared columns only.
    rounding
        Relative, below which a singular value of A is taken for zero.
    """

    layout: Layout
    own: FloatArray
    shared: FloatArray
    z: FloatArray
    rest: FloatArray
    rest_z: FloatArray
    rounding: float

    @cached_property
    def norm(self) -> float:
        """The largest singular value of A D, or less by at most a factor sqrt(2)."""
        own = np.linalg.norm(self.own, axis=(1, 2)).max(initial=0.0)
        if own:
            own = np.linalg.svd(self.own, compute_uv=False).max()
        s = self.rest.shape[1]
        both = triangle(np.concatenate([self.shared.reshape(self.z.size, s), self.rest]))
        return float(max(own, np.linalg.svd(both, compute_uv=False).max(initial=0.0)))

    def times(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        """A D p in the rows of the blocks [B, K], and in the rest [T]."""
        x, o = self.layout.split(p)
        return np.einsum("bij,bj->bi", self.own, o) + self.shared @ x, self.rest @ x

    def adjoint(self, blocks: FloatArray, rest: FloatArray) -> FloatArray:
        """(A D)' v, [P], of a vector v in the rows of the blocks [B, K] and in the rest [T]."""
        shared = np.einsum("bks,bk->s", self.shared, blocks) + self.rest.T @ rest
        return self.layout.joined(shared, np.einsum("bij,bi->bj", self.own, blocks))

    @cached_property
    def absolute(self) -> Reduced:
        """|A D|, for bounds of rounding."""
        own, shared, z, rest, rest_z = map(np.abs, (self.own, self.shared, self.z, self.rest, self.rest_z))
        return Reduced(self.layout, own, shared, z, rest, rest_z, self.rounding)


def triangle(rows: FloatArray) -> FloatArray:
    """R of a QR decomposition, [..., min(m, n), n], of rows [..., m, n]."""
    if not rows.size:
        return np.zeros((*rows.shape[:-2], min(rows.shape[-2:]), rows.shape[-1]))
    return np.asarray(np.linalg.qr(rows, mode="r"))


class Elimination:
    """The minimum over the free columns while all others are held, for any damping."""

    def __init__(
        self,
        reduced: Reduced,
        free: Mask | None = None,
        held: FloatArray | None = None,
        like: Elimination | None = None,
        threshold: float | None = None,
    ) -> None:
        """Decompose the blocks.

        Parameters
        ----------
        reduced
            The problem in few rows.
        free
            [P], which columns are free; default all.
        held
            [P], the values of the others; default 0.
        like
            The same problem with all columns free, whose decompositions are taken over where nothing changed.
        threshold
            Singular values of A D that are no larger are taken for zero; default what rounding leaves.
        """
        layout = reduced.layout
        own, shared, z, rest, rest_z = reduced.own, reduced.shared, reduced.z, reduced.rest, reduced.rest_z
        self.layout, self.some_are_held = layout, held is not None
        self.free_shared = np.ones(len(layout.shared), dtype=bool)
        self.held_shared, self.held_own = layout.split(np.zeros(layout.n))
        changed = np.ones(len(own), dtype=bool)
        if free is not None:
            self.free_shared, free_own = (part.astype(bool) for part in layout.split(free.astype(np.float64), 1.0))
            if held is not None:
                self.held_shared, self.held_own = layout.split(np.where(free, 0.0, held))
                z = z + np.einsum("bij,bj->bi", own, self.held_own) + shared @ self.held_shared
                rest_z = rest_z + rest @ self.held_shared
            changed = np.any(~free_own, axis=1)
            own = own * free_own[:, None, :]
            shared, rest = shared[:, :, self.free_shared], rest[:, self.free_shared]
        default = reduced.rounding * reduced.norm if like is None else like.threshold
        self.threshold: float = default if threshold is None else threshold
        self.rest = np.column_stack([rest, rest_z])
        if like is None:
            self.u, self.s, self.vt = np.linalg.svd(own)
        else:
            self.u, self.s, self.vt = like.u.copy(), like.s.copy(), like.vt.copy()
            self.u[changed], self.s[changed], self.vt[changed] = np.linalg.svd(own[changed])
        turned = self.u.transpose(0, 2, 1) @ np.concatenate([shared, z[:, :, None]], axis=2)
        self.c, self.d = turned[:, :, :-1], turned[:, :, -1]
        self.seen = self.s > self.threshold
        self.unseen_rows = turned[~self.seen]

    @property
    def n_shared(self) -> int:
        """The number of free shared columns."""
        return int(self.free_shared.sum())

    def solve(self, damping: float) -> FloatArray:
        """The minimiser [P] of |A D p + z|² + damping |p|²; for damping 0 the shortest one."""
        gain = self._gain(damping)
        if damping > 0:
            x = self._damped_shared(damping)
        else:
            directions = self.directions
            small = self._triangle(np.zeros((0, self.n_shared + 1)))
            found = directions.known
            y = directions.left[:, found].T @ small[:-1, -1] / directions.values[found]
            x = -directions.shared[:, found] @ y
        o = np.einsum("bkj,bk->bj", self.vt, -gain * (self.c @ x + self.d))
        # Damping all but stops what moves nothing but rounding; without bounds the rest of that is taken out as well.
        if damping == 0 or not self.some_are_held:
            x, o = self._shortest(x, o)
        return self._complete(x, o)

    def _gain(self, damping: float) -> FloatArray:
        """s / (s² + damping) of the modes that are seen, else 0, [B, K]."""
        s = np.where(self.seen, self.s, 1.0)
        return np.where(self.seen, s / (s * s + damping), 0.0)

    def _triangle(self, more: FloatArray) -> FloatArray:
        """[S + 1, S + 1], of all rows that know shared columns only, and some more."""
        n = self.n_shared + 1
        found = np.zeros((n, n))
        turned = triangle(np.concatenate([self.rest, self.unseen_rows, more]))
        found[: len(turned)] = turned
        return found

    def _damped_shared(self, damping: float) -> FloatArray:
        s = np.where(self.seen, self.s, 1.0)
        weight = np.sqrt(damping / (s * s + damping))[self.seen]
        rows = np.column_stack([self.c[self.seen] * weight[:, None], self.d[self.seen] * weight])
        ridge = np.sqrt(damping) * np.eye(self.n_shared, self.n_shared + 1)
        small = self._triangle(np.concatenate([rows, ridge]))
        return np.asarray(np.linalg.lstsq(small[:-1, :-1], -small[:-1, -1], rcond=None)[0], dtype=np.float64)

    @cached_property
    def directions(self) -> Directions:
        """The directions of the free shared columns, with what the own ones do to follow."""
        n = self.n_shared
        follow = np.einsum("bkj,bks->bjs", self.vt, -self._gain(0.0)[:, :, None] * self.c)
        length = triangle(np.concatenate([np.eye(n), follow.reshape(self.d.size, n)]))
        small = self._triangle(np.zeros((0, n + 1)))[:-1, :-1]
        left, values, vt = np.linalg.svd(np.linalg.solve(length.T, small.T).T)
        shared = np.linalg.solve(length, vt.T)
        return Directions(left, values, shared, follow @ shared, values > self.threshold)

    def _shortest(self, x: FloatArray, o: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Without what lies in directions that change nothing."""
        null = ~self.directions.known
        if not null.any():
            return x, o
        shared, own = self.directions.shared[:, null], self.directions.own[:, :, null]
        part = shared.T @ x + np.einsum("bkn,bk->n", own, o)
        return x - shared @ part, o - own @ part

    def _complete(self, x: FloatArray, o: FloatArray) -> FloatArray:
        shared = self.held_shared.copy()
        shared[self.free_shared] = x
        return self.layout.joined(shared, o + self.held_own)


@dataclass(frozen=True)
class Directions:
    """Orthonormal directions of p in which the shared columns move, and own ones follow so that their own rows do not
    notice.

    A D moves by `values` in them, orthogonally to each other.

    Parameters
    ----------
    left
        [S, S], where they move A D, one direction per last index.
    values
        [S], by how much.
    shared, own
        [S, S] and [B, K, S], the directions, one per last index.
    known
        [S], whether `values` are above the threshold.
    """

    left: FloatArray
    values: FloatArray
    shared: FloatArray
    own: FloatArray
    known: Mask
