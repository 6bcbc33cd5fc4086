"""How sure we are of each parameter: the inverse Fisher information, as far as there is one.

A [M, P] are the root-Fisher rows at the optimum, so the information is A.T @ A. The singular value
decomposition of A, with its columns scaled to length one, tells which directions the data determine:

    A D = U S V',    cov = D V S^-2 V' D     over the singular values that are not rounding.

A parameter with a part in a direction that is left out has no finite variance. It is reported as not
determined, together with its partners in that direction, rather than with a huge or invented number.

For A in arrow form the same is done block by block (linalg/arrow_inverse.py), and no [P, P] is formed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.linalg.arrow_inverse import ArrowInverse
from odefit.linalg.arrow_matrix import BlockRows, Rows

# Components of a null direction smaller than this are rounding, not participation.
PARTICIPATES = 1e-3
MOST_LISTED = 300
"""Of more parameters only the shared ones are put into tables of all with all."""
SHOWN = 4
SILENT = "the data do not depend on it"


@dataclass(frozen=True)
class Directions:
    """What the data determine of combinations of parameters, and what not.

    root: [P, r], so that root @ root.T is the covariance within the directions that are determined. null: [P, k], the
    other directions, as unit vectors where each column of A has length one. size: [P], one over these lengths; 0 for
    parameters that are taken as known, NaN for those without a variance at all.
    """

    root: FloatArray
    null: FloatArray
    size: FloatArray

    def variance(self, slopes: FloatArray, columns: IntArray) -> FloatArray:
        """[T], as of `Covariance`. A part along `null` that is smaller than PARTICIPATES is rounding."""
        size = self.size[columns]
        silent = np.isnan(size)
        scaled = slopes * np.where(silent, 0.0, size)
        moves = np.linalg.norm(scaled @ self.null[columns], axis=1) > PARTICIPATES * np.linalg.norm(scaled, axis=1)
        moves |= (slopes[:, silent] != 0).any(axis=1)
        known: FloatArray = ((slopes @ self.root[columns]) ** 2).sum(axis=1)
        return np.where(moves, np.nan, known)

    def scaled(self, factor: FloatArray) -> Directions:
        """With each parameter's error times a factor, [P]: 0 where it is taken as known."""
        return Directions(self.root * factor[:, None], self.null, np.where(factor == 0, 0.0, self.size))


def _variance(slopes: FloatArray, c: FloatArray) -> FloatArray:
    """[T] from slopes [T, k] and a covariance [k, k], NaN in rows and columns that are not determined."""
    lost = np.isnan(np.diag(c))
    total = np.einsum("ti,ij,tj->t", slopes[:, ~lost], c[np.ix_(~lost, ~lost)], slopes[:, ~lost])
    return np.where(slopes[:, lost].any(), np.nan, total)


@dataclass(frozen=True)
class Covariance:
    """matrix: [P, P] in search space, NaN in rows and columns that are not determined.

    undetermined: name -> why, in a sentence. directions: what is known of combinations of these.
    """

    names: tuple[str, ...]
    matrix: FloatArray
    undetermined: Mapping[str, str]
    directions: Directions | None = None

    @property
    def standard_errors(self) -> FloatArray:
        """[P] in search space; NaN where not determined."""
        return np.sqrt(np.diag(self.matrix))

    def part(self, columns: IntArray) -> FloatArray:
        """[k, k] of k of the parameters."""
        return self.matrix[np.ix_(columns, columns)]

    def variance(self, slopes: FloatArray, columns: IntArray) -> FloatArray:
        """[T] of linear functions of k of the parameters, slopes [T, k]; NaN where one moves along what is not
        determined."""
        if self.directions is None:
            return _variance(slopes, self.part(columns))
        return self.directions.variance(slopes, columns)

    def scaled(self, factor: FloatArray) -> Covariance:
        """With each parameter times a factor, [P]."""
        directions = self.directions and self.directions.scaled(factor)
        return Covariance(self.names, self.matrix * np.outer(factor, factor), self.undetermined, directions)

    def known(self, columns: Mask) -> Covariance:
        """With some of the parameters, [P], taken as known."""
        directions = self.directions and self.directions.scaled(np.where(columns, 0.0, 1.0))
        matrix = np.where(columns | columns[:, None], 0.0, self.matrix)
        return Covariance(self.names, matrix, self.undetermined, directions)

    @property
    def correlation(self) -> FloatArray:
        """[P, P]"""
        s = self.standard_errors
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = self.matrix / np.outer(s, s)
        return np.clip(correlation, -1.0, 1.0)


@dataclass(frozen=True)
class ArrowCovariance:
    """The same for A in arrow form, without a matrix.

    factor: [P], what each parameter is multiplied by: NaN where it is not determined, 0 where it is taken as known.
    """

    names: tuple[str, ...]
    inverse: ArrowInverse
    factor: FloatArray
    undetermined: Mapping[str, str]

    @cached_property
    def standard_errors(self) -> FloatArray:
        return np.sqrt(np.maximum(self.inverse.diagonal, 0.0)) * self.factor

    @property
    def matrix(self) -> FloatArray:
        """[P, P], for few parameters."""
        return self.part(np.arange(len(self.names)))

    @property
    def listed(self) -> IntArray:
        """Positions of the parameters that belong into tables of all with all."""
        return np.arange(len(self.names)) if len(self.names) <= MOST_LISTED else np.sort(self.inverse.layout.shared)

    def part(self, columns: IntArray) -> FloatArray:
        factor = self.factor[columns]
        return self.inverse.part(columns) * np.outer(factor, factor)

    def variance(self, slopes: FloatArray, columns: IntArray) -> FloatArray:
        """As of `Covariance`, but NaN for all where any depends on a parameter that is not determined."""
        return _variance(slopes, self.part(columns))

    def scaled(self, factor: FloatArray) -> ArrowCovariance:
        return ArrowCovariance(self.names, self.inverse, self.factor * factor, self.undetermined)

    def known(self, columns: Mask) -> ArrowCovariance:
        return ArrowCovariance(self.names, self.inverse, np.where(columns, 0.0, self.factor), self.undetermined)


