"""One fit per run folder: a lock that the system itself takes away when its process ends, however it ends."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from odefit.errors import RunError

LOCK = "lock"

# The system's locks are between processes; this is between the fits of one process.
_held: set[Path] = set()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder that exists. Raises RunError where another fit holds it, OSError as the system gave it.

    The file `lock` names its holder. One that a killed process has left is no obstacle.
    """
    path = folder.resolve() / LOCK
    if path in _held:
        raise RunError(str(folder), "another fit of this process writes into this folder; choose another --out")
    descriptor = _acquire(folder, path)
    _held.add(path)
    try:
        os.truncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield
    finally:
        _held.discard(path)
        # Removed before it is let go: whoever waits for it sees that it is no longer the one at this path.
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _acquire(folder: Path, path: Path) -> int:
    while True:
        # Workers must not keep the lock of a main process that was killed: neither by fork (record locks are not
        # inherited) nor by exec (nor is this descriptor).
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _take(descriptor)
        except OSError as error:
            os.close(descriptor)
            if not isinstance(error, BlockingIOError | PermissionError):
                raise
            with suppress(OSError):
                holder = path.read_text(encoding="utf-8").strip()
                what = f"another fit ({holder or 'that has just begun'}) writes into this folder"
                raise RunError(str(folder), f"{what}; wait for it, or choose another --out") from None
            continue  # it has just ended
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
