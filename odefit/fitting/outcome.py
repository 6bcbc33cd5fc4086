"""What every way of fitting hands over: the parameters that it found, and how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from odefit.arrays import FloatArray
from odefit.fitting.solver_accuracy import SolverEffect
from odefit.records import dataclass
from odefit.runs.results import Starts
from odefit.runs.tables import Table
from odefit.status import Status


@dataclass(frozen=True)
class FitOutcome:
    """What a strategy hands over, whether it searched from starts or trained.

    Attributes
    ----------
    theta
        [N] natural values.
    status, message
        How it ended, and the sentence that says why.
    method
        The name of the fitting method.
    history
        The objective or the loss on the way.
    starts, start_table
        How many starts there were, and how each of them ended; None where there was one.
    frames
        Curves on the way, for an animation.
    weights
        The networks' tensors by name; None where there is no network. n_weights: how many numbers these are.
    warnings
        Sentences that a user should read before the numbers.
    alternatives
        [N] each, where other starts reached the same objective.
    left
        What the certificate of the optimum leaves to gain, in units of the objective; None where there is none.
    tightened
        What the solver's tolerances were divided by in the end, because they limited the fit.
    effect
        What a tenth of these tolerances would change; None where nobody has looked.
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
    left: float | None = None
    tightened: int = 1
    effect: SolverEffect | None = None
