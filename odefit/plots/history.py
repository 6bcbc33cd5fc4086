"""How the fit went: the loss, and every parameter on its way to its estimate; of a latent ODE, the score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from odefit.arrays import FloatArray
from odefit.errors import RunError
from odefit.fitting.run import Run
from odefit.plots import style
from odefit.plots.run_tables import Rows, read_rows
from odefit.plots.selection import title_of
from odefit.runs import folder as files
from odefit.runs.stored import StoredRun

MAX_PARAMETERS = 12
SPREAD = 10.0
"""A quantity whose largest value exceeds its smallest so many times is drawn on a logarithmic axis."""
FLOOR = 1e-10
# The training's own columns; parameters, which may have one of these names, come after them.
TRAINING = ["epoch", "loss", "learning_rate", "gradient_norm"]
STAGE = "stage"
# The last one is that of the truth.
STAGE_COLOURS, STAGE_DASHES = style.COLOURS[:-1], ("-", "--", ":")
SCORE, SCORE_LABEL = "score", "error of the series set aside"


def draw_history(run: StoredRun) -> Figure:
    """The loss above, small panels of the parameters below, or one of the score. Raises RunError."""
    rows = read_rows(run, files.HISTORY)
    if rows is None or len(rows) < 2:
        raise RunError(str(run.path / files.HISTORY), "this run has no history of more than one step")
    parameters = _parameters(run, rows) if isinstance(run, Run) else _score(rows)
    columns = min(4, len(parameters)) if len(parameters) != 6 else 3
    n = math.ceil(len(parameters) / columns) if parameters else 0
    fig = style.figure(style.WIDTH, 2.9 + 1.6 * n, title_of(run))
    grid = fig.add_gridspec(1 + n, max(columns, 1), height_ratios=[1.5, *[1.0] * n])
    steps, name = rows.numbers(0), rows.header[0]
    stages = _stages(rows)
    top = fig.add_subplot(grid[0, :])
    if isinstance(run, Run):
        _draw_value(top, steps, rows.numbers(1), rows.header[1], stages)
    else:
        _draw_bound(top, steps, rows.numbers(1))
    _label_steps(top, name, 10)
    for stage in stages[1:]:
        k = stage.part.start
        top.axvline((steps[k - 1] + steps[k]) / 2, color=style.GREY, linewidth=0.8, linestyle=":")
    for k, (parameter, column) in enumerate(parameters.items()):
        ax = fig.add_subplot(grid[1 + k // columns, k % columns])
        if isinstance(run, Run):
            _draw_parameter(ax, run, steps, rows.numbers(column), parameter, stages)
        else:
            ax.sharex(top)
            _draw_score(ax, steps, rows.numbers(column))
        _label_steps(ax, name if k + columns >= len(parameters) else "", 4 if columns > 1 else 10)
    style.legend(fig, _handles(run, parameters, stages))
    return fig


def _score(rows: Rows) -> dict[str, int]:
    """The column of the score, where there were any."""
    if SCORE not in rows.header:
        return {}
    column = rows.position(SCORE)
    return {SCORE: column} if np.isfinite(rows.numbers(column)).sum() > 1 else {}


@dataclass(frozen=True)
class _Stage:
    """Some rows in sequence: one of the parts of a training, whose loss is no other's, or all."""

    name: str
    part: slice
    looks: dict[str, Any]

    def draw(self, ax: Axes, steps: FloatArray, values: FloatArray, width: float, marker: str = "") -> None:
        t, v = steps[self.part], values[self.part]
        # A line of one point would not be seen.
        ax.plot(t, v, linewidth=width, marker=marker if len(t) > 1 else "o", markersize=3, **self.looks)


