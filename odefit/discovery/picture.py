"""The picture of a discovery: error and criterion against the number of terms, and the candidates over the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from odefit.errors import SolveError
from odefit.plots import style
from odefit.plots.dates import time_ticks
from odefit.plots.selection import time_label

if TYPE_CHECKING:
    from odefit.discovery.found import Discovery

SHOWN = 3
"""Candidates whose curves are drawn."""
PANELS = 6
"""States of the first experiment that are drawn, at most."""
POINTS = 300


def draw_discovery(found: Discovery) -> Figure:
    """The figure."""
    states = found.prepared.series.states[:PANELS]
    figure = Figure(figsize=(9, 3.2 + 1.8 * len(states)), layout="constrained")
    grid = figure.add_gridspec(1 + len(states), 2, height_ratios=[1.6, *([1] * len(states))])
    _draw_path(found, figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1]))
    first = None
    for k, state in enumerate(states):
        axes = figure.add_subplot(grid[1 + k, :], sharex=first)
        _draw_curves(found, axes, state)
        axes.tick_params(labelbottom=k == len(states) - 1)
        style.tidy_ticks(axes.yaxis, most=4)
        if first is None:
            first = axes
            time_ticks(axes.xaxis, None, 10)
            axes.legend(loc="upper right", fontsize="small")
    axes.set_xlabel(time_label(found.best))
    return figure


def _draw_path(found: Discovery, left, right) -> None:  # type: ignore[no-untyped-def]
    size = np.array([c.draft.size for c in found.candidates])
    rss = np.array([c.run.result.objective.nll for c in found.candidates], dtype=float)
    delta = np.array(found.deltas)
    left.plot(size, rss, "o")
    left.set(xlabel="terms", ylabel="negative log-likelihood", title="error")
    left.xaxis.get_major_locator().set_params(integer=True)
    right.plot(size, delta, "o")
    right.axhspan(0, 2, alpha=0.15, lw=0)
    right.set(xlabel="terms", ylabel="above the lowest", title="criterion")
    right.set_yscale("symlog", linthresh=10)
    right.xaxis.get_major_locator().set_params(integer=True)


def _draw_curves(found: Discovery, axes, state: str) -> None:  # type: ignore[no-untyped-def]
    best = found.candidates[0].run
    name = next(n for n, f in best.assembly.described.system.observables.items() if str(f) == state)
    column = best.observables.index(name)
    one = best.measured[0]
    axes.plot(one.times, one.values[:, column], ".", color="0.4", ms=4, label="measured")
    t = np.linspace(one.start, one.last, POINTS)
    for k, candidate in enumerate(found.candidates[:SHOWN]):
        try:
            curves = candidate.run.solve([t, *(t[:0] for _ in candidate.run.measured[1:])])
        except SolveError:
            continue
        axes.plot(t, curves.observables[0][:, column], lw=1.6 - 0.4 * k, label=candidate.called)
    axes.set_ylabel(state)
