"""Starts moved by multiple shooting, where data oscillate and slopes cannot be matched.

It costs more than searches from the same starts, so that it is done for as many starts as a count of steps says that
there is time for. Without a wrong phase to get away from, short searches come as far for less; and where slopes can be
matched and bring starts to no common place, shots have brought them to none either.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.collocation.starts import obstacle as obstacle_to_matching
from odefit.collocation.turning import OFTEN, most_turns
from odefit.config.schema import FitSection
from odefit.fitting.offered_starts import bettered, have_come_together
from odefit.fitting.search_work import EVALUATIONS, seconds_of_start
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood
from odefit.runs.checkpoint import Memory

PART = "shots"

LONGEST, OF_BUDGET = 10.0, 0.02
"""Seconds, or so, of all shots unless they are asked for, and the share of a budget after which they end."""

MOST_STARTS = 100
"""The most starts that are moved; more than that are there to look at other places."""


def shot_starts(
    objective: ProfileLikelihood, points: FloatArray, section: FitSection, memory: Memory
) -> tuple[FloatArray, Mask]:
    """Where to search from instead of starts [n, P'], and which of them have been moved [n]; none becomes worse.

    A budget leaves a share for it: there the clock counts, as for all of a race.
    """
    first, nothing = 0 if section.shooting else 1, np.zeros(len(points), dtype=bool)
    if len(points) <= first or not are_due(objective, points[first : first + MOST_STARTS], section):
        return points, nothing
    few = points[: first + min(MOST_STARTS, _affordable(objective, points, section))]
    if len(few) <= first:
        return points, nothing
    kept: Any = memory.restored(PART)
    if kept is not None and np.shape(kept["points"]) == few.shape:
        moved, is_moved = np.asarray(kept["points"]), np.asarray(kept["is_moved"], dtype=bool)
    else:
        from odefit.shooting.starts import shot_points

        moved, is_moved = bettered(objective, few, first, functools.partial(shot_points, seconds=_most(section)))
        memory.offer(PART, lambda: {"points": moved, "is_moved": is_moved})
    return np.concatenate([moved, points[len(few) :]]), np.concatenate([is_moved, nothing[len(few) :]])


def are_due(objective: ProfileLikelihood, points: FloatArray, section: FitSection) -> bool:
    """Whether starts [n, P'] are shot: by what the config says, else where data oscillate whose slopes cannot be
    matched, and the starts have come to no common place."""
    problem = objective.full.problem
    if section.shooting is False or (section.shooting is None and section.match is False):
        return False
    if not section.shooting and (obstacle_to_matching(problem) is None or most_turns(problem) < OFTEN):
        return False
    if not section.shooting and have_come_together(objective, points):
        return False
    from odefit.shooting.starts import obstacle  # what most fits do not need

    return obstacle(problem) is None


def _affordable(objective: ProfileLikelihood, points: FloatArray, section: FitSection) -> int:
    """For how many starts there is time, whatever the machine's load."""
    if section.shooting:
        return len(points)
    from odefit.shooting.starts import ROUNDS

    problem = objective.full.problem
    seconds = seconds_of_start(objective, points)
    if not seconds:
        return 0
    width = 1 + len(problem.observation.sensitive)
    more = (width + len(problem.engine.system.states)) / width
    return int(min(LONGEST, _most(section)) / (seconds * more * ROUNDS / EVALUATIONS))


def _most(section: FitSection) -> float:
    """Seconds of CPU time after which there are no more shots."""
    return math.inf if section.budget is None or section.shooting else OF_BUDGET * section.budget


def sentence(problem: FitProblem, is_moved: Mask) -> str:
    """What the user should know of it."""
    why = obstacle_to_matching(problem)
    because = "the config asks for it" if why is None else f"slopes are not matched: {why}"
    return (
        f"{int(is_moved.sum())} of {len(is_moved)} starts were moved by multiple shooting, as {because} "
        "(fit.shooting: false is without)."
    )
