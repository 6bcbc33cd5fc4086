"""A finished fit, in memory or read back from its folder: its numbers as tables, its model to solve again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from odefit.arguments import checked, truth
from odefit.arrays import FloatArray, IntArray
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.data.tables import read_table
from odefit.errors import FitError, RunError, SolveError
from odefit.fitting.predictions import (
    KnownErrors,
    curve_table,
    errors_of,
    expression_table,
    interval_columns,
    measured_table,
    not_repeated,
)
from odefit.fitting.tightening import tightened
from odefit.objective.likelihood import Likelihood
from odefit.objective.observation import Moments
from odefit.problem.assembly import Assembly, assemble
from odefit.problem.conditions import under_conditions
from odefit.problem.noise_columns import NoiseColumns
from odefit.problem.sides import on_sides
from odefit.problem.solver_steps import with_steps
from odefit.problem.systems import describe_system
from odefit.problem.wider import curves_and_expressions, expression_quantities, observing
from odefit.records import dataclass
from odefit.runs import folder as files
from odefit.runs import validation as foreign
from odefit.runs.asked import Asked
from odefit.runs.network_files import write_network_files
from odefit.runs.results import Result
from odefit.runs.stored import Curves, StoredRun, load_weights, read_start
from odefit.runs.tables import Table, frame_of
from odefit.runs.writing import (
    PREDICTIONS,
    parameter_table,
    telling,
    write_conditions,
    write_data,
    write_result,
    write_tables,
    write_weights,
)
from odefit.status import Status
from odefit.uncertainty.bands import Band
from odefit.uncertainty.covariance import MAX_LISTED

if TYPE_CHECKING:
    import pandas as pd

    from odefit.problem.simulation import TrueModel


@dataclass(frozen=True, repr=False)
class Run(StoredRun, Asked):
    """A finished fit of equations: what `odefit.fit` and `odefit.load_run` return.

    Attributes
    ----------
    result
        How it ended, the estimates, the likelihood, AIC and the like: the content of `result.json`.
    path
        The run folder; None where the fit is in memory only, which `save` writes.
    theta
        [N] all parameters in the order of the problem's table, natural scale.

    Examples
    --------
    >>> import odefit
    >>> run = odefit.fit(
    ...     {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}},
    ...     data=[odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})],
    ... )
    >>> print(run)
    <Run in memory: converged; k=0.497..., x_0=1.996, sigma_x=0.0084...>
    >>> run.parameters.loc["k", ["value", "standard_error"]].astype(float).round(3).tolist()
    [0.498, 0.005]
    >>> run.predictions([5, 6])[["time", "predicted", "low", "high"]].round(2).values.tolist()
    [[5.0, 0.17, 0.15, 0.18], [6.0, 0.1, 0.09, 0.11]]
    """

    assembly: Assembly
    theta: FloatArray

    @property
    def loaded(self) -> LoadedConfig:
        return self.assembly.loaded

    @property
    def measured(self) -> tuple[Experiment, ...]:
        return self.assembly.measured

    @property
    def states(self) -> tuple[str, ...]:
        return self.assembly.described.system.states

    @property
    def observables(self) -> tuple[str, ...]:
        return tuple(self.assembly.described.system.observables)

    @property
    def expressions(self) -> tuple[str, ...]:
        """The names of the model's expressions, in the order of the columns of `Curves.expressions`."""
        return tuple(self.assembly.described.system.expressions)

    @property
    def weights(self) -> Mapping[str, Any]:
        return {} if self.assembly.networks is None else self.assembly.networks.state_dict()

    def solve(self, times: Sequence[FloatArray]) -> Curves:
        return self._solved(tuple(e.at(t) for e, t in zip(self.measured, times, strict=True)))

    def _solved(self, experiments: tuple[Experiment, ...]) -> Curves:
        return Curves(experiments, *curves_and_expressions(self.assembly.problem, self.theta, experiments))

    @cached_property
    def true_model(self) -> TrueModel | None:
        """The model that made the data, where they were simulated."""
        if self.assembly.loaded.config.data.simulate is None:
            return None
        from odefit.problem.simulation import simulate_data

        return simulate_data(self.assembly.loaded, self.assembly.described).model

    def solve_truth(self, times: Sequence[FloatArray]) -> Curves | None:
        """The same for the true model; None where the data are real. Raises SolveError."""
        if self.true_model is None:
            return None
        chosen = tuple(e.at(t) for e, t in zip(self.measured, times, strict=True))
        return Curves(chosen, *self.true_model.solve(chosen, self.observables))

    @cached_property
    def noise_levels(self) -> tuple[Moments, ...] | None:
        """Location and scale of every observable in all rows of `measured`; None where the model cannot be solved."""
        problem = replace(self.assembly.problem, experiments=self.measured)
        found = Likelihood(problem).moments(problem.table.to_search(self.theta), derivatives=False)
        return None if found is None else tuple(found)

    @cached_property
    def known_errors(self) -> KnownErrors | None:
        """What is known of the errors; None where nothing is. Raises RunError where the table is damaged."""
        return errors_of(self.assembly, self.theta, self._covariance_in_search())

    def _covariance_in_search(self) -> FloatArray | None:
        """[P, P], NaN where not determined. Of hundreds of parameters those that the experiments share."""
        table = self.assembly.problem.table
        rows = self.rows(files.COVARIANCE)
        if rows is None:
            return None
        names = table.estimated_names
        listed = tuple(rows.header[1:])
        fits = listed == names or (len(names) > MAX_LISTED and set(listed) <= set(names))
        if not fits or tuple(rows.text(0)) != listed:
            raise RunError(rows.path, "is damaged: it does not fit the parameters; fit again")
        if not listed:
            return np.zeros((0, 0))
        natural = np.stack([rows.numbers(k + 1) for k in range(len(listed))], axis=1)
        slope = table.natural_slopes(self.theta, listed)
        with np.errstate(all="ignore"):
            found: FloatArray = natural / np.outer(slope, slope)
        return found

    def _at(
        self, times: ArrayLike | Mapping[str, ArrayLike] | None
    ) -> tuple[Sequence[Experiment], tuple[Experiment, ...], list[IntArray | slice]]:
        """The experiments with these times, as they have to be solved, and which of the times then were asked for."""
        check_solvable(self)
        from odefit.problem.frames import wanted_times

        chosen = wanted_times(self.measured, times)
        return chosen, *with_steps(self.assembly.problem, chosen)

    @checked(intervals=truth)
    def predictions(
        self, times: ArrayLike | Mapping[str, ArrayLike] | None = None, intervals: bool = True
    ) -> pd.DataFrame:
        """What the fitted model predicts, one row for each experiment, observable and time.

        Parameters
        ----------
        times : array_like [T] or mapping of such by experiment, optional
            Increasing times, none before the start of an experiment; default the measured ones. With these come the
            columns measured, residual, censored and held_out.
        intervals
            Whether to add 95 % intervals by the delta method: `low` and `high` of the curve, `new_low` and `new_high`
            of a new measurement there. They are NaN where the data leave a prediction open, and, of a new measurement,
            where the noise is known for measured data only; a model with a network has none of them.

        Returns
        -------
        pandas.DataFrame
            The columns experiment, time, observable, predicted, and those above.

        Raises
        ------
        SolveError
            The model cannot be solved there.
        RunError
            The fit has no estimates, because it failed.
        ValueError
            The times are none.
        """
        chosen, solved, rows = self._at(times)
        curves = self._solved(solved)
        predicted = [g[own] for g, own in zip(curves.observables, rows, strict=True)]
        if times is None:
            frame = frame_of(measured_table(self.assembly, predicted).text)
        else:
            frame = frame_of(curve_table(chosen, predicted, self.observables).text)
        if intervals and self.known_errors is not None:
            bands = self.known_errors.bands(self.assembly.problem, self.theta, curves.experiments)
            frame = frame.assign(**interval_columns(bands, rows))
        return frame[not_repeated(self.measured)].reset_index(drop=True) if times is None else frame

    def expression_values(
        self, times: ArrayLike | Mapping[str, ArrayLike] | None = None, intervals: bool = True
    ) -> pd.DataFrame:
        """What the expressions of the model are, one row for each experiment, expression and time.

        Parameters
        ----------
        times, intervals
            As for `predictions`.

        Returns
        -------
        pandas.DataFrame
            The columns experiment, time, expression and value, and the 95 % interval `low` and `high`.

        Raises
        ------
        SolveError
            The model cannot be solved there.
        RunError
            The fit has no estimates, because it failed.
        ValueError
            The times are none.
        """
        chosen, solved, rows = self._at(times)
        found = [x[own] for x, own in zip(self._solved(solved).expressions, rows, strict=True)]
        frame = frame_of(expression_table(chosen, found, self.expressions).text)
        if intervals and self.known_errors is not None and self.expressions:
            problem, n = self.assembly.problem, len(self.observables)
            wide = observing(problem, expression_quantities(problem.observation.system))
            bands = [
                Band(b.low[:, n:], b.high[:, n:], b.noise_low[:, n:], b.noise_high[:, n:])
                for b in self.known_errors.bands(wide, self.theta, solved)
            ]
            columns = interval_columns(bands, rows)
            frame = frame.assign(low=columns["low"], high=columns["high"])
        return frame

    def _intervals_at_data(self) -> dict[str, FloatArray]:
        """The columns of intervals of predictions.csv; none where the model has none, or they would take too long."""
        if len(self.assembly.problem.table.estimated) > MAX_LISTED or self.known_errors is None:
            return {}
        try:
            bands = self.known_errors.bands(self.assembly.problem, self.theta, self.measured)
        except SolveError:
            return {}
        return interval_columns(bands, [slice(None)] * len(bands))

    def write(self, folder: Path) -> None:
        """Every file of the run folder; result.json last, since it says that the run is complete."""
        try:
            solved = self._solved(self.measured)
            whole = measured_table(self.assembly, solved.observables).with_columns(self._intervals_at_data())
            predicted: Table = whole.only(not_repeated(self.measured))
            expressions = expression_table(self.measured, solved.expressions, self.expressions)
        except SolveError as error:
            if self.result.status != Status.FAILED:
                raise FitError(f"the fitted model cannot be solved again: {error}") from error
            predicted, expressions = Table(PREDICTIONS, []), expression_table((), (), ())
        write_data(folder, self.loaded, self.measured, self.observables)
        with telling(folder):
            own = write_conditions(folder, self.loaded, self.measured)
        renamed = write_network_files(folder, self.assembly.files)
        files.write_config(folder, self.loaded, own, renamed)
        kept = (
            files.HISTORY,
            files.STARTS,
            files.FRAMES,
            files.FOLDS,
            files.COVARIANCE,
            *files.ANSWERS,
            files.EXCLUDED,
        )
        tables = {files.PARAMETERS: parameter_table(self.result).text, files.PREDICTIONS: predicted.text}
        tables |= {files.EXPRESSIONS: expressions.text} if self.expressions else {}
        write_tables(folder, tables | {name: self.table_text(name) for name in kept})
        if self.assembly.networks:
            write_weights(folder, self.assembly.networks.state_dict())
        write_result(folder, self.result)


