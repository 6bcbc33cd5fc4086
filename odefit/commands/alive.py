"""A sign of life beside what a command prints."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

import typer

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

PATIENCE, STEP = 0.7, 0.15
"""Seconds until a terminal shows a line, and between two looks of it."""
TURNS = "|/-\\"


def alive(doing: str) -> AbstractContextManager[object]:
    """Says that the command is at work, and since when: on a terminal in a line of its own that goes away at the end,
    elsewhere in a line now and then, on standard error."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        return Turning(doing, sys.stderr)
    from odefit.heartbeat import Heartbeat

    return Heartbeat(lambda line: typer.echo(line, err=True), doing)


class Turning:
    """A line of a terminal that moves while something is being done, and is gone afterwards.

    Parameters
    ----------
    doing
        What is being done.
    file
        The terminal.
    """

    def __init__(self, doing: str, file: TextIO) -> None:
        self.doing, self.file = doing, file
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._turn, daemon=True, name="turning")

    def __enter__(self) -> Turning:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _turn(self) -> None:
        begun = time.monotonic()
        if self._ended.wait(PATIENCE):
            return
        for sign in itertools.cycle(TURNS):
            self._write(f"\r{sign} {self.doing}, {time.monotonic() - begun:.0f} s\x1b[K")
            if self._ended.wait(STEP):
                break
        self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # a terminal that has gone
            self.file.write(text)
            self.file.flush()
