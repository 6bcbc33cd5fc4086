"""From the outcomes of all starts to that of the fit: the best one, and what the others say of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.config.fit_methods import GLOBAL
from odefit.fitting.local_search import typical_sizes
from odefit.fitting.nonsmooth import nonsmooth_parameters
from odefit.fitting.outcome import FitOutcome
from odefit.fitting.starting_points import shared
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.base import SearchOutcome
from odefit.optimizers.start_pool import StartOutcome, best_of, count_at_best
from odefit.runs.results import Starts
from odefit.runs.tables import Table
from odefit.status import Ending, Reason, Status

SAME_OPTIMUM = 0.01
"""Starts whose objective is this close to the best have found the same optimum: a likelihood ratio of 1 %."""
TIE = 1e-3
"""Between starts that are as close as this the first is taken, which is the user's own guess, and not the one that the
solver's errors favour: the same optimum may stand at several places (rates that could change names)."""
MAX_ALTERNATIVES = 3
WITHIN_REGION = 1.92
"""Log-likelihood units above the best that the 95 % region of one parameter holds."""
DIFFERENT = 0.1
"""Typical sizes by which a parameter of two optima must differ to be named."""
MAX_NAMED = 4
FEW = 10
"""Starts up to which those at the best must be half of them to be no doubt; of more, two."""


def fit_outcome(
    objective: ProfileLikelihood,
    results: Sequence[StartOutcome],
    requested: int,
    method: str,
    interrupted: bool,
    limit: Ending | None = None,
) -> FitOutcome:
    """The best start, with what is to be said of it and of the others.

    limit: the verdict where the solver limits all of them.
    """
    table = objective.full.problem.table
    best = best_of(results, TIE)
    failed = [r for r in results if r.failure is not None]
    at_best = count_at_best(results, SAME_OPTIMUM)
    starts = Starts(requested, len(results), len(failed), at_best)
    if best is None or best.outcome is None:
        why = commonest_reason(failed) or "no start was finished"
        none = Ending(Reason.NO_START_FITTED, {"cause": why}) if failed else Ending(Reason.INTERRUPTED_IN_FIRST_START)
        status = Status.INTERRUPTED if interrupted else Status.FAILED
        rows = _table(objective, results)
        return FitOutcome(table.values, status, none.message, method, _history(None), starts, rows)
    u = objective.lift(best.outcome.u)
    status, message = best.outcome.status, best.outcome.message
    if limit is not None and status == Status.CONVERGED:
        status, message, starts = limit.status, limit.message, replace(starts, at_best=0)
    elif best.outcome.ending.reason is Reason.DERIVATIVES_DISAGREE:
        remedy = nonsmooth_parameters(objective.full.problem).sentence or _smoother(objective, requested)
        message = f"{message} {remedy}"
    if requested > 1:
        message = summary(starts, commonest_reason(failed)) + " " + message
    status = Status.INTERRUPTED if interrupted else status
    return FitOutcome(
        table.to_natural(u),
        status,
        message,
        method,
        _history(best.outcome),
        starts,
        _table(objective, results) if requested > 1 else None,
        warnings=_doubts(objective, results, best, at_best, method),
        alternatives=_alternatives(objective, results, best),
        left=best.outcome.left,
    )


def _smoother(objective: ProfileLikelihood, requested: int) -> str:
    """What to do where the values and the derivatives of an objective disagree."""
    rtol = objective.full.problem.engine.options.rtol / 10
    return f"Try --set fit.starts={5 * max(requested, 4)}, or --set solver.rtol={rtol:.0e}."


