"""A start at which what was measured vanishes beside the solver's error, and the way to one at which it does not.

Where predictions with relative errors are zero but for the solver's error, another value stands in for them, which does
not say which way is better (objective/solver_floor.py). A solver that looks at relative errors alone knows the
logarithm of 1e-100 as well as that of 1: the search begins with it, and the usual one goes on where that ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from odefit.arrays import FloatArray
from odefit.engines.choice import make_engine
from odefit.engines.tolerances import scaled_atol
from odefit.fitting.cpu_limit import CpuLimited, CpuTimeSpent
from odefit.objective.likelihood import Likelihood
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.base import SearchOutcome

NEARLY_RELATIVE = 1e-40
"""What the absolute tolerances are multiplied by."""


def nearer_start(
    objective: ProfileLikelihood,
    u: FloatArray,
    search: Callable[[CpuLimited, FloatArray], SearchOutcome],
    limit: float | None,
) -> FloatArray:
    """Where to begin instead of u [P']; u itself where nothing vanishes there, or where nothing better is found.

    Parameters
    ----------
    objective
        Of the search that follows.
    u
        Its start.
    search
        Takes an objective and a start.
    limit
        Seconds of CPU time for one search, or None; half of them are taken at most.
    """
    problem = objective.full.problem
    if not any(len(rows) for rows in objective.vanishing(u)):
        return u
    relative = ProfileLikelihood(Likelihood(_nearly_relative(problem)))
    if not math.isfinite(relative.value(u)):
        return u
    try:
        found = search(CpuLimited(relative, None if limit is None else limit / 2), u).u
    except CpuTimeSpent:
        return u
    return found if objective.value(found) < objective.value(u) else u


def _nearly_relative(problem: FitProblem) -> FitProblem:
    options = problem.engine.options
    finer = replace(options, atol=scaled_atol(options, NEARLY_RELATIVE), sensitivity_atol=None)
    return replace(problem, engine=make_engine(problem.engine.system, finer, problem.engine.sensitive))
