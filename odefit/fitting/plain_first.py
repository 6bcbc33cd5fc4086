"""Short searches from the drawn starts, before anything is matched: where data do not oscillate these may be enough.

They are what costs least, and none is lost where they are not: it is one of the short searches that follow. Matching
and shooting are left out where half of the starts have come to one valley and what the best of them leaves is noise, or
three quarters to one optimum which explains the data: a model may be wrong without there being a better place for it.
That many agree is not enough: a flat curve is where most of the starts of an oscillation meet.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.config.fit_methods import FitMethod
from odefit.config.schema import FitSection
from odefit.fitting.multistart_outcome import SAME_OPTIMUM
from odefit.fitting.offered_starts import AGREED, ALIKE
from odefit.fitting.short_searches import MOST_STARTS, STEPS, are_searched
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.start_pool import StartOutcome, best_of

PART = "plain starts"

FEWEST = 3
"""Starts, besides the user's own, of which half can agree."""

MOST = 0.75
"""The share of the starts that must have come to one optimum where what is left is no noise."""


def are_due(objective: ProfileLikelihood, method: FitMethod, points: FloatArray, section: FitSection) -> bool:
    """Whether starts [n, P'] are searched as they were drawn, before they are moved.

    Only where the config leaves all of that to odefit; and a race begins with short searches anyway.
    """
    given = (section.match, section.screen, section.shooting, section.budget)
    if any(each is not None for each in given) or not are_searched(section) or method.minimize_many is None:
        return False
    problem = objective.full.problem
    if not FEWEST < len(points) <= MOST_STARTS or not len(objective.free) or not problem.engine.is_compiled:
        return False
    from odefit.collocation.turning import OFTEN, most_turns

    return most_turns(problem) < OFTEN


def are_enough(objective: ProfileLikelihood, results: Sequence[StartOutcome]) -> str | None:
    """Why no start need be moved, a sentence for the user: half of them have come to one valley and all that is left
    there is noise, or most of them to one optimum, which explains the data. None where neither is so."""
    best, values = best_of(results), np.array([r.value for r in results])
    if best is None or best.outcome is None or np.mean(values <= best.value + ALIKE) < AGREED:
        return None
    from odefit.fitting.explained import explains
    from odefit.fitting.only_noise import leaves_noise

    if leaves_noise(objective, best.outcome.u):
        return _sentence(values, ALIKE, "one valley", "where all that is left is noise")
    if np.mean(values <= best.value + SAME_OPTIMUM) >= MOST and explains(objective, best.outcome.u):
        return _sentence(values, SAME_OPTIMUM, "one optimum", "which explains the data")
    return None


def _sentence(values: FloatArray, within: float, where: str, why: str) -> str:
    """What the user should know of searches that ended at values [n], of which those count that lie as close as this
    to the lowest."""
    n = int((values <= values.min() + within).sum())
    return (
        f"{n} of {len(values)} drawn starts came to {where} within {STEPS} steps, {why}, so that none was moved first "
        "(fit.match: true moves them)."
    )
