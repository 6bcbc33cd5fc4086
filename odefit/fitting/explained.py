"""Whether a curve explains the data, whatever it leaves of them."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood
from odefit.status import Ending, Reason

MOST_LEFT = 0.1
"""The share of the variation of each observable that a curve may leave. A flat one leaves all of it."""
CERTAIN = 1e-6
"""-ln of the probability of all intervals together, below which each holds its prediction for certain."""


def explains(objective: ProfileLikelihood, u: FloatArray) -> bool:
    """Whether the curve at u [P'] leaves next to nothing of how each observable varies within experiments, on the scale
    of its noise: a sum of squares about the curve beside that about the means. Limits and intervals have none, so that
    it is not known where there is nothing else."""
    moments = objective.full.moments(objective.lift(u), derivatives=False)
    if moments is None or not any(len(data.rows) for data in objective.full.problem.data):
        return False
    for data, moment in zip(objective.full.problem.data, moments, strict=True):
        if not len(data.rows):
            continue
        owner = np.unique(objective.full.problem.owner[data.rows], return_inverse=True)[1]
        means = np.bincount(owner, data.values) / np.bincount(owner)
        left, whole = (np.square(data.values - at).sum() for at in (moment.m[data.rows], means[owner]))
        if not left <= MOST_LEFT * whole:
            return False
    return True


def plateau_ending(problem: FitProblem, nll: float) -> Ending:
    """Why nothing has an effect where the objective is nll: intervals may all be certain, and else nothing is seen."""
    are_certain = nll < CERTAIN and not any(len(data.rows) for data in problem.data)
    return Ending(Reason.ALL_CERTAIN if are_certain else Reason.NO_EFFECT)
