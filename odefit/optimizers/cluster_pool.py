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
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.optimizers.cluster_worker import (
    NOTHING_THERE,
    Builder,
    Look,
    Replied,
    asking,
    delivery,
)
from odefit.optimizers.start_pool import StartOutcome, chunks_of, raised
from odefit.records import dataclass

log = logging.getLogger(__name__)

AHEAD = 2
"""Batches of each worker that are on their way."""
POLL_SECONDS = 1.0
"""How often the cluster is asked whether it is still there while nothing finishes."""
COUNT_SECONDS = 5.0
"""How often its workers are counted."""
TRIES = 10
"""To reach all workers, to fetch the results of a batch, and to send anew what a scheduler has forgotten."""
NO_WORKERS_SECONDS = 300.0
"""How long a cluster may be without any worker."""
BACK_SECONDS = 15.0
"""How long a connection to the scheduler may be broken."""


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
    look
        By which workers see whether they are of use; None: all are.
    note
        Is told what the user should know.

    Attributes
    ----------
    lost
        Why it is of no use any more; empty while it is.
    """

    def __init__(
        self,
        client: Any,
        batch: int | None = None,
        look: Look | None = None,
        note: Callable[[str], object] = log.info,
    ) -> None:
        self.client, self.batch, self.look, self.note = client, batch, look, note
        self.lost = ""
        self._sent: dict[int, tuple[object, str, bytes]] = {}
        self._counted, self._found, self._alone_since = -math.inf, ("not known yet",), math.inf
        self._unfit: set[str] = set()
        self._told: set[tuple[str, str]] = set()
        self._breaks = 0
        self._in_vain = Counter[tuple[int, ...]]()

    @property
    def n_workers(self) -> int:
        """Now, or COUNT_SECONDS ago; at least 1."""
        return max(len(self._workers()), 1)

    def _workers(self) -> list[str]:
        """The addresses of those that are of use.

        They may come and go. The scheduler is not asked for each batch, nor waited for when it is lost.
        """
        if time.monotonic() - self._counted > COUNT_SECONDS:
            with suppress(Exception):  # its end is seen by the futures
                found = self.client.sync(self.client.scheduler.identity, callback_timeout=POLL_SECONDS)
                self._found = tuple(found["workers"])
            self._counted = time.monotonic()
        return [address for address in self._found if address not in self._unfit]

    def _lost(self, why: str = "the scheduler of the cluster is lost") -> ClusterLost:
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
            self._sent[id(what)] = what, key, payload
        return self._sent[id(what)][1]

    def take_back(self) -> None:
        """Workers forget what they were sent."""
        if self.lost or self.client.status != "running":
            return
        with suppress(Exception):  # the cluster may go at any moment, and then nothing is left of it
            for _, key, _ in self._sent.values():
                self.client.unregister_worker_plugin(self._name_of(key))

    def _deliver(self, key: str, payload: bytes) -> None:
        """To all workers that there are and will be, whichever is lost meanwhile. Raises OSError."""
        for attempt in range(TRIES):
            try:
                self.client.register_plugin(delivery(self._name_of(key), key, payload, self.look))
                return
            except OSError:
                if attempt == TRIES - 1:
                    raise
                time.sleep(POLL_SECONDS)

    def _name_of(self, key: str) -> str:
        # Others may do the same on this cluster, and take back what is theirs when they are done.
        return f"odefit-{key[:16]}-{self.client.id}"

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
        ask, asked, alone = asking(self._name_of(key)), pickle.dumps(request), False
        try:
            while waiting or flying or suspects:
                if not waiting and not flying:
                    # Who waited at a worker that another member has killed is as suspect as that: each goes alone.
                    waiting.append(suspects.popleft())
                    alone = True
                while waiting and len(flying) < self._room(alone):
                    some = waiting.popleft()
                    flying[self._submitted(ask, asked, pickle.dumps(described(some)))] = some
                for future in self._finished(list(flying)):
                    some = flying.pop(future)
                    found = self._collected(future, some)
                    if found is None:
                        waiting.appendleft(some)
                        continue
                    for answer in found:
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

    def _room(self, alone: bool) -> int:
        """How many batches may be on their way."""
        if self._unfit and not self._workers():
            return 0
        return 1 if alone else AHEAD * self.n_workers

    def _submitted(self, ask: Callable[..., Any], request: bytes, described: bytes) -> Any:
        # Pure calls that are alike are one to Dask, and their results would be shared.
        settings: dict[str, Any] = {"pure": False}
        if self._unfit:  # a wish only: those that are named may be gone in a moment, and others come
            settings |= {"workers": self._workers(), "allow_other_workers": True}
        try:
            return self.client.submit(ask, request, described, **settings)
        except Exception:
            if self.client.status in ("running", "connecting"):
                raise
            raise self._lost() from None

    def _finished(self, futures: list[Any]) -> list[Any]:
        """Those of which nothing more will come, one at least unless there are none. Raises ClusterLost."""
        from distributed import wait

        while True:
            self._check()
            done = [f for f in futures if f.status in ("finished", "error", "cancelled")]
            if done or not futures:
                if not futures:
                    time.sleep(POLL_SECONDS)
                if any(f.status == "cancelled" for f in done):
                    self._begin_anew()
                return done
            with suppress(TimeoutError, _cancelled()), self.client.as_current():
                wait(futures, timeout=POLL_SECONDS, return_when="FIRST_COMPLETED")

    def _check(self) -> None:
        """Raises ClusterLost where nothing will come of what is on its way."""
        until = time.monotonic() + BACK_SECONDS
        while self.client.status == "connecting" and time.monotonic() < until:
            time.sleep(min(POLL_SECONDS, BACK_SECONDS) / 10)
        if self.client.status != "running":
            raise self._lost()
        if self._workers():
            self._alone_since = math.inf
            return
        self._alone_since = min(self._alone_since, time.monotonic())
        if time.monotonic() - self._alone_since > NO_WORKERS_SECONDS:
            raise self._lost("the cluster has lost all its workers, and no other has come")

    def _begin_anew(self) -> None:
        """At a scheduler that has forgotten what it had to do: others have restarted it, or the connection was broken.

        Raises ClusterLost.
        """
        self._breaks += 1
        if self._breaks > TRIES:
            raise self._lost("the cluster forgets what it is asked, again and again")
        log.info("the cluster has forgotten what was on its way: it is sent again")
        try:
            for _, key, payload in self._sent.values():
                self._deliver(key, payload)
        except OSError:
            raise self._lost() from None

    def _collected(self, future: Any, some: Sequence[int]) -> list[Answer] | None:
        """What has become of a batch; None where it must be computed again. Raises ClusterLost."""
        try:
            results, seconds, worker, said = self._result(future)
        except Exception as error:  # whatever a member raises must not end the others
            # How it was fetched may have failed instead, while the batch was on its way to its end once more.
            cause = future.exception(timeout=BACK_SECONDS) if future.status == "error" else None
            if cause is None:
                self._in_vain[tuple(some)] += future.status != "cancelled"  # others are counted in _begin_anew
                if self._in_vain[tuple(some)] < TRIES:
                    log.info("a result is fetched again: %s: %s", type(error).__name__, error)
                    return None
            return [Answer(k, None, self._cause(cause or error, some), math.nan) for k in some]
        finally:
            future.release()
        self._in_vain.pop(tuple(some), None)
        if results is None and said == NOTHING_THERE:
            self._begin_anew()
            return None
        self._say(worker, said, is_unfit=results is None)
        if results is None:
            return None
        return [Answer(k, result, None, seconds / len(some)) for k, result in zip(some, results, strict=True)]

    def _cause(self, error: Exception, some: Sequence[int]) -> Exception:
        from distributed import KilledWorker

        if not isinstance(error, KilledWorker):
            return error
        times = 1 + int(getattr(error, "allowed_failures", 0))
        cause = WorkerLost(f"its worker was lost, {times} times one after the other")
        log.info("members %s: %s", ", ".join(str(k + 1) for k in some), cause)
        return cause

    def _say(self, worker: str, said: str, is_unfit: bool) -> None:
        """Once of each worker."""
        if is_unfit:
            if worker not in self._unfit:
                self._counted = -math.inf  # batches go to workers by name from here on, also to those that came with it
            self._unfit.add(worker)
            said = f"is not used: {said}"
        if said and (worker, said) not in self._told:
            self._told.add((worker, said))
            self.note(f"the worker at {worker} {said}")

    def _result(self, future: Any) -> Replied:
        """Of a batch that is finished. The worker that has it may be lost before it is here: then it is computed anew.

        Raises what the batch has raised, and ClusterLost.
        """
        while True:
            try:
                found: Replied = future.result(timeout=POLL_SECONDS)
                return found
            except TimeoutError:
                if future.status == "error":
                    raise
                self._check()


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
