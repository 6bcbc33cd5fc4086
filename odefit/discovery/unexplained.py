"""What equations leave unexplained: their residuals beside the scatter of the data about smooth curves.

Curves that are smooth and nothing else follow any course. Data that lie closer to them than to the solution of the best
equations have a course that no equations of the library follow: a state, an input or a term is missing.
"""

from __future__ import annotations

import numpy as np

from odefit.discovery.series import Series
from odefit.errors import SolveError
from odefit.fitting.run import Run

FAR = 2.5
"""Residuals in standard deviations of the scatter from which on something is missing."""
LITTLE = 0.02
"""Residuals below this share of a state's spread are little in any case."""


def unexplained(series: Series, run: Run) -> dict[str, float]:
    """State -> its residuals over its scatter, of those that the equations of a run leave unexplained."""
    used = [t[own] for t, own in zip(series.times, series.used, strict=True)]
    try:
        curves = run.solve(used).observables
    except SolveError:
        return {}
    cells, found = series.cells, {}
    values = np.array([curves[e][k, o] for e, k, o in zip(cells.e, cells.k, cells.o, strict=True)])
    with np.errstate(all="ignore"):
        values = np.where(cells.is_log[cells.s], np.log(values), values)
    for s, state in enumerate(series.states):
        left = (cells.d - values)[cells.s == s]
        size, scatter = float(np.sqrt(np.mean(left**2))), float(series.scatter[s])
        if np.isfinite(scatter) and size > max(FAR * scatter, LITTLE * float(series.spreads[s])):
            found[state] = size / scatter if scatter > 0 else np.inf
    return found
