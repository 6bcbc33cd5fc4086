"""Kinks of networks, which steps must not go over: units whose slope jumps where their argument changes its sign.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands.

Such a unit keeps its slope within a step (`dense.HELD_RELU`), also where its argument has changed its sign, so that the
right-hand side is smooth there. A step that goes beyond a kink is cut at the first one, found on its interpolant, and
the unit turns for the next. The right-hand side is continuous, so nothing jumps but derivatives: gradients are as
exact as states, which they are not over a kink, where an error e of a step is one of sqrt(e) in its derivatives.

The units stand in a list: their number, then for each where its argument z and its slope are among the numbers that an
evaluation keeps, and 1 where it leaks.

References
----------
E. Hairer, S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I (1993), II.6.
"""

from __future__ import annotations

from odefit.arrays import FloatArray, IntArray
from odefit.engines.networks.dense import LEAK

PLACES = 3
"""Numbers of the list for each unit."""


def release(units: IntArray, kept: FloatArray) -> None:
    """Let the next evaluation choose all slopes."""
    for i in range(units[0]):
        kept[units[2 + PLACES * i]] = -1.0


def read_slopes(units: IntArray, kept: FloatArray, out: FloatArray) -> None:
    """The slopes [K] that an evaluation had."""
    for i in range(units[0]):
        out[i] = kept[units[2 + PLACES * i]]


def write_slopes(units: IntArray, slopes: FloatArray, kept: FloatArray) -> None:
    """Give the next evaluation its slopes [K]."""
    for i in range(units[0]):
        kept[units[2 + PLACES * i]] = slopes[i]


def read_arguments(units: IntArray, kept: FloatArray, out: FloatArray) -> None:
    """The arguments [K] of an evaluation."""
    for i in range(units[0]):
        out[i] = kept[units[1 + PLACES * i]]


def is_beyond(z: float, slope: float) -> bool:
    """Whether an argument has another sign than belongs to the slope."""
    return (slope == 1.0 and z < 0.0) or (slope != 1.0 and z > 0.0)


def share_before(units: IntArray, kept: FloatArray, low: FloatArray, high: FloatArray) -> float:
    """Where between two places with arguments `low` and `high` [K] straight lines meet the first kink; 2 for none."""
    first = 2.0
    for i in range(units[0]):
        slope = kept[units[2 + PLACES * i]]
        if is_beyond(high[i], slope):
            share = 0.0
            if not is_beyond(low[i], slope):
                share = low[i] / (low[i] - high[i])
            first = min(first, share)
    return first


def turn(units: IntArray, z: FloatArray, kept: FloatArray) -> None:
    """The other slope for all units whose arguments z [K] are beyond their kink."""
    for i in range(units[0]):
        at = units[2 + PLACES * i]
        if is_beyond(z[i], kept[at]):
            if kept[at] != 1.0:
                kept[at] = 1.0
            else:
                kept[at] = LEAK * float(units[3 + PLACES * i])
