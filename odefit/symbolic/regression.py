"""Sparse regression of a network's output on a library of terms: the best formulas of each number of terms.

With weights w and columns phi_j(x; K_j) the error of a set of terms is

    E = min over c of  sum of w (N - sum_j c_j phi_j)² / sum of w N²,

from the normal equations of all columns, which are scaled to length one: sets of a size are made from the best of the
size before, by adding each column (a beam), and those of a size less by leaving one out. Constants K are on a grid at
first, and moved to their best by Gauss-Newton steps in the few sets that are kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.records import dataclass
from odefit.symbolic.samples import Sample
from odefit.symbolic.terms import Term

BEAM = 30
"""Sets of a size that are gone on from."""
KEPT = 4
"""Sets of a size that are given back."""
COLLINEAR = 1e-10
EXACT = 1e-12
"""An error that is rounding."""


@dataclass(frozen=True)
class Formula:
    """A sum of terms for one output.

    Parameters
    ----------
    terms
        The terms.
    inner
        The constant of each, NaN for those without.
    coefficients
        Their factors.
    error
        The share of the output's weighted squares that it leaves.
    """

    terms: tuple[Term, ...]
    inner: tuple[float, ...]
    coefficients: tuple[float, ...]
    error: float

    @property
    def size(self) -> int:
        """How many constants it has."""
        return len(self.terms) + sum(bool(term.starts) for term in self.terms)

    @property
    def complexity(self) -> int:
        """Constants and operations."""
        return sum(1 + term.cost for term in self.terms)

    def values(self, x: FloatArray) -> FloatArray:
        """At inputs [N, I], [N]."""
        parts = zip(self.terms, self.inner, self.coefficients, strict=True)
        return np.asarray(sum((c * t.values(x, k) for t, k, c in parts), np.zeros(len(x))))

    def without(self, number: int, sample: Sample) -> Formula | None:
        """The best one without one of the terms; None where nothing is left."""
        left = [k for k in range(len(self.terms)) if k != number]
        return fitted([self.terms[k] for k in left], [self.inner[k] for k in left], sample) if left else None


def formulas_of(sample: Sample, terms: Sequence[Term], most: int) -> list[Formula]:
    """The best formulas of up to `most` terms, those with fewer constants first."""
    columns = [(t, k) for t in terms for k in (t.starts or (np.nan,))]
    owner = np.array([n for n, t in enumerate(terms) for _ in (t.starts or (0.0,))])
    phi = np.stack([t.values(sample.x, k) for t, k in columns], axis=1) * np.sqrt(sample.weights)[:, None]
    lengths = np.linalg.norm(phi, axis=0)
    usable = np.isfinite(phi).all(axis=0) & (lengths > 0)
    phi = phi[:, usable] / lengths[usable]
    columns = [c for c, good in zip(columns, usable, strict=True) if good]
    owner = owner[usable]
    n = sample.values * np.sqrt(sample.weights)
    total = float(n @ n)
    if not total:
        return []
    gram, right = phi.T @ phi, phi.T @ n
    sizes: list[dict[tuple[int, ...], float]] = []
    beam: list[tuple[int, ...]] = [()]
    for _ in range(most):
        pairs = ((s, j) for s in beam for j in range(len(columns)) if owner[j] not in owner[list(s)])
        sets = sorted({tuple(sorted((*s, j))) for s, j in pairs})
        errors = _errors(gram, right, total, sets)
        order = np.argsort(errors, kind="stable")
        beam = _different(sets, order.tolist(), owner, BEAM)
        sizes.append({sets[k]: float(errors[k]) for k in order[: 10 * BEAM]})
        if not beam or errors[order[0]] < EXACT:
            break
    for smaller, larger in reversed(list(itertools.pairwise(sizes))):
        best = sorted(larger, key=larger.__getitem__)[:BEAM]
        fewer = sorted({s[:k] + s[k + 1 :] for s in best for k in range(len(s))} - smaller.keys())
        if fewer:
            smaller |= dict(zip(fewer, _errors(gram, right, total, fewer).tolist(), strict=True))
    return _best(columns, sizes, owner, sample)


def _best(
    columns: Sequence[tuple[Term, float]],
    sizes: Sequence[dict[tuple[int, ...], float]],
    owner: IntArray,
    sample: Sample,
) -> list[Formula]:
    """The best formulas of each number of constants, fitted."""
    by_size: dict[int, list[tuple[float, tuple[int, ...]]]] = {}
    for known in sizes:
        for s, error in known.items():
            by_size.setdefault(len(s) + sum(bool(columns[j][0].starts) for j in s), []).append((error, s))
    found: list[Formula] = []
    for size in sorted(by_size)[: len(sizes) + 1]:
        sets = [s for _, s in sorted(by_size[size])]
        chosen = _different(sets, range(len(sets)), owner, 2 * KEPT)
        own = [fitted([columns[j][0] for j in s], [columns[j][1] for j in s], sample) for s in chosen]
        found += sorted(own, key=lambda f: f.error)[:KEPT]
    return found


def _different(
    sets: Sequence[tuple[int, ...]], order: Sequence[int], owner: IntArray, most: int
) -> list[tuple[int, ...]]:
    """The first that are of different terms, whatever their constants."""
    found: dict[tuple[int, ...], tuple[int, ...]] = {}
    for k in order:
        key = tuple(sorted(int(owner[j]) for j in sets[k]))
        if key not in found:
            found[key] = sets[k]
        if len(found) == most:
            break
    return list(found.values())


def _errors(gram: FloatArray, right: FloatArray, total: float, sets: Sequence[tuple[int, ...]]) -> FloatArray:
    """The error of each of many sets of one size."""
    if not sets:
        return np.empty(0)
    index = np.array(sets)
    g = gram[index[:, :, None], index[:, None, :]] + COLLINEAR * np.eye(index.shape[1])
    b = right[index]
    c = np.linalg.solve(g, b[:, :, None])[:, :, 0]
    return np.asarray(np.maximum(1 - (2 * c * b).sum(axis=1) / total + np.einsum("ni,nij,nj->n", c, g, c) / total, 0.0))


def fitted(terms: Sequence[Term], inner: Sequence[float], sample: Sample) -> Formula:
    """The best coefficients, and the best constants near those that are given."""
    root, n = np.sqrt(sample.weights), sample.values * np.sqrt(sample.weights)
    total = float(n @ n)
    moving = [k for k, term in enumerate(terms) if term.starts]

    def solved(k: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Coefficients and residuals for logarithms of the constants."""
        own = list(inner)
        for position, value in zip(moving, k, strict=True):
            own[position] = np.sign(inner[position]) * np.exp(value)
        phi = np.stack([t.values(sample.x, v) for t, v in zip(terms, own, strict=True)], axis=1) * root[:, None]
        length = np.linalg.norm(phi, axis=0)
        length = np.where(length > 0, length, 1.0)
        c = np.linalg.lstsq(phi / length, n, rcond=COLLINEAR)[0] / length
        return c, n - phi @ c

    k = np.log(np.abs(np.array([inner[m] for m in moving], dtype=np.float64)))
    if moving:
        from scipy.optimize import least_squares

        def residuals(k: FloatArray) -> FloatArray:
            return solved(k)[1]

        ends = np.log(np.array([terms[m].limits for m in moving])).T
        k = np.clip(k, ends[0] + ROOM, ends[1] - ROOM)
        k = least_squares(residuals, k, bounds=(ends[0], ends[1]), max_nfev=MOST_STEPS).x
    c, left = solved(k)
    own = list(inner)
    for position, value in zip(moving, k, strict=True):
        own[position] = float(np.sign(inner[position]) * np.exp(value))
    return Formula(tuple(terms), tuple(own), tuple(map(float, c)), float(left @ left) / total)


ROOM, MOST_STEPS = 1e-6, 20
"""Between the logarithm of a constant where its search begins and its limits; evaluations of that search."""
