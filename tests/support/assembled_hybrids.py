"""The objective of a prepared problem with networks, its gradient, and differences of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from odefit.data.dataset import data_loader
from odefit.problem.assembly import Assembly
from odefit.training.objective_torch import TrainingObjective


def objective(assembly: Assembly) -> tuple[TrainingObjective, Any]:
    """-log likelihood, and -log prior, by measurement, as a module, and the batch of all data for it."""
    table = assembly.problem.table
    assert assembly.networks is not None
    u = torch.as_tensor(table.to_search(table.values))
    module = TrainingObjective(assembly.problem, assembly.networks, "nll", u)
    loader = data_loader(assembly.problem.solved.experiments, None, torch.Generator(), torch.float64, "cpu")
    return module, next(iter(loader))


def value(assembly: Assembly) -> float:
    """-log likelihood, and -log prior, of all data."""
    module, batch = objective(assembly)
    return float(module(batch).detach()) * assembly.problem.n_measured


def gradients(assembly: Assembly) -> dict[str, Any]:
    """Of `value` to the search coordinates and to the weights that are estimated, by network."""
    module, batch = objective(assembly)
    module(batch).backward()
    found: dict[str, Any] = {"u": [module.u]}
    found |= {name: [q for q in net.parameters() if q.requires_grad] for name, net in assembly.networks.items()}  # type: ignore[union-attr]
    n = assembly.problem.n_measured
    return {name: n * np.concatenate([np.empty(0), *(_slope(q).ravel() for q in own)]) for name, own in found.items()}


def worst_difference(assembly: Assembly, step: float = 1e-5) -> float:
    """How far central differences of the objective are from its gradient, relative to the largest component."""
    module, batch = objective(assembly)
    module(batch).backward()
    assert assembly.networks is not None
    tensors = [module.u, *(q for q in assembly.networks.parameters() if q.requires_grad)]
    largest = max(float(np.abs(_slope(q)).max(initial=0.0)) for q in tensors)
    worst = 0.0
    for tensor in tensors:
        flat, slope = tensor.detach().view(-1), _slope(tensor).ravel()
        for k in range(len(flat)):
            here, around = float(flat[k]), []
            for sign in (1, -1):
                flat[k] = here + sign * step
                with torch.no_grad():
                    around.append(float(module(batch)))
            flat[k] = here
            worst = max(worst, abs((around[0] - around[1]) / (2 * step) - slope[k]))
    return worst / largest


def _slope(tensor: torch.Tensor) -> Any:
    return np.zeros(tensor.shape) if tensor.grad is None else tensor.grad.numpy()
