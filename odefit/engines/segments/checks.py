"""What cannot be solved in segments, by a system or by numbers; and which transitions are felt."""

from __future__ import annotations

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.engines.failure import Failure, FailureReason, IntegrationError
from odefit.engines.segments.schedule import Transition
from odefit.errors import ModelError
from odefit.model.system import NetworkCall, System


def is_felt(what: Transition) -> bool:
    """Whether states jump, or an infusion ends at a time that moves."""
    return max(what.event, what.state, what.stretched_by) >= 0


def check(system: System) -> None:
    """Raises ModelError for a network where there must be a formula."""
    formulas = [*system.start, *(part for event in system.events for part in (event.time, *event.changes.values()))]
    formulas += [formula for trigger in system.triggers for formula in trigger.formulas]
    formulas += [] if system.dosing is None else system.dosing.formulas
    calls = {str(call.args[0]) for formula in formulas for call in sp.sympify(formula).atoms(NetworkCall)}
    if calls:
        raise ModelError("model", f"the network '{min(calls)}' can only stand in equations and observables here")


def check_numbers(system: System, p: FloatArray) -> None:
    """Raises IntegrationError for a number with which no engine can begin."""
    if not np.isfinite(p).all():
        bad = system.parameters[int(np.argmin(np.isfinite(p)))]
        raise IntegrationError(Failure(FailureReason.PARAMETER_NOT_FINITE, subject=bad))
