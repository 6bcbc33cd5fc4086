"""Many members, one after the other: what is called from outside.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands.
"""

from __future__ import annotations

from odefit.arrays import FloatArray, IntArray
from odefit.engines.kernel.rosenbrock import integrate_stiff
from odefit.engines.kernel.stepping import Curve, Initial, Rates, last_time, padded, weigh
from odefit.engines.kernel.tsitouras import integrate


def solve_members(
    members: int,
    sizes: IntArray,
    tolerances: FloatArray,
    columns: IntArray,
    scales: FloatArray,
    initial: Initial,
    rates: Rates,
    matrix: Rates,
    curve: Curve,
    p: FloatArray,
    experiment: IntArray,
    start: FloatArray,
    first: IntArray,
    times: FloatArray,
    row: IntArray,
    work: FloatArray,
    y: FloatArray,
    dy: FloatArray,
    status: IntArray,
    reached: FloatArray,
    steps: IntArray,
) -> None:
    """Solve every member, one after the other.

    sizes: how many parameters L, states S, columns C, sensitivities K; the most steps; how many steps ahead are too
    many for a stiff problem (0: no limit); 0 for the explicit method, 1 for the stiff one; twice 0, which the way back
    has (adjoint.py); the stiff method's pattern (sparsity.py), or 0 where its matrices are dense.
    tolerances: [2 + 2 S] rtol of states, of sensitivities; atol of each state, of each state's sensitivities.
    columns, scales: [K] the parameter of each sensitivity, and what is a large one.
    p: [M, L]. experiment, row: [M] the experiment of each member, and its first row in y [R, S] and dy [R, S, K].
    start, first, times: [E], [E + 1]; the times of experiment e are times[first[e]:first[e + 1]].
    status, reached, steps: [M] what comes back: how it ended, the time that was reached, the steps that were taken.
    """
    states = sizes[1]
    width = sizes[2]
    slopes = sizes[3]
    size = padded(states * width)
    for m in range(members):
        e = experiment[m]
        own = p[m * sizes[0] :]
        weigh(states, width, slopes, size, tolerances, columns, scales, own, work)
        at = row[m]
        count = first[e + 1] - first[e]
        when = times[first[e] :]
        end = last_time(start[e], count, when)
        out = y[at * states :]
        slope = dy[at * states * slopes :]
        if sizes[6] == 0:
            status[m] = integrate(
                sizes,
                size,
                tolerances,
                columns,
                scales,
                initial,
                rates,
                0,
                rates,
                curve,
                scales,
                own,
                start[e],
                end,
                count,
                when,
                work,
                out,
                slope,
                reached[m:],
                steps[m:],
            )
        else:
            status[m] = integrate_stiff(
                sizes,
                size,
                tolerances,
                columns,
                scales,
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
                out,
                slope,
                reached[m:],
                steps[m:],
            )
