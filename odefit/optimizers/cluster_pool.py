"""Independent members on a cluster of Dask distributed: starts, samples, chains, profiles.

What is needed to compute members travels once to each worker, named by its hash, and is built there once. A task is a
batch of members. The scheduler tries the batch of a lost worker elsewhere; one that was lost too often is computed
member by member; and a member that was lost too often alone, at the end, where it is cleared or fails with the reason.
Only so many batches are on their way as keep the workers busy, so that client and scheduler hold few of them.
"""

from __future__ import annotations

import hashlib
import logging
import math
import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.optimizers.start_pool import StartOutcome, chunks_of, raised
from odefit.records import dataclass

Compute = Callable[[Any], Sequence[Any]]
"""The results of a batch, one of each member, by what describes the batch."""
Builder = Callable[[], Callable[[Any], Compute]]
"""What is sent: on a worker it makes what builds a `Compute` by a request."""

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


class WorkerLost(Exception):
    """A member has lost its worker, again and again."""


@dataclass(frozen=True)
class Answer:
    """What became of one member.

    Parameters
    ----------
    number
        Of the member.
    result
        None where there is none; `error` says why.
    error
        What it raised; WorkerLost where its worker was lost too often.
    seconds
        Its part of what its batch took; NaN where that is not known.
    """

    number: int
    result: Any
    error: Exception | None
    seconds: float

    @property
    def lost(self) -> bool:
        """Whether its worker was."""
        return isinstance(self.error, WorkerLost)


