"""A bound on what a method without a floor under its steps may cost, before it is let loose.

diffsol has no limit on the number of steps, cannot be interrupted, and does not say how many steps a solution with
sensitivities took. So such a method goes 1e-6, 1e-5, ..., 1e-1 of the way first, with the states alone, whose steps are
counted, and ends where ten times the steps of the last part would be more than MAX_STEPS. Sensitivities, which may
need smaller steps, show in the states next to the ones that are asked for: these are followed as well (`_beside`).
What decides is a number of steps and never a clock: results do not depend on how busy the machine is.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.engines.diffsol.program import Program
from odefit.engines.diffsol.request import Request
from odefit.engines.failure import Failure, FailureReason

MAX_STEPS = 100_000
"""Of one solution by a method without a floor under its steps."""
MAX_STEPS_BESIDE = 1_000_000
"""Of the states beside it: their tolerance is a hundred times smaller, which at low order takes several times more."""
# By how much parameters are moved to see what their sensitivities do: in parts of themselves, or at zero of their unit.
_NUDGE = 1e-2
_TRUSTED_FACTOR = 4.0


class TrustedRegion:
    """The parameters, and the longest span, for which a method has been seen to finish in reasonable time."""

    def __init__(self, low: FloatArray | None = None, high: FloatArray | None = None, span: float = 0.0) -> None:
        self.low, self.high, self.span = low, high, span

    def holds(self, p: FloatArray, span: float) -> bool:
        if self.low is None or self.high is None or span > 2 * self.span:
            return False
        size = np.abs(p)
        near = (size >= self.low / _TRUSTED_FACTOR) & (size <= self.high * _TRUSTED_FACTOR)
        return bool(near.all())

    def include(self, p: FloatArray, span: float) -> None:
        size = np.abs(p)
        self.low = size if self.low is None else np.minimum(self.low, size)
        self.high = size if self.high is None else np.maximum(self.high, size)
        self.span = max(self.span, span)

    def copy(self) -> TrustedRegion:
        return TrustedRegion(self.low, self.high, self.span)


def excessive(program: Program, p: FloatArray, request: Request) -> Failure | None:
    """The failure of a solution that would take too many steps; None where it is worth trying.

    program: takes parameters p [L] as its inputs make them.
    """
    parts = [replace(request, times=np.array([request.start + request.span * 10.0**-k])) for k in range(6, 0, -1)]
    if _grows_beyond(MAX_STEPS, program, p, parts):
        return _too_many(request, MAX_STEPS)
    if request.sensitivities and _grows_beyond(MAX_STEPS_BESIDE, program, *_beside(p, program.sizes, parts)):
        return _too_many(request, MAX_STEPS)
    return None


def _grows_beyond(most: int, program: Program, p: FloatArray, parts: list[Request]) -> bool:
    """Whether the steps of the whole way would be more than `most`, judged by each of its growing parts."""
    steps = 0.0
    for part in parts:
        before, steps = steps, program.count_steps(program.inputs(p, part), part)
        if not math.isfinite(steps):
            return False  # it fails, and will say so itself
        if 10 * (steps - before) > most:
            return True
    return False


def _beside(p: FloatArray, sizes: FloatArray, parts: list[Request]) -> tuple[FloatArray, list[Request]]:
    """Parameters next to p, and tolerances at which a nudge is followed as exactly as a sensitivity would be.

    sizes: [L] what is a large parameter, for those that are 0.

    y(p + d) = y(p) + d dy/dp: where the sensitivities oscillate, so does this, even if y itself is at rest; and to
    control d dy/dp to d (rtol |dy/dp| + atol) is to control dy/dp to rtol and atol.
    """
    rtol, atol = (
        max(_NUDGE * value, least) for value, least in ((parts[0].rtol, 1e-13), (parts[0].atol, np.finfo(float).tiny))
    )
    return np.where(p == 0, _NUDGE * sizes, p * (1 + _NUDGE)), [replace(part, rtol=rtol, atol=atol) for part in parts]


def _too_many(request: Request, most: int) -> Failure:
    return Failure(FailureReason.TOO_MANY_STEPS, subject=f"{request.method} would take more than {most:,} steps")
