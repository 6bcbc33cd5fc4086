"""What a fitted model predicts, as tables: at the data's times or at others, with intervals where there are any."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.data.csv_columns import Column, Words
from odefit.data.experiments import Experiment
from odefit.data.replicates import replicate_of
from odefit.data.side_column import AT_JUMP, side_words
from odefit.fitting.report import bounds_met
from odefit.objective.likelihood import Likelihood
from odefit.objective.problem import FitProblem
from odefit.problem.assembly import Assembly
from odefit.records import dataclass
from odefit.runs.tables import ColumnTable, Table
from odefit.uncertainty.bands import Band, prediction_bands
from odefit.uncertainty.covariance import Covariance, rank_tolerance
from odefit.uncertainty.degrees_of_freedom import residual_degrees
from odefit.uncertainty.estimation import estimate_uncertainty
from odefit.uncertainty.noise_levels import NoiseLevels


@dataclass(frozen=True)
class KnownErrors:
    """What bands are made of.

    covariance: of the estimates, in search space; parameters at a bound are taken as known. degrees: of freedom.
    widening: of intervals of curves. unbiased: the estimates in search space, noise levels without their bias, [P].
    """

    covariance: Covariance
    degrees: float
    widening: float
    unbiased: FloatArray

    def bands(
        self, problem: FitProblem, theta: FloatArray, experiments: Sequence[Experiment], level: float = 0.95
    ) -> list[Band]:
        """Bands at the times of the experiments. Raises SolveError."""
        return prediction_bands(
            *(problem, theta, self.covariance, experiments, level),
            degrees=self.degrees,
            widening=self.widening,
            unbiased=self.unbiased,
        )


def errors_of(assembly: Assembly, theta: FloatArray, matrix: FloatArray | None) -> KnownErrors | None:
    """What is known of the errors of a fit; None where nothing is, as of a network.

    matrix: the covariance that the fit left behind, in search space; None where it left none. It may not tell of all
    parameters, nor of combinations of those that are not determined: then it is computed anew.
    """
    if matrix is None or assembly.networks is not None:
        return None
    problem = assembly.problem
    names = problem.table.estimated_names
    bound = bounds_met(problem, theta)
    likelihood, u = Likelihood(problem, keeps=True), problem.table.to_search(theta)
    covariance = Covariance.of_matrix(names, matrix, {})
    if len(matrix) < len(names) or np.isnan(np.diag(matrix)[bound == 0]).any():
        found = estimate_uncertainty(likelihood, u, bound)
        if found is None:
            return None
        covariance = found.full
    free = bound == 0
    degrees = residual_degrees(likelihood, free, covariance.nullity(free))
    levels = NoiseLevels(likelihood, u, covariance.standard_errors, free, rank_tolerance(problem.engine.options.rtol))
    widening = 1.0 if problem.is_least_squares or math.isinf(degrees) else levels.bias
    return KnownErrors(covariance.known(~free), degrees, widening, levels.unbiased)


def measured_table(assembly: Assembly, observables: Sequence[FloatArray]) -> ColumnTable:
    """predictions.csv: every time of the data with measurement, prediction and residual per observable; and on which
    side of a jump each row is, where any is.

    observables: the predictions at these times, [T, O] of each experiment.
    """
    measured, names = assembly.measured, assembly.problem.observation.names
    lengths = [len(e.times) for e in measured]
    values, predicted = _flat([e.values for e in measured]), _flat(observables)
    limits = np.zeros(len(values), dtype=np.intp)
    if any(e.censored is not None for e in measured):
        limits = _flat([np.zeros(e.values.shape) if e.censored is None else e.censored for e in measured]).astype(
            np.intp
        )
    columns: dict[str, Column] = {
        "experiment": Words.repeated([e.name for e in measured], [n * len(names) for n in lengths]),
        "time": np.concatenate([np.tile(np.asarray(e.times, dtype=np.float64), len(names)) for e in measured]),
        "observable": Words(names, np.concatenate([np.repeat(np.arange(len(names)), n) for n in lengths])),
        "measured": values,
        "predicted": predicted,
        # A limit is no measurement that something could be off by.
        "residual": np.where(limits != 0, math.nan, values - predicted),
        "censored": Words(("", "above", "below"), limits),
        "held_out": Words(("False", "True"), _flat(assembly.held_out).astype(np.intp)),
    }
    if any(e.other_end is not None for e in measured):
        ends = [np.full(e.values.shape, np.nan) if e.other_end is None else e.other_end for e in measured]
        columns["other_end"] = _flat(ends)
    if any(e.sides.any() for e in measured):
        columns[AT_JUMP] = Words.of([word for e in measured for _ in names for word in side_words(e)])
    return ColumnTable.of(columns)


def _flat(tables: Sequence[NDArray[Any]]) -> FloatArray:
    """[T, O] of each experiment, observable by observable."""
    return np.concatenate([np.asarray(table, dtype=np.float64).T.ravel() for table in tables])


def not_repeated(experiments: Sequence[Experiment]) -> Mask:
    """Which rows of such a table say something: not those of a replicate that did not measure, beside the first.

    They would be the same prediction once more, at the same time of the same experiment.
    """
    times = {e.name: e.times for e in experiments}
    parts = []
    for e in experiments:
        first = times.get(replicate_of(e.name)) if replicate_of(e.name) != e.name else None
        again = np.zeros(len(e.times), dtype=bool) if first is None else np.isin(e.times, first)
        parts += [~(again & np.isnan(column)) for column in e.values.T]
    return np.concatenate(parts)


def curve_table(experiments: Sequence[Experiment], observables: Sequence[FloatArray], names: Sequence[str]) -> Table:
    """The same where nothing was measured: experiment, time, observable, predicted."""
    rows = [
        [e.name, float(t), name, float(g)]
        for e, predicted in zip(experiments, observables, strict=True)
        for column, name in enumerate(names)
        for t, g in zip(e.times, predicted[:, column], strict=True)
    ]
    return Table(("experiment", "time", "observable", "predicted"), rows)


def expression_table(experiments: Sequence[Experiment], values: Sequence[FloatArray], names: Sequence[str]) -> Table:
    """expressions.csv: experiment, time, expression, value.

    values: [T, X] of each experiment.
    """
    table = curve_table(experiments, values, names)
    return Table(("experiment", "time", "expression", "value"), table.rows)


def interval_columns(bands: Sequence[Band], rows: Sequence[IntArray | slice]) -> dict[str, FloatArray]:
    """The columns `low` and `high` of the curve, and those of a new measurement, in the order of such a table.

    rows: the times of each band that are in the table.
    """
    pairs = list(zip(bands, rows, strict=True))
    parts = {"low": "low", "high": "high", "new_low": "noise_low", "new_high": "noise_high"}
    return {
        name: np.concatenate([getattr(band, of)[own].T.ravel() for band, own in pairs]) for name, of in parts.items()
    }


def with_columns(table: Table, columns: Mapping[str, FloatArray]) -> Table:
    """A table with more columns of numbers, of all its rows."""
    if not columns:
        return table
    numbers = (np.asarray(column, dtype=np.float64).tolist() for column in columns.values())
    pairs = zip(table.rows, zip(*numbers, strict=True), strict=True)
    return Table((*table.header, *columns), [[*row, *more] for row, more in pairs])
