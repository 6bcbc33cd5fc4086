"""run.log: what a fit did and when, in the run folder.

Standard logging: the loggers are `odefit.…`, a handler of this run's own is added to `odefit` while it lasts.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from odefit.runs.folder import LOG
from odefit.runs.progress import Progress

LOGGER = logging.getLogger("odefit")
FORMAT = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s")


class _Handler(logging.FileHandler):
    """Of the records of one thread, since every fit runs in one; what cannot be written is not worth ending it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8")
        self.setLevel(logging.INFO)
        self.setFormatter(FORMAT)
        thread = threading.get_ident()
        self.addFilter(lambda record: record.thread == thread)

    def handleError(self, record: logging.LogRecord) -> None:
        del record


@contextmanager
def run_log(folder: Path) -> Iterator[None]:
    """Append what is logged to the folder's run.log. Raises OSError as the system gave it."""
    handler = _Handler(folder / LOG)
    level = LOGGER.level
    LOGGER.addHandler(handler)
    if LOGGER.getEffectiveLevel() > logging.INFO:
        LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOGGER.setLevel(level)
        LOGGER.removeHandler(handler)
        with suppress(OSError):  # the disk is full
            handler.close()


class Logged:
    """A Progress that also logs what it is told, but for the stages' single steps."""

    def __init__(self, inner: Progress) -> None:
        self.inner = inner

    def note(self, sentence: str) -> None:
        LOGGER.info("note: %s", sentence, extra={"told": True})
        self.inner.note(sentence)

    def now(self, what: str) -> None:
        if hasattr(self.inner, "now"):  # a user's own Progress need not listen to this
            self.inner.now(what)

    def begin(self, what: str, total: int) -> None:
        LOGGER.info("%d %s begin", total, what)
        self.inner.begin(what, total)

    def epoch(self, number: int, loss: float, estimates: Mapping[str, float]) -> None:
        self.inner.epoch(number, loss, estimates)

    def start(self, finished: int, failed: int, best: float, at_best: int, why: str) -> None:
        self.inner.start(finished, failed, best, at_best, why)

    def part(self, done: int, text: str) -> None:
        if hasattr(self.inner, "part"):
            self.inner.part(done, text)

    def end(self) -> None:
        self.inner.end()
