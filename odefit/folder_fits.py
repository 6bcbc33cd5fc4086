"""A fit that writes a run folder: begun, begun anew, or gone on with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odefit.config.load import LoadedConfig
from odefit.errors import RunError, StorageError
from odefit.model_kinds import call, kind_of
from odefit.records import dataclass
from odefit.runs import folder as files
from odefit.runs.acquire import RunFolder, acquire_run_folder
from odefit.runs.checkpoint import Checkpoint
from odefit.runs.fingerprint import changes, identity_of
from odefit.runs.log import Logged, run_log
from odefit.runs.progress import Progress
from odefit.runs.results import Result, versions
from odefit.runs.stored import read_start
from odefit.runs.writing import write_start
from odefit.status import Status
from odefit.tracking.hooks import check_trackers, tracked

if TYPE_CHECKING:
    from odefit.data.experiments import Experiment
    from odefit.fitting.run import Run
    from odefit.latent.latent_run import LatentRun

    Plan = tuple[Sequence[Experiment], Callable[..., Run | LatentRun]]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a fit goes, and what becomes of what is there.

    Attributes
    ----------
    out
        The run folder; default `runs/<name of the config>`, numbered.
    overwrite
        Replace an earlier run.
    resume
        Go on with one that was killed or interrupted; begin where there is none, take the result where it is finished.
    accept_changes
        Go on although config or data have changed since.
    """

    out: Path | None = None
    overwrite: bool = False
    resume: bool = False
    accept_changes: bool = False


@dataclass(frozen=True)
class Known:
    """What parts of a fit have reached, by the names of a checkpoint's parts, and in how many seconds."""

    reached: Mapping[str, Any]
    seconds: float


def fit_in_folder(
    loaded: LoadedConfig,
    place: Place,
    progress: Progress,
    title: str,
    load: Callable[[Path], Run | LatentRun],
    show: Callable[[Result], None] | None = None,
    known: Known | None = None,
) -> Run | LatentRun:
    """Fit a config into a run folder.

    Parameters
    ----------
    loaded
        The config.
    place
        The folder.
    progress
        Is told how it goes.
    title
        What run.log calls it.
    load
        Reads a run folder: the result of a fit that is finished already.
    show
        Is given the result as soon as there is one, before anything of it is written.
    known
        What parts of the fit have reached elsewhere, which it goes on from.

    Returns
    -------
    Run

    Raises
    ------
    InputError, SolveError, FitError
        As `odefit.fit` says.
    StorageError
        The result cannot be written; the error has the run.
    """
    check_trackers(loaded)
    if place.accept_changes and not place.resume:
        raise RunError("--accept-changes", "is about going on with an earlier fit: say --resume as well")
    # Faults of the input are told before there is a folder; what a resumed fit began with is known only there.
    plan: Plan | None = None if place.resume else call(kind_of(loaded).plan, loaded)
    with acquire_run_folder(place.out, loaded.path.stem, place.overwrite, place.resume) as folder:
        if plan is None:
            loaded = replace(loaded, earlier=read_start(folder.work))
            plan = call(kind_of(loaded).plan, loaded)
        told = Logged(progress)
        for note in folder.notes:
            told.note(note)
        if place.resume and folder.is_finished:
            _check_same(folder.path, loaded, plan[0], place, told)
            finished = load(folder.path)
            if show is not None:
                show(finished.result)
            return finished
        with run_log(folder.work):
            run = _fit(loaded, plan, folder, place, told, title, show, known)
    return replace(run, path=folder.result, tables={})


def _fit(
    loaded: LoadedConfig,
    plan: Plan,
    folder: RunFolder,
    place: Place,
    told: Logged,
    title: str,
    show: Callable[[Result], None] | None,
    known: Known | None,
) -> Run | LatentRun:
    path, (measured, work) = folder.work, plan
    log.info("fit of %s", title)
    log.info("versions: %s", ", ".join(f"{name} {version}" for name, version in versions().items()))
    identity = identity_of(loaded, measured)
    checkpoint = Checkpoint(path, identity, told.note)
    if known is not None:
        checkpoint.take(known.reached, known.seconds)
    if place.resume and folder.is_begun:
        checkpoint.resume(place.accept_changes)
        log.info("resumed after %.3g s", checkpoint.seconds)
        if checkpoint.other is not None:
            loaded = replace(loaded, earlier=checkpoint.other)
            measured, work = call(kind_of(loaded).plan, loaded)
    if loaded.earlier is not None:
        write_start(path, loaded.earlier)
    for note in loaded.notes:
        told.note(note)
    resumed = place.resume and folder.is_begun
    with checkpoint.kept(), tracked(loaded, lambda: identity, told, folder.path.name, path, resumed) as tracking:
        run: Run | LatentRun = work(told if tracking is None else tracking.progress, checkpoint)
        if show is not None:
            show(run.result)
        if run.result.status == Status.INTERRUPTED:
            checkpoint.write(last=True)
        told.now("writing the run folder")
        try:
            files.write_json(path, files.IDENTITY, identity, allow_nan=True)
            run.write(path)
        except StorageError as error:
            # What was reached is worth more than a part of the tables, which are made of it anew.
            for name in files.TABLES:
                (path / name).unlink(missing_ok=True)
            raise StorageError(error.faults[0].where, error.faults[0].what, run=run) from error
        if tracking is not None:
            tracking.finish(run)
        if run.result.status != Status.INTERRUPTED:
            checkpoint.remove()
        if folder.stays:
            told.note(f"the earlier result stays in {folder.path}; this one is in {path}")
    log.info("%s: %s", run.result.status, run.result.message)
    return run


def _check_same(path: Path, loaded: LoadedConfig, measured: Sequence[Experiment], place: Place, told: Progress) -> None:
    """Whether the finished fit in a folder is the one that was asked for. Raises RunError."""
    if not (path / files.IDENTITY).exists():
        return
    try:
        changed = changes(files.read_json(path, files.IDENTITY), identity_of(loaded, measured))
    except (KeyError, TypeError, AttributeError):
        raise RunError(str(path / files.IDENTITY), "is damaged; fit again") from None
    if changed and not place.accept_changes:
        remedy = "fit again with --overwrite or another --out; --resume --accept-changes shows that result"
        raise RunError(str(path), f"holds a finished fit, and {'; '.join(changed)}; {remedy}")
    for change in changed:
        told.note(change)
    told.note(f"the fit is finished: this is its result, in {path}")
