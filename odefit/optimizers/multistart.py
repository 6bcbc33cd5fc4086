"""Many searches from many starts, each in a worker process: one that hangs or dies costs itself only.

Starts are drawn and screened before the work is handed out, and a search knows nothing of the others, so
results do not depend on the number of workers or on the order in which they finish.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import BaseContext

import numpy as np

from odefit.data.experiments import FloatArray
from odefit.optimizers.base import Outcome

Search = Callable[[FloatArray], Outcome]
"""A local search from one start u [P]."""


@dataclass(frozen=True)
class StartResult:
    """One start: where it began, and how its search ended. outcome is None where the worker was lost."""

    number: int
    start: FloatArray
    outcome: Outcome | None
    failure: str | None
    seconds: float

    @property
    def value(self) -> float:
        return math.inf if self.outcome is None else self.outcome.value


def search_all(
    build: Callable[[], Search],
    points: FloatArray,
    *,
    workers: int,
    time_limit: float | None = None,
) -> Generator[StartResult]:
    """The results of the searches from points [n, P], as they finish.

    build: makes the search, once per worker; picklable where processes are spawned rather than forked.
    time_limit: seconds for one start. Closing the iterator ends the workers.
    """
    from pebble import ProcessPool

    with (
        _quiet_fork(),
        ProcessPool(max_workers=workers, initializer=_install, initargs=(build,), context=worker_context()) as pool,
    ):
        waiting: dict[Future[tuple[Outcome, float]], int] = {
            pool.schedule(_run, args=(point,), timeout=time_limit): number for number, point in enumerate(points)
        }
        try:
            for future in as_completed(list(waiting)):
                number = waiting.pop(future)
                yield _collect(future, number, points[number], time_limit)
        finally:
            if waiting:
                pool.stop()  # type: ignore[no-untyped-call]


def search_here(search: Search, points: FloatArray) -> Generator[StartResult]:
    """The same in this process, one after the other: for a single start, which no worker can speed up."""
    for number, point in enumerate(points):
        begun = time.perf_counter()
        outcome = search(point)
        yield _result(number, point, outcome, time.perf_counter() - begun)


def worker_context() -> BaseContext:
    """Forked workers start at once with everything loaded; where threads of torch run, a fork is not safe."""
    methods = multiprocessing.get_all_start_methods()
    if "fork" in methods and sys.platform == "linux" and "torch" not in sys.modules:
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


def default_workers() -> int:
    """One per core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _quiet_fork() -> Iterator[None]:
    # Python >= 3.12 warns of any fork beside threads. The threads here are pebble's own, which wait in
    # pipes and hold no lock that a worker takes.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
        yield


# One search per worker process, made by `_install`.
_search: Search | None = None


def _install(build: Callable[[], Search]) -> None:
    global _search
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's to handle
    _search = build()


def _run(point: FloatArray) -> tuple[Outcome, float]:
    if _search is None:
        raise RuntimeError("the worker was not installed")
    begun = time.perf_counter()
    outcome = _search(point)
    return outcome, time.perf_counter() - begun


def _collect(
    future: Future[tuple[Outcome, float]], number: int, point: FloatArray, time_limit: float | None
) -> StartResult:
    try:
        outcome, seconds = future.result()
    except TimeoutError:
        limit = time_limit or math.nan
        return StartResult(number, point, None, f"gave up after {limit:g} s (fit.time_limit)", limit)
    except Exception as error:  # whatever ended the worker must not end the fit
        text = str(error).strip().splitlines()
        cause = text[-1] if text else type(error).__name__
        return StartResult(number, point, None, f"the worker process died: {cause}", math.nan)
    return _result(number, point, outcome, seconds)


def _result(number: int, point: FloatArray, outcome: Outcome, seconds: float) -> StartResult:
    lost = not np.isfinite(outcome.value)
    return StartResult(number, point, outcome, outcome.message if lost else None, seconds)


def best_of(results: Sequence[StartResult]) -> StartResult | None:
    """The lowest value; among equals the earliest start. None where all failed."""
    finite = [r for r in results if math.isfinite(r.value)]
    return min(finite, key=lambda r: (r.value, r.number), default=None)


def count_at_best(results: Sequence[StartResult], tolerance: float) -> int:
    """How many starts ended within `tolerance` of the best value."""
    best = best_of(results)
    return 0 if best is None else sum(r.value <= best.value + tolerance for r in results)
