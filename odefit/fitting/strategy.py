"""`fit` of equations: search, judge."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from odefit.config.fit_methods import AUTO, LEAST_SQUARES, METHODS, FitMethod, trains_equations
from odefit.config.load import LoadedConfig
from odefit.data.chosen_rows import Excluded
from odefit.data.experiments import Experiment
from odefit.errors import ConfigError
from odefit.fitting.outcome import FitOutcome
from odefit.fitting.report import summarise
from odefit.fitting.run import Run
from odefit.fitting.tightening import judged_by_solver, tightened
from odefit.problem.assembly import Assembly
from odefit.problem.preparation import prepare
from odefit.runs import folder as files
from odefit.runs.checkpoint import FitMemory, Memory
from odefit.runs.progress import Progress, Silent
from odefit.runs.results import Score
from odefit.runs.tables import Table
from odefit.status import Status
from odefit.uncertainty.estimation import Uncertainty

if TYPE_CHECKING:
    from odefit.fitting.cross_validation import Fold, WithinFold

log = logging.getLogger(__name__)


def plan(loaded: LoadedConfig) -> tuple[Sequence[Experiment], Callable[[Progress, FitMemory], Run]]:
    """All measurements, and what is left to be done. Raises InputError."""
    assembly, truth = prepare(loaded)
    folds: tuple[Fold, ...] = ()
    if loaded.config.fit.folds is not None:
        from odefit.fitting.cross_validation import make_folds

        folds = make_folds(assembly)
    return assembly.measured, partial(_fit, assembly, folds, truth)


def _fit(
    assembly: Assembly,
    folds: tuple[Fold, ...],
    truth: dict[str, float] | None,
    progress: Progress,
    memory: FitMemory,
) -> Run:
    with _cluster(assembly, progress):
        return _fit_here_or_there(assembly, folds, truth, progress, memory)


def _fit_here_or_there(
    assembly: Assembly,
    folds: tuple[Fold, ...],
    truth: dict[str, float] | None,
    progress: Progress,
    memory: FitMemory,
) -> Run:
    for note in assembly.notes:
        progress.note(note)
    assembly = replace(assembly, problem=assembly.problem.keeping())
    outcome = search(assembly, progress, memory)
    progress.now("standard errors and checks of the result")
    # Errors do not depend on where the searches were done.
    assembly = _unused(tightened(assembly, outcome.tightened))
    outcome = judged_by_solver(assembly, outcome)
    result, uncertainty = summarise(assembly, outcome, memory.seconds, truth)
    tables = _tables(assembly, outcome, uncertainty)
    folds = tuple(replace(fold, assembly=tightened(fold.assembly, outcome.tightened)) for fold in folds)
    if folds and result.status.is_usable:
        try:
            scored, tables[files.FOLDS] = _cross_validated(assembly, folds, outcome, progress, memory)
            result = replace(result, cross_validation=scored)
        except KeyboardInterrupt:
            message = f"the cross-validation was interrupted; the fit itself {result.status}: {result.message}"
            result = replace(result, status=Status.INTERRUPTED, message=message)
    # What the engine has learnt from its solves must not show: the run answers as the stored one will.
    return Run(None, result, _unused(assembly), outcome.theta, tables=tables)


def _cross_validated(
    assembly: Assembly, folds: tuple[Fold, ...], outcome: FitOutcome, progress: Progress, memory: FitMemory
) -> tuple[Score, Table]:
    """Raises KeyboardInterrupt where it was interrupted."""
    from odefit.fitting.cluster import current_cluster
    from odefit.fitting.cross_validation import cross_validate

    def without(fold: Assembly, kept: WithinFold) -> FitOutcome:
        progress.now(f"cross-validation, fold {kept.number + 1} of {len(folds)}")
        return search(fold, Silent(), kept)

    cluster, elsewhere = current_cluster(), None
    if cluster is not None:
        from odefit.fitting.folds_elsewhere import folds_elsewhere

        progress.now(f"cross-validation, {len(folds)} folds on the cluster")
        elsewhere = partial(folds_elsewhere, cluster, assembly, outcome.theta, outcome.tightened, search_quietly)
    return cross_validate(folds, outcome.theta, without, memory, elsewhere)


def _unused(assembly: Assembly) -> Assembly:
    """With an engine that has learnt nothing yet."""
    return replace(assembly, problem=assembly.problem.unused())


def plan_part(
    loaded: LoadedConfig, numbers: range
) -> tuple[Sequence[Experiment], Callable[[Progress, Memory], FitOutcome]]:
    """The same for some of the starts alone. Raises InputError, also where a network is trained."""
    assembly, _ = prepare(loaded)
    if assembly.networks is not None:
        raise ConfigError(loaded.where("model"), "has a network, which is trained from one start and has no parts")
    return assembly.measured, partial(_search_part, assembly, numbers)


def _search_part(assembly: Assembly, numbers: range, progress: Progress, memory: Memory) -> FitOutcome:
    for note in assembly.notes:
        progress.note(note)
    with _cluster(assembly, progress):
        return search(assembly, progress, memory, numbers)


@contextmanager
def _cluster(assembly: Assembly, progress: Progress) -> Iterator[None]:
    """With the cluster that the config names, unless a network is trained."""
    section = assembly.loaded.config.fit
    if section.cluster is None:
        yield
        return
    if trains_equations(section.method) or assembly.networks is not None:
        progress.note("Training is done on this machine: fit.cluster is not used.")
        yield
        return
    from odefit.fitting.cluster import cluster_of

    with cluster_of(assembly.loaded, progress.note):
        yield


def search_quietly(assembly: Assembly) -> FitOutcome:
    """As `search`, of which nothing is shown or kept."""
    return search(assembly, Silent())


def _tables(assembly: Assembly, outcome: FitOutcome, uncertainty: Uncertainty | None) -> dict[str, Table]:
    """What is kept of the way, and of the uncertainty on the natural scale."""
    tables = {files.HISTORY: outcome.history}
    if outcome.start_table is not None:
        tables[files.STARTS] = outcome.start_table
    if outcome.frames is not None:
        tables[files.FRAMES] = outcome.frames
    if uncertainty is not None:
        c = uncertainty.covariance
        slope = assembly.problem.table.natural_slopes(outcome.theta, c.names)
        natural = c.matrix * np.outer(slope, slope)
        rows = [[name, *map(float, row)] for name, row in zip(c.names, natural, strict=True)]
        tables[files.COVARIANCE] = Table(("parameter", *c.names), rows)
    if assembly.excluded:
        tables[files.EXCLUDED] = Table(Excluded.HEADER, [list(one.row) for one in assembly.excluded])
    return tables


def search(
    assembly: Assembly, progress: Progress, memory: Memory | None = None, part: range | None = None
) -> FitOutcome:
    """The parameters, by the method that the config names or that suits the model.

    memory: keeps what is reached on the way; default nothing. part: numbers of starts, where not all are searched here.
    """
    name = assembly.loaded.config.fit.method
    if trains_equations(name) or assembly.networks is not None:
        from odefit.fitting.network_training import train

        return train(assembly, progress, memory=memory)
    method = suitable(assembly, progress) if name == AUTO else METHODS[name]
    from odefit.fitting.multistart import search_starts

    return search_starts(assembly, method, progress, memory, part)


def suitable(assembly: Assembly, progress: Progress) -> FitMethod:
    """The method for equations where the config leaves it open."""
    if not assembly.problem.is_least_squares:
        progress.note("This is no least-squares problem: Fisher scoring on its likelihood is used.")
    return METHODS[LEAST_SQUARES]
