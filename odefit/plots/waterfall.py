"""The starts of a multi-start fit, best first: a plateau at the left is an optimum that many found."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from odefit.plots import style
from odefit.plots.equation_pictures import EquationPictures
from odefit.plots.selection import title_of
from odefit.runs import folder as files
from odefit.status import Status

MIN_REACH = 2.0
"""Of the axis, upwards from 1: one of a hundredth of a likelihood unit would make a drama of rounding."""


def lacking(pictures: EquationPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    rows = pictures.run.rows(files.STARTS)
    return "the run has a single start; set fit.starts to have several" if rows is None or len(rows) < 2 else ""


def draw(pictures: EquationPictures) -> Figure:
    """1 + objective - best on a logarithmic axis, so that the best lies at 1 = 10^0. Raises RunError."""
    run = pictures.run
    rows = run.rows(files.STARTS)
    assert rows is not None  # or the picture would be lacking
    status = rows.text(rows.position("status"))
    objective = rows.numbers(rows.position("objective"))
    usable = np.isfinite(objective) & np.array([s != Status.FAILED for s in status])
    values = np.sort(objective[usable])
    n, best = len(rows), min(run.result.starts.at_best, len(values))
    failed = n - len(values)
    note = f"{best} of {n} starts reached the best optimum" + (f"; {failed} failed" if failed else "")
    fig = style.figure(5.0, 3.4, title_of(run), note)
    ax = fig.subplots()
    rank = np.arange(1, len(values) + 1)
    height = 1.0 + values - values[0] if len(values) else values
    size = 5.0 if n <= 50 else 3.0 if n <= 300 else 2.0
    ax.plot(rank, height, color=style.LIGHT, linewidth=0.8, zorder=1)
    ax.plot(rank[best:], height[best:], "o", color=style.GREY, markersize=size, markeredgewidth=0, zorder=2)
    ax.plot(rank[:best], height[:best], "o", color=style.VERMILION, markersize=size, markeredgewidth=0, zorder=3)
    ax.set_yscale("log")
    top = max(MIN_REACH, float(height.max(initial=1.0)))
    ax.set_ylim(top**-0.06, top**1.08)
    ax.set_xlim(1 - 0.03 * n - 0.5, n + 0.03 * n + 0.5)
    style.tidy_ticks(ax.xaxis, whole=True)
    style.tidy_ticks(ax.yaxis)
    ax.set_xlabel("start, best first")
    ax.set_ylabel("1 + objective − best")
    handles = [style.point_handle("at the best optimum", style.VERMILION)]
    if best < len(values):
        handles.append(style.point_handle("elsewhere", style.GREY))
    style.legend(fig, handles)
    return fig
