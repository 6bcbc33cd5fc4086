"""Through the steps of a solution from their end to their beginning: the gradient of any function of its states.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands.

A step of width h is y_1 = y_0 + h sum b_i k_i with k_i = f(y_0 + h sum a_ij k_j); a time inside of it reads
y_0 + h sum b_i(theta) k_i. With bars for what a change is worth,

    k_i' = h b_i y_1' + sum over times h b_i(theta) y(theta)' + sum over j > i of h a_ji Y_j',   Y_i' = f_y' k_i',

y_0' = y_1' + sum y(theta)' + sum Y_i', from the last stage to the first. Widths are constants.

References
----------
E. Hairer, Ch. Lubich, G. Wanner, Geometric Numerical Integration (2006), IV.3; J. M. Sanz-Serna, Symplectic Runge-Kutta
schemes for adjoint equations, automatic differentiation, optimal control, and more, SIAM Review 58 (2016).
"""

from __future__ import annotations

from odefit.arrays import FloatArray, IntArray
from odefit.engines.kernel.interpolant import combine, shares
from odefit.engines.networks.fields import (
    INPUTS,
    KEPT,
    KINKS,
    N_ENTRIES,
    PARAMETERS,
    STATES,
    Formulas,
    evaluate,
    linearise,
    pull,
)
from odefit.engines.networks.kinks import write_slopes


def remember(states: int, at: float, h: float, z: FloatArray, record: FloatArray) -> None:
    """Write down where a step begins: elapsed time, width, state; behind them stand slopes that it held."""
    record[0] = at
    record[1] = h
    inner = record[2:]
    inner[:states] = z[:states]


def go_back_all(
    members: int,
    count: int,
    room_steps: int,
    stages: int,
    tableau: FloatArray,
    plan: IntArray,
    units: FloatArray,
    turned: FloatArray,
    weights: FloatArray,
    inputs: Formulas,
    rates: Formulas,
    partials: Formulas,
    p: FloatArray,
    start: FloatArray,
    record: FloatArray,
    taken: IntArray,
    step_of: IntArray,
    theta: FloatArray,
    gradient: FloatArray,
    work: FloatArray,
    p_bar: FloatArray,
    y_bar: FloatArray,
    w_bar: FloatArray,
) -> None:
    """What `gradient` [M, T, S] to the states is for parameters [M, L], initial states [M, S], and weights [W].

    tableau: [s + 1 + s * s] the times of the stages, then the weights of the end of a step, then of the stages.
    record, taken, step_of, theta: as the way forth wrote them; room_steps: of the record of a member.
    work: S (2 s + 3), s, then for each stage what an evaluation keeps, then entries and the room of `pull`.
    """
    states = plan[STATES]
    parameters = plan[PARAMETERS]
    kinks = plan[plan[KINKS] :]
    width = 2 + states + kinks[0]
    c = tableau[:]
    b = tableau[stages:]
    a = tableau[2 * stages :]
    k = work[:]
    k_bar = work[stages * states :]
    end = work[2 * stages * states :]
    total = end[states:]
    u = total[states:]
    own = u[states:]
    kept = own[stages:]
    entries = kept[stages * plan[KEPT] :]
    room = entries[plan[N_ENTRIES] :]
    below = room[states + plan[INPUTS] :]
    for m in range(members):
        mine = p_bar[m * parameters :]
        here = p[m * parameters :]
        for i in range(states):
            end[i] = 0.0
        row = count - 1
        n = taken[m] - 1
        while n >= 0:
            at = record[(m * room_steps + n) * width :]
            h = at[1]
            z = at[2:]
            t = start[m] + at[0]
            for i in range(states):
                total[i] = 0.0
            for i in range(stages * states):
                k_bar[i] = 0.0
            inner = 0
            while row >= 0 and step_of[m * count + row] == n:
                given = gradient[(m * count + row) * states :]
                x = theta[m * count + row]
                if x >= 1.0:
                    end[:states] = end[:states] + given[:states]
                else:
                    inner = 1
                    shares(x, own)
                    total[:states] = total[:states] + given[:states]
                    for i in range(stages):
                        bar = k_bar[i * states :]
                        bar[:states] = bar[:states] + (h * own[i]) * given[:states]
                row -= 1
            used = stages
            if b[stages - 1] == 0.0 and inner == 0:
                used = stages - 1
            for i in range(used):
                u[:states] = z[:states]
                combine(states, i, h, a[i * stages :], k, u)
                write_slopes(kinks, z[states:], kept[i * plan[KEPT] :])
                evaluate(
                    plan, units, turned, inputs, rates, t + c[i] * h, u, here, kept[i * plan[KEPT] :], k[i * states :]
                )
                bar = k_bar[i * states :]
                bar[:states] = bar[:states] + (h * b[i]) * end[:states]
            total[:states] = total[:states] + end[:states]
            for q in range(used):
                i = used - 1 - q
                u[:states] = z[:states]
                combine(states, i, h, a[i * stages :], k, u)
                linearise(plan, partials, t + c[i] * h, u, here, kept[i * plan[KEPT] :], entries)
                pull(plan, units, weights, kept[i * plan[KEPT] :], entries, k_bar[i * states :], w_bar, room)
                total[:states] = total[:states] + below[:states]
                back = below[states:]
                mine[:parameters] = mine[:parameters] + back[:parameters]
                for j in range(i):
                    if a[i * stages + j] != 0.0:
                        bar = k_bar[j * states :]
                        bar[:states] = bar[:states] + (h * a[i * stages + j]) * below[:states]
            end[:states] = total[:states]
            n -= 1
        while row >= 0:
            given = gradient[(m * count + row) * states :]
            end[:states] = end[:states] + given[:states]
            row -= 1
        first = y_bar[m * states :]
        first[:states] = end[:states]
