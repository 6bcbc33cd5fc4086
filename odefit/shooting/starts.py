"""Better starting points by multiple shooting: windows solved from states of their own, which come to meet.

First the states where windows begin follow the data, at the drawn parameters; then states and parameters move together
while the ends of windows are drawn to the states where the next ones begin, until they are one solution.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator

import numpy as np

from odefit.arrays import FloatArray
from odefit.collocation.cells import measured_cells
from odefit.collocation.reached import MAX_WORK, Reached, begun, for_all, held, work_of
from odefit.model.functions import numpy_function
from odefit.model.system import System
from odefit.objective.problem import FitProblem
from odefit.shooting.first_shots import first_shots
from odefit.shooting.objective import OutOfTime, ShootingEngine, ShootingObjective
from odefit.shooting.windows import Windows, make_windows

MOST_WINDOWS = 16
"""The most windows of one experiment."""

LOOSE = 100.0
"""epsilon for states that move alone, at the drawn parameters; see collocation/normal_equations.py."""

TIGHTENING = (30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""epsilon of one stage after the other."""

KEPT = (0.1, 0.001)
"""The stages whose parameters are offered as a start."""

ALONE, TOGETHER = 20, 12
"""The most steps of a stage."""

ROUNDS = ALONE + TOGETHER * len(TIGHTENING)
"""The most solutions of all windows with their derivatives, for one start."""

MAX_CORNERS = 6
"""The most parameters of a lag whose bounds are put in to see how late a dose may be."""


def obstacle(problem: FitProblem) -> str | None:
    """Why nothing can be shot, or None."""
    system = problem.engine.system
    if not system.is_mechanistic or not problem.engine.is_compiled:
        return "the model is not compiled"
    if system.compared:
        return "an observable is compared with an earlier value"
    if any(trigger.delay is not None or trigger.at_start for trigger in system.triggers):
        return "events come later than their conditions, or at the start"
    if any(_rests(system, state) for trigger in system.triggers for state in trigger.changes):
        return "events switch a state that nothing else moves, which has no value of its own between measurements"
    if system.dosing is not None and system.dosing.spreads:
        return "infusions have a duration that is not known"
    if not any(len(data.rows) for data in problem.data):
        return "nothing is measured but limits"
    latest = latest_arrival(problem)
    if not math.isfinite(latest):
        return "doses have a lag without bounds"
    if all(windows_of(problem, latest).node == 0):
        return "too little is measured, or doses are always on their way"
    return None


def _rests(system: System, state: str) -> bool:
    """Whether a state has no rate: 1 or 0, say, as a switch is."""
    return bool(system.rhs[system.states.index(state)].is_zero)


def windows_of(problem: FitProblem, latest: float) -> Windows:
    """The windows of a problem whose doses are late by `latest` at most."""
    return make_windows(problem.experiments, len(problem.engine.system.states), MOST_WINDOWS, latest)


def latest_arrival(problem: FitProblem) -> float:
    """How much later than its time a dose may arrive, by the bounds of the parameters of the lag."""
    dosing = problem.engine.system.dosing
    if dosing is None or dosing.lag.is_number:
        return 0.0 if dosing is None else float(dosing.lag)
    table, names = problem.table, sorted(s.name for s in dosing.lag.free_symbols)
    columns = problem.binding.index[:, [problem.binding.symbols.index(name) for name in names]]
    moving = [int(i) for i in np.unique(columns) if i >= 0 and table.parameters[i].estimate]
    if len(moving) > MAX_CORNERS:
        return math.inf
    function = numpy_function([dosing.lag], problem.engine.system.parameters)
    latest = 0.0
    for corner in itertools.product((False, True), repeat=len(moving)):
        theta = table.values.copy()
        for i, is_upper in zip(moving, corner, strict=True):
            theta[i] = table.parameters[i].upper if is_upper else table.parameters[i].lower
        local = problem.binding.local(theta)[:, : problem.n_system]
        with np.errstate(all="ignore"):
            late = np.max(np.asarray(function(*local.T)[0]))
        latest = max(latest, math.inf if np.isnan(late) else float(late))
    return latest


def shot_points(problem: FitProblem, u: FloatArray, seconds: float = math.inf) -> Iterator[FloatArray]:
    """What can be offered in place of drawn starts, as it is found.

    Parameters
    ----------
    problem
        One without an `obstacle`.
    u
        [N, P], the search vectors of the drawn starts.
    seconds
        CPU time after which what there is must do.

    Yields
    ------
    array
        [N, P] of each stage; NaN where it has nothing to offer.
    """
    windows = windows_of(problem, latest_arrival(problem))
    few = u[: int(MAX_WORK / work_of(problem, windows.grid))]
    if not len(few):
        return
    with contextlib.suppress(OutOfTime):
        measured = measured_cells(problem, windows.grid)
        objective = ShootingObjective(ShootingEngine(problem, seconds), windows, measured)
        begin, moving = begun(objective, first_shots, few)
        reached = Reached.begun(begin)
        for epsilon in (LOOSE, *TIGHTENING):
            rounds, what = (ALONE, moving) if epsilon == LOOSE else (TOGETHER, "all")
            reached = reached.moved(objective, held(objective, reached.at, epsilon), reached.at, rounds, what)
            if not len(reached.value):
                break
            if epsilon in KEPT:
                yield for_all(reached.offer, u)
