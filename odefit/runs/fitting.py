"""`fit`: from a config to a run folder."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit.config.latent import LATENT_ODE
from odefit.config.load import LoadedConfig, load_config
from odefit.data.experiments import Experiment
from odefit.errors import ConfigError, FitError, SolveError
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
from odefit.runs.measured import read_measured
from odefit.runs.progress import Progress, Silent
from odefit.runs.report import Uncertainty, summarise
from odefit.runs.results import versions
from odefit.runs.run import Run
from odefit.runs.simulation import simulate_data
from odefit.runs.systems import Described, describe_system
from odefit.runs.writing import PREDICTIONS, telling, write_data, write_parameters, write_weights

if TYPE_CHECKING:
    from odefit.runs.latent_run import LatentRun

log = logging.getLogger(__name__)


def fit(
    config: Path | str | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    out: Path | str | None = None,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> Run | LatentRun:
    """Fit the model of a config to its data, and write the run folder.

    config: the YAML file, or what would stand in it as a mapping; paths are then relative to the current folder.
    overrides: `fit.starts=50` and the like. out: the run folder; default `runs/<name of the config>`,
    numbered. resume: go on with the fit in `out`, or the newest of these, that was killed or interrupted.
    Raises ConfigError, DataError, ModelError or RunError for the user's input, SolveError or
    FitError for the numerics. What was reached by then is kept in the run folder.
    """
    loaded = load_config(config, overrides)
    measured, work = _planned(loaded)
    with claim(None if out is None else Path(out), loaded.path.stem, overwrite, resume) as path, run_log(path):
        told = Logged(progress or Silent())
        log.info("fit of %s%s", loaded.path.resolve(), "".join(f", {text}" for text in overrides))
        log.info("versions: %s", ", ".join(f"{name} {version}" for name, version in versions().items()))
        checkpoint = Checkpoint(path, identity_of(loaded, measured), told.note)
        if resume:
            checkpoint.resume()
            log.info("resumed after %.3g s", checkpoint.seconds)
        with checkpoint.kept():
            run = work(path, told, checkpoint)
        log.info("%s: %s", run.result.status, run.result.message)
        return run


def _planned(
    loaded: LoadedConfig,
) -> tuple[Sequence[Experiment], Callable[[Path, Progress, Checkpoint], Run | LatentRun]]:
    """All measurements, and what is left to be done once there is a folder for it. Raises InputError."""
    if loaded.config.model.name == LATENT_ODE:
        from odefit.runs.latent import train_latent
        from odefit.runs.latent_task import prepare_latent

        task = prepare_latent(loaded)
        return task.measured, partial(train_latent, task)
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
    if folds and result.status in ("converged", "stopped"):
        try:
            scored, table = cross_validate(
                folds, found.theta, lambda one, kept: search(one, Silent(), kept), checkpoint
            )
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
    if loaded.config.model.name == LATENT_ODE:
        what = (
            "a latent ODE has no equations to be solved or differentiated here; it can be fitted, checked and plotted"
        )
        raise ConfigError(loaded.where("model", "name"), what)
    described = describe_system(loaded)
    notes: list[str] = []
    measured, truth = measurements(loaded, described, notes)
    return replace(assemble(loaded, described, measured), notes=tuple(notes)), truth


def measurements(
    loaded: LoadedConfig, described: Described, notes: list[str]
) -> tuple[tuple[Experiment, ...], dict[str, float] | None]:
    """The experiments that a config names or simulates, with the columns in the order of the observables.

    notes: takes what a user should know of how they were read, a sentence each.
    """
    data, names = loaded.config.data, tuple(described.system.observables)
    if data.spirals is not None:
        raise ConfigError(
            loaded.where("data", "spirals"), f"makes series for `name: {LATENT_ODE}`; use csv or simulate"
        )
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
    left_out: set[str] = set()
    chosen = loaded.config.model.observables is not None
    experiments = read_measured(loaded, names, notes, left_out=left_out, chosen=chosen)
    return under_conditions(loaded, experiments, described.system.states, described.conditions, left_out), None


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
        if run.result.status == "failed":
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
