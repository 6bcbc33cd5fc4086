"""Formulas for networks: error against complexity, and each network beside its formula where the curves have been."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from odefit.plots import style
from odefit.symbolic.found import Symbols
from odefit.symbolic.regression import Formula
from odefit.symbolic.samples import Sample

MOST_PANELS = 5
"""Outputs that are shown."""
MOST_POINTS = 1500
"""Points of a panel."""


def draw_symbols(found: Symbols) -> Figure:
    """The first panel has all models that were fitted, the others an output of a network each."""
    outputs = list(zip(found.samples, found.candidates[0].refitted(found.samples), strict=True))[:MOST_PANELS]
    columns = min(1 + len(outputs), 3)
    rows = math.ceil((1 + len(outputs)) / columns)
    note = "where the fitted curves have been"
    if len(found.samples) > len(outputs):
        note += f"; the first {len(outputs)} outputs of {len(found.samples)}"
    with style.styled():
        fig = style.figure(style.WIDTH, 0.8 + 2.6 * rows, "", note)
        axes = np.atleast_1d(fig.subplots(rows, columns, squeeze=False)).ravel()
        _front(axes[0], found)
        for ax, (sample, formula) in zip(axes[1:], outputs, strict=False):
            _beside(ax, sample, formula)
        for ax in axes[1 + len(outputs) :]:
            ax.set_axis_off()
        style.legend(
            fig,
            [
                style.point_handle("fitted model", style.GREY),
                style.point_handle("least BIC", style.BLUE),
                style.line_handle("formula", style.BLUE),
                style.point_handle("network", style.BLACK),
            ],
        )
    return fig


def _front(ax: Axes, found: Symbols) -> None:
    """Error against complexity; the models that no other one beats in both are joined."""
    ordered = sorted(found.candidates, key=lambda c: (c.complexity, c.error))
    front, least = [], math.inf
    for one in ordered:
        if one.error < least:
            front.append(one)
            least = one.error
    error = {id(c): 100 * math.sqrt(max(c.error, 1e-12)) for c in ordered}
    ax.plot([c.complexity for c in front], [error[id(c)] for c in front], color=style.GREY, linewidth=1, zorder=1)
    ax.scatter([c.complexity for c in ordered], [error[id(c)] for c in ordered], s=14, color=style.GREY, zorder=2)
    best = found.candidates[0]
    ax.scatter([best.complexity], [error[id(best)]], s=40, color=style.BLUE, zorder=3)
    ax.set_yscale("log")
    ax.set_xlabel("complexity")
    ax.set_ylabel("error of the rates (%)")


def _beside(ax: Axes, sample: Sample, formula: Formula) -> None:
    """A line over one input, or network against formula over several."""
    step = max(len(sample.values) // MOST_POINTS, 1)
    chosen = np.argsort(sample.x[:, 0], kind="stable")[::step]
    x, network, line = sample.x[chosen], sample.values[chosen], formula.values(sample.x[chosen])
    ax.set_title(style.plain(sample.call, 40))
    if sample.x.shape[1] == 1:
        ax.scatter(x[:, 0], network, s=5, color=style.BLACK, alpha=0.5, linewidths=0)
        ax.plot(x[:, 0], line, color=style.BLUE)
        ax.set_xlabel(style.plain(sample.inputs[0], 30))
        return
    ends = [float(min(line.min(), network.min())), float(max(line.max(), network.max()))]
    ax.plot(ends, ends, color=style.BLUE, linewidth=1)
    ax.scatter(line, network, s=5, color=style.BLACK, alpha=0.5, linewidths=0)
    ax.set_xlabel("formula")
    ax.set_ylabel("network")
