"""The frames of a fit that kept none: its search run once more, from the start, or its draws of the posterior."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from odefit.arrays import FloatArray
from odefit.config.fit_methods import METHODS
from odefit.errors import SolveError
from odefit.fitting.local_search import LocalSearch
from odefit.fitting.run import Run
from odefit.fitting.starting_points import starting_points
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.plots.frame import Frame
from odefit.runs.folder import HISTORY
from odefit.status import Status

POINTS = 200
"""Times of a curve."""
MOST_STARTS = 20
"""Starts that are tried, until one ends where the fit did."""
MOST_EPOCHS = 80
"""Epochs that are shown."""
SAME = 1e-3
"""Log-likelihood units within which it did."""


def search_frames(run: Run) -> list[Frame]:
    """A frame for each step of a search that ends at the optimum of the run; none where it was no search.

    The first start is the user's own values; where that ends elsewhere, the frames are those of the first one that ends
    at the optimum, or the best of those that were tried.
    """
    method = METHODS.get(run.result.method)
    if method is None or not method.searches or run.assembly.networks is not None:
        return []
    objective = ProfileLikelihood(Likelihood(run.assembly.problem))
    section = run.loaded.config.fit
    search = LocalSearch(objective, METHODS[method.name], section.max_iterations, cpu_limit=section.cpu_limit)
    wanted = run.result.objective.nll
    best, path = math.inf, list[tuple[FloatArray, float]]()
    for point in starting_points(objective, min(section.starts, MOST_STARTS), section.seed):
        steps = [(point.copy(), objective.value(point))]
        outcome = search(point[None], partial(_kept, steps))[0]
        if outcome.status != Status.FAILED and outcome.value < best:
            best, path = outcome.value, steps
        if wanted is not None and best <= wanted + SAME:
            break
    times = times_of(run)
    table = run.assembly.problem.table
    frames = []
    for number, (u, value) in enumerate(path):
        curves = curves_of(replace(run, theta=table.to_natural(objective.lift(u))), times)
        if curves is not None:
            frames.append(Frame(number, value, curves, "step", "-log likelihood"))
    return frames


def training_frames(run: Run) -> list[Frame]:
    """A frame for each epoch of a training of equations, whose history has every parameter; of a network none."""
    rows, names = run.rows(HISTORY), run.assembly.problem.table.names
    known = [] if rows is None else [k for k, name in enumerate(names) if name in rows.header]
    if rows is None or not known or run.assembly.networks is not None:
        return []
    values = np.tile(run.theta, (len(rows), 1))  # noise levels, which follow at the end, move no curve
    for k in known:
        values[:, k] = rows.numbers(rows.header.index(names[k]))
    epochs, losses = rows.numbers(0), rows.numbers(1)
    times, frames = times_of(run), []
    for k in np.unique(np.linspace(0, len(values) - 1, min(len(values), MOST_EPOCHS)).round().astype(int)).tolist():
        curves = curves_of(replace(run, theta=values[k]), times)
        if curves is not None:
            frames.append(Frame(int(epochs[k]), float(losses[k]), curves))
    return frames


def _kept(steps: list[tuple[FloatArray, float]], _number: int, u: FloatArray, value: float) -> None:
    steps.append((u.copy(), value))


def times_of(run: Run) -> list[FloatArray]:
    """Times of the curves: measured ones, and many between them."""
    found = []
    for e in run.measured:
        own = e.times[np.isfinite(e.times)]
        found.append(np.union1d(own, np.linspace(e.start, e.last, POINTS)) if len(own) else e.times)
    return found


def curves_of(run: Run, times: Sequence[FloatArray]) -> dict[str, tuple[FloatArray, FloatArray]] | None:
    """Experiment -> times and observables; None where the model cannot be solved there."""
    try:
        solved = run.solve(times)
    except SolveError:
        return None
    return {e.name: (t, g) for e, t, g in zip(run.measured, times, solved.observables, strict=True)}
