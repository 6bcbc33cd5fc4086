"""More times where a curve bends: a path between few points of a sharp turn would be seen to be a polygon."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray

MAX_CHORD_ERROR = 2e-4
"""A chord may miss its arc by this share of what a state spans: a fifth of a dot of a large picture."""
MAX_PARTS = 20
"""Parts of a chord."""
JUMP_WIDTH = 1e-8
"""Times nearer to each other than this share of all are both sides of a jump."""


def times_at_bends(times: FloatArray, states: FloatArray, most: int) -> FloatArray:
    """Choose times to be added to a curve where it bends.

    A chord over h misses an arc of curvature c by c h² / 8; c is the second difference of each state, over what the
    state spans, and the largest one at both ends and beside them, for it may be 0 at one of them.

    Parameters
    ----------
    times, states
        [T] and [T, S], the curve as it is known.
    most
        Times that are added at most.

    Returns
    -------
    FloatArray
        The times to be added.
    """
    h = np.diff(times)
    if len(times) < 3 or not np.isfinite(states).all():
        return np.empty(0)
    span = np.ptp(states, axis=0)
    y = states[:, span > 0] / span[span > 0]
    smooth = h > JUMP_WIDTH * (times[-1] - times[0])
    if not y.shape[1] or not smooth.any():
        return np.empty(0)
    slope = np.diff(y, axis=0) / np.where(smooth, h, np.inf)[:, None]
    inner = np.abs(np.diff(slope, axis=0)).max(axis=1) * 2 / (h[1:] + h[:-1])
    # Where the states jump there is no curvature.
    inner[~(smooth[1:] & smooth[:-1])] = 0.0
    curvature = np.concatenate([np.zeros(2), inner, np.zeros(2)])
    nearby = np.lib.stride_tricks.sliding_window_view(curvature, 4).max(axis=1)
    missed = nearby * h**2 / 8
    extra = np.where(smooth, np.ceil(np.sqrt(missed / MAX_CHORD_ERROR)) - 1, 0).clip(0, MAX_PARTS - 1)
    if extra.sum() > most:
        extra = np.floor(extra * most / extra.sum())
    parts = extra.astype(np.intp) + 1
    which = np.repeat(np.arange(len(h)), parts)
    place = np.arange(len(which)) - np.repeat(np.cumsum(parts) - parts, parts)
    added: FloatArray = (times[which] + h[which] * place / parts[which])[place > 0]
    return added
