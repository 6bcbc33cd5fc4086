"""The chains of a posterior over their draws: where they agree, all are the same band of noise."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from odefit.plots import style
from odefit.plots.equation_pictures import EquationPictures
from odefit.plots.posterior_draws import PosteriorDraws, lacking_draws
from odefit.plots.selection import title_of

MAX_SHOWN = 12
"""Parameters."""
COLUMNS = 2
MOST_DRAWS = 1000
"""Of each chain that are shown."""


def lacking(pictures: EquationPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    return lacking_draws(pictures)


def draw(pictures: EquationPictures) -> Figure:
    """A panel per parameter. Raises RunError."""
    run = pictures.run
    draws = PosteriorDraws.of(run, MAX_SHOWN)
    chains, n, k = draws.values.shape
    columns = min(COLUMNS, k)
    lines = math.ceil(k / columns)
    fig = style.figure(style.WIDTH, 0.9 + 1.15 * lines, title_of(run), draws.note)
    axes = fig.subplots(lines, columns, squeeze=False, sharex=True).ravel()
    step = max(1, n // MOST_DRAWS)
    numbers = np.arange(1, n + 1)[::step]
    for j, ax in enumerate(axes):
        if j >= k:
            ax.set_axis_off()
            continue
        for c in range(chains):
            colour = style.COLOURS[c % len(style.COLOURS)]
            ax.plot(numbers, draws.values[c, ::step, j], color=colour, linewidth=0.5, alpha=0.6, rasterized=True)
        ax.set_ylim(*draws.limits(j, []))
        r_hat = draws.summary["parameters"][draws.names[j]]["r_hat"]
        ax.set_title(draws.label(j) + ("" if r_hat is None else f"   R-hat {r_hat:.3f}"), fontsize=8)
        style.tidy_ticks(ax.yaxis, most=4)
        style.tidy_ticks(ax.xaxis, whole=True)
        if j >= k - columns:
            ax.set_xlabel("draw")
            ax.tick_params(labelbottom=True)
    return fig
