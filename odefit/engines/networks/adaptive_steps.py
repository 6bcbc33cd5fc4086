"""Tsitouras' method of order 5 for equations with networks: steps that keep to tolerances, and are written down.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands. The method's sources stand in
engines/kernel/tsitouras.py; here there are states only.
"""

from __future__ import annotations

from math import isfinite, sqrt

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.engines.kernel.interpolant import combine, shares
from odefit.engines.networks.backwards import remember
from odefit.engines.networks.fields import KEPT, KINKS, PARAMETERS, STATES, Formulas, evaluate
from odefit.engines.networks.kink_search import NEAR, first_kink
from odefit.engines.networks.kinks import read_arguments, read_slopes, release, turn

STAGES = 7
SAFETY = 0.9
SLOWEST = 0.2
FASTEST = 10.0
# A step is too small where it is below this share of the elapsed time.
LEAST_STEP = 1e-15
TINIEST_STEP = 1e-290
# A member that comes to more kinks fails: it may go along one.
MOST_KINKS = 5000
# How a member ends.
DONE = 0
NO_ROOM = 1
FAILED = 2


def norm(states: int, e: FloatArray) -> float:
    """The root mean square."""
    total = 0.0
    for i in range(states):
        total += e[i] * e[i]
    return sqrt(total / float(states))


def drive(
    members: int,
    count: int,
    room_steps: int,
    tolerances: FloatArray,
    tableau: FloatArray,
    plan: IntArray,
    units: FloatArray,
    turned: FloatArray,
    inputs: Formulas,
    rates: Formulas,
    p: FloatArray,
    start: FloatArray,
    elapsed: FloatArray,
    y: FloatArray,
    record: FloatArray,
    taken: IntArray,
    step_of: IntArray,
    theta: FloatArray,
    work: FloatArray,
    out: FloatArray,
    status: IntArray,
) -> None:
    """The states `out` [M, T, S] of M members at their T times, and the steps that led there.

    room_steps: of the record of a member; more are not taken. tolerances: rtol, then atol [S].
    tableau: times of the stages, weights, stages [7 * 7], error [7].
    The other arguments: as in fixed_steps.py; behind a state of the record stand the slopes [K] of units with kinks.
    work: S (7 + 3), 7, what an evaluation keeps, and K (3 + 2) + 2 S + 7. status: [M].
    """
    states = plan[STATES]
    kinks = plan[plan[KINKS] :]
    for m in range(members):
        status[m] = drive_one(
            count,
            room_steps,
            tolerances,
            tableau,
            plan,
            units,
            turned,
            inputs,
            rates,
            p[m * plan[PARAMETERS] :],
            start[m],
            elapsed[m * count :],
            y[m * states :],
            record[m * room_steps * (2 + states + kinks[0]) :],
            taken[m:],
            step_of[m * count :],
            theta[m * count :],
            work,
            out[m * count * states :],
        )


