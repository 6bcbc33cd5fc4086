"""What is asked of diffsol in one integration, with all numbers that follow from it."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from odefit.arrays import FloatArray
from odefit.engines.base import times_fault
from odefit.engines.diffsol.diffsl import MUTED
from odefit.engines.failure import Failure
from odefit.engines.methods import METHODS
from odefit.records import dataclass

# The event comes after this part of the time span (or of the time itself, if that is large).
_EVENT = 1e-9
_EVENT_LARGE = 1e-13
# The end that bdf is given, in time spans; its steps grow tenfold at most.
_FAR = 20.0
# The smallest step of tsit45, in parts of the time span: it bounds the number of steps. Under `auto` the stiff method
# takes over there. An implicit method may take steps of any size.
_FLOOR = 1e-6
_FLOOR_AUTO = 1e-5
_FLOOR_IMPLICIT = 1e-22


@dataclass(frozen=True)
class Request:
    """From `start` to the last of `times` [T] (increasing, none before it); made once for many solutions.

    Attributes
    ----------
    sensitivities
        Whether derivatives to the program's inputs are wanted too.
    is_auto
        Whether another method follows where this one needs too many steps: the floor is higher then.
    offset
        What to add to a time before a user reads it.
    end, span
        The last of the times, and from the start to there.
    final
        The end that the solver is given.
    event, last
        What the program takes behind its parameters: when the event comes that ends the integration, a little after the
        last time; and the last time.
    floor
        The smallest step.
    stops
        [T + 1] the times, and the end that the solver is given.
    fault
        Why nothing can be integrated over these times.
    """

    method: str
    start: float
    times: FloatArray
    rtol: float
    atol: float
    sensitivities: bool
    is_auto: bool = False
    offset: float = 0.0
    sensitivity_rtol: float | None = None
    sensitivity_atol: float | None = None
    end: float = field(init=False)
    span: float = field(init=False)
    final: float = field(init=False)
    event: float = field(init=False)
    last: float = field(init=False)
    floor: float = field(init=False)
    stops: FloatArray = field(init=False)
    fault: Failure | None = field(init=False)

    @property
    def is_bounded(self) -> bool:
        """Whether the floor bounds the number of steps."""
        return not METHODS[self.method].is_implicit

    def __post_init__(self) -> None:
        end = float(self.times[-1])
        span = end - self.start
        delay = _EVENT * span + _EVENT_LARGE * max(abs(self.start), abs(end))
        final = end + 2 * delay + (_FAR * span if self.method == "bdf" else 0.0)
        if self.is_bounded:
            # Tight tolerances make steps shorter without making the equations stiff; tsit45 is of order 5.
            tight = min(1.0, (self.rtol / 1e-6) ** 0.2)
            floor = span * tight * (_FLOOR_AUTO if self.is_auto else _FLOOR)
        else:
            floor = max(_FLOOR_IMPLICIT * span, 4 * float(np.finfo(np.float64).eps) * abs(self.start))
        derived = {"end": end, "span": span, "final": final, "floor": float(floor)}
        derived |= {"event": (end + delay) * MUTED, "last": end * MUTED}
        for name, value in derived.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "stops", np.append(self.times, final))
        object.__setattr__(self, "fault", times_fault(self.times, self.start))
