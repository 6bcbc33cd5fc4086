"""Training a vector field on trajectories: slopes, windows, whole series, by three optimizers, and the classic loop.

    python benchmarks/windows.py [least_squares | lbfgs | adam | classic ...]

The data are those of configs/neural_van_der_pol.yaml. The error is that of predictions from fresh initial values of the
same distribution, against the noise-free truth: the mean of squares over states, times and 200 series, on the time span
of the data and on as long a time again. Times are CPU seconds of one thread, stage by stage.

The classic loop is torchdiffeq's: a plain network, dopri5 at its default tolerances, 5 series per step, each from its
first row, Adam 1e-2. It takes 1,500 epochs; two are timed here, and scaled. So is the same loop in diffrax, compiled,
where that is installed.
"""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffrax_peer import PACKAGES, Loop
from timing import describe_machine, duration, missing, show
from torch import nn
from torchdiffeq import odeint

from odefit.arrays import FloatArray
from odefit.config.fit_methods import METHODS
from odefit.config.load import load_config
from odefit.data.experiments import Experiment
from odefit.fitting.network_training import train
from odefit.fitting.stages import WindowOptions
from odefit.fitting.training_plan import Plan
from odefit.problem.assembly import Assembly
from odefit.problem.preparation import prepare
from odefit.problem.simulation import simulate_data
from odefit.runs.progress import Silent

CONFIG = Path(__file__).parents[1] / "configs" / "neural_van_der_pol.yaml"
MODEL = ["model.hidden=[16, 16]", "model.activation=tanh", "model.initial=estimate", "fit.weight_decay=1e-4"]
PLANS = {
    "least_squares": Plan(METHODS["least_squares"], 10, 200, WindowOptions(), normalise=True),
    "lbfgs": Plan(METHODS["lbfgs"], 150, 200, WindowOptions(), normalise=True),
    "adam": Plan(METHODS["adam"], 100, 200, WindowOptions(), normalise=True),
}
RATES = {"adam": ["fit.learning_rate=3e-3", "fit.schedule=cosine"]}
CLASSIC_EPOCHS, TIMED_EPOCHS, CLASSIC_BATCH = 1500, 2, 5
TARGET = 0.001


@dataclass(frozen=True)
class Fresh:
    """Mean squared errors on the time span of the data and beyond it, and the largest value that was predicted."""

    within: float
    beyond: float
    largest: float


def fresh_error(
    assembly: Assembly, theta: FloatArray, experiments: int = 200, seed: int = 987_654, horizon: float = 2.0
) -> Fresh:
    """Predictions from fresh initial values, drawn like those of the data, against the truth without noise.

    The model's networks are those of `assembly`, as they are. horizon: how far to predict, in time spans of the data.
    For models whose observables are their states, and whose data are simulated without `data.experiments`.
    """
    loaded, problem = assembly.loaded, assembly.problem
    last = max(e.times[-1] for e in assembly.measured)
    first = min(e.start for e in assembly.measured)
    stop = first + horizon * (last - first)
    times = f"{{start: {first}, stop: {stop}, count: {1 + int(100 * horizon)}}}"
    section = "data.simulate"
    changes = (f"{section}.experiments={experiments}", f"{section}.seed={seed}", f"{section}.noise=0")
    truth = simulate_data(load_config(loaded.path, [*changes, f"{section}.times={times}"])).experiments
    system = problem.engine.system
    local = np.repeat(problem.binding.local(theta)[:1, : problem.n_system], experiments, axis=0)
    for column, name in enumerate(system.parameters):
        for state, name_of_state in enumerate(system.states):
            if name == f"{name_of_state}_0":
                local[:, column] = [e.values[0, state] for e in truth]
    solved = problem.engine.solve(local, [replace(e, values=np.full_like(e.values, math.nan)) for e in truth])
    errors = np.stack([np.square(y.y - e.values) for y, e in zip(solved, truth, strict=True)])
    within = truth[0].times <= last * (1 + 1e-12)
    largest = max(float(np.abs(y.y).max()) for y in solved)
    return Fresh(float(errors[:, within].mean()), float(errors[:, ~within].mean()), largest)


