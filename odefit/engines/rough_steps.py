"""Steps of the method of Dormand and Prince, 5(4), for a rough solution that is cheap to begin.

SciPy has better, but importing it takes longer than such a solution.

References
----------
J. R. Dormand and P. J. Prince, "A family of embedded Runge-Kutta formulae" (1980).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from odefit.arrays import FloatArray
from odefit.records import dataclass

_NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_STAGES = [
    np.array(row)
    for row in (
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
        (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
    )
]
_ERROR = np.array((71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40))
_SAFETY, _LEAST, _MOST = 0.9, 0.2, 5.0
_SMALLEST = 1e-14
"""The smallest step, as a part of the way."""


@dataclass(frozen=True)
class Step:
    """An accepted step from `before` to `t`, with states [n] and their rates [n] at both ends.

    `evaluations`: of the equations so far.
    """

    before: float
    t: float
    y_before: FloatArray
    y: FloatArray
    f_before: FloatArray
    f: FloatArray
    evaluations: int

    def at(self, times: FloatArray) -> FloatArray:
        """The states at times within the step, [T, n], by the cubic through both ends."""
        h = self.t - self.before
        s = ((times - self.before) / h)[:, None]
        from_ends = (1 + 2 * s) * (1 - s) ** 2 * self.y_before + s**2 * (3 - 2 * s) * self.y
        from_rates: FloatArray = h * s * (1 - s) * ((1 - s) * self.f_before - s * self.f)
        return np.asarray(from_ends + from_rates)


def rough_steps(
    rates: Callable[[float, FloatArray], FloatArray],
    start: float,
    y: FloatArray,
    end: float,
    rtol: float,
    atol: FloatArray,
) -> Iterator[Step]:
    """The steps from `start` to `end`, with a relative and an absolute tolerance [n] per state.

    They stop early where the equations are not finite, however small the step.
    """
    f = rates(start, y)
    evaluations, t = 1, start
    h = min(_first_step(y, f, rtol, atol), end - start)
    while t < end and np.isfinite(f).all() and h > _SMALLEST * (end - start):
        stages = [f]
        for node, row in zip(_NODES[1:], _STAGES, strict=True):
            y_new = y + h * (row @ np.array(stages))
            stages.append(rates(t + node * h, y_new))
        evaluations += len(_STAGES)
        weight = atol + rtol * np.maximum(np.abs(y), np.abs(y_new))
        error = float(np.sqrt(np.mean(np.square(h * (_ERROR @ np.array(stages)) / weight))))
        if not np.isfinite(error):
            h *= _LEAST
            continue
        factor = min(_MOST, max(_LEAST, _SAFETY * max(error, 1e-10) ** -0.2))
        if error > 1 or not np.isfinite(stages[-1]).all():
            h *= min(factor, 0.5)
            continue
        new = end if end - t <= h * (1 + 1e-10) else t + h
        yield Step(t, new, y, y_new, f, stages[-1], evaluations)
        t, y, f = new, y_new, stages[-1]
        h = min(h * factor, end - t)


def _first_step(y: FloatArray, f: FloatArray, rtol: float, atol: FloatArray) -> float:
    """A small part of the time in which the states change by themselves."""
    weight = atol + rtol * np.abs(y)
    size, speed = float(np.max(np.abs(y) / weight)), float(np.max(np.abs(f) / weight))
    return 0.01 * max(size, 1.0) / speed if speed > 0 else np.inf
