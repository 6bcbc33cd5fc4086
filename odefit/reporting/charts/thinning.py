"""Fewer points for the same line on the page."""

from __future__ import annotations

import math

import numpy as np

from odefit.arrays import FloatArray

TOLERANCE = 0.2
"""How far the thinned line may pass from a point, upwards, in units of the picture."""


def thinned(x: FloatArray, y: FloatArray) -> list[int]:
    """Which points of a line, whose x never falls, are enough.

    A door swings through the last kept point: as long as one straight line passes every later point within the
    tolerance, these are left out.

    Parameters
    ----------
    x, y
        [M], finite.

    Returns
    -------
    list of int
        Positions, the first and the last among them.
    """
    n = len(x)
    if n <= 2 or (np.diff(x) < 0).any():
        return list(range(n))
    kept = [0]
    low, high = -math.inf, math.inf
    px, py = x.tolist(), y.tolist()
    ax, ay = px[0], py[0]
    for k in range(1, n):
        step = px[k] - ax
        if step > 0:
            slope, reach = (py[k] - ay) / step, TOLERANCE / step
            if low <= slope <= high:
                low, high = max(low, slope - reach), min(high, slope + reach)
                continue
        elif py[k] == ay:
            continue
        # The point before this one is where the line bends.
        if kept[-1] != k - 1:
            kept.append(k - 1)
        ax, ay = px[k - 1], py[k - 1]
        step = px[k] - ax
        if step > 0:
            slope, reach = (py[k] - ay) / step, TOLERANCE / step
            low, high = slope - reach, slope + reach
        else:
            low, high = math.inf, -math.inf
    if kept[-1] != n - 1:
        kept.append(n - 1)
    return kept
