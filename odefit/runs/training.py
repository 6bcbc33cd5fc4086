"""Training by gradients: stages, optimizer, epochs, frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from odefit.config.schema import FitSection
from odefit.data.experiments import FloatArray
from odefit.errors import ConfigError, SolveError
from odefit.objective.likelihood import Likelihood, ProfileLikelihood
from odefit.objective.linearised import Linearisation
from odefit.objective.matching import MatchingObjective
from odefit.objective.network_units import set_network_units
from odefit.objective.training import Loss, TrainingObjective
from odefit.objective.windows import WindowObjective
from odefit.optimizers.adam import AdamOptions, Epoch, Schedule, Training, minimize_adam
from odefit.optimizers.damped import minimize_damped
from odefit.optimizers.whole import minimize_whole
from odefit.runs.assembly import Assembly
from odefit.runs.found import Found, Table
from odefit.runs.progress import Progress
from odefit.runs.results import Status
from odefit.runs.stages import Optimizer, Round, Stage, State, WindowOptions, stages_of, whole_batch

EPOCHS, LEARNING_RATE = 500, 1e-2
# Closer to the optimum than this share of a standard error, a training has found it.
CLOSE = 0.5
FRAME_TIMES, FRAME_EXPERIMENTS = 200, 4
SHOWN_PARAMETERS = 50


@dataclass(frozen=True)
class Plan:
    """How a training goes. optimizer: `adam`, or on all data at once `lbfgs`, or `least_squares` for few weights.

    whole: epochs on whole series, the last stage; match: iterations of gradient matching, the first one. None leaves a
    stage out. normalise: networks take the units of their inputs and outputs from the data.
    """

    optimizer: Optimizer = "adam"
    whole: int | None = EPOCHS
    match: int | None = None
    windows: WindowOptions | None = None
    normalise: bool = False


def train(assembly: Assembly, progress: Progress, plan: Plan | None = None) -> Found:
    """Run the training that the config asks for. plan: default the stage on whole series alone, with Adam."""
    problem, section = assembly.problem, assembly.loaded.config.fit
    plan = plan or Plan(whole=section.epochs or EPOCHS)
    loss = section.loss or "mse"
    if section.starts > 1:
        raise ConfigError(assembly.loaded.where("fit", "starts"), "Adam trains from one start; remove the key")
    if loss == "mse" and any(p.prior for p in problem.table if p.estimate):
        raise ConfigError(assembly.loaded.where("fit", "loss"), "mse knows no priors; use `loss: nll`")
    solver = assembly.loaded.config.solver
    dtype = torch.float64 if solver.dtype == "float64" else torch.float32
    networks = assembly.networks if assembly.networks is not None else nn.ModuleDict()
    u = torch.as_tensor(problem.table.search(problem.table.values), dtype=dtype, device=solver.device)
    module = TrainingObjective(problem, networks, loss, u)
    generator = torch.Generator().manual_seed(section.seed)
    state = State(module, generator, section.batch_size, plan.optimizer)
    if plan.normalise:
        set_network_units(problem, networks, state.smoothed)
    stages = stages_of(plan.optimizer, plan.whole, plan.match, plan.windows)
    recorder = _Recorder(assembly, module, section.plot_every, progress, len(stages) > 1)
    training = run_stages(stages, state, plan, adam_options(section), recorder)
    for note in problem.engine.notes:
        progress.note(note)
    theta = state.theta
    if loss == "mse":
        theta = with_best_sigmas(assembly, theta)
    status, message = training.status, training.message
    if assembly.networks is None and status in ("converged", "stopped"):
        status, message = verdict(status, message, distance_from_optimum(Likelihood(problem), theta, loss))
    return Found(
        theta,
        status,
        message,
        plan.optimizer,
        recorder.history(),
        frames=recorder.frames(),
        weights=networks.state_dict() if len(networks) else None,
        n_weights=sum(q.numel() for q in networks.parameters()),
    )


def run_stages(
    stages: Sequence[Stage], state: State, plan: Plan, options: AdamOptions, recorder: _Recorder
) -> Training:
    """One stage after the other; how the last one ended. A stage that is not possible is left out, and said."""
    training = Training("failed", "no stage could be run", {}, math.inf, 0, ())
    for stage in stages:
        why = stage.obstacle(state.problem)
        if why is not None:
            recorder.progress.note(f"The stage `{stage.name}` is left out: {why}.")
            continue
        recorder.begin(stage)
        try:
            for part in stage.rounds(state):
                training = minimise(part, state, plan, options, recorder)
                if training.status == "interrupted":
                    break
        except SolveError as error:
            training = Training("failed", f"the stage `{stage.name}` cannot begin: {error}", {}, math.inf, 0, ())
        recorder.progress.end()
        if training.status == "interrupted":
            break
        if training.status == "failed" and stage is not stages[-1]:
            recorder.progress.note(f"The stage `{stage.name}` achieved nothing: {training.message}.")
    return training


def minimise(part: Round, state: State, plan: Plan, options: AdamOptions, recorder: _Recorder) -> Training:
    """One round with the plan's optimizer. Gradient matching has one batch and no solver: L-BFGS in any case."""
    module = part.module
    if plan.optimizer == "adam" and not isinstance(module, MatchingObjective):
        return minimize_adam(module, part.batches, replace(options, epochs=part.epochs), recorder)
    batch, decay = whole_batch(part.batches), options.weight_decay
    low, high = state.problem.table.search_bounds()
    if plan.optimizer == "least_squares" and isinstance(module, WindowObjective) and module.is_least_squares:
        box = (torch.as_tensor(low).to(module.u), torch.as_tensor(high).to(module.u))
        starts = module.starts if module.start_kind == "free" else None
        return minimize_damped(module, Linearisation(module), batch, part.epochs, box, starts, decay, recorder)
    return minimize_whole(module, batch, part.epochs, {"u": (low, high)}, decay, recorder)


