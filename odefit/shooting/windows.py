"""Experiments cut into windows, each of which is solved from states of its own.

A window begins at a measured time. No window begins while a dose is on its way or an infusion goes on: what began in
one window would be missing in the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.collocation.grid import Grid, looked_at
from odefit.data.experiments import Experiment
from odefit.model.system import System, symbol
from odefit.records import changed, dataclass

BEFORE = -1
"""The side of the last row of a window: what happens at its time belongs to the next one."""


def window_name(state: str) -> str:
    """The parameter that is the value of a state where a window begins; no user can write it."""
    return f"{state}@window"


def window_system(system: System) -> System:
    """The same equations from states that are parameters, the last ones."""
    initial = {state: symbol(window_name(state)) for state in system.states}
    parameters = (*system.parameters, *map(window_name, system.states))
    return replace(system, parameters=parameters, initial=initial, rest=None)


@dataclass(frozen=True)
class Windows:
    """The windows of all experiments, W in all.

    Parameters
    ----------
    grid
        Its nodes are where windows begin, its rows are measured ones.
    parts
        One experiment for each window: the rows that are measured in it, and its end.
    experiment, node
        [W], which window it is.
    ends
        [W], whether another window follows, so that its last row is its end.
    rows
        [R'], where the rows of the grid are among the rows of all parts.
    """

    grid: Grid
    parts: tuple[Experiment, ...]
    experiment: IntArray
    node: IntArray
    ends: Mask
    rows: IntArray


def make_windows(experiments: Sequence[Experiment], n_states: int, most: int, latest: float) -> Windows:
    """Windows with about as many measured times each.

    Parameters
    ----------
    experiments
        The problem's.
    n_states
        S.
    most
        The most windows of one experiment.
    latest
        How much later than its time a dose may arrive.
    """
    starts = [_starts(e, most, latest) for e in experiments]
    n_nodes = max(len(t) for t in starts)
    times = np.stack([np.pad(t, (0, n_nodes - len(t)), mode="edge") for t in starts])
    used = np.stack([np.arange(n_nodes) < len(t) for t in starts])
    rows, owners, places, parts, ends, where = [], [], [], [], [], []
    offset, n_rows, found = 0, 0, []
    for e, (experiment, t) in enumerate(zip(experiments, starts, strict=True)):
        own = looked_at(experiment)
        node = np.searchsorted(t, experiment.times[own], side="right") - 1
        for k, begin in enumerate(t):
            chosen, is_last = own[node == k], k == len(t) - 1
            if not len(chosen) and is_last:
                continue
            end = [] if is_last else [float(t[k + 1])]
            sides = np.append(experiment.sides[chosen], [BEFORE] * len(end)).astype(np.int8)
            doses = tuple(d for d in experiment.doses if begin <= d.time)
            part = experiment.at(np.append(experiment.times[chosen], end), sides)
            parts.append(
                changed(part, start=float(begin), doses=doses, steady_state=False, start_side=None, start_is_given=True)
            )
            where.append((e, k))
            ends.append(not is_last)
            found.append(n_rows + np.arange(len(chosen)))
            n_rows += len(chosen) + len(end)
        rows.append(offset + own)
        owners.append(np.full(len(own), e))
        places.append(node)
        offset += len(experiment.times)
    nothing = np.zeros((len(starts), n_nodes - 1, n_states))
    together = (np.concatenate(part) for part in (rows, owners, places))
    grid = Grid(times, times, used, nothing, nothing, *together)
    experiment_of, node_of = np.array(where, dtype=np.intp).T
    return Windows(
        grid, tuple(parts), experiment_of, node_of, np.array(ends, dtype=bool), np.concatenate(found).astype(np.intp)
    )


def _starts(experiment: Experiment, most: int, latest: float) -> FloatArray:
    """Where the windows of an experiment begin, [K]: at its start, and then where nothing is on its way."""
    t = np.unique(experiment.times[looked_at(experiment)])
    t = t[np.isfinite(t) & (t > experiment.start)][:-1]
    for dose in experiment.doses:
        t = t[(t <= dose.time) | (t >= dose.time + latest + dose.duration)]
    every = max(int(np.ceil((len(t) + 1) / most)), 1)
    return np.append(experiment.start, t[every - 1 :: every])
