"""The process that talks to trackers: messages come on standard input, signs of life go to standard output.

Each tracker has a thread, so that none waits for another. Its lines are `alive NAME` after whatever it has done,
`fault NAME: WORDS` when it failed and gets nothing more, `ended NAME` when it is through.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, Protocol

from odefit.tracking.messages import Message, Metrics, message_of

TOGETHER = 500
"""Messages of metrics that go to a tracker at once, where they have come in meanwhile."""

Waiting = queue.SimpleQueue[Message | None]


class Sink(Protocol):
    """A tracker."""

    def take(self, messages: list[Message]) -> None:
        """Keep these: metrics, or one of another kind. Raises whatever the tracker raises."""


def makers_of(wanted: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[], Sink]]]:
    """What makes each tracker that is wanted, by its name."""
    if wanted.get("tensorboard"):
        yield "TensorBoard", lambda: _tensorboard(wanted["tensorboard"])
    if wanted.get("mlflow"):
        yield "MLflow", lambda: _mlflow(wanted["mlflow"], wanted["experiment"])
    if wanted.get("wandb"):
        yield "Weights & Biases", lambda: _wandb(wanted["wandb"])


def _tensorboard(folder: str) -> Sink:
    from odefit.tracking.tensorboard import TensorBoard

    return TensorBoard(folder)


def _mlflow(address: str, experiment: str) -> Sink:
    from odefit.tracking.mlflow import MLflow

    return MLflow(address, experiment)


def _wandb(project: str) -> Sink:
    from odefit.tracking.wandb import WeightsAndBiases

    return WeightsAndBiases(project)


def main() -> None:
    """Read messages to the end of standard input, and wait until every tracker has them."""
    answers = Answers(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)  # what a library prints is no answer
    logging.disable(logging.CRITICAL)
    wanted = json.loads(sys.stdin.readline())
    queues: list[Waiting] = []
    threads = []
    for name, make in makers_of(wanted):
        queues.append(queue.SimpleQueue())
        threads.append(threading.Thread(target=_serve, args=(name, make, queues[-1], answers), daemon=True))
        threads[-1].start()
    for line in sys.stdin:
        message = message_of(line)
        for each in queues:
            each.put(message)
    for each in queues:
        each.put(None)
    for thread in threads:
        thread.join()


def _serve(name: str, make: Callable[[], Sink], waiting: Waiting, answers: Answers) -> None:
    try:
        sink = make()
        answers(f"alive {name}")
        for messages in batches_of(waiting):
            sink.take(messages)
            answers(f"alive {name}")
    except Exception as error:  # whatever a tracker raises
        answers(f"fault {name}: {reason_of(error)}")
    answers(f"ended {name}")


def reason_of(error: Exception) -> str:
    """What an error says first, in one line; SQLAlchemy has a remark in brackets before it."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    said = [line for line in lines if not (line.startswith("(") and line.endswith(")"))] or lines
    return (said[0] if said else type(error).__name__)[:300]


def batches_of(waiting: Waiting) -> Iterator[list[Message]]:
    """The messages in their order: all metrics that wait together, all others one by one. Ends with the None."""
    together: list[Message] = []
    while True:
        message = waiting.get()
        if isinstance(message, Metrics):
            together.append(message)
            if len(together) < TOGETHER and not waiting.empty():
                continue
        if together:
            yield together
            together = []
        if message is None:
            return
        if not isinstance(message, Metrics):
            yield [message]


class Answers:
    """Lines to the fit's process, which may be gone: what came in is kept all the same."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._lock = stream, threading.Lock()

    def __call__(self, line: str) -> None:
        """Say a line."""
        with self._lock:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except OSError:
                return


if __name__ == "__main__":
    main()