def adam_options(section: FitSection) -> AdamOptions:
    """The config's words, with defaults where it is silent."""
    words = section.schedule
    schedule = Schedule(words.kind, words.final, words.factor, words.patience) if words else Schedule()
    return AdamOptions(
        epochs=section.epochs or EPOCHS,
        learning_rate=section.learning_rate or LEARNING_RATE,
        schedule=schedule,
        gradient_clip=section.gradient_clip,
        weight_decay=section.weight_decay or 0.0,
        patience=section.patience,
    )


def verdict(status: Status, message: str, distance: float | None) -> tuple[Status, str]:
    """What the training says of itself, corrected by how far the estimates are from the optimum."""
    if distance is None:
        return status, message
    message = message.split(":", maxsplit=1)[0]
    if distance <= CLOSE:
        return "converged", f"the optimum is reached to {distance:.1g} standard errors ({message})"
    return "stopped", (
        f"about {distance:.2g} standard errors from the optimum ({message}): more fit.epochs, another "
        "fit.learning_rate, or `method: least_squares`"
    )


def distance_from_optimum(likelihood: Likelihood, theta: FloatArray, loss: Loss) -> float | None:
    """How far the full Gauss-Newton step would move the estimates, in standard errors: |A step|.

    None where it cannot be told. For a squared-error loss, all noise levels are taken for equal.
    """
    table = likelihood.problem.table
    u = table.search(theta)
    moments = likelihood.moments(u, derivatives=True)
    if moments is None:
        return None
    scales: dict[int, float] = {}
    if loss == "mse":
        simple = [cells.theta for cells in likelihood.cells]
        if any(theta_ is None for theta_ in simple):
            return None
        common = math.sqrt(likelihood.residual_sum(u) / max(likelihood.problem.n_measured, 1))
        scales = {position: common for position in simple if position is not None}
    here = likelihood.assemble(u, moments, scales, derivatives=True)
    if not math.isfinite(here.value) or not here.A.size:
        return None
    low, high = table.search_bounds()
    # A parameter at its bound cannot move; a noise level has no part in a squared-error loss.
    a = here.A[:, (u > low) & (u < high)]
    size = np.linalg.norm(a, axis=0)
    a = a[:, size > 0] / size[size > 0]
    left, s, _ = np.linalg.svd(a, full_matrices=False)
    return float(np.linalg.norm(left[:, s > 1e-7 * s[:1]].T @ here.z))


