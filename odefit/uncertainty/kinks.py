"""The information of absolute values of residuals, whose kinks blur only as far as the estimate scatters.

The log-likelihood of Laplace noise is -|m - d|/s with a kink at m = d. Its expected curvature in m is 1/s² at the
truth, but less beside it: the mean of |m - d|/s over d bends by exp(-|x|)/s² at x = (m - m_true)/s. An estimate
scatters around the truth, x with the variance h: the leverage of its measurement. For normal x the slope of the mean
score, -E[x score(x)]/h, is by Stein's lemma

    w(h) = E exp(-|x|) = erfcx(sqrt(h/2)),          1 - 0.8 sqrt(h) + ...

of that at the truth. So the curvature is A'WA where the variance of the score is A'A, and the covariance is the
sandwich

    C = (A'WA)^-1 A'A (A'WA)^-1.

Its inverse is R'R with R = Q'WA, where Q [M, r] is an orthonormal basis of the columns of A. For n = 25 and p = 3 the
errors are a fourth larger than (A'A)^-1 says, as the scatter of least absolute deviations is (SE 1.28, 1.30, 1.21 times
by simulation, 1.35, 1.34, 1.25 by this formula).
"""

from __future__ import annotations

import math

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.linalg.dense_matrix import DenseMatrix


def blurred_rows(a: FloatArray, kinked: Mask, free: Mask, tolerance: float) -> DenseMatrix | None:
    """Rows R [r, P] such that R'R is the inverse of that covariance.

    Parameters
    ----------
    a
        A [M, P], with the expected information A'A.
    kinked
        [M], the rows of absolute values.
    free
        [P], which of the parameters can move; the columns of others are zero.
    tolerance
        Singular values of A with columns of length one below this share of the largest are no information.

    Returns
    -------
    DenseMatrix or None
        None where nothing is determined.
    """
    from scipy.special import erfcx

    moving = a * free
    lengths = np.linalg.norm(moving, axis=0)
    if not lengths.any():
        return None
    basis, s, _ = np.linalg.svd(moving / np.where(lengths > 0, lengths, 1.0), full_matrices=False)
    basis = basis[:, s > tolerance * s[0]]
    leverage = np.einsum("ij,ij->i", basis, basis)
    weights = np.where(kinked, erfcx(np.sqrt(leverage) / math.sqrt(2)), 1.0)
    return DenseMatrix((basis * weights[:, None]).T @ moving)
