"""Files that are written where the user says: asked about before the work, and each whole or not at all.

A path at which nothing can be written is the user's input, and found before anything is computed (exit code 2); what
the system refuses later, such as a full disk, is a result that cannot be written (exit code 4).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from odefit.data.atomic_files import atomic_write, check_target
from odefit.data.source_files import reason
from odefit.errors import NO_ROOM, RunError, StorageError
from odefit.text import show


def check_writable(paths: Iterable[Path]) -> None:
    """Raises RunError where no file can be written at one of these paths; folders that lack would be made."""
    for path in paths:
        try:
            check_target(path)
        except OSError as error:
            kind = StorageError if error.errno in NO_ROOM else RunError
            raise kind(show(path), f"cannot be written: {reason(error)}; choose another place") from error


def write_file(path: Path, content: bytes | str) -> None:
    """A file whole or not at all, its folder made where it is missing.

    Raises
    ------
    RunError
        There can be no such file.
    StorageError
        The system does not write it.
    """
    check_writable([path])
    with telling_storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, content)


@contextmanager
def telling_storage(path: Path) -> Iterator[None]:
    """What keeps the system from writing a file is a StorageError that names it."""
    try:
        yield
    except OSError as error:
        raise StorageError(show(path), f"cannot be written: {reason(error)}") from error
