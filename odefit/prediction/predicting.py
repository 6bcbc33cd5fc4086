"""Curves and bands of a fitted model: at new times, under new conditions, with new doses and inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from importlib import import_module
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from odefit.arrays import FloatArray, IntArray
from odefit.data.experiments import Experiment
from odefit.data.replicates import replicate_of
from odefit.errors import InputError, SolveError
from odefit.fitting.predictions import curve_table, interval_columns, with_columns
from odefit.fitting.run import Run, check_solvable
from odefit.objective.problem import FitProblem
from odefit.prediction.conditions import Conditioned, conditioned
from odefit.prediction.ensemble import ensemble_bands, sets_of
from odefit.prediction.fine_times import fine_times
from odefit.prediction.profile_bands import profile_bands
from odefit.prediction.wanted import Wanted
from odefit.problem.frames import wanted_times
from odefit.problem.quantities import curve_names, with_all_curves
from odefit.problem.solver_steps import with_steps
from odefit.records import dataclass
from odefit.runs.dated import in_numbers, with_dates
from odefit.runs.results import Dates
from odefit.runs.tables import Table, frame_of
from odefit.status import Status
from odefit.text import abridged, clip, suggest
from odefit.uncertainty.bands import Band
from odefit.uncertainty.intervals import check_level

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Bands = Literal["wald", "profile", "bootstrap", "posterior"]
KINDS: tuple[Bands, ...] = ("wald", "profile", "bootstrap", "posterior")
GRID = 101
"""Times of a new experiment of which no times are said."""
FINE, FINE_OF_SETS = 300, 60
"""Times of a curve in the picture, and where each has the bands of hundreds of parameter sets."""


@dataclass(frozen=True)
class Prediction:
    """What a fitted model predicts.

    Attributes
    ----------
    table
        One row for each experiment, curve and time: predicted, `low` and `high` of the curve, `new_low` and `new_high`
        of a new measurement there; empty where the data leave it open.
    bands, level
        How the bands were made, and their coverage.
    experiments
        What was predicted, with conditions, doses and inputs.
    names, units
        The curves.
    title, time
        Of the picture, and of its axis of time.
    measured
        By experiment and curve: times and values that were measured in the same experiment, under its own conditions.
    logarithmic
        The curves whose noise is one of logarithms.
    notes
        What to know of the numbers, a sentence each.
    are_asked
        Whether the times were said, and are marked in the picture.
    fine
        Makes a table of the first experiments, as many as are shown, at many times; None where there is no such curve.
    dates
        What the times count from, where those of the data were dates.
    """

    table: Table
    bands: Bands
    level: float
    experiments: tuple[Experiment, ...]
    names: tuple[str, ...]
    units: Mapping[str, str]
    title: str
    time: str
    measured: Mapping[tuple[str, str], tuple[FloatArray, FloatArray]]
    logarithmic: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    are_asked: bool = True
    fine: Callable[[int], Table | None] | None = None
    dates: Dates | None = None

    def is_log(self, name: str) -> bool:
        """Whether the noise of a curve is one of logarithms."""
        return name in self.logarithmic

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The same as a pandas frame."""
        return frame_of(self.table.text)

    def figure(self, dates: bool = False) -> Figure:
        """A panel for each curve and experiment, with its bands; dates: on the axes, where the data had such times."""
        found: Figure = import_module("odefit.plots.prediction_picture").draw_prediction(self, dates)
        return found

    def __repr__(self) -> str:
        n = len(self.experiments)
        return f"<Prediction of {', '.join(map(clip, self.names[:6]))} in {n} experiment{'s' * (n != 1)}, {self.bands}>"

    def _repr_html_(self) -> str:
        html: str = self.frame.to_html(max_rows=20)
        return html


