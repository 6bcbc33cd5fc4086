"""Training by gradients: stages, optimizer, epochs, frames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from odefit.arrays import FloatArray
from odefit.config.schema import FitSection, WindowsSection
from odefit.errors import ConfigError, SolveError
from odefit.fitting.outcome import FitOutcome, Table
from odefit.fitting.training_stages import (
    HorizonOptions,
    Optimizer,
    Round,
    Stage,
    State,
    WindowOptions,
    stages_of,
    whole_batch,
)
from odefit.fitting.training_state import TrainingCheckpoint
from odefit.linalg.arrow_matrix import adjoint, only_columns
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.objective.residuals import residual_sum
from odefit.problem.assembly import Assembly
from odefit.runs.checkpoint import Forgetful, Memory
from odefit.runs.progress import Progress
from odefit.status import Ending, Reason, Status
from odefit.training.adam import AdamOptions, Schedule, minimize_adam
from odefit.training.lbfgs_torch import minimize_whole
from odefit.training.levenberg_marquardt import minimize_damped
from odefit.training.linearised import Linearisation
from odefit.training.loss_history import Epoch, Thinned, TrainingOutcome
from odefit.training.matching import MatchingObjective
from odefit.training.network_units import set_network_units
from odefit.training.objective_torch import Loss, TrainingObjective
from odefit.training.windows import WindowObjective
from odefit.training.windows import obstacle as windows_obstacle
from odefit.uncertainty.covariance import length_in_errors

LEARNING_RATE = 1e-2
WHOLE: Mapping[Optimizer, int] = {"adam": 500, "lbfgs": 150, "least_squares": 10}
"""Epochs on whole series."""
MATCH = 200
WARM_UP = 0.2
"""In training by stages, Adam's rate rises over this share of a stage: its first steps, which are all of full length,
would else undo what the stage before has reached (benchmarks/README.md)."""
SMALL = 2000
"""So many weights at most are worth the sensitivities that least squares needs."""
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
    whole: int | None = WHOLE["adam"]
    match: int | None = None
    windows: WindowOptions | None = None
    horizon: HorizonOptions | None = None
    normalise: bool = False


def plan_of(assembly: Assembly) -> Plan:
    """The training that the config asks for, or that suits its network. Raises ConfigError."""
    section = assembly.loaded.config.fit
    if assembly.networks is None:
        return Plan(whole=section.epochs or WHOLE["adam"], horizon=_horizon(section))
    size = sum(weights.numel() for weights in assembly.networks.parameters())
    optimizer: Optimizer
    if section.method == "auto":
        small = size <= SMALL and (section.loss or "mse") == "mse"
        optimizer = "least_squares" if small else "lbfgs"
    else:
        optimizer = section.method
    if section.starts > 1:
        raise ConfigError(assembly.loaded.where("fit", "starts"), "a network is trained from one start; remove the key")
    if section.max_iterations is not None:
        raise ConfigError(
            assembly.loaded.where("fit", "max_iterations"), "a network is trained for `epochs`; set these"
        )
    why = windows_obstacle(assembly.problem)
    if optimizer == "least_squares" and why is not None:
        if section.method != "auto":
            where = assembly.loaded.where("fit", "method")
            raise ConfigError(where, f"least_squares is not for this network: {why}; use lbfgs or adam")
        optimizer = "lbfgs"
    windows, match = section.windows, section.match
    options = None if windows is None else WindowOptions(**_window_options(windows))
    if section.method == "auto" and windows is None and match is None and section.horizon is None:
        # What did best in benchmarks/windows.py.
        match, options = MATCH, WindowOptions()
    whole = None if windows is not None and not windows.finish else section.epochs or WHOLE[optimizer]
    return Plan(optimizer, whole, match, options, _horizon(section), assembly.loaded.config.model.normalise)


def _horizon(section: FitSection) -> HorizonOptions | None:
    given = section.horizon
    if given is None:
        return None
    return HorizonOptions(tuple(given.shares), None if given.epochs is None else tuple(given.epochs))


def _window_options(windows: WindowsSection) -> dict[str, Any]:
    given = windows.model_dump(exclude={"finish"})
    return {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}


def train(assembly: Assembly, progress: Progress, plan: Plan | None = None, memory: Memory | None = None) -> FitOutcome:
    """Run the training that the config asks for. plan: default `plan_of` the config. memory: keeps how far it is."""
    problem, section = assembly.problem, assembly.loaded.config.fit
    plan = plan or plan_of(assembly)
    loss = section.loss or "mse"
    if loss == "mse" and any(p.prior for p in problem.table if p.estimate):
        raise ConfigError(assembly.loaded.where("fit", "loss"), "mse knows no priors; use `loss: nll`")
    solver = assembly.loaded.config.solver
    dtype = torch.float64 if solver.dtype == "float64" else torch.float32
    networks = assembly.networks if assembly.networks is not None else nn.ModuleDict()
    u = torch.as_tensor(problem.table.to_search(problem.table.values), dtype=dtype, device=solver.device)
    module = TrainingObjective(problem, networks, loss, u)
    generator = torch.Generator().manual_seed(section.seed)
    state = State(module, generator, section.batch_size, plan.optimizer)
    if plan.normalise:
        set_network_units(problem, networks, state.smoothed)
    stages = stages_of(plan.optimizer, plan.whole, plan.match, plan.windows, plan.horizon)
    recorder = _Recorder(assembly, module, section.plot_every, progress, len(stages) > 1)
    place = TrainingCheckpoint(memory or Forgetful(), state, recorder)
    options = replace(adam_options(section), warm_up=WARM_UP if len(stages) > 1 else 0.0)
    training = run_stages(stages, state, plan, options, recorder, place)
    for note in problem.engine.notes:
        progress.note(note)
    theta = state.theta
    if loss == "mse":
        theta = with_best_sigmas(assembly, theta)
    ending = training.ending
    if assembly.networks is None and ending.status.is_usable:
        ending = verdict(ending, distance_from_optimum(Likelihood(problem), theta, loss))
    return FitOutcome(
        theta,
        ending.status,
        ending.message,
        plan.optimizer,
        recorder.history(),
        frames=recorder.frames(),
        weights=networks.state_dict() if len(networks) else None,
        n_weights=sum(q.numel() for q in networks.parameters()),
    )


def run_stages(
    stages: Sequence[Stage],
    state: State,
    plan: Plan,
    options: AdamOptions,
    recorder: _Recorder,
    place: TrainingCheckpoint,
) -> TrainingOutcome:
    """One stage after the other; how the last one ended. A stage that is not possible is left out, and said."""
    training = TrainingOutcome(Ending(Reason.NO_STAGE), {}, math.inf, 0, ())
    for number, stage in enumerate(stages):
        why = stage.obstacle(state.problem)
        if why is not None:
            recorder.progress.note(f"The stage `{stage.name}` is left out: {why}.")
            continue
        if not place.enter_stage(number):
            continue
        recorder.begin(stage)
        try:
            for k, part in enumerate(stage.rounds(state)):
                if not place.enter_round(k, part.module):
                    continue
                training = minimise(part, state, plan, options, recorder, place)
                if training.status == Status.INTERRUPTED:
                    break
        except SolveError as error:
            cause = Ending(Reason.STAGE_CANNOT_BEGIN, {"stage": stage.name, "cause": str(error)})
            training = TrainingOutcome(cause, {}, math.inf, 0, ())
        recorder.progress.end()
        if training.status == Status.INTERRUPTED:
            break
        if training.status == Status.FAILED and stage is not stages[-1]:
            recorder.progress.note(f"The stage `{stage.name}` achieved nothing: {training.message}.")
    return training


def minimise(
    part: Round, state: State, plan: Plan, options: AdamOptions, recorder: _Recorder, place: TrainingCheckpoint
) -> TrainingOutcome:
    """One round with the plan's optimizer. Gradient matching has one batch and no solver: L-BFGS in any case."""
    module = part.module
    if plan.optimizer == "adam" and not isinstance(module, MatchingObjective):
        options = replace(options, epochs=part.epochs)
        return minimize_adam(module, part.batches, options, recorder, place, part.everything)
    batch, decay = whole_batch(part.batches, state.generator), options.weight_decay
    low, high = state.problem.table.search_bounds()
    if plan.optimizer == "least_squares" and isinstance(module, WindowObjective) and module.is_least_squares:
        box = (torch.as_tensor(low).to(module.u), torch.as_tensor(high).to(module.u))
        starts = module.starts if module.start_kind == "free" else None
        return minimize_damped(module, Linearisation(module), batch, part.epochs, box, starts, decay, recorder, place)
    return minimize_whole(module, batch, part.epochs, {"u": (low, high)}, decay, recorder, place)


