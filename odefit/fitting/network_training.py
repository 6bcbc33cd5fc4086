"""Training by gradients: the stages one after the other, and what is said of where they led."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from odefit.arrays import FloatArray
from odefit.errors import ConfigError, SolveError
from odefit.fitting.outcome import FitOutcome
from odefit.fitting.recorder import Recorder
from odefit.fitting.rounds import Setting, minimise
from odefit.fitting.stage_checkpoint import TrainingCheckpoint
from odefit.fitting.stages import Stage, TrainingState, stages_of
from odefit.fitting.training_plan import Plan, adam_options, plan_of
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.objective.residuals import residual_sum
from odefit.problem.assembly import Assembly
from odefit.runs.checkpoint import Forgetful, Memory
from odefit.runs.progress import Progress
from odefit.status import Ending, Reason, Status
from odefit.training.hidden_states import said_of
from odefit.training.loss_history import TrainingOutcome
from odefit.training.network_units import set_network_units
from odefit.training.objective_torch import Loss, TrainingObjective
from odefit.uncertainty.covariance import length_in_errors

WARM_UP = 0.2
"""In training by stages, Adam's rate rises over this share of a stage: its first steps, which are all of full length,
would else undo what the stage before has reached (benchmarks/networks.md)."""
CLOSE = 0.5
"""Closer to the optimum than this share of a standard error, a training has found it."""


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
    state = TrainingState(module, generator, section.batch_size, plan.method)
    if plan.normalise:
        # Weights that were trained go with the units that they were trained in.
        fresh = nn.ModuleDict({name: one for name, one in networks.items() if name not in assembly.trained})
        set_network_units(problem, fresh, state.smoothed)
    if plan.match and (said := said_of(problem)):
        progress.note(said)
    stages = stages_of(plan.method, plan.whole, plan.match, plan.windows, plan.horizon)
    recorder = Recorder(assembly, module, section.plot_every, progress, len(stages) > 1)
    checkpoint = TrainingCheckpoint(memory or Forgetful(), state, recorder)
    options = replace(adam_options(section), warm_up=WARM_UP if len(stages) > 1 else 0.0)
    training = run_stages(stages, Setting(plan.method, state, options, recorder, checkpoint), recorder)
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
        plan.method.name,
        recorder.history(),
        frames=recorder.frames(),
        weights=networks.state_dict() if len(networks) else None,
        n_weights=sum(q.numel() for q in networks.parameters() if q.requires_grad),
    )


def run_stages(stages: Sequence[Stage], setting: Setting, recorder: Recorder) -> TrainingOutcome:
    """One stage after the other; how the last one ended. A stage that is not possible is left out, and said."""
    state, checkpoint = setting.state, setting.checkpoint
    training = TrainingOutcome(Ending(Reason.NO_STAGE), {}, math.inf, 0, ())
    for number, stage in enumerate(stages):
        why = stage.obstacle(state.problem)
        if why is not None:
            recorder.progress.note(f"The stage `{stage.name}` is left out: {why}.")
            continue
        if not checkpoint.enter_stage(number):
            continue
        recorder.begin(stage)
        try:
            for k, part in enumerate(stage.rounds(state)):
                if not checkpoint.enter_round(k, part.module):
                    continue
                training = minimise(part, setting)
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
        weighted = any(data.unit is not None for data in likelihood.problem.data)
        if weighted or any(theta_ is None for theta_ in simple) or not likelihood.problem.is_least_squares:
            return None
        common = math.sqrt(residual_sum(likelihood, u) / max(likelihood.problem.n_measured, 1))
        scales = {position: common for position in simple if position is not None}
    here = likelihood.assemble(u, moments, scales, derivatives=True, expected=True)
    if not math.isfinite(here.value) or 0 in here.A.shape:
        return None
    low, high = table.search_bounds()
    # A parameter at its bound cannot move; a noise level has no part in a squared-error loss.
    a = here.A.select(np.flatnonzero((u > low) & (u < high)))
    return length_in_errors(a, a.adjoint(here.z), 1e-7)


def with_best_sigmas(assembly: Assembly, theta: FloatArray) -> FloatArray:
    """A squared-error loss leaves the noise levels where they were: put them at their best."""
    table = assembly.problem.table
    profile = ProfileLikelihood(Likelihood(assembly.problem))
    return table.to_natural(profile.lift(table.to_search(theta)[profile.free]))
