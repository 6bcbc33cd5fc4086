"""Fitting with a local optimizer from many starts: sample, screen, search, choose."""

from __future__ import annotations

import functools
import logging
import math
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.config.fit_methods import FitMethod, imported
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.errors import ConfigError
from odefit.fitting.nonsmooth import nonsmooth_parameters
from odefit.fitting.outcome import FitOutcome, Table
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers import start_pool
from odefit.optimizers.base import Callback, SearchOutcome
from odefit.optimizers.sampling import screen, start_points
from odefit.optimizers.start_pool import (
    Search,
    StartOutcome,
    best_of,
    count_at_best,
    default_workers,
    search_all,
    search_here,
)
from odefit.problem.assembly import Assembly, assemble
from odefit.problem.systems import describe_system
from odefit.runs.checkpoint import Forgetful, Memory
from odefit.runs.progress import Progress
from odefit.runs.results import Starts
from odefit.status import Ending, Reason, Status
from odefit.uncertainty.covariance import MAX_LISTED

# Starts whose objective is this close to the best have found the same optimum: a likelihood ratio of 1 %.
SAME_OPTIMUM = 0.01
# Between starts that are as close as that the first is taken, which is the user's own guess, and not the one that the
# solver's errors favour: the same optimum may stand at several places (rates that could change names).
TIE = 1e-3
# Screening: so many candidates per start, and no more than this many beyond the starts themselves.
CANDIDATES_PER_START = 5
MORE_CANDIDATES = 400
TIME_LIMIT = 600.0
# A matrix and what its decomposition makes of it.
COPIES = 3
MOST_ALTERNATIVES = 3
PART = "starts"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalSearch:
    """One local search with its method: what a worker runs."""

    objective: ProfileLikelihood
    method: FitMethod
    max_iterations: int | None
    coarse: bool = False

    def __call__(self, u: FloatArray, callback: Callback | None = None) -> SearchOutcome:
        problem = self.objective.full.problem
        lower, upper = problem.table.search_bounds()
        free = self.objective.free
        # An engine of its own: a start's result must not depend on what this process solved before.
        objective = ProfileLikelihood(Likelihood(replace(problem, engine=problem.engine.reset_copy())))
        assert self.method.minimize is not None, f"{self.method.name} does not search"
        minimize = imported(self.method.minimize)
        outcome: SearchOutcome = minimize(
            objective,
            u,
            lower[free],
            upper[free],
            size=typical_sizes(objective),
            max_iterations=self.max_iterations or self.method.iterations,
            callback=callback,
            **(self.method.coarse if self.coarse else {}),
        )
        if outcome.status == Status.FAILED and objective.failure:
            # The optimizer knows only that there is no number; the objective knows why.
            return replace(outcome, ending=Ending(Reason.MODEL_FAILS_AT_START, {"cause": objective.failure}))
        return outcome


def typical_sizes(objective: ProfileLikelihood) -> FloatArray:
    """How much each free component of u may typically change: one unit of a logarithm, else its own value."""
    table = objective.full.problem.table
    chosen = [table.parameters[table.estimated[k]] for k in objective.free]
    return np.array([1.0 if p.scale != "linear" else abs(p.value) or 1.0 for p in chosen])


def build_search(
    loaded: LoadedConfig, measured: Sequence[Experiment], constants: Sequence[str], method: FitMethod
) -> LocalSearch:
    """Assemble everything anew: what a spawned worker does with what can be sent to it."""
    assembly = assemble(loaded, describe_system(loaded, constants), measured)
    return LocalSearch(_objective(assembly), method, loaded.config.fit.max_iterations, coarse=True)


def _objective(assembly: Assembly) -> ProfileLikelihood:
    return ProfileLikelihood(Likelihood(assembly.problem))


