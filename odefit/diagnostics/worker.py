"""A process that works for this one, and that can be stopped: a solver that hangs must not hang the program.

A compiled solver holds Python's lock while it works, so no thread and no signal could end it.
"""

from __future__ import annotations

import signal
import time
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from odefit.compilation.program_cache import WithPrograms
from odefit.errors import SolveError
from odefit.optimizers import start_pool

START_LIMIT = 120.0
"""The seconds within which the process must have started."""

T = TypeVar("T")


class Stopped(Exception):
    """The process was stopped, or died; the next task gets a new one."""


class Worker:
    """Runs tasks, one after the other, on what `build` makes in the process; both must be importable there.

    >>> with Worker(build) as bench:                   # doctest: +SKIP
    ...     for item in bench.stream(task, seconds=3.0):
    ...         print(item)
    """

    def __init__(self, build: Callable[[], Any]) -> None:
        self._build = build
        self._process: Any = None
        self._connection: Connection | None = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def start(self) -> None:
        """Start the process where there is none, and wait until it is ready. Raises Stopped."""
        if self._connection is not None:
            return
        context: Any = start_pool.worker_context()
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, WithPrograms(self._build)), daemon=True)
        process.start()
        theirs.close()
        self._connection, self._process = ours, process
        self._receive(time.perf_counter() + START_LIMIT)

    def stream(self, task: Callable[[Any], Iterator[T]], seconds: float) -> Iterator[T]:
        """What task(subject) yields, as it comes. Raises SolveError with what the task raised, and Stopped."""
        self.start()
        limit = time.perf_counter() + seconds
        assert self._connection is not None  # start sees to it
        self._connection.send(task)
        while True:
            kind, content = self._receive(limit)
            if kind == "end":
                return
            if kind == "error":
                raise SolveError(content)
            yield content

    def _receive(self, limit: float) -> tuple[str, Any]:
        assert self._connection is not None
        try:
            if self._connection.poll(max(limit - time.perf_counter(), 0.0)):
                message: tuple[str, Any] = self._connection.recv()
                return message
            why = "stopped: it took too long"
        except (EOFError, OSError):
            why = "the process in which it ran died"
        self._stop()
        raise Stopped(why)

    def _stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._process.kill()
            self._process.join()
        self._connection, self._process = None, None


def _serve(connection: Connection, build: Callable[[], Any]) -> None:
    """The process: build, then one task after the other until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's to handle
    warnings.simplefilter("ignore")  # what there is to say is said in what is sent
    subject = build()
    connection.send(("ready", None))
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        try:
            for item in task(subject):
                connection.send(("item", item))
            connection.send(("end", None))
        except Exception as error:  # told there
            connection.send(("error", str(error) or type(error).__name__))
