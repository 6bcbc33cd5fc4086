"""What the workers of a cluster get, once, and what they do with it: the batches of members that a client sends.

A worker may have joined later, with other versions than those of the client or without odefit at all. So what it gets
is code by its value, which asks for odefit only after a look around, and answers with a sentence where it is of no use.
"""

from __future__ import annotations

import hashlib
import pickle
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

Compute = Callable[[Any], Sequence[Any]]
"""The results of a batch, one of each member, by what describes the batch."""
Builder = Callable[[], Callable[[Any], Compute]]
"""What is sent: on a worker it makes what builds a `Compute` by a request."""
Look = Callable[[], tuple[str, str]]
"""What a worker finds when it looks around: why it is of no use, and what should be known though it is; else empty."""
Replied = tuple[list[Any] | None, float, str, str]
"""The results of a batch, None where there are none; the seconds; the worker; why there are none, or what is known."""

NOTHING_THERE = "has not got what it needs"
MOST_KEPT = 16
"""Of what requests have built, in a worker."""

_builders: dict[str, Callable[[Any], Compute]] = {}
_built: dict[tuple[str, bytes], Compute] = {}
_one_at_a_time = threading.Lock()


def delivery(name: str, key: str, payload: bytes, look: Look | None) -> Any:
    """A plugin by which each worker, also one that joins later, gets what members are computed by.

    Parameters
    ----------
    name
        Of the plugin.
    key
        The hash of the payload.
    payload
        A `Builder`, pickled.
    look
        Is called on each worker: code that needs no odefit there. None: all are of use.
    """
    from distributed import WorkerPlugin

    class Delivery(WorkerPlugin):  # type: ignore[misc]
        def __init__(self) -> None:
            self.name = name

        def setup(self, worker: Any) -> None:
            self.address = worker.address
            self.unfit, self.known = ("", "") if look is None else look()

        def teardown(self, worker: Any) -> None:
            del worker
            if not self.unfit:
                from odefit.optimizers.cluster_worker import take_back

                take_back(key)

        def compute(self, request: bytes, described: bytes) -> Replied:
            if self.unfit:
                return None, 0.0, self.address, self.unfit
            from odefit.optimizers.cluster_worker import run_batch

            results, seconds = run_batch(key, payload, request, described)
            return results, seconds, self.address, self.known

    return Delivery()


def asking(name: str) -> Callable[[bytes, bytes], Replied]:
    """What a task calls, by the plugin of this name: with the request and what describes its batch, both pickled."""
    nothing_there = NOTHING_THERE

    def ask(request: bytes, described: bytes) -> Replied:
        from distributed import get_worker

        worker = get_worker()
        plugin: Any = worker.plugins.get(name)
        if plugin is None:
            return None, 0.0, worker.address, nothing_there
        found: Replied = plugin.compute(request, described)
        return found

    return ask


def take_back(key: str) -> None:
    """Forget what the payload with this hash has built. A batch that is under way is not waited for."""
    _builders.pop(key, None)
    for name in [name for name in list(_built) if name[0] == key]:
        _built.pop(name, None)


def run_batch(key: str, payload: bytes, request: bytes, described: bytes) -> tuple[list[Any], float]:
    """The results of a batch, and how many seconds they took. Raises ValueError where the hash is not the key."""
    with _one_at_a_time:  # a compiled program has one memory
        begun = time.perf_counter()
        name = key, request
        if name not in _built:
            if key not in _builders:
                if hashlib.sha256(payload).hexdigest() != key:
                    raise ValueError("what came is not what was sent")
                # The client's own, checked by its hash.
                _builders[key] = pickle.loads(payload)()  # noqa: S301
            while len(_built) >= MOST_KEPT:
                del _built[next(iter(_built))]
            _built[name] = _builders[key](pickle.loads(request))  # noqa: S301
        results = list(_built[name](pickle.loads(described)))  # noqa: S301
        return results, time.perf_counter() - begun
