"""How the training of a latent ODE went: the bound, and the error of the series that were set aside."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from odefit.arrays import FloatArray
from odefit.plots import style
from odefit.plots.history import MIN_LOG_SPREAD, label_steps, lacking
from odefit.plots.latent_pictures import LatentPictures
from odefit.plots.selection import title_of
from odefit.runs import folder as files
from odefit.runs.tables import Rows

__all__ = ["draw", "lacking"]

SCORE, SCORE_LABEL = "score", "error of the series set aside"
"""The column, and what it means."""


def draw(pictures: LatentPictures) -> Figure:
    """The loss above, the score below, where there were any. Raises RunError."""
    run, rows = pictures.run, pictures.run.rows(files.HISTORY)
    assert rows is not None  # or the picture would be lacking
    score = _score(rows)
    n = 0 if score is None else 1
    fig = style.figure(style.WIDTH, 2.9 + 1.6 * n, title_of(run))
    grid = fig.add_gridspec(1 + n, 1, height_ratios=[1.5, *[1.0] * n])
    steps, name = rows.numbers(0), rows.header[0]
    top = fig.add_subplot(grid[0, :])
    # A bound on a likelihood has no natural zero, and is an estimate: no logarithm.
    top.plot(steps, rows.numbers(1), color=style.BLUE, linewidth=1.2)
    top.set_ylabel("loss, nats per measurement")
    label_steps(top, name, 10)
    if score is not None:
        ax = fig.add_subplot(grid[1, 0], sharex=top)
        _draw_score(ax, steps, score)
        label_steps(ax, name, 10)
    style.legend(fig, [])
    return fig


def _score(rows: Rows) -> FloatArray | None:
    """[epochs], NaN where there was none; None where there were too few."""
    if SCORE not in rows.header:
        return None
    score = rows.numbers(rows.position(SCORE))
    return score if np.isfinite(score).sum() > 1 else None


def _draw_score(ax: Axes, steps: FloatArray, values: FloatArray) -> None:
    known = np.isfinite(values)
    if values[known].min() > 0 and values[known].max() > MIN_LOG_SPREAD * values[known].min():
        ax.set_yscale("log")
    ax.plot(steps[known], values[known], color=style.BLUE, linewidth=1.2)
    best = np.flatnonzero(known)[np.argmin(values[known])]
    ax.plot(steps[best], values[best], "o", color=style.BLUE, markersize=4)
    ax.set_title(f"{SCORE_LABEL} (mean square, in squared spreads); the best is kept")
