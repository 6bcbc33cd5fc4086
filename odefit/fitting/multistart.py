"""Fitting with a local optimizer from many starts: sample, screen, search, choose."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.config.fit_methods import FitMethod
from odefit.config.schema import FitSection
from odefit.errors import ConfigError
from odefit.fitting import plain_first
from odefit.fitting.early_ends import EarlyEnds
from odefit.fitting.global_search import Interrupted, global_starts
from odefit.fitting.kept_starts import as_plain, restored
from odefit.fitting.local_search import LocalSearch, typical_sizes
from odefit.fitting.loose_rounds import loosened
from odefit.fitting.matched_starts import matched_starts, sentence
from odefit.fitting.multistart_outcome import TIE, WITHIN_REGION, fit_outcome
from odefit.fitting.outcome import FitOutcome
from odefit.fitting.short_searches import (
    are_due,
    are_searched,
    best_places,
    searched_candidates,
    short_searched,
    unique_rows,
)
from odefit.fitting.short_searches import sentence as told
from odefit.fitting.shot_starts import sentence as told_of_shots
from odefit.fitting.shot_starts import shot_starts
from odefit.fitting.solver_accuracy import SolverEffect, solver_effect
from odefit.fitting.starting_points import candidates_for
from odefit.fitting.starts_in_parts import planned
from odefit.fitting.tally import Tally
from odefit.fitting.tightening import (
    STEP,
    again_told,
    continued,
    is_due,
    is_rough,
    limited_ending,
    points_to_go_on,
    tightened,
    tightening_told,
)
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.base import SearchOutcome, at_bound
from odefit.optimizers.differential_evolution import Population
from odefit.optimizers.start_pool import (
    StartOutcome,
    best_of,
)
from odefit.problem.assembly import Assembly
from odefit.records import dataclass
from odefit.runs.checkpoint import BEST, Forgetful, Memory
from odefit.runs.progress import Progress
from odefit.status import Ending, Reason

COPIES = 3
"""Of the matrix of derivatives that are in memory at once: itself, and what its decomposition makes of it."""
POPULATION_STARTS = 20
"""The fewest starts of a local method that a population has among it at first."""
MAX_REPORTS = 100
"""How often it is said how many starts are finished, and how those ended that were since the last time."""
MOST_TIGHTENED = 5
"""The most of the starts of a race that are searched with smaller tolerances as well."""
LEAST_LEFT = 0.1
"""The share of a budget that each search with smaller tolerances has, all starts together."""
PART = "starts"

log = logging.getLogger(__name__)


def _objective(assembly: Assembly) -> ProfileLikelihood:
    return ProfileLikelihood(Likelihood(assembly.problem))


@dataclass(frozen=True)
class _Pass:
    """All starts, searched by one solver.

    Parameters
    ----------
    assembly
        With the solver.
    factor
        What its tolerances are divided by.
    results
        The starts, in their order.
    interrupted
        Whether by the user.
    effect
        What smaller tolerances do to the best one; None where it is not known.
    left
        Seconds that are left of the budget; None where there is none.
    """

    assembly: Assembly
    factor: int
    results: list[StartOutcome]
    interrupted: bool
    effect: SolverEffect | None = None
    left: float | None = None

    @property
    def best(self) -> StartOutcome | None:
        return best_of(self.results, TIE)

    @property
    def n_evaluations(self) -> int:
        """Calls of the objective in all searches."""
        outcomes = [r.outcome for r in self.results if r.outcome is not None]
        return sum(o.n_evaluations + o.n_gradients for o in outcomes)


def search_starts(
    assembly: Assembly,
    method: FitMethod,
    progress: Progress,
    memory: Memory | None = None,
    part: range | None = None,
) -> FitOutcome:
    """The best of `fit.starts` local searches; with smaller tolerances of the solver where these limit it.

    part: the numbers of the starts that are searched, where others are searched elsewhere: see `starts_in_parts.py`.
    memory: keeps each finished start. One that was not finished begins again where it began, which takes no longer
    than one start: what an engine has learnt on its way belongs to a search, and is not kept.
    """
    memory = memory or Forgetful()
    section = assembly.loaded.config.fit
    objective = _objective(assembly)
    _check_memory(assembly, objective)
    progress.now("choosing where to start")
    if section.budget is not None:
        found = _race_pass(assembly, method, progress, memory)
        n_starts = len(found.results)
    else:
        try:
            kept_as = None if part is None else PART
            points, begun = planned(memory, lambda: _starts(assembly, method, progress, memory), kept_as)
        except Interrupted as stopped:
            reached = _best_so_far(objective, stopped.population)
            return fit_outcome(objective, reached, section.starts, method.name, interrupted=True)
        n_starts = len(points)
        numbers = range(n_starts) if part is None else range(n_starts)[part.start : part.stop]
        found = _search_pass(assembly, 1, method, (numbers, points), progress, memory, part=part, begun=begun)
    first, gained, finer_fails, passed = found, math.inf, False, None
    while (best := found.best) is not None and best.outcome is not None and not found.interrupted:
        if not is_due(found.assembly, found.factor, best.outcome, found.effect, gained):
            break
        if found.effect is not None and found.effect.passed is not None:
            passed = found.effect.passed
        factor = STEP * found.factor
        going = points_to_go_on(_going_on(found, section), n_starts)
        progress.note(again_told(factor, len(going[0]), found.effect))
        share = None if found.left is None else max(found.left, LEAST_LEFT * (section.budget or 0)) / len(going[0])
        finer = _search_pass(tightened(assembly, factor), factor, method, going, progress, memory, share, part)
        if finer.best is None or finer.interrupted:
            found, finer_fails = replace(found, interrupted=finer.interrupted), not finer.interrupted
            break
        gained = best.value - finer.best.value
        found = replace(finer, results=continued(found.results, finer.results), left=found.left)
    progress.end()
    for note in found.assembly.problem.engine.notes:
        progress.note(note)
    effect = found.effect
    if effect is not None and effect.passed is None and found.best is not None and is_rough(found.best.outcome):
        # What stands in the way of the search is what other tolerances have shown, wherever the last steps lie.
        effect = replace(effect, passed=passed)
    limit = limited_ending(found.assembly, effect, finer_fails)
    requested = section.starts if section.budget is None else len(found.results)
    outcome = fit_outcome(_objective(found.assembly), found.results, requested, method.name, found.interrupted, limit)
    told = tightening_told(found.assembly, found.factor, first.n_evaluations, found.n_evaluations)
    return replace(outcome, message=outcome.message + told, tightened=found.factor, effect=effect)


def _starts(
    assembly: Assembly, method: FitMethod, progress: Progress, memory: Memory
) -> tuple[FloatArray, Sequence[StartOutcome]]:
    """Where to search from, [n, P'], and what is known of these searches already. Raises Interrupted."""
    section = assembly.loaded.config.fit
    looser = None if section.budget is None or method.by_population else loosened(assembly)
    objective = _objective(looser or assembly)
    n = max(section.starts, POPULATION_STARTS) if method.by_population else section.starts
    candidates = candidates_for(objective, n, section.seed, section.match is not False)
    points, plain = candidates.chosen(n), list[StartOutcome]()
    search = LocalSearch(objective, method, section.max_iterations, cpu_limit=section.cpu_limit)
    if plain_first.are_due(objective, method, points, section):
        plain = short_searched(assembly, search, points, progress, memory, plain_first.PART)
        if (why := plain_first.are_enough(objective, plain[1:])) is not None:
            progress.note(why)
            return points, plain
    if section.match is None or section.match:
        progress.now("matching the slopes of the smoothed data")
        points, is_moved = matched_starts(objective, points, with_first=section.match is True)
        if is_moved.any():
            progress.note(sentence(is_moved))
    progress.now("multiple shooting")
    points, is_moved = shot_starts(objective, points, section, memory)
    if is_moved.any():
        progress.note(told_of_shots(assembly.problem, is_moved))
    if method.by_population:
        most = section.evaluations
        return global_starts(objective, points, section.starts, section.seed, most, progress, memory), ()
    if section.budget is None and are_searched(section) and are_due(objective, method, points, bool(is_moved.any())):
        from odefit.fitting.generations import bred
        from odefit.fitting.growing_horizon import grown_places

        drawn = candidates.others
        others = grown_places(assembly, search, drawn, progress, memory)
        several = unique_rows(np.vstack([points[1:], others]))
        found = searched_candidates(assembly, search, several, progress, memory, plain)
        all_found = bred(assembly, search, found, progress, memory)
        points = np.vstack([points[:1], best_places(all_found, typical_sizes(objective), n - 1)])
        progress.note(told(len(all_found), n, others is not drawn, len(all_found) - len(found)))
    return points, ()


def _best_so_far(objective: ProfileLikelihood, population: Population) -> list[StartOutcome]:
    """The best of a population as the outcome of a search that was ended; none where it has no value."""
    u, value = population.u[0], float(population.values[0])
    if not math.isfinite(value):
        return []
    lower, upper = (bounds[objective.free] for bounds in objective.full.problem.table.search_bounds())
    outcome = SearchOutcome(u, value, Ending(Reason.ENDED_BY_CALLER), 0, 0, (value,), at_bound(u, lower, upper))
    return [StartOutcome(0, u, outcome, None, math.nan)]


def _search_pass(
    assembly: Assembly,
    factor: int,
    method: FitMethod,
    starts: tuple[Sequence[int], FloatArray],
    progress: Progress,
    memory: Memory,
    cpu_limit: float | None = None,
    part: range | None = None,
    begun: Sequence[StartOutcome] = (),
) -> _Pass:
    """The starts with these numbers, from these points [n, P]; those that the memory holds are not searched again.

    cpu_limit: seconds of one search, before those of the config. part: as in `search_starts`. begun: what the first
    steps of all starts have come to, where these have been taken.
    """
    section = assembly.loaded.config.fit
    numbers, points = starts
    search = LocalSearch(_objective(assembly), method, section.max_iterations, cpu_limit=cpu_limit or section.cpu_limit)
    # Many starts are told apart long before the last digit, which only the best of them needs.
    coarse = replace(search, coarse=True) if section.starts > 1 else search
    name = PART if factor == 1 else f"{PART}, tolerances / {factor}"
    many = len(numbers) if part is None else len(points)
    searches = EarlyEnds(assembly, factor, coarse, points, numbers, progress, memory, name, many, begun)
    finished = restored(memory, name, points)
    results, interrupted, tally, lines = finished, False, Tally(), list[str]()
    progress.begin(name, len(numbers))
    try:
        for result in finished:
            tally.add(result)
        if finished:
            tally.show(progress)
        left = [number for number in numbers if number not in {result.number for result in finished}]
        with closing(searches.results(left)) as coming:
            for result in coming:
                finished.append(result)
                lines.append(_log_line(result))
                tally.add(result)
                # Whom a lost worker has cost its start may try it again.
                memory.offer(name, lambda: [as_plain(r) for r in finished if not r.lost])
                memory.offer(BEST, lambda: {BEST: _best_values(search.objective, finished)})
                if len(finished) % math.ceil(len(numbers) / MAX_REPORTS) == 0 or len(finished) == len(numbers):
                    _write_down(lines)
                    tally.show(progress)
        results = finished
        if part is None:  # else the best of all is not known yet
            progress.now("the best start, to its last digit")
            results = _polished(finished, search, section.starts)
    except KeyboardInterrupt:
        interrupted = True
        latest = searches.watched.latest(points)
        results = [*finished, *searches.under_way(finished)]
        if not results and latest is not None:
            results = [latest]
    finally:
        _write_down(lines)
    return _judged(assembly, factor, sorted(results, key=lambda r: r.number), interrupted, progress)


def _write_down(lines: list[str]) -> None:
    """In the log, and no longer here."""
    if lines:
        log.info("%s", "\n".join(lines))
        lines.clear()


def _race_pass(assembly: Assembly, method: FitMethod, progress: Progress, memory: Memory) -> _Pass:
    """As many starts as the budget allows."""
    from odefit.fitting.budget import raced

    section, objective = assembly.loaded.config.fit, _objective(assembly)
    search = LocalSearch(objective, method, section.max_iterations, cpu_limit=section.cpu_limit)

    def first() -> FloatArray:
        return _starts(assembly, method, progress, memory)[0]

    results, left, interrupted = raced(assembly, search, first, progress, memory)
    best = best_of(results, TIE)
    if not interrupted and best is not None and (best.converged or is_rough(best.outcome)):
        progress.now("the best start, to its last digit")
        limits = [max(left, LEAST_LEFT * (section.budget or 0)), section.cpu_limit or math.inf]
        results = _polished(results, replace(search, cpu_limit=min(limits)), len(results))
    memory.offer(BEST, lambda: {BEST: _best_values(objective, results)})
    return replace(_judged(assembly, 1, results, interrupted, progress), left=left)


def _going_on(found: _Pass, section: FitSection) -> list[StartOutcome]:
    """The starts that are searched with smaller tolerances: all, or those that may be the best of the many of a
    race."""
    best = found.best
    if section.budget is None or best is None:
        return found.results
    near = sorted((r for r in found.results if r.value <= best.value + WITHIN_REGION), key=lambda r: r.value)
    return sorted(near[:MOST_TIGHTENED], key=lambda r: r.number)


def _judged(
    assembly: Assembly, factor: int, results: list[StartOutcome], interrupted: bool, progress: Progress
) -> _Pass:
    """A pass with what the solver does to the best of its results."""
    best, effect, objective = best_of(results, TIE), None, _objective(assembly)
    if not interrupted and best is not None and best.outcome is not None and best.outcome.status.is_usable:
        table = assembly.problem.table
        progress.now("how exact the solver is")
        effect = solver_effect(assembly, table.to_natural(objective.lift(best.outcome.u)))
    return _Pass(assembly, factor, results, interrupted, effect)


def _check_memory(assembly: Assembly, objective: ProfileLikelihood) -> None:
    """Raises ConfigError where the derivatives of all measurements to all parameters do not fit into the memory.

    Parameters that experiments have for themselves take little; it is those of overlapping groups that may not.
    """
    needed = COPIES * objective.full.columns.n_bytes
    there = _memory_size()
    if needed > there:
        n, many = assembly.problem.n_measured, len(assembly.problem.table.estimated)
        raise ConfigError(
            assembly.loaded.where("parameters"),
            f"{n:,} measurements and {many:,} estimated parameters need {needed / 1e9:.0f} GB for their derivatives, "
            f"and this machine has {there / 1e9:.0f} GB; have fewer parameters that only some experiments share",
        )


def _memory_size() -> float:
    """Bytes of this machine; infinite where it does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return math.inf


def _best_values(objective: ProfileLikelihood, results: Sequence[StartOutcome]) -> dict[str, Any]:
    """For a checkpoint that another fit may begin with."""
    table, best = objective.full.problem.table, best_of(results, TIE)
    theta = table.values
    if best is not None and best.outcome is not None:
        theta = table.to_natural(objective.lift(best.outcome.u))
    return {"values": dict(zip(table.names, theta.tolist(), strict=True)), "weights": {}}


def _log_line(result: StartOutcome) -> str:
    """`start 3: converged, objective 1.25, 42 evaluations, 0.31 s`."""
    o = result.outcome
    if o is None or result.failure:
        return f"start {result.number + 1}: failed, {result.failure}"
    counts = f"{o.n_evaluations} evaluations, {o.n_gradients} gradients"
    return f"start {result.number + 1}: {o.status}, objective {o.value:.10g}, {counts}, {result.seconds:.3g} s"


def _polished(results: list[StartOutcome], search: LocalSearch, requested: int) -> list[StartOutcome]:
    """The results with the best one searched to the last digit."""
    best = best_of(results, TIE)
    if requested == 1 or best is None or best.outcome is None:
        return results
    (outcome,) = search(best.outcome.u[None])
    if not outcome.value <= best.value:
        return results
    whole = replace(outcome, history=(*best.outcome.history, *outcome.history[1:]))
    return [replace(r, outcome=whole) if r is best else r for r in results]
