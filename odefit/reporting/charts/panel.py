"""One pair of axes as SVG: text stays text, colours come from the page, and a sentence says what is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from odefit.arrays import FloatArray
from odefit.records import dataclass
from odefit.reporting.charts.marks import Band, Bars, Curve, Dots, Mark, Rule, Whiskers
from odefit.reporting.charts.scales import Scale
from odefit.reporting.charts.thinning import thinned
from odefit.reporting.markup import element, joined
from odefit.text import cut

SMALL, MEDIUM, LARGE = (300, 205), (420, 270), (720, 330)
"""Width and height of a panel, in the units of its text, which is 11 high."""
_LETTER = 6.2
"""The width of a digit."""
_TRIANGLES = {"down": "m-4-3h8l-4 7z", "up": "m-4 3h8l-4-7z", "diamond": "m-4 0l4-4 4 4-4 4z"}


@dataclass(frozen=True)
class Axes:
    """Both scales with their names, and what stands above them.

    Parameters
    ----------
    x, y
        The scales.
    x_label, y_label
        Names with units; the upright axis has its name above it.
    title
        Of the panel.
    categories
        Names at heights, in place of the ticks of the upright axis.
    """

    x: Scale
    y: Scale
    x_label: str = ""
    y_label: str = ""
    title: str = ""
    categories: tuple[str, ...] = ()


def panel(axes: Axes, marks: Sequence[Mark], about: str, size: tuple[int, int] = SMALL) -> Markup:
    """A panel of marks, the first one lowest.

    Parameters
    ----------
    axes
        Scales and names.
    marks
        What is shown.
    about
        What a reader hears who does not see it.
    size
        Width and height.

    Returns
    -------
    markupsafe.Markup
        An element `svg` that takes the width of the page that it is given.
    """
    width, height = size
    box = _Box(axes, width, height)
    top = (
        [element("text", cut(axes.title, int((width - 16) / _LETTER)), x=4, y=13, class_="name")] if axes.title else []
    )
    if axes.y_label:
        shown = cut(axes.y_label, int((width - 16) / _LETTER))
        top.append(element("text", shown, x=4, y=27 if axes.title else 13, class_="axis"))
    inner = element(
        "svg",
        *(_DRAWN[type(mark)](box, mark) for mark in marks),
        x=box.left,
        y=box.top,
        width=box.width,
        height=box.height,
        class_="field",
    )
    parts = (*top, *_upright(axes, box), *_across(axes, box, height), inner)
    return element("svg", *parts, viewBox=f"0 0 {width} {height}", class_="plot", role="img", aria_label=about)


class _Box:
    """The field of a panel: its place, and the coordinates in it."""

    def __init__(self, axes: Axes, width: int, height: int) -> None:
        self.axes = axes
        texts = axes.categories or tuple(text for _, text in axes.y.ticks())
        longest = max(map(len, texts), default=1)
        self.left = round(min(14 + _LETTER * longest, 0.42 * width))
        self.top = 8 + 14 * (bool(axes.title) + bool(axes.y_label))
        self.width = width - self.left - 14
        self.height = height - self.top - (36 if axes.x_label else 22)

    def across(self, values: FloatArray) -> FloatArray:
        return self.axes.x.shares(values) * self.width

    def down(self, values: FloatArray) -> FloatArray:
        """Kept near the field, so that no number is longer than it need be."""
        return np.clip((1.0 - self.axes.y.shares(values)) * self.height, -self.height, 2.0 * self.height)


def _upright(axes: Axes, box: _Box) -> list[Markup]:
    found = []
    if axes.categories:
        n = len(axes.categories)
        places = [box.top + float(box.down(np.array([float(n - 1 - k)]))[0]) for k in range(n)]
        most = int((box.left - 10) / _LETTER)
        pairs = list(zip(places, (cut(name, most) for name in axes.categories), strict=True))
    else:
        values = [v for v, _ in axes.y.ticks()]
        places = [box.top + float(v) for v in box.down(np.array(values))]
        pairs = list(zip(places, (text for _, text in axes.y.ticks()), strict=True))
    for place, text in pairs:
        found.append(element("path", d=f"M{box.left} {_short(place)}h{box.width}", class_="grid"))
        found.append(element("text", text, x=box.left - 6, y=_short(place + 4), class_="tick", text_anchor="end"))
    return found


def _across(axes: Axes, box: _Box, height: int) -> list[Markup]:
    base = box.top + box.height
    found = [element("path", d=f"M{box.left} {base}h{box.width}", class_="edge")]
    ticks = axes.x.ticks(max(2, box.width // 62))
    for value, text in ticks:
        x = box.left + float(box.across(np.array([value]))[0])
        if not box.left - 1 <= x <= box.left + box.width + 1:
            continue
        found.append(element("path", d=f"M{_short(x)} {base}v4", class_="edge"))
        found.append(element("text", text, x=_short(x), y=base + 16, class_="tick", text_anchor="middle"))
    if axes.x_label:
        shown = cut(axes.x_label, int(box.width / _LETTER))
        middle = box.left + box.width / 2
        found.append(element("text", shown, x=_short(middle), y=height - 4, class_="axis", text_anchor="middle"))
    return found


def _short(value: float) -> str:
    """One digit after the point, and none where it is 0."""
    return f"{value:.1f}".removesuffix(".0")


def _runs(*columns: FloatArray) -> list[slice]:
    """The stretches where all are finite."""
    known = np.logical_and.reduce([np.isfinite(c) for c in columns])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    return [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _line(x: FloatArray, y: FloatArray) -> str:
    """Points as a path, thinned."""
    kept = thinned(x, y)
    pairs = [f"{_short(x[k])} {_short(y[k])}" for k in kept]
    return f"M{pairs[0]}" + ("L" + " ".join(pairs[1:]) if len(pairs) > 1 else "h0")


def _curve(box: _Box, mark: Curve) -> Markup:
    x, y = box.across(mark.x), box.down(mark.y)
    path = "".join(_line(x[run], y[run]) for run in _runs(x, y))
    return element("path", d=path, class_=f"curve {mark.looks}")


def _band(box: _Box, mark: Band) -> Markup:
    x = box.across(mark.x)
    # What a logarithmic axis cannot show goes down to its lower edge.
    low = np.where(np.isfinite(mark.low) & ~np.isfinite(box.down(mark.low)), 2.0 * box.height, box.down(mark.low))
    high = box.down(mark.high)
    path = ""
    for run in _runs(x, low, high):
        there, back = _line(x[run], high[run]), _backwards(x[run], low[run])
        path += f"{there}L{back}z"
    return element("path", d=path, class_=f"band {mark.looks}")


def _backwards(x: FloatArray, y: FloatArray) -> str:
    return " ".join(f"{_short(x[k])} {_short(y[k])}" for k in reversed(thinned(x, y)))


def _dots(box: _Box, mark: Dots) -> Markup:
    x, y = box.across(mark.x), box.down(mark.y)
    known = np.isfinite(x) & np.isfinite(y)
    places = [f"M{_short(a)} {_short(b)}" for a, b in zip(x[known], y[known], strict=True)]
    if mark.shape in _TRIANGLES:
        return element("path", d="".join(p + _TRIANGLES[mark.shape] for p in places), class_=f"solid {mark.looks}")
    if mark.shape == "bar":
        return element("path", d="".join(f"{p}m0-5v10" for p in places), class_=f"curve {mark.looks}")
    # A line of no length with round ends is a dot: one path holds any number of them.
    path = "".join(f"{p}h0" for p in places)
    crowd = "many " if len(places) > 60 else ""
    if mark.shape == "ring":
        return joined(
            element("path", d=path, class_=f"dots {crowd}{mark.looks}"),
            element("path", d=path, class_=f"dots {crowd}hole"),
        )
    return element("path", d=path, class_=f"dots {crowd}{mark.looks}")


def _whiskers(box: _Box, mark: Whiskers) -> Markup:
    if mark.across:
        at, ends = box.down(mark.x), (box.across(mark.low), box.across(mark.high))
        lines = (f"M{_short(a)} {_short(y)}H{_short(b)}" for y, a, b in zip(at, *ends, strict=True) if _finite(y, a, b))
    else:
        at, ends = box.across(mark.x), (box.down(mark.low), box.down(mark.high))
        lines = (f"M{_short(x)} {_short(a)}V{_short(b)}" for x, a, b in zip(at, *ends, strict=True) if _finite(x, a, b))
    return element("path", d="".join(lines), class_=f"curve {mark.looks}")


def _finite(*numbers: float) -> bool:
    return bool(np.isfinite(numbers).all())


def _rule(box: _Box, mark: Rule) -> Markup:
    if mark.diagonal:
        # Through (v, v) for as far as both axes reach.
        ends = np.array([max(box.axes.x.low, box.axes.y.low), min(box.axes.x.high, box.axes.y.high)])
        return element("path", d=_line(box.across(ends), box.down(ends)), class_=f"curve {mark.looks}")
    if mark.upright:
        d = f"M{_short(float(box.across(np.array([mark.at]))[0]))} 0V{box.height}"
    else:
        d = f"M0 {_short(float(box.down(np.array([mark.at]))[0]))}H{box.width}"
    return element("path", d=d, class_=f"curve {mark.looks}")


def _bars(box: _Box, mark: Bars) -> Markup:
    x, y, base = box.across(mark.edges), box.down(mark.heights), float(box.down(np.zeros(1))[0])
    parts = (
        f"M{_short(a)} {_short(base)}V{_short(h)}H{_short(b)}V{_short(base)}z"
        for a, b, h in zip(x[:-1], x[1:], y, strict=True)
        if _finite(a, b, h)
    )
    return element("path", d="".join(parts), class_=f"bars {mark.looks}")


_DRAWN: Mapping[type, Callable[[_Box, Any], Markup]] = {
    Curve: _curve,
    Band: _band,
    Dots: _dots,
    Whiskers: _whiskers,
    Rule: _rule,
    Bars: _bars,
}
