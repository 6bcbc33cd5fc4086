"""The pictures that the config asks for in `plots`: observables of some experiments in one panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from odefit.arrays import FloatArray
from odefit.config.plots_section import TIME_AXIS, CurveSection, PlotSection
from odefit.errors import Faults
from odefit.fitting.run import Run
from odefit.plots import style
from odefit.plots.curves import points, trace
from odefit.plots.dates import Calendar, time_ticks
from odefit.plots.selection import Group, Quantity, Selection, select, time_label, title_of

if TYPE_CHECKING:
    from odefit.plots.equation_pictures import EquationPictures


def draw(pictures: EquationPictures, name: str) -> Figure:
    """The picture of one entry of `plots`."""
    run = pictures.run
    plot = run.assembly.loaded.config.plots[name]
    fig = style.figure(style.WIDTH, 4.2, plot.title or title_of(run))
    ax = fig.subplots()
    ax.set_xscale(plot.x_scale)
    ax.set_yscale(plot.y_scale)
    handles: list[Line2D] = []
    for k, curve in enumerate(plot.curves):
        colour = style.COLOURS[k % len(style.COLOURS)]
        chosen = _selected(run, curve)
        if plot.x == TIME_AXIS:
            _over_time(ax, run, plot, chosen, colour)
        else:
            _over_constant(ax, run, plot, chosen, colour)
        handles.append(style.line_handle(style.plain(_label(plot, curve), 40), colour))
    calendar = _calendar(pictures, plot)
    ax.set_xlabel(
        style.plain(plot.x_label or (time_label(run, calendar is None) if plot.x == TIME_AXIS else plot.x), 60)
    )
    ax.set_ylabel(style.plain(plot.y_label or ", ".join(dict.fromkeys(c.observable for c in plot.curves)), 60))
    time_ticks(ax.xaxis, calendar)
    style.tidy_ticks(ax.yaxis)
    style.legend(fig, [*handles, style.point_handle("measured", style.GREY)])
    return fig


def _calendar(pictures: EquationPictures, plot: PlotSection) -> Calendar | None:
    """Of an axis of time where dates are asked for, with all experiments counted from one date."""
    shows_times = plot.x == TIME_AXIS and plot.x_scale == "linear" and not plot.x_offset
    dates = pictures.run.result.dates
    return pictures.calendar if shows_times and dates is not None and isinstance(dates.zero, str) else None


def _selected(run: Run, curve: CurveSection) -> Selection:
    faults = Faults()
    selection = select(run, [curve.observable], curve.experiments, None, faults)
    faults.check()
    return selection


def _label(plot: PlotSection, curve: CurveSection) -> str:
    if curve.label is not None:
        return curve.label
    observables = {c.observable for c in plot.curves}
    if len(observables) > 1 or curve.experiments is None or len(curve.experiments) > 1:
        return curve.observable
    return curve.experiments[0]


def _over_time(ax: Axes, run: Run, plot: PlotSection, chosen: Selection, colour: str) -> None:
    (quantity,) = chosen.series
    for one in trace(run, chosen.groups, None):
        ax.plot(one.times + plot.x_offset, one.values(quantity), color=colour, zorder=3)
        at = points(run, one.group, quantity)
        _mark(ax, at.t + plot.x_offset, at.d, at.error, colour)


def _over_constant(ax: Axes, run: Run, plot: PlotSection, chosen: Selection, colour: str) -> None:
    """Against a constant of the experiments: predictions at the measured times, joined."""
    (quantity,) = chosen.series
    at, predicted, lines = [], [], []
    for group in chosen.groups:
        x = run.measured[group.members[0]].constants[plot.x]
        found = points(run, group, quantity)
        _mark(ax, np.full(len(found.t), x), found.d, found.error, colour)
        at.append(x)
        predicted.append(_predictions(run, group, quantity))
    for k in range(max(map(len, predicted), default=0)):
        pairs = sorted((x, values[k]) for x, values in zip(at, predicted, strict=True) if len(values) > k)
        lines.append(pairs)
    for pairs in lines:
        ax.plot(*zip(*pairs, strict=True), color=colour, marker="_", zorder=3)


def _predictions(run: Run, group: Group, quantity: Quantity) -> list[float]:
    """Of the measured values of a group, one for each time."""
    found = points(run, group, quantity)
    (one,) = trace(run, [group], None)
    return list(np.interp(np.unique(found.t), one.times, one.values(quantity)))


def _mark(ax: Axes, x: FloatArray, d: FloatArray, error: FloatArray | None, colour: str) -> None:
    looks = {"color": colour, "marker": "o", "markersize": style.marker_size(len(x)), "linestyle": "none", "zorder": 5}
    if error is None:
        ax.plot(x, d, **looks)  # type: ignore[arg-type]
    else:
        ax.errorbar(x, d, yerr=error, elinewidth=0.7, capsize=1.5, **looks)  # type: ignore[arg-type]


def lacking(_pictures: EquationPictures, _name: str) -> str:
    """Empty: names are checked with the config."""
    return ""
