"""A line now and then from a program that would else be silent, so that whoever waits knows that it is alive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

EVERY = 9.0
"""Seconds of silence until there is a line."""


class Heartbeat:
    """Says what is being done whenever nothing else was said for a while.

    Parameters
    ----------
    say
        Prints a line; is called from another thread.
    doing
        What is being done at first.
    """

    def __init__(self, say: Callable[[str], None], doing: str) -> None:
        self.say, self.doing = say, doing
        self._begun = self._last = time.monotonic()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def spoke(self) -> None:
        """Something was said."""
        self._last = time.monotonic()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._beat, daemon=True, name="heartbeat")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(max(self._last + EVERY - time.monotonic(), 0.01)):
            now = time.monotonic()
            if now - self._last >= EVERY:
                self._last = now
                self.say(f"{now - self._begun:.0f} s: {self.doing}")
