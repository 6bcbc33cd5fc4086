"""The curves of several fits over the measurements that all of them saw."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from odefit.arrays import FloatArray
from odefit.comparison.comparing import Comparison
from odefit.data.experiments import Experiment
from odefit.errors import SolveError
from odefit.fitting.run import Run
from odefit.plots import style
from odefit.plots.curve_panels import Curve, CurvePanel, draw_panels, laid_out
from odefit.plots.dates import wanted_calendar
from odefit.plots.selection import time_label

TIMES = 200


def draw_comparison(comparison: Comparison, dates: bool = False) -> Figure:
    """A panel for each observable and experiment, at most twelve; a colour for each run.

    Raises
    ------
    ConfigError
        `dates` of data that have none.
    """
    panels, columns, notes = panels_of(comparison)
    handles: list[Line2D | Patch] = [style.point_handle("measured", style.BLACK)]
    pairs = zip(comparison.runs, style.COLOURS, strict=False)
    handles += [style.line_handle(style.plain(name, 30), colour) for name, colour in pairs]
    first = next(iter(comparison.runs.values()))
    shown = [
        experiment.name for experiment in first.measured[: laid_out(len(first.observables), len(first.measured))[1]]
    ]
    calendar = wanted_calendar(first.result.dates, shown) if dates else None
    label = time_label(first, with_unit=calendar is None)
    return draw_panels(panels, columns, "", "; ".join(notes), label, handles, calendar)


def panels_of(comparison: Comparison) -> tuple[list[CurvePanel], int, list[str]]:
    """The panels, how many stand side by side (0: as many as fit), and what is left out."""
    runs = list(comparison.runs.values())
    first = runs[0]
    observables, shown = laid_out(len(first.observables), len(first.measured))
    experiments = first.measured[:shown]
    curves = [_curves(run, experiments) for run in runs[: len(style.COLOURS)]]
    panels = []
    for column, name in enumerate(first.observables[:observables]):
        unit = first.loaded.config.model.units.get(name)
        noise = first.assembly.problem.observation.noise[name]
        for e in experiments:
            known = ~np.isnan(e.values[:, column]) & np.isfinite(e.times)
            lines = [
                Curve(t, y[:, k], style.COLOURS[number])
                for number, (run, found) in enumerate(zip(runs, curves, strict=False))
                if e.name in found and (k := _column(first, run, column)) is not None
                for t, y in [found[e.name]]
            ]
            title = style.experiment_title(e.name) if len(first.measured) > 1 else ""
            label = style.plain(f"{name} ({unit})" if unit else name, 40)
            points = e.times[known], e.values[known, column]
            panels.append(CurvePanel(title, label, lines, points, noise.is_log))
    notes = [f"the first {shown} of {len(first.measured)} experiments"] if shown < len(first.measured) else []
    notes += [f"the first {len(curves)} of {len(runs)} runs"] if len(curves) < len(runs) else []
    return panels, shown if observables > 1 else 0, notes


def _curves(run: Run, experiments: tuple[Experiment, ...]) -> dict[str, tuple[FloatArray, FloatArray]]:
    """By experiment: times, and observables [T, O]; none where the model cannot be solved."""
    wanted = {e.name for e in experiments}
    times = [
        np.linspace(e.start, max(e.last, e.start), TIMES) if e.name in wanted else e.times[:1] for e in run.measured
    ]
    try:
        solved = run.solve([np.unique(t) for t in times])
    except SolveError:
        return {}
    pairs = zip(solved.experiments, solved.observables, strict=True)
    return {e.name: (e.times, g) for e, g in pairs if e.name in wanted}


def _column(first: Run, run: Run, column: int) -> int | None:
    """Where an observable of the first run stands in another one, which may call it something else."""
    name = first.observables[column]
    if name in run.observables:
        return run.observables.index(name)
    return column if column < len(run.observables) else None
