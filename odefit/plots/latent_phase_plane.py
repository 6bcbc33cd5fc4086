"""Series of a latent ODE in the plane of two observables."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from odefit.plots import style
from odefit.plots.latent_pictures import TRUTH, LatentPictures, Shown


def lacking(pictures: LatentPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    return "needs two observables; this shows one" if len(pictures.columns) < 2 else ""


def draw(pictures: LatentPictures) -> Figure:
    """The first two of the observables of each series, against each other."""
    pair = pictures.columns[:2]
    panels = [(one, pair) for one in pictures.shown]
    fig, axes = pictures.figure(panels, 2.2)
    for ax, (one, _) in zip(axes, panels, strict=True):
        _draw_plane(pictures, ax, one, pair)
    pictures.name_axes(axes, panels, pictures.label(pair[0]), lambda names: names[1])
    style.legend(fig, pictures.handles(pictures.shown, pair[:1], over_time=False))
    return fig


def _draw_plane(pictures: LatentPictures, ax: Axes, one: Shown, pair: Sequence[int]) -> None:
    x, y = pair
    ax.plot(one.values[:, x], one.values[:, y], color=style.BLUE, zorder=4)
    if one.truth is not None:
        ax.plot(one.truth[:, x], one.truth[:, y], zorder=5, **TRUTH)
    pictures.draw_points(ax, one, one.experiment.values[:, x], one.experiment.values[:, y], style.BLACK)
