"""How every picture looks: colours, sizes, and bytes that depend on nothing but the run.

Colours are those of Okabe & Ito (2008, "Color Universal Design"), which the colour-blind can tell apart.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib
import matplotlib.colors
import numpy as np
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from odefit.plots.layout import MeasuredOnce
from odefit.plots.png import png
from odefit.plots.ticks import found_once, seen_only
from odefit.text import cut, experiment_called

Format = Literal["png", "svg", "pdf"]

BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"
BLACK, GREY, LIGHT = "#222222", "#767676", "#D9D9D9"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION)
MOST_NAMED = 8
"""Experiments that a legend names one by one."""
MARKERS = ("o", "s", "^", "D", "v", "P")
DOTS = 200
"""Dots per inch of a PNG."""

SHORT_LOG_AXIS = 200.0
"""A logarithmic axis whose end is less than this many times its beginning is labelled with plain numbers."""

WIDTH = 7.0
"""Inches: two columns of a journal."""
NARROW = 5.0
"""The least width of a picture, in which a title has room."""

STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.edgecolor": BLACK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-4, 5),
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "figure.titlesize": 10,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "savefig.dpi": DOTS,
    # Text stays text, glyphs are embedded, and ids do not depend on the moment.
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "odefit",
}

OF_THE_USER = ("backend", "date.epoch", "timezone")
"""Settings that are no matter of looks, or hold from the first date on."""

METADATA: dict[str, dict[str, None]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@contextmanager
def styled(dots: float | None = None) -> Iterator[None]:
    """Use our settings, whatever the user's matplotlibrc says; the old ones are back at the end.

    A character that the font lacks is drawn as a box, which says enough: no warning about it.

    dots: per inch of figures, where it is known how many their files have: then texts are measured once.
    """
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from", category=UserWarning)
        _set_style()
        if dots is not None:
            matplotlib.rcParams["figure.dpi"] = dots
        yield


def _set_style() -> None:
    """The defaults where the user's settings differ, and ours: `rcdefaults` would read all styles of the library."""
    settings: Any = matplotlib.rcParams
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", matplotlib.MatplotlibDeprecationWarning)  # of settings that go
        defaults = {key: value for key, value in matplotlib.rcParamsDefault.items() if key not in OF_THE_USER}
        settings.update({key: value for key, value in defaults.items() if settings[key] != value} | STYLE)


class Picture(Figure):
    """A figure that a notebook shows although pyplot, which would keep it alive, does not know it."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """The bytes, and the size on the page: half as many dots as the image has, for sharp screens."""
        width, height = (round(inches * DOTS / 2) for inches in self.get_size_inches())
        with styled():
            return render(self, "png"), {"width": width, "height": height}


def figure(width: float, height: float, title: str, note: str = "") -> Figure:
    """An empty picture with its title, sizes in inches; `note` stands below the title, smaller."""
    fig = Picture(figsize=(width, height), layout=MeasuredOnce())
    FigureCanvasAgg(fig)
    text = plain(title) + (f"\n{plain(note)}" if note else "")
    fig.suptitle(text)
    return fig


def render(fig: Figure, format: Format) -> bytes:
    """The bytes of the picture's file: the same run gives the same bytes."""
    if format == "png":
        return png(_drawn(fig), DOTS)
    buffer = io.BytesIO()
    fig.savefig(buffer, format=format, metadata=METADATA[format])
    return buffer.getvalue()


def _drawn(fig: Figure) -> NDArray[np.uint8]:
    """[height, width, 4] of the picture. `savefig` draws twice, the first time for the sake of the layout alone."""
    layout, dots = fig.get_layout_engine(), fig.dpi
    canvas: Any = fig.canvas if isinstance(fig.canvas, FigureCanvasAgg) else FigureCanvasAgg(fig)
    try:
        fig.dpi = DOTS
        with seen_only(fig):
            if layout is not None and fig.axes:
                with found_once(fig):
                    layout.execute(fig)
                fig.set_layout_engine("none")
            with found_once(fig):
                canvas.draw()
        return np.asarray(canvas.buffer_rgba())
    finally:
        fig.dpi = dots
        if layout is not None:
            fig.set_layout_engine(layout)


