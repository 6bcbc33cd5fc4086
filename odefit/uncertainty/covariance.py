"""How sure we are of each parameter: the inverse Fisher information, as far as there is one.

A [M, P] are the root-Fisher rows at the optimum, so the information is A.T @ A. The singular value
decomposition of A, with its columns scaled to length one, tells which directions the data determine:

    A D = U S V',    cov = D V S^-2 V' D     over the singular values that are not rounding.

A parameter with a part in a direction that is left out has no finite variance. It is reported as not
determined, together with its partners in that direction, rather than with a huge or invented number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from odefit.data.experiments import FloatArray

# Components of a null direction smaller than this are rounding, not participation.
PARTICIPATES = 1e-3


@dataclass(frozen=True)
class Covariance:
    """matrix: [P, P] in search space, NaN in rows and columns that are not determined.

    undetermined: name -> why, in a sentence.
    """

    names: tuple[str, ...]
    matrix: FloatArray
    undetermined: Mapping[str, str]

    @property
    def standard_errors(self) -> FloatArray:
        """[P] in search space; NaN where not determined."""
        return np.sqrt(np.diag(self.matrix))

    @property
    def correlation(self) -> FloatArray:
        """[P, P]"""
        s = self.standard_errors
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = self.matrix / np.outer(s, s)
        return np.clip(correlation, -1.0, 1.0)


def fisher_covariance(
    a: FloatArray, names: Sequence[str], free: NDArray[np.bool_] | None = None, tolerance: float = 1e-7
) -> Covariance:
    """The covariance of the estimates u from the root-Fisher rows A [M, P].

    free: [P], False for parameters at a bound, which are taken as known. tolerance: singular values of the
    column-scaled A below this share of the largest are taken for zero; it should exceed the relative
    accuracy of the sensitivities.
    """
    n = a.shape[1]
    chosen = np.arange(n) if free is None else np.flatnonzero(free)
    matrix = np.full((n, n), np.nan)
    undetermined: dict[str, str] = {}
    length = np.linalg.norm(a[:, chosen], axis=0)
    silent = length == 0
    for k in chosen[silent]:
        undetermined[names[k]] = "the data do not depend on it"
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
        block = root @ root.T
        block[lost, :] = np.nan
        block[:, lost] = np.nan
        matrix[np.ix_(chosen, chosen)] = block
    return Covariance(tuple(names), matrix, undetermined)


def _combination(k: int, null: FloatArray, chosen: NDArray[np.intp], names: Sequence[str]) -> str:
    """Which parameters move together with parameter k without a change of the fit."""
    direction = null @ null[k] / np.linalg.norm(null[k])
    partners = [names[chosen[j]] for j in np.argsort(-np.abs(direction)) if j != k and abs(direction[j]) > PARTICIPATES]
    if not partners:
        return "the data do not determine it"
    listed = ", ".join(partners[:4]) + (" and others" if len(partners) > 4 else "")
    return f"the data determine it only in combination with {listed}"
