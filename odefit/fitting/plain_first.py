"""Short searches from the drawn starts, before anything is matched: where data do not oscillate these may be enough.

They are what costs least, and none is lost where they are not: it is one of the short searches that follow. Matching
and shooting are left out where half of the starts have come to one valley and what the best of them leaves is noise.
That many agree is not enough: a flat curve is where most of the starts of an oscillation meet.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.collocation.turning import most_turns
from odefit.config.fit_methods import FitMethod
from odefit.config.schema import FitSection
from odefit.fitting.growing_horizon import OFTEN
from odefit.fitting.offered_starts import AGREED, ALIKE
from odefit.fitting.short_searches import MOST_STARTS, STEPS, are_searched
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood
from odefit.objective.residuals import pearson_residuals
from odefit.optimizers.start_pool import StartOutcome, best_of

PART = "plain starts"

FEWEST = 3
"""Starts, besides the user's own, of which half can agree."""

FEWEST_PAIRS = 8
"""Neighbouring measurements from which on it can be seen whether residuals are noise."""


def are_due(objective: ProfileLikelihood, method: FitMethod, points: FloatArray, section: FitSection) -> bool:
    """Whether starts [n, P'] are searched as they were drawn, before they are moved.

    Only where the config leaves all of that to odefit; and a race begins with short searches anyway.
    """
    given = (section.match, section.screen, section.shooting, section.budget)
    if any(each is not None for each in given) or not are_searched(section) or method.minimize_many is None:
        return False
    problem = objective.full.problem
    is_many = FEWEST < len(points) <= MOST_STARTS and len(objective.free) > 0
    return is_many and problem.engine.is_compiled and most_turns(problem) < OFTEN


def are_enough(objective: ProfileLikelihood, results: Sequence[StartOutcome]) -> bool:
    """Whether half of the starts have come to one valley, and all that is left there is noise."""
    best, values = best_of(results), np.array([r.value for r in results])
    if best is None or best.outcome is None or np.mean(values <= best.value + ALIKE) < AGREED:
        return False
    return leaves_noise(objective, best.outcome.u)


def leaves_noise(objective: ProfileLikelihood, u: FloatArray) -> bool:
    """Whether residuals at u [P'] do not follow those before them: r = sum e_i e_(i+1) / sum e_i^2 of about 1/sqrt(n)
    is what n pairs of white noise have. Too few measurements cannot say so."""
    found = pearson_residuals(objective.full, objective.lift(u))
    if found is None:
        return False
    series = [e for e in _series(objective.full.problem, found) if len(e) > 1]
    n_pairs = sum(len(e) - 1 for e in series)
    if n_pairs < FEWEST_PAIRS:
        return False
    products = sum(float(e[1:] @ e[:-1]) for e in series)
    squares = sum(float(e @ e) for e in series)
    return bool(squares > 0 and products / squares < 1 / np.sqrt(n_pairs))


def _series(problem: FitProblem, residuals: Sequence[FloatArray]) -> list[FloatArray]:
    """The residuals of each curve in the order of their times: of one formula, however many names it has, in one
    experiment."""
    formulas = list(problem.observation.system.predicted.values())
    curves = [formulas.index(g) for g in formulas]
    curve = np.concatenate([np.full(len(d.rows), c) for c, d in zip(curves, problem.data, strict=True)])
    rows, e = np.concatenate([d.rows for d in problem.data]), np.concatenate(residuals)
    order = np.lexsort((problem.times[rows], problem.owner[rows], curve))
    owner, curve, e = problem.owner[rows][order], curve[order], e[order]
    ends = np.flatnonzero((np.diff(owner) != 0) | (np.diff(curve) != 0)) + 1
    return np.split(e, ends)


def sentence(results: Sequence[StartOutcome]) -> str:
    """What the user should know of it."""
    best = min(r.value for r in results)
    n = sum(r.value <= best + ALIKE for r in results)
    return (
        f"{n} of {len(results)} drawn starts came to one place within {STEPS} steps, where all that is left is noise, "
        "so that none was moved first (fit.match: true moves them)."
    )
