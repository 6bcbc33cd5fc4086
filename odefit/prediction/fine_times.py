"""Times for the picture of a prediction: close together between those asked for, and at both sides of jumps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.objective.problem import FitProblem
from odefit.problem.intervals import increases

DENSE = 100
"""As many times in an experiment are a curve by themselves."""
MOST_JUMPS = 200


def fine_times(
    problem: FitProblem, theta: FloatArray, experiments: Sequence[Experiment], shown: int, count: int
) -> dict[str, FloatArray] | None:
    """Times by experiment; None where no curve can be drawn between those that are asked for.

    Parameters
    ----------
    problem
        Of these experiments.
    theta
        [N], the estimates.
    experiments
        At the times that are asked for, and at those that were measured and stand in the picture.
    shown
        How many of them are drawn; the others stay at a single time.
    count
        How many times between the first and the last.
    """
    if increases(problem.observation.system):
        return None  # what is counted between two times depends on both
    if all(len(e.times) >= DENSE for e in experiments[:shown]):
        return None
    local = problem.binding.local(theta)[:, : problem.n_system]
    found = {}
    for k, (e, own) in enumerate(zip(experiments, local, strict=True)):
        times = e.times[np.isfinite(e.times)]
        if k >= shown or not len(times):
            found[e.name] = times[:1] if len(times) else np.array([e.start])
        else:
            found[e.name] = _between(times, e.start, problem.engine.jumps(own, e)[:MOST_JUMPS], count)
    return found


def _between(times: FloatArray, start: float, jumps: FloatArray, count: int) -> FloatArray:
    low, high = (start if times[0] == times[-1] else times[0]), times[-1]
    beside = 1e-9 * (high - low) + 4 * np.spacing(np.abs(jumps))
    grid = np.concatenate([np.linspace(low, high, count), times, jumps - beside, jumps + beside])
    found: FloatArray = np.unique(grid[(grid >= low) & (grid <= high)])
    return found
