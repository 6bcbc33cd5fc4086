"""Which built-in systems have solutions of the shape that the measurements have."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray
from odefit.proposing.look import Look

TURNS = 3
"""Turning points from which on a curve is taken for an oscillation."""
RISE = 0.2
"""The share of the range by which a curve must turn for that to be a turning point."""


def suggestions(look: Look) -> list[str]:
    """Names of built-in systems, the likeliest first; the last one, `linear`, fits any number of states."""
    if look.kind == "events":
        return ["one_compartment_oral", "two_compartment_oral", "transit_absorption"]
    shapes = [_shape(pairs) for pairs in look.series.values()]
    if len(shapes) == 2 and shapes.count("oscillates") == 2:
        return ["lotka_volterra", "rosenzweig_macarthur", "brusselator"]
    if len(shapes) == 1:
        whole = all(bool((pairs[:, 1] == pairs[:, 1].round()).all()) for pairs in look.series.values())
        return {
            "grows": ["logistic", "gompertz", "baranyi"],
            "falls": ["exponential_decay", "michaelis_menten"],
            "peaks": ["sir", "seir"] if whole else ["one_compartment_oral", "two_compartment_oral"],
            "oscillates": ["damped_oscillator", "van_der_pol", "fitzhugh_nagumo"],
        }[shapes[0]]
    return ["linear"]


def _shape(series: FloatArray) -> str:
    """What most experiments of a series [N, 3] do."""
    shapes = [_shape_of(series[series[:, 2] == code]) for code in np.unique(series[:, 2])]
    return max(shapes, key=shapes.count)


def _shape_of(pairs: FloatArray) -> str:
    """Whether values over time [N, 2] grow, fall, have one peak, or oscillate; those of one time are averaged."""
    _, where = np.unique(pairs[:, 0], return_inverse=True)
    values = np.bincount(where, pairs[:, 1]) / np.bincount(where)
    turns, least = [values[0]], RISE * np.ptp(values)
    for value in values[1:]:
        if len(turns) > 1 and np.sign(value - turns[-1]) * np.sign(turns[-1] - turns[-2]) >= 0:
            turns[-1] = value  # further in the same direction
        elif abs(value - turns[-1]) > least:
            turns.append(value)
    if len(turns) - 2 >= TURNS:
        return "oscillates"
    if len(turns) == 3 and turns[1] > max(turns[0], turns[2]):
        return "peaks"
    return "falls" if values[-1] < values[0] else "grows"