def adam_options(section: FitSection) -> AdamOptions:
    """The config's words, with defaults where it is silent."""
    words = section.schedule
    schedule = Schedule(words.kind, words.final, words.factor, words.patience) if words else Schedule()
    return AdamOptions(
        epochs=section.epochs or WHOLE["adam"],
        learning_rate=section.learning_rate or LEARNING_RATE,
        schedule=schedule,
        gradient_clip=section.gradient_clip,
        weight_decay=section.weight_decay or 0.0,
        patience=section.patience,
    )


def verdict(ending: Ending, distance: float | None) -> Ending:
    """What the training says of itself, corrected by how far the estimates are from the optimum."""
    if distance is None:
        return ending
    reason = Reason.NEAR_OPTIMUM if distance <= CLOSE else Reason.FAR_FROM_OPTIMUM
    return Ending(reason, {"distance": distance, "training": ending.what})


def distance_from_optimum(likelihood: Likelihood, theta: FloatArray, loss: Loss) -> float | None:
    """How far the full Gauss-Newton step would move the estimates, in standard errors: |A step|.

    None where it cannot be told. For a squared-error loss, all noise levels are taken for equal.
    """
    table = likelihood.problem.table
    u = table.to_search(theta)
    moments = likelihood.moments(u, derivatives=True)
    if moments is None:
        return None
    scales: dict[int, float] = {}
    if loss == "mse":
        simple = [data.scale_position for data in likelihood.problem.data]
        if any(theta_ is None for theta_ in simple) or not likelihood.problem.is_least_squares:
            return None
        common = math.sqrt(residual_sum(likelihood, u) / max(likelihood.problem.n_measured, 1))
        scales = {position: common for position in simple if position is not None}
    here = likelihood.assemble(u, moments, scales, derivatives=True, expected=True)
    if not math.isfinite(here.value) or 0 in here.A.shape:
        return None
    low, high = table.search_bounds()
    # A parameter at its bound cannot move; a noise level has no part in a squared-error loss.
    a = only_columns(here.A, np.flatnonzero((u > low) & (u < high)))
    return length_in_errors(a, adjoint(a, here.z), 1e-7)