def _stages(rows: Rows) -> list[_Stage]:
    """The stages of a training by colour and dashes: they may be far too short for a name beside them."""
    names = rows.text(rows.position(STAGE)) if STAGE in rows.header else [""] * len(rows)
    begins = [0, *(k for k in range(1, len(names)) if names[k] != names[k - 1]), len(names)]
    n = len(STAGE_COLOURS)
    return [
        _Stage(
            names[first],
            slice(first, last),
            {"color": STAGE_COLOURS[k % n], "linestyle": STAGE_DASHES[k // n % len(STAGE_DASHES)]},
        )
        for k, (first, last) in enumerate(pairwise(begins))
    ]


def _parameters(run: Run, rows: Rows) -> dict[str, int]:
    """Which columns are drawn: those that move, or only those of the equations, or none where they are too many."""
    first = len(TRAINING) if rows.header[: len(TRAINING)] == TRAINING else 2
    first += rows.header[first : first + 1] == [STAGE]
    table = run.assembly.problem.table
    moving = {
        name: column
        for column, name in enumerate(rows.header)
        if column >= first and name in table.index and np.ptp(_finite(rows.numbers(column))) > 0
    }
    if len(moving) > MAX_PARAMETERS:
        moving = {name: column for name, column in moving.items() if table[name].role == "model"}
    return moving if len(moving) <= MAX_PARAMETERS else {}


def _finite(values: FloatArray) -> FloatArray:
    kept: FloatArray = values[np.isfinite(values)]
    return kept if len(kept) else np.zeros(1)


def _draw_value(ax: Axes, steps: FloatArray, values: FloatArray, name: str, stages: Sequence[_Stage]) -> None:
    finite = _finite(values)
    low, high = float(finite.min()), float(finite.max())
    label = name
    if name == "loss" and low > 0:
        ax.set_yscale("log" if high > SPREAD * low else "linear")
    else:
        # A likelihood has no natural zero, it may well be negative: what counts is the way down to its best.
        above = finite[finite > low] - low
        if len(above) > 1 and above.max() > SPREAD * above.min():
            # Below the floor there is rounding only.
            values, label = np.maximum(values - low, FLOOR * max(1.0, abs(low))), f"{name} above its best"
            ax.set_yscale("log")
    # Few steps are shown one by one.
    for stage in stages:
        stage.draw(ax, steps, values, 1.4, "o" if len(steps) <= 40 else "")
    ax.set_ylabel(style.plain(label))


def _draw_parameter(
    ax: Axes, run: Run, steps: FloatArray, values: FloatArray, name: str, stages: Sequence[_Stage]
) -> None:
    finite = _finite(values)
    if finite.min() > 0 and finite.max() > SPREAD * finite.min():
        ax.set_yscale("log")
    for stage in stages:
        stage.draw(ax, steps, values, 1.2)
    truth = (run.result.truth or {}).get(name)
    if truth is not None:
        ax.axhline(truth, color=style.VERMILION, linestyle="--", linewidth=1.0)
    unit = run.assembly.problem.table[name].unit
    ax.set_title(style.plain(f"{name} ({unit})" if unit else name, 26))


def _draw_bound(ax: Axes, steps: FloatArray, values: FloatArray) -> None:
    """A bound on a likelihood has no natural zero, and is an estimate: no logarithm."""
    ax.plot(steps, values, color=style.BLUE, linewidth=1.2)
    ax.set_ylabel("loss, nats per measurement")


def _draw_score(ax: Axes, steps: FloatArray, values: FloatArray) -> None:
    """It is known at some of the steps only."""
    known = np.isfinite(values)
    if values[known].min() > 0 and values[known].max() > SPREAD * values[known].min():
        ax.set_yscale("log")
    ax.plot(steps[known], values[known], color=style.BLUE, linewidth=1.2)
    best = np.flatnonzero(known)[np.argmin(values[known])]
    ax.plot(steps[best], values[best], "o", color=style.BLUE, markersize=4)
    ax.set_title(f"{SCORE_LABEL} (mean square, in squared spreads); the best is kept")


def _label_steps(ax: Axes, name: str, most: int) -> None:
    ax.set_xlabel(name)
    ax.margins(x=0.02)
    style.tidy_ticks(ax.xaxis, whole=True, most=most)
    style.tidy_ticks(ax.yaxis, most=5)


def _handles(run: StoredRun, parameters: dict[str, int], stages: Sequence[_Stage]) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = []
    if len(stages) > 1:
        handles += [Line2D([], [], label=style.plain(s.name, 30) or "unnamed", **s.looks) for s in stages]
    if any(name in (run.result.truth or {}) for name in parameters):
        handles += [] if handles else [style.line_handle("fit", style.BLUE)]
        handles.append(style.line_handle("true", style.VERMILION, dashed=True))
    return handles
