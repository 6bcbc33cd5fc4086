"""The bridge from an engine's sensitivities to autograd. Imports torch, hence only where tensors are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, Solutions
from odefit.engines.failure import solve_error


def states_of(engine: Engine, p: Tensor, experiments: Sequence[Experiment]) -> Tensor:
    """What `Engine.solve_batch` promises, from `Engine.solve`: [E, T, S]."""
    states: Tensor = _States.apply(p, engine, experiments)  # type: ignore[no-untyped-call]
    return states


class _States(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, p: Tensor, engine: Engine, experiments: Sequence[Experiment]) -> Tensor:
        values = p.detach().to("cpu", torch.float64).numpy()
        pulls = ctx.needs_input_grad[0] and engine.pulls
        solutions = engine.solve(values, experiments, sensitivities=ctx.needs_input_grad[0] and not pulls)
        if (failed := solutions.failed) is not None:
            raise solve_error(f"'{experiments[failed].name}'", solutions.failures[failed])
        rows = _padded_rows(solutions)
        ctx.columns = [engine.system.parameters.index(name) for name in engine.sensitive]
        ctx.n_parameters = p.shape[1]
        if solutions.dy is not None:
            ctx.slopes = _taken(solutions.dy, rows, p)
        elif pulls:
            ctx.pull = partial(engine.pull, values, experiments)
            ctx.rows, ctx.shape, ctx.slopes = rows, solutions.y.shape, None
        return _taken(solutions.y, rows, p)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        total = grad.new_zeros(grad.shape[0], ctx.n_parameters)
        if ctx.slopes is not None:
            total[:, ctx.columns] = torch.einsum("ets,etsl->el", grad, ctx.slopes)
        else:
            worth = torch.zeros(ctx.shape, dtype=torch.float64)
            worth.index_add_(0, ctx.rows.flatten(), grad.to("cpu", torch.float64).flatten(0, 1))
            total[:, ctx.columns] = torch.from_numpy(ctx.pull(worth.numpy())).to(grad)
        return total, None, None


def _padded_rows(solutions: Solutions) -> Tensor:
    """[E, T] the row of each member's times, continued by its last one."""
    first, last = torch.from_numpy(solutions.offsets[:-1]), torch.from_numpy(solutions.offsets[1:] - 1)
    longest = int((last - first).max()) + 1
    return torch.minimum(first.unsqueeze(1) + torch.arange(longest), last.unsqueeze(1))


def _taken(values: FloatArray, rows: Tensor, like: Tensor) -> Tensor:
    """[R, ...] -> [E, T, ...]."""
    return torch.from_numpy(values)[rows].to(like)
