"""The phase plane: trajectories, measured points, and the field of the fitted equations behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from odefit.data.experiments import FloatArray
from odefit.model.functions import numpy_function
from odefit.model.system import TIME, symbol
from odefit.plots import style
from odefit.plots.curves import FINE, Trace
from odefit.plots.selection import Quantity, Selection, title_of
from odefit.runs.run import Run

NAMED = 4
"""So many experiments have a colour each; more share one."""
IN_SPACE = 3
"""So many trajectories in three dimensions; where there are more, which would be a tangle, the first."""
FIELD_GRID = 60


def draw_phase(run: Run, selection: Selection, traces: Sequence[Trace]) -> Figure:
    """Two quantities in the plane, three in space; one trajectory per experiment, from its start (a diamond) on."""
    axes = selection.plane[:3]
    shown = list(traces if len(axes) == 2 or len(selection.groups) <= IN_SPACE else traces[:1])
    left_out = len(selection.groups) - len(shown)
    note = ""
    if left_out:
        what = "the first experiment" if len(shown) == 1 else f"the first {len(shown)} experiments"
        note = f"{what} of {len(selection.groups)}"
    fig = style.figure(5.2, 4.6, title_of(run), note)
    ax: Any = fig.add_subplot() if len(axes) == 2 else _space(fig)
    for k, trace in enumerate(shown):
        _draw_trajectory(ax, run, selection, trace, axes, _inks(k, len(shown)))
    ax.set_xlabel(axes[0].label)
    ax.set_ylabel(axes[1].label)
    if len(axes) == 3:
        ax.set_zlabel(axes[2].label)
    else:
        ax.margins(0.06)
        style.tidy_ticks(ax.xaxis, most=8)
        style.tidy_ticks(ax.yaxis, most=8)
        _draw_field(ax, run, shown, axes)
    style.legend(fig, _handles(run, shown, axes, selection))
    return fig


def _space(fig: Figure) -> Any:
    """Axes in three dimensions, with light panes."""
    from mpl_toolkits.mplot3d import Axes3D

    ax = cast(Any, fig.add_subplot(axes_class=Axes3D))
    ax.view_init(elev=22, azim=-58)
    ax.set_box_aspect(None, zoom=1.05)
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.set_pane_color((1.0, 1.0, 1.0, 0.0))
        axis._axinfo["grid"].update(color=style.LIGHT, linewidth=0.5)
    return ax


@dataclass(frozen=True)
class Inks:
    """Colours of one trajectory: the curve, its measurements, the true curve."""

    curve: str
    points: str
    truth: str
    width: float = 1.3


def _inks(k: int, n: int) -> Inks:
    if 1 < n <= NAMED:
        return Inks(style.COLOURS[k], style.COLOURS[k], style.BLACK)
    return Inks(style.BLUE, style.BLACK, style.VERMILION, 1.3 if n == 1 else 0.9)


def _draw_trajectory(
    ax: Any, run: Run, selection: Selection, trace: Trace, axes: Sequence[Quantity], inks: Inks
) -> None:
    times, paths = _smooth(trace.times, np.stack([_state_values(trace, q) for q in axes]))
    low = selection.limits[0] if selection.limits else times[0]
    within = (times >= low) & (times <= trace.end)
    beyond = (times >= max(low, trace.end)) if times[-1] > trace.end else np.zeros_like(within)
    # Nothing empty: in three dimensions that would stretch an axis to 0..1.
    if beyond.any():
        ax.plot(*paths[:, beyond], color=inks.curve, linewidth=0.8 * inks.width, linestyle=(0, (1, 1.2)), zorder=3)
    if within.any():
        ax.plot(*paths[:, within], color=inks.curve, linewidth=inks.width, zorder=4)
    if _shows_start(selection, trace):
        ax.plot(*paths[:, :1], marker="D", color="white", markeredgecolor=inks.curve, markersize=5, zorder=7)
    truth = _true_path(run, trace, axes)
    if truth is not None and trace.truth is not None:
        shown = trace.truth.times >= low
        ax.plot(*truth[:, shown], color=inks.truth, linestyle=(0, (4, 2)), linewidth=0.9, zorder=5)
    measured = _measured(run, trace, axes, selection.limits)
    n = measured.shape[1]
    if n:
        _draw_measured(ax, measured, inks.points)
    if len(axes) == 2:
        _draw_arrow(ax, paths[:, within], inks.curve)


def _shows_start(selection: Selection, trace: Trace) -> bool:
    return selection.limits is None or selection.limits[0] <= trace.start


def _draw_measured(ax: Any, measured: FloatArray, colour: str) -> None:
    n = measured.shape[1]
    size = (0.8 if len(measured) == 2 else 0.65) * style.marker_size(n)
    ax.plot(
        *measured,
        "o",
        color=colour,
        markersize=size,
        markeredgecolor="white",
        markeredgewidth=0.3 if n <= 40 else 0,
        zorder=6,
        alpha=0.85,
    )


def _smooth(times: FloatArray, paths: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The few points of a fixed-step solver, joined by a cubic spline: straight lines would show its steps."""
    if not 4 <= len(times) < FINE or not np.isfinite(paths).all():
        return times, paths
    from scipy.interpolate import CubicSpline

    fine = np.unique(np.concatenate([times, np.linspace(times[0], times[-1], 4 * FINE)]))
    return fine, CubicSpline(times, paths, axis=1)(fine)


