"""Local searches from many points: where they are done, in this process or in workers, and how many go on together."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Sequence

from odefit.arrays import FloatArray
from odefit.compilation.program_cache import WithPrograms
from odefit.config.fit_methods import FitMethod
from odefit.config.load import LoadedConfig
from odefit.data.experiment_table import TableColumns
from odefit.data.experiments import Experiment
from odefit.fitting.cluster import current_cluster
from odefit.fitting.local_search import LocalSearch, build_search
from odefit.fitting.search_work import SHORT, chunk_for_workers, seconds_of_start, together
from odefit.optimizers import start_pool
from odefit.optimizers.known_optima import KnownOptima
from odefit.optimizers.start_pool import Search, StartOutcome, default_workers, search_all, search_here
from odefit.problem.assembly import Assembly

_Request = tuple[FitMethod, tuple[int | None, float | None], int, KnownOptima | None]
"""The last arguments of `build_search`."""

TIME_LIMIT = 600.0
"""Seconds for one start, where the config names no number."""


def searched(
    assembly: Assembly,
    search: LocalSearch,
    points: FloatArray,
    numbers: Sequence[int],
    factor: int,
    here: Search | None = None,
) -> Generator[StartOutcome]:
    """The results of the starts with these numbers, as they finish.

    Parameters
    ----------
    assembly
        The problem.
    search
        From one point or many.
    points
        [n, P'], the starts.
    numbers
        Which of them are searched.
    factor
        What the solver's tolerances were divided by.
    here
        What takes the place of the search where it is done in this process.
    """
    section, objective = assembly.loaded.config.fit, search.objective
    most, here = together(objective), here or search
    if len(points) == 1 or not len(numbers):
        return search_here(here, points, numbers)
    seconds = seconds_of_start(objective, points[numbers])
    cluster = current_cluster()
    asked_for = section.time_limit is not None or (section.workers or 1) > 1 or cluster is not None
    if seconds is not None and seconds * len(numbers) <= SHORT and not asked_for:
        return search_here(here, points, numbers, most)
    if cluster is not None:
        request = search.method, (search.max_iterations, search.cpu_limit), factor, search.known
        key = cluster.send(assembly.loaded, lambda: WithPrograms(functools.partial(_builder, *_parts_of(assembly))))
        chunk = chunk_for_workers(len(numbers), cluster.n_workers, seconds, most)
        return cluster.search_all(key, request, points, numbers, cluster.batch or chunk)
    workers = min(section.workers or default_workers(), len(numbers))
    limits = search.max_iterations, search.cpu_limit
    parts = (*_parts_of(assembly), search.method, limits, factor, search.known)
    build: Callable[[], Search] = functools.partial(build_search, *parts)
    if start_pool.worker_context().get_start_method() == "fork":
        # A forked worker has the compiled model in its memory already.
        build = functools.partial(_same, search)
    else:
        build = WithPrograms(build)
    limit = section.time_limit or TIME_LIMIT
    chunk = chunk_for_workers(len(numbers), workers, seconds, most)
    return search_all(build, points, workers=workers, time_limit=limit, numbers=numbers, chunk=chunk)


def _parts_of(assembly: Assembly) -> tuple[LoadedConfig, Sequence[Experiment], TableColumns]:
    """What a search can be built of elsewhere."""
    return assembly.loaded, assembly.measured, assembly.described.constants


def _builder(
    loaded: LoadedConfig, measured: Sequence[Experiment], constants: TableColumns
) -> Callable[[_Request], Search]:
    """What a worker of a cluster builds searches by."""

    def built(request: _Request) -> Search:
        return build_search(loaded, measured, constants, *request)

    return built


def _same(search: Search) -> Search:
    return search
