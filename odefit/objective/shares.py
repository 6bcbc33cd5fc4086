"""What each observable adds to the objective in each experiment, and which parameters it depends on there.

A unit is an observable in an experiment with measurements of it. Parameters that few units depend on, such as those of
one gene among many that the same signal drives, can be judged by these alone.
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.objective.measurements import ObservableData, at_rows
from odefit.objective.observation import Moments
from odefit.objective.profile import ProfileLikelihood
from odefit.objective.score_rows import tail_of


def unit_values(profile: ProfileLikelihood, u: FloatArray) -> FloatArray:
    """-ln of the likelihood of every unit at u [B, P'], [B, U]; infinite where the model fails.

    Terms that depend on nothing estimated are left out.
    """
    full, complete = profile.full, profile.complete(u)
    problem = full.problem
    found = full.moments_at(complete, False)
    n_experiments = len(problem.experiments)
    values = np.full((len(u), len(problem.data) * n_experiments), np.inf)
    if len(found.points):
        values[found.points] = 0.0
        scales = profile.scales(found.moments)
        for k, (data, observed) in enumerate(zip(problem.data, found.moments, strict=True)):
            given = None if data.scale_position is None else scales.get(data.scale_position)
            for cells, terms in _terms(data, observed, given):
                place = k * n_experiments + problem.owner[cells]
                for b, point in enumerate(found.points):
                    values[point] += np.bincount(place, terms[b], minlength=values.shape[1])
    values = values[:, _measured(profile)]
    return np.where(np.isfinite(values), values, np.inf)


def units_touched(profile: ProfileLikelihood, u: FloatArray) -> Mask | None:
    """Which units depend on which parameters at u [P'], [U, P']; None where the model fails there."""
    full, columns = profile.full, profile.full.columns
    problem = full.problem
    found = full.moments_at(profile.complete(u[None]), True)
    if not len(found.points):
        return None
    n = len(problem.experiments)
    touched = np.zeros((len(problem.data) * n, columns.n + 1), dtype=bool)
    for k, (data, observed) in enumerate(zip(problem.data, found.moments, strict=True)):
        for slopes in (observed.dm, observed.ds):
            if slopes is not None:
                for block in data.blocks:
                    owner, (row, symbol) = problem.owner[block.rows], np.nonzero(slopes[0, block.rows])
                    touched[k * n + owner[row], columns.positions[owner[row], symbol]] = True
    return touched[_measured(profile)][:, profile.free]


def _measured(profile: ProfileLikelihood) -> Mask:
    """Which pairs of an observable and an experiment, one observable after the other, are units."""
    problem = profile.full.problem
    there = np.zeros((len(problem.data), len(problem.experiments)), dtype=bool)
    for k, data in enumerate(problem.data):
        for block in data.blocks:
            there[k, problem.owner[block.rows]] = True
    return there.ravel()


def _terms(data: ObservableData, observed: Moments, given: FloatArray | None) -> list[tuple[IntArray, FloatArray]]:
    """The rows [M] of measured and of censored cells, and their terms [B, M]; given: [B], a profiled scale."""
    pairs = []
    with np.errstate(all="ignore"):
        for block in data.blocks:
            m = at_rows(observed.m, block.rows)
            s = data.scale(block, observed) if given is None else data.in_units(given)
            is_known = block is data.measured
            terms = data.family.nll(block.values, m, s) if is_known else tail_of(data.family, block, m, s).f
            pairs.append((block.rows, np.broadcast_to(terms, m.shape)))
    return pairs
