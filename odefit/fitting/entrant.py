"""One start of a race: where it is, and whether it goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from odefit.arrays import FloatArray
from odefit.fitting.kept_starts import as_plain, from_plain
from odefit.optimizers.base import SearchOutcome
from odefit.optimizers.start_pool import StartOutcome
from odefit.records import dataclass
from odefit.status import Reason

CREEPING = 0.01
"""Log-likelihood units that a search which goes on must gain to be ahead still: a hundredth of what decides."""

OF_WHAT_IS_LEFT = 0.03
"""The share of what it is behind the best that a search must gain at least."""

KEPT = ("rounds", "is_done", "twin", "is_drawn", "creeps")
"""What a checkpoint holds of an entrant, besides its result."""

UNFINISHED = (Reason.OUT_OF_STEPS, Reason.OUT_OF_CPU_TIME)
"""Ends of a search that could go on."""


@dataclass(frozen=True)
class Entrant:
    """One start of the race.

    Parameters
    ----------
    result
        Where it began, and where it is.
    rounds
        How many searches it has had.
    is_done
        Whether its search came to an end of its own.
    twin
        The number of the start at whose place it is; -1 for none.
    is_drawn
        Whether it began at random, and not where others had led.
    creeps
        Whether its last search, though it was not the first, gained next to nothing, or next to nothing of what it is
        behind: it goes on at the end only.
    """

    result: StartOutcome
    rounds: int = 1
    is_done: bool = False
    twin: int = -1
    is_drawn: bool = True
    creeps: bool = False

    def to_plain(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {**{name: getattr(self, name) for name in KEPT}, "result": as_plain(self.result)}

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Entrant:
        """The inverse."""
        return cls(**{**plain, "result": from_plain(plain["result"])})

    @property
    def goes_on(self) -> bool:
        """Whether there is more of it to be searched."""
        return not self.is_done and self.twin < 0

    @property
    def place(self) -> FloatArray:
        """Where it is, [P']."""
        return self.result.start if self.result.outcome is None else self.result.outcome.u

    @property
    def n_steps(self) -> int:
        """Steps tried so far, each of which takes a value."""
        return 0 if self.result.outcome is None else self.result.outcome.n_evaluations

    def further(self, later: StartOutcome, best: float = math.inf) -> Entrant:
        """After another search, from where it was; best: the lowest value of all."""
        before, more = self.result.outcome, later.outcome
        # Where it went on from has another value, by a digit that does not matter yet, if the solver has changed.
        begun = -math.inf if more is None or not more.history else more.history[0]
        if before is None or more is None or not more.value <= max(before.value, begun):
            # A search that died, or lost its way, leaves what there was before.
            return replace(self, rounds=self.rounds + 1, is_done=True)
        whole = replace(
            more,
            n_evaluations=before.n_evaluations + more.n_evaluations,
            n_gradients=before.n_gradients + more.n_gradients,
            history=(*before.history, *more.history[1:]),
        )
        result = replace(self.result, outcome=whole, seconds=self.result.seconds + later.seconds)
        creeps = more.history[0] - more.value < max(CREEPING, OF_WHAT_IS_LEFT * (more.value - best))
        return replace(self, result=result, rounds=self.rounds + 1, is_done=not is_unfinished(whole), creeps=creeps)


def is_unfinished(outcome: SearchOutcome | None) -> bool:
    """Whether a search that ended so could go on."""
    return outcome is not None and outcome.ending.reason in UNFINISHED and math.isfinite(outcome.value)
