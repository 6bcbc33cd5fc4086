"""Curves of the first series on the way of a training, for its animation."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from odefit.errors import SolveError
from odefit.latent.estimator import solve
from odefit.latent.model import LatentODE
from odefit.latent.task import LatentTask
from odefit.runs.tables import Table
from odefit.training.loss_history import Epoch

TIMES, SERIES = 100, 4
"""Of a curve, and the series that are kept."""


class Frames:
    """Called after every epoch; keeps those that `fit.plot_every` asks for."""

    def __init__(self, task: LatentTask) -> None:
        self.task, self.every = task, task.loaded.config.fit.plot_every
        self.rows: list[list[Any]] = []

    def __call__(self, epoch: Epoch, module: nn.Module) -> None:
        if not self.every or (epoch.epoch > 1 and epoch.epoch % self.every):
            return
        model, chosen = module.model, self.task.measured[:SERIES]
        assert isinstance(model, LatentODE)
        times = [np.linspace(e.start, e.last, TIMES) if e.last > e.start else e.times for e in chosen]
        try:
            _, values = solve(model, self.task.observed, chosen, times)
        except SolveError:
            return
        for e, t, curve in zip(chosen, times, values, strict=True):
            self.rows += [
                [epoch.epoch, epoch.loss, e.name, float(a), *map(float, b)] for a, b in zip(t, curve, strict=True)
            ]

    def table(self) -> Table:
        """All of them."""
        return Table(("epoch", "loss", "experiment", "time", *self.task.names), self.rows)
