"""Finished starts in the plain values of a checkpoint, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.optimizers.base import SearchOutcome
from odefit.optimizers.start_pool import StartOutcome
from odefit.runs.checkpoint import Memory
from odefit.status import Ending


def restored(memory: Memory, part: str, points: FloatArray) -> list[StartOutcome]:
    """The starts that were finished before, as far as they are starts of this search, from points [n, P]."""
    kept = [from_plain(plain) for plain in memory.restored(part) or []]
    return [r for r in kept if r.number < len(points) and np.array_equal(r.start, points[r.number])]


def as_plain(result: StartOutcome) -> dict[str, Any]:
    """For a checkpoint. `lost` is left out, since such a start is not kept."""
    plain = {key: getattr(result, key) for key in ("number", "start", "failure", "seconds")}
    outcome = result.outcome
    return plain | {"outcome": None if outcome is None else vars(outcome) | {"ending": outcome.ending.to_plain()}}


def from_plain(plain: Mapping[str, Any]) -> StartOutcome:
    """The inverse."""
    outcome = plain["outcome"]
    if outcome is not None:
        ending = Ending.from_plain(outcome["ending"])
        outcome = SearchOutcome(**{**outcome, "ending": ending, "history": tuple(outcome["history"])})
    return StartOutcome(**{**plain, "outcome": outcome})
