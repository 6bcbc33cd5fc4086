"""One fit per run folder: a lock that the system itself takes away when its process ends, however it ends.

Some file systems, such as those of clusters, have no locks. There a file that only one process can make says the same;
one that a killed process has left is recognised by its holder, which is no more.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from odefit.errors import RunError

LOCK = "lock"
FLOCK = "hhqqi4x"
"""`struct flock` of Linux on 64 bits: type, whence, start, length, process."""
WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What a file system says that has none."""
NOTE = "this file system has no locks, so the file `lock` alone keeps other fits out of the folder"

HOLDER = re.compile(r"process (\d{1,9}) on (.*)")
"""What the file `lock` says."""

# The system's locks are between processes; this is between the fits of one process.
_held: set[Path] = set()


class FolderHeld(RunError):
    """Another fit writes into the folder."""


@contextmanager
def locked(folder: Path) -> Iterator[tuple[str, ...]]:
    """Hold the lock of a folder that exists; gives what the user should know of it, a sentence each.

    Raises FolderHeld where another fit holds it, OSError as the system gave it. The file `lock` names its holder. One
    that a killed process has left is no obstacle.
    """
    path = folder.resolve() / LOCK
    if path in _held:
        raise FolderHeld(str(folder), "another fit of this process writes into this folder; choose another --out")
    descriptor, notes = _acquire(folder, path)
    _held.add(path)
    try:
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{_own_name()}\n".encode())
        yield notes
    finally:
        _held.discard(path)
        # Removed before it is let go: whoever waits for it sees that it is no longer the one at this path.
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


def is_held(folder: Path) -> bool:
    """Whether a fit writes into a folder, by the system's lock and what the file says; nothing is touched.

    A process of another machine is taken at its word, since its locks may not be seen here.
    """
    path = folder.resolve() / LOCK
    if path in _held:
        return True
    try:
        holder = _holder(path)
        if not holder or _has_ended(holder):
            return False
        return not _is_of_here(holder) or _is_locked(path)
    except (OSError, ValueError):
        return False


def _own_name() -> str:
    return f"process {os.getpid()} on {platform.node()}"


def _acquire(folder: Path, path: Path) -> tuple[int, tuple[str, ...]]:
    while True:
        descriptor, is_new = _open(path)
        try:
            _take(descriptor)
        except OSError as error:
            if error.errno in WITHOUT_LOCKS and is_new:
                return descriptor, (NOTE,)
            os.close(descriptor)
            if error.errno in WITHOUT_LOCKS:
                _remove_if_left(folder, path)
                continue
            if not isinstance(error, BlockingIOError | PermissionError):
                if is_new:
                    path.unlink(missing_ok=True)
                raise
            with suppress(OSError):
                what = f"another fit ({_holder(path) or 'that has just begun'}) writes into this folder"
                raise FolderHeld(str(folder), f"{what}; wait for it, or choose another --out") from None
            continue  # it has just ended
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor, ()
        os.close(descriptor)


def _open(path: Path) -> tuple[int, bool]:
    """The file, and whether it was made here; never through a link."""
    # Workers must not keep the lock of a main process that was killed: neither by fork (record locks are not
    # inherited) nor by exec (nor is this descriptor).
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
    while True:
        with suppress(FileExistsError):
            return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666), True
        if path.is_symlink():
            raise RunError(str(path), "is a link; no fit made that, so remove it")
        with suppress(FileNotFoundError):  # its holder has just ended
            return os.open(path, flags), False


def _holder(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def _remove_if_left(folder: Path, path: Path) -> None:
    """Remove the file of a process that is no more. Raises FolderHeld where it is, or may be, still there."""
    try:
        seen = os.stat(path)
        holder = _holder(path)
        if not _has_ended(holder):
            what = f"another fit ({holder or 'that has just begun'}) writes into this folder"
            remedy = f"wait for it, or choose another --out; if it has ended, delete the file {path.name}"
            raise FolderHeld(str(folder), f"{what}; {remedy}")
        if os.path.samestat(seen, os.stat(path)):
            path.unlink()
    except FileNotFoundError:
        return


def _is_of_here(holder: str) -> bool:
    found = HOLDER.fullmatch(holder)
    return found is not None and found[2] == platform.node()


def _has_ended(holder: str) -> bool:
    """Whether the holder was a process of this machine that is no more; of another machine nothing is known."""
    found = HOLDER.fullmatch(holder)
    if found is None or not _is_of_here(holder) or os.name != "posix":
        return False
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return int(found[1]) == os.getpid()  # a number that came again: this process holds no such lock


if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _is_locked(path: Path) -> bool:
        """Whether a process holds the lock of a file: here, its word is taken for it."""
        return path.exists()

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _is_locked(path: Path) -> bool:
        """Whether a process holds the lock of a file, without taking it; where that is not known, its word counts."""
        if sys.platform != "linux" or sys.maxsize < 2**32:
            return True
        with open(path, "rb") as file:
            try:
                found = fcntl.fcntl(file, fcntl.F_GETLK, struct.pack(FLOCK, fcntl.F_WRLCK, 0, 0, 0, 0))
            except OSError as error:
                return error.errno in WITHOUT_LOCKS
        return bool(struct.unpack(FLOCK, found)[0] != fcntl.F_UNLCK)
