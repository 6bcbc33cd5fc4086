"""`fit` of a latent ODE: train, judge."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from odefit.arrays import FloatArray, Mask
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.errors import FitError, SolveError
from odefit.latent.estimator import FittedLatent, fit_latent, noise_of
from odefit.latent.frames import Frames
from odefit.latent.latent_run import CONTINUED, OBSERVED, LatentRun
from odefit.latent.task import MIN_SERIES_TO_SPLIT, LatentTask, prepare_latent
from odefit.runs import folder as files
from odefit.runs.checkpoint import FitMemory, Memory
from odefit.runs.progress import Progress
from odefit.runs.results import Estimate, ObjectiveSummary, Result, Score, Starts, finite_or_none
from odefit.runs.stored import Curves
from odefit.runs.tables import Table
from odefit.status import Reason, Status
from odefit.training.loss_history import Epoch, TrainingOutcome

PART = "latent"
HISTORY = ("epoch", "loss", "learning_rate", "seconds", "score")
STILL_FALLING = 0.02
"""A score that fell by more than this share over the last tenth of the epochs might fall further."""


def plan(loaded: LoadedConfig) -> tuple[Sequence[Experiment], Callable[[Progress, FitMemory], LatentRun]]:
    """All measurements, and what is left to be done. Raises InputError."""
    task = prepare_latent(loaded)
    return task.measured, partial(train_latent, task)


def train_latent(task: LatentTask, progress: Progress, memory: FitMemory) -> LatentRun:
    """Train it, and judge it. Raises FitError."""
    for note in task.notes:
        progress.note(note)
    if any(e.sigma is not None for e in task.measured):
        progress.note("The data give errors of the measurements, which a latent ODE does not use.")
    earlier = task.loaded.earlier
    if earlier is not None:
        progress.note(f"the weights to start from are those of {earlier.name}")
    progress.begin("epochs", task.training.adam.epochs)
    recorder = _Recorder(progress, Frames(task))
    try:
        fitted = fit_latent(
            task.measured,
            task.options,
            task.elbo,
            task.training,
            observed=task.observed,
            validation=task.validation,
            callback=recorder,
            dtype=task.dtype,
            memory=_Part(memory, recorder),
            start=None if earlier is None else earlier.weights,
        )
    finally:
        progress.end()
    status, message = _verdict(task, fitted.training, recorder)
    result = _result(task, fitted, status, message, memory.seconds)
    tables = {files.HISTORY: Table(HISTORY, recorder.rows)}
    if recorder.frames.rows:
        tables[files.FRAMES] = recorder.frames.table()
    run = LatentRun(None, result, task, fitted.model, tables=tables)
    curves = _solve(run)
    if curves is not None:
        run = replace(run, result=_judged(run, curves))
    return run


class _Recorder:
    """Called after every epoch: the history, and the progress bar with the latest score."""

    def __init__(self, progress: Progress, frames: Frames) -> None:
        self.progress, self.frames, self.rows = progress, frames, list[list[Any]]()
        self._begun = time.perf_counter()
        self._latest: dict[str, float] = {}

    def __call__(self, epoch: Epoch, module: nn.Module) -> None:
        self.frames(epoch, module)
        if epoch.score is not None:
            self._latest = {"score": epoch.score}
        seconds = time.perf_counter() - self._begun
        self.rows.append([epoch.epoch, epoch.loss, epoch.learning_rate, seconds, epoch.score])
        self.progress.epoch(epoch.epoch, epoch.loss, self._latest)

    @property
    def scores(self) -> list[tuple[int, float]]:
        """The epochs in which there was one, with it."""
        return [(row[0], row[-1]) for row in self.rows if row[-1] is not None]

    def restore(self, rows: Sequence[list[Any]]) -> None:
        """Go on after the rows of a training that was broken off."""
        self.rows = list(rows)
        self._begun = time.perf_counter() - self.rows[-1][HISTORY.index("seconds")]


class _Part:
    """The Memory of the training, as a part of the fit's, with what was recorded on the way."""

    def __init__(self, memory: Memory, recorder: _Recorder) -> None:
        self.memory, self.recorder = memory, recorder

    def restored(self) -> Mapping[str, Any] | None:
        kept = self.memory.restored(PART)
        if kept is None:
            return None
        self.recorder.restore(kept["recorded"])
        self.recorder.frames.rows = list(kept.get("frames", ()))
        training: Mapping[str, Any] = kept["training"]
        return training

    def offer(self, state: Callable[[], dict[str, Any]]) -> None:
        recorder = self.recorder
        self.memory.offer(
            PART,
            lambda: {"training": state(), "recorded": list(recorder.rows), "frames": list(recorder.frames.rows)},
            passing=True,
        )


