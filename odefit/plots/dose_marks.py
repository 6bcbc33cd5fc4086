"""When an experiment is dosed: small triangles on the axis of time, and a bar for as long as an infusion lasts."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from odefit.data.experiments import Dose
from odefit.plots import style

INK = style.PURPLE
MANY = 30
"""With more doses the marks are thin strokes."""


def draw_doses(ax: Axes, doses: Sequence[Dose], limits: tuple[float, float]) -> None:
    """Mark the doses that lie within the limits of the axis."""
    low, high = limits
    shown = [dose for dose in doses if low <= dose.time <= high]
    along = ax.get_xaxis_transform()
    looks = {"color": INK, "transform": along, "clip_on": False, "zorder": 6}
    if shown:
        marker, size = ("^", 5.0) if len(shown) <= MANY else ("|", 4.0)
        at = [dose.time for dose in shown]
        ax.plot(at, [0.012] * len(at), linestyle="none", marker=marker, markersize=size, markeredgewidth=0.5, **looks)  # type: ignore[arg-type]
    for dose in doses:
        ends = max(dose.time, low), min(dose.time + dose.duration, high)
        if dose.duration and ends[1] > ends[0]:
            ax.plot(ends, (0.012, 0.012), linewidth=2.2, solid_capstyle="butt", **looks)  # type: ignore[arg-type]


def dose_handle() -> Line2D:
    """The entry of the legend."""
    return style.point_handle("dose", INK, "^")
