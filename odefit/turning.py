"""A line of a terminal that moves while something is being done."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self, TextIO

from odefit.text import clip

PATIENCE, STEP = 0.7, 0.15
"""Seconds until there is a line, and between two looks of it."""
TURNS = "|/-\\"
COLUMNS = 80
"""Of a terminal that does not say how wide it is."""


def is_live(file: TextIO) -> bool:
    """Whether lines of this file can move: it is a terminal, and one that knows how to."""
    return file.isatty() and os.environ.get("TERM") != "dumb"


class Turning:
    """Says what is being done, and since when; the line is gone afterwards.

    Parameters
    ----------
    doing
        What is being done at first.
    file
        The terminal.
    """

    def __init__(self, doing: str, file: TextIO) -> None:
        self.doing, self.file = doing, file
        self.hidden = False
        self._ended, self._lock, self._shown = threading.Event(), threading.Lock(), False
        self._thread = threading.Thread(target=self._turn, daemon=True, name="turning")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @contextmanager
    def aside(self, hidden: bool | None = None) -> Iterator[None]:
        """Room for lines of others; hidden: whether it stays away from then on."""
        with self._lock:
            self._clear()
            self.hidden = self.hidden if hidden is None else hidden
            yield

    def _turn(self) -> None:
        begun = time.monotonic()
        if self._ended.wait(PATIENCE):
            return
        for sign in itertools.cycle(TURNS):
            with self._lock:
                if not self.hidden:
                    since = f", {time.monotonic() - begun:.0f} s"
                    doing = clip(self.doing, max(self._columns - len(since) - 3, 1))
                    self._write(f"\r{sign} {doing}{since}\x1b[K")
                    self._shown = True
            if self._ended.wait(STEP):
                break
        with self._lock:
            self._clear()

    @property
    def _columns(self) -> int:
        """How wide the terminal is now; a line that it breaks could not be taken back."""
        with suppress(OSError, ValueError):
            return os.get_terminal_size(self.file.fileno()).columns or COLUMNS
        return COLUMNS

    def _clear(self) -> None:
        if self._shown:
            self._write("\r\x1b[K")
            self._shown = False

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # a terminal that has gone
            self.file.write(text)
            self.file.flush()
