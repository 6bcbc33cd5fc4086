"""How the estimates move together: the correlations on the scales of the search."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from odefit.plots import style
from odefit.plots.equation_pictures import EquationPictures
from odefit.plots.selection import title_of

MOST = 60
"""Parameters."""
MOST_NUMBERED = 14
"""Parameters up to which each cell has its number."""
MAP = LinearSegmentedColormap.from_list("correlations", [style.VERMILION, "#FFFFFF", style.BLUE])


def lacking(pictures: EquationPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    known = pictures.run.result.correlation
    return "" if known is not None and len(known) > 1 else "needs the standard errors of two estimates or more"


def draw(pictures: EquationPictures) -> Figure:
    """The lower triangle."""
    correlation = pictures.run.result.correlation or {}
    names = list(correlation)[:MOST]
    n = len(names)
    note = f"the first {MOST} estimates of {len(correlation)}" if len(correlation) > MOST else ""
    matrix = np.array([[correlation[a][b] for b in names] for a in names])
    shown = np.ma.masked_array(matrix, np.triu(np.ones_like(matrix, dtype=bool)))
    size = min(max(3.4, 1.6 + 0.34 * n), 8.5)
    fig = style.figure(max(style.NARROW, size + 0.8), size, title_of(pictures.run), note)
    ax = fig.subplots()
    edges = np.arange(n) - 0.5
    image = ax.pcolormesh(
        edges, edges, shown[1:, :-1], cmap=MAP, vmin=-1, vmax=1, edgecolors=style.LIGHT, linewidth=0.4
    )
    ax.set_aspect("equal")
    ax.invert_yaxis()
    letters = 8.0 if n <= 24 else max(3.0, 190.0 / n)
    labels = [style.plain(name, 18) for name in names]
    ax.set_xticks(range(n - 1), labels[:-1], rotation=45, ha="right", rotation_mode="anchor", fontsize=letters)
    ax.set_yticks(range(n - 1), labels[1:], fontsize=letters)
    ax.tick_params(length=0)
    for side in ax.spines.values():
        side.set_visible(False)
    if n <= MOST_NUMBERED:
        for i in range(1, n):
            for j in range(i):
                r = matrix[i, j]
                ink = "white" if abs(r) > 0.65 else style.BLACK
                text = f"{r:.2f}".replace("-", "−").replace("0.", ".")
                ax.text(j, i - 1, text, ha="center", va="center", fontsize=6.5, color=ink)
    bar = fig.colorbar(image, ax=ax, shrink=0.7, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.outline.set_visible(False)
    bar.set_label("correlation")
    return fig