def with_best_sigmas(assembly: Assembly, theta: FloatArray) -> FloatArray:
    """A squared-error loss leaves the noise levels where they were: put them at their best."""
    table = assembly.problem.table
    profile = ProfileLikelihood(Likelihood(assembly.problem))
    return table.to_natural(profile.lift(table.to_search(theta)[profile.free]))


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
        self._resumed = False
        self._rows = Thinned[list[Any]]()
        self._frames: list[list[Any]] = []

    def begin(self, stage: Stage) -> None:
        if not self._resumed:  # else this stage has begun long since
            self._stage, self._begun = stage.name, self._rows.seen
        self._resumed = False
        self.progress.begin(f"epochs, {stage.name}" if self.several else "epochs", stage.epochs)

    def __call__(self, epoch: Epoch, _module: nn.Module) -> None:
        table = self.assembly.problem.table
        theta = table.to_natural(self.module.u.detach().to(torch.float64).cpu().numpy())
        estimates = {name: float(theta[table.index[name]]) for name in self.names}
        number = self._rows.seen + 1
        stage = [self._stage] if self.several else []
        numbers = [number, epoch.loss, epoch.learning_rate, epoch.gradient_norm]
        self._rows.append([*numbers, *stage, *estimates.values()])
        self.progress.epoch(number - self._begun, epoch.loss, estimates)
        if self.plot_every and (number == 1 or number % self.plot_every == 0):
            self._keep_frame(number, epoch.loss, theta)

    def recorded(self) -> dict[str, Any]:
        """For a checkpoint."""
        rows = self._rows
        return {
            "stage": self._stage,
            "begun": self._begun,
            "rows": rows.entries,
            "rows_at": [rows.seen, rows.stride],
            "frames": list(self._frames),
        }

    def restore(self, recorded: Mapping[str, Any]) -> None:
        """The inverse of `recorded`."""
        self._stage, self._begun = recorded["stage"], recorded["begun"]
        self._rows = Thinned(recorded["rows"], *recorded["rows_at"])
        self._frames = list(recorded["frames"])
        self._resumed = True

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
        return Table(("epoch", "loss", "learning_rate", "gradient_norm", *stage, *self.names), self._rows.entries)

    def frames(self) -> Table | None:
        if not self._frames:
            return None
        return Table(("epoch", "loss", "experiment", "time", *self.assembly.problem.observation.names), self._frames)
