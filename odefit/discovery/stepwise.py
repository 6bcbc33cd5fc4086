"""Sparse least squares by steps forward and backward, on the matrices of the normal equations.

The model of M residuals is r = b - A c, of which only H = A'A, g = A'b, b'b and M are needed. A set of k terms out of Q
has the criterion

    M ln(RSS / M) + (K ln M + 2 gamma ln binomial(Q, min(k, Q/2))) M / (M - K - 2),

K all parameters that are estimated: the k terms, initial values, noise levels. With many measurements and gamma = 0
that is BIC; the binomial (extended BIC, J. Chen and Z. Chen 2008) pays for the choice among many terms, and the last
factor (A. McQuarrie 1999) for noise levels that are estimated from few measurements, which otherwise take in terms by
chance. It does not change with the units of terms and states.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.records import dataclass

COLLINEAR = 1e-9
"""The share of a column's squares that must be left when the others are taken out of it; of less it is one of them."""
MOST_PAIRED = 16
"""The most columns of which pairs are exchanged."""
MOST_STEPS = 200
"""The most steps forward and backward of one search."""


@dataclass(frozen=True)
class Normal:
    """Normal equations of a linear model.

    Parameters
    ----------
    h
        [Q, Q] A'A.
    g
        [Q] A'b.
    squares
        b'b.
    n
        M.
    kept
        [Q] columns that every model has, and which do not count as chosen.
    signs
        [Q] 1 or -1 for coefficients of that sign, 0 for any.
    families
        [Q] at most one column of a family is chosen; -1 for those of none.
    others
        How many parameters every model has beside its columns.
    """

    h: FloatArray
    g: FloatArray
    squares: float
    n: float
    kept: Mask
    signs: IntArray
    families: IntArray
    others: int = 0

    @cached_property
    def scaled(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """H and g of columns of size one, and their sizes [Q]; a column that is zero has size 0."""
        sizes = np.sqrt(np.maximum(np.diagonal(self.h), 0.0))
        divide = np.where(sizes > 0, sizes, 1.0)
        return self.h / np.outer(divide, divide), self.g / divide, sizes

    def only(self, columns: Sequence[int]) -> Normal:
        """The same where no other columns can be chosen."""
        free = np.array(self.kept)
        free[list(columns)] = True
        return replace(self, h=np.where(np.outer(free, free), self.h, 0.0), g=np.where(free, self.g, 0.0))

    def criterion(self, rss: float, size: int, gamma: float = 1.0) -> float:
        """The criterion of a set with `size` chosen columns."""
        families = self.families[~self.kept]
        q = int((families < 0).sum()) + len(set(families[families >= 0].tolist()))
        return self.n * math.log(max(rss, 1e-300) / self.n) + complexity(self.n, size, q, gamma, self.others)


def complexity(n: float, size: int, q: int, gamma: float = 1.0, others: int = 0) -> float:
    """What `size` chosen terms out of q and other parameters cost in the criterion, with n measurements."""
    drawn = min(size, q // 2)
    choices = math.lgamma(q + 1) - math.lgamma(drawn + 1) - math.lgamma(q - drawn + 1)
    k = size + others
    return (k * math.log(max(n, 2.0)) + 2 * gamma * choices) * n / max(n - k - 2, 1.0)


@dataclass(frozen=True)
class Chosen:
    """A set of columns with its least squares.

    Parameters
    ----------
    columns
        Those that are chosen, in order, without those that are kept.
    c
        [Q] coefficients, 0 for all others.
    rss
        The sum of squares that is left.
    criterion
        See the top of the file.
    """

    columns: tuple[int, ...]
    c: FloatArray
    rss: float
    criterion: float


def solved(normal: Normal, columns: Iterable[int], gamma: float = 1.0) -> Chosen | None:
    """The least squares of a set; None where its columns are collinear or a coefficient has the wrong sign."""
    own = sorted(set(columns))
    every = [*np.flatnonzero(normal.kept).tolist(), *own]
    h, g, sizes = normal.scaled
    c = np.zeros(len(g))
    rss = normal.squares
    if every:
        part = h[np.ix_(every, every)]
        try:
            factor = np.linalg.cholesky(part)
        except np.linalg.LinAlgError:
            return None
        if (np.diagonal(factor) ** 2).min() < COLLINEAR:
            return None
        half = np.linalg.solve(factor, g[every])
        rss -= float(half @ half)
        c[every] = np.linalg.solve(factor.T, half) / np.where(sizes[every] > 0, sizes[every], 1.0)
    if np.any(c * normal.signs < 0):
        return None
    return Chosen(tuple(own), c, max(rss, 0.0), normal.criterion(rss, len(own), gamma))


@dataclass(frozen=True)
class Moves:
    """What a step away from a set would change: the decrease or increase of RSS for each column [Q]; inf or 0 for none.

    Parameters
    ----------
    gains
        By how much RSS falls with one column more, 0 for those that cannot be added.
    losses
        By how much it rises without one.
    """

    gains: FloatArray
    losses: FloatArray


def moves(normal: Normal, at: Chosen) -> Moves:
    """The steps from a set."""
    h, g, sizes = normal.scaled
    every = [*np.flatnonzero(normal.kept).tolist(), *at.columns]
    gains, losses = np.zeros(len(g)), np.full(len(g), np.inf)
    if every:
        inverse = np.linalg.inv(h[np.ix_(every, every)])
        losses[every] = (at.c[every] * sizes[every]) ** 2 / np.diagonal(inverse)
        across = h[:, every] @ inverse
        left = np.diagonal(h) - np.sum(across * h[:, every], axis=1)
        slope = g - across @ g[every]
    else:
        left, slope = np.diagonal(h).copy(), g
    free = ~normal.kept & (sizes > 0) & (left > COLLINEAR)
    free[list(at.columns)] = False
    taken = set(normal.families[list(at.columns)].tolist()) - {-1}
    free &= ~np.isin(normal.families, sorted(taken))
    free &= slope * normal.signs >= 0
    gains[free] = slope[free] ** 2 / left[free]
    losses[normal.kept] = np.inf
    return Moves(gains, losses)


def forward(normal: Normal, at: Chosen, gamma: float = 1.0) -> Chosen | None:
    """The best set with one column more; None where there is none."""
    gains = moves(normal, at).gains
    for j in np.argsort(-gains)[:20]:
        if gains[j] <= 0:
            return None
        found = solved(normal, (*at.columns, int(j)), gamma)
        if found is not None:
            return found
    return None


def backward(normal: Normal, at: Chosen, gamma: float = 1.0) -> Chosen | None:
    """The best set with one column less."""
    losses = moves(normal, at).losses
    for j in sorted(at.columns, key=lambda j: float(losses[j])):
        found = solved(normal, (k for k in at.columns if k != j), gamma)
        if found is not None:
            return found
    return None


def search(normal: Normal, begin: Iterable[int] = (), gamma: float = 1.0, most: int = 10_000) -> dict[int, Chosen]:
    """The best sets that steps forward and backward meet, by size, from a set to begin with.

    Exchanges (a column out and another one in) are tried where steps alone come to rest.
    """
    at = solved(normal, begin, gamma) or solved(normal, (), gamma)
    if at is None:
        return {}
    best: dict[int, Chosen] = {}
    _note(best, at)
    for _ in range(MOST_STEPS):
        options = [backward(normal, at, gamma) if at.columns else None]
        options.append(forward(normal, at, gamma) if len(at.columns) < most else None)
        for option in options:
            if option is not None:
                _note(best, option)
        better = [o for o in options if o is not None and o.criterion < at.criterion - 1e-9]
        if not better:
            better = [o for o in _exchanges(normal, at, gamma, best) if o.criterion < at.criterion - 1e-9]
        if not better:
            return best
        at = min(better, key=lambda o: o.criterion)
    return best


def _exchanges(normal: Normal, at: Chosen, gamma: float, best: dict[int, Chosen]) -> list[Chosen]:
    """One column in the place of another one or of two, and two in the place of one."""
    found = []
    few = at.columns if len(at.columns) <= MOST_PAIRED else ()
    for out in (*((j,) for j in at.columns), *itertools.combinations(few, 2)):
        less = solved(normal, (k for k in at.columns if k not in out), gamma)
        other = None if less is None else forward(normal, less, gamma)
        second = None if other is None or len(out) > 1 else forward(normal, other, gamma)
        for one in (other, second):
            if one is not None and not set(at.columns) <= set(one.columns):
                _note(best, one)
                found.append(one)
    return found


def _note(best: dict[int, Chosen], one: Chosen) -> None:
    size = len(one.columns)
    if size not in best or one.rss < best[size].rss:
        best[size] = one


def path(normal: Normal, centre: Chosen, below: int, above: int, gamma: float = 1.0) -> dict[int, Chosen]:
    """Sets of a few columns less and more than a set: one step after the other, the best first."""
    found = {len(centre.columns): centre}
    for count, step in ((below, backward), (above, forward)):
        at: Chosen | None = centre
        for _ in range(count):
            assert at is not None
            if step is backward and not at.columns:
                break
            at = step(normal, at, gamma)
            if at is None:
                break
            found[len(at.columns)] = at
    return found