def search_starts(
    assembly: Assembly, method: FitMethod, progress: Progress, memory: Memory | None = None
) -> FitOutcome:
    """The best of `fit.starts` local searches.

    memory: keeps each finished start. One that was not finished begins again where it began, which takes no longer
    than one start: what an engine has learnt on its way belongs to a search, and is not kept.
    """
    memory = memory or Forgetful()
    section, problem = assembly.loaded.config.fit, assembly.problem
    objective = _objective(assembly)
    _check_memory(assembly, objective)
    search = LocalSearch(objective, method, section.max_iterations)
    # Many starts are told apart long before the last digit, which only the best of them needs.
    coarse = replace(search, coarse=True) if section.starts > 1 else search
    points = starting_points(objective, section.starts, section.seed)
    watched = _ObservedSearch(coarse)
    finished = _restored(memory, points)
    results, interrupted = finished, False
    progress.begin("starts", len(points))
    try:
        if finished:
            _report(progress, finished)
        with closing(_results(assembly, watched, points, method, finished)) as coming:
            for result in coming:
                finished.append(result)
                log.info("%s", _log_line(result))
                # Whom a lost worker has cost its start may try it again.
                memory.offer(PART, lambda: [_as_plain(r) for r in finished if not r.lost])
                _report(progress, finished)
        results = _polished(finished, search, section.starts)
    except KeyboardInterrupt:
        interrupted = True
        if not finished and watched.latest is not None:
            results = [watched.latest]
    progress.end()
    for note in problem.engine.notes:
        progress.note(note)
    results = sorted(results, key=lambda r: r.number)
    return _outcome(objective, results, section.starts, method.name, interrupted)


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

    def __init__(self, search: LocalSearch) -> None:
        self.search = search
        self.latest: StartOutcome | None = None
        self._start, self._history, self._begun = np.empty(0), list[float](), 0.0

    def __call__(self, u: FloatArray) -> SearchOutcome:
        self._start, self._history, self._begun = u, [], time.perf_counter()
        return self.search(u, self._accept)

    def _accept(self, u: FloatArray, value: float) -> None:
        self._history.append(value)
        sides = np.zeros(len(u), dtype=np.int8)
        outcome = SearchOutcome(u, value, Ending(Reason.ENDED_BY_CALLER), 0, 0, tuple(self._history), sides)
        self.latest = StartOutcome(0, self._start, outcome, None, time.perf_counter() - self._begun)


def _restored(memory: Memory, points: FloatArray) -> list[StartOutcome]:
    """The starts that were finished before, as far as they are starts of this search."""
    kept = [_from_plain(plain) for plain in memory.restored(PART) or []]
    return [r for r in kept if r.number < len(points) and np.array_equal(r.start, points[r.number])]


def _as_plain(result: StartOutcome) -> dict[str, Any]:
    """For a checkpoint. `lost` is left out, since such a start is not kept."""
    plain = {key: getattr(result, key) for key in ("number", "start", "failure", "seconds")}
    outcome = result.outcome
    return plain | {"outcome": None if outcome is None else vars(outcome) | {"ending": outcome.ending.to_plain()}}


def _from_plain(plain: Mapping[str, Any]) -> StartOutcome:
    outcome = plain["outcome"]
    if outcome is not None:
        ending = Ending.from_plain(outcome["ending"])
        outcome = SearchOutcome(**{**outcome, "ending": ending, "history": tuple(outcome["history"])})
    return StartOutcome(**{**plain, "outcome": outcome})


def _report(progress: Progress, results: Sequence[StartOutcome]) -> None:
    best = best_of(results, TIE)
    failed = [r for r in results if r.failure is not None]
    value = math.inf if best is None else best.value
    progress.start(len(results), len(failed), value, count_at_best(results, SAME_OPTIMUM), _reasons(failed))


def _log_line(result: StartOutcome) -> str:
    """`start 3: converged, objective 1.25, 42 evaluations, 0.31 s`."""
    o = result.outcome
    if o is None or result.failure:
        return f"start {result.number + 1}: failed, {result.failure}"
    counts = f"{o.n_evaluations} evaluations, {o.n_gradients} gradients"
    return f"start {result.number + 1}: {o.status}, objective {o.value:.10g}, {counts}, {result.seconds:.3g} s"


def _results(
    assembly: Assembly, watched: _ObservedSearch, points: FloatArray, method: FitMethod, done: Sequence[StartOutcome]
) -> Generator[StartOutcome]:
    """The results of the starts that are not done yet."""
    section = assembly.loaded.config.fit
    known = {result.number for result in done}
    numbers = [number for number in range(len(points)) if number not in known]
    if len(points) == 1:
        return search_here(watched, points[numbers])
    workers = min(section.workers or default_workers(), len(numbers))
    build: Callable[[], Search] = functools.partial(
        build_search, assembly.loaded, assembly.measured, assembly.described.constants, method
    )
    if start_pool.worker_context().get_start_method() == "fork":
        # A forked worker has the compiled model in its memory already.
        build = functools.partial(_same, watched.search)
    limit = section.time_limit or TIME_LIMIT
    return search_all(build, points, workers=workers, time_limit=limit, numbers=numbers)


def _polished(results: list[StartOutcome], search: LocalSearch, requested: int) -> list[StartOutcome]:
    """The results with the best one searched to the last digit."""
    best = best_of(results, TIE)
    if requested == 1 or best is None or best.outcome is None:
        return results
    outcome = search(best.outcome.u)
    if not outcome.value <= best.value:
        return results
    whole = replace(outcome, history=(*best.outcome.history, *outcome.history[1:]))
    return [replace(r, outcome=whole) if r is best else r for r in results]


def _same(search: Search) -> Search:
    return search


