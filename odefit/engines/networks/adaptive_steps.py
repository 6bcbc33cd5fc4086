"""Tsitouras' method of order 5 for equations with networks: steps that keep to tolerances, and are written down.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands. The method's sources stand in
engines/kernel/tsitouras.py; here there are states only.
"""

from __future__ import annotations

from math import isfinite, sqrt

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.engines.networks.backwards import combine, remember, shares
from odefit.engines.networks.fields import PARAMETERS, STATES, Formulas, evaluate

STAGES = 7
SAFETY = 0.9
SLOWEST = 0.2
FASTEST = 10.0
# A step is too small where it is below this share of the elapsed time.
LEAST_STEP = 1e-15
TINIEST_STEP = 1e-290
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
    The other arguments: as in fixed_steps.py. work: S (7 + 3), 7, and what an evaluation keeps. status: [M].
    """
    states = plan[STATES]
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
            record[m * room_steps * (2 + states) :],
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
    evaluate(plan, units, turned, inputs, rates, start, z, p, kept, k)
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
    while done < count:
        if n >= room_steps:
            return NO_ROOM
        if not h > LEAST_STEP * s or h <= TINIEST_STEP:
            return FAILED
        is_last = s + 1.01 * h >= end
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
            continue
        after = s + h
        if is_last:
            after = end
        remember(states, s, h, z, record[n * (2 + states) :])
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
    return DONE
