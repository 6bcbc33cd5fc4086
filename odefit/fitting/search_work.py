"""How much work searches are, by counts: what is done in this process, and how many starts go on together.

Nothing here looks at a clock, so that the same fit is done in the same way on a busy machine; and nothing of it changes
a result, which does not depend on what is searched together or where.
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray
from odefit.objective.profile import ProfileLikelihood
from odefit.records import dataclass

SHORT = 2.0
"""Seconds, or so, of all searches below which workers take longer to begin than they save."""
WORTH_A_TASK = 1.0
"""Seconds, or so, that a chunk for a worker should take."""
TASKS_PER_WORKER = 4
"""The least tasks of a worker, so that all have some to do until the end, and starts are seen to finish."""
MAX_TOGETHER = 1024
"""The most starts in lockstep. A thousand take three quarters of the time of four times 250, whose last rounds have but
a few left; beyond that, more of them save nothing."""
MAX_ENTRIES = 8_000_000
"""Numbers that the arrays of one chunk may hold."""
EVALUATIONS = 15
"""Values, and evaluations with derivatives, of a usual search, each."""
PROBED = 5
"""The starts whose steps are counted."""
UNKNOWN_STEPS = 1500
"""Steps of a solution by a compiled engine that does not say how many it takes: it is stiff, or has many segments, and
one step of a stiff method costs as much as several explicit ones."""


@dataclass(frozen=True)
class Costs:
    """Seconds, or so: of a call of the engine for one member, of one step of one equation, of one number of a row."""

    call: float
    step: float
    row: float = 2e-8


ONE_BY_ONE = Costs(call=2e-4, step=5e-8)
"""Of an engine that is called for each search."""
TOGETHER = Costs(call=2e-5, step=1e-8)
"""Of one that is called for all of them."""


def together(objective: ProfileLikelihood) -> int:
    """How many starts may go on in lockstep, for the memory that they take."""
    problem = objective.full.problem
    rows, states = len(problem.times), len(problem.engine.system.states)
    width, columns = len(problem.observation.sensitive), len(objective.free)
    entries = rows * states * (1 + width) + 4 * problem.n_measured * columns
    return int(np.clip(MAX_ENTRIES // max(entries, 1), 1, MAX_TOGETHER))


def seconds_of_start(objective: ProfileLikelihood, points: FloatArray) -> float | None:
    """About how many seconds a search from one of the points [n, P'] takes; None where nothing can be said.

    The steps of the first few are counted, by an engine that no search will see.
    """
    problem = objective.full.problem
    engine = problem.engine.reset_copy()
    if not engine.is_compiled:
        return None
    once = problem.together
    experiments = problem.solved.experiments if once is None else once.experiments
    steps = []
    for u in points[:PROBED]:
        local = problem.binding.local(problem.table.to_natural(objective.complete(u)))[:, : problem.n_system]
        if once is not None:  # replicates are solved once
            local = local[once.first]
        found = engine.count_steps(local, experiments)
        steps.append(UNKNOWN_STEPS * len(experiments) if found is None else found)
    costs = ONE_BY_ONE if engine.remembers else TOGETHER
    width = 2 + len(problem.observation.sensitive)
    solved = max(steps) * (len(engine.system.states) + 5) * width * costs.step
    return EVALUATIONS * (2 * len(experiments) * costs.call + solved + len(problem.times) * (width + 5) * costs.row)


def chunk_for_workers(n: int, workers: int, seconds: float | None, most: int) -> int:
    """How many of n starts a worker takes at once: as many as are worth a task, and few enough for all to share."""
    if seconds is None:
        return 1
    share = -(-n // (TASKS_PER_WORKER * workers))
    return int(np.clip(np.ceil(WORTH_A_TASK / max(seconds, 1e-9)), 1, max(min(most, share), 1)))
