"""Linear least squares in a box by active sets: P. B. Stark and R. L. Parker, "Bounded-variable least-squares: an
algorithm and applications" (Computational Statistics 10, 1995).

Among the free components the problem is an ordinary one. Where its solution leaves the box, the way there ends at the
first bound, which holds its component from then on; where it does not, the held component whose release promises most
becomes free. Each round ends lower than the one before, so that no set of held components comes twice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from odefit.arrays import FloatArray
from odefit.linalg.matrix import EPS

ROUNDS_PER_COLUMN = 10
"""The most releases, in parts of the number of columns: rounding may make one come twice."""


def bounded_least_squares(a: FloatArray, b: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """The x [P] in low <= x <= high for which |a x - b| is least.

    Parameters
    ----------
    a, b
        [M, P] and [M]; the columns of a have similar lengths.
    low, high
        [P], with low <= high; where they are equal there is no choice.
    """
    x = np.clip(np.linalg.lstsq(a, b, rcond=None)[0], low, high)
    side = (x >= high).astype(np.int8) - (x <= low).astype(np.int8)
    fixed = low >= high
    side[fixed] = 1
    for _ in range(ROUNDS_PER_COLUMN * len(x) + 1):
        x, side = _settled(a, b, x, side, low, high)
        error = a @ x - b
        slope, rounding = a.T @ error, len(b) * EPS * (np.abs(a).T @ (np.abs(a) @ np.abs(x) + np.abs(b)))
        wrong = np.where(fixed, 0.0, np.maximum(side * slope - rounding, 0.0))
        if not wrong.any():
            break
        side[int(np.argmax(wrong))] = 0
    found: FloatArray = x
    return found


def _settled(
    a: FloatArray, b: FloatArray, x: FloatArray, side: NDArray[np.int8], low: FloatArray, high: FloatArray
) -> tuple[FloatArray, NDArray[np.int8]]:
    """From x in the box to the least of a face of it, and which components that face holds (-1 low, 1 high)."""
    x, side = x.copy(), side.copy()
    while (free := side == 0).any():
        best = x.copy()
        best[free] = np.linalg.lstsq(a[:, free], b - a[:, ~free] @ x[~free], rcond=None)[0]
        beyond = (best > high).astype(np.int8) - (best < low).astype(np.int8)
        out = np.flatnonzero(free & (beyond != 0))
        if not len(out):
            return best, side
        ends = np.where(beyond[out] > 0, high[out], low[out])
        shares = (ends - x[out]) / (best[out] - x[out])
        first = int(np.argmin(shares))
        if shares[first] > 0:  # the least of all may lie infinitely far
            x[free] += shares[first] * (best - x)[free]
        x = np.clip(x, low, high)
        x[out[first]], side[out[first]] = ends[first], beyond[out[first]]
    return x, side
