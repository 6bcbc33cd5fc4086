"""Panels of curves from tables: a curve or several, their bands, and what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from odefit.arrays import FloatArray
from odefit.plots import style
from odefit.plots.dates import Calendar, time_ticks
from odefit.records import dataclass

MAX_PANELS = 12
BAND_SHARE = 0.5
"""A band may widen the axis by this share of what points and curves take."""
LOG_SPREAD = 100.0
"""Positive values spread over this factor are shown on a logarithmic axis, where the noise is one of logarithms."""


@dataclass(frozen=True)
class Curve:
    """One curve [T], with its bands from the widest to the narrowest: (low, high, opacity) each."""

    t: FloatArray
    y: FloatArray
    colour: str
    bands: tuple[tuple[FloatArray, FloatArray, float], ...] = ()


@dataclass(frozen=True)
class CurvePanel:
    """A pair of axes.

    points: times and values that were measured. is_log: whether the axis may be logarithmic. marks: single values of a
    curve, with bars for bands.
    """

    title: str
    label: str
    curves: Sequence[Curve]
    points: tuple[FloatArray, FloatArray] = field(default_factory=lambda: (np.empty(0), np.empty(0)))
    is_log: bool = False
    marks: Curve | None = None


def laid_out(curves: int, experiments: int) -> tuple[int, int]:
    """How many curves and how many experiments are shown: a panel for each of both, and at most twelve."""
    shown = min(curves, MAX_PANELS)
    return shown, max(1, min(experiments, MAX_PANELS if shown == 1 else 3 if shown <= 4 else MAX_PANELS // shown))


def draw_panels(
    panels: Sequence[CurvePanel],
    columns: int,
    title: str,
    note: str,
    time: str,
    handles: Sequence[Line2D | Patch],
    calendar: Calendar | None = None,
) -> Figure:
    """The panels row by row.

    columns: of a matrix; 0 for a grid as it fits. calendar: of the axes of time; None: numbers.
    """
    n = len(panels)
    width = columns or (n if n <= 3 else 2 if n == 4 else 3 if n <= 9 else 4)
    rows = math.ceil(n / width)
    height = 3.8 if n == 1 else 0.9 + rows * (1.9 if width > 1 or rows < 4 else 1.5)
    with style.styled():
        fig = style.figure(style.WIDTH, height, title, note)
        axes = fig.subplots(rows, width, squeeze=False)
        for k, (ax, panel) in enumerate(zip(axes.flat, panels, strict=False)):
            _draw(ax, panel, style.WIDTH / width)
            time_ticks(ax.xaxis, calendar, 10 if width == 1 else 6)
            style.tidy_ticks(ax.yaxis, most=8 if rows == 1 else 5)
            ax.set_title(panel.title if not columns or k < width else "")
            ax.set_ylabel(panel.label if k % width == 0 or not columns else "")
            ax.set_xlabel(time if k + width >= n else "")
        for ax in axes.flat[n:]:
            ax.remove()
        if handles:
            style.legend(fig, handles)
    return fig


def _draw(ax: Axes, panel: CurvePanel, width: float) -> None:
    t, d = panel.points
    core = np.concatenate([d, *(curve.y for curve in panel.curves)])
    core = core[np.isfinite(core)]
    log = panel.is_log and bool(len(core)) and core.min() > 0 and core.max() >= LOG_SPREAD * core.min()
    if log:
        ax.set_yscale("log")
    for curve in panel.curves:
        for low, high, alpha in curve.bands:
            ax.fill_between(curve.t, low, high, color=curve.colour, alpha=alpha, linewidth=0, zorder=1)
        if len(curve.t) == 1:
            ax.plot(curve.t, curve.y, "_", color=curve.colour, zorder=3)
        ax.plot(curve.t, curve.y, color=curve.colour, zorder=3)
    if panel.marks is not None:
        _mark(ax, panel.marks, width)
    ax.plot(
        t, d, "o", color=style.BLACK, markersize=style.marker_size(len(t), width), markeredgecolor="white",
        markeredgewidth=0.4, zorder=5,
    )  # fmt: skip
    if len(core):
        drawn = [*panel.curves, *([panel.marks] if panel.marks else [])]
        bands = [part for curve in drawn for low, high, _ in curve.bands for part in (low, high)]
        ax.set_ylim(*_limits(core, np.concatenate(bands) if bands else core, log))


def _mark(ax: Axes, marks: Curve, width: float) -> None:
    for low, high, alpha in marks.bands:
        ax.vlines(marks.t, low, high, color=marks.colour, alpha=min(1.0, 2 * alpha), linewidth=4, zorder=2)
    size = style.marker_size(len(marks.t), width)
    ax.plot(marks.t, marks.y, "o", color="white", markersize=size, markeredgecolor=marks.colour, zorder=4)


def _limits(core: FloatArray, bands: FloatArray, log: bool) -> tuple[float, float]:
    """Points and curves wholly, bands as far as they leave these readable."""
    if log:
        with np.errstate(invalid="ignore", divide="ignore"):
            core, bands = np.log(core), np.log(bands)
    bands = bands[np.isfinite(bands)]
    low, high = float(core.min()), float(core.max())
    room = BAND_SHARE * (high - low) or 0.5 * abs(high) or 1.0
    if len(bands):
        low, high = max(low - room, min(low, float(bands.min()))), min(high + room, max(high, float(bands.max())))
    pad = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
    ends = np.array([low - pad, high + pad])
    low, high = np.exp(ends) if log else ends
    return float(low), float(high)