class Stages(Silent):
    """Notes the error and the CPU time at the end of each stage."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly
        self.rows: list[list[str]] = []
        self.spent, self.begun = 0.0, time.process_time()

    def begin(self, what: str, total: int) -> None:
        self.what, self.total = what.removeprefix("epochs, "), total

    def epoch(self, number: int, loss: float, estimates: Mapping[str, float]) -> None:
        del estimates
        self.number, self.loss = number, loss

    def end(self) -> None:
        self.spent += time.process_time() - self.begun
        fresh = fresh_error(self.assembly, self.assembly.problem.table.values)
        cells = [self.what, str(self.number), duration(self.spent), f"{self.loss:.5f}"]
        self.rows.append([*cells, f"{fresh.within:.4f}", f"{fresh.beyond:.4f}", f"{fresh.largest:.1f}"])
        self.begun = time.process_time()


def compare(name: str) -> None:
    assembly, _ = prepare(load_config(CONFIG, [*MODEL, *RATES.get(name, [])]))
    stages = Stages(assembly)
    train(assembly, stages, PLANS[name])
    header = ("stage", "epochs", "CPU so far", "loss", "fresh error", "beyond", "largest value")
    show(f"{name} (target: a fresh error of {TARGET})", header, stages.rows)


def classic() -> None:
    """Seconds per epoch of the plain loop."""
    network = ["model.hidden=[8, 16, 32]", "model.activation=leaky_relu", "model.initial=first"]
    assembly, _ = prepare(load_config(CONFIG, network))
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        widths = (2, 8, 16, 32)
        layers = [m for a, b in itertools.pairwise(widths) for m in (nn.Linear(a, b), nn.LeakyReLU())]
        field = nn.Sequential(*layers, nn.Linear(widths[-1], 2))
    optimizer = torch.optim.Adam(field.parameters(), 1e-2)
    begun = time.process_time()
    for _ in range(TIMED_EPOCHS):
        order = torch.randperm(len(assembly.measured), generator=generator).tolist()
        for k in range(0, len(order), CLASSIC_BATCH):
            step(field, optimizer, [assembly.measured[i] for i in order[k : k + CLASSIC_BATCH]])
    epoch = (time.process_time() - begun) / TIMED_EPOCHS
    rows = [["torchdiffeq", duration(epoch), f"{CLASSIC_EPOCHS * epoch / 60:.0f} min", ""]]
    if not missing("diffrax", "optax"):
        values = np.stack([e.values for e in assembly.measured])
        networks = dict((assembly.networks or nn.ModuleDict()).items())
        system, times = assembly.problem.engine.system, assembly.measured[0].times
        p = [0.0] * len(system.parameters)  # a network knows none
        loop = Loop(system, networks, p, times, values, CLASSIC_BATCH, 1e-2)
        begun = time.process_time()
        for _ in range(TIMED_EPOCHS):
            loop.epoch()
        epoch = (time.process_time() - begun) / TIMED_EPOCHS
        whole = duration(CLASSIC_EPOCHS * epoch)
        rows.append(["diffrax", duration(epoch), whole, duration(loop.seconds_to_compile)])
    show("classic loop", ("", "epoch", f"{CLASSIC_EPOCHS} epochs (scaled)", "compilation before"), rows)


def step(field: nn.Module, optimizer: torch.optim.Optimizer, series: list[Experiment]) -> None:
    times = torch.tensor(series[0].times, dtype=torch.float32)
    values = torch.tensor(np.stack([e.values for e in series]), dtype=torch.float32)
    optimizer.zero_grad()
    solved = odeint(lambda _t, y: field(y), values[:, 0], times).transpose(0, 1)
    nn.functional.mse_loss(solved, values).backward()
    optimizer.step()


def main() -> None:
    chosen = sys.argv[1:] or [*PLANS, "classic"]
    torch.set_num_threads(1)
    describe_machine("torch", "torchdiffeq", *PACKAGES)
    for name in chosen:
        classic() if name == "classic" else compare(name)


if __name__ == "__main__":
    main()
