"""The phase plane: trajectories, measured points, and the field of the fitted equations behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.errors import OdefitError
from odefit.fitting.run import Run
from odefit.model.functions import numpy_function
from odefit.model.switches import is_interrupted
from odefit.model.system import TIME
from odefit.plots import style
from odefit.plots.adaptive_grid import times_at_bends
from odefit.plots.curves import FINE, FINEST, Trace, held_inputs, is_compiled
from odefit.plots.equation_pictures import EquationPictures
from odefit.plots.selection import Quantity, Selection, title_of
from odefit.plots.streamlines import streamlines
from odefit.records import dataclass

MAX_IN_SPACE = 3
"""Trajectories in three dimensions. Of more, which would be a tangle, only the first is drawn."""
FIELD_GRID = 60
"""Points along each axis at which the field is computed."""
SOLVER_NOISE = 1e-6
"""A state that is below 0 by no more than this share of its largest value is never negative in truth."""
FIELD_HEADS = 7
"""Arrow heads of the field along each axis."""
HEAD = 0.055
"""Inches from the tip of such a head to its base."""


def lacking(pictures: EquationPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    return "needs two states; this shows one" if len(pictures.selection.plane) < 2 else ""


def dull(pictures: EquationPictures) -> str:
    """Why it says little: nothing was measured along both axes, and no field is the same for all that is shown."""
    run, axes = pictures.run, pictures.selection.plane[:3]
    columns = [q.observable for q in axes if q.observable is not None]
    if len(columns) == len(axes) and any((~np.isnan(e.values[:, columns])).all(axis=1).any() for e in run.measured):
        return ""
    try:
        field = _field(run, pictures.traces) if len(axes) == 2 else None
    except OdefitError:
        return ""  # which is said when it is drawn
    return "" if field is not None else "no two states were measured together, and there is no field to show"


def draw(pictures: EquationPictures) -> Figure:
    """Two quantities in the plane, three in space; one trajectory per experiment, from its start (a diamond) on."""
    run, selection, traces = pictures.run, pictures.selection, pictures.traces
    axes = selection.plane[:3]
    shown = list(traces if len(axes) == 2 or len(selection.groups) <= MAX_IN_SPACE else traces[:1])
    left_out = len(selection.groups) - len(shown)
    notes = held_inputs(run, shown)
    if left_out:
        what = "the first experiment" if len(shown) == 1 else f"the first {len(shown)} experiments"
        notes.insert(0, f"{what} of {len(selection.groups)}")
    fig = style.figure(5.2, 4.6, title_of(run), "; ".join(notes))
    ax: Any = fig.add_subplot() if len(axes) == 2 else _space(fig)
    for k, trace in enumerate(shown):
        _draw_trajectory(ax, run, selection, trace, axes, _inks(k, len(shown)))
    if len(axes) == 2:
        ax.set_xscale("log" if pictures.choice.log_x else "linear")
        ax.set_yscale("log" if pictures.choice.log_y else "linear")
    ax.set_xlabel(axes[0].label)
    ax.set_ylabel(axes[1].label)
    if len(axes) == 3:
        ax.set_zlabel(axes[2].label)
    else:
        ax.margins(0.06)
        style.tidy_ticks(ax.xaxis, most=8)
        style.tidy_ticks(ax.yaxis, most=8)
        if not (pictures.choice.log_x or pictures.choice.log_y):  # stream lines are those of even axes
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
    if n == 1:
        return Inks(style.BLUE, style.BLACK, style.VERMILION)
    ink = style.experiment_inks(n)[k]
    return Inks(ink, ink, style.BLACK, 1.3 if n <= style.MOST_NAMED else 0.9)


def _draw_trajectory(
    ax: Any, run: Run, selection: Selection, trace: Trace, axes: Sequence[Quantity], inks: Inks
) -> None:
    times, paths = _smooth(run, trace.times, np.stack([_state_values(trace, q) for q in axes]))
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


def _smooth(run: Run, times: FloatArray, paths: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The points of a solver that is not asked for more, joined by a cubic spline: straight lines would show its steps.

    Where states may jump only the few points of a fixed-step solver are, whose answer is one of its steps.
    """
    may_jump = is_interrupted(run.assembly.problem.engine.system)
    if is_compiled(run) or len(times) < 4 or not np.isfinite(paths).all() or (may_jump and len(times) >= FINE):
        return times, paths
    if not (np.diff(times) > 0).all():  # a jump at the start
        return times, paths
    from scipy.interpolate import CubicSpline

    even = np.linspace(times[0], times[-1], 4 * FINE if len(times) < FINE else 2)
    fine = np.unique(np.concatenate([times, even, times_at_bends(times, paths.T, FINEST)]))
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
    _draw_head(ax, path[:, k], path[:, k - 1], colour, 13, zorder=5)


