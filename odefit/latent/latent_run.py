"""A trained latent ODE, in memory or read back from its run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from numpy.typing import ArrayLike

from odefit.arrays import FloatArray
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.data.tables import read_table
from odefit.engines.torch_engine import MAX_STEPS
from odefit.errors import FitError, RunError, SolveError
from odefit.latent.estimator import interpolate, solve
from odefit.latent.model import LatentODE
from odefit.latent.series import read_backwards, series_of
from odefit.latent.spirals import draw_spirals
from odefit.latent.task import LatentTask, latent_task, refuse
from odefit.problem.frames import wanted_times
from odefit.records import dataclass
from odefit.runs import folder as files
from odefit.runs.asked import Reported
from odefit.runs.results import Result
from odefit.runs.stored import Curves, StoredRun, load_weights
from odefit.runs.tables import Table, csv_text, frame_of
from odefit.runs.validation import DAMAGED
from odefit.runs.writing import PREDICTIONS, parameter_table, write_data, write_result, write_tables, write_weights
from odefit.status import Status

if TYPE_CHECKING:
    import pandas as pd

OBSERVED, CONTINUED = "observed", "continued"
"""The parts of a series: what the encoder has read of it, and the rest."""


@dataclass(frozen=True, repr=False)
class LatentRun(StoredRun, Reported):
    """The states of its curves are the latent ones, z_1, z_2, ..., whose meaning only the decoder knows."""

    task: LatentTask
    model: LatentODE

    @property
    def loaded(self) -> LoadedConfig:
        """The config."""
        return self.task.loaded

    @property
    def measured(self) -> tuple[Experiment, ...]:
        """All series."""
        return self.task.measured

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the latent states: z_1, z_2, ..."""
        return tuple(f"z_{k + 1}" for k in range(self.task.options.dimension))

    @property
    def observables(self) -> tuple[str, ...]:
        """Names of the measured columns."""
        return self.task.names

    @property
    def weights(self) -> Mapping[str, Any]:
        """The tensors of the model by name."""
        return self.model.state_dict()

    def solve(self, times: Sequence[FloatArray]) -> Curves:
        """Each series at other times, none before its start: from the latent start that the encoder reads off it."""
        return self.solve_some(range(len(self.measured)), times)

    def solve_some(self, rows: Sequence[int], times: Sequence[FloatArray]) -> Curves:
        """The same for some of the series."""
        chosen = [self.measured[row] for row in rows]
        self._check_span(max(float(t[-1]) - e.start for e, t in zip(chosen, times, strict=True)))
        states, observables = solve(self.model, self.task.observed, chosen, times)
        return Curves(tuple(e.at(t) for e, t in zip(chosen, times, strict=True)), states, observables)

    def between(self, first: int, second: int, elapsed: FloatArray, steps: int) -> FloatArray:
        """[steps, T, O] Series on the straight way between the latent starts of two of them, at elapsed times [T]."""
        self._check_span(float(elapsed[-1]))
        series = series_of([self.measured[first], self.measured[second]], self.task.dtype)
        end = float(series.grid[-1]) if self.task.observed is None else self.task.observed
        return interpolate(self.model, read_backwards(series, end), torch.from_numpy(elapsed), steps)

    @cached_property
    def truth(self) -> list[FloatArray] | None:
        """[T, O] What made-up series would have been without noise, each at its own times; None where they are real."""
        section = self.loaded.config.data.spirals
        if section is None or section.series != len(self.measured):
            return None
        if any(len(e.times) != section.times for e in self.measured):
            return None
        return list(draw_spirals(**section.model_dump()).truth)

    def predictions(
        self, times: ArrayLike | Mapping[str, ArrayLike] | None = None, intervals: bool = True
    ) -> pd.DataFrame:
        """What the model predicts, one row for each series, observable and time.

        times: as of `Run.predictions`; at the measured ones there are also the columns measured, residual, held_out
        (the series was not trained on) and part (`observed`, which the encoder has read, or `continued`). There are
        no intervals, whatever `intervals` says. Raises SolveError, or ValueError for times that are none.
        """
        del intervals
        chosen = wanted_times(self.measured, times)
        curves = self.solve([e.times for e in chosen])
        if times is None:
            return frame_of(self._measured_table(curves).text)
        rows = (
            [e.name, float(t), name, float(g)]
            for e, predicted in zip(chosen, curves.observables, strict=True)
            for k, name in enumerate(self.observables)
            for t, g in zip(e.times, predicted[:, k], strict=True)
        )
        return frame_of(csv_text(("experiment", "time", "observable", "predicted"), rows))

    def _measured_table(self, curves: Curves) -> Table:
        """predictions.csv. held_out: the series was not trained on; part: whether the encoder has read it."""
        aside, rows = set(self.task.aside), list[list[Any]]()
        for row, (experiment, predicted) in enumerate(zip(self.measured, curves.observables, strict=True)):
            read = self.task.read(experiment)
            for k, name in enumerate(self.observables):
                columns = (experiment.times, experiment.values[:, k], predicted[:, k], read)
                for t, d, g, within in zip(*columns, strict=True):
                    part = OBSERVED if within else CONTINUED
                    rows.append(
                        [experiment.name, float(t), name, float(d), float(g), float(d - g), None, row in aside, part]
                    )
        return Table((*PREDICTIONS, "part"), rows)

    def write(self, folder: Path) -> None:
        """Every file of the run folder; result.json last, since it says that the run is complete."""
        try:
            predicted = self._measured_table(self.solve([e.times for e in self.measured]))
        except SolveError as error:
            if self.result.status != Status.FAILED:
                raise FitError(f"the fitted model cannot be solved again: {error}") from error
            predicted = Table((*PREDICTIONS, "part"), [])
        write_data(folder, self.loaded, self.measured, self.observables)
        files.write_config(folder, self.loaded, {})
        tables = {files.PARAMETERS: parameter_table(self.result).text, files.PREDICTIONS: predicted.text}
        kept = {name: self.table_text(name) for name in (files.HISTORY, files.FRAMES)}
        write_tables(folder, tables | kept)
        write_weights(folder, self.model.state_dict())
        write_result(folder, self.result)

    def _check_span(self, span: float) -> None:
        step = self.task.options.step
        if step is not None and span / step > MAX_STEPS:
            raise SolveError(f"so long a time, {span:g}, needs more than {MAX_STEPS} steps of {step:g}")


def load_latent(path: Path, result: Result, loaded: LoadedConfig) -> LatentRun:
    """Read the rest of a run folder. Raises InputError where it is damaged."""
    refuse(loaded)
    experiments = read_table(
        path / files.DATA,
        observables=tuple(loaded.config.model.measured or ()),
        time=loaded.config.data.time,
        start=loaded.config.data.fixed_start,
    )
    task = latent_task(loaded, experiments)
    model = LatentODE(len(task.names), task.options).to(task.dtype).eval()
    load_weights(model, path / files.WEIGHTS)
    is_finite = all(bool(torch.isfinite(q).all()) for q in (*model.parameters(), *model.buffers()))
    if not is_finite or min(float(q.min()) for q in (model.scale, model.unit, model.gap)) <= 0:
        raise RunError(str(path / files.WEIGHTS), f"{DAMAGED}: a weight or a unit is no such number; fit again")
    return LatentRun(path, result, task, model)
