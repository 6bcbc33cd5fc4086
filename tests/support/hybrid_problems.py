"""A problem with two networks within its equations, one of them called twice."""

from __future__ import annotations

import math
from dataclasses import replace

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
from small_problems import make_problem, make_system, series

CALLED = {"x": "a*x - net(x, y)[0]*x*y + other(t)*x", "y": "net(x, y)[1] - 0.8*y*net(2*x, y)[0]"}
OPTIONS = SolverOptions("rk4", step=0.2)


def hybrid(penalty: float = 0.7, other: float = 0.0, model: str = "gaussian") -> tuple[FitProblem, nn.ModuleDict]:
    """Two series of different lengths; `net` is called with two different pairs of arguments."""
    nets = {
        "net": Network("net", 2, 2, (3,), "tanh", "positive", penalty=penalty),
        "other": Network("other", 1, 1, (2,), "tanh", penalty=other),
    }
    system = make_system(CALLED, {"x": "x_0", "y": "0.5"}, ("a", "x_0"), networks=nets)
    networks = build_networks(nets.values(), 1).to(torch.float64)
    rng = np.random.default_rng(2)
    experiments = [
        series("A", np.linspace(0, 2, 9), 0.6 + 0.1 * rng.standard_normal((9, 2))),
        series("B", [0.5, 0.7, 1.1, 1.2, 1.6, 2.4], 0.8 + 0.1 * rng.standard_normal((6, 2))),
    ]
    experiments[1].values[2, 0] = math.nan
    rows = [Parameter("a", 0.4, 0.0, math.inf, "log"), Parameter("x_A", 0.7), Parameter("x_B", 0.9)]
    noise: dict[str, str | tuple[str, str | None] | None] = {"x": (model, "0.2"), "y": "0.2"}
    made = make_problem(system, experiments, rows, noise, OPTIONS, {"x_0": ["x_A", "x_B"]})
    return replace(made, engine=TorchEngine(system, OPTIONS, ("a", "x_0"), networks)), networks


def base_of(assembled: FitProblem, networks: nn.ModuleDict, loss: Loss = "mse") -> TrainingObjective:
    u = torch.as_tensor(assembled.table.to_search(assembled.table.values))
    return TrainingObjective(assembled, networks, loss, u)