def with_best_sigmas(assembly: Assembly, theta: FloatArray) -> FloatArray:
    """A squared-error loss leaves the noise levels where they were: put them at their best."""
    table = assembly.problem.table
    profile = ProfileLikelihood(Likelihood(assembly.problem))
    return table.natural(profile.lift(table.search(theta)[profile.free]))


class _Recorder:
    """Called after every epoch: the history, the progress bar and the frames.

    Epochs are numbered through all stages; with several, the history says which one each belongs to.
    """

    def __init__(
        self,
        assembly: Assembly,
        module: TrainingObjective,
        plot_every: int | None,
        progress: Progress,
        several: bool = False,
    ) -> None:
        self.assembly, self.module, self.plot_every, self.progress = assembly, module, plot_every, progress
        table = assembly.problem.table
        # A squared-error loss does not move the noise levels, and hundreds of initial values help nobody.
        moving = [n for n in table.estimated_names if module.loss == "nll" or table[n].role != "noise"]
        few = len(moving) <= SHOWN_PARAMETERS
        self.names = tuple(name for name in moving if few or table[name].role == "model")
        self.several, self._stage, self._begun = several, "", 0
        self._rows: list[list[Any]] = []
        self._frames: list[list[Any]] = []

    def begin(self, stage: Stage) -> None:
        self._stage, self._begun = stage.name, len(self._rows)
        self.progress.begin(f"epochs, {stage.name}" if self.several else "epochs", stage.epochs)

    def __call__(self, epoch: Epoch, _module: nn.Module) -> None:
        table = self.assembly.problem.table
        theta = table.natural(self.module.u.detach().to(torch.float64).cpu().numpy())
        estimates = {name: float(theta[table.index[name]]) for name in self.names}
        number = len(self._rows) + 1
        stage = [self._stage] if self.several else []
        numbers = [number, epoch.loss, epoch.learning_rate, epoch.gradient_norm]
        self._rows.append([*numbers, *stage, *estimates.values()])
        self.progress.epoch(number - self._begun, epoch.loss, estimates)
        if self.plot_every and (number == 1 or number % self.plot_every == 0):
            self._keep_frame(number, epoch.loss, theta)

    def _keep_frame(self, number: int, loss: float, theta: Any) -> None:
        problem = self.assembly.problem
        # Bindings are per experiment, so all are solved and the first few kept.
        chosen = [
            e.at(np.linspace(e.start, e.times[-1], FRAME_TIMES) if e.times[-1] > e.start else e.times)
            for e in problem.experiments
        ]
        try:
            curves = problem.predict(theta, tuple(chosen))
        except SolveError:
            return
        for experiment, curve in list(zip(chosen, curves, strict=True))[:FRAME_EXPERIMENTS]:
            self._frames += [
                [number, loss, experiment.name, float(t), *map(float, row)]
                for t, row in zip(experiment.times, curve, strict=True)
            ]

    def history(self) -> Table:
        stage = ("stage",) if self.several else ()
        return Table(("epoch", "loss", "learning_rate", "gradient_norm", *stage, *self.names), self._rows)

    def frames(self) -> Table | None:
        if not self._frames:
            return None
        return Table(("epoch", "loss", "experiment", "time", *self.assembly.problem.observation.names), self._frames)
