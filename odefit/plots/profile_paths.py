"""What the other parameters do along each profile: those that make up for it move, the others stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from odefit.plots import style
from odefit.plots.profiles import finish, is_log_axis, lacking, limits, of_run, panels
from odefit.plots.selection import title_of
from odefit.profiles.records import Profile, Profiles

if TYPE_CHECKING:
    from odefit.plots.equation_pictures import EquationPictures

__all__ = ["draw", "lacking", "paths_figure"]

MOST_SHOWN = len(style.COLOURS)
"""Parameters in the picture: those that move most in any panel."""


FACTOR = 8.0
"""From the least to the largest ratio, beyond which the axis is logarithmic."""


def draw(pictures: EquationPictures) -> Figure:
    """A panel for each profile. Raises RunError."""
    found = of_run(pictures)
    assert found is not None  # or the picture would be lacking
    return paths_figure(found, title_of(pictures.run))


def paths_figure(found: Profiles, title: str) -> Figure:
    """A panel for each profile: every other parameter over its value at the optimum."""
    fig, axes = panels(found, title)
    shown = list(found)[: len(axes)]
    moved = {name: max(_moved(found.names, profile, name) for profile in shown) for name in found.names}
    chosen = sorted(sorted(moved, key=lambda name: -moved[name])[:MOST_SHOWN], key=found.names.index)
    colours = dict(zip(chosen, style.COLOURS, strict=False))
    for ax, profile in zip(axes, shown, strict=True):
        _panel(ax, profile, found.names, colours)
    style.legend(fig, [style.line_handle(style.plain(name, 30), colour) for name, colour in colours.items()])
    return fig


def _moved(names: tuple[str, ...], profile: Profile, name: str) -> float:
    """How much a parameter moves within the interval, relative to its value at the optimum."""
    if name == profile.name:
        return 0.0
    inside = (profile.branch == 0) & (profile.rise <= profile.threshold)
    values = profile.u[inside][:, names.index(name)]
    best = abs(values[np.argmin(profile.rise[inside])]) or 1.0
    if (values > 0).all():
        return float(np.log(values.max() / values.min()))
    return float(np.ptp(values) / best)


def _panel(ax: Axes, profile: Profile, names: tuple[str, ...], colours: dict[str, str]) -> None:
    low, high = limits(profile)
    if is_log_axis(profile, low, high):
        ax.set_xscale("log")
    inside = profile.branch == 0
    order = np.argsort(profile.value[inside])
    x, u = profile.value[inside][order], profile.u[inside][order]
    best = u[np.argmin(np.abs(x - profile.estimate))]
    columns = [names.index(name) for name in colours if name != profile.name]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = u / best
    is_ratio = bool((ratio[:, columns] > 0).all())
    shown = ratio[(x >= low) & (x <= high)][:, columns]
    if is_ratio and shown.max(initial=1.0) > FACTOR * shown.min(initial=1.0):
        ax.set_yscale("log")
    for name, colour in colours.items():
        if name == profile.name:
            continue
        column = names.index(name)
        y = ratio[:, column] if is_ratio else u[:, column] - best[column]
        ax.plot(x, y, color=colour, linewidth=1.2, marker="o", markersize=2.0, markeredgewidth=0)
    ax.axvline(profile.estimate, color=style.LIGHT, linewidth=0.8, zorder=0)
    for end in (profile.low, profile.high):
        if end is not None:
            ax.axvline(end, color=style.GREY, linewidth=0.6, linestyle=":", zorder=0)
    ax.set_xlim(low, high)
    finish(ax, profile)
    if ax.get_subplotspec().is_first_col():  # type: ignore[union-attr]
        ax.set_ylabel("over that at the optimum" if is_ratio else "less that at the optimum")
