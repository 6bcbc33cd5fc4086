"""The classic torchdiffeq training loop (PyPI `paramfittorchdemo`) and odefit, on the same data, in one process.

    python benchmarks/classic_loop.py [van_der_pol | lotka_volterra | lorenz ...]

The data are those that the shipped configs simulate. The competitors:

    classic loop             paramfittorchdemo.train: torchdiffeq's dopri5 (float32, its default tolerances 1e-7 and
                             1e-9), 5 series per step, Adam 1e-2, each series from its first row
    the same in diffrax      its Dopri5, same tolerances, dtype, batches and initial values, compiled by JAX before;
                             where it is installed
    odefit Adam, torchdiffeq odefit's loop with the same method, tolerances, dtype, batches and initial values
    odefit Adam, compiled    the same loop on the compiled engine (solver.method: auto, its default tolerances)
    odefit least squares     on the compiled engine, from the config's start: with every initial value estimated as
                             well, or with each series from its first row, as the loops have it

A gradient is that of one batch of 5 series; of least squares it is the Jacobian of all series. A fit is what a loop
takes for its 50, 60 or 300 epochs, and what least squares takes until it has converged. The first fit of a process
also compiles the equations; it is shown apart. Every time is the shortest of some turns.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("MPLBACKEND", "Agg")  # the peer imports pylab

import numpy as np
import torch
from diffrax_peer import Loop
from timing import best_times, describe_machine, duration, missing, seconds, show, times_less

from odefit.config.load import load_config
from odefit.data.dataset import data_loader
from odefit.fitting.report import summarise
from odefit.fitting.strategy import search
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.problem.assembly import Assembly
from odefit.problem.preparation import prepare
from odefit.runs.progress import Silent
from odefit.training.objective_torch import TrainingObjective

CONFIGS = Path(__file__).parents[1] / "configs"
BATCH = 5
PEER, DIFFRAX = "classic loop", "classic loop in diffrax"
ON_TORCH, COMPILED = "odefit Adam, torchdiffeq", "odefit Adam, compiled"
ESTIMATED, FIRST_ROWS = "odefit least squares", "  from first rows"
SAME_METHOD = "solver={method: dopri5, rtol: 1e-7, atol: 1e-9, dtype: float32}"
AUTO = "solver={method: auto}"


@dataclass(frozen=True)
class Case:
    """One config. start: its rate constants; measured: how many of the epochs are timed; targets: times less."""

    config: str
    peer: str
    start: tuple[float, ...]
    epochs: int
    measured: int
    target: int
    adam_target: int | None = None

    @property
    def scale(self) -> float:
        return self.epochs / self.measured


CASES = (
    Case("van_der_pol", "VDP", (0.1,), 50, 50, 500),
    Case("lotka_volterra", "LotkaVolterra", (1.6, 1.1, 2.7, 1.2), 60, 60, 150, adam_target=50),
    Case("lorenz", "Lorenz", (10.2, 28.2, 3.0), 300, 3, 40),
)


def main() -> None:
    chosen = sys.argv[1:] or [case.config for case in CASES]
    torch.set_num_threads(1)
    describe_machine("torch", "torchdiffeq", "paramfittorchdemo")
    for case in CASES:
        if case.config in chosen:
            compare(case)


def compare(case: Case) -> None:
    loops = {ON_TORCH: assembled(case, SAME_METHOD), COMPILED: assembled(case, AUTO)}
    exact = {name: assembled(case, AUTO, initial) for name, initial in ((ESTIMATED, "estimate"), (FIRST_ROWS, "first"))}
    first = {name: seconds(lambda a=a: run(a)) for name, (a, _) in exact.items()}
    run(loops[COMPILED][0])  # so that neither torch's nor the engine's first steps are counted

    gradients: dict[str, Callable[[], Any]] = {name: gradient_of(a) for name, (a, _) in loops.items()}
    gradients |= {name: jacobian_of(a) for name, (a, _) in exact.items()}
    slow: dict[str, Callable[[], Any]] = {ON_TORCH: lambda: run(loops[ON_TORCH][0])}
    quick: dict[str, Callable[[], Any]] = {COMPILED: lambda: run(loops[COMPILED][0])}
    quick |= {name: lambda a=a: run(a) for name, (a, _) in exact.items()}
    if not missing("paramfittorchdemo"):
        peer = Peer(case, exact[ESTIMATED][0])
        gradients, slow = {PEER: peer.gradient, **gradients}, {PEER: peer.train, **slow}

    if not missing("diffrax", "optax"):
        loop = diffrax_loop(exact[FIRST_ROWS][0])
        gradients[DIFFRAX] = loop.gradient
        quick[DIFFRAX] = lambda: [loop.epoch() for _ in range(case.measured)]
        loop.gradient()
        print(f"\n(diffrax: {loop.seconds_to_compile:.1f} s to compile one step, not counted below)")

    per_gradient = best_times(gradients, rounds=10)
    per_fit = best_times(quick, rounds=3)
    for name, task in slow.items():  # long enough to average over what else the machine does
        per_fit[name] = seconds(task)
        again = best_times(quick, rounds=3)
        per_fit |= {name: min(per_fit[name], value) for name, value in again.items()}
    per_fit |= {name: per_fit[name] * case.scale for name in (PEER, DIFFRAX, ON_TORCH, COMPILED) if name in per_fit}
    report(case, per_gradient, per_fit, first)
    for name, (assembly, truth) in exact.items():
        errors(name, assembly, truth or {})


def assembled(case: Case, solver: str, initial: str | None = None) -> tuple[Assembly, dict[str, float] | None]:
    """The shipped config with the peer's training loop or, where `initial` is given, with least squares."""
    fit = f"fit={{method: adam, epochs: {case.measured}, batch_size: {BATCH}, learning_rate: 0.01}}"
    if initial is not None:
        fit = "fit={method: least_squares}"
    overrides = [solver, fit, f"model.initial={initial or 'first'}"]
    return prepare(load_config(CONFIGS / f"{case.config}.yaml", overrides))


