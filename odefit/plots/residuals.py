"""Standardised residuals r = (T(d) - m) / sigma over time, and against the normal distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from odefit.arrays import FloatArray
from odefit.distributions import normal_quantile, ordered_quantiles
from odefit.fitting.run import Run
from odefit.plots import style
from odefit.plots.compared import compared
from odefit.plots.dates import time_ticks
from odefit.plots.equation_pictures import EquationPictures
from odefit.plots.infinite_time import PLACE, beside, name_place
from odefit.plots.selection import Quantity, title_of
from odefit.records import dataclass

MAX_ROWS = 6
"""Observables."""
ENVELOPE = 0.95
"""The share of normal samples, at each rank, that the shaded region holds."""
QUANTILE_COLOUR = style.GREEN
"""Of residuals that are not those over time."""


@dataclass(frozen=True)
class Residuals:
    """The residuals of one observable.

    Parameters
    ----------
    t
        [M], times.
    r
        [M], in units of the standard deviation; log-normal ones are of logarithms.
    normal
        [M], for the quantile plot. The same but for noise that is not normal: there each measurement is put at the
        normal quantile of its probability under the fitted model (Dunn and Smyth 1996), which is normal if it is right.
    """

    t: FloatArray
    r: FloatArray
    normal: FloatArray


def standardised(run: Run, rows: Sequence[int], quantities: Sequence[Quantity]) -> list[Residuals]:
    """Compute measured minus fitted, over the estimated or given sigma, for the experiments `rows`. Raises SolveError.

    A first row that serves as an initial value has no residual.
    """
    every = compared(run)
    found = []
    for quantity in quantities:
        one = every[quantity.observable if quantity.observable is not None else 0]
        own = one.of(np.isin(one.experiment, list(rows)))
        found.append(Residuals(own.t, own.r, own.normal))
    return found


def lacking(pictures: EquationPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    return pictures.selection.lacks_residuals


def draw(pictures: EquationPictures) -> Figure:
    """A row per observable: residuals over time, and a normal quantile plot."""
    run, selection = pictures.run, pictures.selection
    quantities = selection.residuals[:MAX_ROWS]
    found = standardised(run, selection.rows, quantities)
    note = ""
    if len(quantities) < len(selection.residuals):
        note = f"the first {len(quantities)} observables of {len(selection.residuals)}"
    fig = style.figure(style.WIDTH, 0.9 + (2.1 if len(quantities) < 3 else 1.6) * len(quantities), title_of(run), note)
    axes = fig.subplots(len(quantities), 2, squeeze=False, gridspec_kw={"width_ratios": [2.2, 1]})
    for (left, right), quantity, residuals in zip(axes, quantities, found, strict=True):
        reach = 1.12 * max(2.6, float(np.abs(np.append(residuals.r, residuals.normal)).max(initial=0.0)))
        _draw_over_time(left, pictures, residuals, reach)
        left.set_ylabel(style.plain(f"{quantity.name}: residual / σ", 40))
        own = _differ(residuals)
        _draw_quantiles(right, residuals.normal, reach, QUANTILE_COLOUR if own else style.BLUE)
        if own:
            right.set_ylabel("quantile residual")
        time_ticks(left.xaxis, pictures.calendar, 8)
        style.tidy_ticks(right.xaxis, most=5)
        for ax in (left, right):
            style.tidy_ticks(ax.yaxis)
    axes[-1, 0].set_xlabel(pictures.time_label)
    axes[-1, 1].set_xlabel("normal quantile")
    handles: list[Line2D | Patch] = [style.point_handle("(measured − fitted) / σ", style.BLUE)]
    if any(_differ(residuals) for residuals in found):
        handles.append(style.point_handle("quantile residual", QUANTILE_COLOUR))
    handles.append(style.line_handle("±2 σ", style.GREY, dashed=True))
    handles.append(style.patch_handle("95 % of normal samples", style.GREY, 0.25))
    style.legend(fig, handles)
    return fig


def _differ(residuals: Residuals) -> bool:
    """True where the quantile plot shows other numbers than the panel beside it."""
    return not np.allclose(residuals.r, residuals.normal, rtol=1e-6, atol=1e-6)


def _draw_over_time(ax: Axes, pictures: EquationPictures, residuals: Residuals, reach: float) -> None:
    threshold = pictures.log_threshold(pictures.selection.groups)
    if threshold is not None:
        ax.set_xscale("symlog", linthresh=threshold, linscale=0.3)
    ax.axhline(0.0, color=style.BLACK, linewidth=0.6)
    for level in (-2.0, 2.0):
        ax.axhline(level, color=style.GREY, linewidth=0.8, linestyle="--")
    n = len(residuals.r)
    alpha = 1.0 if n <= 100 else 0.6 if n <= 1000 else 0.25
    looks: dict[str, Any] = {"color": style.BLUE, "markersize": style.marker_size(n), "markeredgewidth": 0}
    looks |= {"alpha": alpha, "rasterized": n > 5000}
    endless = np.isinf(residuals.t)
    ax.plot(residuals.t[~endless], residuals.r[~endless], "o", **looks)
    if endless.any():
        ax.plot(np.full(endless.sum(), PLACE), residuals.r[endless], "o", transform=beside(ax), clip_on=False, **looks)
        name_place(ax)
    ax.set_ylim(-reach, reach)


def _draw_quantiles(ax: Axes, r: FloatArray, reach: float, colour: str) -> None:
    """Ordered residuals over the quantiles of the normal distribution, with a pointwise envelope."""
    n = len(r)
    k = np.arange(1, n + 1, dtype=np.float64)
    q = normal_quantile((k - 0.375) / (n + 0.25))  # Blom (1958)
    ax.axline((0.0, 0.0), slope=1.0, color=style.BLACK, linewidth=0.6)
    if n:
        low = normal_quantile(ordered_quantiles(n, (1 - ENVELOPE) / 2))
        high = -low[::-1]  # counted from the other end
        ax.fill_between(q, low, high, color=style.GREY, alpha=0.25, linewidth=0)
        size = style.marker_size(n)
        ax.plot(q, np.sort(r), "o", color=colour, markersize=size, markeredgewidth=0, rasterized=n > 5000)
    ax.set_xlim(-max(2.2, float(q[-1]) * 1.1 if n else 0.0), max(2.2, float(q[-1]) * 1.1 if n else 0.0))
    ax.set_ylim(-reach, reach)
