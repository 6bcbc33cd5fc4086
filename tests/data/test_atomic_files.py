"""A file appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from odefit.data.atomic_files import atomic_write

pytestmark = pytest.mark.quick


def test_atomic_write_replaces_and_keeps_permissions(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    atomic_write(file, "old ä\n")
    assert file.read_bytes() == "old ä\n".encode()
    os.chmod(file, 0o640)
    link = tmp_path / "link"
    link.symlink_to(file)
    atomic_write(link, b"new\r\n")
    assert link.is_symlink()
    assert file.read_bytes() == b"new\r\n"
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "link"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    file = tmp_path / "a.txt"
    atomic_write(file, "old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)):
        atomic_write(file, "new")
    monkeypatch.undo()
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_atomic_write_refuses_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        atomic_write(tmp_path, "x")
    with pytest.raises(FileNotFoundError):
        atomic_write(tmp_path / "none" / "x", "x")
    with pytest.raises(OSError, match="null"):
        atomic_write(tmp_path / "a\0b", "x")
    with pytest.raises(OSError, match="not a regular file"):
        atomic_write(os.devnull, "x")
    assert not Path(os.devnull).is_file()
    assert not list(tmp_path.iterdir())
