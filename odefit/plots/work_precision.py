"""What each solver's exactness costs: error against time, one line per method, for the states and for a gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from odefit.diagnostics.solver_comparison import ADAPTIVE, COMPILED_FAMILY, FIXED, Comparison, SolverRow
from odefit.engines.methods import METHODS
from odefit.plots import style
from odefit.plots.draw import write_picture
from odefit.records import dataclass

HEIGHT = 3.7
"""Inches."""
COLOURS = (*style.COLOURS, style.BLACK, style.GREY)
"""Of the methods of a family."""
MAX_ERROR = 10.0
"""Relative errors that are larger are drawn here, with an arrow to where they lie."""
FILLED = (*style.MARKERS, "X", "p")
"""Markers of a family: they tell it even where a method has a single point."""
THIN = ("x", "+", "1", "2", "3", "4", "_", "|")
"""Markers of another family."""


@dataclass(frozen=True)
class _Family:
    heading: str
    dashes: Literal["-", "--", ":"]
    markers: tuple[str, ...]
    is_hollow: bool = False


FAMILIES = {
    COMPILED_FAMILY: _Family("compiled", "-", FILLED),
    ADAPTIVE: _Family("torchdiffeq, adaptive", "--", FILLED, is_hollow=True),
    FIXED: _Family("torchdiffeq, fixed step", ":", THIN),
}


@dataclass(frozen=True)
class _Panel:
    """uncertainty: of the reference; below it, errors are not known."""

    title: str
    task: str
    numbers: Callable[[SolverRow], tuple[float | None, float | None]]
    uncertainty: float

    def points(self, rows: Iterable[SolverRow]) -> list[tuple[float, float]]:
        """Seconds and error, where there are both."""
        pairs = map(self.numbers, rows)
        return [(x, min(y, MAX_ERROR)) for x, y in pairs if x is not None and y is not None and y > 0]

    def beyond(self, rows: Iterable[SolverRow]) -> list[float]:
        """Seconds of what is off the scale."""
        return [x for x, y in map(self.numbers, rows) if x is not None and y is not None and y > MAX_ERROR]


def draw_work_precision(comparison: Comparison, title: str) -> Figure:
    """Two panels: seconds and error of a solve, seconds and error of a gradient. Best is the lower left corner."""
    panels = _panels(comparison)
    off = any(panel.beyond(comparison.rows) for panel in panels)
    note = f"↑ off the scale: an error above {MAX_ERROR:g}" if off else ""
    fig = style.figure(style.WIDTH, HEIGHT, title, note)
    axes = fig.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    errors = [y for panel in panels for _, y in panel.points(comparison.rows)] or [1.0]
    low, high = min(errors) / 3, max(errors) * (20 if off else 3)
    looks = _looks(comparison)
    for ax, panel in zip(axes, panels, strict=True):
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_ylim(low, high)
        ax.axhspan(low, max(panel.uncertainty, low), color=style.LIGHT, alpha=0.5, linewidth=0, zorder=0)
        for method, look in looks.items():
            _draw_method(ax, panel, _rows(comparison, method), look)
        ax.set_title(panel.title)
        ax.set_xlabel(f"time of {panel.task}")
        ax.grid(True, color=style.LIGHT, linewidth=0.4)
        _tidy(ax)
    axes[0].set_ylabel("relative error")
    _legend(fig, comparison, looks, any(panel.uncertainty > low for panel in panels))
    return fig


def save_work_precision(comparison: Comparison, title: str, path: Path, format: style.Format = "png") -> Path:
    """Draw it into a file, whole or not at all. Raises RunError where that cannot be written."""
    with style.styled():
        write_picture(path, style.render(draw_work_precision(comparison, title), format))
    return path


def _panels(comparison: Comparison) -> list[_Panel]:
    states = _Panel("states", "one solve", lambda row: (row.seconds, row.error), comparison.uncertainty)
    known = comparison.gradient_uncertainty
    if known is None:
        return [states]
    return [states, _Panel("gradient", "one gradient", lambda row: (row.gradient_seconds, row.gradient_error), known)]


def _rows(comparison: Comparison, method: str) -> list[SolverRow]:
    return [row for row in comparison.rows if row.method == method]


def _looks(comparison: Comparison) -> dict[str, dict[str, Any]]:
    """The looks of each method's line; second names of a method are left out."""
    looks: dict[str, dict[str, Any]] = {}
    for name, family in FAMILIES.items():
        own = [row for row in comparison.rows if row.family == name and METHODS[row.method].alias_of is None]
        for k, method in enumerate(dict.fromkeys(row.method for row in own)):
            colour = COLOURS[k % len(COLOURS)]
            looks[method] = {
                "color": colour,
                "linestyle": family.dashes,
                "linewidth": 1.1,
                "marker": family.markers[k % len(family.markers)],
                "markersize": 4.5 if family.markers is FILLED else 6,
                "markerfacecolor": "white" if family.is_hollow else colour,
            }
    return looks


