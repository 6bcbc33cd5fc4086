"""Where profiles begin: the optimum of the fit, and every other optimum that the threshold does not exclude."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray
from odefit.fitting.run import Run
from odefit.optimizers.base import SearchOutcome
from odefit.profiles.following import Place
from odefit.runs import folder as files
from odefit.status import Status

MOST_BRANCHES = 6
"""Optima that profiles are followed from."""

LOOKED_AT, RIDGE = 5, 0.05
"""Points between two optima, and log-likelihood units by which one of them must be higher to divide them."""

APART = 0.02
"""Typical changes by which some parameter of two optima differs."""

STARTS_OWN = ("start", "status", "objective", "message", "seconds", "evaluations", "gradients", "left_to_gain")


def origins(run: Run, place: Place, rise: float) -> tuple[FloatArray, FloatArray]:
    """The optima [n, P'] and their values [n], the best first.

    Parameters
    ----------
    run
        The fit; `starts.csv` knows how its starts ended.
    place
        Where to follow.
    rise
        How much higher than the best an optimum may be.
    """
    table, free = run.assembly.problem.table, place.profile.free
    first = table.to_search(run.theta)[free]
    points = np.concatenate([first[None], _others(run, place, rise)])
    outcomes = [o for o in place.polished(np.clip(points, place.lower, place.upper)) if o.status != Status.FAILED]
    chosen: list[int] = []
    least = min((o.value for o in outcomes), default=np.inf)
    for k in sorted(range(len(outcomes)), key=lambda k: outcomes[k].value - (1e-3 if k == 0 else 0.0)):
        if outcomes[k].value <= least + rise and not any(_same(place, outcomes[k], outcomes[j]) for j in chosen):
            chosen.append(k)
        if len(chosen) == MOST_BRANCHES:
            break
    return np.array([outcomes[k].u for k in chosen]), np.array([outcomes[k].value for k in chosen])


def _same(place: Place, one: SearchOutcome, other: SearchOutcome) -> bool:
    """Whether two optima are one: at the same place, or in a valley that leads straight from one to the other."""
    if (np.abs(one.u - other.u) / place.size).max(initial=0.0) <= APART:
        return True
    between = other.u + np.linspace(0, 1, LOOKED_AT + 2)[1:-1, None] * (one.u - other.u)
    highest = place.profile.values(between).max()
    return bool(highest <= max(one.value, other.value) + RIDGE)


def _others(run: Run, place: Place, rise: float) -> FloatArray:
    """Where other starts ended that are not excluded, [n, P']; none where that is not known of all parameters."""
    none = np.zeros((0, len(place.size)))
    rows, table = run.rows(files.STARTS), run.assembly.problem.table
    if rows is None or not len(rows):
        return none
    names = [table.estimated_names[k] for k in place.profile.free]
    own = rows.header[len(STARTS_OWN) :]
    if not set(names) <= set(own):
        return none
    value = rows.numbers(rows.header.index("objective"))
    converged = np.array([text == Status.CONVERGED for text in rows.text(rows.header.index("status"))])
    with np.errstate(invalid="ignore"):
        near = converged & (value <= np.nanmin(value) + rise)
    theta = np.tile(run.theta, (len(rows), 1))
    for name in names:
        theta[:, table.index[name]] = rows.numbers(len(STARTS_OWN) + own.index(name))
    points: FloatArray = table.to_search(theta)[near][:, place.profile.free]
    points = points[np.isfinite(points).all(axis=1)]
    distinct: list[FloatArray] = []
    for u in points:
        if all((np.abs(u - other) / place.size).max(initial=0.0) > APART for other in distinct):
            distinct.append(u)
    return np.array(distinct[: 4 * MOST_BRANCHES]) if distinct else none
