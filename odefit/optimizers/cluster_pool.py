"""Many searches from many starts on a cluster of Dask distributed: what `start_pool` does on one machine.

What is needed to build a search travels once to each worker, named by its hash, and is built there once. A task is a
batch of starts. The scheduler tries the batch of a lost worker elsewhere; one that was lost too often is searched start
by start; and a start that was lost too often alone, at the end, where it is cleared or fails with the reason. Only so
many batches are on their way as keep the workers busy, so that client and scheduler hold few of them.
"""

from __future__ import annotations

import hashlib
import logging
import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.optimizers.base import SearchOutcome
from odefit.optimizers.start_pool import Search, StartOutcome, chunks_of, outcomes_of, raised

Builder = Callable[[], Callable[[Any], Search]]
"""What is sent: on a worker it makes what builds a search by a request."""

log = logging.getLogger(__name__)

AHEAD = 2
"""Batches of each worker that are on their way."""
POLL_SECONDS = 1.0
"""How often the cluster is asked whether it is still there while nothing finishes."""
TRIES = 10
"""To reach all workers."""
NO_WORKERS_SECONDS = 300.0
"""How long a cluster may be without any worker."""


class ClusterLost(KeyboardInterrupt):
    """The scheduler or all workers are gone. It ends a fit as Ctrl-C does: what was finished is kept."""


