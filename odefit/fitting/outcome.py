"""What every way of fitting hands over: the parameters that it found, and how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from odefit.arrays import FloatArray
from odefit.runs.results import Starts
from odefit.runs.tables import Table
from odefit.status import Status


@dataclass(frozen=True)
class FitOutcome:
    """theta: [N] natural values. weights: the networks' tensors by name, or None.

    alternatives: where other starts reached the same objective, [N] each.
    """

    theta: FloatArray
    status: Status
    message: str
    method: str
    history: Table
    starts: Starts = field(default_factory=Starts)
    start_table: Table | None = None
    frames: Table | None = None
    weights: Mapping[str, Any] | None = None
    n_weights: int = 0
    warnings: tuple[str, ...] = ()
    alternatives: tuple[FloatArray, ...] = ()
