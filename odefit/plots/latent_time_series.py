"""Series of a latent ODE over time: as they are read and continued."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from odefit.plots import style
from odefit.plots.latent_pictures import MAX_COLUMNS, TRUTH, LatentPictures, Shown
from odefit.plots.selection import time_label

MAX_TOGETHER = 2
"""Observables in one panel."""
MAX_ROWS = 4
"""Observables below each other, where they are not in one panel."""
COMPARABLE = 10.0
"""Two observables share a panel if the range of one is at most this many times that of the other."""


def lacking(_pictures: LatentPictures) -> str:
    """Empty: there is always something to draw."""
    return ""


def draw(pictures: LatentPictures) -> Figure:
    """The observables of each series over time, in one panel where their ranges compare, else below each other."""
    shown, columns = pictures.shown, pictures.columns
    together = len(columns) <= MAX_TOGETHER and _compare(shown, columns)
    rows = [columns] if together else [[column] for column in columns[:MAX_ROWS]]
    shown = shown if together else shown[:MAX_COLUMNS]
    panels = [(one, row) for row in rows for one in shown]
    fig, axes = pictures.figure(panels, 1.9)
    for ax, (one, row) in zip(axes, panels, strict=True):
        _draw_course(pictures, ax, one, row, together)
    label = time_label(pictures.run, with_unit=pictures.calendar is None)
    pictures.name_axes(axes, panels, label, ", ".join, pictures.calendar)
    style.legend(fig, pictures.handles(shown, columns if together else columns[:1], over_time=True))
    return fig


def _draw_course(pictures: LatentPictures, ax: Axes, one: Shown, columns: Sequence[int], together: bool) -> None:
    own = one.experiment
    if one.read < max(one.times[-1], one.end):
        ax.axvline(one.read, color=style.GREY, linewidth=0.9, linestyle=":", zorder=2)
    if one.times[-1] > one.end:
        ax.axvspan(one.end, one.times[-1], color=style.LIGHT, alpha=0.45, linewidth=0, zorder=0)
    for k, column in enumerate(columns):
        colour = style.COLOURS[k]
        ax.plot(one.times, one.values[:, column], color=colour, zorder=4)
        if one.truth is not None:
            ax.plot(own.times, one.truth[:, column], zorder=5, **TRUTH)
        pictures.draw_points(ax, one, own.times, own.values[:, column], colour if together else style.BLACK)
    if pictures.limits is not None:
        ax.set_xlim(*pictures.limits)


def _compare(shown: Sequence[Shown], columns: Sequence[int]) -> bool:
    """True where the ranges of these observables are comparable."""
    sizes = [max(float(np.abs(one.values[:, column]).max()) for one in shown) for column in columns]
    return max(sizes) <= COMPARABLE * min(sizes)
