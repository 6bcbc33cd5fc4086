"""The posterior, parameter by parameter and pair by pair: histograms, and where half and most of the draws lie."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from odefit.arrays import FloatArray
from odefit.plots import style
from odefit.plots.equation_pictures import EquationPictures
from odefit.plots.posterior_draws import PosteriorDraws, lacking_draws
from odefit.plots.selection import title_of

MAX_SHOWN = 8
"""Parameters."""
BINS = 28
SHARES = (0.5, 0.9)
"""Of the draws, which lie within the contours."""
MOST_POINTS = 2000


def lacking(pictures: EquationPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    return lacking_draws(pictures)


def draw(pictures: EquationPictures) -> Figure:
    """A row and a column per parameter. Raises RunError."""
    run = pictures.run
    draws = PosteriorDraws.of(run, MAX_SHOWN)
    k = len(draws.names)
    estimates = [run.result.estimates[name].value for name in draws.names]
    limits = [draws.limits(j, [e for e in (estimates[j],) if e is not None]) for j in range(k)]
    side = max(1.25 * k, 3.4)
    fig = style.figure(side + 0.6, side + 0.9, title_of(run), draws.note)
    axes = fig.subplots(k, k, squeeze=False)
    for row in range(k):
        for column in range(k):
            ax = axes[row, column]
            if column > row:
                ax.set_axis_off()
                continue
            if column == row:
                _draw_one(ax, draws.flat[:, row], limits[row], estimates[row])
            else:
                _draw_pair(ax, draws.flat[:, [column, row]], (limits[column], limits[row]))
                if estimates[row] is not None and estimates[column] is not None:
                    ax.plot(estimates[column], estimates[row], "+", color=style.VERMILION, markersize=6, zorder=4)
            _label(ax, draws, row, column, k)
    handles = [
        style.point_handle("draws", style.BLUE, alpha=0.4),
        style.line_handle("half and 90 % of them", style.BLUE),
        style.line_handle("estimate of the fit", style.VERMILION),
    ]
    style.legend(fig, handles)
    return fig


def _label(ax: Axes, draws: PosteriorDraws, row: int, column: int, k: int) -> None:
    style.tidy_ticks(ax.xaxis, most=3)
    if row == column:
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
    else:
        style.tidy_ticks(ax.yaxis, most=3)
    if row == k - 1:
        ax.set_xlabel(draws.label(column, "\n"))
    else:
        ax.set_xticklabels([])
    if column == 0 and row > 0:
        ax.set_ylabel(draws.label(row, "\n"))
    elif column > 0:
        ax.set_yticklabels([])


def _draw_one(ax: Axes, values: FloatArray, limits: tuple[float, float], estimate: float | None) -> None:
    edges = np.linspace(*limits, BINS + 1).tolist()
    ax.hist(values, bins=edges, color=style.BLUE, alpha=0.4)
    if estimate is not None:
        ax.axvline(estimate, color=style.VERMILION, linewidth=1.0)
    ax.set_xlim(*limits)


def _draw_pair(ax: Axes, pairs: FloatArray, limits: tuple[tuple[float, float], tuple[float, float]]) -> None:
    shown = pairs[:: max(1, len(pairs) // MOST_POINTS)]
    ax.plot(
        shown[:, 0], shown[:, 1], ".", color=style.BLUE, markersize=1.6, alpha=0.25, markeredgewidth=0, rasterized=True
    )
    counts, x, y = np.histogram2d(pairs[:, 0], pairs[:, 1], bins=BINS, range=limits)
    density = _smooth(counts)
    heights = np.sort(density.ravel())[::-1]
    inside = np.cumsum(heights) / max(heights.sum(), 1e-300)
    levels = sorted({float(heights[min(int(np.searchsorted(inside, share)), len(heights) - 1)]) for share in SHARES})
    middle = [(edges[1:] + edges[:-1]) / 2 for edges in (x, y)]
    if levels[0] > 0:
        ax.contour(*middle, density.T, levels=levels, colors=style.BLUE, linewidths=0.9)
    ax.set_xlim(*limits[0])
    ax.set_ylim(*limits[1])


def _smooth(counts: FloatArray) -> FloatArray:
    """Each cell with its neighbours, so that contours are no coastlines."""
    kernel = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
    for axis in (0, 1):
        counts = np.apply_along_axis(lambda line: np.convolve(line, kernel, mode="same"), axis, counts)
    return counts
