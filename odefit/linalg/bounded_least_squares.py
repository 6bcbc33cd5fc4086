"""Linear least squares in a box by active sets: P. B. Stark and R. L. Parker, "Bounded-variable least-squares: an
algorithm and applications" (Computational Statistics 10, 1995).

Among the free components the problem is an ordinary one. Where its solution leaves the box, the way there ends at the
first bound, which holds its component from then on; where it does not, the held component whose release promises most
becomes free. Each round ends lower than the one before, so that no set of held components comes twice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from odefit.arrays import FloatArray, true_at
from odefit.linalg.dense_least_squares import adjoint, times
from odefit.linalg.matrix import EPS

ROUNDS_PER_COLUMN = 10
"""The most releases, in parts of the number of columns: rounding may make one come twice."""


def bounded_least_squares(a: FloatArray, b: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """The x [B, P] in low <= x <= high for which |a x - b| is least, of B problems.

    Parameters
    ----------
    a, b
        [B, M, P] and [B, M]; the columns of a have similar lengths.
    low, high
        [B, P], with low <= high; where they are equal there is no choice.
    """
    x = np.clip(shortest(a, b), low, high)
    side = (x >= high).astype(np.int8) - (x <= low).astype(np.int8)
    fixed = low >= high
    side[fixed] = 1
    going = np.arange(len(x))
    for _ in range(ROUNDS_PER_COLUMN * x.shape[1] + 1):
        rows, target = a[going], b[going]
        x[going], side[going] = _settled(rows, target, x[going], side[going], low[going], high[going])
        error = times(rows, x[going]) - target
        sizes = times(np.abs(rows), np.abs(x[going])) + np.abs(target)
        rounding = b.shape[1] * EPS * adjoint(np.abs(rows), sizes)
        wrong = np.where(fixed[going], 0.0, np.maximum(side[going] * adjoint(rows, error) - rounding, 0.0))
        released = wrong.any(axis=1)
        going = going[released]
        if not len(going):
            break
        side[going, wrong[released].argmax(axis=1)] = 0
    return x


def shortest(a: FloatArray, b: FloatArray) -> FloatArray:
    """The shortest x [B, P] for which |a x - b| is least; singular values that are rounding are zero."""
    u, s, v = np.linalg.svd(a, full_matrices=False)
    seen = s > max(a.shape[1:]) * EPS * s[:, :1]
    with np.errstate(over="ignore", invalid="ignore"):  # it may lie infinitely far
        return adjoint(v, np.where(seen, adjoint(u, b) / np.where(seen, s, 1.0), 0.0))


def _settled(
    a: FloatArray, b: FloatArray, x: FloatArray, side: NDArray[np.int8], low: FloatArray, high: FloatArray
) -> tuple[FloatArray, NDArray[np.int8]]:
    """From x in the box to the least of a face of it, and which components that face holds (-1 low, 1 high)."""
    going = true_at((side == 0).any(axis=1))
    while len(going):
        free, own = side[going] == 0, x[going]
        rest = b[going] - times(a[going], np.where(free, 0.0, own))
        best = np.where(free, shortest(a[going] * free[:, None, :], rest), own)
        beyond = (best > high[going]).astype(np.int8) - (best < low[going]).astype(np.int8)
        out = free & (beyond != 0)
        leaves = out.any(axis=1)
        x[going[~leaves]] = best[~leaves]
        going, free, own, best, beyond, out = (each[leaves] for each in (going, free, own, best, beyond, out))
        if not len(going):
            break
        ends = np.where(beyond > 0, high[going], low[going])
        with np.errstate(all="ignore"):
            shares = np.where(out, (ends - own) / (best - own), np.inf)
            first, each = shares.argmin(axis=1), np.arange(len(going))
            share = shares[each, first][:, None]
            # The least of all may lie infinitely far.
            own = np.where(free & (share > 0), own + share * (best - own), own)
        own = np.clip(own, low[going], high[going])
        own[each, first] = ends[each, first]
        x[going], side[going, first] = own, beyond[each, first]
        going = going[(side[going] == 0).any(axis=1)]
    return x, side
