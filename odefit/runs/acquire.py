"""The folder of a fit while it runs: made or found again, and no other fit's meanwhile."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from odefit.data.atomic_files import remove_litter
from odefit.errors import OdefitError, RunError
from odefit.runs import folder as files
from odefit.runs.lock import LOCK, locked
from odefit.status import Status

MAX_NUMBERED = 10_000
RUNS = Path("runs")


@contextmanager
def acquire_run_folder(path: Path | None, name: str, overwrite: bool = False, resume: bool = False) -> Iterator[Path]:
    """The locked folder of a run: `path`, or `runs/<name>`, `runs/<name>-2`, … where none is asked for.

    A folder that is asked for and exists is refused unless `overwrite`; a folder that is no run folder is never
    overwritten. resume: take the newest of these whose fit is unfinished. A fit that is refused or ended before it
    has reached anything leaves nothing behind. Raises RunError.
    """
    if overwrite and resume:
        raise RunError(str(path or RUNS), "--resume goes on where --overwrite begins anew; say one of them")
    with ExitStack() as held:
        try:
            if resume:
                folder = _unfinished(path, name)
            else:
                folder = _numbered(name) if path is None else _explicit(path)
            held.push(partial(_remove_if_nothing, folder))
            held.enter_context(locked(folder))
            remove_litter(folder)
            if resume:
                check_unfinished(folder)
            elif path is not None:
                _vacate(folder, overwrite)
        except OSError as error:
            what = f"cannot make the run folder: {files.reason(error)}; use --out"
            raise RunError(str(path or RUNS), what) from error
        yield folder


def _numbered(name: str) -> Path:
    for number in range(1, MAX_NUMBERED):
        candidate = RUNS / (name if number == 1 else f"{name}-{number}")
        try:
            candidate.mkdir(parents=True)
        except FileExistsError:
            if candidate.parent.exists() and not candidate.parent.is_dir():
                raise
            continue
        return candidate
    raise RunError(str(RUNS), f"holds {MAX_NUMBERED} runs of {name} already; delete some, or use --out")


def _explicit(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise RunError(str(path), "is a file; a run needs a folder: choose another --out")
    path.mkdir(parents=True, exist_ok=True)
    return path


def _vacate(folder: Path, overwrite: bool) -> None:
    """Delete an earlier run, if that is wanted and it is one. Raises RunError."""
    if all(path.name == LOCK for path in folder.iterdir()):
        return
    if not overwrite:
        what = "holds an unfinished fit; go on with --resume" if is_unfinished(folder) else "exists already"
        raise RunError(str(folder), f"{what}; choose another --out, or say --overwrite")
    if not any((folder / name).exists() for name in (files.RESULT, files.CONFIG)) and not files.is_begun(folder):
        raise RunError(str(folder), "is not empty and no run folder, so it is not overwritten; choose another --out")
    for name in files.FILES:
        (folder / name).unlink(missing_ok=True)
    for picture in (folder / "plots").glob("*"):
        picture.unlink()


def _remove_if_nothing(folder: Path, kind: type[BaseException] | None, *_: object) -> None:
    """After an error: a log tells nothing that its message does not, unless it is one that should not be."""
    if kind is None or not issubclass(kind, OdefitError | KeyboardInterrupt | ImportError):
        return
    with suppress(OSError):
        if {path.name for path in folder.iterdir()} <= {files.LOG}:
            (folder / files.LOG).unlink(missing_ok=True)
            folder.rmdir()


def _unfinished(path: Path | None, name: str) -> Path:
    """Raises RunError where there is none."""
    if path is not None:
        if not path.is_dir():
            raise RunError(str(path), "is no run folder, so there is nothing to resume")
        check_unfinished(path)
        return path
    runs = _runs_of(name)
    for run in reversed(runs):
        if is_unfinished(run):
            return run
    if runs:
        check_unfinished(runs[-1])
    raise RunError(str(RUNS), f"holds no fit of {name}, so there is nothing to resume; leave --resume away")


def _runs_of(name: str) -> list[Path]:
    """`runs/<name>`, `runs/<name>-2`, …, as they were numbered."""
    pattern = re.compile(re.escape(name) + r"(?:-([1-9]\d{0,4}))?")
    found = {}
    for run in RUNS.iterdir() if RUNS.is_dir() else ():
        match = pattern.fullmatch(run.name)
        if match and run.is_dir():
            found[int(match[1] or 1)] = run
    return [found[number] for number in sorted(found)]


def check_unfinished(folder: Path) -> None:
    """Raises RunError where there is nothing to go on with."""
    if is_unfinished(folder):
        return
    if not (folder / files.RESULT).exists():
        raise RunError(str(folder), "is no run folder, so there is nothing to resume")
    what = f"the fit is finished ({status(folder)}), so there is nothing to resume; leave --resume away to fit again"
    raise RunError(str(folder), what)


def is_unfinished(folder: Path) -> bool:
    """Whether a fit has begun here, and was killed or interrupted."""
    if not files.is_begun(folder):
        return False
    return not (folder / files.RESULT).exists() or status(folder) == Status.INTERRUPTED


def status(folder: Path) -> str:
    """Of a finished or interrupted fit. Raises RunError where its result is damaged."""
    return str(files.read_json(folder, files.RESULT).get("status"))