def _draw_method(ax: Axes, panel: _Panel, rows: list[SolverRow], look: dict[str, Any]) -> None:
    if points := panel.points(rows):
        ax.plot(*zip(*points, strict=True), **look)
    for x in panel.beyond(rows):
        place: dict[str, Any] = {"xytext": (0, 2), "textcoords": "offset points", "ha": "center", "va": "bottom"}
        ax.annotate("↑", (x, MAX_ERROR), color=look["color"], fontsize=7, **place)
    for x, y in panel.points(row for row in rows if row.configured):
        ax.plot(x, y, "o", markersize=10, markerfacecolor="none", markeredgecolor=style.BLACK, markeredgewidth=0.9)


def _tidy(ax: Axes) -> None:
    """Times as 1 ms and 10 s."""
    low, high = ax.get_xlim()
    subs = (1.0, 2.0, 5.0) if high < 20 * low else (1.0, 3.0) if high < style.SHORT_LOG_AXIS * low else (1.0,)
    ax.xaxis.set_major_locator(LogLocator(subs=subs, numticks=10))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _seconds(value)))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_locator(LogLocator(numticks=12))


def _seconds(value: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= 0.999 * size:
            return f"{value / size:g} {unit}"
    return f"{value / 1e-6:g} µs"


def _legend(fig: Figure, comparison: Comparison, looks: dict[str, dict[str, Any]], has_limit: bool) -> None:
    """Beside the panels, family by family; a method without a point is named, too."""
    handles: list[Line2D] = []
    without_result: set[str] = set()
    for name, family in FAMILIES.items():
        members = [m for m in looks if _rows(comparison, m)[0].family == name]
        if members:
            handles.append(Line2D([], [], linestyle="none", label=family.heading))
        for method in members:
            if any(row.error is not None for row in _rows(comparison, method)):
                handles.append(Line2D([], [], label=method, **looks[method]))
                continue
            without_result.add(f"{method}: no result")
            handles.append(Line2D([], [], linestyle="none", label=f"{method}: no result"))
    if any(row.configured and row.error is not None for row in comparison.rows):
        ring = Line2D([], [], linestyle="none", marker="o", markersize=8, label="as configured")
        ring.set(markerfacecolor="none", markeredgecolor=style.BLACK)
        handles.append(ring)
    if has_limit:
        handles.append(Line2D([], [], color=style.LIGHT, linewidth=5, label="beyond the reference"))
    made = fig.legend(handles=handles, loc="outside right center", fontsize=7, handlelength=2.6, labelspacing=0.35)
    headings = {family.heading for family in FAMILIES.values()}
    for text in made.get_texts():
        if text.get_text() in headings:
            text.set_fontweight("bold")
        elif text.get_text() in without_result:
            text.set_color(style.GREY)
