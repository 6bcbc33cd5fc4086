"""Small problems with networks, the objective on them, and the check of its gradient."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from odefit.engines.base import SolverOptions
from odefit.engines.torch_engine import TorchEngine
from odefit.model.networks import build_networks
from odefit.model.system import Network
from odefit.objective.parameters import Parameter
from odefit.objective.problem import FitProblem
from odefit.training.objective_torch import Loss, TrainingObjective
from small_problems import Array, central_differences, make_problem, make_system, series


def neural(scatter: float = 0.0, hidden: tuple[int, ...] = (4,), n: int = 3) -> tuple[FitProblem, nn.ModuleDict]:
    """A damped rotation: dy/dt = net(x, y) - k y, in `n` series."""
    net = Network("net", 2, 2, hidden=hidden, activation="tanh")
    system = make_system(
        {"x": "net(x, y)[0]", "y": "net(x, y)[1] - k*y"}, {"x": "x_0", "y": "y_0"}, ("k", "x_0", "y_0"),
        networks={"net": net},
    )  # fmt: skip
    t, rng = np.linspace(0, 6, 31), np.random.default_rng(2)
    starts = rng.normal(size=(n, 2))
    angle, decay = np.stack([np.cos(t), np.sin(t)]), np.exp(-0.1 * t)
    measured = []
    for k, (a, b) in enumerate(starts):
        y = decay[:, None] * np.stack([a * angle[0] + b * angle[1], b * angle[0] - a * angle[1]], axis=1)
        measured.append(series(str(k), t, y + scatter * rng.standard_normal(y.shape)))
    bound = {"x_0": starts[:, 0].tolist(), "y_0": starts[:, 1].tolist()}
    rows = [Parameter("k", 0.2, 0.05, 1.0, "log"), Parameter("s", 0.3, scale="log")]
    networks = build_networks([net], 0).to(torch.float64)
    options = SolverOptions("rk4", step=0.2)
    assembled = make_problem(system, measured, rows, {"x": "s", "y": "s"}, options, bound)
    return replace(assembled, engine=TorchEngine(system, options, ("k",), networks)), networks


def base_of(assembled: FitProblem, loss: Loss = "mse", networks: nn.ModuleDict | None = None) -> TrainingObjective:
    """The objective on whole series, at the parameters' start values."""
    u = torch.as_tensor(assembled.table.to_search(assembled.table.values))
    return TrainingObjective(assembled, networks or nn.ModuleDict(), loss, u)


def check_gradient(module: nn.Module, batch: Any) -> None:
    """The gradient to all that is trained, along a direction, is that of central differences."""
    module(batch).backward()
    parameters = [q for q in module.parameters() if q.requires_grad]
    gradient = torch.cat([q.grad.flatten() for q in parameters if q.grad is not None]).numpy()
    flat = nn.utils.parameters_to_vector(parameters).detach().numpy().copy()
    direction = np.random.default_rng(0).normal(size=len(flat))

    def value(length: Array) -> float:
        with torch.no_grad():
            nn.utils.vector_to_parameters(torch.as_tensor(flat + length * direction), parameters)
            return float(module(batch))

    np.testing.assert_allclose(gradient @ direction, central_differences(value, np.zeros(1), 1e-3)[0], rtol=1e-7)