def _draw_field(ax: Axes, run: Run, traces: Sequence[Trace], axes: Sequence[Quantity]) -> None:
    """Stream lines of f, where there is one field for all that is shown."""
    order = [q.state for q in axes if q.state is not None]
    field = _field(run, traces) if sorted(order) == [0, 1] else None
    if field is None:
        return
    limits = [
        _where_it_lives(traces, q, run.observables, span)
        for q, span in zip(axes, (ax.get_xlim(), ax.get_ylim()), strict=True)
    ]
    x, y = (np.linspace(*ends, FIELD_GRID) for ends in limits)
    grid = np.meshgrid(x, y)
    slopes = field(*(grid if order == [0, 1] else grid[::-1]))
    u, v = (np.broadcast_to(np.asarray(slopes[k], dtype=np.float64), grid[0].shape) for k in order)
    if not (np.isfinite(u).all() and np.isfinite(v).all()) or not (np.any(u) or np.any(v)):
        return
    whole = ax.get_xlim(), ax.get_ylim()
    lines = streamlines(x, y, u, v)
    if lines:
        ax.add_collection(LineCollection(lines, colors=style.LIGHT, linewidths=0.6, zorder=0), autolim=False)
        _draw_heads(ax, np.concatenate([np.stack([line[:-1], line[1:]], axis=1) for line in lines]), x, y)
    ax.set_xlim(*whole[0])
    ax.set_ylim(*whole[1])


def _draw_heads(ax: Axes, pieces: FloatArray, x: FloatArray, y: FloatArray) -> None:
    """Arrow heads on stream lines, one in each cell of a lattice, on the piece [N, 2 ends, 2] next to its middle.

    In the middle of each line, where they would stand otherwise, those of parallel lines form a line of their own.
    """
    low, size = np.array([x[0], y[0]]), np.array([x[-1] - x[0], y[-1] - y[0]])
    at = (pieces.mean(axis=1) - low) / size * FIELD_HEADS
    cell = np.floor(at).clip(0, FIELD_HEADS - 1)
    distance = np.abs(at - cell - 0.5).max(axis=1)
    moving = (pieces[:, 0] != pieces[:, 1]).any(axis=1) & (distance <= 0.4)
    order = np.argsort(distance, kind="stable")
    order = order[moving[order]]
    chosen = order[np.unique(cell[order], axis=0, return_index=True)[1]]
    way = (pieces[chosen, 1] - pieces[chosen, 0]) / np.linalg.norm(pieces[chosen, 1] - pieces[chosen, 0], axis=1)[
        :, None
    ]
    # Arrows without a shaft, in one piece: one by one they take as long to draw as all the rest.
    ax.quiver(
        *pieces[chosen, 1].T,
        *way.T,
        angles="xy",
        pivot="tip",
        units="inches",
        scale_units="inches",
        scale=1 / HEAD,
        width=HEAD / 3,
        headwidth=2.4,
        headlength=3,
        headaxislength=3,
        minshaft=1,
        minlength=0,
        color=style.LIGHT,
        zorder=0,
    )


def _draw_head(ax: Axes, tip: FloatArray, behind: FloatArray, colour: str, size: float, zorder: float) -> None:
    looks = {"arrowstyle": "-|>", "color": colour, "lw": 0, "mutation_scale": size, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", xy=tuple(tip), xytext=tuple(behind), arrowprops=looks, zorder=zorder)


def _field(run: Run, traces: Sequence[Trace]) -> Callable[..., Sequence[Any]] | None:
    """f of the two states; None unless it is the same at all times and in every experiment shown."""
    system = run.assembly.problem.engine.system
    if not system.is_mechanistic or len(system.states) != 2:
        return None
    used = {s.name for formula in system.rhs for s in sp.sympify(formula).free_symbols}
    rows = [t.group.members[0] for t in traces]
    experiments = [run.measured[row] for row in rows]
    if TIME in used or any(not dose.jumps for e in experiments for dose in e.doses):
        return None
    names = [name for name in system.inputs if name in used]
    inputs = [
        np.concatenate([e.inputs[name](t.times) for e, t in zip(experiments, traces, strict=True)]) for name in names
    ]
    local = run.assembly.problem.binding.local(run.theta)[rows, : len(system.parameters)]
    columns = [k for k, name in enumerate(system.parameters) if name in used]
    if (local[:, columns] != local[:1, columns]).any() or any(np.ptp(values) > 0 for values in inputs):
        return None
    function = numpy_function(list(system.rhs), (*system.states, *system.parameters, *names))
    known = (*local[0], *(float(values[0]) for values in inputs))
    return lambda *states: function(*states, *known)


def _where_it_lives(
    traces: Sequence[Trace], quantity: Quantity, names: tuple[str, ...], span: tuple[float, float]
) -> tuple[float, float]:
    """The limits of an axis, but from 0 on for what is never negative: a concentration has no field below 0."""
    curves = [_state_values(trace, quantity) for trace in traces]
    curves += [true for trace in traces if (true := trace.true_values(quantity, names)) is not None]
    values = np.concatenate(curves)
    low, high = span
    return (max(low, 0.0) if np.nanmin(values) >= -SOLVER_NOISE * np.nanmax(np.abs(values)) else low), high


def _handles(run: Run, shown: Sequence[Trace], axes: Sequence[Quantity], selection: Selection) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = []
    if len(shown) > 1:
        handles += style.experiment_handles([t.group.name for t in shown], style.experiment_inks(len(shown)))
    inks = Inks(style.GREY, style.GREY, style.BLACK) if len(shown) > 1 else _inks(0, 1)
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
