"""The folder of a fit while it runs: made or found again, and no other fit's meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from odefit.data.atomic_files import remove_litter
from odefit.data.source_files import reason
from odefit.errors import OdefitError, RunError
from odefit.records import dataclass
from odefit.runs import folder as files
from odefit.runs import replacement
from odefit.runs.lock import LOCK, FolderHeld, locked
from odefit.runs.validation import check_before_writing
from odefit.status import Status

MAX_NUMBERED = 10_000
RUNS = Path("runs")


@dataclass(frozen=True)
class RunFolder:
    """A folder that no other fit writes into.

    Attributes
    ----------
    path
        The run folder.
    work
        Where this fit writes: there, or inside of it where the result is to replace an earlier one.
    is_begun
        Whether a fit has begun there before.
    notes
        What the user should know of it, a sentence each.
    """

    path: Path
    work: Path
    is_begun: bool = False
    notes: tuple[str, ...] = ()

    @property
    def replaces(self) -> bool:
        """Whether there is an earlier result, which stays until the new one is complete."""
        return self.work != self.path

    @property
    def stays(self) -> bool:
        """Whether the earlier result stays although there is a new one, which is not worth it."""
        return self.replaces and not replacement.supersedes(self.path)

    @property
    def is_finished(self) -> bool:
        """Whether the fit that was to be resumed is at its end."""
        return holds_result(self.work) and not is_unfinished(self.work)

    @property
    def result(self) -> Path:
        """Where the new result lies, once the folder is released."""
        return self.work if (self.work / files.RESULT).exists() else self.path


@contextmanager
def acquire_run_folder(
    path: Path | None, name: str, overwrite: bool = False, resume: bool = False, is_part: bool = False
) -> Iterator[RunFolder]:
    """The locked folder of a run: `path`, or `runs/<name>`, `runs/<name>-2`, … where none is asked for.

    A folder that is asked for and holds a run is refused unless `overwrite`; then its result stays until the new one is
    complete. A folder that is no run folder is never written into. resume: take the newest of these whose fit is
    unfinished and that is free; else the newest, which is finished; else a new one. A fit that is refused or ended
    before it has reached anything leaves nothing behind. is_part: of a run, which `overwrite` replaces at once. Raises
    RunError.
    """
    if overwrite and resume:
        raise RunError(str(path or RUNS), "--resume goes on where --overwrite begins anew; say one of them")
    with ExitStack() as held:
        try:
            if resume and path is None and _runs_of(name):
                acquired = _resumable(_runs_of(name), held)
            else:
                folder = _numbered(name, held) if path is None else _explicit(path, held)
                acquired = _claimed(folder, held, resume)
            if acquired.work == acquired.path and not resume and path is not None:
                acquired = _vacated(acquired, overwrite, is_part)
            if acquired.replaces:
                held.push(partial(_remove_if_nothing, acquired.work))
        except OSError as error:
            what = f"cannot make the run folder: {reason(error)}; use --out"
            raise RunError(str(path or RUNS), what) from error
        yield acquired
        _conclude(acquired)


def _claimed(folder: Path, held: ExitStack, resume: bool) -> RunFolder:
    """A folder that exists, locked, with what killed processes left in it put in order."""
    check_before_writing(folder)
    held.push(partial(_remove_if_nothing, folder))
    notes = held.enter_context(locked(folder))
    remove_litter(folder)
    replacement.settle(folder)
    work = folder
    if resume:
        _check_ours(folder)
        staged = folder / replacement.STAGED
        work = staged if staged.is_dir() and is_unfinished(staged) else folder
        check_before_writing(work)
        remove_litter(work)
    return RunFolder(folder, work, files.is_begun(work), notes)


def _conclude(acquired: RunFolder) -> None:
    """A result that is complete takes the place of the earlier one. Raises RunError."""
    if not acquired.replaces:
        return
    try:
        replacement.settle(acquired.path)
    except OSError as error:
        what = f"cannot replace the earlier result: {reason(error)}; the new one is in {acquired.work}"
        raise RunError(str(acquired.path), what) from error


def _numbered(name: str, held: ExitStack) -> Path:
    for number in range(1, MAX_NUMBERED):
        candidate = RUNS / (name if number == 1 else f"{name}-{number}")
        try:
            _make(candidate, held)
        except FileExistsError:
            if candidate.parent.exists() and not candidate.parent.is_dir():
                raise
            continue
        return candidate
    raise RunError(str(RUNS), f"holds {MAX_NUMBERED} runs of {name} already; delete some, or use --out")


def _explicit(path: Path, held: ExitStack) -> Path:
    if path.exists() and not path.is_dir():
        raise RunError(str(path), "is a file; a run needs a folder: choose another --out")
    if not path.exists():
        _make(path, held)
    return path


def _make(path: Path, held: ExitStack) -> None:
    """A new folder, and those above it, which are gone again where the fit leaves nothing in them."""
    missing = [folder for folder in path.parents if not folder.exists()]
    path.mkdir(parents=True)
    held.push(partial(_remove_empty, [path, *missing]))


def _remove_empty(folders: list[Path], kind: type[BaseException] | None, *_: object) -> None:
    if kind is not None:
        for folder in folders:
            with suppress(OSError):
                folder.rmdir()


def _vacated(acquired: RunFolder, overwrite: bool, is_part: bool) -> RunFolder:
    """The same, with a place for a result that replaces the earlier one, if there is one. Raises RunError."""
    folder = acquired.path
    if all(path.name == LOCK for path in folder.iterdir()):
        return acquired
    if not overwrite:
        what = "holds an unfinished fit; go on with --resume" if is_unfinished(folder) else "exists already"
        raise RunError(str(folder), f"{what}; choose another --out, or say --overwrite")
    _check_ours(folder)
    if is_part and not (folder / files.RESULT).exists():
        replacement.clear(folder)  # a part is computed anew or not
        return acquired
    if (folder / replacement.STAGED).exists():
        check_before_writing(folder / replacement.STAGED)
    return RunFolder(folder, replacement.stage(folder), notes=acquired.notes)


def _check_ours(folder: Path) -> None:
    """Raises RunError where a folder holds something else than a run."""
    is_run = files.is_begun(folder) or holds_result(folder) or (folder / files.CONFIG).exists()
    if not is_run and any(path.name != LOCK for path in folder.iterdir()):
        raise RunError(str(folder), "is not empty and no run folder, so it is not overwritten; choose another --out")


def _remove_if_nothing(folder: Path, kind: type[BaseException] | None, *_: object) -> None:
    """After an error: a log tells nothing that its message does not, unless it is one that should not be."""
    if kind is None or not issubclass(kind, OdefitError | KeyboardInterrupt | ImportError):
        return
    with suppress(OSError):
        if {path.name for path in folder.iterdir()} <= {files.LOG}:
            (folder / files.LOG).unlink(missing_ok=True)
            folder.rmdir()


def _resumable(runs: list[Path], held: ExitStack) -> RunFolder:
    """The newest of these runs that is unfinished and free; else the newest that is finished. Raises RunError."""
    refused: FolderHeld | None = None
    for run in reversed(runs):
        if not is_unfinished(run) and not is_unfinished(run / replacement.STAGED):
            continue
        with ExitStack() as tried:
            try:
                acquired = _claimed(run, tried, resume=True)
            except FolderHeld as error:
                refused = refused or error
                continue
            if not acquired.is_finished:  # else it was finished meanwhile
                held.push(tried.pop_all())
                return acquired
    if refused is not None:
        raise refused
    return _claimed(runs[-1], held, resume=True)


def _runs_of(name: str) -> list[Path]:
    """`runs/<name>`, `runs/<name>-2`, …, as they were numbered: those that hold a run."""
    pattern = re.compile(re.escape(name) + r"(?:-([1-9]\d{0,4}))?")
    found = {}
    for run in RUNS.iterdir() if RUNS.is_dir() else ():
        match = pattern.fullmatch(run.name)
        if match and run.is_dir() and (files.is_begun(run) or holds_result(run)):
            found[int(match[1] or 1)] = run
    return [found[number] for number in sorted(found)]


def is_unfinished(folder: Path) -> bool:
    """Whether a fit has begun here, and was killed or interrupted."""
    if not files.is_begun(folder) or (folder / files.PART).exists():
        return False
    return not (folder / files.RESULT).exists() or status(folder) == Status.INTERRUPTED


def holds_result(folder: Path) -> bool:
    """Whether a folder has the result of a run, or of a part of one."""
    return any((folder / name).exists() for name in (files.RESULT, files.PART))


def status(folder: Path) -> str:
    """Of a finished or interrupted fit. Raises RunError where its result is damaged."""
    return str(files.read_json(folder, files.RESULT).get("status"))
