"""How many samples or draws go on together between two looks at the time, and when their files are due."""

from __future__ import annotations

import time
from dataclasses import field

from odefit.records import dataclass


@dataclass
class Pace:
    """The rounds of work that can be stopped after each.

    Attributes
    ----------
    amount
        How many the next round has; at first a guess, then as many as take `round_seconds`, and less before `until`.
    round_seconds
        How long a round takes: what an interruption may lose.
    write_seconds
        Between one writing of the files and the next.
    until
        When to end in any case, by `time.monotonic`; None: never.
    """

    amount: int
    round_seconds: float
    write_seconds: float
    until: float | None
    _begun: float = field(default_factory=time.monotonic)
    _written: float = field(default_factory=time.monotonic)

    @property
    def is_over(self) -> bool:
        return self.until is not None and time.monotonic() >= self.until

    def begin(self) -> None:
        """A round begins."""
        self._begun = time.monotonic()

    def end(self, number: int) -> bool:
        """It is over, with so many done; whether the files are to be written now."""
        now = time.monotonic()
        room = self.round_seconds if self.until is None else min(self.round_seconds, max(self.until - now, 0.0))
        self.amount = max(1, int(room * number / max(now - self._begun, 1e-9)))
        is_due = now - self._written > self.write_seconds
        if is_due:
            self._written = now
        return is_due
