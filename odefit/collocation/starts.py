"""Better starting points out of drawn ones, before anything is searched: all of them in one batch.

First the slopes: where all states are measured, the parameters are fitted to the integrals of the equations along
smooth curves through the data; where some are not, these follow the equations, and then the data. Then states and
parameters move together while the equations' hold tightens (normal_equations.py), until the states are a solution.
Where the grid is too coarse to be one, it becomes finer. Starts that have come to the same place go on as one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from odefit.arrays import FloatArray
from odefit.collocation.cells import measured_cells
from odefit.collocation.descent import Guess
from odefit.collocation.first_states import first_states
from odefit.collocation.grid import make_grid
from odefit.collocation.normal_equations import ProfilingObjective
from odefit.collocation.reached import MAX_WORK, Reached, begun, for_all, held, work_of
from odefit.objective.problem import FitProblem

LOOSE = 100.0
"""epsilon for states that are moved alone, at the drawn parameters."""

ALONG = 0.3
"""The same for parameters that are moved alone, along the smooth curves. There only the equations have a say, which
must not vanish beside the misfit of the curves: what a step gains is compared with both."""

TIGHTENING = (30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""epsilon of one stage after the other."""

MEASURED = 3.0
"""The first of them where all states are measured: there the loose ones would only follow the noise."""

KEPT = (0.1, 0.001)
"""The stages whose parameters are offered as a start: of a model that is not quite right the earlier may be better."""

ALONE, TOGETHER = 20, 12
"""The most steps of a stage."""

MAX_PARAMETERS = 100
"""The most estimated parameters for which this is done."""

FINER = 3
"""How often the nodes may be doubled."""

PLAUSIBLE = 10.0
"""A start whose value is more than this times the number of its measurements, halved, is no solution."""

MOST_STARTS = 100
"""The most starts that are moved; more than that are there to look at other places."""

ALIKE = 1.5
"""The factor between the misfit of a solution and that of the states at the nodes which asks for a finer grid."""


def obstacle(problem: FitProblem) -> str | None:
    """Why nothing can be matched, or None."""
    system = problem.engine.system
    if not system.is_mechanistic:
        return "the model has a network"
    if system.events or system.triggers:
        return "the model has events"
    if system.rest is not None:
        return "the experiments begin at a steady state"
    if system.compared:
        return "an observable is compared with an earlier value"
    if system.dosing is not None and not system.dosing.lag.is_number:
        return "doses have a lag that is not known"
    if system.dosing is not None and system.dosing.spreads:
        return "infusions have a duration that is not known"
    if not all(np.isfinite(e.times).all() for e in problem.experiments):
        return "a steady state is measured"
    if not any(len(data.rows) for data in problem.data):
        return "nothing is measured but limits"
    return None


def matched_points(problem: FitProblem, u: FloatArray) -> Iterator[FloatArray]:
    """What can be offered in place of drawn starts, as it is found: who has seen enough asks for no more.

    Parameters
    ----------
    problem
        One without an `obstacle`.
    u
        [N, P], the search vectors of the drawn starts.

    Yields
    ------
    array
        [N, P] of each stage; NaN where it has nothing to offer.
    """
    dosing = problem.engine.system.dosing
    lag = 0.0 if dosing is None else float(dosing.lag)
    grid = make_grid(problem.experiments, problem.engine.system.states, lag)
    work = work_of(problem, grid)
    few = u[: min(MOST_STARTS, int(MAX_WORK / work))]
    if not len(few) or u.shape[1] > MAX_PARAMETERS:
        return
    objective = ProfilingObjective(problem, grid, measured_cells(problem, grid))
    begin, moving = begun(objective, first_states, few)
    first = held(objective, begin, ALONG if moving == "parameters" else LOOSE)
    reached = Reached.begun(begin).moved(objective, first, begin, ALONE, moving)
    yield for_all(reached.offer, u)
    for epsilon in TIGHTENING:
        if not len(reached.value):
            break
        if moving == "parameters" and epsilon > MEASURED:
            continue
        reached = _tightened(reached, objective, reached.at, epsilon)
        if epsilon in KEPT:
            yield for_all(reached.offer, u)
    for _ in range(FINER):
        work *= 2
        if not (len(reached.value) and work * len(reached.value) < MAX_WORK and _too_coarse(objective, reached)):
            break
        objective, begin = _refined(objective, reached.at)
        reached = _tightened(reached, objective, begin, TIGHTENING[-1])
        yield for_all(reached.offer, u)


def _tightened(before: Reached, objective: ProfilingObjective, begin: Guess, epsilon: float) -> Reached:
    return before.moved(objective, held(objective, begin, epsilon), begin, TOGETHER, "all")


def _too_coarse(objective: ProfilingObjective, reached: Reached) -> bool:
    """Whether the states at the nodes of a start fit the data, and its solution does not."""
    problem, grid = objective.problem, objective.grid
    theta = objective.theta(reached.at.u)
    local = objective.equations.local(theta)[..., : problem.n_system]
    n, e, _ = local.shape
    members = np.tile(np.arange(e), n)
    y = problem.engine.reset_copy().solve(local.reshape(n * e, -1), problem.experiments, members=members).y
    with np.errstate(all="ignore"):
        solved = objective.misfit(y.reshape(n, -1, y.shape[-1])[:, grid.rows], theta)
        at_nodes = objective.misfit(reached.at.y[:, grid.experiment, grid.node], theta)
    return bool(((reached.value < PLAUSIBLE * objective.measured.n_cells / 2) & ~(solved < ALIKE * at_nodes + 1)).any())


def _refined(objective: ProfilingObjective, at: Guess) -> tuple[ProfilingObjective, Guess]:
    """The same states on the grid with twice the nodes."""
    local = objective.equations.local(objective.theta(at.u))
    f = objective.equations.rates(at.y, local, objective.equations.at_nodes).value
    n, e, k, s = at.y.shape
    y = np.empty((n, e, 2 * k - 1, s))
    y[:, :, ::2] = at.y
    y[:, :, 1::2] = np.where(objective.grid.steps[..., None] > 0, objective.middle(at.y, f), at.y[:, :, 1:])
    finer = ProfilingObjective(objective.problem, objective.grid.refined(), objective.measured)
    finer.positive = objective.positive
    return finer, Guess(y, at.u)
