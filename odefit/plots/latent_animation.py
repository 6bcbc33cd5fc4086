"""A latent ODE learning, as a GIF: its training run once more, where it kept no frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from odefit.arrays import FloatArray
from odefit.errors import Faults, RunError
from odefit.latent.latent_fit import plan
from odefit.latent.latent_run import LatentRun
from odefit.plots.animation import Film, draw_film, frames_of
from odefit.plots.dates import calendar_of
from odefit.plots.selection import Quantity
from odefit.plots.trained_again import rows_of_frames


def animate(run: LatentRun, out: Path | None = None, *, bands: str | None = None, dates: bool = False) -> Path:
    """Draw the first series as they are read and continued in the course of the training; return the file.

    Parameters
    ----------
    run
        The trained run.
    out
        The file, or a folder; default: plots/animation.gif in the run folder.
    bands
        None: the weights have no posterior.
    dates
        Dates on axes of time, where the times of the data were dates.

    Raises
    ------
    ConfigError
        There are no dates, or `bands` were asked for.
    RunError
        The run is damaged, or the file cannot be written.
    """
    faults = Faults()
    if bands is not None:
        faults.add("bands", "are for pictures of equations; the weights of a latent ODE have no posterior")
    calendar = calendar_of(run.result.dates, [e.name for e in run.measured], faults) if dates else None
    faults.check()
    units = run.loaded.config.model.units
    quantities = [Quantity(name, None, k, units.get(name)) for k, name in enumerate(run.observables)]
    series = {e.name: e for e in run.measured}

    def measured(name: str, quantity: Quantity) -> tuple[FloatArray, FloatArray]:
        own, column = series[name], quantity.observable or 0
        known = ~np.isnan(own.values[:, column])
        return own.times[known], own.values[known, column]

    rows = rows_of_frames(run, plan)
    if rows is None or not len(rows):
        raise RunError(run.place, "could be solved at no moment of its training; there is nothing to animate")
    return draw_film(Film(run, quantities, measured, calendar=calendar), frames_of(run, rows), out)
