"""Pictures of a latent ODE: series continued beyond what was observed, and series between two others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from odefit.arrays import FloatArray
from odefit.plots import style

PANEL = 1.75
"""Inches: the side of a panel in the plane."""


def draw_forecasts(
    times: FloatArray,
    measured: FloatArray,
    truth: FloatArray,
    predicted: Mapping[str, FloatArray],
    observed: int,
    names: Sequence[str] = ("x", "y"),
    title: str = "Series continued from their first points",
) -> Figure:
    """Draw a column for each of E series: in the plane of two observables, and the first of them over time.

    Parameters
    ----------
    times
        [T].
    measured, truth
        [E, T, O].
    predicted
        [E, T, O] by label.
    observed
        The first points, from which the predictions were made; the others are not drawn, and their span is shaded.
    names
        Of the observables.
    title
        Of the picture.

    Returns
    -------
    Figure
    """
    n = len(truth)
    fig = style.figure(max(n * PANEL, 4.5), 2.2 * PANEL + 0.7, title)
    axes = fig.subplots(2, n, squeeze=False, height_ratios=(1.1, 0.9))
    colours = dict(zip(predicted, style.COLOURS, strict=False))
    for e, (plane, course) in enumerate(axes.T):
        chosen = {label: values[e] for label, values in predicted.items()}
        for ax, over_time in ((plane, False), (course, True)):
            _draw_series(ax, times if over_time else None, measured[e, :observed], truth[e], chosen, colours)
        course.axvspan(times[observed - 1], times[-1], color=style.LIGHT, alpha=0.4, linewidth=0, zorder=0)
        course.margins(x=0.02)
        plane.margins(0.06)
        plane.set_xlabel(names[0])
        course.set_xlabel("time")
        _tidy(plane, course)
    axes[0, 0].set_ylabel(names[1])
    axes[1, 0].set_ylabel(names[0])
    style.legend(
        fig,
        [
            *(style.line_handle(style.plain(label, 40), colour) for label, colour in colours.items()),
            style.line_handle("true", style.BLACK, dashed=True),
            style.point_handle("observed", style.BLACK),
            style.patch_handle("not observed", style.LIGHT, 0.4),
        ],
    )
    return fig


def _draw_series(
    ax: Axes,
    times: FloatArray | None,
    measured: FloatArray,
    truth: FloatArray,
    predicted: Mapping[str, FloatArray],
    colours: Mapping[str, str],
) -> None:
    """One series: its first observable over times [T], or its first two in the plane. measured: the first points."""

    def curve(values: FloatArray) -> tuple[FloatArray, FloatArray]:
        return (values[:, 0], values[:, 1]) if times is None else (times[: len(values)], values[:, 0])

    for label in reversed(list(predicted)):
        ax.plot(*curve(predicted[label]), color=colours[label], linewidth=1.2, zorder=3)
    ax.plot(*curve(truth), color=style.BLACK, linestyle=(0, (4, 2)), linewidth=0.9, zorder=4)
    ax.plot(*curve(measured), "o", color=style.BLACK, markersize=1.8, markeredgewidth=0, alpha=0.8, zorder=5)


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
        _tidy(ax)
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


def _tidy(*axes: Axes) -> None:
    for ax in axes:
        style.tidy_ticks(ax.xaxis, most=4)
        style.tidy_ticks(ax.yaxis, most=4)
