"""The classical Runge-Kutta method with equal steps between neighbouring times: states, and all their derivatives.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands.

Derivatives are columns [S, C] of the local parameters, of the member's own initial state, and of all weights; their
rates are J M + [df/dp, 0, df/dw], row by row: each row of [J, df/dp, df/dw] is what a change of one rate goes back to
(`fields.pull`). So they are the exact derivatives of the steps.
"""

from __future__ import annotations

from odefit.arrays import FloatArray, IntArray
from odefit.engines.networks.backwards import remember
from odefit.engines.networks.fields import (
    INPUTS,
    KEPT,
    N_ENTRIES,
    PARAMETERS,
    STATES,
    WEIGHTS,
    Formulas,
    evaluate,
    linearise,
    pull,
)


def march(
    members: int,
    count: int,
    steps: int,
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
) -> None:
    """The states `out` [M, T, S] of M members at their T times, and the steps that led there.

    steps: between neighbouring times.
    p: [M, L]. start: [M]. elapsed: [M, T] since then. y: [M, S] where they start.
    record: [M, T * steps, 2 + S] elapsed time, width and state of each step. taken: [M] their number.
    step_of: [M, T] the step that leads to a time, or -1 for the start. theta: [M, T] how far along it.
    work: 6 S and what an evaluation keeps.
    """
    states = plan[STATES]
    u = work[:]
    k1 = work[states:]
    k2 = work[2 * states :]
    k3 = work[3 * states :]
    k4 = work[4 * states :]
    z = work[5 * states :]
    kept = work[6 * states :]
    for m in range(members):
        own = p[m * plan[PARAMETERS] :]
        z[:states] = y[m * states : m * states + states]
        s = 0.0
        done = 0
        for k in range(count):
            row = m * count + k
            gap = elapsed[row] - s
            if gap > 0.0:
                h = gap / float(steps)
                for i in range(steps):
                    at = s + float(i) * h
                    t = start[m] + at
                    remember(states, at, h, z, record[(m * count * steps + done) * (2 + states) :])
                    evaluate(plan, units, turned, inputs, rates, t, z, own, kept, k1)
                    u[:states] = z[:states] + (0.5 * h) * k1[:states]
                    evaluate(plan, units, turned, inputs, rates, t + 0.5 * h, u, own, kept, k2)
                    u[:states] = z[:states] + (0.5 * h) * k2[:states]
                    evaluate(plan, units, turned, inputs, rates, t + 0.5 * h, u, own, kept, k3)
                    u[:states] = z[:states] + h * k3[:states]
                    evaluate(plan, units, turned, inputs, rates, t + h, u, own, kept, k4)
                    z[:states] = z[:states] + (h / 6.0) * (
                        k1[:states] + 2.0 * k2[:states] + 2.0 * k3[:states] + k4[:states]
                    )
                    done += 1
            s = elapsed[row]
            step_of[row] = done - 1
            theta[row] = 1.0
            out[row * states : row * states + states] = z[:states]
        taken[m] = done


def slope_of_all(
    plan: IntArray,
    units: FloatArray,
    turned: FloatArray,
    weights: FloatArray,
    inputs: Formulas,
    rates: Formulas,
    partials: Formulas,
    t: float,
    z: FloatArray,
    p: FloatArray,
    width: int,
    f: FloatArray,
    kept: FloatArray,
) -> None:
    """The rates f [S + S * C] of a state and its derivatives, z."""
    states = plan[STATES]
    parameters = plan[PARAMETERS]
    entries = kept[plan[KEPT] :]
    unit = entries[plan[N_ENTRIES] :]
    room = unit[states:]
    below = room[states + plan[INPUTS] :]
    evaluate(plan, units, turned, inputs, rates, t, z, p, kept, f)
    linearise(plan, partials, t, z, p, kept, entries)
    for i in range(states):
        row = f[states + i * width :]
        for j in range(width):
            row[j] = 0.0
        for j in range(states):
            unit[j] = 0.0
        unit[i] = 1.0
        pull(plan, units, weights, kept, entries, unit, row[parameters + states :], room)
        for j in range(parameters):
            row[j] = below[states + j]
        for j in range(states):
            if below[j] != 0.0:
                column = z[states + j * width :]
                row[:width] = row[:width] + below[j] * column[:width]


def march_with_derivatives(
    members: int,
    count: int,
    steps: int,
    plan: IntArray,
    units: FloatArray,
    turned: FloatArray,
    weights: FloatArray,
    inputs: Formulas,
    rates: Formulas,
    partials: Formulas,
    p: FloatArray,
    start: FloatArray,
    elapsed: FloatArray,
    y: FloatArray,
    work: FloatArray,
    out: FloatArray,
) -> None:
    """The states and their derivatives, `out` [M, T, S + S * C] of M members at their T times; C = L + S + W.

    work: 6 times S + S * C, what an evaluation keeps, entries, S, and the room of `pull`.
    """
    states = plan[STATES]
    width = plan[PARAMETERS] + states + plan[WEIGHTS]
    size = states + states * width
    z = work[:]
    u = work[size:]
    k1 = work[2 * size :]
    k2 = work[3 * size :]
    k3 = work[4 * size :]
    k4 = work[5 * size :]
    kept = work[6 * size :]
    for m in range(members):
        own = p[m * plan[PARAMETERS] :]
        for i in range(size):
            z[i] = 0.0
        for i in range(states):
            z[i] = y[m * states + i]
            z[states + i * width + plan[PARAMETERS] + i] = 1.0
        s = 0.0
        for k in range(count):
            row = m * count + k
            gap = elapsed[row] - s
            if gap > 0.0:
                h = gap / float(steps)
                for i in range(steps):
                    t = start[m] + (s + float(i) * h)
                    slope_of_all(plan, units, turned, weights, inputs, rates, partials, t, z, own, width, k1, kept)
                    u[:size] = z[:size] + (0.5 * h) * k1[:size]
                    slope_of_all(
                        plan, units, turned, weights, inputs, rates, partials, t + 0.5 * h, u, own, width, k2, kept
                    )
                    u[:size] = z[:size] + (0.5 * h) * k2[:size]
                    slope_of_all(
                        plan, units, turned, weights, inputs, rates, partials, t + 0.5 * h, u, own, width, k3, kept
                    )
                    u[:size] = z[:size] + h * k3[:size]
                    slope_of_all(plan, units, turned, weights, inputs, rates, partials, t + h, u, own, width, k4, kept)
                    z[:size] = z[:size] + (h / 6.0) * (k1[:size] + 2.0 * k2[:size] + 2.0 * k3[:size] + k4[:size])
            s = elapsed[row]
            out[row * size : row * size + size] = z[:size]
