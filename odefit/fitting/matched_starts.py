"""Drawn starts moved to where the equations match the slopes of the data, where that is better."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.collocation.starts import matched_points, obstacle
from odefit.fitting.offered_starts import bettered
from odefit.objective.profile import ProfileLikelihood


def matched_starts(
    objective: ProfileLikelihood, points: FloatArray, with_first: bool = False
) -> tuple[FloatArray, Mask]:
    """Where to search from instead of drawn starts: see `bettered`. None becomes worse.

    Parameters
    ----------
    objective
        What is going to be minimised.
    points
        [n, P'], the drawn starts.
    with_first
        Whether the first of them, the user's own, may be moved as well.

    Returns
    -------
    points
        [n, P'].
    is_moved
        [n].
    """
    if obstacle(objective.full.problem) is not None:
        return points, np.zeros(len(points), dtype=bool)
    return bettered(objective, points, 0 if with_first else 1, matched_points)


def sentence(is_moved: Mask) -> str:
    """What the user should know of it."""
    return (
        f"{int(is_moved.sum())} of {len(is_moved)} starts were moved first, to where the equations match the slopes of "
        "the smoothed data (fit.match: false leaves them where they are drawn)."
    )
