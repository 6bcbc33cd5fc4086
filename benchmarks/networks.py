"""Unknown and half-known equations: each config in full, what it had to reach, and the classic loop's time.

    python benchmarks/networks.py [neural_cosine | linear_spiral | ...]

Errors are against the noise-free truth. Times are CPU seconds of one thread. The classic loop is torchdiffeq's: the
same vector field in float32, all series from their first rows on, dopri5 at its default tolerances, Adam. One epoch is
timed (the second of two) and multiplied by the epochs that the demonstrations take; it is not run to its end, so
nothing is said of how good it would be. The same loop in diffrax, where that is installed, is compiled first, and the
mean of ten epochs taken.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffrax_peer import PACKAGES, Loop
from timing import describe_machine, duration, missing, show
from torch import Tensor, nn
from torchdiffeq import odeint

from odefit.arrays import FloatArray
from odefit.config.load import load_config
from odefit.fitting.strategy import search
from odefit.model.functions import torch_function
from odefit.model.networks import Potential
from odefit.model.system import TIME
from odefit.problem.assembly import Assembly
from odefit.problem.preparation import prepare
from odefit.problem.simulation import TrueModel, simulate_data
from odefit.runs.progress import Silent

CONFIGS = Path(__file__).parents[1] / "configs"
FINE = 1001
CLASSIC_EPOCHS = {"linear_spiral": 500, "sigmoid_spiral": 3000}
USUAL_EPOCHS = 1500
ENCOUNTERS = (0.9, 0.8)


@dataclass(frozen=True)
class Fitted:
    """A finished fit: its networks are those of `assembly`, theta [N] its parameters."""

    assembly: Assembly
    theta: FloatArray
    truth: TrueModel
    parameters: dict[str, float]

    def paths(self, horizon: float = 1.0) -> tuple[FloatArray, FloatArray]:
        """Predicted and true states on a fine grid, [E, T, S] each; horizon: in time spans of the data."""
        problem = self.assembly.problem
        chosen = [
            e.at(np.linspace(e.start, e.start + horizon * (e.times[-1] - e.start), FINE)) for e in problem.experiments
        ]
        states = problem.states(self.theta, tuple(chosen))
        return np.stack(states), np.stack(self.truth.solve(chosen)[0])

    def network(self, x: FloatArray) -> FloatArray:
        """The network `net` at points [N, inputs]."""
        assert self.assembly.networks is not None
        with torch.no_grad():
            values: FloatArray = self.assembly.networks["net"](torch.as_tensor(x)).numpy()
        return values

    def __getitem__(self, name: str) -> float:
        return float(self.theta[self.assembly.problem.table.index[name]])


Check = tuple[str, float, float]
"""What is measured, how large it is, and what it must not exceed."""


def cosine(fit: Fitted) -> list[Check]:
    predicted, true = fit.paths()
    t = np.linspace(0, 10, FINE)
    slope = float(np.abs(fit.network(t[:, None])[:, 0] - np.cos(t)).max())
    return [("max error of z on 0-10", float(np.abs(predicted - true).max()), 0.05), ("of the slope", slope, math.inf)]


def time_dependent(fit: Fitted) -> list[Check]:
    predicted, true = fit.paths()
    return [("max error on 0-10", float(np.abs(predicted - true).max()), 0.05)]


def matrix(fit: Fitted) -> list[Check]:
    names = ("a_11", "a_12", "a_21", "a_22")
    true = np.array([fit.parameters[name] for name in names])
    found = np.array([fit[name] for name in names])
    return [("error of A, relative (Frobenius)", float(np.linalg.norm(found - true) / np.linalg.norm(true)), 0.01)]


def mean_square(fit: Fitted) -> list[Check]:
    predicted, true = fit.paths()
    return [("mean squared error", float(np.square(predicted - true).mean()), 0.005)]


def wells(fit: Fitted) -> list[Check]:
    assert fit.assembly.networks is not None
    module = fit.assembly.networks["net"]
    assert isinstance(module, Potential)
    with torch.no_grad():
        left, saddle, right = module.potential(torch.tensor([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]).double()).tolist()
    worst = max(abs((saddle - well) / 0.25 - 1) for well in (left, right))
    points = torch.as_tensor(np.random.default_rng(0).uniform(-1.5, 1.5, (500, 2)))
    slopes = torch.func.vmap(torch.func.jacrev(module))(points).detach()
    curl = float((slopes[:, 0, 1] - slopes[:, 1, 0]).abs().max() / slopes.abs().max())
    return [("heights of the barrier, relative", worst, 0.1), ("curl, relative", curl, 1e-13)]


def encounters(fit: Fitted) -> list[Check]:
    predicted, true = fit.paths(2.0)
    within, beyond = slice(0, FINE // 2 + 1), slice(FINE // 2 + 1, None)
    visited = true[:, within].reshape(-1, 2)
    product = visited.prod(axis=1, keepdims=True)
    learnt, exact = fit.network(visited) * product, np.array(ENCOUNTERS) * product
    terms = np.sqrt(np.square(learnt - exact).mean(axis=0) / np.square(exact).mean(axis=0))
    forecast = np.sqrt(np.square(predicted - true)[:, beyond].mean(axis=(0, 1))) / true[:, beyond].std(axis=(0, 1))
    known = max(abs(fit[name] / fit.parameters[name] - 1) for name in ("alpha", "delta"))
    return [
        ("alpha and delta, relative", known, 0.02),
        ("interaction terms, relative", float(terms.max()), 0.05),
        ("forecast to twice the horizon, in standard deviations", float(forecast.max()), 0.05),
    ]


MEASURES: dict[str, Callable[[Fitted], list[Check]]] = {
    "neural_cosine": cosine,
    "neural_time": time_dependent,
    "linear_spiral": matrix,
    "sigmoid_spiral": mean_square,
    "potential": wells,
    "hybrid_lotka_volterra": encounters,
}


def fitted(name: str, overrides: Sequence[str] = ()) -> tuple[Fitted, float]:
    """The fit of a config, and its CPU seconds."""
    loaded = load_config(CONFIGS / f"{name}.yaml", overrides)
    begun = time.process_time()
    assembly, truth = prepare(loaded)
    theta = search(assembly, Silent()).theta
    spent = time.process_time() - begun
    return Fitted(assembly, theta, simulate_data(loaded).model, truth or {}), spent


def classic_epoch(name: str) -> float:
    """CPU seconds of one epoch of the plain loop."""
    assembly, _ = prepare(load_config(CONFIGS / f"{name}.yaml"))
    system, measured = assembly.problem.engine.system, assembly.measured
    networks = (assembly.networks or nn.ModuleDict()).float()
    p = nn.Parameter(torch.full((len(system.parameters),), 0.5))
    slopes = torch_function(list(system.rhs), (*system.states, TIME, *system.parameters), dict(networks.items()))
    times = torch.tensor(measured[0].times, dtype=torch.float32)
    values = torch.tensor(np.stack([e.values for e in measured]), dtype=torch.float32)

    def field(t: Tensor, y: Tensor) -> Tensor:
        found: list[Any] = slopes(*y.unbind(-1), t, *p.unbind())
        return torch.stack([torch.as_tensor(f).expand(y.shape[:-1]) for f in found], dim=-1)

    optimizer = torch.optim.Adam([p, *networks.parameters()], 1e-3)
    for _ in range(2):
        begun = time.process_time()
        optimizer.zero_grad()
        solved = odeint(field, values[:, 0], times).transpose(0, 1)
        nn.functional.mse_loss(solved, values).backward()
        optimizer.step()
    return time.process_time() - begun


def diffrax_epoch(name: str) -> list[str]:
    """One epoch of the same loop in diffrax, and its compilation before."""
    assembly, _ = prepare(load_config(CONFIGS / f"{name}.yaml"))
    system, measured = assembly.problem.engine.system, assembly.measured
    networks = dict((assembly.networks or nn.ModuleDict()).items())
    values = np.stack([e.values for e in measured])
    loop = Loop(system, networks, [0.5] * len(system.parameters), measured[0].times, values)
    begun = time.process_time()
    for _ in range(10):
        loop.epoch()
    epoch = (time.process_time() - begun) / 10
    return [duration(epoch), duration(loop.seconds_to_compile)]


def main() -> None:
    chosen = sys.argv[1:] or list(MEASURES)
    torch.set_num_threads(1)
    describe_machine("torch", "torchdiffeq", *PACKAGES)
    with_diffrax = not missing("diffrax", "optax")
    rows = []
    for name in chosen:
        fit, spent = fitted(name)
        epochs = CLASSIC_EPOCHS.get(name, USUAL_EPOCHS)
        epoch = classic_epoch(name)
        for k, (what, value, most) in enumerate(MEASURES[name](fit)):
            verdict = "" if math.isinf(most) else f"{most:g}: {'met' if value <= most else 'missed'}"
            peers = [duration(epoch), f"{duration(epochs * epoch)} ({epochs})"]
            peers += diffrax_epoch(name) if with_diffrax and k == 0 else ["", ""]
            times = [duration(spent), *peers] if k == 0 else [""] * 5
            rows.append([name if k == 0 else "", what, f"{value:.2g}", verdict, *times])
    header = ("config", "measure", "reached", "target", "CPU time", "classic epoch", "classic loop (epochs), scaled")
    header += ("diffrax epoch", "its compilation")
    show("Networks", header, rows)


if __name__ == "__main__":
    main()
