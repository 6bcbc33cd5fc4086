"""A trained latent ODE, in memory or read back from its run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from odefit.arrays import FloatArray
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.data.tables import read_table
from odefit.engines.torch_engine import MAX_STEPS
from odefit.errors import RunError, SolveError
from odefit.latent.estimator import solve
from odefit.latent.evaluation import interpolate
from odefit.latent.model import LatentODE
from odefit.latent.series import read_backwards, series_of
from odefit.latent.spirals import draw_spirals
from odefit.latent.task import LatentTask, latent_task, refuse
from odefit.runs import folder as files
from odefit.runs.results import Result
from odefit.runs.stored import Curves, StoredRun, load_weights
from odefit.runs.validation import DAMAGED


@dataclass(frozen=True, repr=False)
class LatentRun(StoredRun):
    """The states of its curves are the latent ones, z_1, z_2, ..., whose meaning only the decoder knows."""

    task: LatentTask
    model: LatentODE

    @property
    def loaded(self) -> LoadedConfig:
        return self.task.loaded

    @property
    def measured(self) -> tuple[Experiment, ...]:
        return self.task.measured

    @property
    def states(self) -> tuple[str, ...]:
        return tuple(f"z_{k + 1}" for k in range(self.task.options.dimension))

    @property
    def observables(self) -> tuple[str, ...]:
        return self.task.names

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
        start=loaded.config.data.start,
    )
    task = latent_task(loaded, experiments)
    model = LatentODE(len(task.names), task.options).to(task.dtype).eval()
    load_weights(model, path / files.WEIGHTS)
    is_finite = all(bool(torch.isfinite(q).all()) for q in (*model.parameters(), *model.buffers()))
    if not is_finite or min(float(q.min()) for q in (model.scale, model.unit, model.gap)) <= 0:
        raise RunError(str(path / files.WEIGHTS), f"{DAMAGED}: a weight or a unit is no such number; fit again")
    return LatentRun(path, result, task, model)
