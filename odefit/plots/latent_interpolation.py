"""Series on the way between the latent starts of two others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from odefit.arrays import FloatArray
from odefit.plots import style
from odefit.plots.latent_pictures import FINE, LatentPictures
from odefit.plots.selection import time_label, title_of

STEPS = 7
"""Series on the way from one latent start to another, these two among them."""


def lacking(pictures: LatentPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    if len(pictures.rows) < 2:
        return "needs two series; this shows one"
    return "" if _longest(pictures) > 0 else "needs a series of more than one time"


def draw(pictures: LatentPictures) -> Figure:
    """Series on the straight way between the latent starts of the first two: two observables, or one over time."""
    run, (first, second), columns = pictures.run, pictures.rows[:2], pictures.columns[:2]
    elapsed = np.linspace(0.0, _longest(pictures), FINE)
    between = run.between(first, second, elapsed, STEPS)[..., columns]
    names = tuple(pictures.label(column) for column in columns)
    if len(names) == 1:
        names = (time_label(run), names[0])
        between = np.concatenate([np.broadcast_to(elapsed[:, None], between.shape), between], axis=-1)
    words = " to ".join(style.experiment_title(run.measured[row].name) for row in (first, second))
    return draw_interpolation(between, names, f"{title_of(run)}: from {words}")


def draw_interpolation(
    between: FloatArray,
    names: Sequence[str] = ("x", "y"),
    title: str = "Between two latent starts",
) -> Figure:
    """Draw series on the way from one latent start to another, side by side in the plane; a diamond is a start.

    Parameters
    ----------
    between
        [K, T, 2], the series.
    names
        Of the axes.
    title
        Of the picture.

    Returns
    -------
    Figure
    """
    n = len(between)
    fig = style.figure(max(n * 1.3, 4.5), 2.1, title, "the first and the last are reconstructions of series")
    axes = fig.subplots(1, n, squeeze=False, sharex=True, sharey=True)[0]
    for weight, ax, path in zip(np.linspace(0, 1, n), axes, between, strict=True):
        ax.plot(*path.T, color=style.BLUE, linewidth=1.1, zorder=3)
        ax.plot(*path[0], marker="D", color="white", markeredgecolor=style.BLUE, markersize=4, zorder=4)
        _draw_arrow(ax, path)
        ax.set_title(f"{weight:.0%} of the way")
        ax.set_xlabel(names[0])
        style.tidy_ticks(ax.xaxis, most=4)
        style.tidy_ticks(ax.yaxis, most=4)
    axes[0].set_ylabel(names[1])
    return fig


def _draw_arrow(ax: Axes, path: FloatArray) -> None:
    """An arrow head a little after the start, by which one sees which way round the series goes."""
    k = max(len(path) // 20, 1)
    ax.annotate(
        "",
        xy=tuple(path[k]),
        xytext=tuple(path[k - 1]),
        arrowprops={
            "arrowstyle": "-|>",
            "color": style.BLUE,
            "lw": 0,
            "mutation_scale": 11,
            "shrinkA": 0,
            "shrinkB": 0,
        },
        zorder=5,
    )


def _longest(pictures: LatentPictures) -> float:
    """The time over which the first two series go, or are to be shown."""
    pair = [pictures.run.measured[row] for row in pictures.rows[:2]]
    if pictures.limits is not None:
        return pictures.limits[1] - min(e.start for e in pair)
    return max(float(e.times[-1] - e.start) for e in pair)
