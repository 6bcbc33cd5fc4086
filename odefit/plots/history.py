"""How the fit went: the loss, and every parameter on its way to its estimate."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from odefit.data.experiments import FloatArray
from odefit.errors import RunError
from odefit.plots import style
from odefit.plots.selection import title_of
from odefit.plots.tables import Rows, read_rows
from odefit.runs import folder as files
from odefit.runs.run import Run

MAX_PARAMETERS = 12
SPREAD = 10.0
"""A quantity whose largest value exceeds its smallest so many times is drawn on a logarithmic axis."""
FLOOR = 1e-10
# The training's own columns; parameters, which may have one of these names, come after them.
TRAINING = ["epoch", "loss", "learning_rate", "gradient_norm"]
STAGE = "stage"


def draw_history(run: Run) -> Figure:
    """The loss above, small panels of the parameters below. Raises RunError."""
    rows = read_rows(run, files.HISTORY)
    if rows is None or len(rows) < 2:
        raise RunError(str(run.path / files.HISTORY), "this run has no history of more than one step")
    parameters = _parameters(run, rows)
    columns = min(4, len(parameters)) if len(parameters) != 6 else 3
    n = math.ceil(len(parameters) / columns) if parameters else 0
    fig = style.figure(style.WIDTH, 2.9 + 1.6 * n, title_of(run))
    grid = fig.add_gridspec(1 + n, max(columns, 1), height_ratios=[1.5, *[1.0] * n])
    steps, name = rows.numbers(0), rows.header[0]
    top = fig.add_subplot(grid[0, :])
    _draw_value(top, steps, rows.numbers(1), rows.header[1])
    _label_steps(top, name, 10)
    _mark_stages(top, steps, rows)
    for k, (parameter, column) in enumerate(parameters.items()):
        ax = fig.add_subplot(grid[1 + k // columns, k % columns])
        _draw_parameter(ax, run, steps, rows.numbers(column), parameter)
        _label_steps(ax, name if k + columns >= len(parameters) else "", 4 if columns > 1 else 10)
    style.legend(fig, _handles(run, parameters))
    return fig


def _mark_stages(ax: Axes, steps: FloatArray, rows: Rows) -> None:
    """Where a training goes over to its next stage, whose loss is another one, and what each stage is called."""
    if STAGE not in rows.header:
        return
    names = rows.text(rows.position(STAGE))
    begins = [0, *(k for k in range(1, len(names)) if names[k] != names[k - 1])]
    for k in begins:
        if k:
            ax.axvline((steps[k - 1] + steps[k]) / 2, color=style.GREY, linewidth=0.8, linestyle=":")
        ax.annotate(
            style.plain(names[k], 30),
            (steps[k], 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(2, -2),
            textcoords="offset points",
            va="top",
            fontsize="small",
            color=style.GREY,
        )


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


def _draw_value(ax: Axes, steps: FloatArray, values: FloatArray, name: str) -> None:
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
    ax.plot(steps, values, color=style.BLUE, marker="o" if len(steps) <= 40 else "", markersize=3)
    ax.set_ylabel(style.plain(label))


def _draw_parameter(ax: Axes, run: Run, steps: FloatArray, values: FloatArray, name: str) -> None:
    finite = _finite(values)
    if finite.min() > 0 and finite.max() > SPREAD * finite.min():
        ax.set_yscale("log")
    ax.plot(steps, values, color=style.BLUE, linewidth=1.2)
    truth = (run.result.truth or {}).get(name)
    if truth is not None:
        ax.axhline(truth, color=style.VERMILION, linestyle="--", linewidth=1.0)
    unit = run.assembly.problem.table[name].unit
    ax.set_title(style.plain(f"{name} ({unit})" if unit else name, 26))


def _label_steps(ax: Axes, name: str, most: int) -> None:
    ax.set_xlabel(name)
    ax.margins(x=0.02)
    style.tidy_ticks(ax.xaxis, whole=True, most=most)
    style.tidy_ticks(ax.yaxis, most=5)


def _handles(run: Run, parameters: dict[str, int]) -> list[Line2D | Patch]:
    if not any(name in (run.result.truth or {}) for name in parameters):
        return []
    return [style.line_handle("fit", style.BLUE), style.line_handle("true", style.VERMILION, dashed=True)]
