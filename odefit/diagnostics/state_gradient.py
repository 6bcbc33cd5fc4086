"""The gradient of the mean of (y / size)² over all states and times, by sensitivities or by backpropagation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from odefit.arrays import FloatArray
from odefit.engines.base import Engine
from odefit.engines.failure import solve_error
from odefit.objective.problem import FitProblem

if TYPE_CHECKING:
    from torch import nn


def by_sensitivities(engine: Engine, problem: FitProblem, p: FloatArray, u: FloatArray, size: FloatArray) -> FloatArray:
    """To the search vector u [P], for formulas; torch is not needed.

    Parameters
    ----------
    engine
        It solves the problem's system.
    problem
        The experiments, and what their parameters are bound to.
    p
        [E, L], local values at u.
    u
        [P].
    size
        [S], of the states.

    Raises
    ------
    SolveError
        The integration fails.
    """
    experiments = problem.experiments
    solutions = engine.solve(p, experiments, sensitivities=True)
    if (failed := solutions.failed) is not None:
        raise solve_error(experiments[failed].name if len(experiments) > 1 else "", solutions.failures[failed])
    slope = np.zeros(len(problem.table))
    if solutions.dy is not None:
        weighted = 2 * solutions.y / size**2 / solutions.y.size
        rows = np.einsum("rs,rsk->rk", weighted, solutions.dy)
        columns = [engine.system.parameters.index(name) for name in engine.sensitive]
        bound = problem.binding.index[problem.owner][:, columns]
        np.add.at(slope, bound[bound >= 0], rows[bound >= 0])
    return slope[problem.table.estimated] * problem.table.transforms.derivative(u)


def by_backpropagation(
    engine: Engine, problem: FitProblem, u: FloatArray, size: FloatArray, networks: nn.ModuleDict | None
) -> FloatArray:
    """To the search vector and all weights, [P + W], by torch.

    Parameters
    ----------
    engine, problem, u, size
        As above.
    networks
        Those that the system's formulas call.

    Raises
    ------
    SolveError
        The integration fails.
    """
    import torch

    from odefit.data.dataset import collate

    dtype, device = getattr(torch, engine.options.dtype), torch.device(engine.options.device)
    batch = collate(list(enumerate(problem.experiments)), dtype, device)
    v = torch.as_tensor(u, dtype=dtype, device=device).requires_grad_()
    p = problem.binding.local_tensor(problem.table.natural_tensor(v))
    lengths = torch.tensor([len(e.times) for e in problem.experiments], device=device)
    wanted = [v, *([] if networks is None else networks.parameters())]
    y = engine.solve_batch(p[:, : problem.n_system], batch)
    inside = torch.arange(y.shape[1], device=device) < lengths.unsqueeze(1)
    loss = (y / torch.as_tensor(size, dtype=dtype, device=device))[inside].square().mean()
    pieces = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    flat: FloatArray = torch.cat([piece.flatten() for piece in pieces]).to(torch.float64).cpu().numpy()
    return flat
