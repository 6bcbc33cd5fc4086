"""Fitting with a local optimizer from many starts: sample, screen, search, choose."""

from __future__ import annotations

import functools
import logging
import math
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.config.fit_methods import FitMethod
from odefit.config.schema import FitSection
from odefit.engines.program_cache import WithPrograms
from odefit.errors import ConfigError
from odefit.fitting.global_search import Interrupted, global_starts
from odefit.fitting.local_search import LocalSearch, build_search
from odefit.fitting.matched_starts import matched_starts, sentence
from odefit.fitting.multistart_outcome import TIE, fit_outcome
from odefit.fitting.outcome import FitOutcome
from odefit.fitting.search_work import SHORT, chunk_for_workers, seconds_of_start, together
from odefit.fitting.solver_accuracy import SolverEffect, solver_effect
from odefit.fitting.starting_points import starting_points
from odefit.fitting.tally import Tally
from odefit.fitting.tightening import (
    STEP,
    continued,
    is_due,
    limited_ending,
    points_to_go_on,
    tightened,
    tightening_told,
)
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers import start_pool
from odefit.optimizers.base import SearchOutcome, at_bound
from odefit.optimizers.differential_evolution import Population
from odefit.optimizers.start_pool import (
    Search,
    StartOutcome,
    best_of,
    default_workers,
    search_all,
    search_here,
)
from odefit.problem.assembly import Assembly
from odefit.records import dataclass
from odefit.runs.checkpoint import BEST, Forgetful, Memory
from odefit.runs.progress import Progress
from odefit.status import Ending, Reason

