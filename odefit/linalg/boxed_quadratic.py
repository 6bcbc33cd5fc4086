"""Minima of convex quadratics in boxes by projected Newton steps: D. P. Bertsekas, "Projected Newton methods for
optimization problems with simple constraints" (SIAM Journal on Control and Optimization 20, 1982).

    q(p) = g'p + p'H p / 2      for low <= p <= high      (low <= 0 <= high)

Components that are on a bound and pushed against it are held; of all others the minimum is computed, and the way there
bent along the box. What is reached never rises, many bounds are met or left in one step, and a step takes one Cholesky
decomposition's work: a hundredth of that of singular values.
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.linalg.matrix import EPS

SHARES = 0.5 ** np.arange(12)
"""Parts of the way to the minimum over the free components that are tried."""

ROUNDS_PER_COLUMN = 3
"""The most steps, in parts of the number of columns."""


def minima_in_boxes(h: FloatArray, g: FloatArray, low: FloatArray, high: FloatArray, begin: FloatArray) -> FloatArray:
    """Where B quadratics are least within their boxes, [B, P]; each is what it is alone.

    Parameters
    ----------
    h
        [B, P, P], positive definite.
    g
        [B, P].
    low, high
        [B, P], which may be infinite.
    begin
        [B, P], where to begin, in the box: a minimum of almost the same problem ends the search sooner.
    """
    p, going = begin.copy(), np.arange(len(begin))
    blocked = np.zeros(p.shape, dtype=bool)
    for _ in range(ROUNDS_PER_COLUMN * p.shape[1] + 10):
        own, matrix, slope = p[going], h[going], _times(h[going], p[going]) + g[going]
        rounding = p.shape[1] * EPS * (_times(np.abs(matrix), np.abs(own)) + np.abs(g[going]))
        held = ((own <= low[going]) & (slope >= 0)) | ((own >= high[going]) & (slope <= 0)) | blocked[going]
        left = (~held & (np.abs(slope) > rounding)).any(axis=1)
        if not left.all():
            going, own, matrix, slope, held = going[left], own[left], matrix[left], slope[left], held[left]
        if not len(going):
            break
        d = _newton(matrix, slope, held)
        best, gain = _along(matrix, slope, own, d, low[going], high[going])
        moved = gain > 0
        p[going[moved]], blocked[going[moved]] = best[moved], False
        # At a bound that the step would leave the box through at once the component waits for the others to move.
        stuck = (((own <= low[going]) & (d < 0)) | ((own >= high[going]) & (d > 0))) & ~moved[:, None]
        blocked[going] |= stuck
        going = going[moved | stuck.any(axis=1)]
        if not len(going):
            break
    return p


def _newton(h: FloatArray, slope: FloatArray, held: Mask) -> FloatArray:
    """The step [B, P] to the minimum over the components that are not held."""
    free = ~held
    matrix = h * (free[:, :, None] & free[:, None, :])
    diagonal = np.arange(h.shape[1])
    matrix[:, diagonal, diagonal] += held
    return -np.asarray(np.linalg.solve(matrix, np.where(free, slope, 0.0)[..., None])[..., 0])


def _along(
    h: FloatArray, slope: FloatArray, p: FloatArray, d: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The best place on the way p + share d [B, P], bent along the box, and what it gains [B]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(d > 0, (high - p) / d, np.where(d < 0, (low - p) / d, np.inf))
    first = np.minimum(room.min(axis=1), 1.0)
    shares = np.concatenate([np.broadcast_to(SHARES, (len(p), len(SHARES))), first[:, None]], axis=1)
    there = np.clip(p[:, None] + shares[..., None] * d[:, None], low[:, None], high[:, None])
    change = there - p[:, None]
    gains = -(change @ slope[..., None])[..., 0] - (change * (change @ h)).sum(axis=2) / 2
    k, each = gains.argmax(axis=1), np.arange(len(p))
    return there[each, k], gains[each, k]


def _times(h: FloatArray, p: FloatArray) -> FloatArray:
    product: FloatArray = (h @ p[..., None])[..., 0]
    return product
