"""All experiments in one panel per observable, by colour: how they differ, and which one is unlike the others."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from odefit.plots import style
from odefit.plots.curves import Trace, points
from odefit.plots.dates import time_ticks
from odefit.plots.equation_pictures import EquationPictures
from odefit.plots.panels import is_log
from odefit.plots.selection import Quantity, title_of

MOST = 6
"""Observables."""


def lacking(pictures: EquationPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    return "" if len(pictures.selection.groups) > 1 else "needs several experiments; `time_series` shows one"


def draw(pictures: EquationPictures) -> Figure:
    """A panel per observable with the curves and points of every experiment, without bands."""
    run, selection, choice = pictures.run, pictures.selection, pictures.choice
    quantities, traces = selection.series[:MOST], pictures.all_traces
    inks = style.experiment_inks(len(traces))
    columns = 1 if len(quantities) == 1 else 2
    lines = -(-len(quantities) // columns)
    note = f"the first {MOST} observables of {len(selection.series)}" if len(selection.series) > MOST else ""
    fig = style.figure(style.WIDTH, 1.0 + (3.2 if columns == 1 else 2.4) * lines, title_of(run), note)
    axes = list(fig.subplots(lines, columns, squeeze=False).flat)
    for ax, quantity in zip(axes, quantities, strict=False):
        _draw(ax, pictures, quantity, traces, inks)
        if choice.log_y or is_log(run, quantity, traces):
            ax.set_yscale("log")
        threshold = pictures.log_threshold(selection.groups)
        if threshold is not None:
            ax.set_xscale("symlog", linthresh=threshold, linscale=0.3)
        ax.set_xlabel(pictures.time_label)
        ax.set_ylabel(quantity.label)
        time_ticks(ax.xaxis, pictures.calendar, 8)
        style.tidy_ticks(ax.yaxis, most=6)
    for ax in axes[len(quantities) :]:
        ax.remove()
    handles = style.experiment_handles([trace.group.name for trace in traces], inks)
    handles.append(style.point_handle("measured", style.GREY))
    style.legend(fig, handles)
    return fig


def _draw(ax: Axes, pictures: EquationPictures, quantity: Quantity, traces: list[Trace], inks: list[str]) -> None:
    n = sum(len(points(pictures.run, trace.group, quantity).t) for trace in traces)
    size = style.marker_size(n // 2)
    width = 1.2 if len(traces) <= 12 else 0.7
    for trace, ink in zip(traces, inks, strict=True):
        at = points(pictures.run, trace.group, quantity, pictures.selection.limits)
        ax.plot(trace.times, trace.values(quantity), color=ink, linewidth=width, alpha=0.9, zorder=2)
        ax.plot(at.t, at.d, "o", color=ink, markersize=size, markeredgewidth=0, alpha=0.8, zorder=3)
