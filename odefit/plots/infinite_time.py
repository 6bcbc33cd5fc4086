"""What is measured and fitted at infinite time has a place of its own, to the right of the axis of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Transform, blended_transform_factory

from odefit.plots import style
from odefit.plots.curves import Points, Trace
from odefit.plots.selection import Quantity

PLACE, HALF_WIDTH = 1.035, 0.018
"""Where it is, and how wide the fitted level and its band are drawn, in widths of the axes."""


def draw_final(ax: Axes, trace: Trace, quantity: Quantity, colour: str, alphas: tuple[float, float]) -> None:
    """The fitted level at infinite time with its bands; alphas: of the band of predictions and that of confidence."""
    if trace.final is None:
        return
    reach = [PLACE - HALF_WIDTH, PLACE + HALF_WIDTH]
    looks: dict[str, Any] = {"color": colour, "transform": beside(ax), "clip_on": False}
    band = trace.final.band_of(quantity)
    if band is not None:
        edges = (band.noise_low[-1], band.noise_high[-1]), (band.low[-1], band.high[-1])
        for (low, high), alpha in zip(edges, alphas, strict=True):
            if np.isfinite(low) and np.isfinite(high):
                ax.fill_between(reach, low, high, alpha=alpha, linewidth=0, zorder=1, **looks)
    level = float(trace.final.values(quantity)[-1])
    ax.plot(reach, [level, level], zorder=3, **looks)


def draw_points_at_rest(ax: Axes, at: Points, draw: Callable[[Points, Transform], None]) -> Points:
    """Draw the points at infinite time, and say which place that is; the others are left to the caller."""
    endless = np.isinf(at.t)
    if endless.any():
        part = at.only(endless)
        draw(Points(np.full(len(part.t), PLACE), part.d, part.error, part.side, part.held, part.far), beside(ax))
        name_place(ax)
    return at.only(~endless)


def name_place(ax: Axes) -> None:
    """Say which place that is."""
    ax.text(PLACE, -0.02, "∞", transform=ax.transAxes, ha="center", va="top", color=style.BLACK, fontsize=9)


def beside(ax: Axes) -> Transform:
    """Of that place: x in widths of the axes, y in data."""
    return blended_transform_factory(ax.transAxes, ax.transData)