TIME_LIMIT = 600.0
"""Seconds for one start, where the config names no number."""
COPIES = 3
"""Of the matrix of derivatives that are in memory at once: itself, and what its decomposition makes of it."""
POPULATION_STARTS = 20
"""The fewest starts of a local method that a population has among it at first."""
MAX_REPORTS = 100
"""How often it is said how many starts are finished."""
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
    """

    assembly: Assembly
    factor: int
    results: list[StartOutcome]
    interrupted: bool
    effect: SolverEffect | None = None

    @property
    def best(self) -> StartOutcome | None:
        return best_of(self.results, TIE)

    @property
    def n_evaluations(self) -> int:
        """Calls of the objective in all searches."""
        outcomes = [r.outcome for r in self.results if r.outcome is not None]
        return sum(o.n_evaluations + o.n_gradients for o in outcomes)


def search_starts(
    assembly: Assembly, method: FitMethod, progress: Progress, memory: Memory | None = None
) -> FitOutcome:
    """The best of `fit.starts` local searches; with smaller tolerances of the solver where these limit it.

    memory: keeps each finished start. One that was not finished begins again where it began, which takes no longer
    than one start: what an engine has learnt on its way belongs to a search, and is not kept.
    """
    memory = memory or Forgetful()
    section = assembly.loaded.config.fit
    objective = _objective(assembly)
    _check_memory(assembly, objective)
    progress.now("choosing where to start")
    try:
        points = _starts(objective, method, section, progress, memory)
    except Interrupted as stopped:
        reached = _best_so_far(objective, stopped.population)
        return fit_outcome(objective, reached, section.starts, method.name, interrupted=True)
    found = first = _search_pass(assembly, 1, method, (range(len(points)), points), progress, memory)
    gained, finer_fails = math.inf, False
    while (best := found.best) is not None and best.outcome is not None and not found.interrupted:
        if not is_due(found.assembly, found.factor, best.outcome, found.effect, gained):
            break
        factor = STEP * found.factor
        begun = points_to_go_on(found.results, len(points))
        finer = _search_pass(tightened(assembly, factor), factor, method, begun, progress, memory)
        if finer.best is None or finer.interrupted:
            found, finer_fails = replace(found, interrupted=finer.interrupted), not finer.interrupted
            break
        gained = best.value - finer.best.value
        found = replace(finer, results=continued(found.results, finer.results))
    progress.end()
    for note in found.assembly.problem.engine.notes:
        progress.note(note)
    limit = limited_ending(found.assembly, found.effect, finer_fails)
    outcome = fit_outcome(
        _objective(found.assembly), found.results, section.starts, method.name, found.interrupted, limit
    )
    told = tightening_told(found.assembly, found.factor, first.n_evaluations, found.n_evaluations)
    return replace(outcome, message=outcome.message + told, tightened=found.factor, effect=found.effect)


def _starts(
    objective: ProfileLikelihood, method: FitMethod, section: FitSection, progress: Progress, memory: Memory
) -> FloatArray:
    """Where to search from, [n, P']. Raises Interrupted."""
    n = max(section.starts, POPULATION_STARTS) if method.by_population else section.starts
    points = starting_points(objective, n, section.seed)
    if section.match is None or section.match:
        progress.now("matching the slopes of the smoothed data")
        points, is_moved = matched_starts(objective, points, with_first=section.match is True)
        if is_moved.any():
            progress.note(sentence(is_moved))
    if method.by_population:
        return global_starts(objective, points, section.starts, section.seed, section.evaluations, progress, memory)
    return points


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
) -> _Pass:
    """The starts with these numbers, from these points [n, P]; those that the memory holds are not searched again."""
    section = assembly.loaded.config.fit
    numbers, points = starts
    search = LocalSearch(_objective(assembly), method, section.max_iterations, cpu_limit=section.cpu_limit)
    # Many starts are told apart long before the last digit, which only the best of them needs.
    coarse = replace(search, coarse=True) if section.starts > 1 else search
    part = PART if factor == 1 else f"{PART}, tolerances / {factor}"
    watched = _ObservedSearch(coarse, progress)
    finished = _restored(memory, part, points)
    results, interrupted, tally = finished, False, Tally()
    progress.begin(part, len(numbers))
    try:
        for result in finished:
            tally.add(result)
        if finished:
            tally.show(progress)
        left = [number for number in numbers if number not in {result.number for result in finished}]
        with closing(_results(assembly, watched, points, left, method, factor)) as coming:
            for result in coming:
                finished.append(result)
                tally.add(result)
                log.info("%s", _log_line(result))
                # Whom a lost worker has cost its start may try it again.
                memory.offer(part, lambda: [_as_plain(r) for r in finished if not r.lost])
                memory.offer(BEST, lambda: {BEST: _best_values(search.objective, finished)})
                if len(finished) % math.ceil(len(numbers) / MAX_REPORTS) == 0 or len(finished) == len(numbers):
                    tally.show(progress)
        progress.now("the best start, to its last digit")
        results = _polished(finished, search, section.starts)
    except KeyboardInterrupt:
        interrupted = True
        latest = watched.latest(points)
        if not finished and latest is not None:
            results = [latest]
    results = sorted(results, key=lambda r: r.number)
    best = best_of(results, TIE)
    effect = None
    if not interrupted and best is not None and best.outcome is not None and best.outcome.status.is_usable:
        table = assembly.problem.table
        progress.now("how exact the solver is")
        effect = solver_effect(assembly, table.to_natural(search.objective.lift(best.outcome.u)))
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


class _ObservedSearch:
    """A search that knows how far it has come: where it runs in this process, an interruption does not lose that."""

    def __init__(self, search: LocalSearch, progress: Progress) -> None:
        self.search, self.progress = search, progress
        self._points, self._begun = np.empty((0, 0)), 0.0
        self._histories: list[list[float]] = []
        self._reached: dict[int, FloatArray] = {}
        self._best = math.inf

    def __call__(self, points: FloatArray) -> list[SearchOutcome]:
        self._points, self._begun = points, time.perf_counter()
        self._histories, self._reached, self._best = [[] for _ in points], {}, math.inf
        return self.search(points, self._accept)

    def _accept(self, number: int, u: FloatArray, value: float) -> None:
        self._histories[number].append(value)
        self._reached[number] = u
        if len(self._points) == 1:
            self.progress.now(f"start 1, {len(self._histories[0])} steps, objective {value:.6g}")
        else:
            self._best = min(self._best, value)
            self.progress.now(f"{len(self._points)} starts together, objective {self._best:.6g}")

    def latest(self, points: FloatArray) -> StartOutcome | None:
        """The best that the searches under way have reached, which are some of points [n, P]; None where none has."""
        if not self._reached:
            return None
        number = min(self._reached, key=lambda k: self._histories[k][-1])
        start, u, history = self._points[number], self._reached[number], self._histories[number]
        outcome = SearchOutcome(
            u, history[-1], Ending(Reason.ENDED_BY_CALLER), 0, 0, tuple(history), np.zeros(len(u), dtype=np.int8)
        )
        place = int(np.argmax((points == start).all(axis=1)))
        return StartOutcome(place, start, outcome, None, time.perf_counter() - self._begun)


