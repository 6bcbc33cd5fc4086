"""Series on the way between the latent starts of two others."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from odefit.plots import style
from odefit.plots.latent_curves import draw_interpolation
from odefit.plots.latent_pictures import FINE, LatentPictures
from odefit.plots.selection import time_label, title_of

STEPS = 7
"""Series on the way from one latent start to another, these two among them."""


def lacking(pictures: LatentPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    if len(pictures.rows) < 2:
        return "needs two series; this shows one"
    return "" if _longest(pictures) > 0 else "needs a series of more than one time"


def draw(pictures: LatentPictures) -> Figure:
    """Series on the straight way between the latent starts of the first two: two observables, or one over time."""
    run, (first, second), columns = pictures.run, pictures.rows[:2], pictures.columns[:2]
    elapsed = np.linspace(0.0, _longest(pictures), FINE)
    between = run.between(first, second, elapsed, STEPS)[..., columns]
    names = tuple(pictures.label(column) for column in columns)
    if len(names) == 1:
        names = (time_label(run), names[0])
        between = np.concatenate([np.broadcast_to(elapsed[:, None], between.shape), between], axis=-1)
    words = " to ".join(style.experiment_title(run.measured[row].name) for row in (first, second))
    return draw_interpolation(between, names, f"{title_of(run)}: from {words}")


def _longest(pictures: LatentPictures) -> float:
    """The time over which the first two series go, or are to be shown."""
    pair = [pictures.run.measured[row] for row in pictures.rows[:2]]
    if pictures.limits is not None:
        return pictures.limits[1] - min(e.start for e in pair)
    return max(float(e.times[-1] - e.start) for e in pair)