def check_solvable(run: Run) -> None:
    """Raises RunError where the run has no estimates to solve its model with."""
    if not np.isfinite(run.theta).all():
        raise RunError(run.place, f"has no estimates that could be solved with: {run.result.message}")


def load_equations(path: Path, result: Result, loaded: LoadedConfig) -> Run:
    """Read the rest of a run folder. Raises InputError where it is damaged."""
    loaded = replace(loaded, earlier=read_start(path))  # the sizes of states are those where the search began
    described = describe_system(loaded)
    measured = tuple(
        read_table(
            path / files.DATA,
            observables=tuple(described.system.observables),
            time=loaded.config.data.time,
            start=loaded.config.data.fixed_start,
            # What else stands in the file was chosen by a fit that knew the columns of the original.
            use=replace(NoiseColumns(loaded, described).use, taken={}),
        )
    )
    notes: list[str] = []  # they were given when it was fitted
    states, conditions = described.system.states, described.conditions
    measured = under_conditions(loaded, measured, states, conditions, described.anchor, notes)
    measured = on_sides(loaded, described, measured, notes)
    assembly = tightened(assemble(loaded, described, measured, for_fit=False), result.tolerances_divided_by)
    table = assembly.problem.table
    missing = [name for name in table.names if name not in result.estimates]
    if missing:
        raise RunError(str(path / files.RESULT), f"lacks the estimate of {missing[0]}; fit again")
    values = [result.estimates[name].value for name in table.names]
    theta = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    foreign.check_estimates(table, theta, path)
    if assembly.networks is not None:
        load_weights(assembly.networks, path / files.WEIGHTS)
    return Run(path, result, assembly, theta)
