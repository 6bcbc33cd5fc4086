"""Observed against predicted: a good fit lies along the diagonal, without a bend, and no experiment lies beside it."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from odefit.plots import style
from odefit.plots.compared import Compared, compared
from odefit.plots.equation_pictures import EquationPictures
from odefit.plots.selection import Quantity, title_of

MOST = 12
"""Observables."""
MARGIN = 0.06


def lacking(pictures: EquationPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    return pictures.selection.lacks_residuals


def draw(pictures: EquationPictures) -> Figure:
    """A square panel per observable; experiments by colour."""
    run, selection = pictures.run, pictures.selection
    quantities = selection.residuals[:MOST]
    every = compared(run)
    rows = list(selection.rows)
    columns = min(len(quantities), 3)
    lines = -(-len(quantities) // columns)
    note = f"the first {MOST} observables of {len(selection.residuals)}" if len(selection.residuals) > MOST else ""
    size = 3.6 if columns == 1 else style.WIDTH / columns
    fig = style.figure(max(style.NARROW, size * columns), 0.9 + size * 0.95 * lines, title_of(run), note)
    axes = list(fig.subplots(lines, columns, squeeze=False).flat)
    inks = style.experiment_inks(len(selection.groups))
    group_of = {row: k for k, group in enumerate(selection.groups) for row in group.members}
    for ax, quantity in zip(axes, quantities, strict=False):
        one = every[quantity.observable or 0]
        _draw(ax, one.of(np.isin(one.experiment, rows)), quantity, inks, group_of, pictures.choice.log_y)
    for ax in axes[len(quantities) :]:
        ax.remove()
    handles: list[Line2D | Patch] = []
    if len(inks) > 1:
        handles += style.experiment_handles([group.name for group in selection.groups], inks)
    handles.append(style.point_handle("measured", style.GREY if len(inks) > 1 else inks[0]))
    handles.append(style.line_handle("observed = predicted", style.GREY))
    style.legend(fig, handles)
    return fig


def _draw(
    ax: Axes, one: Compared, quantity: Quantity, inks: list[str], group_of: dict[int, int], asked_log: bool
) -> None:
    is_log = asked_log or one.is_log
    both = np.concatenate([one.measured, one.predicted])
    known = both[np.isfinite(both) & ((both > 0) | (not is_log))]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.1, 1.0)
    if is_log:
        ax.set_xscale("log")
        ax.set_yscale("log")
        pad = (high / low) ** MARGIN if high > low else 1.5
        ends = low / pad, high * pad
    else:
        room = MARGIN * (high - low) or MARGIN * abs(high) or 1.0
        ends = low - room, high + room
    ax.plot(ends, ends, color=style.GREY, linewidth=0.8, zorder=1)
    colours = [inks[group_of[int(row)]] for row in one.experiment]
    n = len(one.measured)
    area = style.marker_size(n, 3.0) ** 2
    ax.scatter(one.predicted, one.measured, s=area, c=colours, linewidths=0, alpha=0.85, zorder=3, rasterized=n > 5000)
    ax.set_xlim(*ends)
    ax.set_ylim(*ends)
    ax.set_aspect("equal", adjustable="box")
    ax.set_xlabel(style.plain(f"predicted {quantity.label}", 40))
    ax.set_ylabel("observed")
    for axis in (ax.xaxis, ax.yaxis):
        style.tidy_ticks(axis, most=5)