def run(assembly: Assembly) -> None:
    search(assembly, Silent())


def gradient_of(assembly: Assembly) -> Callable[[], Any]:
    """The loss of one batch and its gradient, as the training loop computes it."""
    problem, dtype = assembly.problem, assembly.loaded.config.solver.dtype
    kind = torch.float64 if dtype == "float64" else torch.float32
    u = torch.as_tensor(problem.table.to_search(problem.table.values), dtype=kind)
    module = TrainingObjective(problem, torch.nn.ModuleDict(), "mse", u)
    first = problem.experiments[:BATCH]
    batch = next(iter(data_loader(first, batch_size=BATCH, generator=torch.Generator(), dtype=kind)))
    return lambda: module(batch).backward()


def jacobian_of(assembly: Assembly) -> Callable[[], Any]:
    objective = ProfileLikelihood(Likelihood(assembly.problem))
    u = assembly.problem.table.to_search(assembly.problem.table.values)[objective.free]
    return lambda: objective.evaluate(u)


class Peer:
    """paramfittorchdemo on the measurements of an assembled problem, in its own float32."""

    def __init__(self, case: Case, assembly: Assembly) -> None:
        from paramfittorchdemo import training

        self.case, self.training = case, training
        times = [torch.tensor(e.times, dtype=torch.float32) for e in assembly.measured]
        values = [torch.tensor(e.values, dtype=torch.float32) for e in assembly.measured]
        self.data = training.SimODEData(times, values)

    def model(self) -> Any:
        """At the start of the config, which has to be set: LotkaVolterra takes no notice of its arguments."""
        model = getattr(self.training, self.case.peer)(*self.case.start)
        own = next(model.parameters())
        with torch.no_grad():
            own.copy_(torch.tensor(self.case.start).reshape(own.shape))
        return model

    def gradient(self) -> None:
        from torchdiffeq import odeint

        batch = list(itertools.islice(self.data, BATCH))
        times, values = batch[0][0], torch.stack([values for _, values in batch])
        predicted = odeint(self.model(), values[:, 0, :], times).transpose(0, 1)
        torch.nn.MSELoss()(predicted, values).backward()

    def train(self) -> None:
        torch.manual_seed(0)  # the peer draws its batches from the global generator
        model = self.model()
        with contextlib.redirect_stdout(io.StringIO()):
            self.training.train(model, self.data, epochs=self.case.measured)
        if self.case.measured == self.case.epochs:
            print(f"\n{PEER} after {self.case.epochs} epochs:{model}")


def diffrax_loop(assembly: Assembly) -> Loop:
    """On the same measurements, in the order of the experiments; from the start of the config."""
    system = assembly.problem.engine.system
    start = dict(zip(assembly.problem.table.names, assembly.problem.table.values, strict=True))
    p = [float(start.get(name, 0.0)) for name in system.parameters]
    values = np.stack([e.values for e in assembly.measured])
    return Loop(system, {}, p, assembly.measured[0].times, values, BATCH, 0.01)


def report(case: Case, per_gradient: dict[str, float], per_fit: dict[str, float], first: dict[str, float]) -> None:
    targets = {ESTIMATED: case.target, FIRST_ROWS: case.target, COMPILED: case.adam_target}
    rows = []
    for name in [n for n in (PEER, DIFFRAX, ON_TORCH, COMPILED, ESTIMATED, FIRST_ROWS) if n in per_fit]:
        epoch = duration(per_fit[name] / case.epochs) if name not in first else "-"
        begun = duration(first[name]) if name in first else "-"
        ratio = times_less(per_fit[PEER] / per_fit[name]) if PEER in per_fit else "-"
        target = f">= {targets[name]} x" if targets.get(name) else ""
        rows.append([name, duration(per_gradient[name]), epoch, duration(per_fit[name]), begun, ratio, target])
    note = "" if case.scale == 1 else f" ({case.measured} epochs of each loop were run, and scaled)"
    header = ("", "gradient", "epoch", f"fit ({case.epochs} epochs)", "first fit", "times less per fit", "target")
    show(f"{case.config}{note}", header, rows)


def errors(name: str, assembly: Assembly, truth: dict[str, float]) -> None:
    """Least squares against the truth, in standard errors."""
    result, _ = summarise(assembly, search(assembly, Silent()), 0.0, truth)
    rows = []
    for parameter, e in result.estimates.items():
        if parameter in truth and e.standard_error and "_0" not in parameter:
            true = truth[parameter]
            cells = [f"{true:.6g}", f"{e.value:.6g}", f"{e.standard_error:.2g}"]
            rows.append([parameter, *cells, f"{(e.value - true) / e.standard_error:+.2f}"])
    show(f"{name}: {result.status}", ("", "truth", "estimate", "standard error", "off, in standard errors"), rows)


if __name__ == "__main__":
    main()
