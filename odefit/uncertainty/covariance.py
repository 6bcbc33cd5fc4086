"""How sure we are of each parameter: the inverse Fisher information, as far as there is one.

A [M, P] are the root-Fisher rows at the optimum, so the information is A.T @ A. The singular value
decomposition of A, with its columns scaled to length one, tells which directions the data determine:

    A D = U S V',    cov = D V S^-2 V' D     over the singular values that are not rounding.

A parameter with a part in a direction that is left out has no finite variance. It is reported as not
determined, together with its partners in that direction, rather than with a huge or invented number.

The decomposition is that of the matrix (linalg/matrix.py), so that no [P, P] is formed for A in arrow form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.linalg.matrix import Inverse, Matrix
from odefit.records import dataclass

MIN_PARTICIPATION = 1e-3
"""A smaller component of a unit vector in a direction that is left out is rounding, not participation."""
MAX_LISTED = 300
"""The most parameters that tables of all with all may have; beyond it only the shared ones are listed."""
MAX_PARTNERS = 4
"""The most parameters that a sentence names as partners of one that is not determined."""
IN_COMBINATION = "the data determine it only in combination with "
SILENT = "the data do not depend on it"


@dataclass(frozen=True)
class Covariance:
    """The covariance of the estimates in search space.

    Parameters
    ----------
    names
        The P parameters.
    inverse
        The inverse information.
    factor
        [P], what the error of each parameter is multiplied by: 0 where it is taken as known, NaN where it has no
        variance because nothing depends on it, or because it lies on a bound.
    undetermined
        Name -> why it has no finite variance, in a sentence.
    """

    names: tuple[str, ...]
    inverse: Inverse
    factor: FloatArray
    undetermined: Mapping[str, str]

    @classmethod
    def of_matrix(cls, names: Sequence[str], matrix: FloatArray, undetermined: Mapping[str, str]) -> Covariance:
        """The covariance from its entries [P, P]; NaN in rows and columns of parameters that are not determined."""
        factor = np.where(np.isnan(np.diag(matrix)), np.nan, 1.0)
        return cls(tuple(names), _GivenInverse(np.nan_to_num(matrix)), factor, undetermined)

    @cached_property
    def _factor(self) -> FloatArray:
        """The factor, and NaN also for parameters that are determined in combination with others only."""
        confounded = (self.inverse.participation > MIN_PARTICIPATION) & (self.factor != 0)
        return np.where(confounded, np.nan, self.factor)

    @cached_property
    def standard_errors(self) -> FloatArray:
        """[P] in search space; NaN where not determined."""
        return np.sqrt(np.maximum(self.inverse.diagonal, 0.0)) * self._factor

    @property
    def matrix(self) -> FloatArray:
        """[P, P] in search space, NaN in rows and columns that are not determined; for few parameters."""
        return self.part(np.arange(len(self.names)))

    def part(self, columns: IntArray) -> FloatArray:
        """The entries [k, k] of k of the parameters."""
        factor = self._factor[columns]
        known = factor == 0
        scaled = self.inverse.part(columns) * np.outer(factor, factor)
        return np.where(known | known[:, None], 0.0, scaled)

    def variance(self, slopes: FloatArray, columns: IntArray) -> FloatArray:
        """The variances of linear functions of some of the parameters.

        Parameters
        ----------
        slopes
            [T, k], of T functions of k parameters in search space.
        columns
            [k], the positions of these parameters.

        Returns
        -------
        FloatArray
            [T]; NaN where a function moves along what is not determined, all where one depends on a parameter that has
            no variance.
        """
        factor = self.factor[columns]
        silent, known = np.isnan(factor), factor == 0
        moves = self.inverse.null_parts(np.where(silent | known, 0.0, slopes), columns) > MIN_PARTICIPATION
        # Without a variance of a parameter nothing is known of a function that depends on it, wherever that may be.
        moves |= (slopes[:, silent] != 0).any()
        return np.where(moves, np.nan, self.inverse.variances(slopes * np.where(silent, 0.0, factor), columns))

    def nullity(self, free: Mask) -> int:
        """How many directions in the space of the free parameters, [P], the data do not determine."""
        silent = int(np.count_nonzero(np.isnan(self.factor) & free))
        return silent + round(float((self.inverse.participation[free] ** 2).sum()))

    def scaled(self, factor: FloatArray) -> Covariance:
        """The covariance with each error times a factor, [P]."""
        return replace(self, factor=self.factor * factor)

    def known(self, columns: Mask) -> Covariance:
        """The covariance with some of the parameters, [P], taken as known."""
        return replace(self, factor=np.where(columns, 0.0, self.factor))

    @property
    def correlation(self) -> FloatArray:
        """[P, P], for few parameters; NaN where the covariance is."""
        matrix = self.matrix
        s = np.sqrt(np.diag(matrix))
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = matrix / np.outer(s, s)
        return np.asarray(np.clip(correlation, -1.0, 1.0))

    def listed(self) -> Covariance:
        """The covariance of those parameters that belong into tables of all with all."""
        if len(self.names) <= MAX_LISTED:
            return self
        columns = self.inverse.shared
        names = tuple(self.names[k] for k in columns)
        reasons = {name: self.undetermined[name] for name in names if name in self.undetermined}
        return Covariance.of_matrix(names, self.part(columns), reasons)


@dataclass(frozen=True)
class _GivenInverse(Inverse):
    """An inverse whose entries [P, P] are given."""

    matrix: FloatArray

    @property
    def diagonal(self) -> FloatArray:
        return np.asarray(np.diag(self.matrix))

    def part(self, columns: IntArray) -> FloatArray:
        return self.matrix[np.ix_(columns, columns)]

    @property
    def participation(self) -> FloatArray:
        return np.zeros(len(self.matrix))

    def partners(self, column: int) -> FloatArray:
        del column
        return np.zeros(len(self.matrix))

    def null_parts(self, slopes: FloatArray, columns: IntArray) -> FloatArray:
        del columns
        return np.zeros(len(slopes))

    def quadratic(self, g: FloatArray) -> float:
        return float(g @ self.matrix @ g)


def fisher_covariance(a: Matrix, names: Sequence[str], free: Mask | None = None, tolerance: float = 1e-7) -> Covariance:
    """The covariance of estimates from the root-Fisher rows at the optimum.

    Parameters
    ----------
    a
        [M, P], finite.
    names
        The P parameters.
    free
        [P], False for parameters on a bound, which are taken as known; default all True.
    tolerance
        Singular values of the column-scaled A below this share of the largest are taken for zero. It should exceed the
        relative accuracy of the sensitivities.
    """
    lengths = a.lengths
    chosen = np.ones(len(names), dtype=bool) if free is None else free
    silent = chosen & (lengths == 0)
    chosen = chosen & ~silent
    inverse = a.inverse(chosen, tolerance)
    undetermined = {names[k]: SILENT for k in np.flatnonzero(silent).tolist()}
    for k in np.flatnonzero(inverse.participation > MIN_PARTICIPATION).tolist():
        undetermined[names[k]] = _with_whom(k, inverse.partners(k), names)
    return Covariance(tuple(names), inverse, np.where(chosen, 1.0, np.nan), undetermined)


def length_in_errors(a: Matrix, change: FloatArray, tolerance: float, among: Mask | None = None) -> float:
    """The length of the scoring step for a change of the gradient, in standard errors.

    With the information A'A = V S² V' of columns scaled to length one it is |S^-1 V' change|.

    Parameters
    ----------
    a
        [M, P], the root-Fisher rows.
    change
        [P], of the gradient.
    tolerance
        Directions in which the data say less than this share of the most are left out.
    among
        [P], the parameters that may move; default all.
    """
    moving = a.lengths > 0
    inverse = a.inverse(moving if among is None else moving & among, tolerance)
    return float(np.sqrt(max(inverse.quadratic(change), 0.0)))


def _with_whom(k: int, direction: FloatArray, names: Sequence[str]) -> str:
    """The sentence for parameter k from the part of all in what the data do not determine of it."""
    # The direction's own length is the root of its k-th component: it is a column of a projection.
    sizes = np.abs(direction) / np.sqrt(direction[k])
    sizes[k] = 0.0
    first = np.argpartition(-sizes, min(MAX_PARTNERS, len(sizes) - 1))[: MAX_PARTNERS + 1]
    partners = [names[j] for j in first[np.argsort(-sizes[first], kind="stable")] if sizes[j] > MIN_PARTICIPATION]
    return in_combination(partners) if partners else "the data do not determine it"


def in_combination(partners: Sequence[str]) -> str:
    """The sentence for a parameter whose changes these others can make up for, the closest first."""
    listed = ", ".join(partners[:MAX_PARTNERS]) + (" and others" if len(partners) > MAX_PARTNERS else "")
    return f"{IN_COMBINATION}{listed}"


def rank_tolerance(rtol: float) -> float:
    """Which singular values are no information: those below this share of the largest, by the solver's tolerance."""
    return max(1e-9, 0.1 * rtol)
