"""The potential that a gradient flow has learnt, with the points at which the flow comes to rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from odefit.arrays import FloatArray
from odefit.fitting.run import Run
from odefit.plots import style
from odefit.plots.equation_pictures import EquationPictures
from odefit.plots.network import draw_paths, fill, finish
from odefit.plots.region import Visited, visited
from odefit.plots.selection import title_of

if TYPE_CHECKING:
    from odefit.model.networks import Potential

CONTOURS = 16
"""Steps between contours."""
MAX_DISTANCE = 0.05
"""A point of rest that is farther from every path than this share of the axes is the network's invention."""
MIN_SEPARATION = 0.02
"""Points of rest that are nearer to each other than this share of the axes are one."""


def potential_of(run: Run) -> Potential | None:
    """The potential of a model of two states, or None."""
    if run.assembly.networks is None or len(run.states) != 2:
        return None
    from odefit.model.networks import Potential

    modules = [module for module in run.assembly.networks.values() if isinstance(module, Potential)]
    return modules[0] if len(modules) == 1 else None


def lacking(pictures: EquationPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    return "the model is no `potential` of two states" if potential_of(pictures.run) is None else ""


def draw(pictures: EquationPictures) -> Figure:
    """Contours of the potential above its lowest value (ascent: below its highest), paths and points of rest."""
    run, selection = pictures.run, pictures.selection
    module = potential_of(run)
    assert module is not None  # or the picture would be lacking
    axes = (run.states[0], run.states[1])
    region = visited(run, selection, axes)
    x, y = region.grid()
    values = heights(module, np.stack(np.meshgrid(x, y), axis=-1))
    shown = np.ma.masked_where(region.outside(x, y), values)
    # A potential has no zero of its own: the place of rest, or what comes nearest to it, is one.
    downhill = module.sign < 0
    zero = float(shown.min() if downhill else shown.max())
    note = f"the learnt potential, measured from its {'lowest' if downhill else 'highest'} value"
    fig = style.figure(5.6, 4.6, title_of(run), note)
    ax = fig.add_subplot()
    shown = shown - zero
    levels = levels_of(float(np.abs(shown).max()), downhill)
    fill(fig, ax, x, y, shown, levels)
    ax.contour(x, y, shown, levels, colors="white", linewidths=0.4)
    draw_paths(ax, region)
    rest = points_of_rest(module, region)
    ax.plot(*rest.T, "o", color=style.VERMILION, markeredgecolor="white", markersize=7, linestyle="none", zorder=5)
    for point in rest:
        height = heights(module, point) - zero
        ax.annotate(
            f"{0.0 if abs(height) < 5e-4 else height:.3g}",
            point,
            xytext=(6, 6),
            textcoords="offset points",
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1.5},
            zorder=6,
        )
    finish(ax, run, axes)
    handles = [style.line_handle("fitted paths", style.BLACK)]
    if len(rest):
        handles.append(style.point_handle("minimum" if downhill else "maximum", style.VERMILION))
    style.legend(fig, [*handles])
    return fig


def levels_of(most: float, downhill: bool) -> FloatArray:
    """Levels close to each other where the potential is flat, around the points of rest: squares up to `most`."""
    levels = (most if most > 0 else 1.0) * np.linspace(0, 1, CONTOURS + 1) ** 2
    return levels if downhill else -levels[::-1]


def heights(module: Potential, points: FloatArray) -> FloatArray:
    """The potential at points [..., 2], [...]."""
    import torch

    with torch.no_grad():
        found = module.potential(torch.as_tensor(points).to(module.centre))
    values: FloatArray = found.to(torch.float64).cpu().numpy()
    return values


def points_of_rest(module: Potential, region: Visited) -> FloatArray:
    """Find the points of rest within the region, [M, 2]: minima of the potential, or maxima for an ascent."""
    from scipy import optimize

    minimize: Any = optimize.minimize
    x, y = region.grid()
    sign = -module.sign
    values = sign * heights(module, np.stack(np.meshgrid(x, y), axis=-1))
    inner, (n, m) = values[1:-1, 1:-1], values.shape
    shifts = [(i, j) for i in (0, 1, 2) for j in (0, 1, 2) if (i, j) != (1, 1)]
    lowest = (inner <= np.stack([values[i : i + n - 2, j : j + m - 2] for i, j in shifts])).all(axis=0)
    width = np.array([x[-1] - x[0], y[-1] - y[0]])
    found: list[FloatArray] = []
    for row, column in np.argwhere(lowest) + 1:
        start = np.array([x[column], y[row]])
        point = minimize(lambda at: sign * float(heights(module, at)), start, method="Nelder-Mead").x
        if region.distance(point[None])[0] < MAX_DISTANCE and all(
            np.abs((point - other) / width).max() > MIN_SEPARATION for other in found
        ):
            found.append(point)
    return np.array(found).reshape(-1, 2)
