"""Conditions that are watched during a step: where a gap changes sides first, and whether a step ends there.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands.

A step from z at t to u at t + h, with rates f0 and f1 at its ends, is looked at as the cubic with these values and
slopes, at points next to each other and where the parabola through three of them says that a gap may have been on the
other side in between. The first root is where the step is to end; Newton's method then moves the end of the step
itself, so that the state there is no interpolated one.
"""

from __future__ import annotations

from odefit.arrays import FloatArray
from odefit.engines.kernel.stepping import Curve, Rates

# Points of a step that are looked at, at least; and of the segment, as many as the scout has at first.
FEWEST_POINTS = 8.0
POINTS_OF_SEGMENT = 64.0
ROOT_WIDTH = 1e-13
MOST_HALVINGS = 100
NOWHERE = 2.0
# What `watched` holds: how many gaps, which one is passed, the time within which one stands still; then for each gap on
# which side it is, 1 or -1, and room: three values of each, a state, a direction.
HEAD = 3


def at_part(
    states: int,
    width: int,
    x: float,
    h: float,
    z: FloatArray,
    f0: FloatArray,
    u: FloatArray,
    f1: FloatArray,
    y: FloatArray,
) -> None:
    """The states y [S] at t + x h."""
    for i in range(states):
        k = i * width
        rise = u[k] - z[k]
        bent = (1.0 - 2.0 * x) * rise + (x - 1.0) * h * f0[k] + x * h * f1[k]
        y[i] = z[k] + x * rise + x * (x - 1.0) * bent


def first_crossing(
    states: int,
    width: int,
    t: float,
    h: float,
    z: FloatArray,
    f0: FloatArray,
    u: FloatArray,
    f1: FloatArray,
    p: FloatArray,
    length: float,
    gaps: Rates,
    watched: FloatArray,
) -> float:
    """The part of a step at which a gap changes sides first; NOWHERE where none does. length: of the segment."""
    count = int(watched[0])
    side = watched[HEAD:]
    now = watched[HEAD + count :]
    before = watched[HEAD + 2 * count :]
    earlier = watched[HEAD + 3 * count :]
    y = watched[HEAD + 5 * count :]
    points = max(FEWEST_POINTS, min(POINTS_OF_SEGMENT, POINTS_OF_SEGMENT * h / length))
    at_part(states, width, 0.0, h, z, f0, u, f1, y)
    gaps(t, y, p, before)
    step = 1.0 / float(int(points))
    x = 0.0
    first = NOWHERE
    for k in range(int(points)):
        x = float(k + 1) * step
        at_part(states, width, x, h, z, f0, u, f1, y)
        gaps(t + x * h, y, p, now)
        for i in range(count):
            high = NOWHERE
            low = x - step
            if side[i] * now[i] < 0.0:
                high = x
            elif k > 0 and abs(before[i]) < abs(now[i]) and abs(before[i]) < abs(earlier[i]):
                # The parabola through three points; its vertex lies between the outer ones.
                curved = earlier[i] - 2.0 * before[i] + now[i]
                vertex = 0.5 * (earlier[i] - now[i]) / curved
                if side[i] * (before[i] + 0.25 * (now[i] - earlier[i]) * vertex) < 0.0:
                    high = x - step + vertex * step
                    low = x - 2.0 * step
                    if vertex > 0.0:
                        low = x - step
            if high < NOWHERE:
                root = crossing(states, width, t, h, z, f0, u, f1, p, low, high, i, gaps, watched)
                if root < first:
                    first = root
                    watched[1] = float(i)
        if first < NOWHERE:
            return first
        for i in range(count):
            earlier[i] = before[i]
            before[i] = now[i]
    return first


def crossing(
    states: int,
    width: int,
    t: float,
    h: float,
    z: FloatArray,
    f0: FloatArray,
    u: FloatArray,
    f1: FloatArray,
    p: FloatArray,
    low: float,
    high: float,
    i: int,
    gaps: Rates,
    watched: FloatArray,
) -> float:
    """Where gap i changes sides between two parts of a step, the second of which is on the other side; NOWHERE where
    it is not."""
    count = int(watched[0])
    side = watched[HEAD:]
    found = watched[HEAD + 4 * count :]
    y = watched[HEAD + 5 * count :]
    at_part(states, width, low, h, z, f0, u, f1, y)
    gaps(t + low * h, y, p, found)
    below = max(side[i] * found[i], 0.0)
    at_part(states, width, high, h, z, f0, u, f1, y)
    gaps(t + high * h, y, p, found)
    above = side[i] * found[i]
    if not above < 0.0:
        return NOWHERE
    # The Illinois method: the secant, whose end that stays counts half.
    stayed = 0
    for _ in range(MOST_HALVINGS):
        if high - low < ROOT_WIDTH:
            break
        x = low + (high - low) * below / (below - above)
        if not (x > low and x < high):
            x = 0.5 * (low + high)
        at_part(states, width, x, h, z, f0, u, f1, y)
        gaps(t + x * h, y, p, found)
        value = side[i] * found[i]
        if value < 0.0:
            high = x
            above = value
            if stayed == 1:
                below = 0.5 * below
            stayed = 1
        else:
            low = x
            below = value
            if value == 0.0:
                break
            if stayed == 2:
                above = 0.5 * above
            stayed = 2
    return high


def missing(
    states: int,
    width: int,
    after: float,
    u: FloatArray,
    f1: FloatArray,
    p: FloatArray,
    gaps: Rates,
    slopes: Curve,
    watched: FloatArray,
) -> float:
    """By how much the end of a step, at u, misses the time at which the gap is 0."""
    count = int(watched[0])
    now = watched[HEAD + count :]
    moving = watched[HEAD + 2 * count :]
    y = watched[HEAD + 5 * count :]
    v = y[states:]
    for i in range(states):
        y[i] = u[i * width]
        v[i] = f1[i * width]
    v[states] = 1.0
    gaps(after, y, p, now)
    slopes(after, y, v, p, moving)
    i = int(watched[1])
    return float(-now[i] / moving[i])
