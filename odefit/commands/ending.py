"""How a command ends that is asked to: by Ctrl-C, a batch system's signal, or its own limit of time."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable

from odefit.commands.errors import INTERRUPTED, TERMINATED

OUT_OF_TIME = 124
"""The exit code after --time-limit, as `timeout` has it."""
ASKED = {"SIGTERM": TERMINATED, "SIGUSR1": 128 + 10, "SIGUSR2": 128 + 12, "SIGALRM": OUT_OF_TIME}
"""Signals that ask for an end in good order, and the exit codes after it: a batch system's, and our own alarm."""
AGAIN_SECONDS = 0.01
CLOCK = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)")
SPAN = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([smhd]?)")
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST = 1e8
"""Seconds."""


class Endings:
    """From now on, signals that ask for an end interrupt the command as Ctrl-C does."""

    def __init__(self) -> None:
        self._asked: int | None = None
        self._is_lost = False
        for name, code in ASKED.items():
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._interrupting(code))
        if hasattr(signal, "setitimer"):
            self._others, sys.unraisablehook = sys.unraisablehook, self._unraisable

    def _interrupting(self, code: int) -> Callable[..., None]:
        def interrupt(*_: object) -> None:
            if self._asked is None or self._is_lost:  # a second one finds the orderly end under way
                self._asked, self._is_lost = self._asked or code, False
                raise KeyboardInterrupt

        return interrupt

    def _unraisable(self, what: sys.UnraisableHookArgs) -> None:
        """An interrupt that came while an object was deleted, where Python can raise nothing, comes again."""
        if not isinstance(what.exc_value, KeyboardInterrupt):
            self._others(what)
            return
        self._asked, self._is_lost = self._asked or INTERRUPTED, True
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)

    def code(self, code: int) -> int:
        """The exit code of a command that ends with this one: what interrupted it, if anything did."""
        return self._asked if self._asked is not None and code == INTERRUPTED else code

    def is_over(self, code: int) -> None:
        """There is nothing to be kept any more: a signal may end the process at once, with this code."""
        for name in ("SIGINT", *ASKED):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda *_: os._exit(code))


def seconds_of(text: str) -> float:
    """Seconds that `90`, `90m`, `1.5h`, `1:30:00` or `1-12:00:00` says. Raises ValueError."""
    if (clock := CLOCK.fullmatch(text.strip())) is not None:
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        found = float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
    elif (span := SPAN.fullmatch(text.strip())) is not None:
        found = float(span[1]) * SECONDS[span[2]]
    else:
        raise ValueError(f"'{text}' is no time: write seconds, 90m, 1.5h, 1:30:00 or 1-12:00:00")
    if not 0 < found <= LONGEST:
        raise ValueError(f"'{text}' is no time that could pass: it must be above 0, and {LONGEST:g} seconds at most")
    return found


def end_within(seconds: float | None) -> None:
    """Ask for an orderly end when this much time has passed from now on; None: never."""
    if seconds is not None:
        signal.setitimer(signal.ITIMER_REAL, seconds)
