"""Through the steps of Tsitouras' method from their end to their beginning: the gradient of a function of all states.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands.

A step of width h is y_1 = y_0 + h sum b_i k_i, k_i = f(Y_i), Y_i = y_0 + h sum a_ij k_j, and a time inside of it reads
y(x) = y_0 + h sum b_i(x) k_i. With bars for what a change is worth,

    k_i' = h b_i y_1' + sum over times h b_i(x) y(x)' + sum over j > i of h a_ji Y_j',    Y_i' = f_y^T k_i',

y_0' = y_1' + sum y(x)' + sum Y_i', and what parameters are worth is the sum of f_p^T k_i'. That is the derivative of
the numbers that the steps give, to the last digit; widths are constants. The last stage of a step is the first of the
next one, so both are pulled together.

References
----------
E. Hairer, Ch. Lubich, G. Wanner, Geometric Numerical Integration (2006), IV.3; J. M. Sanz-Serna, Symplectic Runge-Kutta
schemes for adjoint equations, automatic differentiation, optimal control, and more, SIAM Review 58 (2016).
"""

from __future__ import annotations

from odefit.arrays import FloatArray, IntArray
from odefit.engines.kernel.interpolant import clear, combine, shares, spread
from odefit.engines.kernel.rosenbrock import integrate_stiff
from odefit.engines.kernel.stepping import (
    STANDS_STILL,
    Curve,
    Initial,
    Pull,
    PullCurve,
    Rates,
    arrive,
    last_time,
    padded,
    stands_still,
    weigh,
)
from odefit.engines.kernel.stiff_adjoint import go_back_stiff
from odefit.engines.kernel.tsitouras import integrate


def pull_members(
    members: int,
    sizes: IntArray,
    tolerances: FloatArray,
    tableau: FloatArray,
    initial: Initial,
    rates: Rates,
    matrix: Rates,
    curve: Curve,
    pull: Curve,
    pull_start: Pull,
    pull_curve: PullCurve,
    p: FloatArray,
    experiment: IntArray,
    start: FloatArray,
    first: IntArray,
    times: FloatArray,
    row: IntArray,
    work: FloatArray,
    y: FloatArray,
    worth: FloatArray,
    gradient: FloatArray,
    status: IntArray,
    reached: FloatArray,
    steps: IntArray,
) -> None:
    """Solve every member, and go back; see `solve_members` for what has the same name there.

    sizes: L, S, 1, 0, the most steps, those ahead of a stiff problem, 1 for the stiff method, the steps that there is
    room for, K, and the stiff method's pattern. tableau: of the method (tableaus.py).
    y, worth: [R, S] the states, and what a change of each is worth. gradient: [M, K], of members that are done; those
    whose states stand still are not.
    """
    states = sizes[1]
    sensitive = sizes[8]
    size = padded(states)
    for m in range(members):
        e = experiment[m]
        own = p[m * sizes[0] :]
        weigh(states, 1, 0, size, tolerances, experiment, tableau, own, work)
        at = row[m] * states
        count = first[e + 1] - first[e]
        when = times[first[e] :]
        end = last_time(start[e], count, when)
        back = gradient[m * sensitive :]
        # Without derivatives their columns, scales and places are not looked at: any memory will do.
        if sizes[6] == 0:
            status[m] = integrate(
                sizes,
                size,
                tolerances,
                experiment,
                tableau,
                initial,
                rates,
                0,
                rates,
                curve,
                tableau,
                own,
                start[e],
                end,
                count,
                when,
                work,
                y[at:],
                worth,
                reached[m:],
                steps[m:],
            )
            if status[m] == 0:
                record = work[14 * size :]
                if stands_still(states, tolerances, record):
                    status[m] = STANDS_STILL
                else:
                    go_back(
                        sizes, tableau, rates, pull, pull_start, own, start[e], count, when, record, worth[at:], back
                    )
        else:
            status[m] = integrate_stiff(
                sizes,
                size,
                tolerances,
                experiment,
                tableau,
                initial,
                rates,
                matrix,
                curve,
                own,
                start[e],
                end,
                count,
                when,
                work,
                y[at:],
                worth,
                reached[m:],
                steps[m:],
            )
            if status[m] == 0:
                behind = work[16 * size :]
                status[m] = go_back_stiff(
                    sizes,
                    tolerances,
                    tableau,
                    rates,
                    matrix,
                    curve,
                    pull,
                    pull_curve,
                    pull_start,
                    own,
                    count,
                    when,
                    behind,
                    worth[at:],
                    back,
                )


def go_back(
    sizes: IntArray,
    tableau: FloatArray,
    rates: Rates,
    pull: Curve,
    pull_start: Pull,
    p: FloatArray,
    start: float,
    count: int,
    times: FloatArray,
    record: FloatArray,
    worth: FloatArray,
    gradient: FloatArray,
) -> None:
    """What the parameters of one member are worth, from the record of its steps."""
    states = sizes[1]
    sensitive = sizes[8]
    kept = int(record[0])
    b = tableau[7:]
    a = tableau[14:]
    k = record[1 + (sizes[7] + 1) * (states + 2) :]
    arguments = k[5 * states :]
    bars = arguments[6 * states :]
    # What the state at the end of a step is worth, its rate, the state at the beginning, and what one stage passes on.
    end = bars[6 * states :]
    last = end[states:]
    total = last[states:]
    below = total[states:]
    own = below[states + sensitive :]
    clear(21 * states + sensitive, k)
    row = count - 1
    for q in range(kept):
        at = record[1 + (kept - 1 - q) * (states + 2) :]
        t = at[0]
        h = at[1]
        z = at[2:]
        for i in range(6):
            u = arguments[i * states :]
            u[:states] = z[:states]
            combine(states, i, h, a[i * 7 :], k, u)
            if i < 5:
                rates(t + tableau[i] * h, u, p, k[i * states :])
        clear(6 * states, bars)
        clear(states, total)
        while row >= 0 and times[row] > t:
            given = worth[row * states :]
            shares((times[row] - t) / h, own)
            total[:states] = total[:states] + given[:states]
            spread(states, 6, h, own, given, bars)
            last[:states] = last[:states] + (h * own[6]) * given[:states]
            row -= 1
        clear(states, below)
        pull(t + h, at[4 + states :], last, p, below)
        end[:states] = end[:states] + below[:states]
        total[:states] = total[:states] + end[:states]
        spread(states, 6, h, b, end, bars)
        for j in range(5):
            i = 5 - j
            clear(states, below)
            pull(t + tableau[i] * h, arguments[i * states :], bars[i * states :], p, below)
            total[:states] = total[:states] + below[:states]
            spread(states, i, h, a[i * 7 :], below, bars)
        last[:states] = bars[:states]
        end[:states] = total[:states]
    if kept > 0:
        clear(states, below)
        pull(start, record[3:], last, p, below)
        end[:states] = end[:states] + below[:states]
    arrive(states, sensitive, row + 1, pull_start, p, worth, below, end, gradient)
