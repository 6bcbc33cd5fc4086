"""Many searches from many starts, each in a worker process: one that hangs or dies costs itself only.

Starts are drawn and screened before the work is handed out, and a search knows nothing of the others, so
results do not depend on the number of workers or on the order in which they finish.
"""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.context import BaseContext

import numpy as np

from odefit.arrays import FloatArray
from odefit.optimizers.base import SearchOutcome
from odefit.status import Status

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
"""How often a pool is asked whether it is still alive while nothing finishes."""

Search = Callable[[FloatArray], SearchOutcome]
"""A local search from one start u [P]."""


@dataclass(frozen=True)
class StartOutcome:
    """One start: where it began, and how its search ended.

    Parameters
    ----------
    number
        Which of the starts.
    start
        [P].
    outcome
        None where there is none; `failure` says why.
    failure
        A sentence, or None.
    seconds
        What the search took; NaN where that is not known.
    lost
        Whether the worker died of something that was not the search's doing, for all that is known, so that another try
        may succeed.
    """

    number: int
    start: FloatArray
    outcome: SearchOutcome | None
    failure: str | None
    seconds: float
    lost: bool = False

    @property
    def converged(self) -> bool:
        return self.outcome is not None and self.outcome.status == Status.CONVERGED

    @property
    def value(self) -> float:
        """The objective where the search ended; inf where it has no outcome."""
        return math.inf if self.outcome is None else self.outcome.value


def search_all(
    build: Callable[[], Search],
    points: FloatArray,
    *,
    workers: int,
    time_limit: float | None = None,
    numbers: Sequence[int] | None = None,
) -> Generator[StartOutcome]:
    """Searches from many points in worker processes.

    Parameters
    ----------
    build
        Makes the search, once per worker; picklable where processes are spawned rather than forked.
    points
        [n, P], the starts.
    workers
        The number of processes.
    time_limit
        Seconds for one start; None for no limit.
    numbers
        Which of the points to search from; default all.

    Yields
    ------
    StartOutcome
        As they finish; those whose worker died come last, after a second try, one at a time, since it is most often
        the memory that was short. Closing the iterator ends the workers.
    """
    lost: list[StartOutcome] = []
    wanted = list(range(len(points)) if numbers is None else numbers)
    for result in _search_once(build, points, wanted, workers, time_limit):
        if result.lost:
            log.info("start %d is tried once more: %s", result.number + 1, result.failure)
            lost.append(result)
        else:
            yield result
    yield from _search_once(build, points, sorted(result.number for result in lost), 1, time_limit)


def _search_once(
    build: Callable[[], Search], points: FloatArray, left: list[int], workers: int, time_limit: float | None
) -> Generator[StartOutcome]:
    """The results, whatever becomes of the workers."""
    while left:
        before = len(left)
        for result in _search_in_pool(build, points, left, workers, time_limit):
            left.remove(result.number)
            yield result
        if len(left) == before:
            for number in left:
                yield StartOutcome(number, points[number], None, "no worker process lives long enough", math.nan, True)
            return


def _search_in_pool(
    build: Callable[[], Search], points: FloatArray, numbers: Sequence[int], workers: int, time_limit: float | None
) -> Generator[StartOutcome]:
    """The results from one pool: all of them, or those that were there when it broke."""
    from pebble import ProcessPool

    with (
        _quiet_fork(),
        ProcessPool(max_workers=workers, initializer=_install, initargs=(build,), context=worker_context()) as pool,
    ):
        waiting: dict[Future[tuple[SearchOutcome, float]], int] = {
            pool.schedule(_run, args=(points[number],), timeout=time_limit): number for number in numbers
        }
        try:
            while waiting and pool.active:
                # A pool that breaks may leave some waiting without end, so it is asked now and then.
                with suppress(TimeoutError):
                    for future in as_completed(list(waiting), timeout=POLL_SECONDS):
                        number = waiting.pop(future)
                        if not isinstance(future.exception(), BrokenProcessPool):
                            yield _collect(future, number, points[number], time_limit)
        finally:
            if waiting:
                pool.stop()  # type: ignore[no-untyped-call]


