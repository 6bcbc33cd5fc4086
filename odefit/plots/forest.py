"""The estimates with their intervals, one below the other: of each parameter its values by experiment."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from odefit.plots import style
from odefit.plots.equation_pictures import EquationPictures
from odefit.plots.selection import title_of
from odefit.runs.results import Estimate, Result

MOST_ROWS, MOST_PANELS = 96, 8
"""Values in a panel, and panels."""
LOG_SPREAD = 5.0
"""Values that spread over more have a logarithmic axis."""
REACH = 2.0
"""How far beyond the values an interval is drawn, in units of their spread, or of half a common interval."""


def own_estimates(result: Result) -> dict[str, dict[str, Estimate]]:
    """Parameter -> experiment or group -> its own estimate, where there are two or more with a value."""
    found: dict[str, dict[str, Estimate]] = {}
    for name, e in result.estimates.items():
        base, bracket, inside = name.partition("[")
        if bracket and e.value is not None and math.isfinite(e.value):
            found.setdefault(base, {})[inside.removesuffix("]")] = e
    return {base: members for base, members in found.items() if len(members) > 1}


def lacking(pictures: EquationPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    return "" if own_estimates(pictures.run.result) else "no parameter has a value of its own in several experiments"


def draw(pictures: EquationPictures) -> Figure:
    """A panel per parameter; the dashed line is the median of its values."""
    run = pictures.run
    groups = own_estimates(run.result)
    shown = dict(list(groups.items())[:MOST_PANELS])
    most = min(max(map(len, shown.values())), MOST_ROWS)
    columns = min(len(shown), 4 if most <= 40 else 3)
    lines = -(-len(shown) // columns)
    notes = [f"the first {MOST_PANELS} parameters of {len(groups)}"] if len(groups) > MOST_PANELS else []
    notes += [f"the first {MOST_ROWS} values of each"] if most < max(map(len, shown.values())) else []
    height = 1.1 + lines * (0.5 + 0.15 * most)
    fig = style.figure(style.WIDTH if columns > 1 else style.NARROW, height, title_of(run), "; ".join(notes))
    axes = list(fig.subplots(lines, columns, squeeze=False).flat)
    before: list[str] | None = None
    for k, (ax, (base, members)) in enumerate(zip(axes, shown.items(), strict=False)):
        names = list(members)[:MOST_ROWS]
        _draw(ax, base, {name: members[name] for name in names}, run.result.truth or {}, named=before != names)
        before = names if (k + 1) % columns else None
    for ax in axes[len(shown) :]:
        ax.remove()
    handles: list[Line2D | Patch] = [
        style.point_handle("estimate", style.BLUE),
        style.line_handle("95 % interval", style.BLUE),
        style.line_handle("median", style.GREY, dashed=True),
    ]
    if any(f"{base}[{name}]" in (run.result.truth or {}) for base, members in shown.items() for name in members):
        handles.append(style.point_handle("true", style.VERMILION, "|"))
    style.legend(fig, handles)
    return fig


def _draw(ax: Axes, base: str, members: Mapping[str, Estimate], truth: Mapping[str, float], named: bool) -> None:
    values = np.array([e.value for e in members.values()], dtype=np.float64)
    ends = np.array([e.interval or (math.nan, math.nan) for e in members.values()], dtype=np.float64)
    rows = np.arange(len(values))
    if (values > 0).all() and values.max() > LOG_SPREAD * values.min():
        ax.set_xscale("log")
        low, high = values.min() / 10, values.max() * 10
    else:
        # Values that agree differ by rounding: the intervals are the scale then.
        widths = np.diff(ends)[np.isfinite(np.diff(ends))]
        half = float(np.median(widths)) / 2 if len(widths) else 0.0
        spread = max(float(np.ptp(values)), half) or abs(float(values[0])) or 1.0
        low, high = values.min() - REACH * spread, values.max() + REACH * spread
    ends = np.clip(ends, low, high)
    ax.axvline(float(np.median(values)), color=style.GREY, linestyle="--", linewidth=0.8, zorder=1)
    ax.hlines(rows, ends[:, 0], ends[:, 1], color=style.BLUE, linewidth=1.2, zorder=2)
    ax.plot(values, rows, "o", color=style.BLUE, markersize=4, markeredgewidth=0, zorder=3)
    known = [(truth[f"{base}[{name}]"], k) for k, name in enumerate(members) if f"{base}[{name}]" in truth]
    if known:
        ax.plot(*zip(*known, strict=True), "|", color=style.VERMILION, markersize=7, markeredgewidth=1.6, zorder=4)
    ax.set_ylim(len(values) - 0.4, -0.6)
    ax.set_yticks(rows, [style.plain(name, 14) for name in members] if named else [""] * len(values))
    ax.tick_params(axis="y", length=0)
    unit = next(iter(members.values())).unit
    ax.set_title(style.plain(f"{base} ({unit})" if unit else base, 30))
    style.tidy_ticks(ax.xaxis, most=4)