def _state_values(trace: Trace, quantity: Quantity) -> FloatArray:
    values: FloatArray = trace.states[:, quantity.state] if quantity.state is not None else trace.values(quantity)
    return values


def _true_path(run: Run, trace: Trace, axes: Sequence[Quantity]) -> FloatArray | None:
    values = [trace.true_values(q, run.observables) for q in axes]
    known = [v for v in values if v is not None]
    return np.stack(known) if len(known) == len(axes) else None


def _measured(run: Run, trace: Trace, axes: Sequence[Quantity], limits: tuple[float, float] | None) -> FloatArray:
    """Cells where every axis is measured at the same time, [A, M]."""
    columns = [q.observable for q in axes if q.observable is not None]
    if len(columns) < len(axes):
        return np.empty((len(axes), 0))
    parts = []
    for row in trace.group.members:
        experiment = run.measured[row]
        values = experiment.values[:, columns]
        kept = ~np.isnan(values).any(axis=1)
        if limits is not None:
            kept &= (experiment.times >= limits[0]) & (experiment.times <= limits[1])
        parts.append(values[kept].T)
    return np.concatenate(parts, axis=1)


def _draw_arrow(ax: Axes, path: FloatArray, colour: str) -> None:
    """One arrow head, a quarter of the way along."""
    size = np.nanmax(path, axis=1) - np.nanmin(path, axis=1) if path.shape[1] > 2 else np.zeros(2)
    if not (size > 0).all():
        return
    steps = np.linalg.norm(np.diff(path, axis=1) / size[:, None], axis=0)
    way = np.concatenate([[0.0], np.cumsum(steps)])
    if not way[-1] > 0:
        return
    k = int(np.clip(np.searchsorted(way, 0.25 * min(way[-1], 4.0)), 1, path.shape[1] - 1))
    ax.annotate(
        "",
        xy=tuple(path[:, k]),
        xytext=tuple(path[:, k - 1]),
        arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 0, "mutation_scale": 13, "shrinkA": 0, "shrinkB": 0},
        zorder=5,
    )


def _draw_field(ax: Axes, run: Run, traces: Sequence[Trace], axes: Sequence[Quantity]) -> None:
    """Stream lines of f, for two autonomous equations that are the same in every experiment shown."""
    system = run.assembly.problem.engine.system
    order = [q.state for q in axes]
    if not system.is_mechanistic or len(system.states) != 2 or sorted(o for o in order if o is not None) != [0, 1]:
        return
    used = set().union(*(f.free_symbols for f in system.rhs))
    if symbol(TIME) in used:
        return
    local = run.assembly.problem.binding.local(run.theta)[[t.group.members[0] for t in traces]]
    columns = [k for k, name in enumerate(system.parameters) if symbol(name) in used]
    if (local[:, columns] != local[:1, columns]).any():
        return
    x, y = (np.linspace(*limits, FIELD_GRID) for limits in (ax.get_xlim(), ax.get_ylim()))
    grid = np.meshgrid(x, y)
    states = grid if order == [0, 1] else grid[::-1]
    p = local[0, : len(system.parameters)]
    slopes = numpy_function(list(system.rhs), (*system.states, *system.parameters))(*states, *p)
    u, v = (
        np.broadcast_to(np.asarray(s, dtype=np.float64), grid[0].shape)
        for s in (slopes[k] for k in order if k is not None)
    )
    if not (np.isfinite(u).all() and np.isfinite(v).all()) or not (np.any(u) or np.any(v)):
        return
    ax.streamplot(x, y, u, v, color=style.LIGHT, linewidth=0.6, density=0.75, arrowsize=0.7, zorder=0)
    ax.set_xlim(x[0], x[-1])
    ax.set_ylim(y[0], y[-1])


def _handles(run: Run, shown: Sequence[Trace], axes: Sequence[Quantity], selection: Selection) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = []
    named = 1 < len(shown) <= NAMED
    if named:
        handles += [
            style.line_handle(style.experiment_title(t.group.name), _inks(k, len(shown)).curve)
            for k, t in enumerate(shown)
        ]
    inks = Inks(style.GREY, style.GREY, style.BLACK) if named else _inks(0, len(shown))
    ink = inks.curve
    handles.append(style.line_handle("fitted", ink))
    if any(_measured(run, t, axes, selection.limits).shape[1] for t in shown):
        handles.append(style.point_handle("measured", inks.points))
    if any(_true_path(run, t, axes) is not None for t in shown):
        handles.append(style.line_handle("true", inks.truth, dashed=True))
    if any(_shows_start(selection, t) for t in shown):
        start = style.point_handle("start", "white", "D")
        start.set_markeredgecolor(ink)
        handles.append(start)
    if any(t.times[-1] > t.end for t in shown):
        later = style.line_handle("beyond the data", ink)
        later.set_linestyle((0, (1, 1.2)))
        handles.append(later)
    return handles