class Cluster:
    """A cluster that is connected.

    Parameters
    ----------
    client
        Of Dask distributed.

    Attributes
    ----------
    lost
        Why it is of no use any more; empty while it is.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.lost = ""
        self._sent: dict[int, tuple[object, str]] = {}

    @property
    def n_workers(self) -> int:
        """Now; at least 1."""
        return max(self._workers(), 1)

    def _workers(self) -> int:
        return len(self.client.scheduler_info(n_workers=-1)["workers"])

    def _lost(self, why: str) -> ClusterLost:
        self.lost = why
        return ClusterLost()

    def send(self, what: object, build: Callable[[], Builder]) -> str:
        """Give every worker, and those that come later, what searches are built by; the name of it.

        what: what that belongs to, of which there is one. build: makes what is sent.
        """
        if id(what) not in self._sent:
            payload = pickle.dumps(build())
            key = hashlib.sha256(payload).hexdigest()
            log.info("%d kB are sent to each worker, once", len(payload) // 1000)
            self._deliver(key, payload)
            self._sent[id(what)] = what, key
        return self._sent[id(what)][1]

    def _deliver(self, key: str, payload: bytes) -> None:
        """To all workers that there are and will be, whichever is lost meanwhile. Raises OSError."""
        for attempt in range(TRIES):
            try:
                self.client.register_plugin(_delivery(key, payload))
                return
            except OSError:
                if attempt == TRIES - 1:
                    raise
                time.sleep(POLL_SECONDS)

    def search_all(
        self, key: str, request: Any, points: FloatArray, numbers: Sequence[int], chunk: int
    ) -> Generator[StartOutcome]:
        """Searches from the points [n, P] with these numbers.

        Parameters
        ----------
        key
            What `send` has called it.
        request
            Which search is built of that.
        points, numbers, chunk
            As for `start_pool.search_all`.

        Yields
        ------
        StartOutcome
            As they finish. Closing the iterator cancels what runs elsewhere.

        Raises
        ------
        ClusterLost
            The scheduler is gone.
        """
        waiting, suspects = deque(chunks_of(numbers, chunk)), deque[list[int]]()
        flying: dict[Any, list[int]] = {}
        most = AHEAD * self.n_workers
        try:
            while waiting or flying or suspects:
                if not waiting and not flying:
                    # Who waited at a worker that another start has killed is as suspect as that: each goes alone.
                    waiting.append(suspects.popleft())
                    most = 1
                while waiting and len(flying) < most:
                    some = waiting.popleft()
                    # Pure calls that are alike are one to Dask, and their results would be shared.
                    future = self.client.submit(run_batch, key, request, points[some], pure=False)
                    flying[future] = some
                for future in self._finished(list(flying)):
                    some = flying.pop(future)
                    for result in self._collected(future, some, points[some]):
                        if result.outcome is None and len(some) > 1:
                            waiting.append([result.number])
                        elif result.lost and most > 1:
                            suspects.append([result.number])
                        else:
                            yield result
        finally:
            if flying and not self.lost:
                with suppress(Exception):
                    self.client.cancel(list(flying), force=True)

    def _finished(self, futures: list[Any]) -> list[Any]:
        """Those that are at their ends, one at least. Raises ClusterLost."""
        from distributed import wait

        alone = 0.0
        while True:
            if self.client.status != "running" or any(f.status in ("cancelled", "lost") for f in futures):
                raise self._lost("the scheduler of the cluster is lost")
            done = [f for f in futures if f.status in ("finished", "error")]
            if done:
                return done
            alone = 0.0 if self._workers() else alone or time.monotonic()
            if alone and time.monotonic() - alone > NO_WORKERS_SECONDS:
                raise self._lost("the cluster has lost all its workers, and no other has come")
            with suppress(TimeoutError, _cancelled()), self.client.as_current():
                wait(futures, timeout=POLL_SECONDS, return_when="FIRST_COMPLETED")

    def _collected(self, future: Any, some: Sequence[int], points: FloatArray) -> list[StartOutcome]:
        from distributed import KilledWorker

        try:
            outcomes, seconds = future.result()
        except KilledWorker as error:
            times = 1 + int(getattr(error, "allowed_failures", 0))
            cause = f"its worker was lost, {times} times one after the other"
            log.info("starts %s: %s", ", ".join(str(k + 1) for k in some), cause)
            return [StartOutcome(k, u, None, cause, float("nan"), True) for k, u in zip(some, points, strict=True)]
        except _cancelled():
            raise self._lost("the scheduler of the cluster is lost") from None
        except Exception as error:  # whatever a search raises must not end the fit
            return [raised(error, k, u) for k, u in zip(some, points, strict=True)]
        finally:
            future.release()
        return outcomes_of(some, points, outcomes, seconds)


def _cancelled() -> type[BaseException]:
    from concurrent.futures import CancelledError

    return CancelledError


def _delivery(key: str, payload: bytes) -> Any:
    """A plugin that gives a worker what searches are built by."""
    from distributed import WorkerPlugin

    class Delivery(WorkerPlugin):  # type: ignore[misc]
        def __init__(self) -> None:
            self.name = f"odefit-{key[:16]}"

        def setup(self, worker: Any) -> None:
            del worker
            deliver(key, payload)

    return Delivery()


# --- in the process of a worker

_payloads: dict[str, bytes] = {}
_builders: dict[str, Callable[[Any], Search]] = {}
_searches: dict[tuple[str, bytes], Search] = {}
_one_at_a_time = threading.Lock()
MOST_KEPT = 16
"""Searches that a worker keeps."""


def deliver(key: str, payload: bytes) -> None:
    """Keep what searches are built by. Raises ValueError where it is not what its name says."""
    if hashlib.sha256(payload).hexdigest() != key:
        raise ValueError("what came is not what was sent")
    _payloads[key] = payload


def run_batch(key: str, request: Any, points: FloatArray) -> tuple[list[SearchOutcome], float]:
    """The searches from points [n, P], and how many seconds they took."""
    with _one_at_a_time:  # a compiled program has one memory
        begun = time.perf_counter()
        name = key, pickle.dumps(request)
        if name not in _searches:
            if key not in _builders:
                _builders[key] = pickle.loads(_payloads[key])()  # noqa: S301 - the client's own, checked by its hash
            while len(_searches) >= MOST_KEPT:
                del _searches[next(iter(_searches))]
            _searches[name] = _builders[key](request)
        outcomes = list(_searches[name](np.array(points)))
        return outcomes, time.perf_counter() - begun
