"""Names and ticks of very many small panels: said once at the edges of the grid."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from odefit.plots import style
from odefit.plots.dates import show_offset, time_ticks
from odefit.plots.equation_pictures import EquationPictures
from odefit.plots.panels import Plan


def label_every(pictures: EquationPictures, plan: Plan, axes: Sequence[Axes]) -> None:
    """The name of each experiment in its panel, ticks at the edges, the names of the axes once for all."""
    same_x, same_y = (len({get(ax) for ax in axes}) == 1 for get in (Axes.get_xlim, Axes.get_ylim))
    left = {row: min(c for r, c in plan.at if r == row) for row, _ in plan.at}
    foot = {column: max(r for r, c in plan.at if c == column) for _, column in plan.at}
    for ax, panel, (row, column) in zip(axes, plan.panels, plan.at, strict=True):
        time_ticks(ax.xaxis, pictures.calendar, 3)
        style.tidy_ticks(ax.yaxis, most=3)
        name = style.plain(panel.trace.group.name, 12)
        ax.text(0.04, 0.96, name, transform=ax.transAxes, va="top", fontsize=6.5, color=style.GREY, zorder=7)
        ax.tick_params(
            labelsize=6,
            length=2,
            labelleft=not same_y or column == left[row],
            labelbottom=not same_x or row == foot[column],
        )
        show_offset(ax.xaxis, not same_x or row == foot[column])
        ax.xaxis.get_offset_text().set_fontsize(6)
        for line in ax.lines:
            line.set_linewidth(min(line.get_linewidth(), 1.0))
    # Beside the panels in the middle: a name of the whole figure would lie on the legend.
    lowest = [ax for ax, (row, column) in zip(axes, plan.at, strict=True) if row == max(foot.values())]
    lowest[len(lowest) // 2].set_xlabel(pictures.time_label)
    if not plan.together:
        first = [ax for ax, (row, column) in zip(axes, plan.at, strict=True) if column == left[row]]
        first[len(first) // 2].set_ylabel(plan.panels[0].quantities[0].label)
