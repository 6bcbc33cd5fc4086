"""The right-hand side of equations with networks inside: f(t, y, p, o), o the outputs of networks at x(t, y, p, o).

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands.

A plan says what there is: the numbers of networks' calls, states S, parameters L, outputs O, inputs X, numbers kept of
an evaluation, weights W; where in the plan the entries of the derivatives begin, and their number; where the units with
kinks stand (kinks.py), and the description of each call (dense.py). The entries are those of d(f, x) / d(y, p, o) that
are not always zero: first those of f, then those of the inputs of the last call, of the call before, ...; for each such
part its number, then rows and columns.

An evaluation keeps [o, x, numbers of each call].
"""

from __future__ import annotations

from collections.abc import Callable

from odefit.arrays import FloatArray, IntArray
from odefit.engines.networks.dense import apply, go_back, steepen

Formulas = Callable[[float, FloatArray, FloatArray, FloatArray, FloatArray], None]
"""g(t, y, p, o, out): formulas of the time, states, parameters and outputs of networks."""

CALLS = 0
STATES = 1
PARAMETERS = 2
OUTPUTS = 3
INPUTS = 4
KEPT = 5
WEIGHTS = 6
ENTRIES = 7
N_ENTRIES = 8
KINKS = 9
DESCRIPTIONS = 10


def evaluate(
    plan: IntArray,
    units: FloatArray,
    turned: FloatArray,
    inputs: Formulas,
    rates: Formulas,
    t: float,
    y: FloatArray,
    p: FloatArray,
    kept: FloatArray,
    f: FloatArray,
) -> None:
    """f [S] at t, y, p, and what `pull` needs of it."""
    o = kept[:]
    x = kept[plan[OUTPUTS] :]
    inputs(t, y, p, o, x)
    for c in range(plan[CALLS]):
        d = plan[plan[DESCRIPTIONS + c] :]
        if d[8] > 0:
            inputs(t, y, p, o, x)
        apply(d, units[d[6] :], turned, x[d[4] :], o[d[5] :], kept[d[7] :])
    rates(t, y, p, o, f)


def linearise(
    plan: IntArray, partials: Formulas, t: float, y: FloatArray, p: FloatArray, kept: FloatArray, entries: FloatArray
) -> None:
    """The derivatives at a point that was evaluated: slopes of the networks, and all entries of the formulas."""
    for c in range(plan[CALLS]):
        d = plan[plan[DESCRIPTIONS + c] :]
        steepen(d, kept[d[7] :])
    partials(t, y, p, kept, entries)


def pull(
    plan: IntArray,
    units: FloatArray,
    weights: FloatArray,
    kept: FloatArray,
    entries: FloatArray,
    f: FloatArray,
    w: FloatArray,
    room: FloatArray,
) -> None:
    """What a change f [S] of the rates is for states and parameters, and add to w [W] what it is for the weights.

    room: [S + X], then what comes back, [S + L], then [O] and what dense.py needs.
    """
    states = plan[STATES]
    sources = states + plan[INPUTS]
    above = room[:]
    below = room[sources:]
    behind = states + plan[PARAMETERS]
    outputs = below[behind:]
    rest = outputs[plan[OUTPUTS] :]
    for i in range(behind + plan[OUTPUTS]):
        below[i] = 0.0
    for i in range(states):
        above[i] = f[i]
    part = plan[plan[ENTRIES] :]
    done = 0
    for c in range(plan[CALLS] + 1):
        count = part[0]
        rows = part[1:]
        columns = part[1 + count :]
        for e in range(count):
            below[columns[e]] += entries[done + e] * above[rows[e]]
        done += count
        part = part[1 + 2 * count :]
        if c < plan[CALLS]:
            d = plan[plan[DESCRIPTIONS + plan[CALLS] - 1 - c] :]
            go_back(d, units[d[6] :], weights, kept[d[7] :], outputs[d[5] :], above[states + d[4] :], w, rest)
