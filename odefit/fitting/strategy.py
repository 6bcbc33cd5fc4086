"""`fit` of equations: search, judge, write the run folder."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from odefit.config.fit_methods import AUTO, LEAST_SQUARES, METHODS, FitMethod, trains_equations
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.errors import FitError, SolveError
from odefit.fitting.cross_validation import Fold, cross_validate, make_folds
from odefit.fitting.outcome import FitOutcome
from odefit.fitting.report import Uncertainty, summarise
from odefit.fitting.run import Run
from odefit.problem.assembly import Assembly
from odefit.problem.preparation import prepare
from odefit.runs import folder as files
from odefit.runs.checkpoint import Checkpoint, Memory
from odefit.runs.progress import Progress, Silent
from odefit.runs.writing import PREDICTIONS, telling, write_conditions, write_data, write_parameters, write_weights
from odefit.status import Status

log = logging.getLogger(__name__)


def plan(
    loaded: LoadedConfig,
) -> tuple[Sequence[Experiment], Callable[[Path, Progress, Checkpoint], Run]]:
    """All measurements, and what is left to be done once there is a folder for it. Raises InputError."""
    assembly, truth = prepare(loaded)
    return assembly.measured, partial(_fit, assembly, make_folds(assembly), truth)


def _fit(
    assembly: Assembly,
    folds: tuple[Fold, ...],
    truth: dict[str, float] | None,
    path: Path,
    progress: Progress,
    checkpoint: Checkpoint,
) -> Run:
    for note in assembly.notes:
        progress.note(note)
    found = search(assembly, progress, checkpoint)
    result, uncertainty = summarise(assembly, found, checkpoint.seconds, truth)
    if folds and result.status.is_usable:
        try:
            scored, table = cross_validate(
                folds, found.theta, lambda one, kept: search(one, Silent(), kept), checkpoint
            )
            result = replace(result, cross_validation=scored)
            files.write_csv(path, files.FOLDS, table.header, table.rows)
        except KeyboardInterrupt:
            message = f"the cross-validation was interrupted; the fit itself {result.status}: {result.message}"
            result = replace(result, status=Status.INTERRUPTED, message=message)
    run = Run(path, result, assembly, found.theta)
    if result.status == Status.INTERRUPTED:
        checkpoint.write()
    write(run, found, uncertainty)
    if result.status != Status.INTERRUPTED:
        checkpoint.remove()
    return run


def search(assembly: Assembly, progress: Progress, memory: Memory | None = None) -> FitOutcome:
    """The parameters, by the method that the config names or that suits the model.

    memory: keeps what is reached on the way; default nothing.
    """
    name = assembly.loaded.config.fit.method
    if trains_equations(name) or assembly.networks is not None:
        from odefit.fitting.network_training import train

        return train(assembly, progress, memory=memory)
    method = suitable(assembly, progress) if name == AUTO else METHODS[name]
    from odefit.fitting.multistart import search_starts

    return search_starts(assembly, method, progress, memory)


def suitable(assembly: Assembly, progress: Progress) -> FitMethod:
    """The method for equations where the config leaves it open."""
    if not assembly.problem.is_least_squares:
        progress.note("This is no least-squares problem: Fisher scoring on its likelihood is used.")
    return METHODS[LEAST_SQUARES]


def write(run: Run, found: FitOutcome, uncertainty: Uncertainty | None) -> None:
    """Every file of the run folder; result.json last, since it says that the run is complete."""
    path, result = run.path, run.result
    write_data(path, run.loaded, run.measured, run.observables)
    with telling(path):
        own = write_conditions(path, run.loaded, run.measured)
    files.write_config(path, run.assembly.loaded, own)
    write_parameters(path, result)
    write_predictions(run)
    files.write_csv(path, files.HISTORY, found.history.header, found.history.rows)
    if found.start_table is not None:
        files.write_csv(path, files.STARTS, found.start_table.header, found.start_table.rows)
    if found.frames is not None:
        files.write_csv(path, files.FRAMES, found.frames.header, found.frames.rows)
    if uncertainty is not None:
        c = uncertainty.covariance
        slope = run.assembly.problem.table.natural_slopes(found.theta, c.names)
        natural = c.matrix * np.outer(slope, slope)
        rows = [[name, *map(float, row)] for name, row in zip(c.names, natural, strict=True)]
        files.write_csv(path, files.COVARIANCE, ("parameter", *c.names), rows)
    if found.weights is not None:
        write_weights(path, found.weights)
    files.write_json(path, files.RESULT, result.to_json())


def write_predictions(run: Run) -> None:
    """predictions.csv: every time of the data with measurement, prediction and residual per observable."""
    rows: list[list[Any]] = []
    try:
        curves = run.solve([e.times for e in run.measured])
    except SolveError as error:
        if run.result.status == Status.FAILED:
            files.write_csv(run.path, files.PREDICTIONS, PREDICTIONS, [])
            return
        raise FitError(f"the fitted model cannot be solved again: {error}") from error
    held = run.assembly.held_out
    for experiment, predicted, hidden in zip(run.measured, curves.observables, held, strict=True):
        limits = np.zeros(hidden.shape, dtype=np.int8) if experiment.censored is None else experiment.censored
        for column, name in enumerate(run.observables):
            cells = zip(
                experiment.times,
                experiment.values[:, column],
                predicted[:, column],
                limits[:, column],
                hidden[:, column],
                strict=True,
            )
            for t, d, g, limit, out in cells:
                # A limit is no measurement that something could be off by.
                residual = math.nan if limit else float(d - g)
                side = {-1: "below", 1: "above"}.get(int(limit))
                rows.append([experiment.name, float(t), name, float(d), float(g), residual, side, bool(out)])
    files.write_csv(run.path, files.PREDICTIONS, PREDICTIONS, rows)
