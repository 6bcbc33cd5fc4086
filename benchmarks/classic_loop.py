"""The classic torchdiffeq training loop (PyPI `paramfittorchdemo`) and odefit, on the same data, in one process.

    python benchmarks/classic_loop.py [van_der_pol | lotka_volterra | lorenz ...]

Four competitors, on data that the shipped configs simulate:

    classic loop       paramfittorchdemo.train: torchdiffeq's dopri5 (float32, its default tolerances 1e-7, 1e-9),
                       5 series per step, Adam 1e-2, each series from its first row
    Adam, torchdiffeq  odefit's Adam loop, the same method, tolerances, dtype, batches and initial values
    Adam, compiled     the same loop on the compiled engine (solver.method: auto, its default tolerances)
    least squares      odefit's least squares on the compiled engine, from the config's start, with the config's
                       initial values

A gradient is that of one batch of 5 series; of least squares it is the Jacobian of all series. A fit is what the loop
takes for its 50, 60 and 300 epochs, and what least squares takes until it has converged. The first fit of a process
also compiles the equations; this is shown apart. Every time is the shortest of some turns.
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

import torch
from timing import best_times, describe_machine, duration, missing, seconds, show, times_less

from odefit.config.load import load_config
from odefit.data.dataset import data_loader
from odefit.objective.likelihood import Likelihood, ProfileLikelihood
from odefit.objective.training import TrainingObjective
from odefit.runs.assembly import Assembly
from odefit.runs.fitting import prepare, search
from odefit.runs.progress import Silent
from odefit.runs.report import summarise

CONFIGS = Path(__file__).parents[1] / "configs"
PEER = "classic loop"
ON_TORCH, COMPILED, LEAST_SQUARES = "odefit Adam, torchdiffeq", "odefit Adam, compiled", "odefit least squares"
BATCH = 5
SAME_METHOD = "solver={method: dopri5, rtol: 1e-7, atol: 1e-9, dtype: float32}"


@dataclass(frozen=True)
class Case:
    """One config. start: the rate constants; measured: epochs of the peer that are timed; target: see issue."""

    config: str
    peer: str
    start: tuple[float, ...]
    epochs: int
    measured: int
    target: int


CASES = (
    Case("van_der_pol", "VDP", (0.1,), 50, 50, 500),
    Case("lotka_volterra", "LotkaVolterra", (1.6, 1.1, 2.7, 1.2), 60, 60, 150),
    Case("lorenz", "Lorenz", (10.2, 28.2, 3.0), 300, 3, 40),
)
ADAM_TARGET = {"lotka_volterra": 50}


def main() -> None:
    chosen = sys.argv[1:] or [case.config for case in CASES]
    torch.set_num_threads(1)
    describe_machine("torch", "torchdiffeq", "paramfittorchdemo")
    for case in CASES:
        if case.config in chosen:
            compare(case)


def compare(case: Case) -> None:
    on_torch, _ = assembled(case, "adam", SAME_METHOD)
    compiled, _ = assembled(case, "adam", "solver={method: auto}")
    exact, truth = assembled(case, "least_squares", "solver={method: auto}")
    first = {COMPILED: seconds(lambda: run(compiled)), LEAST_SQUARES: seconds(lambda: run(exact))}
    gradients: dict[str, Callable[[], Any]] = {ON_TORCH: gradient_of(on_torch), COMPILED: gradient_of(compiled)}
    fits: dict[str, Callable[[], Any]] = {ON_TORCH: lambda: run(on_torch), COMPILED: lambda: run(compiled)}
    gradients[LEAST_SQUARES], fits[LEAST_SQUARES] = jacobian_of(exact), lambda: run(exact)
    if not missing("paramfittorchdemo"):
        peer = Peer(case, exact)
        gradients, fits = {PEER: peer.gradient, **gradients}, {PEER: peer.train, **fits}
    per_gradient = best_times(gradients, rounds=10)
    slow = {name: task for name, task in fits.items() if name in (PEER, ON_TORCH)}
    quick = {name: task for name, task in fits.items() if name not in slow}
    # The slow ones take turns with the quick ones, which are repeated: they are over in no time.
    per_fit = best_times(quick, rounds=3)
    for name, task in slow.items():
        per_fit[name] = seconds(task) * case.epochs / case.measured
        per_fit |= {name: min(per_fit[name], value) for name, value in best_times(quick, rounds=3).items()}
    report(case, per_gradient, per_fit, first)
    errors(exact, truth or {})


def assembled(case: Case, method: str, solver: str) -> tuple[Assembly, dict[str, float] | None]:
    """The shipped config with another method; Adam does what the peer does, least squares what the config says."""
    overrides = [solver, f"fit={{method: {method}}}"]
    if method == "adam":
        # The peer takes many of its 300 epochs for Lorenz: a few are measured and scaled.
        epochs = case.measured
        overrides[1] = f"fit={{method: adam, epochs: {epochs}, batch_size: {BATCH}, learning_rate: 0.01}}"
        overrides.append("model.initial=first")
    return prepare(load_config(CONFIGS / f"{case.config}.yaml", overrides))


def run(assembly: Assembly) -> None:
    search(assembly, Silent())


def gradient_of(assembly: Assembly) -> Callable[[], Any]:
    """The loss of one batch and its gradient, as the training loop computes it."""
    problem, dtype = assembly.problem, assembly.loaded.config.solver.dtype
    kind = torch.float64 if dtype == "float64" else torch.float32
    u = torch.as_tensor(problem.table.search(problem.table.values), dtype=kind)
    module = TrainingObjective(problem, torch.nn.ModuleDict(), "mse", u)
    first = problem.experiments[:BATCH]
    batch = next(iter(data_loader(first, batch_size=BATCH, generator=torch.Generator(), dtype=kind)))
    return lambda: module(batch).backward()


def jacobian_of(assembly: Assembly) -> Callable[[], Any]:
    objective = ProfileLikelihood(Likelihood(assembly.problem))
    u = assembly.problem.table.search(assembly.problem.table.values)[objective.free]
    return lambda: objective.evaluate(u)


class Peer:
    """paramfittorchdemo on the measurements of an assembled problem, in its own float32."""

    def __init__(self, case: Case, assembly: Assembly) -> None:
        from paramfittorchdemo import training

        self.case, self.training = case, training
        series = assembly.measured
        times = [torch.tensor(e.times, dtype=torch.float32) for e in series]
        values = [torch.tensor(e.values, dtype=torch.float32) for e in series]
        self.data = training.SimODEData(times, values)

    def model(self) -> Any:
        """At the start of the config: LotkaVolterra of the package takes no notice of its arguments."""
        model = getattr(self.training, self.case.peer)(*self.case.start)
        values = torch.tensor(self.case.start).reshape(next(model.parameters()).shape)
        with torch.no_grad():
            next(model.parameters()).copy_(values)
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


def report(case: Case, per_gradient: dict[str, float], per_fit: dict[str, float], first: dict[str, float]) -> None:
    scale = case.epochs / case.measured
    adam = {ON_TORCH: 1.0, COMPILED: scale}
    per_fit = {name: value * adam[name] if name == COMPILED else value for name, value in per_fit.items()}
    per_epoch = {name: value / case.epochs for name, value in per_fit.items() if name != LEAST_SQUARES}
    rows = []
    for name in [n for n in (PEER, ON_TORCH, COMPILED, LEAST_SQUARES) if n in per_fit]:
        epoch = duration(per_epoch[name]) if name in per_epoch else "-"
        extra = duration(first[name]) if name in first and (name == LEAST_SQUARES or scale == 1) else "-"
        cells = [name, duration(per_gradient[name]), epoch, duration(per_fit[name]), extra]
        ratio = times_less(per_fit[PEER] / per_fit[name]) if PEER in per_fit else "-"
        rows.append([*cells, ratio, target_of(case, name)])
    note = "" if scale == 1 else f" ({case.measured} epochs of each loop measured, and scaled)"
    header = ("", "gradient", "epoch", f"fit: {case.epochs} epochs", "first fit", "times less per fit", "target")
    show(f"{case.config}{note}", header, rows)


def target_of(case: Case, name: str) -> str:
    wanted = {LEAST_SQUARES: case.target, COMPILED: ADAM_TARGET.get(case.config)}.get(name)
    return "" if wanted is None else f">= {wanted} x"


def errors(assembly: Assembly, truth: dict[str, float]) -> None:
    """Least squares against the truth, in standard errors."""
    result, _ = summarise(assembly, search(assembly, Silent()), 0.0, truth)
    known = {n: e for n, e in result.estimates.items() if n in truth and e.standard_error and "[" not in n}
    rows = [
        (name, f"{truth[name]:.6g}", f"{e.value:.6g}", f"{e.standard_error:.2g}", f"{off(e, truth[name]):+.2f}")
        for name, e in known.items()
    ]
    show(f"{LEAST_SQUARES}: {result.status}", ("", "truth", "estimate", "standard error", "off by, in them"), rows)


def off(estimate: Any, truth: float) -> float:
    return float((estimate.value - truth) / estimate.standard_error)


if __name__ == "__main__":
    main()
