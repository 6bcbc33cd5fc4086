"""The states where windows begin before anything is fitted: on smooth curves where they are measured themselves; the
others where the equations lead from window to window, driven so."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray
from odefit.collocation.first_states import LARGEST, sizes_of
from odefit.shooting.objective import ShootingObjective


def first_shots(objective: ShootingObjective, known: FloatArray, u: FloatArray) -> FloatArray:
    """[N, E, K, S] at the search vectors u [N, P]; known: [E, K, S], NaN of what is not measured itself.

    A state stays where it is over a window that cannot be solved, or in which it grows beyond all measure.
    """
    windows = objective.windows
    local = objective.equations.local(objective.theta(u))
    begin = np.nan_to_num(objective.starts(local).value, posinf=0.0, neginf=0.0)
    y = np.repeat(begin[:, :, None], known.shape[1], axis=2)
    most = LARGEST * sizes_of(known, begin)[:, None]
    n_nodes = known.shape[1]
    with np.errstate(all="ignore"):
        for k in range(n_nodes):
            y[:, :, k] = np.where(np.isnan(known[:, k]), y[:, :, k], known[:, k])
            going = np.flatnonzero(windows.ends & (windows.node == k))
            if not len(going):
                continue
            there = objective.engine.ends(windows, going, y, local)
            e = windows.experiment[going]
            now = y[:, e, k]
            y[:, e, k + 1] = np.where(np.abs(there) <= most, there, now)
    return y