def _verdict(task: LatentTask, training: TrainingOutcome, recorder: _Recorder) -> tuple[Status, str]:
    """How it ended, and which state is kept."""
    ending, epochs = training.ending, task.training.adam.epochs
    if ending.status == Status.FAILED:
        return Status.FAILED, f"{ending.account}; nothing was reached before"
    if ending.reason in (Reason.LOSS_SETTLED, Reason.LOSS_STILL_CHANGES):
        # The loss says nothing: it is another one while the horizon grows.
        status, message = Status.STOPPED, f"all {epochs} epochs used"
    else:
        status, message = ending.status, ending.account
    if not task.aside:
        return status, f"{message}; no series are set aside, so the last state is kept"
    if not training.best_epoch:
        return status, f"{message}; the state reached by then is kept"
    kept = f"the state of epoch {training.best_epoch} is kept, which predicts the series set aside best"
    scores = recorder.scores
    last, final = scores[-1]
    before = [score for epoch, score in scores if epoch <= 0.9 * last]
    if status == Status.STOPPED and before and min(before) - final > STILL_FALLING * min(before):
        kept += (
            f"; their error still fell by {1 - final / min(before):.0%} over the last tenth: more fit.epochs may help"
        )
    return status, f"{message}; {kept}"


def _result(task: LatentTask, fitted: FittedLatent, status: Status, message: str, seconds: float) -> Result:
    """What can be said before anything is predicted."""
    sigma = fitted.model.sigma.detach().double().tolist()
    given = task.options.sigma
    unit = task.loaded.config.model.units
    estimates = {
        f"sigma_{name}": Estimate(given or s, unit=unit.get(name), fixed=given is not None)
        for name, s in zip(task.names, sigma, strict=True)
    }
    spirals = task.loaded.config.data.spirals
    truth = None
    if spirals is not None and given is None and not task.options.own_scale:
        truth = dict.fromkeys(estimates, spirals.noise)
    weights = sum(q.numel() for q in fitted.model.parameters() if q.requires_grad)
    return Result(
        status=status,
        message=message,
        method="adam",
        estimates=estimates,
        objective=ObjectiveSummary(None, None, _count(task, _seen(task)), weights, None, None, None),
        starts=Starts(),
        seconds=seconds,
        seed=task.training.seed,
        truth=truth,
        warnings=_warnings(task),
        dates=task.dates,
    )


def _warnings(task: LatentTask) -> tuple[str, ...]:
    n = len(task.measured)
    few = (
        f"{n} series {'is' if n == 1 else 'are'} few for a latent ODE, which learns from many what they have in common"
    )
    own = "the noise levels are those of a series as large as the spread of all; they grow with the size (own_scale)"
    bare = "no standard errors: they are not available for a latent ODE"
    shares = task.options.own_scale and task.options.sigma is None
    return (bare, *((own,) if shares else ()), *((few,) if n < MIN_SERIES_TO_SPLIT else ()))


def _seen(task: LatentTask) -> list[int]:
    """Which series are trained on."""
    aside = set(task.aside)
    return [row for row in range(len(task.measured)) if row not in aside]


def _count(task: LatentTask, rows: Sequence[int]) -> int:
    return sum(task.measured[row].n_measured for row in rows)


def _solve(run: LatentRun) -> Curves | None:
    """Every series at its own times; None where the training has failed and the model with it. Raises FitError."""
    try:
        return run.solve([e.times for e in run.measured])
    except SolveError as error:
        if run.result.status == Status.FAILED:
            return None
        raise FitError(f"the fitted model cannot be solved again: {error}") from error


def _judged(run: LatentRun, curves: Curves) -> Result:
    """The result with the errors of the predictions: of the series trained on, and of those set aside."""
    task, result = run.task, run.result
    seen = np.concatenate([_errors(run, curves, row)[0].ravel() for row in _seen(task)])
    objective = replace(result.objective, rss=finite_or_none(float(np.nansum(np.square(seen)))))
    parts = {OBSERVED: True, CONTINUED: False}
    scores = {part: _score(run, curves, task.aside, read) for part, read in parts.items()} if task.aside else {}
    scores = {part: score for part, score in scores.items() if score.n_observations}
    return replace(result, objective=objective, validation=scores or None)


def _errors(run: LatentRun, curves: Curves, row: int) -> tuple[FloatArray, Mask]:
    """Of one series [T, O]: measured minus predicted, NaN where nothing was measured; and [T] what was read."""
    errors: FloatArray = run.measured[row].values - curves.observables[row]
    return errors, run.task.read(run.measured[row])


def _score(run: LatentRun, curves: Curves, rows: Sequence[int], read: bool) -> Score:
    """How well the part that the encoder reads, or the one that it does not, is predicted."""
    parts = [_errors(run, curves, row) for row in rows]
    chosen = [within == read for _, within in parts]
    errors = np.concatenate([own[at] for (own, _), at in zip(parts, chosen, strict=True)])
    noise = noise_of(run.model, run.task.observed, [run.measured[row] for row in rows])
    sigma = np.concatenate([np.repeat(s[None], at.sum(), axis=0) for s, at in zip(noise, chosen, strict=True)])
    known = ~np.isnan(errors)
    n = int(known.sum())
    nll = float(np.nansum(0.5 * np.square(errors / sigma) + np.log(sigma) + 0.5 * math.log(2 * math.pi)))
    rmse = {}
    for k, name in enumerate(run.observables):
        own = errors[known[:, k], k]
        rmse[name] = finite_or_none(math.sqrt(float(np.square(own).mean()))) if len(own) else None
    return Score(n, finite_or_none(nll), finite_or_none(nll / n) if n else None, rmse)
