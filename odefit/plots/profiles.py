"""Profile likelihoods: how far each quantity can go before the data object, beside what the curvature says.

The curve goes through the roots of the points, which lie on a nearly straight line, and is squared then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from odefit.arrays import FloatArray
from odefit.plots import style
from odefit.plots.selection import title_of
from odefit.profiles.records import Profile, Profiles, Verdict, read_profiles

if TYPE_CHECKING:
    from odefit.plots.equation_pictures import EquationPictures

MAX_PANELS = 12
ABOVE = 1.45
"""How far the axis reaches above the threshold, in thresholds."""
SMOOTH = 200
"""Points of a curve."""
LOG_SPREAD = 3.0
"""A profile in the logarithm has a logarithmic axis where it goes over more than this factor."""

COLOUR = {
    Verdict.DETERMINED: style.BLUE,
    Verdict.PRACTICALLY_NOT: style.ORANGE,
    Verdict.NOT_AT_ALL: style.VERMILION,
    Verdict.UNFINISHED: style.GREY,
}


def lacking(pictures: EquationPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    found = of_run(pictures)
    return "" if found is not None and len(found) else "the run has no profiles: `odefit profile RUN` makes them"


def of_run(pictures: EquationPictures) -> Profiles | None:
    """The profiles in the run folder. Raises RunError."""
    return read_profiles(pictures.run)


def draw(pictures: EquationPictures) -> Figure:
    """A panel for each profile. Raises RunError."""
    found = of_run(pictures)
    assert found is not None  # or the picture would be lacking
    return profiles_figure(found, title_of(pictures.run))


def profiles_figure(found: Profiles, title: str) -> Figure:
    """A panel for each profile: the curve, its threshold, the interval, and the parabola of the curvature."""
    fig, axes = panels(found, title)
    for ax, profile in zip(axes, found, strict=False):
        _panel(ax, profile)
    handles: list[Line2D | Patch] = [
        style.line_handle("profile", style.BLUE),
        style.line_handle("by the curvature (Wald)", style.GREY, dashed=True),
        style.line_handle(f"threshold of {100 * found.level:.4g} %", style.BLACK),
        style.patch_handle("interval", style.BLUE, 0.12),
    ]
    style.legend(fig, handles)
    return fig


def panels(found: Profiles, title: str) -> tuple[Figure, Sequence[Axes]]:
    """An empty picture with as many panels as it can have."""
    n = min(len(found), MAX_PANELS)
    columns = n if n <= 3 else 2 if n == 4 else 3 if n <= 9 else 4
    rows = math.ceil(n / columns)
    note = "" if n == len(found) else f"the first {n} quantities of {len(found)}"
    width = style.WIDTH if columns > 1 else 5.0
    fig = style.figure(width, 0.9 + 1.9 * rows if columns > 1 else 3.4, title, note)
    axes = fig.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[n:]:
        ax.set_visible(False)
    return fig, list(axes[:n])


def _panel(ax: Axes, profile: Profile) -> None:
    top = ABOVE * profile.threshold
    low, high = limits(profile)
    colour = COLOUR[profile.verdict]
    logarithmic = is_log_axis(profile, low, high)
    if logarithmic:
        ax.set_xscale("log")
    for first, last in profile.parts or ((profile.low, profile.high),):
        span = (low if first is None else first, high if last is None else last)
        ax.axvspan(*span, color=colour, alpha=0.12, linewidth=0)
    ax.axhline(profile.threshold, color=style.BLACK, linewidth=0.7)
    if profile.wald_half is not None:
        x = _spread(low, high, logarithmic)
        scale: Callable[[FloatArray], FloatArray] = np.log if profile.is_log else np.asarray
        away = (scale(x) - float(scale(np.array(profile.estimate)))) / profile.wald_half
        ax.plot(x, profile.threshold * away**2, color=style.GREY, linestyle="--", linewidth=1.0)
    for branch in np.unique(profile.branch):
        own = profile.branch == branch
        x, y = smooth(profile.value[own], profile.rise[own], profile.is_log)
        ax.plot(x, y, color=colour, linewidth=1.4)
        ax.plot(profile.value[own], profile.rise[own], "o", color=colour, markersize=2.6, markeredgewidth=0)
    ax.set_xlim(low, high)
    ax.set_ylim(0, top)
    finish(ax, profile)
    ax.set_ylabel("rise of −log likelihood" if ax.get_subplotspec().is_first_col() else "")  # type: ignore[union-attr]


def finish(ax: Axes, profile: Profile) -> None:
    """The labels of a panel."""
    unit = f" ({profile.unit})" if profile.unit else ""
    ax.set_xlabel(style.plain(f"{profile.name}{unit}", 40))
    said = str(profile.verdict) if profile.verdict != Verdict.DETERMINED else ""
    if profile.verdict == Verdict.NOT_AT_ALL and profile.moves_with:
        said = f"only with {profile.moves_with}"
    ax.set_title(style.plain(said, 36), fontsize=7.5, color=style.GREY)
    style.tidy_ticks(ax.xaxis, most=4)
    style.tidy_ticks(ax.yaxis, most=5)


def limits(profile: Profile) -> tuple[float, float]:
    """What is shown: the points below the top, and of the interval by the curvature what lies near them."""
    shown = profile.value[profile.rise <= ABOVE * profile.threshold]
    low, high = float(shown.min()), float(shown.max())
    if profile.is_log:
        low, high = math.log(low), math.log(high)
    width = (high - low) or 1.0
    if profile.wald is not None:
        ends = [math.log(max(x, 1e-300)) if profile.is_log else x for x in profile.wald]
        low, high = max(min(low, ends[0]), low - width / 3), min(max(high, ends[1]), high + width / 3)
    low, high = low - 0.04 * width, high + 0.04 * width
    return (math.exp(low), math.exp(high)) if profile.is_log else (low, high)


def is_log_axis(profile: Profile, low: float, high: float) -> bool:
    """Whether the quantity has a logarithmic axis."""
    return profile.is_log and high > LOG_SPREAD * low


def _spread(low: float, high: float, logarithmic: bool) -> FloatArray:
    return np.geomspace(low, high, SMOOTH) if logarithmic else np.linspace(low, high, SMOOTH)


def smooth(value: FloatArray, rise: FloatArray, is_log: bool) -> tuple[FloatArray, FloatArray]:
    """A curve through the points [n] of one branch, by their signed roots."""
    from scipy.interpolate import PchipInterpolator

    if len(value) < 3 or (np.diff(value) <= 0).any():
        return value, rise
    least = int(np.argmin(rise))
    root = np.sqrt(2 * np.maximum(rise - rise[least], 0.0)) * np.sign(np.arange(len(rise)) - least)
    position = np.log(value) if is_log else value
    x = np.unique(np.concatenate([np.linspace(position[0], position[-1], SMOOTH), position]))
    y = rise[least] + PchipInterpolator(position, root)(x) ** 2 / 2
    return (np.exp(x) if is_log else x), y
