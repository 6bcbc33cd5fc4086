"""Candidate experiments: by how much each would reduce the error, the best on top."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from odefit.designs.designing import Design
from odefit.plots import style
from odefit.text import abridged

MOST = 30
"""Bars of a picture."""


def draw_design(design: Design) -> Figure:
    """A bar for each candidate whose reduction is known, at most thirty."""
    rows = [row for row in design.table.rows if np.isfinite(row[3])][:MOST]
    note = f"the best {MOST} of {len(design.table.rows)}" if len(rows) < len(design.table.rows) == MOST else ""
    with style.styled():
        fig = style.figure(style.WIDTH, 1.1 + 0.24 * max(len(rows), 3), "", note)
        ax = fig.subplots()
        place = np.arange(len(rows))[::-1]
        ax.barh(place, [row[3] for row in rows], height=0.62, color=style.BLUE)
        ax.set_yticks(place, [style.plain(f"{row[0]} ({row[1]})", 40) for row in rows])
        what = style.plain(abridged(design.quantities, 4), 60)
        ax.set_xlabel(f"reduction of the error of {what} (%)")
        ax.tick_params(axis="y", length=0)
    return fig
