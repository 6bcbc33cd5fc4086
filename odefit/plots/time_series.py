"""Time series: what was measured, the fitted curve with its band, and the true curve where it is known."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import Transform

from odefit.fitting.run import Run
from odefit.plots import style
from odefit.plots.band_kinds import NAMES
from odefit.plots.curves import Points, Trace, held_inputs, points
from odefit.plots.dates import show_offset, time_ticks
from odefit.plots.dose_marks import dose_handle, draw_doses
from odefit.plots.equation_pictures import EquationPictures
from odefit.plots.every_panel import label_every
from odefit.plots.infinite_time import draw_final, draw_points_at_rest
from odefit.plots.panels import Panel, Plan, plan_panels, share_limits
from odefit.plots.selection import Selection, title_of
from odefit.text import counted

BAND_ALPHA, NOISE_BAND_ALPHA = 0.30, 0.12
"""Opacity of the band of the curve, and of that of a new measurement around it."""
DENSE = 60
"""With more measurements in a panel, the curve is drawn over them and not below, and they are faint."""
DENSE_ALPHA = 0.3
"""Opacity of such measurements."""
DENSE_LEGEND_ALPHA = 0.45
"""In the legend a single point stands for many, which cover each other."""


def lacking(_pictures: EquationPictures) -> str:
    """Empty: there is always something to draw."""
    return ""


def draw(pictures: EquationPictures) -> Figure:
    """One panel per experiment, or one per experiment and observable."""
    run, selection, choice = pictures.run, pictures.selection, pictures.choice
    plan = plan_panels(run, selection, pictures.traces, choice.log_y, choice.all_panels)
    rows, columns = plan.shape
    shown = [[points(run, panel.trace.group, q, selection.limits) for q in panel.quantities] for panel in plan.panels]
    notes = (*plan.notes, *_bandless(run, plan), *held_inputs(run, [panel.trace for panel in plan.panels]))
    notes = (*notes, *_not_positive(plan, shown))
    size = _size(plan)
    fig = style.figure(*size, title_of(run), "; ".join(notes))
    grid = fig.subplots(rows, columns, squeeze=False)
    axes: list[Axes] = [grid[place] for place in plan.at] if plan.at else list(grid.flat)
    crowd = max(_crowd(p, panel.trace) for panel, measured in zip(plan.panels, shown, strict=True) for p in measured)
    marker = style.marker_size(crowd, size[0] / columns)
    for ax, panel, measured in zip(axes, plan.panels, shown, strict=False):
        _draw_panel(ax, pictures, plan, panel, measured, marker)
    used = axes[: len(plan.panels)]
    share_limits(used, plan, shown, selection.limits, run.observables)
    for ax, panel in zip(used, plan.panels, strict=True):
        draw_doses(ax, run.measured[panel.trace.group.members[0]].doses, ax.get_xlim())
    if plan.at:
        label_every(pictures, plan, used)
    else:
        _label(pictures, plan, used)
    for ax in grid.flat:
        if ax not in used:
            ax.remove()
    style.legend(fig, _handles(run, plan, shown, selection))
    return fig


def _size(plan: Plan) -> tuple[float, float]:
    """Width and height in inches."""
    rows, columns = plan.shape
    if plan.at:
        return max(style.WIDTH, 0.8 + 1.05 * columns), 1.1 + 0.85 * rows
    height = 3.8 if len(plan.panels) == 1 else 0.9 + rows * (1.9 if columns > 1 or rows < 4 else 1.5)
    return style.WIDTH, height


def _not_positive(plan: Plan, shown: Sequence[Sequence[Points]]) -> list[str]:
    """What a logarithmic axis cannot show."""
    n = sum(
        int((p.d <= 0).sum())
        for panel, measured in zip(plan.panels, shown, strict=True)
        if plan.logarithmic.issuperset(panel.quantities)
        for p in measured
    )
    return [f"without {counted(n, 'measurement')} at or below 0"] if n else []


def _draw_panel(
    ax: Axes, pictures: EquationPictures, plan: Plan, panel: Panel, measured: Sequence[Points], size: float
) -> None:
    run, trace, together = pictures.run, panel.trace, plan.together
    threshold = pictures.log_threshold([trace.group])
    if threshold is not None:
        ax.set_xscale("symlog", linthresh=threshold, linscale=0.3)
    if plan.logarithmic.issuperset(panel.quantities):
        ax.set_yscale("log")
    if trace.times[-1] > trace.end:
        ax.axvspan(trace.end, trace.times[-1], color=style.LIGHT, alpha=0.45, linewidth=0, zorder=0)
    for k, (quantity, at) in enumerate(zip(panel.quantities, measured, strict=True)):
        colour, ink, marker = _looks(k, together)
        band = trace.band_of(quantity)
        if band is not None:
            for low, high, alpha in (
                (band.noise_low, band.noise_high, NOISE_BAND_ALPHA),
                (band.low, band.high, BAND_ALPHA),
            ):
                ax.fill_between(trace.times, low, high, color=colour, alpha=alpha, linewidth=0, zorder=1)
        ax.plot(trace.times, trace.values(quantity), color=colour, zorder=3)
        draw_final(ax, trace, quantity, colour, (NOISE_BAND_ALPHA, BAND_ALPHA))
        truth = trace.true_values(quantity, run.observables)
        if truth is not None and trace.truth is not None:
            ax.plot(
                trace.truth.times, truth, color=_truth_ink(together), linestyle=(0, (4, 2)), linewidth=1.0, zorder=4
            )
        draw = functools.partial(_draw_points, ax, ink=ink, marker=marker, size=size)
        at = draw_points_at_rest(ax, at, draw)
        draw(at)


def _crowd(at: Points, trace: Trace) -> float:
    """The number of points if they went on like this over the whole axis."""
    own = trace.end - trace.times[0]
    return len(at.t) * max(1.0, (trace.times[-1] - trace.times[0]) / own) if own > 0 else len(at.t)


def _looks(k: int, together: bool) -> tuple[str, str, str]:
    """Colour of the curve, colour of the points, marker."""
    if together:
        return style.COLOURS[k], style.COLOURS[k], style.MARKERS[k]
    return style.BLUE, style.BLACK, "o"


def _truth_ink(together: bool) -> str:
    return style.BLACK if together else style.VERMILION


def _draw_points(ax: Axes, at: Points, place: Transform | None = None, *, ink: str, marker: str, size: float) -> None:
    """Filled: what the fit saw; hollow: what it did not. A triangle points to where the truth lies beyond a limit; a
    bar spans the two values between which it lies."""
    both = at.only(at.between)
    if len(both.t):
        place_of: dict[str, Any] = {} if place is None else {"transform": place, "clip_on": False}
        ends = np.sort(np.column_stack([both.far, both.d]), axis=1)
        ax.vlines(both.t, ends[:, 0], ends[:, 1], color=ink, linewidth=1.6, zorder=5, **place_of)
    at = at.only(~at.between)
    for side, shape in ((0, marker), (-1, "v"), (1, "^")):
        for held in (False, True):
            part = at.only((at.side == side) & (at.held == held))
            if len(part.t):
                _draw_markers(ax, part, ink, shape, size, held, len(at.t) > DENSE, place)


def _draw_markers(
    ax: Axes, at: Points, ink: str, marker: str, size: float, hollow: bool, dense: bool, place: Transform | None
) -> None:
    if dense:  # a halo around the curve
        size += 0.8
    edge = 0.9 if hollow else 0.0 if dense else 0.4
    looks: dict[str, Any] = {
        "color": ink,
        "marker": marker,
        "markersize": size,
        "linestyle": "none",
        "markerfacecolor": "white" if hollow else ink,
        "markeredgecolor": ink if hollow else "white",
        "markeredgewidth": edge,
        "alpha": DENSE_ALPHA if dense and not hollow else 1.0,
        "zorder": 2 if dense else 5,
    }
    if place is not None:
        looks |= {"transform": place, "clip_on": False}
    if at.error is None:
        ax.plot(at.t, at.d, **looks)
    else:
        ax.errorbar(at.t, at.d, yerr=at.error, elinewidth=0.7, capsize=1.5, **looks)


def _label(pictures: EquationPictures, plan: Plan, axes: Sequence[Axes]) -> None:
    """Names and ticks, said once where a row or a column shares them."""
    rows, columns = plan.shape
    same_x, same_y = (len({get(ax) for ax in axes}) == 1 for get in (Axes.get_xlim, Axes.get_ylim))
    for k, (ax, panel) in enumerate(zip(axes, plan.panels, strict=True)):
        time_ticks(ax.xaxis, pictures.calendar, 10 if columns == 1 else 6)
        style.tidy_ticks(ax.yaxis, most=8 if rows == 1 else 6 if rows < 4 else 5)
        if plan.names_experiments and (k < columns or not plan.is_matrix):
            ax.set_title(style.experiment_title(panel.trace.group.name))
        left, bottom = k % columns == 0, k + columns >= len(axes)
        if left or not (plan.is_matrix or plan.one_quantity):
            ax.set_ylabel(_y_label(panel))
        if bottom:
            ax.set_xlabel(pictures.time_label)
        ax.tick_params(labelleft=left or not same_y, labelbottom=bottom or not same_x)
        show_offset(ax.xaxis, bottom or not same_x)


def _y_label(panel: Panel) -> str:
    if len(panel.quantities) == 1:
        return panel.quantities[0].label
    names = ", ".join(q.name for q in panel.quantities)
    unit = panel.quantities[0].unit
    return style.plain(f"{names} ({unit})" if unit else names, 40)


def _bandless(run: Run, plan: Plan) -> list[str]:
    """Why a band is missing, where the data leave a parameter open."""
    bands = [p.trace.band_of(q) for p in plan.panels for q in p.quantities]
    missing = any(band is not None and np.isnan(band.low).any() for band in bands)
    names = [name for name, e in run.result.estimates.items() if e.reason and not e.at_bound]
    if not missing or not names:
        return []
    listed = ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")
    return [f"no band where the data do not determine {listed}"]


def _handles(run: Run, plan: Plan, shown: Sequence[Sequence[Points]], selection: Selection) -> list[Line2D | Patch]:
    """The signs, each once, and only those that occur."""
    together = plan.together
    handles: list[Line2D | Patch] = []
    first = plan.panels[0]
    if together:
        for k, quantity in enumerate(first.quantities):
            colour, _, marker = _looks(k, together)
            seen = any(len(measured[k].t) for measured in shown)
            looks: dict[str, Any] = {"color": colour, "marker": marker if seen else "", "markersize": 4.2}
            handles.append(Line2D([], [], label=style.plain(quantity.name, 30), **looks))
    ink, line = (style.GREY, style.GREY) if together else (style.BLACK, style.BLUE)
    every = [p for measured in shown for p in measured]
    if any(((p.side == 0) & ~p.held).any() for p in every):
        faint = all(len(p.t) > DENSE for p in every if len(p.t))
        handles.append(style.point_handle("measured", ink, alpha=DENSE_LEGEND_ALPHA if faint else 1.0))
    if any(p.held.any() for p in every):
        handles.append(style.point_handle("held out", ink, hollow=True))
    if any(p.between.any() for p in every):
        handles.append(
            Line2D([], [], linestyle="none", marker="|", markersize=9, color=ink, label="between two values")
        )
    if any(((p.side < 0) & ~p.between).any() for p in every):
        handles.append(style.point_handle("below this limit", ink, marker="v"))
    if any(((p.side > 0) & ~p.between).any() for p in every):
        handles.append(style.point_handle("above this limit", ink, marker="^"))
    handles.append(style.line_handle("fitted", line))
    bands = [band for p in plan.panels for q in p.quantities if (band := p.trace.band_of(q)) is not None]
    # A single point, such as a start that is known, is no band.
    if any(np.isfinite(band.low).sum() > 1 for band in bands):
        handles.append(style.patch_handle(NAMES[first.trace.band_kind], line, BAND_ALPHA + NOISE_BAND_ALPHA))
    if any(np.isfinite(band.noise_low).sum() > 1 for band in bands):
        handles.append(style.patch_handle("95 % prediction band", line, NOISE_BAND_ALPHA + 0.06))
    if any(p.trace.true_values(q, run.observables) is not None for p in plan.panels for q in p.quantities):
        handles.append(style.line_handle("true", _truth_ink(together), dashed=True))
    if any(run.measured[p.trace.group.members[0]].doses for p in plan.panels):
        handles.append(dose_handle())
    if selection.limits and any(p.trace.times[-1] > p.trace.end for p in plan.panels):
        handles.append(style.patch_handle("beyond the data", style.LIGHT, 0.6))
    return handles
