"""Through the steps of Rodas5P from their end to their beginning: the gradient of a function of all states.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands.

With W = 1/(h gamma) - J of the beginning of a step, its stages are W U_i = f(Y_i) + sum_j (C_ij / h) U_j + d_i h f_t,
Y_i = y_0 + sum_j a_ij U_j, and y_1 = y_0 + sum_i m_i U_i. With bars for what a change is worth (adjoint.py), from the
last stage to the first,

    W^T l_i = U_i',    Y_i' = f_y(Y_i)^T l_i,    U_j' += a_ij Y_i' + (C_ij / h) l_i,

and y_0 is worth, besides y_1' + sum Y_i', what J and f_t change with it: the gradient of l_i^T (J U_i + d_i h f_t). The
same holds for parameters. Widths are constants.

References
----------
A. Sandu, D. N. Daescu, G. R. Carmichael, Direct and adjoint sensitivity analysis of chemical kinetic systems with KPP:
I, Atmospheric Environment 37 (2003).
"""

from __future__ import annotations

from odefit.arrays import FloatArray, IntArray
from odefit.engines.kernel.elimination import add_to_diagonal, factorize, substitute, substitute_transposed
from odefit.engines.kernel.interpolant import clear, combine, spread
from odefit.engines.kernel.rosenbrock import GAMMA, stiff_shares
from odefit.engines.kernel.stepping import DONE, STANDS_STILL, Curve, Pull, PullCurve, Rates, arrive, stands_still


def go_back_stiff(
    sizes: IntArray,
    tolerances: FloatArray,
    tableau: FloatArray,
    rates: Rates,
    matrix: Rates,
    curve: Curve,
    pull: Curve,
    pull_curve: PullCurve,
    pull_start: Pull,
    p: FloatArray,
    count: int,
    times: FloatArray,
    work: FloatArray,
    worth: FloatArray,
    gradient: FloatArray,
) -> int:
    """What the parameters of one member are worth, from what `integrate_stiff` left in `work`, behind its vectors; how
    it ended."""
    states = sizes[1]
    sensitive = sizes[8]
    pattern = sizes[9:]
    entries = pattern[0]
    if entries == 0:
        entries = states * states
    v = work[:]
    pivots = work[states + 1 :]
    jacobian = pivots[states:]
    w = jacobian[entries:]
    record = w[entries:]
    kept = int(record[0])
    if stands_still(states, tolerances, record):
        return STANDS_STILL
    d = tableau[8:]
    a = tableau[16:]
    c = tableau[88:]
    k = record[1 + (sizes[7] + 1) * (states + 2) :]
    arguments = k[8 * states :]
    bars = arguments[8 * states :]
    ft = bars[8 * states :]
    end = ft[states:]
    total = end[states:]
    below = total[states:]
    own = below[states + sensitive :]
    clear(28 * states + sensitive, k)
    row = count - 1
    for q in range(kept):
        at = record[1 + (kept - 1 - q) * (states + 2) :]
        t = at[0]
        h = at[1]
        z = at[2:]
        clear(entries, jacobian)
        matrix(t, z, p, jacobian)
        clear(states, v)
        v[states] = 1.0
        curve(t, z, v, p, ft)
        w[:entries] = -1.0 * jacobian[:entries]
        add_to_diagonal(states, pattern, 1.0 / (h * GAMMA), w)
        factorize(states, pattern, w, pivots)
        for i in range(8):
            u = arguments[i * states :]
            u[:states] = z[:states]
            combine(states, i, 1.0, a[i * 8 :], k, u)
            stage = k[i * states :]
            rates(t + tableau[i] * h, u, p, stage)
            stage[:states] = stage[:states] + (h * d[i]) * ft[:states]
            combine(states, i, 1.0 / h, c[i * 8 :], k, stage)
            substitute(states, 1, pattern, w, pivots, stage)
        clear(8 * states, bars)
        clear(states, total)
        while row >= 0 and times[row] > t:
            given = worth[row * states :]
            x = (times[row] - t) / h
            stiff_shares(x, own)
            total[:states] = total[:states] + (1.0 - x) * given[:states]
            end[:states] = end[:states] + x * given[:states]
            spread(states, 8, 1.0, own, given, bars)
            row -= 1
        total[:states] = total[:states] + end[:states]
        spread(states, 8, 1.0, a[64:], end, bars)
        for j in range(8):
            i = 7 - j
            bar = bars[i * states :]
            substitute_transposed(states, pattern, w, pivots, bar)
            clear(states, below)
            pull(t + tableau[i] * h, arguments[i * states :], bar, p, below)
            total[:states] = total[:states] + below[:states]
            spread(states, i, 1.0, a[i * 8 :], below, bars)
            spread(states, i, 1.0 / h, c[i * 8 :], bar, bars)
            stage = k[i * states :]
            v[:states] = stage[:states]
            v[states] = h * d[i]
            clear(states, below)
            pull_curve(t, z, v, bar, p, below)
            total[:states] = total[:states] + below[:states]
        end[:states] = total[:states]
    arrive(states, sensitive, row + 1, pull_start, p, worth, below, end, gradient)
    return DONE
