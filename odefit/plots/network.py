"""What a network has learnt: each term of the equations that calls it, over the region that the data visit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.fitting.run import Run
from odefit.model.formulas import free_names
from odefit.model.functions import torch_function
from odefit.model.system import TIME, NetworkCall, symbol, written
from odefit.plots import style
from odefit.plots.equation_pictures import EquationPictures
from odefit.plots.region import Visited, visited
from odefit.plots.selection import Selection, time_label, title_of
from odefit.records import dataclass

MAX_TERMS = 6
"""Panels."""
LEVELS = 14
"""Colours of a panel, about."""
ONE_SIGN, TWO_SIGNS = "cividis", "PuOr_r"
"""The colour maps of values of one sign, and of both."""
RUG_HEIGHT = 0.04
"""Of the marks below a line, as a share of the axes."""


@dataclass(frozen=True)
class Term:
    """A summand of dstate/dt that calls a network.

    Parameters
    ----------
    state
        Whose equation it stands in.
    formula
        The summand.
    axes
        The one or two of the states and the time that it depends on.
    text
        The formula as the user writes it, net(x, y)[0]*x.
    """

    state: str
    formula: sp.Expr
    axes: tuple[str, ...]
    text: str


def terms(run: Run) -> list[Term]:
    """The terms that can be drawn, in the order of the equations.

    Those of a potential are left to its own picture; those with more than two variables are left out.
    """
    system = run.assembly.problem.engine.system
    found = []
    for state, formula in system.equations.items():
        for summand in sp.Add.make_args(formula):
            calls = summand.atoms(NetworkCall)
            if not calls or any(system.networks[call.args[0].name].gradient for call in calls):
                continue
            names = free_names(summand)
            axes = tuple(name for name in (TIME, *system.states) if name in names)
            if 1 <= len(axes) <= 2 and not names & set(system.inputs) and _is_shared(run, names):
                found.append(Term(state, summand, axes, written(summand, system)))
    return found


def _is_shared(run: Run, names: set[str]) -> bool:
    """True where the parameters that a term names are the same in every experiment."""
    problem = run.assembly.problem
    local = problem.binding.local(run.theta)
    columns = [k for k, name in enumerate(problem.engine.system.parameters) if name in names]
    return bool((local[:, columns] == local[:1, columns]).all())


def lacking(pictures: EquationPictures) -> str:
    """Why there is nothing to draw; empty where there is."""
    return "" if terms(pictures.run) else "the run has no term of one or two variables that calls a network"


def draw(pictures: EquationPictures) -> Figure:
    """One panel per term: filled contours with the paths on them, or a line with a rug of the data."""
    run, selection = pictures.run, pictures.selection
    every = terms(run)
    shown = every[:MAX_TERMS]
    columns = min(len(shown), 2)
    rows = math.ceil(len(shown) / columns)
    note = "what was learnt, where the data have been"
    if len(every) > len(shown):
        note += f"; the first {len(shown)} terms of {len(every)}"
    fig = style.figure(4.4 if columns == 1 else style.WIDTH, 0.7 + 3.0 * rows, title_of(run), note)
    regions: dict[tuple[str, ...], Visited] = {}
    for k, term in enumerate(shown):
        if term.axes not in regions:
            regions[term.axes] = visited(run, selection, (term.axes[0], term.axes[-1]))
        ax = fig.add_subplot(rows, columns, k + 1)
        ax.set_title(style.plain(f"in d{term.state}/dt:", 50) + "\n" + style.plain(term.text, 50))
        if len(term.axes) == 2:
            draw_term(fig, ax, run, term, regions[term.axes])
        else:
            draw_line(ax, run, selection, term, regions[term.axes])
    style.legend(fig, _handles(shown))
    return fig


def _handles(shown: Sequence[Term]) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = []
    if any(len(term.axes) == 1 for term in shown):
        handles += [style.line_handle("learnt", style.BLUE), style.line_handle("measured", style.GREY)]
    if any(len(term.axes) == 2 for term in shown):
        handles.append(style.line_handle("fitted paths", style.BLACK))
    return handles


def evaluate(run: Run, formula: sp.Expr, values: dict[str, FloatArray]) -> FloatArray:
    """A formula that may call networks, at states and times of any common shape; parameters as fitted."""
    import torch

    problem = run.assembly.problem
    system = problem.engine.system
    assert run.assembly.networks is not None  # or no term would call one
    networks = dict(run.assembly.networks.items())
    function = torch_function([formula], (*system.states, TIME, *system.parameters), networks)
    like = next(run.assembly.networks.parameters())
    shape = next(iter(values.values())).shape
    p = problem.binding.local(run.theta)[0, : problem.n_system]
    columns = [values.get(name, np.zeros(shape)) for name in (*system.states, TIME)]
    with torch.no_grad():
        found = function(*(torch.as_tensor(c).to(like) for c in columns), *(torch.as_tensor(v).to(like) for v in p))
    value: Any = found[0]
    return np.broadcast_to(value.to(torch.float64).cpu().numpy(), shape)


def draw_term(fig: Figure, ax: Axes, run: Run, term: Term, region: Visited) -> None:
    """Filled contours of a term of two variables."""
    x, y = region.grid()
    grid = dict(zip(term.axes, np.meshgrid(x, y), strict=True))
    values = np.ma.masked_where(region.outside(x, y), evaluate(run, term.formula, grid))
    fill(fig, ax, x, y, values)
    draw_paths(ax, region)
    finish(ax, run, term.axes)


def fill(fig: Figure, ax: Axes, x: FloatArray, y: FloatArray, values: Any, levels: FloatArray | None = None) -> None:
    """Filled contours with a colour bar; colours tell the sign where there are both. levels: increasing, or none."""
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-300):
        low, high = low - 0.5, high + 0.5
    both = low < 0 < high
    size = max(-low, high)
    if levels is None:
        levels = np.array(MaxNLocator(LEVELS, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
        norm: Any = Normalize(-size, size) if both else Normalize(low, high)
    else:
        norm = BoundaryNorm(levels, 256)
    filled = ax.contourf(x, y, values, levels, cmap=TWO_SIGNS if both else ONE_SIGN, norm=norm)
    # Else thin lines of the background show between the colours of a vector file.
    filled.set_edgecolor("face")
    bar = fig.colorbar(filled, ax=ax, pad=0.02, ticks=levels[:: math.ceil(len(levels) / 8)])
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}".replace("-", "\N{MINUS SIGN}")))
    bar.outline.set_visible(False)


def draw_paths(ax: Axes, region: Visited) -> None:
    """Draw the paths of the fitted model on a region."""
    thin = 0.6 if len(region.paths) > 6 else 0.9
    for path in region.paths:
        ax.plot(*path, color=style.BLACK, linewidth=thin, alpha=0.7)


def draw_line(ax: Axes, run: Run, selection: Selection, term: Term, region: Visited) -> None:
    """A term of one variable, with a mark below for every time that was measured."""
    low, high = region.points[0].min(), region.points[0].max()
    x = np.linspace(low, high, 400)
    ax.plot(x, evaluate(run, term.formula, {term.axes[0]: x}), color=style.BLUE)
    marks = np.concatenate([measured_at(run, row, term.axes[0]) for row in selection.rows])
    ax.vlines(marks, 0, RUG_HEIGHT, transform=ax.get_xaxis_transform(), color=style.GREY, linewidth=0.5)
    finish(ax, run, (term.axes[0],))


def measured_at(run: Run, row: int, name: str) -> FloatArray:
    """The values of a variable that one experiment has: its times, or a state where it is measured directly."""
    experiment = run.measured[row]
    if name == TIME:
        return experiment.times
    for k, formula in enumerate(run.assembly.described.system.predicted.values()):
        if formula == symbol(name):
            values = experiment.values[:, k]
            known: FloatArray = values[np.isfinite(values)]
            return known
    return np.empty(0)


def finish(ax: Axes, run: Run, axes: Sequence[str]) -> None:
    """Name one or two axes, and tidy their ticks."""
    ax.set_xlabel(label_of(run, axes[0]))
    style.tidy_ticks(ax.xaxis)
    style.tidy_ticks(ax.yaxis)
    if len(axes) == 2:
        ax.set_ylabel(label_of(run, axes[1]))


def label_of(run: Run, name: str) -> str:
    """The name of a state or of the time, with its unit."""
    if name == TIME:
        return time_label(run)
    unit = run.assembly.loaded.config.model.units.get(name)
    return style.plain(f"{name} ({unit})" if unit else name, 40)
