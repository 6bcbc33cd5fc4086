"""A new result in the place of an earlier one: written beside it, and put there when it is whole.

The fit that begins anew in a folder writes into a folder of its own inside of it, as into any run folder. When its
result is whole a mark says so, and from this moment on that is the result, wherever it lies. Only then are the files of
the earlier one deleted and the new ones put in their place; the mark goes last. A process that is killed on the way
leaves the earlier result or the new one, and whoever opens the folder for writing next finishes the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from os import link
from pathlib import Path

from odefit.data.atomic_files import atomic_write, remove_litter, sync_folder
from odefit.errors import RunError
from odefit.runs import folder as files
from odefit.status import Status

STAGED = "next-result"
"""The folder inside of a run folder."""
MARK = "complete"
"""The file in it that says that its result is whole."""
SIGNS = (
    MARK,
    files.RESULT,
    files.IDENTITY,
    files.START,
    files.START_WEIGHTS,
    files.LOG,
    files.CHECKPOINT,
    files.PREVIOUS,
)
"""One of them is there as long as any file of a fit: they are written first and deleted last."""


def readable(folder: Path) -> Path:
    """Where the result of a run folder lies: there, or in the new one that was not yet put in its place."""
    return folder / STAGED if (folder / STAGED / MARK).exists() else folder


def stage(folder: Path) -> Path:
    """An empty folder for the result that is to replace the one in `folder`. Raises RunError, or OSError."""
    staged = folder / STAGED
    staged.mkdir(exist_ok=True)
    remove_litter(staged)
    if any(staged.iterdir()) and not any((staged / name).exists() for name in SIGNS):
        raise RunError(str(staged), "is not empty and no fit wrote it; move it away, or choose another --out")
    (staged / MARK).unlink(missing_ok=True)
    clear(staged)
    return staged


def supersedes(folder: Path) -> bool:
    """Whether the new result in a folder may take the place of the earlier one.

    One that was interrupted is not complete, and a failure has nothing that would be worth an earlier result.
    """
    new, old = _status(folder / STAGED), _status(folder)
    return new is not None and new != Status.INTERRUPTED and (new != Status.FAILED or old == Status.FAILED)


def _status(folder: Path) -> str | None:
    if not (folder / files.RESULT).exists():
        return None
    with suppress(RunError):  # a damaged result is none
        return str(files.read_json(folder, files.RESULT).get("status"))
    return None


def settle(folder: Path) -> None:
    """Let a new result that is whole take the place of the earlier one, or finish that. Raises OSError."""
    staged = folder / STAGED
    if not (staged / MARK).exists():
        if not supersedes(folder):
            return
        atomic_write(staged / MARK, "This result is whole, and replaces the one in the folder above.\n")
    clear(folder)
    for path in reversed(list(_written(staged))):  # result.json last, since it says that the run is complete
        if path.name not in (files.CHECKPOINT, files.PREVIOUS):
            _place(path, folder / path.name)
    sync_folder(folder)
    (staged / MARK).unlink()
    clear(staged)
    with suppress(OSError):  # what no fit wrote stays
        staged.rmdir()


def _place(path: Path, target: Path) -> None:
    """The same file under another name; a copy where the file system knows no second names."""
    try:
        link(path, target)
    except FileExistsError:
        raise
    except OSError:
        atomic_write(target, path.read_bytes())


def clear(folder: Path) -> None:
    """Delete what a fit wrote into a folder, result.json first, and nothing else."""
    remove_litter(folder)
    for path in (*_written(folder), *_pictures(folder)):
        path.unlink()
    with suppress(OSError):
        (folder / files.PLOTS).rmdir()


def _written(folder: Path) -> Iterator[Path]:
    """The files that a fit writes, as far as they are there and files: result.json first."""
    return (folder / name for name in files.FILES if _is_file(folder / name))


def _pictures(folder: Path) -> Iterator[Path]:
    plots = folder / files.PLOTS
    if plots.is_dir() and not plots.is_symlink():
        yield from (plots / name for name in files.PICTURES if _is_file(plots / name))


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
