"""The bridge from diffsol's sensitivities to autograd. Imports torch, hence only where tensors are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, Trajectory
from odefit.errors import SolveError


def states_of(engine: Engine, p: Tensor, experiments: Sequence[Experiment]) -> Tensor:
    """What `Engine.solve_batch` promises, from `solve` and `solve_with_sensitivities`: [E, T, S]."""
    states: Tensor = _States.apply(p, engine, experiments)  # type: ignore[no-untyped-call]
    return states


class _States(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, p: Tensor, engine: Engine, experiments: Sequence[Experiment]) -> Tensor:
        values = p.detach().to("cpu", torch.float64).numpy()
        wanted = ctx.needs_input_grad[0]
        found = (engine.solve_with_sensitivities if wanted else engine.solve)(values, experiments)
        _raise_failures(found, experiments)
        longest = max(len(trajectory.y) for trajectory in found)
        if wanted:
            slopes = [_padded(trajectory.dy, longest) for trajectory in found if trajectory.dy is not None]
            ctx.slopes = torch.from_numpy(np.stack(slopes)).to(p)
            ctx.columns = [engine.system.parameters.index(name) for name in engine.sensitive]
            ctx.n_parameters = p.shape[1]
        return torch.from_numpy(np.stack([_padded(t.y, longest) for t in found])).to(p)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        total = grad.new_zeros(grad.shape[0], ctx.n_parameters)
        total[:, ctx.columns] = torch.einsum("ets,etsl->el", grad, ctx.slopes)
        return total, None, None


def _raise_failures(found: Sequence[Trajectory], experiments: Sequence[Experiment]) -> None:
    for experiment, trajectory in zip(experiments, found, strict=True):
        if trajectory.failure is not None:
            raise SolveError(f"experiment '{experiment.name}': {trajectory.failure}")


def _padded(values: FloatArray, length: int) -> FloatArray:
    """[T, ...] -> [length, ...], the last row repeated."""
    return values[np.minimum(np.arange(length), len(values) - 1)]
