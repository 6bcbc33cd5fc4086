"""Gradient matching (Varah 1982): the vector field is fitted to the slopes of smoothed data, without any solving.

With s_k(t) the smoothing spline of state k in a series, the loss is

    mean over series, times and states of ((s_k'(t) - f_k(t, s(t); theta)) / scale_k)²,

scale_k the root mean square of all slopes of state k. Penalties of networks are added; where the loss that follows is a
mean squared error, and not relative as this one is, they are divided by the mean variance of the states. It is a start
for a training and no estimate: noise leaves its mark on slopes. Parameters that appear in no equation (noise levels,
initial values) stay where they are.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from odefit.arrays import FloatArray
from odefit.engines.torch_fields import Equations, VectorField
from odefit.objective.problem import FitProblem
from odefit.records import dataclass
from odefit.training.hidden_states import hidden_slopes
from odefit.training.objective_torch import TrainingObjective, finite
from odefit.training.smoothing import MIN_POINTS, Smoothed, observed_states


@dataclass(frozen=True)
class Points:
    """N points in state space.

    Parameters
    ----------
    rows
        [N], the experiment of each.
    times
        [N].
    states, slopes
        [N, S].
    """

    rows: Tensor
    times: Tensor
    states: Tensor
    slopes: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: Tensor) -> Points:
        return Points(self.rows[chosen], self.times[chosen], self.states[chosen], self.slopes[chosen])


def obstacle(problem: FitProblem) -> str | None:
    """Why the slopes of this problem's data cannot be matched, or None."""
    system = problem.observation.system
    elsewhere = problem.binding.calls is not None or problem.observation.networks
    if elsewhere and not problem.engine.system.networks:
        return "no network stands in the equations"
    if system.inputs:
        return "the model has inputs"
    observed = observed_states(problem).column
    chosen = {slope.state for slope in hidden_slopes(problem)}
    hidden = [name for k, name in enumerate(system.states) if observed[k] < 0 and k not in chosen]
    if hidden:
        return f"{', '.join(hidden)} is not measured directly"
    observed = observed[observed >= 0]
    if not any((~np.isnan(e.values[:, observed])).sum(axis=0).min() >= MIN_POINTS for e in problem.experiments):
        return f"no series has {MIN_POINTS} measurements of every state"
    return None


def points_of(smoothed: list[Smoothed], problem: FitProblem, like: Tensor) -> Points:
    """All points at which every state and its slope is known, in the dtype and on the device of `like`."""
    rows, times, states, slopes = [], [], [], []
    for row, (series, experiment) in enumerate(zip(smoothed, problem.experiments, strict=True)):
        known = np.isfinite(series.states).all(axis=1) & np.isfinite(series.slopes).all(axis=1)
        rows.append(np.full(int(known.sum()), row))
        times.append(experiment.times[known])
        states.append(series.states[known])
        slopes.append(series.slopes[known])

    def real(arrays: list[FloatArray]) -> Tensor:
        return torch.as_tensor(np.concatenate(arrays), dtype=like.dtype, device=like.device)

    return Points(torch.as_tensor(np.concatenate(rows), device=like.device), real(times), real(states), real(slopes))


class MatchingObjective(TrainingObjective):
    """The loss of the module's docstring as a module, with the u [P] and the networks of `base`, which it trains.

    Calling it with `Points` gives the loss; that raises SolveError where the vector field is not finite.
    """

    def __init__(self, base: TrainingObjective, points: Points) -> None:
        """Take over the parameters of `base`, and the scales of all slopes."""
        super().__init__(base.problem, base.networks, base.loss, base.u)
        self.u = base.u
        system = base.problem.engine.system
        self._equations = Equations(system, (), base.networks)
        scale = points.slopes.square().mean(dim=0).sqrt()
        # A state that stands still has no scale of its own.
        self._scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        variance = float(points.states.var(dim=0, correction=0).mean()) if base.loss == "mse" else 1.0
        self._unit = variance if variance > 0 else 1.0

    def forward(self, batch: Points) -> Tensor:  # type: ignore[override]
        slopes = self.slopes(batch)
        loss = ((slopes - batch.slopes) / self._scale).square().mean()
        if self.penalty:
            loss = loss + self.penalty(None, *self._at_points(batch)) / self._unit
        return finite(loss)

    def slopes(self, points: Points) -> Tensor:
        """f [N, S] at the points."""
        field = VectorField(self._equations, self._local(points), points.times, 1)
        return field(points.times.new_zeros(()), points.states.T).T

    def _local(self, points: Points) -> Tensor:
        """The parameters of the equations at the points, [N, L]."""
        theta = self.problem.table.natural_tensor(self.u)
        return self.problem.binding.local_tensor(theta, points.rows)[:, : self.problem.n_system]

    def _at_points(self, points: Points) -> tuple[Tensor, ...]:
        return (*points.states.unbind(-1), points.times, *self._local(points).unbind(-1))
