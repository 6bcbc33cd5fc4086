"""What a training leaves behind as it goes: its history, the progress bar, frames for the animation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from odefit.errors import SolveError
from odefit.fitting.stages import Stage
from odefit.problem.assembly import Assembly
from odefit.problem.intervals import over_intervals
from odefit.runs.progress import Progress
from odefit.runs.tables import Table
from odefit.training.loss_history import Epoch, Thinned
from odefit.training.objective_torch import TrainingObjective

FRAME_TIMES, FRAME_EXPERIMENTS = 200, 4
SHOWN_PARAMETERS = 50


class Recorder:
    """Called after every epoch: the history, the progress bar and the frames.

    Epochs are numbered through all stages; with several, the history says which one each belongs to.
    """

    def __init__(
        self,
        assembly: Assembly,
        module: TrainingObjective,
        plot_every: int | None,
        progress: Progress,
        several: bool = False,
    ) -> None:
        self.assembly, self.module, self.plot_every, self.progress = assembly, module, plot_every, progress
        table = assembly.problem.table
        # A squared-error loss does not move the noise levels, and hundreds of initial values help nobody.
        moving = [n for n in table.estimated_names if module.loss == "nll" or table[n].role != "noise"]
        few = len(moving) <= SHOWN_PARAMETERS
        self.names = tuple(name for name in moving if few or table[name].role == "model")
        self.several, self._stage, self._begun = several, "", 0
        self._resumed = False
        self._rows = Thinned[list[Any]]()
        self._frames: list[list[Any]] = []

    def begin(self, stage: Stage) -> None:
        if not self._resumed:  # else this stage has begun long since
            self._stage, self._begun = stage.name, self._rows.seen
        self._resumed = False
        self.progress.begin(f"epochs, {stage.name}" if self.several else "epochs", stage.epochs)

    def __call__(self, epoch: Epoch, _module: nn.Module) -> None:
        table = self.assembly.problem.table
        theta = table.to_natural(self.module.u.detach().to(torch.float64).cpu().numpy())
        estimates = {name: float(theta[table.index[name]]) for name in self.names}
        number = self._rows.seen + 1
        stage = [self._stage] if self.several else []
        numbers = [number, epoch.loss, epoch.learning_rate, epoch.gradient_norm]
        self._rows.append([*numbers, *stage, *estimates.values()])
        self.progress.epoch(number - self._begun, epoch.loss, estimates)
        if self.plot_every and (number == 1 or number % self.plot_every == 0):
            self._keep_frame(number, epoch.loss, theta)

    def recorded(self) -> dict[str, Any]:
        """For a checkpoint."""
        rows = self._rows
        return {
            "stage": self._stage,
            "begun": self._begun,
            "rows": rows.entries,
            "rows_at": [rows.seen, rows.stride],
            "frames": list(self._frames),
        }

    def restore(self, recorded: Mapping[str, Any]) -> None:
        """The inverse of `recorded`."""
        self._stage, self._begun = recorded["stage"], recorded["begun"]
        self._rows = Thinned(recorded["rows"], *recorded["rows_at"])
        self._frames = list(recorded["frames"])
        self._resumed = True

    def _keep_frame(self, number: int, loss: float, theta: Any) -> None:
        problem = self.assembly.problem
        # Bindings are per experiment, so all are solved and the first few kept.
        times = (np.linspace(e.start, e.last, FRAME_TIMES) for e in problem.experiments)
        chosen = [
            over_intervals(problem.observation.system, e.at(t if t[-1] > e.start else e.times), [e])
            for e, t in zip(problem.experiments, times, strict=True)
        ]
        try:
            curves = problem.predict(theta, tuple(chosen))
        except SolveError:
            return
        for experiment, curve in list(zip(chosen, curves, strict=True))[:FRAME_EXPERIMENTS]:
            self._frames += [
                [number, loss, experiment.name, float(t), *map(float, row)]
                for t, row in zip(experiment.times, curve, strict=True)
            ]

    def history(self) -> Table:
        stage = ("stage",) if self.several else ()
        return Table(("epoch", "loss", "learning_rate", "gradient_norm", *stage, *self.names), self._rows.entries)

    def frames(self) -> Table | None:
        if not self._frames:
            return None
        return Table(("epoch", "loss", "experiment", "time", *self.assembly.problem.observation.names), self._frames)
