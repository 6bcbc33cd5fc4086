"""Short searches from many candidates, of which the best become the starts.

The objective where a candidate was drawn says little in boxes of many decades: the lowest values are those of plateaus,
on which nothing happens. A few steps tell a plateau from the way down, for a fraction of what a whole search costs:
they are taken by all candidates together.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.config.fit_methods import FitMethod
from odefit.config.schema import FitSection
from odefit.fitting.global_search import Interrupted
from odefit.fitting.kept_starts import as_plain, restored
from odefit.fitting.local_search import LocalSearch
from odefit.fitting.multistart_outcome import SAME_OPTIMUM
from odefit.fitting.observed_search import ObservedSearch
from odefit.fitting.offered_starts import have_come_together
from odefit.fitting.race import SAME
from odefit.fitting.searches import searched
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.differential_evolution import Population
from odefit.optimizers.start_pool import StartOutcome
from odefit.problem.assembly import Assembly
from odefit.runs.checkpoint import Memory
from odefit.runs.progress import Progress

PART = "candidates"
STEPS = 20
"""Steps of the search from each candidate."""

MOST_STARTS = 100
"""Where more starts than that are asked for, they are there to look at other places."""

SHARE_OF_A_PLACE = 0.5
"""The share of the starts that may begin at one and the same place to which fewer of the candidates lead."""


def are_searched(section: FitSection) -> bool:
    """Whether the config leaves it to odefit; one that keeps starts where they are drawn does not."""
    return section.screen in ("searches", "horizon") or (section.screen is None and section.match is not False)


def unique_rows(points: FloatArray) -> FloatArray:
    """Points [N, P'] without those that are there already."""
    _, first = np.unique(points, axis=0, return_index=True)
    return points[np.sort(first)]


def are_due(objective: ProfileLikelihood, method: FitMethod, points: FloatArray, are_shot: bool = False) -> bool:
    """Whether candidates are searched before some of them become starts instead of points [n, P'].

    Not where half of these have come to one valley already, as those do that have been matched. Starts that had to be
    shot, `are_shot`, may agree on a flat curve: there the valley counts if nothing but noise is left.
    """
    if method.minimize_many is None or not 1 < len(points) <= MOST_STARTS or not len(objective.free):
        return False
    if not objective.full.problem.engine.is_compiled:
        return False
    if not have_come_together(objective, points[1:]):
        return True
    if not are_shot:
        return False
    from odefit.fitting.only_noise import leaves_noise

    return not leaves_noise(objective, points[1 + int(np.nanargmin(objective.values(points[1:])))])


def searched_candidates(
    assembly: Assembly,
    search: LocalSearch,
    candidates: FloatArray,
    progress: Progress,
    memory: Memory,
    known: Sequence[StartOutcome] = (),
) -> list[StartOutcome]:
    """What short searches from candidates [N, P'] have come to; of some, `known`, it is known already.

    Raises Interrupted.
    """
    done = [r for r in known if (candidates == r.start).all(axis=1).any()]
    begun = np.array([any(np.array_equal(u, r.start) for r in done) for u in candidates], dtype=bool)
    return [*done, *short_searched(assembly, search, candidates[~begun], progress, memory, PART)]


def best_places(results: Sequence[StartOutcome], sizes: FloatArray, n: int) -> FloatArray:
    """Where the best n searches have come to, [n, P'], of which no place has more than its share. sizes: [P']."""
    at = _reached(results)
    return at.u[_different(at, sizes, n)]


def short_searched(
    assembly: Assembly, search: LocalSearch, points: FloatArray, progress: Progress, memory: Memory, part: str
) -> list[StartOutcome]:
    """What short searches from points [N, P'] have come to, in their order. Raises Interrupted.

    part: the name of these searches in the memory.
    """
    short = replace(search, max_iterations=min(STEPS, search.most), coarse=True)
    watched, finished = ObservedSearch(short, progress), restored(memory, part, points)
    left = sorted({*range(len(points))} - {result.number for result in finished})
    try:
        with closing(searched(assembly, short, points, left, 1, watched)) as coming:
            for result in coming:
                finished.append(result)
                memory.offer(part, lambda: [as_plain(r) for r in finished if not r.lost])
                progress.now(f"short searches, {len(finished)} of {len(points)}")
    except KeyboardInterrupt:
        latest = watched.latest(points)
        reached = finished if latest is None else [*finished, latest]
        if not reached:
            raise
        raise Interrupted(_reached(reached)) from None
    return sorted(finished, key=lambda r: r.number)


def places_of(results: Sequence[StartOutcome]) -> FloatArray:
    """Where searches have come to, [n, P'], in their order; those without an outcome stay where they were."""
    return np.stack([r.start if r.outcome is None else r.outcome.u for r in results])


def _reached(results: Sequence[StartOutcome]) -> Population:
    """Where the searches have come to, the lowest first."""
    u = places_of(results) if results else np.empty((0, 0))
    values = np.array([r.value for r in results])
    order = np.argsort(values, kind="stable")
    return Population(u[order], values[order])


def _different(at: Population, sizes: FloatArray, n: int) -> IntArray:
    """Which n are taken: the lowest, of which no place has more than its share."""
    of = _places(at, sizes)
    most = np.ceil(n * np.maximum(SHARE_OF_A_PLACE, np.bincount(of, minlength=len(of)) / len(of)))
    is_within = np.array([np.count_nonzero(of[:k] == of[k]) < most[of[k]] for k in range(len(of))], dtype=bool)
    return np.argsort(~is_within, kind="stable")[:n]


def _places(at: Population, sizes: FloatArray) -> IntArray:
    """The lowest of those that are at the same place, for each."""
    places: list[int] = []
    of = np.empty(len(at.u), dtype=np.intp)
    for k in range(len(at.u)):
        near = [p for p in places if np.isfinite(at.values[k]) and at.values[k] - at.values[p] <= SAME_OPTIMUM]
        twins = np.all(np.abs(at.u[near] - at.u[k]) <= SAME * sizes, axis=1)
        of[k] = near[int(np.argmax(twins))] if twins.any() else k
        places += [] if twins.any() else [k]
    return of


def sentence(n_candidates: int, n: int, are_grown: bool, n_bred: int) -> str:
    """What the user should know of it; n_bred: the places among them that were made out of others."""
    asides = [
        *(["first on growing beginnings of the series, which oscillate"] if are_grown else []),
        *([f"{n_bred} of them put together from the best of the others"] if n_bred else []),
    ]
    return (
        f"{n_candidates} places were searched for {STEPS} steps each{''.join(f', {aside}' for aside in asides)}, and"
        f" the best of them are the other {n - 1} of {n} starts (fit.screen: values chooses "
        "places by the objective alone)."
    )
