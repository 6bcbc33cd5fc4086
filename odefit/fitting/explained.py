"""Whether a curve explains the data, whatever it leaves of them."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.fitting.only_noise import curves_of
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood
from odefit.status import Ending, Reason

MOST_LEFT = 0.1
"""The share of the variation of each observable that a curve may leave. A flat one leaves all of it."""
CERTAIN = 1e-6
"""-ln of the probability of all intervals together, below which each holds its prediction for certain."""


def explains(objective: ProfileLikelihood, u: FloatArray, most_left: float = MOST_LEFT) -> bool:
    """Whether the curves at u [P'] leave next to nothing, or at most this share, of how the data on each vary within
    experiments, on the scale of their noise: a sum of squares about the curve beside that about the means. Limits and
    intervals have none, so that it is not known where there is nothing else."""
    found = _left(objective, u)
    return bool(found) and all(left <= most_left * whole for left, whole in found)


def _left(objective: ProfileLikelihood, u: FloatArray) -> list[tuple[float, float]]:
    """The squares of the data about each curve at u [P'], and about their means within experiments, of logarithms
    where noise is of these; none where the model fails, or nothing was measured."""
    problem, moments = objective.full.problem, objective.full.moments(objective.lift(u), derivatives=False)
    cells: dict[tuple[int, bool], list[tuple[IntArray, FloatArray, FloatArray]]] = {}
    if moments is None:
        return []
    are_logs = [problem.observation.noise[name].is_log for name in problem.observation.system.predicted]
    curves = zip(curves_of(problem), are_logs, strict=True)
    for curve, data, moment in zip(curves, problem.data, moments, strict=True):
        if len(data.rows):
            known = problem.owner[data.rows], data.values, moment.m[data.rows]
            cells.setdefault(curve, []).append(known)
    return [_squares(*map(np.concatenate, zip(*each, strict=True))) for each in cells.values()]


def _squares(owner: IntArray, values: FloatArray, predicted: FloatArray) -> tuple[float, float]:
    """Sums of squares of values [M] about predictions [M] and about the means of their experiments."""
    own = np.unique(owner, return_inverse=True)[1]
    means = np.bincount(own, values) / np.bincount(own)
    return float(np.square(values - predicted).sum()), float(np.square(values - means[own]).sum())


def plateau_ending(problem: FitProblem, nll: float) -> Ending:
    """Why nothing has an effect where the objective is nll: intervals may all be certain, and else nothing is seen."""
    are_certain = nll < CERTAIN and not any(len(data.rows) for data in problem.data)
    return Ending(Reason.ALL_CERTAIN if are_certain else Reason.NO_EFFECT)