def starting_points(objective: ProfileLikelihood, n: int, seed: int) -> FloatArray:
    """The user's values, and n - 1 more: the promising ones of a Latin hypercube, chosen by their objective.

    Of hundreds of parameters those of single experiments begin where they are: any one of them at a bad place would
    spoil the start, and each follows from the shared ones.
    """
    table, free = objective.full.problem.table, objective.free
    first = table.to_search(table.values)[free]
    if n == 1 or not len(free):
        return first[None, :]
    lower, upper = table.search_bounds()
    varied = _shared(objective)
    lower, upper, sizes = lower[free][varied], upper[free][varied], typical_sizes(objective)[varied]
    many = min(CANDIDATES_PER_START * n, n + MORE_CANDIDATES)
    candidates = start_points(lower, upper, first[varied], many, seed, size=sizes)

    def whole(points: FloatArray) -> FloatArray:
        found = np.tile(first, (len(points), 1))
        found[:, varied] = points
        return found

    values = np.array([objective.value(u) for u in whole(candidates)])
    return whole(screen(values, candidates, n))


def _shared(objective: ProfileLikelihood) -> IntArray:
    """Positions in the remaining u of the parameters that experiments share, where all are hundreds; else of all."""
    free = objective.free
    arrow = objective.full.columns.arrow if len(free) > MAX_LISTED else None
    shared = np.arange(len(free)) if arrow is None else np.flatnonzero(np.isin(free, arrow[0].shared))
    return shared if len(shared) else np.arange(len(free))


def _outcome(
    objective: ProfileLikelihood,
    results: Sequence[StartOutcome],
    requested: int,
    method: str,
    interrupted: bool,
) -> FitOutcome:
    table = objective.full.problem.table
    best = best_of(results, TIE)
    failed = [r for r in results if r.failure is not None]
    at_best = count_at_best(results, SAME_OPTIMUM)
    starts = Starts(requested, len(results), len(failed), at_best)
    if best is None or best.outcome is None:
        why = _reasons(failed) or "no start was finished"
        none = Ending(Reason.NO_START_FITTED, {"cause": why}) if failed else Ending(Reason.INTERRUPTED_IN_FIRST_START)
        status = Status.INTERRUPTED if interrupted else Status.FAILED
        rows = _table(objective, results)
        return FitOutcome(table.values, status, none.message, method, _history(None), starts, rows)
    u = objective.lift(best.outcome.u)
    message = best.outcome.message
    if best.outcome.ending.reason is Reason.DERIVATIVES_DISAGREE:
        remedy = nonsmooth_parameters(objective.full.problem).sentence or "Tighten the solver's tolerances."
        message = f"{message} {remedy}"
    if requested > 1:
        message = summary(starts, _reasons(failed)) + " " + message
    warnings: tuple[str, ...] = ()
    if requested > 2 and at_best == 1 and len(results) > 2:
        warnings = ("only one start found this optimum: a better one may exist; try more fit.starts",)
    status = Status.INTERRUPTED if interrupted else best.outcome.status
    return FitOutcome(
        table.to_natural(u),
        status,
        message,
        method,
        _history(best.outcome),
        starts,
        _table(objective, results) if requested > 1 else None,
        warnings=warnings,
        alternatives=_alternatives(objective, results, best),
    )


def _alternatives(
    objective: ProfileLikelihood, results: Sequence[StartOutcome], best: StartOutcome
) -> tuple[FloatArray, ...]:
    """Where other starts reached the objective of the best, [N] each: MOST_ALTERNATIVES of them, those that lie
    farthest from it."""
    alike = [
        r.outcome.u for r in results if r is not best and r.outcome is not None and r.value <= best.value + SAME_OPTIMUM
    ]
    assert best.outcome is not None
    there = best.outcome.u
    alike.sort(key=lambda u: -float(np.abs(u - there).max(initial=0.0)))
    return tuple(objective.full.problem.table.to_natural(objective.lift(u)) for u in alike[:MOST_ALTERNATIVES])


def summary(starts: Starts, reasons: str) -> str:
    """`12 of 20 starts reached the best optimum; 3 failed (integration blew up).`"""
    text = f"{starts.at_best} of {starts.finished} starts reached the best optimum"
    if starts.finished < starts.requested:
        text += f" ({starts.requested} were asked for)"
    if starts.failed:
        text += f"; {starts.failed} failed ({reasons})"
    return text + "."


def _reasons(failed: Sequence[StartOutcome]) -> str:
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
    table, free = objective.full.problem.table, objective.free[_shared(objective)]
    names = [table.names[table.estimated[k]] for k in free]
    header = ("start", "status", "objective", "message", "seconds", "evaluations", "gradients", *names)
    rows = []
    for r in results:
        complete = table.to_search(table.values)
        complete[objective.free] = r.start if r.outcome is None else r.outcome.u
        natural = table.to_natural(complete)[table.estimated[free]]
        counts = (None, None) if r.outcome is None else (r.outcome.n_evaluations, r.outcome.n_gradients)
        status = Status.FAILED if r.outcome is None or r.failure else r.outcome.status
        message = r.failure or (r.outcome.message if r.outcome else "")
        value = r.value if math.isfinite(r.value) else None
        rows.append([r.number + 1, status, value, message, r.seconds, *counts, *map(float, natural)])
    return Table(header, rows)