def _restored(memory: Memory, part: str, points: FloatArray) -> list[StartOutcome]:
    """The starts that were finished before, as far as they are starts of this search."""
    kept = [_from_plain(plain) for plain in memory.restored(part) or []]
    return [r for r in kept if r.number < len(points) and np.array_equal(r.start, points[r.number])]


def _as_plain(result: StartOutcome) -> dict[str, Any]:
    """For a checkpoint. `lost` is left out, since such a start is not kept."""
    plain = {key: getattr(result, key) for key in ("number", "start", "failure", "seconds")}
    outcome = result.outcome
    return plain | {"outcome": None if outcome is None else vars(outcome) | {"ending": outcome.ending.to_plain()}}


def _best_values(objective: ProfileLikelihood, results: Sequence[StartOutcome]) -> dict[str, Any]:
    """For a checkpoint that another fit may begin with."""
    table, best = objective.full.problem.table, best_of(results, TIE)
    theta = table.values
    if best is not None and best.outcome is not None:
        theta = table.to_natural(objective.lift(best.outcome.u))
    return {"values": dict(zip(table.names, theta.tolist(), strict=True)), "weights": {}}


def _from_plain(plain: Mapping[str, Any]) -> StartOutcome:
    outcome = plain["outcome"]
    if outcome is not None:
        ending = Ending.from_plain(outcome["ending"])
        outcome = SearchOutcome(**{**outcome, "ending": ending, "history": tuple(outcome["history"])})
    return StartOutcome(**{**plain, "outcome": outcome})


def _log_line(result: StartOutcome) -> str:
    """`start 3: converged, objective 1.25, 42 evaluations, 0.31 s`."""
    o = result.outcome
    if o is None or result.failure:
        return f"start {result.number + 1}: failed, {result.failure}"
    counts = f"{o.n_evaluations} evaluations, {o.n_gradients} gradients"
    return f"start {result.number + 1}: {o.status}, objective {o.value:.10g}, {counts}, {result.seconds:.3g} s"


def _results(
    assembly: Assembly,
    watched: _ObservedSearch,
    points: FloatArray,
    numbers: Sequence[int],
    method: FitMethod,
    factor: int,
) -> Generator[StartOutcome]:
    """The results of the starts with these numbers."""
    section, objective = assembly.loaded.config.fit, watched.search.objective
    most = together(objective)
    if len(points) == 1 or not len(numbers):
        return search_here(watched, points, numbers)
    seconds = seconds_of_start(objective, points[numbers])
    asked_for = section.time_limit is not None or (section.workers or 1) > 1
    if seconds is not None and seconds * len(numbers) <= SHORT and not asked_for:
        return search_here(watched, points, numbers, most)
    workers = min(section.workers or default_workers(), len(numbers))
    build: Callable[[], Search] = functools.partial(
        build_search, assembly.loaded, assembly.measured, assembly.described.constants, method, factor
    )
    if start_pool.worker_context().get_start_method() == "fork":
        # A forked worker has the compiled model in its memory already.
        build = functools.partial(_same, watched.search)
    else:
        build = WithPrograms(build)
    limit = section.time_limit or TIME_LIMIT
    chunk = chunk_for_workers(len(numbers), workers, seconds, most)
    return search_all(build, points, workers=workers, time_limit=limit, numbers=numbers, chunk=chunk)


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


def _same(search: Search) -> Search:
    return search
