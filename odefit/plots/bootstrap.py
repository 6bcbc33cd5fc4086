"""The estimates of data sets drawn anew, parameter by parameter: their histogram, the interval, and the normal curve
that the curvature of the likelihood promised."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from odefit.arrays import FloatArray
from odefit.plots import style
from odefit.plots.equation_pictures import EquationPictures
from odefit.plots.selection import title_of
from odefit.resampling.storage import read_summary
from odefit.runs import folder as files
from odefit.status import Status

MAX_SHOWN = 12
"""Parameters."""
COLUMNS = 4
BINS = 30
LEFT_OUT = 0.005
"""The share of samples on each side that may lie beyond the axis."""


def lacking(pictures: EquationPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    summary = read_summary(pictures.run)
    there = summary is not None and summary["samples"]["converged"] > 1
    return "" if there else "the run has no bootstrap; make one with `odefit bootstrap RUN`"


def draw(pictures: EquationPictures) -> Figure:
    """A panel per parameter. Raises RunError."""
    run = pictures.run
    summary, rows = read_summary(run), run.rows(files.BOOTSTRAP)
    assert summary is not None  # or the picture would be lacking
    assert rows is not None
    estimates: Mapping[str, Any] = summary["estimates"]
    names = list(estimates)[:MAX_SHOWN]
    used = np.array([status == Status.CONVERGED for status in rows.text(1)])
    note = f"{summary['samples']['converged']} of {summary['samples']['finished']} {summary['kind']} samples converged"
    if len(names) < len(estimates):
        note += f"; the first {len(names)} parameters of {len(estimates)}"
    columns = min(COLUMNS, len(names))
    lines = math.ceil(len(names) / columns)
    fig = style.figure(max(1.75 * columns, 3.5), 0.9 + 1.5 * lines, title_of(run), note)
    axes = fig.subplots(lines, columns, squeeze=False).ravel()
    for ax, name in zip(axes, names, strict=False):
        values = rows.numbers(rows.position(name))[used]
        _draw_one(ax, values[np.isfinite(values)], estimates[name])
        unit = estimates[name]["unit"]
        ax.set_xlabel(style.plain(f"{name} ({unit})" if unit else name, 30))
    for ax in axes[len(names) :]:
        ax.set_axis_off()
    level = f"{100 * summary['level']:g} %"
    style.legend(
        fig,
        [
            style.patch_handle("samples", style.BLUE, 0.35),
            style.patch_handle(f"{level} interval", style.ORANGE, 0.25),
            style.line_handle("estimate", style.VERMILION),
            style.line_handle("by curvature", style.GREY, dashed=True),
        ],
    )
    return fig


def _draw_one(ax: Axes, values: FloatArray, estimate: Mapping[str, Any]) -> None:
    low, high = np.quantile(values, [LEFT_OUT, 1 - LEFT_OUT])
    ends = [end for end in estimate["interval"] or () if math.isfinite(end)]
    low, high = min([low, estimate["value"], *ends]), max([high, estimate["value"], *ends])
    room = 0.04 * (high - low) or 1.0
    grid = np.linspace(low - room, high + room, 200)
    ax.hist(
        values, bins=np.linspace(low - room, high + room, BINS + 1).tolist(), density=True, color=style.BLUE, alpha=0.35
    )
    if len(ends) == 2:
        ax.axvspan(ends[0], ends[1], color=style.ORANGE, alpha=0.25, linewidth=0, zorder=0)
    if error := estimate["wald_standard_error"]:
        height = np.exp(-0.5 * ((grid - estimate["value"]) / error) ** 2) / (error * math.sqrt(2 * math.pi))
        ax.plot(grid, height, color=style.GREY, linestyle="--", linewidth=1.0)
    ax.axvline(estimate["value"], color=style.VERMILION, linewidth=1.2)
    ax.set_xlim(low - room, high + room)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    style.tidy_ticks(ax.xaxis, most=4)
