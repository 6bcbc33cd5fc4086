"""Short searches from the drawn starts, before anything is matched: where data do not oscillate these may be enough.

They are what costs least, and none is lost where they are not: it is one of the short searches that follow. Matching
and shooting are left out where half of the starts have come to one valley and what the best of them leaves is noise.
That many agree is not enough: a flat curve is where most of the starts of an oscillation meet.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.config.fit_methods import FitMethod
from odefit.config.schema import FitSection
from odefit.fitting.offered_starts import AGREED, ALIKE
from odefit.fitting.short_searches import MOST_STARTS, STEPS, are_searched
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.start_pool import StartOutcome, best_of

PART = "plain starts"

FEWEST = 3
"""Starts, besides the user's own, of which half can agree."""


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


def are_enough(objective: ProfileLikelihood, results: Sequence[StartOutcome]) -> bool:
    """Whether half of the starts have come to one valley, and all that is left there is noise."""
    best, values = best_of(results), np.array([r.value for r in results])
    if best is None or best.outcome is None or np.mean(values <= best.value + ALIKE) < AGREED:
        return False
    from odefit.fitting.only_noise import leaves_noise

    return leaves_noise(objective, best.outcome.u)


def sentence(results: Sequence[StartOutcome]) -> str:
    """What the user should know of it."""
    best = min(r.value for r in results)
    n = sum(r.value <= best + ALIKE for r in results)
    return (
        f"{n} of {len(results)} drawn starts came to one place within {STEPS} steps, where all that is left is noise, "
        "so that none was moved first (fit.match: true moves them)."
    )
