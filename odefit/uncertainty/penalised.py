"""The errors of a few parameters beside many that a penalty holds: those of a mechanism beside a network's weights.

The estimates of a sum of squares |J q - d|² + |S q|², with noise of variance v in each row of J, miss the truth by

    G [noise; -S q],   G = (B'B)^-1 B',   B = [J; S].

The second part is the bias of the penalty. Taking S q for as large as the penalty expects, of variance s² in each row,
the noise's own, makes the penalty a prior and gives

    cov = G diag(v, s²) G',

which is s² (B'B)^-1 where all noise is alike. On average such errors cover as often as they say (Wahba 1983; Nychka
1988), where those of the noise alone are too small. What the fit takes of the degrees of freedom is the sum of the
leverages of J, of each observable its share.

Without S the same gives what the data say alone. A parameter that the weights can stand in for has no finite error
then, or one that says nothing.

References
----------
G. Wahba, "Bayesian confidence intervals for the cross-validated smoothing spline", J. R. Stat. Soc. B 45 (1983) 133.
D. Nychka, "Bayesian confidence intervals for smoothing splines", J. Am. Stat. Assoc. 83 (1988) 1134.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.linalg.dense_inverse import DenseInverse
from odefit.records import dataclass
from odefit.uncertainty.covariance import MIN_PARTICIPATION

ROUNDING = 1e-13
"""Directions in which rows say less than this share of the most are rounding."""
EXACT = 1e-9
"""The same for the derivatives of the data alone, which are exact but for rounding."""


@dataclass(frozen=True)
class PenalisedErrors:
    """What is known of the first P of all parameters.

    Parameters
    ----------
    covariance
        [P, P]; zero for those that are held.
    by_data
        [P], the standard errors without the penalty; infinite where the data leave a parameter open.
    taken
        Per observable, the degrees of freedom that the fit takes.
    """

    covariance: FloatArray
    by_data: FloatArray
    taken: FloatArray


def penalised_errors(
    measured: Sequence[FloatArray],
    variances: Sequence[FloatArray],
    others: FloatArray,
    free: Mask,
    is_estimated: Sequence[int | None],
) -> PenalisedErrors:
    """The errors from the rows of a sum of squares.

    Parameters
    ----------
    measured
        J as [M_k, Q] for each observable.
    variances
        [M_k] for each, at the estimated noise levels.
    others
        S, [K, Q].
    free
        [P], False for parameters, the first P columns, that are taken as known.
    is_estimated
        Per observable, the number of its noise level, where that was estimated from the residuals: its variance grows
        by n/(n - what the fit takes). Observables with the same number share it.
    """
    p, n_data = len(free), [len(rows) for rows in measured]
    j = np.concatenate(list(measured))
    b = np.concatenate([j, others])
    held = np.zeros(b.shape[1], dtype=bool)
    held[:p] = ~free
    chosen = ~held & (np.linalg.norm(b, axis=0) > 0)
    inverse = DenseInverse.of(b, chosen, ROUNDING)
    root = inverse.root
    leverage = np.square(j @ root).sum(axis=1)
    taken = np.array([part.sum() for part in np.split(leverage, np.cumsum(n_data)[:-1])])
    v = np.concatenate(list(variances)) * np.repeat(_growth(np.array(n_data), taken, is_estimated), n_data)
    s2 = float(v.mean())
    g = root[:p] @ (b @ root).T
    covariance = (g * np.concatenate([v, np.full(len(others), s2)])) @ g.T
    return PenalisedErrors(covariance, _by_data(j / np.sqrt(v)[:, None], chosen, p), taken)


def _growth(n: FloatArray, taken: FloatArray, is_estimated: Sequence[int | None]) -> FloatArray:
    """By how much each observable's variance is larger than that of its residuals."""
    growth = np.ones(len(n))
    for level in {one for one in is_estimated if one is not None}:
        own = np.array([one == level for one in is_estimated])
        left = n[own].sum() - taken[own].sum()
        growth[own] = n[own].sum() / max(left, 1.0)
    return growth


def _by_data(j: FloatArray, chosen: Mask, p: int) -> FloatArray:
    """The errors of the first p of the parameters from the rows of the data, of noise one, alone."""
    inverse = DenseInverse.of(j, chosen & (np.linalg.norm(j, axis=0) > 0), EXACT)
    errors = np.sqrt(inverse.diagonal[:p])
    open_ = (inverse.participation[:p] > MIN_PARTICIPATION) | (chosen[:p] & (errors == 0))
    return np.where(open_, np.inf, errors)