def predicted(
    run: Run,
    times: ArrayLike | Mapping[str, ArrayLike] | None = None,
    wanted: Wanted | None = None,
    curves: Sequence[str] | None = None,
    bands: Bands = "wald",
    level: float = 0.95,
    seconds: float | None = None,
) -> Prediction:
    """Predict; see `odefit.predict`, which has the same arguments."""
    if bands not in KINDS:
        raise InputError("bands", f"'{clip(str(bands))}' is none; {suggest(str(bands), KINDS)}")
    check_level(level)
    check_solvable(run)
    asked = conditioned(run, wanted or Wanted(), replicates=times is None)
    names, columns = _chosen(run, curves)
    experiments = _at_times(asked, in_numbers(times, run.result.dates))
    table, notes = _answered(run, asked, experiments, names, columns, bands, level, seconds)
    noise = run.assembly.problem.observation.noise
    config = run.loaded.config
    measured = _measured(run, asked)
    return Prediction(
        with_dates(table, run.result.dates),
        bands,
        level,
        experiments,
        names,
        config.model.units,
        config.title or ("" if run.path is None else run.path.resolve().name),
        run.time_name,
        measured,
        frozenset(name for name in names if name in noise and noise[name].is_log),
        (*_status_note(run), *asked.notes, *_input_notes(run, experiments), *notes),
        times is not None,
        partial(_fine, run, asked, _with_measured(experiments, measured), names, columns, bands, level),
        run.result.dates,
    )


def _answered(
    run: Run,
    asked: Conditioned,
    experiments: Sequence[Experiment],
    names: Sequence[str],
    columns: IntArray,
    bands: Bands | None,
    level: float,
    seconds: float | None,
) -> tuple[Table, list[str]]:
    """The table, and notes on its bands."""
    notes: list[str] = []
    problem = with_all_curves(asked.problem)
    solved, rows = with_steps(problem, experiments)
    whole = problem.unmeasured(solved)
    found = [g[own][:, columns] for g, own in zip(whole.predict(run.theta), rows, strict=True)]
    table = curve_table(experiments, found, names)
    limits = None if bands is None else _bands(run, whole, bands, level, notes)
    if limits is not None and bands == "profile":
        inner = [_rows_of(band, own) for band, own in zip(limits, rows, strict=True)]
        limits, rows = (
            profile_bands(run, problem, experiments, columns, inner, level, seconds, notes),
            [slice(None)] * len(experiments),
        )
    if limits is not None:
        cut = [_columns_of(band, columns) for band in limits]
        table = with_columns(table, interval_columns(cut, rows))
    return table, notes


def _fine(
    run: Run,
    asked: Conditioned,
    experiments: Sequence[Experiment],
    names: Sequence[str],
    columns: IntArray,
    bands: Bands,
    level: float,
    shown: int,
) -> Table | None:
    """The same at many times of the first experiments, for the picture; bands along profiles would take too long."""
    count = FINE if bands in ("wald", "profile") else FINE_OF_SETS
    times = fine_times(asked.problem, run.theta, experiments, shown, count)
    if times is None:
        return None
    wanted = wanted_times(asked.experiments, times)
    return _answered(run, asked, wanted, names, columns, None if bands == "profile" else bands, level, None)[0]


def _with_measured(
    experiments: Sequence[Experiment], measured: Mapping[tuple[str, str], tuple[FloatArray, FloatArray]]
) -> tuple[Experiment, ...]:
    """The experiments at the first and the last measured time in the picture, too."""
    spans = {
        e.name: np.concatenate([e.times, *(t for (own, _), (t, _) in measured.items() if own == e.name)])
        for e in experiments
    }
    return tuple(e.at(np.unique(np.append(e.times, _ends(spans[e.name])))) for e in experiments)


def _ends(times: FloatArray) -> FloatArray:
    finite = times[np.isfinite(times)]
    return finite if not len(finite) else np.array([finite.min(), finite.max()])


def _measured(run: Run, asked: Conditioned) -> dict[tuple[str, str], tuple[FloatArray, FloatArray]]:
    """What was measured in those experiments of the fit that are predicted as they were made."""
    found: dict[tuple[str, str], tuple[FloatArray, FloatArray]] = {}
    names = {e.name for e in asked.experiments}
    for own in run.measured:
        shown = own.name if own.name in names else replicate_of(own.name)
        for new in asked.experiments:
            if new.name == shown and _as_made(own, new):
                for column, name in enumerate(run.observables):
                    known = ~np.isnan(own.values[:, column]) & np.isfinite(own.times)
                    t, d = found.get((shown, name), (np.empty(0), np.empty(0)))
                    both = np.append(t, own.times[known]), np.append(d, own.values[known, column])
                    found[shown, name] = both
    return found


