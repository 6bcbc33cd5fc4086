"""Where searches start: a Latin hypercube in the search space, and a choice of the promising candidates.

Everything is drawn before the work is handed out, so the starts do not depend on the number of workers.
Numpy does it: importing scipy.stats.qmc takes longer (0.5 s) than many a fit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.optimizers.base import check_box, typical_size

REACH = 4.6
"""How far beyond the user's value starts are drawn on a side without a bound, in typical sizes.

That is about log(100): a factor 100 either way for a logarithmic parameter.
"""


UNPROMISING = 1e300
"""The value from which on a candidate is taken only where there is no other; the model fails at infinity."""


def sampling_box(
    lower: FloatArray, upper: FloatArray, first: FloatArray, size: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """The finite box in which starts are drawn.

    On a side without a bound it reaches REACH * size beyond the user's value.

    Parameters
    ----------
    lower, upper
        [P], bounds.
    first
        [P], the user's values.
    size
        [P], how much each component may typically change: 1 for a logarithm; default |first|.

    Returns
    -------
    low, high
        [P] each.
    """
    first, lower, upper = check_box(first, lower, upper)
    reach = REACH * (typical_size(first) if size is None else np.asarray(size, dtype=np.float64))
    low = np.where(np.isfinite(lower), lower, first - reach)
    high = np.where(np.isfinite(upper), upper, first + reach)
    return low, high


def start_points(
    lower: FloatArray,
    upper: FloatArray,
    first: FloatArray,
    n: int,
    seed: int | Sequence[int],
    *,
    size: FloatArray | None = None,
) -> FloatArray:
    """Points from which to search: the user's values, then a Latin hypercube.

    In a Latin hypercube each component has exactly one point in each of n - 1 equal slices of its range.

    Parameters
    ----------
    lower, upper, first, size
        As in `sampling_box`.
    n
        The number of points, at least 1.
    seed
        The same seed gives the same points.

    Returns
    -------
    FloatArray
        [n, P].

    Raises
    ------
    ValueError
        `first` and the box do not fit together, or n < 1.

    References
    ----------
    M. D. McKay, R. J. Beckman and W. J. Conover, Technometrics 21 (1979).
    """
    if n < 1:
        raise ValueError(f"at least one start is needed (got {n})")
    start, lower, upper = check_box(first, lower, upper)
    low, high = sampling_box(lower, upper, start, size)
    random = np.random.default_rng(seed)
    slices = np.broadcast_to(np.arange(n - 1)[:, None], (n - 1, len(start)))
    cells = random.permuted(slices, axis=0) + random.random((n - 1, len(start)))
    drawn = low + (high - low) * (cells / max(n - 1, 1))
    return np.vstack([start, np.clip(drawn, lower, upper)])


def screen(values: FloatArray, candidates: FloatArray, n: int) -> FloatArray:
    """The candidates from which to search, [n, P]; see `chosen`."""
    return np.array(candidates[chosen(values, candidates, n)])


def chosen(values: FloatArray, candidates: FloatArray, n: int) -> IntArray:
    """Which candidates to search from.

    The first candidate, the user's own, is always taken. Then the others are gone through from the best value to the
    worst, and one is taken if it is no closer to those already taken than half the spacing that n points have when they
    fill the candidates' box: with its sides of length 1, and the distance as root mean square over the components, that
    spacing is n**(-1/P). What is then still missing is filled up with the best that were passed over. So values choose
    among neighbours, and no valley gets all the starts. Candidates for which the model fails come last. Ties go to the
    earlier one.

    Parameters
    ----------
    values
        [N], the objective; inf where the model fails.
    candidates
        [N, P].
    n
        How many to take.

    Returns
    -------
    IntArray
        [n].
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) != len(candidates):
        raise ValueError(f"one value per candidate is needed (got {len(values)} for {len(candidates)})")
    if n >= len(candidates):
        return np.arange(len(candidates))
    width = np.ptp(candidates, axis=0)
    places = candidates / np.where(width > 0, width, 1.0)
    spacing = 0.5 * n ** (-1 / candidates.shape[1])
    order = np.argsort(np.where(np.isfinite(values), values, np.inf), kind="stable")
    order = np.concatenate([[0], order[order != 0]])
    nearest = np.full(len(values), np.inf)
    taken: list[int] = []
    for k in order:
        if len(taken) == n:
            break
        if taken and (nearest[k] < spacing or not values[k] < UNPROMISING):
            continue
        taken.append(int(k))
        nearest = np.minimum(nearest, np.sqrt(np.mean((places - places[k]) ** 2, axis=1)))
    passed_over = order[~np.isin(order, taken)]
    return np.array([*taken, *passed_over[: n - len(taken)]], dtype=np.intp)
