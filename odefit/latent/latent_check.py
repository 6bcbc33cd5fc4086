"""`odefit check` of a latent ODE: its series, the sizes of its networks, what the encoder reads, how it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from odefit.config.load import LoadedConfig
from odefit.latent.estimator import n_weights
from odefit.latent.model import LatentODE
from odefit.latent.objective import draw_points
from odefit.latent.task import LatentTask, common_times, prepare_latent
from odefit.text import counted


def latent_report(loaded: LoadedConfig, name: str) -> str:
    """Describe the task: series, networks, what is read, the training.

    Parameters
    ----------
    loaded
        The config.
    name
        What it is called in the first line.

    Returns
    -------
    str

    Raises
    ------
    ConfigError, DataError
        What `fit` would raise for the same input.
    """
    task = prepare_latent(loaded)
    lines = [f"{name}: fine", "", "Model", *_model(task), "", "Measured", *_measured(task)]
    if loaded.config.data.spirals is not None:
        lines += ["", "The series are made up, so the truth is known."]
    lines += [f"note: {note}" for note in task.notes]
    return "\n".join([*lines, "", "Training", *_training(task)])


def latent_document(loaded: LoadedConfig, name: str) -> dict[str, Any]:
    """The same as plain JSON values: its lines, `text`. Raises what `latent_report` raises."""
    return {"config": name, "title": loaded.config.title, "text": latent_report(loaded, name).splitlines()}


def _model(task: LatentTask) -> list[str]:
    o, n = task.options, len(task.names)
    with torch.device("meta"):
        model = LatentODE(n, o)
    read = "all of each series" if task.observed is None else f"each series until {task.observed:g} after its start"
    kept = f", of which {o.constants} keep the value that they have at the start" if o.constants else ""
    moving = o.dimension - o.constants
    field = _layers(moving, *o.hidden, moving)
    gated = ["  and a linear part, whose matrix depends on the constants"] if o.constants else []
    shape = f"layers {field}, {o.activation}"
    if model.is_linear:
        shape, gated = "linear, with a matrix for each series that depends on the constants", []
    own = ["  each series is divided by its own size"] if o.own_scale else []
    return [
        f"  encoder: {o.encoder} recurrent units (GRU) read {read}, backwards: {n_weights(model.encoder):,} weights",
        *own,
        *(
            [f"  {counted(o.refine, 'Gauss-Newton step')} from what it says to the most probable start"]
            if o.refine
            else []
        ),
        f"  latent states: {o.dimension}{kept}",
        f"  vector field: {shape}: {n_weights(model.field):,} weights",
        *gated,
        f"  decoder: layers {_layers(o.dimension, *o.decoder, n)}: {n_weights(model.decoder):,} weights",
        f"  noise: Gaussian, sigma {'learnt, one for each observable' if o.sigma is None else f'= {o.sigma:g}'}",
    ]


def _layers(*widths: int) -> str:
    """`2 - 16 - 2`"""
    return " - ".join(map(str, widths))


def _measured(task: LatentTask) -> list[str]:
    every, elapsed = task.measured, common_times(task.measured)
    lines = [
        f"  {name}: {sum(int(np.count_nonzero(~np.isnan(e.values[:, k]))) for e in every)} values"
        for k, name in enumerate(task.names)
    ]
    lines.append(f"  {len(every)} series of {_range([len(e.times) for e in every])} times")
    lines.append(f"  {len(elapsed)} different times since the start, to {elapsed[-1]:g}")
    lines.append(
        f"  {_range([int(task.read(e).sum()) for e in every])} of the times of a series are read by the encoder"
    )
    aside = f"{len(task.aside)} series not trained on, to choose the best epoch"
    lines.append(f"  {aside if task.aside else 'no series set aside, so the last epoch is kept'}")
    return lines


def _training(task: LatentTask) -> list[str]:
    t, e = task.training, task.elbo
    steps = -(-(len(task.measured) - len(task.aside)) // t.batch_size)
    n = len(common_times(task.measured))
    points = len(draw_points(n, e.times_per_step, torch.Generator()))
    o = task.options
    tolerance = f"step {o.step:g}" if o.step is not None else f"rtol {o.rtol:g}, atol {o.atol:g}"
    dtype = str(task.dtype).removeprefix("torch.")
    starts = "" if e.starts == 1 else f", from {e.starts} starting points of each series"
    solver = f"{o.method}, {tolerance}, {dtype}"
    if not o.hidden and o.constants:
        solver = f"none: a linear field is solved exactly, {dtype}"
    return [
        f"  adam, {t.adam.epochs} epochs of {counted(steps, 'step')}, of up to {t.batch_size} series each",
        f"  learning rate {t.adam.learning_rate:g}, at the end {t.adam.schedule.lowest(t.adam.learning_rate):g}",
        f"  {points} of the {n} times in a step{starts}",
        f"  solver: {solver}",
    ]


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"