def drive_one(
    count: int,
    room_steps: int,
    tolerances: FloatArray,
    tableau: FloatArray,
    plan: IntArray,
    units: FloatArray,
    turned: FloatArray,
    inputs: Formulas,
    rates: Formulas,
    p: FloatArray,
    start: float,
    elapsed: FloatArray,
    y: FloatArray,
    record: FloatArray,
    taken: IntArray,
    step_of: IntArray,
    theta: FloatArray,
    work: FloatArray,
    out: FloatArray,
) -> int:
    """One member; how it ended."""
    states = plan[STATES]
    a = tableau[2 * STAGES :]
    error_weights = tableau[2 * STAGES + STAGES * STAGES :]
    k = work[:]
    z = work[STAGES * states :]
    u = z[states:]
    e = u[states:]
    own = e[states:]
    kept = own[STAGES:]
    kinks = plan[plan[KINKS] :]
    units_with_kinks = kinks[0]
    origin = kept[plan[KEPT] :]
    stop = origin[units_with_kinks:]
    beyond = stop[units_with_kinks:]
    room = beyond[units_with_kinks:]
    width = 2 + states + units_with_kinks
    last = k[(STAGES - 1) * states :]
    atol = tolerances[1:]
    rtol = tolerances[0]
    z[:states] = y[:states]
    s = 0.0
    end = elapsed[count - 1]
    done = 0
    while done < count and elapsed[done] <= 0.0:
        step_of[done] = -1
        theta[done] = 1.0
        place = out[done * states :]
        place[:states] = z[:states]
        done += 1
    n = 0
    taken[0] = 0
    if done == count:
        return DONE
    release(kinks, kept)
    evaluate(plan, units, turned, inputs, rates, start, z, p, kept, k)
    read_arguments(kinks, kept, origin)
    e[:states] = z[:states] / (atol[:states] + rtol * np.abs(z[:states]))
    position = norm(states, e)
    e[:states] = k[:states] / (atol[:states] + rtol * np.abs(z[:states]))
    velocity = norm(states, e)
    if not (isfinite(position) and isfinite(velocity)):
        return FAILED
    h = 1e-3 * end
    if position > 1e-5 and velocity > 1e-5:
        h = min(0.01 * position / velocity, end)
    before = 1e-4
    grew = FASTEST
    ends_at_kink = 0
    uncut = 0.0
    met = 0
    while done < count:
        if n >= room_steps:
            return NO_ROOM
        if not h > LEAST_STEP * s or h <= TINIEST_STEP:
            return FAILED
        is_last = ends_at_kink == 0 and s + 1.01 * h >= end
        if is_last:
            h = end - s
        for i in range(1, STAGES):
            u[:states] = z[:states]
            combine(states, i, h, a[i * STAGES :], k, u)
            evaluate(plan, units, turned, inputs, rates, start + (s + tableau[i] * h), u, p, kept, k[i * states :])
        for i in range(states):
            e[i] = 0.0
        combine(states, STAGES, h, error_weights, k, e)
        e[:states] = e[:states] / (atol[:states] + rtol * np.maximum(np.abs(z[:states]), np.abs(u[:states])))
        error = norm(states, e)
        if not error <= 1.0:
            if isfinite(error):
                h = h * max(SLOWEST, SAFETY * error**-0.2)
            else:
                h = 0.1 * h
            grew = 1.0
            ends_at_kink = 0
            continue
        read_arguments(kinks, kept, stop)
        if units_with_kinks > 0 and ends_at_kink == 0:
            uncut = h
            x = first_kink(plan, units, turned, inputs, rates, start + s, h, z, k, p, kept, origin, stop, beyond, room)
            if x <= 1.0:
                met += 1
                if met > MOST_KINKS:
                    return FAILED
                if x <= 2.0 * NEAR:
                    turn(kinks, beyond, kept)
                    evaluate(plan, units, turned, inputs, rates, start + s, z, p, kept, k)
                    continue
                ends_at_kink = 1
                if x < 1.0 - 2.0 * NEAR:
                    h = x * h
                    continue
        after = s + h
        if is_last:
            after = end
        remember(states, s, h, z, record[n * width :])
        read_slopes(kinks, kept, record[n * width + 2 + states :])
        while done < count and elapsed[done] <= after:
            place = out[done * states :]
            step_of[done] = n
            if elapsed[done] >= after:
                theta[done] = 1.0
                place[:states] = u[:states]
            else:
                theta[done] = (elapsed[done] - s) / h
                shares(theta[done], own)
                place[:states] = z[:states]
                combine(states, STAGES, h, own, k, place)
            done += 1
        s = after
        z[:states] = u[:states]
        k[:states] = last[:states]
        n += 1
        taken[0] = n
        error = max(error, 1e-10)
        h = h * min(grew, max(SLOWEST, SAFETY * error**-0.14 * before**0.08))
        before = max(error, 1e-4)
        grew = FASTEST
        origin[:units_with_kinks] = stop[:units_with_kinks]
        if ends_at_kink == 1:
            turn(kinks, beyond, kept)
            h = max(h, uncut)
            ends_at_kink = 0
    return DONE
