"""Writing files so that each appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from pathlib import Path

_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")


def atomic_write(path: Path | str, data: bytes | str, previous: Path | None = None, *, named: bool = True) -> None:
    """Write a file whole or not at all: a reader sees the old file or the new one, never a part.

    The bytes go to a temporary file in the same folder, reach the disk, and are then renamed onto `path`; a symbolic
    link is followed, and an existing file keeps its permissions.

    Parameters
    ----------
    path
        The file.
    data
        Its bytes, or its text, which is written as UTF-8.
    previous
        Where what stood at `path` is moved to, once the new bytes are on the disk.
    named
        Whether the new name reaches the disk, too. Of many files in one folder it is enough that the last one's does.

    Raises
    ------
    OSError
        As the system gave it: disk full, no permission, a folder that is missing, a `path` that is no regular file.
        Nothing is left behind then, and what stood at `path` still stands.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    try:
        target = Path(os.path.realpath(path))
    except ValueError as error:  # a NUL in the name
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    mode = _mode_of(target)
    temporary = target.parent / f".{secrets.token_hex(8)}.tmp"  # see _TEMPORARY
    try:
        # O_EXCL: never through a link that someone else put there; 0o666 lets the umask decide.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        with open(descriptor, "wb") as file:
            if mode is not None:
                os.chmod(temporary, mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if previous is not None and mode is not None:
            os.replace(target, previous)
        os.replace(temporary, target)
    except BaseException:  # Ctrl-C too must leave no litter
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if named:
        sync_folder(target.parent)


def check_target(path: Path | str) -> None:
    """Raise the OSError that `atomic_write` would, as far as it is known before; a folder that is missing is none."""
    import tempfile

    try:
        target = Path(os.path.realpath(path))
    except ValueError as error:  # a NUL in the name
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    _mode_of(target)
    folder = target.parent
    while not folder.exists():
        folder = folder.parent
    with tempfile.TemporaryFile(dir=folder):  # permissions alone do not tell: the file system may be read-only
        pass


def remove_litter(folder: Path) -> None:
    """Delete the temporary files of processes that were killed while they wrote into `folder`."""
    for path in folder.glob(".*.tmp"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _mode_of(target: Path) -> int | None:
    """Permissions of the file that will be replaced, None where there is none yet."""
    try:
        found = target.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if not stat.S_ISREG(found.st_mode):  # a rename would put a plain file in the place of /dev/null
        raise OSError(errno.EINVAL, "not a regular file", str(target))
    if not os.access(target, os.W_OK):  # a rename would not ask
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))
    return stat.S_IMODE(found.st_mode)


def sync_folder(folder: Path) -> None:
    """Make renames survive a power cut, where the system can; the files themselves are in place already."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
