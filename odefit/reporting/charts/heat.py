"""A square of correlations: colour says the sign and the size, a number the value where there is room."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from odefit.arrays import FloatArray
from odefit.reporting.markup import element
from odefit.text import cut

WIDTH, WIDE = 420, 720
"""Of a picture of few parameters, and of more than `FEW`."""
FEW = 20
MOST_NUMBERED = 14
"""Rows up to which each cell has its number."""


def heat_map(names: Sequence[str], matrix: FloatArray) -> Markup:
    """The lower triangle of correlations [P, P] with names."""
    n = len(names)
    width = WIDTH if n <= FEW else WIDE
    most = 16 if n <= MOST_NUMBERED else 12
    labels = [cut(name, most) for name in names]
    left = 12 + 6.4 * max(map(len, labels))
    size = min((width - left - 6) / n, 34.0)
    small = None if size >= 12 else f"font-size:{0.92 * size:.1f}px"
    ends = {"class_": "tick", "text_anchor": "end", "style": small}
    parts: list[Markup] = []
    for i in range(n):
        y = 6 + i * size
        parts.append(element("text", labels[i], x=round(left - 6, 1), y=round(y + size / 2 + 4, 1), **ends))
        for j in range(i + 1):
            r = float(matrix[i, j])
            looks = {"x": round(left + j * size, 1), "y": round(y, 1), "width": round(size - 1, 1)}
            tip = element("title", f"{names[i]}, {names[j]}: {r:.3f}")
            shade = "cell own" if i == j else f"cell {'up' if r >= 0 else 'down'}"
            parts.append(
                element("rect", tip, **looks, height=round(size - 1, 1), class_=shade, fill_opacity=f"{abs(r):.2f}")
            )
            if n <= MOST_NUMBERED and i != j:
                at = {"x": round(left + (j + 0.5) * size, 1), "y": round(y + size / 2 + 3.5, 1)}
                text = f"{abs(r):.2f}".replace("0.", ".", 1)
                ink = "inside strong" if abs(r) > 0.6 else "inside"
                parts.append(
                    element("text", f"{'−' if round(r, 2) < 0 else ''}{text}", **at, class_=ink, text_anchor="middle")
                )
    foot = 6 + n * size
    for j in range(n):
        x = round(left + (j + 0.5) * size, 1)
        turn = f"rotate(-45 {x} {round(foot + 10, 1)})"
        parts.append(element("text", labels[j], x=x, y=round(foot + 10, 1), **ends, transform=turn))
    height = round(foot + 14 + 4.8 * max(map(len, labels)))
    about = f"correlations of {n} estimates: {', '.join(names[:8])}{', …' if n > 8 else ''}"
    return element("svg", *parts, viewBox=f"0 0 {width} {height}", class_="plot", role="img", aria_label=about)