POWER = re.compile(r"\^(?:\((-?\d+)\)|(-?\d+))(?![\w.^(])")
EXPONENT = re.compile(r"\^\{(-?\d+)\}")
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def plain(text: str, length: int = 90) -> str:
    """Make a label of a text of the user's: a dollar sign is a dollar sign, 10^6 is 10⁶, and no line is too long."""
    line = POWER.sub(lambda found: (found[1] or found[2]).translate(RAISED), " ".join(text.split()))
    return cut(line, length).replace("$", r"\$")


def experiment_inks(n: int) -> list[str]:
    """A colour for each of n experiments: far apart where they are few, else along a scale in their order."""
    if n <= len(COLOURS):
        return list(COLOURS[:n])
    scale = matplotlib.colormaps["viridis"]
    return [matplotlib.colors.to_hex(scale(0.92 * k / (n - 1))) for k in range(n)]


def experiment_handles(names: Sequence[str], inks: Sequence[str]) -> list[Line2D | Patch]:
    """Entries of the legend: each experiment where they are few, else the first, the last and how many in between."""
    chosen = range(len(names)) if len(names) <= MOST_NAMED else (0, len(names) - 1)
    handles: list[Line2D | Patch] = [line_handle(experiment_title(names[k]), inks[k]) for k in chosen]
    if len(names) > MOST_NAMED:
        handles.insert(1, line_handle(f"{len(names) - 2} in between", inks[len(names) // 2]))
    return handles


def experiment_title(name: str) -> str:
    """`experiment 3`, but `culture A`."""
    return plain(experiment_called(name), 30)


def legend(fig: Figure, handles: Sequence[Line2D | Patch]) -> None:
    """One legend for the whole picture, below it, where it hides nothing: as few rows as the width allows."""
    room = fig.bbox.width - 0.1 * fig.dpi
    for rows in range(1, len(handles) + 1):
        columns = math.ceil(len(handles) / rows)
        made = fig.legend(
            handles=list(handles), loc="outside lower center", ncols=columns, handlelength=1.8, columnspacing=1.6
        )
        if rows == len(handles) or made.get_window_extent(fig.canvas.get_renderer()).width <= room:  # type: ignore[attr-defined]
            return
        made.remove()


def tidy_ticks(axis: Axis, whole: bool = False, most: int = 6) -> None:
    """Ticks at 1, 2 or 5 times a power of ten, whole numbers where asked for, and plain numbers on short log axes."""
    if axis.get_scale() == "linear":
        axis.set_major_locator(MaxNLocator(nbins=most, steps=[1, 2, 5, 10], integer=whole, min_n_ticks=2))
    elif axis.get_scale() == "log":
        low, high = axis.get_view_interval()
        if high < SHORT_LOG_AXIS * low:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
        else:
            axis.set_major_formatter(_Powers())
            axis.set_minor_formatter(_Powers(labelOnlyBase=False))


class _Powers(LogFormatterSciNotation):
    """10⁻² as plain text: matplotlib's parser of mathematics takes longer to begin than such a picture to draw."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        label: str = super().__call__(x, pos)
        inside = label.removeprefix(r"$\mathdefault{").removesuffix("}$").replace(r"\times", "×")
        return EXPONENT.sub(lambda found: found[1].translate(RAISED), inside)


def marker_size(n: float, width: float = WIDTH) -> float:
    """The size of a marker in points, for n measurements side by side on `width` inches."""
    return 4.2 if n <= 6 * width else 3.0 if n <= 20 * width else 2.0


def line_handle(label: str, color: str, dashed: bool = False) -> Line2D:
    """An entry of the legend: a line."""
    return Line2D([], [], color=color, linestyle="--" if dashed else "-", linewidth=1.4, label=label)


def point_handle(label: str, color: str, marker: str = "o", *, hollow: bool = False, alpha: float = 1.0) -> Line2D:
    """An entry of the legend: a marker."""
    looks: dict[str, Any] = {"color": color, "markerfacecolor": "white" if hollow else color, "alpha": alpha}
    if alpha < 1:
        looks["markeredgewidth"] = 0
    return Line2D([], [], marker=marker, markersize=4.2, linestyle="none", label=label, **looks)


def patch_handle(label: str, color: str, alpha: float) -> Patch:
    """An entry of the legend: a shaded area."""
    return Patch(facecolor=color, alpha=alpha, linewidth=0, label=label)
