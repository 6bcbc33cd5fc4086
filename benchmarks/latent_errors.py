"""What latent ODEs and their peers are compared by: errors of predictions, and a picture of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from odefit.arrays import FloatArray
from odefit.plots import style

PANEL = 1.75
"""Inches: the side of a panel in the plane."""


@dataclass(frozen=True)
class Errors:
    """Mean squared errors of some series, and the medians over the series of each one's own.

    Reconstruction is what was observed, extrapolation what comes after.
    """

    reconstruction: float
    extrapolation: float
    median_reconstruction: float
    median_extrapolation: float


def errors_of(predicted: FloatArray, truth: FloatArray, observed: int) -> Errors:
    """Compare predictions with the noise-free truth.

    Parameters
    ----------
    predicted, truth
        [E, T, O]. A point that is not predicted (NaN) does not count.
    observed
        The first points, which were read.

    Returns
    -------
    Errors
    """
    squares = np.square(predicted - truth)
    first, later = squares[:, :observed], squares[:, observed:]
    own = [np.nanmean(part, axis=(1, 2)) for part in (first, later)]
    return Errors(
        float(np.nanmean(first)), float(np.nanmean(later)), float(np.median(own[0])), float(np.median(own[1]))
    )


def share_of_size(predicted: FloatArray, truth: FloatArray, observed: int) -> float:
    """The mean over the series of the squared error of the extrapolation, as a share of each one's mean square.

    The mean square is that of the observed part. Large series count no more than small ones.
    """
    own = np.nanmean(np.square(predicted - truth)[:, observed:], axis=(1, 2))
    return float((own / np.square(truth[:, :observed]).mean(axis=(1, 2))).mean())


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
        for ax in (plane, course):
            style.tidy_ticks(ax.xaxis, most=4)
            style.tidy_ticks(ax.yaxis, most=4)
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
