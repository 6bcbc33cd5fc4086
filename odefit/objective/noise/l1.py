"""Sums of absolute values, |r_1| + ... + |r_M|, for Fisher scoring: they have kinks, and their minimum lies on some.

Each |r| is rounded off within h = KINK_WIDTH of its kink, where it is r²/(2 h) + h/2, by h/2 at most. Elsewhere its row
of the score form is that of the parabola that touches |r| at the present r from above, of curvature 1/w, w = |r|
(iteratively reweighted least squares, E. J. Schlossmacher 1973), which never overshoots, but creeps to the kinks: a
residual that is to vanish falls by a constant factor l_i per step, where -1 < l_i < 1 is its share in the balance of
slopes there, sum_i l_i dr_i = 0. With the curvature (1 - l_i sign r_i)/w it would vanish in one step, and one that is
not to vanish, with l_i = sign r_i, would have no curvature, as is right. So l is taken from the step that the
parabolas suggest, in the manner of T. F. Coleman and Y. Li, "A globally and quadratically convergent affine scaling
method for linear l1 problems" (1992). That finds minima in a fifth of the steps.
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.linalg.matrix import Matrix

KINK_WIDTH = 1e-5
"""The distance from its kink within which an absolute value is rounded off."""
MIN_CURVATURE, MAX_CURVATURE = 0.03, 2.0
"""The limits of the factor 1 - l_i sign r_i.

A little curvature is left even where there should be none: l_i is an estimate.
"""


def soft_abs(r: FloatArray) -> FloatArray:
    """|r| with its kink rounded off."""
    a = np.abs(r)
    return np.where(a < KINK_WIDTH, r * r / (2 * KINK_WIDTH) + KINK_WIDTH / 2, a)


def touching_row(r: FloatArray) -> tuple[FloatArray, FloatArray]:
    """z and the factor of dr in A for the parabola that touches soft_abs at r."""
    root = np.sqrt(np.maximum(np.abs(r), KINK_WIDTH))
    return r / root, 1 / root


def information_row(r: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same with the information of a Laplace distribution, 1, for a curvature."""
    return r / np.maximum(np.abs(r), KINK_WIDTH), np.ones_like(r)


def sharpened(z: FloatArray, a: Matrix, kinked: Mask) -> tuple[FloatArray, Matrix]:
    """The score form with a better curvature where the objective has kinks.

    Parameters
    ----------
    z, a
        [M] and [M, P], with the rows of `touching_row` for every absolute value.
    kinked
        [M], which rows these are.
    """
    w = z * z  # |r|, or less within the rounding
    if not np.isfinite(z).all() or not a.is_finite:
        return z, a
    balance = z + a.times(a.least_squares(z).minimiser(0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip(balance * np.sign(z) / np.sqrt(w), -1.0, 1.0)
        factor = np.where(kinked & (w > KINK_WIDTH), np.clip(1 - share, MIN_CURVATURE, MAX_CURVATURE), 1.0)
    k = np.sqrt(factor)
    return z / k, a.scale_rows(k)
