"""`fit`: from a config to a run folder."""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from odefit.config.load import LoadedConfig, load_config
from odefit.data.experiments import Experiment
from odefit.data.tables import read_table, write_table
from odefit.errors import ConfigError, DataError, FitError, RunError, SolveError
from odefit.objective.kind import is_least_squares
from odefit.runs import folder as files
from odefit.runs.assembly import Assembly, assemble
from odefit.runs.checkpoint import Checkpoint, Memory
from odefit.runs.claim import claim
from odefit.runs.conditions import under_conditions, write_conditions
from odefit.runs.folds import Fold, cross_validate, make_folds
from odefit.runs.found import Found
from odefit.runs.identity import identity_of
from odefit.runs.log import Logged, run_log
from odefit.runs.progress import Progress, Silent
from odefit.runs.report import Uncertainty, summarise
from odefit.runs.results import Result, versions
from odefit.runs.run import Run
from odefit.runs.simulation import simulate_data
from odefit.runs.systems import Described, describe_system

log = logging.getLogger(__name__)


def fit(
    config: Path | str,
    overrides: Sequence[str] = (),
    *,
    out: Path | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> Run:
    """Fit the model of a config to its data, and write the run folder.

    overrides: `fit.starts=50` and the like. out: the run folder; default `runs/<name of the config>`,
    numbered. resume: go on with the fit in `out`, or the newest of these, that was killed or interrupted.
    Raises ConfigError, DataError, ModelError or RunError for the user's input, SolveError or
    FitError for the numerics. What was reached by then is kept in the run folder.
    """
    loaded = load_config(config, overrides)
    assembly, truth = prepare(loaded)
    folds = make_folds(assembly)
    with claim(None if out is None else Path(out), loaded.path.stem, overwrite, resume) as path, run_log(path):
        told = Logged(progress or Silent())
        log.info("fit of %s%s", loaded.path.resolve(), "".join(f", {text}" for text in overrides))
        log.info("versions: %s", ", ".join(f"{name} {version}" for name, version in versions().items()))
        checkpoint = Checkpoint(path, identity_of(assembly), told.note)
        if resume:
            checkpoint.resume()
            log.info("resumed after %.3g s", checkpoint.seconds)
        with checkpoint.kept():
            run = _fit(path, assembly, folds, truth, told, checkpoint)
        log.info("%s: %s", run.result.status, run.result.message)
        return run


def _fit(
    path: Path,
    assembly: Assembly,
    folds: tuple[Fold, ...],
    truth: dict[str, float] | None,
    progress: Progress,
    checkpoint: Checkpoint,
) -> Run:
    found = search(assembly, progress, checkpoint)
    result, uncertainty = summarise(assembly, found, checkpoint.seconds, truth)
    if folds and result.status in ("converged", "stopped"):
        try:
            scored, table = cross_validate(folds, found.theta, lambda one: search(one, Silent()), checkpoint)
            result = replace(result, cross_validation=scored)
            files.write_csv(path, files.FOLDS, table.header, table.rows)
        except KeyboardInterrupt:
            message = f"the cross-validation was interrupted; the fit itself {result.status}: {result.message}"
            result = replace(result, status="interrupted", message=message)
    run = Run(path, result, assembly, found.theta)
    if result.status == "interrupted":
        checkpoint.write()
    write(run, found, uncertainty)
    if result.status != "interrupted":
        checkpoint.remove()
    return run


def prepare(loaded: LoadedConfig) -> tuple[Assembly, dict[str, float] | None]:
    """Everything before the search: the assembled problem, and the truth where the data are simulated."""
    described = describe_system(loaded)
    measured, truth = measurements(loaded, described)
    return assemble(loaded, described, measured), truth


def measurements(loaded: LoadedConfig, described: Described) -> tuple[tuple[Experiment, ...], dict[str, float] | None]:
    """The experiments that a config names or simulates, with the columns in the order of the observables."""
    data, names = loaded.config.data, tuple(described.system.observables)
    if data.simulate is not None:
        simulated = simulate_data(loaded, described)
        missing = [name for name in names if name not in simulated.observables]
        if missing:
            raise ConfigError(
                loaded.where("data", "simulate", "model"),
                f"does not make the observable '{missing[0]}'; it makes {', '.join(simulated.observables)}",
            )
        order = [simulated.observables.index(name) for name in names]
        reordered = (replace(e, values=e.values[:, order]) for e in simulated.experiments)
        return tuple(reordered), dict(simulated.truth)
    assert data.csv is not None  # the schema sees to it
    experiments = read_table(
        loaded.folder / data.csv,
        observables=names,
        time=data.time,
        experiment=data.experiment,
        columns=data.columns,
        only=data.only,
        ignore=data.ignore,
        start=data.start,
        where=loaded.where("data", "csv"),
    )
    return under_conditions(loaded, experiments, described.system.states, described.conditions), None


def search(assembly: Assembly, progress: Progress, memory: Memory | None = None) -> Found:
    """The parameters, by the method that the config names or that suits the model.

    memory: keeps what is reached on the way; default nothing.
    """
    method: str = assembly.loaded.config.fit.method
    if method == "adam" or assembly.networks is not None:
        from odefit.runs.training import train

        return train(assembly, progress, memory=memory)
    method = suitable(assembly, progress) if method == "auto" else method
    from odefit.runs.searching import search_starts

    return search_starts(assembly, method, progress, memory)


def suitable(assembly: Assembly, progress: Progress) -> str:
    """The method for equations where the config leaves it open."""
    if not is_least_squares(assembly.problem):
        progress.note("This is no least-squares problem: Fisher scoring on its likelihood is used.")
    return "least_squares"


def write(run: Run, found: Found, uncertainty: Uncertainty | None) -> None:
    """Every file of the run folder; result.json last, since it says that the run is complete."""
    path, result = run.path, run.result
    try:
        time = run.assembly.loaded.config.data.time or "time"
        write_table(path / files.DATA, run.measured, run.observables, time=time)
        own = write_conditions(path, run.assembly.loaded, run.measured)
    except DataError as error:
        raise RunError(str(path / files.DATA), f"cannot be written: {error.faults[0].what}") from error
    except OSError as error:
        raise RunError(str(path / files.DATA), f"cannot be written: {files.reason(error)}") from error
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
        rows = [[name, *map(float, row)] for name, row in zip(c.names, c.matrix, strict=True)]
        files.write_csv(path, files.COVARIANCE, ("parameter", *c.names), rows)
    if found.weights is not None:
        files.write_text(path, files.WEIGHTS, _weights_bytes(found.weights))
    files.write_json(path, files.RESULT, result.to_json())


def _weights_bytes(weights: Mapping[str, Any]) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(dict(weights), buffer)
    return buffer.getvalue()


def write_parameters(path: Path, result: Result) -> None:
    """parameters.csv: one row per parameter."""
    header = (
        "name",
        "value",
        "standard_error",
        "low",
        "high",
        "scale",
        "unit",
        "fixed",
        "at_bound",
        "truth",
        "formula",
    )
    rows = []
    for name, e in result.estimates.items():
        low, high = e.interval or (None, None)
        truth = (result.truth or {}).get(name)
        rows.append(
            [name, e.value, e.standard_error, low, high, e.scale, e.unit, e.fixed, e.at_bound, truth, e.formula]
        )
    files.write_csv(path, files.PARAMETERS, header, rows)


def write_predictions(run: Run) -> None:
    """predictions.csv: every time of the data with measurement, prediction and residual per observable."""
    header = ("experiment", "time", "observable", "measured", "predicted", "residual", "censored", "held_out")
    rows: list[list[Any]] = []
    try:
        curves = run.solve([e.times for e in run.measured])
    except SolveError as error:
        if run.result.status == "failed":
            files.write_csv(run.path, files.PREDICTIONS, header, [])
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
    files.write_csv(run.path, files.PREDICTIONS, header, rows)
