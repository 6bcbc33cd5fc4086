"""Which bands the curves of a picture have, and these bands: the best that the run has, or those that are asked for.

`wald` by the delta method, `posterior` and `bootstrap` between quantiles of the curves of hundreds of parameter sets,
`profile` from profile likelihoods at some times, between which the Wald band is scaled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.data.experiments import Experiment
from odefit.errors import RunError, SolveError
from odefit.fitting.run import Run
from odefit.objective.problem import FitProblem
from odefit.records import dataclass
from odefit.runs.folder import BOOTSTRAP, POSTERIOR
from odefit.uncertainty.bands import Band

BandKind = Literal["wald", "profile", "bootstrap", "posterior"]
KINDS: tuple[BandKind, ...] = ("wald", "profile", "bootstrap", "posterior")
NAMES: Mapping[str, str] = {
    "wald": "95 % confidence band",
    "profile": "95 % profile band",
    "bootstrap": "95 % bootstrap band",
    "posterior": "95 % posterior band",
}
"""What a legend calls them."""
LEVEL = 0.95
OF_SETS: Mapping[BandKind, str] = {"posterior": POSTERIOR, "bootstrap": BOOTSTRAP}
"""Kinds that are made from sets of parameters, the better one first, and their files."""
ENOUGH = 200
"""Sets of parameters from which bands are made without being asked for."""
LEAST_SETS, MOST_SETS, MOST_VALUES = 200, 500, 500_000
"""Sets that a picture uses, at least and at most, and the most values of all their curves beyond the least."""
PROFILED, MOST_PROFILED = 13, 300
"""Times of each curve that are profiled, and of all curves together."""


@dataclass(frozen=True)
class CurveBands:
    """The bands of the curves of a picture.

    Parameters
    ----------
    kind
        How they were made.
    bands
        One for each experiment; None where there is none.
    """

    kind: BandKind
    bands: tuple[Band | None, ...]


def curve_bands(
    run: Run, problem: FitProblem, experiments: Sequence[Experiment], asked: BandKind | None = None
) -> CurveBands:
    """95 % bands of pointwise coverage; without `asked` from draws or refits where the run has enough of them.

    Parameters
    ----------
    run
        The fit.
    problem, experiments
        Whose curves these are, over the parameters of the fit, at the times of the picture.
    asked
        How they are to be made.

    Raises
    ------
    RunError
        The run has not what the bands that were asked for are made from.
    """
    kinds = OF_SETS if asked is None else {kind: file for kind, file in OF_SETS.items() if kind == asked}
    for kind, file in kinds.items():
        if run.assembly.networks is None and (asked is not None or run.table_text(file) is not None):
            sets = _sets(run, kind, asked is not None)
            if sets is not None:
                return CurveBands(kind, _of_sets(problem, experiments, sets))
    wald = _wald(run, problem, experiments)
    if asked == "profile":
        return CurveBands("profile", _along_profiles(run, problem, experiments, wald))
    return CurveBands("wald", wald)


def _sets(run: Run, kind: BandKind, are_asked: bool) -> FloatArray | None:
    """The sets of parameters [M, P]; None where they are few, or cannot be read, and were not asked for."""
    from odefit.prediction.ensemble import sets_of

    try:
        sets = sets_of(run, kind)
    except RunError:
        if are_asked:
            raise
        return None
    return sets if are_asked or len(sets) >= ENOUGH else None


def _wald(run: Run, problem: FitProblem, experiments: Sequence[Experiment]) -> tuple[Band | None, ...]:
    """Where there is a covariance and the engine gives sensitivities.

    A parameter at its bound is taken as known, as its covariance was. There is no band where a prediction depends on
    what the data do not determine.
    """
    none = (None,) * len(experiments)
    if run.known_errors is None:
        return none
    try:
        return tuple(run.known_errors.bands(problem, run.theta, experiments))
    except SolveError:
        # The curve itself was solved: the picture is worth more than its band.
        return none


def _of_sets(problem: FitProblem, experiments: Sequence[Experiment], sets: FloatArray) -> tuple[Band, ...]:
    from odefit.prediction.ensemble import ensemble_bands

    rows = sum(len(e.times) for e in experiments) * len(problem.observation.names)
    most = int(np.clip(MOST_VALUES // max(rows, 1), LEAST_SETS, MOST_SETS))
    chosen = sets[np.unique(np.linspace(0, len(sets) - 1, most).round().astype(int))]
    return tuple(ensemble_bands(problem.unmeasured(experiments), chosen, LEVEL))


def _along_profiles(
    run: Run, problem: FitProblem, experiments: Sequence[Experiment], wald: Sequence[Band | None]
) -> tuple[Band | None, ...]:
    from odefit.prediction.profile_bands import profile_bands

    names = problem.observation.names
    count = max(min(PROFILED, MOST_PROFILED // max(len(experiments) * len(names), 1)), 3)
    places = [_spread(e.times, count) for e in experiments]
    coarse = [e.rows(rows) for e, rows in zip(experiments, places, strict=True)]
    known = [_no_band(e, len(names)) if band is None else band for e, band in zip(experiments, wald, strict=True)]
    at = [_rows(band, rows) for band, rows in zip(known, places, strict=True)]
    notes: list[str] = []
    columns = np.arange(len(names), dtype=np.intp)
    found = profile_bands(run, problem, coarse, columns, at, LEVEL, None, notes)
    curves = problem.curves(run.theta, tuple(experiments))[1]
    logs = np.array([problem.observation.noise[name].is_log for name in names])
    parts = zip(experiments, curves, known, places, found, strict=True)
    return tuple(_between(e.times, g, band, rows, ends, logs) for e, g, band, rows, ends in parts)


def _spread(times: FloatArray, count: int) -> IntArray:
    """Positions of times that are spread over them, finite ones only."""
    finite = np.flatnonzero(np.isfinite(times))
    wanted = np.linspace(times[finite[0]], times[finite[-1]], count)
    found: IntArray = np.unique(finite[np.clip(np.searchsorted(times[finite], wanted), 0, len(finite) - 1)])
    return found


def _between(times: FloatArray, curve: FloatArray, wald: Band, places: IntArray, ends: Band, logs: FloatArray) -> Band:
    """Bands at all times: those of Wald, scaled to reach the ends that were found at some of the times."""
    sides = []
    for whole, some in zip(_parts(wald), _parts(ends), strict=True):
        made = np.full_like(curve, np.nan)
        for k in range(curve.shape[1]):
            with np.errstate(all="ignore"):
                to, back = (np.log, np.exp) if logs[k] else (lambda x: x, lambda x: x)
                middle, reach, wanted = to(curve[:, k]), to(whole[:, k]), to(some[:, k])
                ratio = (wanted - middle[places]) / (reach - middle)[places]
                usable = np.isfinite(ratio)
                if usable.all() and np.isfinite(reach).all():
                    made[:, k] = back(middle + np.interp(times, times[places], ratio) * (reach - middle))
                elif (known := np.isfinite(wanted)).any():
                    line = np.interp(times, times[places][known], wanted[known] - middle[places][known])
                    made[:, k] = back(middle + line)
        sides.append(made)
    return Band(*sides)


def _parts(band: Band) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    return band.low, band.high, band.noise_low, band.noise_high


def _rows(band: Band, rows: IntArray) -> Band:
    return Band(*(part[rows] for part in _parts(band)))


def _no_band(experiment: Experiment, width: int) -> Band:
    return Band(*np.full((4, len(experiment.times), width), np.nan))
