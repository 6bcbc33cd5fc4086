"""Measurements that are planned: cells that are to be filled, with what the model predicts in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.objective.problem import FitProblem


def planned_measurements(problem: FitProblem, theta: FloatArray) -> FitProblem:
    """The problem whose measurements are the predictions at theta [N] themselves, in the cells that have a number.

    The expected information does not depend on the numbers, but they must be possible: counts are whole, and of what
    has noise of logarithms a prediction that is not positive keeps the number that stood there.

    Raises SolveError where the model cannot be solved.
    """
    observation = problem.observation
    noise = [observation.noise[name] for name in observation.names]
    is_count, is_log = (np.array(flags) for flags in zip(*((n.family.is_count, n.is_log) for n in noise), strict=True))

    def planned(experiment: Experiment, g: FloatArray) -> Experiment:
        possible = np.where(is_count, np.maximum(np.round(g), 0.0), g)
        values = np.where(is_log & (g <= 0), experiment.values, possible)
        values = np.where(np.isnan(experiment.values), np.nan, values)
        return replace(experiment, values=values, censored=None, other_end=None)

    return replace(problem, experiments=tuple(map(planned, problem.experiments, problem.predict(theta))))