def _doubts(
    objective: ProfileLikelihood, results: Sequence[StartOutcome], best: StartOutcome, at_best: int, method: str
) -> tuple[str, ...]:
    """What the other starts say against the best one, a sentence each, with what to do."""
    doubts = []
    n, more = len(results), 5 * len(results)
    if n > 2 and (at_best == 1 or (n <= FEW and 0 < 2 * at_best < n)):
        found = "one start" if at_best == 1 else f"{at_best} of {n} starts"
        last = "" if method == GLOBAL else f", or --set fit.method={GLOBAL}"
        doubts.append(f"only {found} found this optimum: a better one may exist; try --set fit.starts={more}{last}")
    near = [
        r.outcome.u
        for r in results
        if r.converged and r.outcome is not None and SAME_OPTIMUM < r.value - best.value <= WITHIN_REGION
    ]
    if near and best.outcome is not None:
        away = np.max(np.abs(np.array(near) - best.outcome.u) / typical_sizes(objective), axis=0)
        order = [int(k) for k in np.argsort(-away) if away[k] > DIFFERENT][:MAX_NAMED]
        table, free = objective.full.problem.table, objective.free
        names = ", ".join(table.names[table.estimated[free[k]]] for k in order)
        doubts.append(
            f"{len(near)} of {len(results)} starts ended at other optima within {WITHIN_REGION} log-likelihood units, "
            f"which the 95 % region holds as well{'; they differ in ' * bool(names)}{names}, and the intervals know of "
            "one of them only (see starts.csv)"
        )
    return tuple(doubts)


def _alternatives(
    objective: ProfileLikelihood, results: Sequence[StartOutcome], best: StartOutcome
) -> tuple[FloatArray, ...]:
    """Where other starts reached the objective of the best, [N] each: MAX_ALTERNATIVES of them, those that lie
    farthest from it."""
    alike = [
        r.outcome.u for r in results if r is not best and r.outcome is not None and r.value <= best.value + SAME_OPTIMUM
    ]
    assert best.outcome is not None
    there = best.outcome.u
    alike.sort(key=lambda u: -float(np.abs(u - there).max(initial=0.0)))
    return tuple(objective.full.problem.table.to_natural(objective.lift(u)) for u in alike[:MAX_ALTERNATIVES])


def summary(starts: Starts, reasons: str) -> str:
    """`12 of 20 starts reached the best optimum; 3 failed (integration blew up).`"""
    text = f"{starts.at_best} of {starts.finished} starts reached the best optimum"
    if not starts.at_best:
        text = f"None of {starts.finished} starts reached an optimum for certain; the lowest is kept"
    if starts.finished < starts.requested:
        text += f" ({starts.requested} were asked for)"
    if starts.failed:
        text += f"; {starts.failed} failed ({reasons})"
    return text + "."


def commonest_reason(failed: Sequence[StartOutcome]) -> str:
    """The commonest reason of failure, in the words of the engine or the pool."""
    reasons = [r.failure for r in failed if r.failure]
    return max(set(reasons), key=lambda text: (reasons.count(text), text)) if reasons else ""


def _history(outcome: SearchOutcome | None) -> Table:
    values = () if outcome is None else outcome.history
    return Table(("iteration", "objective"), [[i, float(v)] for i, v in enumerate(values)])


def _table(objective: ProfileLikelihood, results: Sequence[StartOutcome]) -> Table:
    """starts.csv: how every start ended, best first is for the plot; here in the order of the starts.

    Of hundreds of parameters only those that experiments share are told.
    """
    table, free = objective.full.problem.table, objective.free[shared(objective)]
    names = [table.names[table.estimated[k]] for k in free]
    header = ("start", "status", "objective", "message", "seconds", "evaluations", "gradients", "left_to_gain", *names)
    complete = np.tile(table.to_search(table.values), (len(results), 1))
    for row, r in zip(complete, results, strict=True):
        row[objective.free] = r.start if r.outcome is None else r.outcome.u
    found = table.to_natural(complete)[:, table.estimated[free]].tolist()
    rows = []
    for r, natural in zip(results, found, strict=True):
        o = r.outcome
        counts = (None, None, None) if o is None else (o.n_evaluations, o.n_gradients, o.left)
        status = Status.FAILED if r.outcome is None or r.failure else r.outcome.status
        message = r.failure or (r.outcome.message if r.outcome else "")
        value = r.value if math.isfinite(r.value) else None
        rows.append([r.number + 1, status, value, message, r.seconds, *counts, *natural])
    return Table(header, rows)