def _as_made(own: Experiment, new: Experiment) -> bool:
    """Whether an experiment has the conditions that it was made under."""
    return (
        (own.doses, own.labels, own.start) == (new.doses, new.labels, new.start)
        and all(new.constants.get(name) == value for name, value in own.constants.items())
        and all(new.inputs.get(name) is known for name, known in own.inputs.items())
    )


def _chosen(run: Run, curves: Sequence[str] | None) -> tuple[tuple[str, ...], IntArray]:
    """The curves by name, and where they stand among all. Raises InputError."""
    known = curve_names(run.assembly)
    names = tuple(dict.fromkeys(run.observables if curves is None else curves))
    if not names:
        raise InputError("curves", f"names none; there is: {abridged(list(known), 8)}")
    for name in names:
        if name not in known:
            raise InputError("curves", f"'{clip(name)}' is no observable, state or expression; {suggest(name, known)}")
    return names, np.array([known[name] for name in names], dtype=np.intp)


def _at_times(asked: Conditioned, times: ArrayLike | Mapping[str, ArrayLike] | None) -> tuple[Experiment, ...]:
    """The experiments at the times that are wanted; without any, at those that were measured or over their span."""
    if times is None:
        last = max((e.last for e, like in zip(asked.experiments, asked.likes, strict=True) if like), default=0.0)
        times = {
            e.name: e.times if like is not None else np.linspace(e.start, max(last, e.start + 1.0), GRID)
            for e, like in zip(asked.experiments, asked.likes, strict=True)
        }
    elif not isinstance(times, Mapping):
        times = np.atleast_1d(np.asarray(times, dtype=np.float64))
        if times.ndim == 1 and times.size and (early := [e for e in asked.experiments if times[0] < e.start]):
            where = f"experiment {clip(early[0].name)} starts at {early[0].start:g}"
            raise InputError("times", f"{times[0]:g} is too early: {where}; begin there, or give it another `start`")
    try:
        return wanted_times(asked.experiments, times)
    except ValueError as error:
        raise InputError("times", str(error).removeprefix("times: ")) from None


def _status_note(run: Run) -> list[str]:
    if run.result.status == Status.CONVERGED:
        return []
    return [f"this fit has no certificate (it is `{run.result.status}`): {run.result.message}"]


def _input_notes(run: Run, experiments: Sequence[Experiment]) -> list[str]:
    """Inputs that are asked for beyond what is known of them."""
    held = {n for n, s in run.loaded.config.data.inputs.items() if s.interpolation == "previous"}
    beyond = {
        name: float(known.knots[-1])
        for e in experiments
        for name, known in e.inputs.items()
        if name not in held and known.knots[-1] < e.last
    }
    return [f"the input {name} is known until t = {last:g}, and goes on as there" for name, last in beyond.items()]


def _bands(run: Run, problem: FitProblem, bands: Bands, level: float, notes: list[str]) -> list[Band] | None:
    """The bands of all curves; None where there are none, and a note says why."""
    if run.assembly.networks is not None:
        notes.append("no bands: a model with a network has no errors of its parameters")
        return None
    if bands in ("bootstrap", "posterior"):
        if bands == "bootstrap":
            notes.append("bands between plain percentiles of refits: with few measurements a little too narrow")
        return ensemble_bands(problem, sets_of(run, bands), level)
    known = run.known_errors
    if known is None:
        notes.append("no bands: this fit has no standard errors")
        return None
    try:
        return known.bands(problem, run.theta, problem.experiments, level)
    except SolveError as error:
        notes.append(f"no bands: {error}")
        return None


def _rows_of(band: Band, rows: IntArray | slice) -> Band:
    return Band(*(part[rows] for part in (band.low, band.high, band.noise_low, band.noise_high)))


def _columns_of(band: Band, columns: IntArray) -> Band:
    return Band(*(part[:, columns] for part in (band.low, band.high, band.noise_low, band.noise_high)))
