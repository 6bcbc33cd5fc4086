"""`fit.budget`: the CPU time that a fit may use, spent on as many starts as it takes, in a race."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.fitting.crossing import Crossing
from odefit.fitting.global_search import Interrupted
from odefit.fitting.growing_horizon import grown_places
from odefit.fitting.local_search import LocalSearch, typical_sizes
from odefit.fitting.loose_rounds import ended_exactly, loosened, valued_exactly
from odefit.fitting.race import Race, Rules
from odefit.fitting.search_work import together
from odefit.fitting.searches import searched
from odefit.fitting.short_searches import are_searched
from odefit.fitting.starting_points import drawn_points
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.start_pool import StartOutcome
from odefit.problem.assembly import Assembly
from odefit.runs.checkpoint import Memory
from odefit.runs.progress import Progress

PART = "race"

LEAST_ROUND = 20
"""The fewest starts that are drawn at a time."""

MOST = 10_000
"""The most steps of a start, where the config names no number: it is the budget that is to end a search."""


def raced(
    assembly: Assembly,
    search: LocalSearch,
    first: Callable[[], FloatArray],
    progress: Progress,
    memory: Memory,
) -> tuple[list[StartOutcome], float, bool]:
    """All starts that the budget allowed.

    Parameters
    ----------
    assembly
        With a budget.
    search
        What searches from one start.
    first
        Makes the starts of the first round, the user's own first.
    progress, memory
        Told of, and kept in, every batch of searches.

    Returns
    -------
    results
        The starts with what became of them, in their order.
    left
        Seconds of the budget that were not used.
    interrupted
        Whether by the user.
    """
    section, objective = assembly.loaded.config.fit, search.objective
    assert section.budget is not None
    n = max(section.starts, LEAST_ROUND)
    looser = loosened(assembly)
    loose = objective if looser is None else ProfileLikelihood(Likelihood(looser.problem))

    def draw(number: int) -> FloatArray:
        """Every other round is screened: what looks bad at first may lead farther than a plateau. The others begin
        with what fits the beginnings of series that oscillate."""
        if number == 0:
            return first()
        is_screened = number % 2 == 0
        points = drawn_points(loose, n, (section.seed, number), is_screened, section.match is not False)
        if is_screened or not are_searched(section):
            return points
        within, racing = looser or assembly, replace(search, objective=loose)
        return grown_places(within, racing, points, progress, memory, f" of round {number + 1}")

    def sprint(points: FloatArray, steps: int, limit: float | None) -> Iterable[StartOutcome]:
        limits, clock = [each for each in (limit, section.cpu_limit) if each is not None], _stopwatch()
        short = replace(search, max_iterations=steps, cpu_limit=min(limits, default=None), coarse=True)
        if looser is None:
            return searched(assembly, short, points, range(len(points)), 1)
        found = searched(looser, replace(short, objective=loose), points, range(len(points)), 1)
        if not race.is_final:
            return found

        def exactly(ends: FloatArray) -> Iterator[StartOutcome]:
            left = None if short.cpu_limit is None else short.cpu_limit - clock()
            return searched(assembly, replace(short, cpu_limit=left), ends, range(len(ends)), 1)

        return ended_exactly(list(found), exactly)

    crossing = Crossing(loose, search)

    def cross(elite: FloatArray, number: int) -> FloatArray:
        return crossing(elite, n, (section.seed, number, 1))

    size, most = min(n, together(objective)), section.max_iterations or MOST
    rules = Rules(section.budget, size, most, typical_sizes(objective), section.cpu_limit is None)
    race = Race(rules, draw, sprint, _stopwatch(), cross)
    if (kept := memory.restored(PART)) is not None:
        race.restore(kept)
    interrupted = False
    try:
        while race.advance():
            memory.offer(PART, race.to_plain)
            progress.now(_sentence(race))
    except (KeyboardInterrupt, Interrupted):
        interrupted = True
    progress.note(race.account())
    results = race.ended() if looser is None else valued_exactly(race.ended(), objective)
    return results, max(section.budget - race.spent, 0.0), interrupted


def _sentence(race: Race) -> str:
    best = race.best
    reached = "" if best is None else f", objective {best.value:.6g}"
    return f"{len(race.entrants)} starts, {race.spent:.0f} of {race.rules.budget:g} s of CPU time{reached}"


def _stopwatch() -> Callable[[], float]:
    """Seconds of CPU time of this process and of its finished workers, from now on."""

    def now() -> float:
        return float(np.sum(os.times()[:4]))

    begun = now()
    return lambda: now() - begun
