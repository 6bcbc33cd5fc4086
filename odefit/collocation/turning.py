"""How often smooth curves through the data turn: whether they oscillate, and how many periods there are."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray
from odefit.collocation.cells import measured_cells
from odefit.collocation.grid import make_grid
from odefit.objective.problem import FitProblem

OFTEN = 3
"""How often a curve that oscillates turns at least."""

SWING = 0.2
"""The share of the range of a curve by which it must go back to have turned."""


def most_turns(problem: FitProblem) -> int:
    """How often the measured curve turns that does so most, of experiments in which not even two doses make it turn."""
    if not all(np.isfinite(e.times).all() for e in problem.experiments):
        return 0
    calm = [k for k, e in enumerate(problem.experiments) if len(e.doses) < 2 and not e.inputs]
    if not calm:
        return 0
    grid = make_grid(problem.experiments, problem.engine.system.states)
    curves = measured_cells(problem, grid).curves
    return max(n_turns(curve) for k in calm for curve in curves[k, grid.used[k]].T)


def n_turns(curve: FloatArray) -> int:
    """How often a curve [K] turns, by more than SWING of its range; 0 where it is not known."""
    swing = SWING * float(np.ptp(curve))
    if not swing > 0:
        return 0
    turns, direction, last = 0, 0, float(curve[0])
    for value in map(float, curve):
        if direction * (value - last) > 0:
            last = value
        elif abs(value - last) > swing:
            turns += direction != 0
            direction, last = (1 if value > last else -1), value
    return turns