def search_here(search: Search, points: FloatArray) -> Generator[StartOutcome]:
    """Searches from points [n, P] in this process, one after the other: no worker can speed up a single start."""
    for number, point in enumerate(points):
        started = time.perf_counter()
        outcome = search(point)
        yield _result(number, point, outcome, time.perf_counter() - started)


def worker_context() -> BaseContext:
    """How workers are started: forked, with everything loaded, unless threads of torch run; else spawned."""
    methods = multiprocessing.get_all_start_methods()
    if "fork" in methods and sys.platform == "linux" and "torch" not in sys.modules:
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


def default_workers() -> int:
    """One worker per core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _quiet_fork() -> Iterator[None]:
    # Python >= 3.12 warns of any fork beside threads. The threads here are pebble's own, which wait in
    # pipes and hold no lock that a worker takes.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
        yield


# One search per worker process, made by `_install`; or why there is none.
_search: Search | Exception | None = None


def _install(build: Callable[[], Search]) -> None:
    global _search
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's to handle
    _die_with_parent()
    try:
        _search = build()
    except Exception as error:  # raised here, it would only break the pool; the first start tells of it
        _search = error


def _die_with_parent() -> None:
    """If the main process is killed, a worker that hangs must not run on. Linux alone offers this."""
    if sys.platform == "linux":
        import ctypes

        set_parent_death_signal = 1
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _run(point: FloatArray) -> tuple[SearchOutcome, float]:
    if not callable(_search):
        raise _search or RuntimeError("the worker was not installed")
    started = time.perf_counter()
    outcome = _search(point)
    return outcome, time.perf_counter() - started


def _collect(
    future: Future[tuple[SearchOutcome, float]], number: int, point: FloatArray, time_limit: float | None
) -> StartOutcome:
    from pebble import ProcessExpired

    try:
        outcome, seconds = future.result()
    except TimeoutError:
        limit = time_limit or math.nan
        return StartOutcome(number, point, None, f"gave up after {limit:g} s (fit.time_limit)", limit)
    except ProcessExpired as error:
        return StartOutcome(number, point, None, f"the worker process died: {_cause(error.exitcode)}", math.nan, True)
    except Exception as error:  # whatever a search raises must not end the fit
        log.info("start %d raised in its worker: %s", number + 1, getattr(error, "traceback", error))
        text = str(error).strip().splitlines()
        cause = f"{type(error).__name__}: {text[-1]}" if text else type(error).__name__
        return StartOutcome(number, point, None, cause, math.nan)
    return _result(number, point, outcome, seconds)


def _cause(code: int | None) -> str:
    """What the exit code of a process tells of its end."""
    if code is None or code >= 0:
        return f"exit code {code}"
    if -code == getattr(signal, "SIGKILL", None):
        return "it was killed (SIGKILL), as the system does when memory runs out"
    return signal.strsignal(-code) or f"signal {-code}"


def _result(number: int, point: FloatArray, outcome: SearchOutcome, seconds: float) -> StartOutcome:
    lost = not np.isfinite(outcome.value)
    return StartOutcome(number, point, outcome, outcome.message if lost else None, seconds)


def best_of(results: Sequence[StartOutcome], tie: float = 0.0) -> StartOutcome | None:
    """The earliest start whose value is within `tie` of the lowest, one that converged before others. None where all
    failed."""
    finite = [r for r in results if math.isfinite(r.value)]
    lowest = min((r.value for r in finite), default=math.inf)
    return min((r for r in finite if r.value <= lowest + tie), key=lambda r: (not r.converged, r.number), default=None)


def count_at_best(results: Sequence[StartOutcome], tolerance: float) -> int:
    """How many starts converged within `tolerance` of the best value."""
    best = best_of(results)
    return 0 if best is None else sum(r.converged and r.value <= best.value + tolerance for r in results)
