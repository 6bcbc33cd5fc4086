"""The rows of predictions and penalised outputs where the model is no machine code: inputs, doses, events, potentials.

torch records one solution of all series, and goes back through it for many rows at once. Derivatives are those of the
steps, as elsewhere in trainings: a parameter that a network can stand in for remains so to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from odefit.data.dataset import collate
from odefit.engines.choice import make_engine
from odefit.engines.methods import AUTO_TORCH, METHODS
from odefit.objective.problem import FitProblem
from odefit.training.objective_torch import Loss, TrainingObjective

ROWS_AT_ONCE = 64
"""Rows of one way back, each of which has gradients of its own in memory."""


def recorded_rows(problem: FitProblem, networks: nn.ModuleDict, u: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
    """The derivatives to u and to all weights that are trained.

    Parameters
    ----------
    problem
        The fit; its engine may be any.
    networks
        The modules of its networks, in double precision on the CPU.
    u
        [P], where.
    loss
        That of the training.

    Returns
    -------
    measured, penalised
        Of the predictions [E, T, O, Q], 0 where nothing is measured; of penalised outputs [E, T, K, Q], 0 outside of
        a series.

    Raises
    ------
    SolveError
        The model fails.
    """
    objective = TrainingObjective(_recorded(problem, networks), networks, loss, u)
    inside = collate(list(enumerate(problem.experiments))).inside
    batch = collate(list(enumerate(problem.solved.experiments)))
    predicted, penalised = objective.outcomes(batch)
    parameters = [objective.u, *(q for q in networks.parameters() if q.requires_grad)]
    measured = u.new_zeros((*batch.mask.shape, sum(q.numel() for q in parameters)))
    for k, values in enumerate(predicted):
        measured[..., k, :][batch.mask[..., k]] = _derivatives(values, parameters)
    outputs = u.new_zeros((*penalised.shape, measured.shape[-1]))
    outputs[batch.inside] = _derivatives(penalised[batch.inside], parameters)
    compared = problem.compared_rows
    own = slice(None) if compared is None else torch.as_tensor(compared.own)
    return _at(inside, measured[batch.inside][own]), _at(inside, outputs[batch.inside][own])


def _at(inside: Tensor, values: Tensor) -> Tensor:
    """Values [R, ...] of all rows in turn as [E, T, ...], 0 outside of a series."""
    found = values.new_zeros((*inside.shape, *values.shape[1:]))
    found[inside] = values
    return found


def _recorded(problem: FitProblem, networks: nn.ModuleDict) -> FitProblem:
    """The same problem, solved by operations of torch alone."""
    engine = problem.engine
    method = METHODS.get(engine.options.method)
    is_recorded = method is not None and method.engine_for(False) == "torch" and not method.adjoint_only
    name = engine.options.method if is_recorded else AUTO_TORCH
    options = replace(engine.options, method=name, adjoint=False, dtype="float64", device="cpu")
    own = nn.ModuleDict({name: networks[name] for name in engine.system.networks})
    return problem.solved_by(make_engine(engine.system, options, engine.sensitive, own))


def _derivatives(values: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """Of values [...] to all parameters, [..., Q]."""
    flat, ends = values.reshape(-1), np.cumsum([q.numel() for q in parameters])
    found = values.new_zeros((len(flat), int(ends[-1])))
    for begin in range(0, len(flat) if flat.requires_grad else 0, ROWS_AT_ONCE):
        some = flat[begin : begin + ROWS_AT_ONCE]
        parts = torch.autograd.grad(
            some, parameters, torch.eye(len(some)).to(some), retain_graph=True, is_grads_batched=True, allow_unused=True
        )
        for q, end, part in zip(parameters, ends, parts, strict=True):
            if part is not None:
                found[begin : begin + len(some), end - q.numel() : end] = part.reshape(len(some), -1)
    return found.reshape(*values.shape, int(ends[-1]))
