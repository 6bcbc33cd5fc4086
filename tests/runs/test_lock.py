"""One fit per folder, also where the file system has no locks."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from odefit.errors import RunError
from odefit.runs import lock
from odefit.runs.lock import locked

NOWHERE = 999_999_999
"""More than the largest process number that Linux gives."""


@pytest.fixture(params=[errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP], ids=["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def lockless(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that has no locks, and says so in one of the ways in which such file systems do."""

    def refuse(*_: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(lock.fcntl, "lockf", refuse)


@pytest.mark.usefixtures("lockless")
def test_a_file_takes_the_place_of_the_lock(tmp_path: Path) -> None:
    with locked(tmp_path) as notes:
        assert notes == (lock.NOTE,)
        assert f"process {os.getpid()} on {socket.gethostname()}" in (tmp_path / "lock").read_text()
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("lockless")
@pytest.mark.parametrize(
    ("holder", "is_free"),
    [
        (f"process {NOWHERE} on {socket.gethostname()}", True),
        (f"process {os.getppid()} on {socket.gethostname()}", False),
        (f"process {NOWHERE} on another-machine", False),
        ("", False),
    ],
)
def test_a_file_that_was_left_behind(holder: str, is_free: bool, tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(holder)
    if is_free:
        with locked(tmp_path) as notes:
            assert notes == (lock.NOTE,)
        assert not list(tmp_path.iterdir())
        return
    with pytest.raises(RunError, match="another fit"), locked(tmp_path):
        pass
    assert (tmp_path / "lock").read_text() == holder


def test_with_locks_a_file_that_was_left_behind_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(f"process {os.getppid()} on {socket.gethostname()}")
    with locked(tmp_path) as notes:
        assert notes == ()
    assert not list(tmp_path.iterdir())


def test_another_error_is_not_taken_for_a_missing_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(lock.fcntl, "lockf", fail)
    with pytest.raises(OSError, match="Input/output error"), locked(tmp_path):
        pass
    assert not list(tmp_path.iterdir())