class Cluster:
    """A cluster that is connected.

    Parameters
    ----------
    client
        Of Dask distributed.
    batch
        How many members a worker takes at once, where the config says it.

    Attributes
    ----------
    lost
        Why it is of no use any more; empty while it is.
    """

    def __init__(self, client: Any, batch: int | None = None) -> None:
        self.client, self.batch = client, batch
        self.lost = ""
        self._sent: dict[int, tuple[object, str]] = {}
        self._counted, self._n_workers, self._alone_since = -math.inf, 1, math.inf

    @property
    def n_workers(self) -> int:
        """Now, or POLL_SECONDS ago; at least 1."""
        return max(self._workers(), 1)

    def _workers(self) -> int:
        """They may come and go. The scheduler is not asked for each batch, nor waited for when it is lost."""
        if time.monotonic() - self._counted > POLL_SECONDS:
            with suppress(Exception):  # its end is seen by the futures
                found = self.client.sync(self.client.scheduler.identity, callback_timeout=POLL_SECONDS)
                self._n_workers = len(found["workers"])
            self._counted = time.monotonic()
        return self._n_workers

    def _lost(self, why: str) -> ClusterLost:
        self.lost = why
        return ClusterLost()

    def send(self, what: object, build: Callable[[], Builder]) -> str:
        """Give every worker, and those that come later, what members are computed by; the name of it.

        what: what that belongs to, of which there is one. build: makes what is sent.
        """
        if id(what) not in self._sent:
            payload = pickle.dumps(build())
            key = hashlib.sha256(payload).hexdigest()
            log.info("%d kB are sent to each worker, once", len(payload) // 1000)
            self._deliver(key, payload)
            self._sent[id(what)] = what, key
        return self._sent[id(what)][1]

    def take_back(self) -> None:
        """Workers forget what they were sent."""
        if self.lost or self.client.status != "running":
            return
        with suppress(Exception):  # the cluster may go at any moment, and then nothing is left of it
            for _, key in self._sent.values():
                self.client.unregister_worker_plugin(_name_of(key))

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

    def answers(
        self, key: str, request: Any, described: Callable[[list[int]], Any], numbers: Sequence[int], chunk: int
    ) -> Generator[Answer]:
        """What becomes of members.

        Parameters
        ----------
        key
            What `send` has called what they are computed by.
        request
            What is built of that.
        described
            Gives what is sent of the members with some numbers.
        numbers
            Of the members.
        chunk
            How many of them are a batch.

        Yields
        ------
        Answer
            As they finish. Closing the iterator cancels what runs elsewhere.

        Raises
        ------
        ClusterLost
            The scheduler is gone.
        """
        waiting, suspects = deque(chunks_of(numbers, chunk)), deque[list[int]]()
        flying: dict[Any, list[int]] = {}
        alone = False
        try:
            while waiting or flying or suspects:
                if not waiting and not flying:
                    # Who waited at a worker that another member has killed is as suspect as that: each goes alone.
                    waiting.append(suspects.popleft())
                    alone = True
                while waiting and len(flying) < (1 if alone else AHEAD * self.n_workers):
                    some = waiting.popleft()
                    # Pure calls that are alike are one to Dask, and their results would be shared.
                    future = self.client.submit(run_batch, key, request, described(some), pure=False)
                    flying[future] = some
                for future in self._finished(list(flying)):
                    some = flying.pop(future)
                    for answer in self._collected(future, some):
                        if answer.error is not None and len(some) > 1:
                            waiting.append([answer.number])
                        elif answer.lost and not alone:
                            suspects.append([answer.number])
                        else:
                            yield answer
        finally:
            if flying and not self.lost:
                with suppress(Exception):
                    self.client.cancel(list(flying), force=True)

    def search_all(
        self, key: str, request: Any, points: FloatArray, numbers: Sequence[int], chunk: int
    ) -> Generator[StartOutcome]:
        """Searches from the points [n, P] with these numbers: as `answers`, and as `start_pool.search_all`."""
        with closing(self.answers(key, request, lambda some: points[some], numbers, chunk)) as answers:
            for one in answers:
                k, u = one.number, points[one.number]
                if one.lost:
                    yield StartOutcome(k, u, None, str(one.error), math.nan, True)
                elif one.error is not None:
                    yield raised(one.error, k, u)
                else:
                    failure = None if np.isfinite(one.result.value) else one.result.message
                    yield StartOutcome(k, u, one.result, failure, one.seconds)

    def _finished(self, futures: list[Any]) -> list[Any]:
        """Those that are at their ends, one at least. Raises ClusterLost."""
        from distributed import wait

        while True:
            self._check(futures)
            done = [f for f in futures if f.status in ("finished", "error")]
            if done:
                return done
            with suppress(TimeoutError, _cancelled()), self.client.as_current():
                wait(futures, timeout=POLL_SECONDS, return_when="FIRST_COMPLETED")

    def _check(self, futures: list[Any]) -> None:
        """Raises ClusterLost where nothing will come of them."""
        # What is "lost" was finished by a worker that is lost since, and is computed anew.
        if self.client.status != "running" or any(f.status == "cancelled" for f in futures):
            raise self._lost("the scheduler of the cluster is lost")
        if self._workers():
            self._alone_since = math.inf
            return
        self._alone_since = min(self._alone_since, time.monotonic())
        if time.monotonic() - self._alone_since > NO_WORKERS_SECONDS:
            raise self._lost("the cluster has lost all its workers, and no other has come")

    def _collected(self, future: Any, some: Sequence[int]) -> list[Answer]:
        from distributed import KilledWorker

        try:
            results, seconds = self._result(future)
        except KilledWorker as error:
            times = 1 + int(getattr(error, "allowed_failures", 0))
            cause = WorkerLost(f"its worker was lost, {times} times one after the other")
            log.info("members %s: %s", ", ".join(str(k + 1) for k in some), cause)
            return [Answer(k, None, cause, math.nan) for k in some]
        except _cancelled():
            raise self._lost("the scheduler of the cluster is lost") from None
        except Exception as error:  # whatever a member raises must not end the others
            return [Answer(k, None, error, math.nan) for k in some]
        finally:
            future.release()
        return [Answer(k, result, None, seconds / len(some)) for k, result in zip(some, results, strict=True)]

    def _result(self, future: Any) -> tuple[list[Any], float]:
        """Of a batch that is finished. The worker that has it may be lost before it is here: then it is computed anew.

        Raises what the batch has raised.
        """
        while True:
            try:
                found: tuple[list[Any], float] = future.result(timeout=POLL_SECONDS)
                return found
            except TimeoutError:
                if future.status == "error":
                    raise
                self._check([future])


def in_order(answers: Generator[Answer], numbers: Sequence[int]) -> Generator[list[Answer]]:
    """Those that continue the order of the numbers, whenever there is news. Raises what a member has raised."""
    waiting, left = dict[int, Answer](), deque(numbers)
    with closing(answers):
        for answer in answers:
            if answer.error is not None and not answer.lost:
                raise answer.error
            waiting[answer.number] = answer
            ready = []
            while left and left[0] in waiting:
                ready.append(waiting.pop(left.popleft()))
            yield ready


def _cancelled() -> type[BaseException]:
    from concurrent.futures import CancelledError

    return CancelledError


def _name_of(key: str) -> str:
    return f"odefit-{key[:16]}"


def _delivery(key: str, payload: bytes) -> Any:
    """A plugin that gives a worker what members are computed by."""
    from distributed import WorkerPlugin

    class Delivery(WorkerPlugin):  # type: ignore[misc]
        def __init__(self) -> None:
            self.name = _name_of(key)

        def setup(self, worker: Any) -> None:
            del worker
            deliver(key, payload)

        def teardown(self, worker: Any) -> None:
            del worker
            take_back(key)

    return Delivery()


# --- in the process of a worker

_payloads: dict[str, bytes] = {}
_builders: dict[str, Callable[[Any], Compute]] = {}
_built: dict[tuple[str, bytes], Compute] = {}
_one_at_a_time = threading.Lock()
MOST_KEPT = 16
"""Of what requests have built, in a worker."""


def deliver(key: str, payload: bytes) -> None:
    """Keep what members are computed by. Raises ValueError where it is not what its name says."""
    if hashlib.sha256(payload).hexdigest() != key:
        raise ValueError("what came is not what was sent")
    _payloads[key] = payload


def take_back(key: str) -> None:
    """Forget what members of this name were computed by. A batch that is under way is not waited for."""
    _payloads.pop(key, None)
    _builders.pop(key, None)
    for name in [name for name in list(_built) if name[0] == key]:
        _built.pop(name, None)


def run_batch(key: str, request: Any, described: Any) -> tuple[list[Any], float]:
    """The results of a batch, and how many seconds they took."""
    with _one_at_a_time:  # a compiled program has one memory
        begun = time.perf_counter()
        name = key, pickle.dumps(request)
        if name not in _built:
            if key not in _builders:
                _builders[key] = pickle.loads(_payloads[key])()  # noqa: S301 - the client's own, checked by its hash
            while len(_built) >= MOST_KEPT:
                del _built[next(iter(_built))]
            _built[name] = _builders[key](request)
        if isinstance(described, np.ndarray):
            described = np.array(described)  # what came lies in memory that may not be written to
        results = list(_built[name](described))
        return results, time.perf_counter() - begun
