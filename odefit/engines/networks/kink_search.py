"""The first kink within a step, on its interpolant.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands.
"""

from __future__ import annotations

from odefit.arrays import FloatArray, IntArray
from odefit.engines.kernel.interpolant import combine, shares
from odefit.engines.networks.fields import KINKS, STATES, Formulas, evaluate
from odefit.engines.networks.kinks import read_arguments, share_before

# How many places of a step are looked at, the last of which is its end.
LOOKS = 3
# Kinks are found to this share of a step, in at most so many tries.
NEAR = 1e-10
MOST_TRIES = 60


def first_kink(
    plan: IntArray,
    units: FloatArray,
    turned: FloatArray,
    inputs: Formulas,
    rates: Formulas,
    t: float,
    h: float,
    z: FloatArray,
    k: FloatArray,
    p: FloatArray,
    kept: FloatArray,
    origin: FloatArray,
    end: FloatArray,
    high: FloatArray,
    room: FloatArray,
) -> float:
    """The share of a step of width h at which it is just beyond its first kink; 2 where it comes to none.

    t, z, k: where the step begins, and its stages. origin, end: the arguments [K] of the units there and at its end.
    high: takes them where the kink is. room: 2 K + 2 S + 7.
    """
    states = plan[STATES]
    kinks = plan[plan[KINKS] :]
    count = kinks[0]
    low = room[:]
    now = room[count:]
    u = now[count:]
    f = u[states:]
    own = f[states:]
    low[:count] = origin[:count]
    left = 0.0
    right = 0.0
    share = 2.0
    i = 1
    while i <= LOOKS and share > 1.0:
        left = right
        right = float(i) / float(LOOKS)
        if i > 1:
            low[:count] = high[:count]
        high[:count] = end[:count]
        if i < LOOKS:
            look(states, plan, units, turned, inputs, rates, t, right, h, z, k, p, kept, u, f, own)
            read_arguments(kinks, kept, high)
        share = share_before(kinks, kept, low, high)
        i += 1
    if share > 1.0:
        return 2.0
    tries = 0
    halve = 0
    while tries < MOST_TRIES and right - left > NEAR and (1.0 - share) * (right - left) > NEAR:
        x = min(left + share * (right - left) + 0.5 * NEAR, right - 0.5 * NEAR)
        if halve == 2:
            x = 0.5 * (left + right)
            halve = -1
        halve += 1
        look(states, plan, units, turned, inputs, rates, t, x, h, z, k, p, kept, u, f, own)
        read_arguments(kinks, kept, now)
        if share_before(kinks, kept, low, now) <= 1.0:
            right = x
            high[:count] = now[:count]
        else:
            left = x
            low[:count] = now[:count]
        share = share_before(kinks, kept, low, high)
        tries += 1
    return right


def look(
    states: int,
    plan: IntArray,
    units: FloatArray,
    turned: FloatArray,
    inputs: Formulas,
    rates: Formulas,
    t: float,
    x: float,
    h: float,
    z: FloatArray,
    k: FloatArray,
    p: FloatArray,
    kept: FloatArray,
    u: FloatArray,
    f: FloatArray,
    own: FloatArray,
) -> None:
    """Evaluate at the share x of a step."""
    shares(x, own)
    u[:states] = z[:states]
    combine(states, 7, h, own, k, u)
    evaluate(plan, units, turned, inputs, rates, t + x * h, u, p, kept, f)
