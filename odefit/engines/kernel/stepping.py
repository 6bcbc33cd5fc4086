"""What steppers share: tolerances, norms, the first step, and how a member ends.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands.

A row of z [S, C] is a state, its sensitivities, and zeros. The error of each column has a norm of its own, the root
mean square over the states of e / (atol + rtol |z|), and the largest of them is what is controlled: sensitivities are
as exact as states.

References
----------
E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I, II.4 (first step) and II, IV.2
(detection of stiffness).
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite, sqrt

import numpy as np

from odefit.arrays import FloatArray, IntArray

Rates = Callable[[float, FloatArray, FloatArray, FloatArray], None]
"""f(t, z, p, dz): the rates of z."""
Curve = Callable[[float, FloatArray, FloatArray, FloatArray, FloatArray], None]
"""f(t, z, v, p, k): how the rates of z change along a direction v of states and time, J v itself left out."""
Initial = Callable[[FloatArray, FloatArray], None]
"""f(p, z): the initial values."""

Pull = Callable[[FloatArray, FloatArray, FloatArray], None]
"""f(p, w, g): adds to g what parameters are worth where initial values are worth w."""

PullCurve = Callable[[float, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray], None]
"""f(t, y, v, w, p, g): adds to g what states and parameters are worth where changes along v are worth w."""

# How a member ends: the first ones at its start.
DONE = 0
INITIAL_NOT_FINITE = 1
INITIAL_SENSITIVITIES_NOT_FINITE = 2
RATE_NOT_FINITE = 3
SENSITIVITIES_NOT_FINITE = 4
EXPLODES = 5
NOT_FINITE = 6
STEP_TOO_SMALL = 7
TOO_MANY_STEPS = 8
STIFF = 9
SENSITIVITIES_LOST = 10
NO_ROOM = 11
STANDS_STILL = 12
COMES = 13
TANGLED = 14

# Digits that a state has, with room for the sums in its rates.
ROUNDING = 2e-14
# A state that moves by less than this share of its size says nothing of how its derivatives move.
STILL = 1e-3


def padded(length: int) -> int:
    """A length as whole vectors."""
    return (length + 7) // 8 * 8


def last_time(start: float, count: int, times: FloatArray) -> float:
    """Where the last of some times is; the start where there is none."""
    if count > 0:
        return float(times[count - 1])
    return start


def weigh(
    states: int,
    width: int,
    slopes: int,
    size: int,
    tolerances: FloatArray,
    columns: IntArray,
    scales: FloatArray,
    p: FloatArray,
    work: FloatArray,
) -> None:
    """Tolerances of every entry of z: absolute ones at the beginning of `work`, relative ones behind."""
    relative = work[size:]
    for i in range(size):
        work[i] = 1.0
        relative[i] = 0.0
    for i in range(states):
        work[i * width] = tolerances[2 + i]
        relative[i * width] = tolerances[0]
        for j in range(slopes):
            scale = max(scales[j], abs(p[columns[j]]))
            work[i * width + 1 + j] = tolerances[2 + states + i] / scale
            relative[i * width + 1 + j] = tolerances[1]


def loosen(
    states: int,
    width: int,
    slopes: int,
    tolerances: FloatArray,
    columns: IntArray,
    scales: FloatArray,
    p: FloatArray,
    z: FloatArray,
    work: FloatArray,
) -> None:
    """Let no tolerance of a sensitivity ask for more digits than its state has, which is z.

    The rates of a sensitivity are sums in which terms as large as the state's own cancel, and what rounding leaves of
    them no step makes smaller.
    """
    if slopes > 0:
        first = max(scales[0], abs(p[columns[0]]))
        for i in range(states):
            own = tolerances[2 + states + i]
            least = ROUNDING * abs(z[i * width])
            if least > own or work[i * width + 1] > own / first:
                own = max(own, least)
                for j in range(slopes):
                    work[i * width + 1 + j] = own / max(scales[j], abs(p[columns[j]]))


def all_finite(size: int, z: FloatArray) -> bool:
    """Whether all numbers are finite."""
    total = 0.0
    for i in range(size):
        total += 0.0 * z[i]
    return isfinite(total)


def put(states: int, width: int, slopes: int, z: FloatArray, y: FloatArray, dy: FloatArray) -> None:
    """Where the caller looks for it: y [S] and dy [S, K]."""
    for i in range(states):
        y[i] = z[i * width]
        for j in range(slopes):
            dy[i * slopes + j] = z[i * width + 1 + j]


def remember(states: int, room: int, t: float, h: float, z: FloatArray, u: FloatArray, record: FloatArray) -> bool:
    """Write down a step of one column, for the way back: its time, width and state; and behind it where it ends.

    record: how many there are, and then they. Whether there was room for it.
    """
    kept = int(record[0])
    if kept >= room:
        return False
    step = record[1 + kept * (states + 2) :]
    step[0] = t
    step[1] = h
    before = step[2:]
    before[:states] = z[:states]
    after = step[4 + states :]
    after[:states] = u[:states]
    record[0] = float(kept + 1)
    return True


def stands_still(states: int, tolerances: FloatArray, record: FloatArray) -> bool:
    """Whether no state moves in the steps that are written down: they are then too long for derivatives, of which the
    error of a step says nothing. At rest a step may be as long as all times."""
    kept = int(record[0])
    first = record[3:]
    for q in range(kept):
        after = record[3 + (q + 1) * (states + 2) :]
        for i in range(states):
            size = max(abs(first[i]), tolerances[2 + i] / tolerances[0])
            if abs(after[i] - first[i]) > STILL * size:
                return False
    return kept > 0


def arrive(
    states: int,
    sensitive: int,
    rows: int,
    pull_start: Pull,
    p: FloatArray,
    worth: FloatArray,
    below: FloatArray,
    end: FloatArray,
    gradient: FloatArray,
) -> None:
    """The way back is at the start, at which the first rows stand: what parameters are worth on all of it.

    end: [S] what the initial values are worth without those rows. below: [S + K] what parameters are worth on the way,
    behind the states.
    """
    for m in range(rows):
        given = worth[(rows - 1 - m) * states :]
        end[:states] = end[:states] + given[:states]
    for i in range(sensitive):
        gradient[i] = below[states + i]
    pull_start(p, end, gradient)


def largest(states: int, width: int, squares: FloatArray, total: FloatArray) -> float:
    """The largest mean over the states of what each column holds; NaN where any is NaN."""
    total[:width] = squares[:width]
    for i in range(1, states):
        total[:width] = total[:width] + squares[i * width : (i + 1) * width]
    most = 0.0
    for j in range(width):
        if not total[j] <= most:
            most = float(total[j])
            if not isfinite(most):
                return most - most
    return most / float(states)


def first_step(
    states: int,
    width: int,
    size: int,
    rates: Rates,
    p: FloatArray,
    t: float,
    end: float,
    atol: FloatArray,
    rtol: FloatArray,
    z: FloatArray,
    k1: FloatArray,
    k2: FloatArray,
    u: FloatArray,
    e: FloatArray,
    total: FloatArray,
) -> float:
    """The size of the first step; NaN where there is none."""
    span = end - t
    e[:size] = (z[:size] / (atol[:size] + rtol[:size] * np.abs(z[:size]))) ** 2
    position = sqrt(largest(states, width, e, total))
    e[:size] = (k1[:size] / (atol[:size] + rtol[:size] * np.abs(z[:size]))) ** 2
    velocity = sqrt(largest(states, width, e, total))
    if not (isfinite(position) and isfinite(velocity)):
        return velocity - velocity
    h = 1e-6 * span
    if position >= 1e-5 and velocity >= 1e-5:
        h = min(0.01 * position / velocity, span)
    u[:size] = z[:size] + h * k1[:size]
    rates(t + h, u, p, k2)
    e[:size] = ((k2[:size] - k1[:size]) / (atol[:size] + rtol[:size] * np.abs(z[:size]))) ** 2
    change = sqrt(largest(states, width, e, total)) / h
    if not isfinite(change):
        return 1e-3 * h
    fastest = max(velocity, change)
    if fastest <= 1e-15:
        return min(100.0 * h, span)
    guess = min(100.0 * h, (0.01 / fastest) ** 0.2)
    return float(min(guess, span))


def speed(
    size: int,
    atol: FloatArray,
    rtol: FloatArray,
    z: FloatArray,
    u: FloatArray,
    v: FloatArray,
    k6: FloatArray,
    k7: FloatArray,
    e: FloatArray,
) -> float:
    """About the largest |lambda|: how rates differ at two states u, v at the end of a step."""
    e[:size] = ((u[:size] - v[:size]) / (atol[:size] + rtol[:size] * np.abs(z[:size]))) ** 2
    below = 0.0
    for i in range(size):
        below += e[i]
    e[:size] = ((k7[:size] - k6[:size]) / (atol[:size] + rtol[:size] * np.abs(z[:size]))) ** 2
    above = 0.0
    for i in range(size):
        above += e[i]
    if below > 0.0:
        return sqrt(above / below)
    return 0.0
