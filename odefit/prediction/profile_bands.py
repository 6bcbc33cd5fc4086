"""Bands along the profile likelihood of every predicted value: each has an interval of its own, found by its profile.

The band of a new measurement is wider by the noise, on the noise model's own scale: with m the prediction, low the end
of its profile interval and w how far the noise alone reaches, it ends at m - sqrt((m - low)² + w²), and so above.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.data.experiments import Experiment
from odefit.errors import InputError
from odefit.fitting.run import Run
from odefit.objective.problem import FitProblem
from odefit.problem.solver_steps import with_steps
from odefit.profiles.profiling import check_can_be_profiled
from odefit.profiles.request import Request
from odefit.profiles.session import Session
from odefit.runs.progress import Silent
from odefit.uncertainty.bands import Band
from odefit.uncertainty.quantities import CurveQuantity, Curves, of_one

MOST_PROFILES = 1000
"""The most values of a prediction that are profiled."""


def profile_bands(
    run: Run,
    problem: FitProblem,
    experiments: Sequence[Experiment],
    columns: IntArray,
    wald: Sequence[Band],
    level: float,
    seconds: float | None,
    notes: list[str],
) -> list[Band]:
    """Bands of pointwise coverage, for some of the observables; NaN in the columns of all others.

    Parameters
    ----------
    run
        A fit that has converged.
    problem
        Of the experiments, over the parameters of the fit.
    experiments
        At the wanted times.
    columns
        Which observables.
    wald
        The bands of the delta method at the same times, which know what the noise adds.
    level
        The coverage.
    seconds
        When to end in any case, about; None for no such end. Values that are not profiled by then have no band.
    notes
        Takes a sentence where that is so.

    Raises
    ------
    RunError
        There is no certified optimum to begin at.
    InputError
        There are too many values.
    """
    check_can_be_profiled(run)
    count = sum(len(e.times) for e in experiments) * len(columns)
    if count > MOST_PROFILES:
        what = f"{count:,} values would be profiled, and the most is {MOST_PROFILES:,}: take fewer times or curves"
        raise InputError("bands", what)
    names = problem.observation.names
    asked: dict[tuple[int, int, int], CurveQuantity] = {}
    for k, e in enumerate(experiments):
        for row in range(len(e.times)):
            solved, own = with_steps(problem, [e.rows(np.array([row]))])
            curves = Curves(of_one(problem, k, solved[0]))
            place = int(np.arange(len(solved[0].times))[own[0]][0])
            for column in columns.tolist():
                name = f"{names[column]}[{k}]({row})"
                asked[k, row, column] = CurveQuantity(name, curves, column, place)
    u = problem.table.to_search(run.theta)[None]
    here = {key: quantity.evaluations(u) for key, quantity in asked.items()}
    known = {key for key, found in here.items() if np.isfinite(found.values[0]) and not found.gradients[0].any()}
    session = Session(Request(run, level), Silent(), seconds, keeps=False)
    session.follow([quantity for key, quantity in asked.items() if key not in known])
    done = len(known) + sum(session.has(quantity.name) for quantity in asked.values())
    if done < count:
        notes.append(f"{done:,} of {count:,} values were profiled in the time; the others have no band")
    bands = [np.full((4, *e.times.shape, len(names)), np.nan) for e in experiments]
    for (k, row, column), quantity in asked.items():
        if session.has(quantity.name):
            low, high = session.found[quantity.name].interval
            bands[k][:2, row, column] = low, high
    for k, row, column in known:  # no parameter moves it, such as a state that begins at a number
        bands[k][:2, row, column] = here[k, row, column].values[0]
    for (k, row, column), found in here.items():
        own_band = [part[row, column] for part in _parts(wald[k])]
        bands[k][2:, row, column] = _widened(
            float(found.values[0]), bands[k][:2, row, column], own_band, problem.observation.noise[names[column]].is_log
        )
    return [Band(*band) for band in bands]


def _parts(band: Band) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    return band.low, band.high, band.noise_low, band.noise_high


def _widened(value: float, ends: FloatArray, wald: Sequence[float], is_log: bool) -> tuple[float, float]:
    """The ends of the interval of a new measurement."""
    with np.errstate(all="ignore"):
        m, low, high, wald_low, wald_high, noise_low, noise_high = (
            np.log(np.array([value, *ends, *wald])) if is_log else np.array([value, *ends, *wald])
        )
        below = np.sqrt(np.maximum((m - noise_low) ** 2 - (m - wald_low) ** 2, 0.0))
        above = np.sqrt(np.maximum((noise_high - m) ** 2 - (wald_high - m) ** 2, 0.0))
        found = np.array([m - np.hypot(m - low, below), m + np.hypot(high - m, above)])
        found = np.exp(found) if is_log else found
    return float(found[0]), float(found[1])
