"""The equations at many points u [B, P] of a search, in one call of the engine where it may be one.

A point is one search vector: the members of a call are its experiments, for all points one after the other. An engine
that remembers what it solved before serves one search only (`engines`), so that what one search meets does not change
another.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray, IntArray, true_at
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, Solutions
from odefit.objective.observation import Moments
from odefit.objective.problem import FitProblem
from odefit.records import dataclass


@dataclass(frozen=True)
class SolvedPoints:
    """What was solved, G of B points.

    Parameters
    ----------
    points
        [G], which of the points could be solved.
    moments
        Of every observable at these points, [G, R].
    made_from
        States and what is compared [G, R, S], times [R], local values and inputs [G, R, L + U] (or [G, 1, L + U]), and
        sensitivities [G, R, S, K'] or None.
    failure
        Why the first of the other points could not be solved, as a sentence; None where all could.
    """

    points: IntArray
    moments: list[Moments]
    made_from: tuple[FloatArray, FloatArray, FloatArray, FloatArray | None]
    failure: str | None


def solved_points(
    problem: FitProblem, u: FloatArray, derivatives: bool, engines: Sequence[Engine] | None = None
) -> SolvedPoints:
    """The moments at u [B, P]; see `Likelihood.moments_at`."""
    local = problem.binding.local(problem.table.to_natural(u))
    solutions = _solutions(problem, local[..., : problem.n_system], derivatives, engines)
    n = len(problem.experiments)
    points, failure = np.arange(len(u)), None
    if (first := solutions.failed) is not None:
        failed = np.array([failure is not None for failure in solutions.failures]).reshape(len(u), n)
        points = true_at(~failed.any(axis=1))
        failure = f"experiment {problem.experiments[first % n].name}: {solutions.failures[first]}"
    y = solutions.y.reshape(len(u), -1, solutions.y.shape[-1])
    dy = None if solutions.dy is None else solutions.dy.reshape(*y.shape, solutions.dy.shape[-1])
    if len(points) < len(u):
        local, y, dy = local[points], y[points], None if dy is None else dy[points]
    if problem.compared_rows is not None and len(points):
        pairs = [problem.levels(local[g], y[g], None if dy is None else dy[g]) for g in range(len(points))]
        y = np.stack([levels for levels, _ in pairs])
        slopes = [slope for _, slope in pairs if slope is not None]
        dy = np.stack(slopes) if slopes else None
    rows = problem.rows(local)
    moments = problem.observation.moments(y, problem.clock, rows, dy) if len(points) else []
    return SolvedPoints(points, moments, (y, problem.clock, rows, dy), failure)


def pulled_points(problem: FitProblem, u: FloatArray, worth: FloatArray) -> FloatArray:
    """What parameters of the equations are worth in each experiment, [B, E, K'], where states are worth [B, R, S].

    The members are those of `solved_points` at u [B, P]; K' are the engine's `sensitive` ones.
    """
    p = problem.binding.local(problem.table.to_natural(u))[..., : problem.n_system]
    n, engine = len(u), problem.engine
    gradients = np.zeros((*p.shape[:2], len(engine.sensitive)))
    first, experiments = np.arange(p.shape[1]), problem.solved.experiments
    if (plan := problem.together) is not None:
        first, experiments = plan.first, plan.experiments
        worth = plan.gathered(worth)
    members = np.tile(np.arange(len(experiments)), n)
    rows, states = p[:, first].reshape(-1, p.shape[-1]), worth.reshape(-1, worth.shape[-1])
    gradients[:, first] = engine.pull(rows, experiments, states, members).reshape(n, len(experiments), -1)
    return gradients


def _solutions(problem: FitProblem, p: FloatArray, derivatives: bool, engines: Sequence[Engine] | None) -> Solutions:
    """Of the local values p [B, E, L] of every point."""
    if (plan := problem.together) is not None:
        return plan.spread(_solved(problem, p[:, plan.first], plan.experiments, derivatives, engines), len(p))
    return _solved(problem, p, problem.solved.experiments, derivatives, engines)


def _solved(
    problem: FitProblem,
    p: FloatArray,
    experiments: Sequence[Experiment],
    derivatives: bool,
    engines: Sequence[Engine] | None,
) -> Solutions:
    n = len(p)
    if engines is not None:
        found = [engine.solve(own, experiments, derivatives) for engine, own in zip(engines, p, strict=True)]
        return found[0] if n == 1 else Solutions.joined([member for solutions in found for member in solutions])
    if n == 1:
        return problem.solutions(p[0], tuple(experiments), derivatives)
    members = np.tile(np.arange(len(experiments)), n)
    return problem.engine.solve(p.reshape(-1, p.shape[-1]), experiments, derivatives, members)
