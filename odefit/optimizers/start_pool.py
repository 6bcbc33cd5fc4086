"""Many searches from many starts, in chunks, in worker processes: one that hangs or dies costs itself only.

Starts are drawn and screened before the work is handed out, and a search knows nothing of the others, so
results do not depend on the number of workers or on the order in which they finish.
"""

from __future__ import annotations

import itertools
import logging
import math
import signal
import sys
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import numpy as np

from odefit.arrays import FloatArray
from odefit.optimizers.base import SearchOutcome
from odefit.optimizers.cores import available_cores
from odefit.records import dataclass
from odefit.status import Reason, Status

if TYPE_CHECKING:
    from concurrent.futures import Future
    from multiprocessing.context import BaseContext

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
"""How often a pool is asked whether it is still alive while nothing finishes."""

Search = Callable[[FloatArray], Sequence[SearchOutcome]]
"""Local searches from starts u [B, P], which may go on together; what becomes of one does not depend on the others."""


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
        What the search took, or its part of what a chunk took; NaN where that is not known.
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
    chunk: int = 1,
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
    chunk
        How many starts a worker takes at once. Those of a chunk that dies, raises or takes longer than one start may
        are searched one by one.

    Yields
    ------
    StartOutcome
        As they finish; those whose worker died come last, after a second try, one at a time, since it is most often
        the memory that was short. Closing the iterator ends the workers.
    """
    lost: list[StartOutcome] = []
    wanted = list(range(len(points)) if numbers is None else numbers)
    if chunk > 1:
        chunks = chunks_of(wanted, chunk)
        parted: dict[str | None, list[int]] = {}
        for result in _search_once(build, points, chunks, workers, time_limit):
            if result.outcome is None:
                parted.setdefault(result.failure, []).append(result.number)
            else:
                yield result
        for cause, some in parted.items():
            log.info("each of %d starts is tried once more, by itself: %s", len(some), cause)
        wanted = sorted(itertools.chain.from_iterable(parted.values()))
    for result in _search_once(build, points, [[number] for number in wanted], workers, time_limit):
        if result.lost:
            log.info("start %d is tried once more: %s", result.number + 1, result.failure)
            lost.append(result)
        else:
            yield result
    again = [[number] for number in sorted(result.number for result in lost)]
    yield from _search_once(build, points, again, 1, time_limit)


def chunks_of(numbers: Sequence[int], size: int) -> list[list[int]]:
    """The numbers in chunks of at most this size, in their order."""
    return [list(numbers[first : first + size]) for first in range(0, len(numbers), size)]


def _search_once(
    build: Callable[[], Search], points: FloatArray, left: list[list[int]], workers: int, time_limit: float | None
) -> Generator[StartOutcome]:
    """The results of chunks, whatever becomes of the workers."""
    while left:
        before = len(left)
        for chunk, results in _search_in_pool(build, points, left, workers, time_limit):
            left.remove(chunk)
            yield from results
        if len(left) == before:
            for number in itertools.chain.from_iterable(left):
                yield StartOutcome(number, points[number], None, "no worker process lives long enough", math.nan, True)
            return


def _search_in_pool(
    build: Callable[[], Search],
    points: FloatArray,
    chunks: Sequence[list[int]],
    workers: int,
    time_limit: float | None,
) -> Generator[tuple[list[int], list[StartOutcome]]]:
    """The chunks with their results from one pool: all of them, or those that were there when it broke."""
    from concurrent.futures import as_completed
    from concurrent.futures.process import BrokenProcessPool

    from pebble import ProcessPool

    with (
        _quiet_fork(),
        ProcessPool(max_workers=workers, initializer=_install, initargs=(build,), context=worker_context()) as pool,
    ):
        waiting: dict[Future[tuple[Sequence[SearchOutcome], float]], list[int]] = {}
        try:
            with suppress(RuntimeError):  # the pool may break before all has been handed to it
                for chunk in list(chunks):
                    waiting[pool.schedule(_run, args=(points[chunk],), timeout=time_limit)] = chunk
            while waiting and pool.active:
                # A pool that breaks may leave some waiting without end, so it is asked now and then.
                with suppress(TimeoutError):
                    for future in as_completed(list(waiting), timeout=POLL_SECONDS):
                        chunk = waiting.pop(future)
                        if not isinstance(future.exception(), BrokenProcessPool):
                            yield chunk, _collect(future, chunk, points[chunk], time_limit)
        finally:
            if waiting:
                pool.stop()  # type: ignore[no-untyped-call]


def search_here(
    search: Search, points: FloatArray, numbers: Sequence[int] | None = None, chunk: int = 1
) -> Generator[StartOutcome]:
    """Searches in this process, chunk by chunk: for what takes no longer than workers take to begin.

    Where a chunk of several raises, its starts are searched one by one, and one that raises fails; from a chunk of one
    alone it comes through.

    Parameters
    ----------
    search, points, numbers, chunk
        As in `search_all`.
    """
    wanted = list(range(len(points)) if numbers is None else numbers)
    for some in chunks_of(wanted, chunk):
        started = time.perf_counter()
        try:
            outcomes = search(points[some])
        except Exception as error:
            if len(wanted) == 1:
                raise
            if len(some) == 1:
                yield raised(error, some[0], points[some[0]])
            else:
                yield from search_here(search, points, some)
            continue
        yield from outcomes_of(some, points[some], outcomes, time.perf_counter() - started)


def worker_context() -> BaseContext:
    """How workers are started: forked, with everything loaded, unless threads of torch run; else spawned."""
    import multiprocessing

    methods = multiprocessing.get_all_start_methods()
    if "fork" in methods and sys.platform == "linux" and "torch" not in sys.modules:
        return multiprocessing.get_context("fork")
    return multiprocessing.get_context("spawn")


def default_workers() -> int:
    """One worker per core that this process may use."""
    return available_cores()


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
    for name in ("SIGINT", "SIGUSR1", "SIGUSR2"):  # what asks for an end is the main process's to handle
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    _die_with_parent()
    try:
        _search = build()
        if (torch := sys.modules.get("torch")) is not None:
            torch.set_num_threads(1)  # the other processors have workers of their own
    except Exception as error:  # raised here, it would only break the pool; the first start tells of it
        _search = error


def _die_with_parent() -> None:
    """If the main process is killed, a worker that hangs must not run on. Linux alone offers this."""
    if sys.platform == "linux":
        import ctypes

        set_parent_death_signal = 1
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _run(points: FloatArray) -> tuple[Sequence[SearchOutcome], float]:
    if not callable(_search):
        raise _search or RuntimeError("the worker was not installed")
    started = time.perf_counter()
    outcomes = _search(points)
    return outcomes, time.perf_counter() - started


def _collect(
    future: Future[tuple[Sequence[SearchOutcome], float]],
    chunk: Sequence[int],
    points: FloatArray,
    time_limit: float | None,
) -> list[StartOutcome]:
    from pebble import ProcessExpired

    try:
        outcomes, seconds = future.result()
    except TimeoutError:
        limit = time_limit or math.nan
        given_up = f"gave up after {limit:g} s (fit.time_limit)"
        return [StartOutcome(k, u, None, given_up, limit) for k, u in zip(chunk, points, strict=True)]
    except ProcessExpired as error:
        died = f"the worker process died: {_cause(error.exitcode)}"
        return [StartOutcome(k, u, None, died, math.nan, True) for k, u in zip(chunk, points, strict=True)]
    except Exception as error:  # whatever a search raises must not end the fit
        return [raised(error, k, u) for k, u in zip(chunk, points, strict=True)]
    return outcomes_of(chunk, points, outcomes, seconds)


def raised(error: Exception, number: int, point: FloatArray) -> StartOutcome:
    """A start whose search raised an error."""
    log.info("start %d raised: %s", number + 1, getattr(error, "traceback", error))
    text = str(error).strip().splitlines()
    cause = f"{type(error).__name__}: {text[-1]}" if text else type(error).__name__
    return StartOutcome(number, point, None, cause, math.nan)


def _cause(code: int | None) -> str:
    """What the exit code of a process tells of its end."""
    if code is None or code >= 0:
        return f"exit code {code}"
    if -code == getattr(signal, "SIGKILL", None):
        return "it was killed (SIGKILL), as the system does when memory runs out"
    return signal.strsignal(-code) or f"signal {-code}"


def outcomes_of(
    chunk: Sequence[int], points: FloatArray, outcomes: Sequence[SearchOutcome], seconds: float
) -> list[StartOutcome]:
    """The starts of a chunk, from points [n, P], that was searched in so many seconds."""
    share = seconds / len(chunk)
    return [
        StartOutcome(number, u, outcome, None if np.isfinite(outcome.value) else outcome.message, share)
        for number, u, outcome in zip(chunk, points, outcomes, strict=True)
    ]


def best_of(results: Sequence[StartOutcome], tie: float = 0.0) -> StartOutcome | None:
    """The earliest start whose value is within `tie` of the lowest, one that converged before others. None where all
    failed."""
    finite = [r for r in results if math.isfinite(r.value)]
    lowest = min((r.value for r in finite), default=math.inf)
    return min((r for r in finite if r.value <= lowest + tie), key=lambda r: (not r.converged, r.number), default=None)


def count_at_best(results: Sequence[StartOutcome], tolerance: float) -> int:
    """How many starts converged within `tolerance` of the best value, or lead to one that did."""
    best = best_of(results)
    if best is None:
        return 0
    there = {r.number for r in results if r.converged and r.value <= best.value + tolerance}
    endings = [r.outcome.ending for r in results if r.outcome is not None and r.number not in there]
    leading = sum(e.reason is Reason.LEADS_TO_OTHER and e.details["other"] - 1 in there for e in endings)
    return len(there) + leading
