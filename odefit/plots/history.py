"""How the fit went: the loss, and every parameter on its way to its estimate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from odefit.arrays import FloatArray
from odefit.fitting.run import Run
from odefit.plots import style
from odefit.plots.equation_pictures import EquationPictures
from odefit.plots.selection import title_of
from odefit.records import dataclass
from odefit.runs import folder as files
from odefit.runs.tables import Rows

if TYPE_CHECKING:
    from odefit.plots.latent_pictures import LatentPictures

MAX_PARAMETERS = 12
"""Parameters that have a panel each; where there are more, only those of the equations do."""
MIN_LOG_SPREAD = 10.0
"""A quantity whose largest value exceeds its smallest this many times is drawn on a logarithmic axis."""
LOG_FLOOR = 1e-10
"""Differences from the best value, as a share of it, below which there is rounding only."""
TRAINING_COLUMNS = ["epoch", "loss", "learning_rate", "gradient_norm"]
"""The training's own; parameters, which may have one of these names, come after them."""
STAGE = "stage"
"""The column that says to which stage of a training an epoch belongs."""
STAGE_COLOURS, STAGE_DASHES = style.COLOURS[:-1], ("-", "--", ":")
"""The looks of the stages. The last colour is that of the truth."""


def lacking(pictures: EquationPictures | LatentPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    rows = pictures.run.rows(files.HISTORY)
    return "the run has no history of more than one step" if rows is None or len(rows) < 2 else ""


def draw(pictures: EquationPictures) -> Figure:
    """The loss above, small panels of the parameters below. Raises RunError."""
    run, rows = pictures.run, pictures.run.rows(files.HISTORY)
    assert rows is not None  # or the picture would be lacking
    parameters = _parameters(run, rows)
    columns = min(4, len(parameters)) if len(parameters) != 6 else 3
    n = math.ceil(len(parameters) / columns) if parameters else 0
    fig = style.figure(style.WIDTH, 2.9 + 1.6 * n, title_of(run))
    grid = fig.add_gridspec(1 + n, max(columns, 1), height_ratios=[1.5, *[1.0] * n])
    steps, name = rows.numbers(0), rows.header[0]
    stages = _stages(rows)
    top = fig.add_subplot(grid[0, :])
    _draw_value(top, steps, rows.numbers(1), rows.header[1], stages)
    label_steps(top, name, 10)
    for stage in stages[1:]:
        k = stage.part.start
        top.axvline((steps[k - 1] + steps[k]) / 2, color=style.GREY, linewidth=0.8, linestyle=":")
    for k, (parameter, column) in enumerate(parameters.items()):
        ax = fig.add_subplot(grid[1 + k // columns, k % columns])
        _draw_parameter(ax, run, steps, rows.numbers(column), parameter, stages)
        label_steps(ax, name if k + columns >= len(parameters) else "", 4 if columns > 1 else 10)
    style.legend(fig, _handles(run, parameters, stages))
    return fig


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
    """The columns to be drawn: those that move, or only those of the equations, or none where they are too many."""
    first = len(TRAINING_COLUMNS) if rows.header[: len(TRAINING_COLUMNS)] == TRAINING_COLUMNS else 2
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
        ax.set_yscale("log" if high > MIN_LOG_SPREAD * low else "linear")
    else:
        # A likelihood has no natural zero, it may well be negative: what counts is the way down to its best.
        above = finite[finite > low] - low
        if len(above) > 1 and above.max() > MIN_LOG_SPREAD * above.min():
            values, label = np.maximum(values - low, LOG_FLOOR * max(1.0, abs(low))), f"{name} above its best"
            ax.set_yscale("log")
    # Few steps are shown one by one.
    for stage in stages:
        stage.draw(ax, steps, values, 1.4, "o" if len(steps) <= 40 else "")
    ax.set_ylabel(style.plain(label))


def _draw_parameter(
    ax: Axes, run: Run, steps: FloatArray, values: FloatArray, name: str, stages: Sequence[_Stage]
) -> None:
    finite = _finite(values)
    if finite.min() > 0 and finite.max() > MIN_LOG_SPREAD * finite.min():
        ax.set_yscale("log")
    for stage in stages:
        stage.draw(ax, steps, values, 1.2)
    truth = (run.result.truth or {}).get(name)
    if truth is not None:
        ax.axhline(truth, color=style.VERMILION, linestyle="--", linewidth=1.0)
    unit = run.assembly.problem.table[name].unit
    ax.set_title(style.plain(f"{name} ({unit})" if unit else name, 26))


def label_steps(ax: Axes, name: str, most: int) -> None:
    """Name the axis of the steps, with at most `most` ticks, and tidy that of the values."""
    ax.set_xlabel(name)
    ax.margins(x=0.02)
    style.tidy_ticks(ax.xaxis, whole=True, most=most)
    style.tidy_ticks(ax.yaxis, most=5)


def _handles(run: Run, parameters: dict[str, int], stages: Sequence[_Stage]) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = []
    if len(stages) > 1:
        handles += [Line2D([], [], label=style.plain(s.name, 30) or "unnamed", **s.looks) for s in stages]
    if any(name in (run.result.truth or {}) for name in parameters):
        handles += [] if handles else [style.line_handle("fit", style.BLUE)]
        handles.append(style.line_handle("true", style.VERMILION, dashed=True))
    return handles
