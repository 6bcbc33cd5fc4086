"""Starts at which what was measured vanishes beside the solver's error, and the way to others at which it does not.

Where predictions with relative errors are zero but for the solver's error, another value stands in for them, which does
not say which way is better (objective/solver_floor.py). A solver that looks at relative errors alone knows the
logarithm of 1e-100 as well as that of 1: the search begins with it, and the usual one goes on where that ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.engines.choice import make_engine
from odefit.engines.tolerances import scaled_atol
from odefit.fitting.cpu_limit import CpuLimited, CpuTimeSpent
from odefit.fitting.search_objective import ForSearches, SearchObjective
from odefit.objective.likelihood import Likelihood
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.base import SearchOutcome

NEARLY_RELATIVE = 1e-40
"""What the absolute tolerances are multiplied by."""


def nearer_starts(
    objective: SearchObjective,
    points: FloatArray,
    search: Callable[[CpuLimited, FloatArray], list[SearchOutcome]],
    limit: float | None,
) -> FloatArray:
    """Where to begin instead of points [B, P'], each where nothing vanishes there, or where nothing better is found.

    Parameters
    ----------
    objective
        Of the searches that follow.
    points
        Their starts.
    search
        Takes an objective and starts.
    limit
        Seconds of CPU time for one search, or None; half of them are taken at most.
    """
    everyone = np.arange(len(points))
    far = everyone[objective.vanishes(points, everyone)]
    if not len(far):
        return points
    profile = ProfileLikelihood(Likelihood(_nearly_relative(objective.profile.full.problem)))
    relative = SearchObjective.of(profile, len(points))
    far = far[np.isfinite(relative.values(points[far], far))]
    if not len(far):
        return points
    try:
        within = CpuLimited(ForSearches(relative, far), None if limit is None else limit / 2)
        found = np.stack([outcome.u for outcome in search(within, points[far])])
    except CpuTimeSpent:
        return points
    better = objective.values(found, far) < objective.values(points[far], far)
    nearer = points.copy()
    nearer[far[better]] = found[better]
    return nearer


def _nearly_relative(problem: FitProblem) -> FitProblem:
    options = problem.engine.options
    finer = replace(options, atol=scaled_atol(options, NEARLY_RELATIVE), sensitivity_atol=None)
    return problem.solved_by(make_engine(problem.engine.system, finer, problem.engine.sensitive))