AnyCovariance = Covariance | ArrowCovariance


def listed(covariance: AnyCovariance) -> Covariance:
    """The covariance of those parameters that belong into tables of all with all."""
    if isinstance(covariance, Covariance):
        return covariance
    columns = covariance.listed
    names = tuple(covariance.names[k] for k in columns)
    return Covariance(
        names, covariance.part(columns), {n: covariance.undetermined[n] for n in names if n in covariance.undetermined}
    )


def fisher_covariance(
    a: Rows, names: Sequence[str], free: Mask | None = None, tolerance: float = 1e-7
) -> AnyCovariance:
    """The covariance of the estimates u from the root-Fisher rows A [M, P].

    free: [P], False for parameters at a bound, which are taken as known. tolerance: singular values of the
    column-scaled A below this share of the largest are taken for zero; it should exceed the relative
    accuracy of the sensitivities.
    """
    if isinstance(a, BlockRows):
        return _of_blocks(a, names, free, tolerance)
    n = a.shape[1]
    chosen = np.arange(n) if free is None else np.flatnonzero(free)
    matrix = np.full((n, n), np.nan)
    undetermined: dict[str, str] = {}
    length = np.linalg.norm(a[:, chosen], axis=0)
    silent = length == 0
    size = np.full(n, np.nan)
    size[chosen[~silent]] = 1 / length[~silent]
    directions = Directions(np.zeros((n, 0)), np.zeros((n, 0)), size)
    for k in chosen[silent]:
        undetermined[names[k]] = SILENT
    chosen, length = chosen[~silent], length[~silent]
    if chosen.size:
        # R has the singular values of A, and is small: a full U of many data would be [M, M].
        r = np.linalg.qr(a[:, chosen] / length, mode="r")
        _, s, vt = np.linalg.svd(r, full_matrices=True)
        s = np.concatenate([s, np.zeros(len(chosen) - len(s))])
        known = s > tolerance * s[0]
        null = vt[~known].T
        lost = np.linalg.norm(null, axis=1) > PARTICIPATES
        for k in np.flatnonzero(lost):
            undetermined[names[chosen[k]]] = _combination(int(k), null, chosen, names)
        root = vt[known].T / s[known] / length[:, None]
        whole = np.zeros((n, root.shape[1])), np.zeros((n, null.shape[1]))
        whole[0][chosen], whole[1][chosen] = root, null
        directions = Directions(*whole, size)
        block = root @ root.T
        block[lost, :] = np.nan
        block[:, lost] = np.nan
        matrix[np.ix_(chosen, chosen)] = block
    return Covariance(tuple(names), matrix, undetermined, directions)


def _of_blocks(a: BlockRows, names: Sequence[str], free: Mask | None, tolerance: float) -> ArrowCovariance:
    chosen = np.ones(a.layout.n, dtype=bool) if free is None else free
    silent = chosen & (a.lengths == 0)
    undetermined = {names[k]: SILENT for k in np.flatnonzero(silent).tolist()}
    chosen = chosen & ~silent
    inverse = ArrowInverse.of(a, chosen, tolerance)
    lost = chosen & (inverse.participation > PARTICIPATES)
    for k in np.flatnonzero(lost).tolist():
        direction = np.where(chosen, inverse.partners(k), 0.0)
        undetermined[names[k]] = _with_whom(k, direction, names)
    factor = np.where(chosen & ~lost, 1.0, np.nan)
    return ArrowCovariance(tuple(names), inverse, factor, undetermined)


def _combination(k: int, null: FloatArray, chosen: IntArray, names: Sequence[str]) -> str:
    """Which parameters move together with parameter k without a change of the fit."""
    return _with_whom(k, null @ null[k], [names[j] for j in chosen])


def _with_whom(k: int, direction: FloatArray, names: Sequence[str]) -> str:
    """The sentence for parameter k from the part of all in what the data do not determine of it."""
    # The direction's own length is the root of its k-th component: it is a column of a projection.
    sizes = np.abs(direction) / np.sqrt(direction[k])
    sizes[k] = 0.0
    first = np.argpartition(-sizes, min(SHOWN, len(sizes) - 1))[: SHOWN + 1]
    partners = [names[j] for j in first[np.argsort(-sizes[first], kind="stable")] if sizes[j] > PARTICIPATES]
    if not partners:
        return "the data do not determine it"
    listed = ", ".join(partners[:SHOWN]) + (" and others" if len(partners) > SHOWN else "")
    return f"the data determine it only in combination with {listed}"


def length_in_errors(a: Rows, change: FloatArray, tolerance: float) -> float:
    """The length of the scoring step for a change of the gradient [P], in standard errors.

    With the information A'A = V S² V' of columns scaled to length one it is |S^-1 V' change|; directions in which the
    data say less than `tolerance` of the most are left out.
    """
    if isinstance(a, BlockRows):
        inverse = ArrowInverse.of(a, a.lengths > 0, tolerance)
        return float(np.sqrt(max(inverse.quadratic(change), 0.0)))
    length = np.linalg.norm(a, axis=0)
    seen = length > 0
    if not seen.any():
        return 0.0
    r = np.linalg.qr(a[:, seen] / length[seen], mode="r")
    _, s, vt = np.linalg.svd(r, full_matrices=False)
    kept = s > tolerance * s[0]
    return float(np.linalg.norm(vt[kept] @ (change[seen] / length[seen]) / s[kept]))
