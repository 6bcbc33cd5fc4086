"""Where a file cannot be written is known before the work, and is the user's path; what fails later is storage."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from commands import run
from odefit.data import outputs
from odefit.errors import RunError, StorageError

pytestmark = pytest.mark.quick


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    outputs.check_writable([path])
    assert not path.parent.exists()  # asking leaves nothing behind
    outputs.write_file(path, "x")
    assert path.read_text() == "x"


@pytest.mark.parametrize("place", ["file/b.txt", "folder", "a\0b"], ids=["no folder", "a folder", "no name"])
def test_a_path_where_no_file_can_be_is_the_users(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for ask in (lambda p: outputs.check_writable([p]), lambda p: outputs.write_file(p, "x")):
        with pytest.raises(RunError, match=r"cannot be written: .*; choose another place") as caught:
            ask(tmp_path / place)
        assert caught.value.exit_code == 2
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "folder"]


def test_what_the_system_refuses_later_is_no_mistake_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(outputs, "atomic_write", fail)
    with pytest.raises(StorageError, match=r"b\.txt: cannot be written: no space left on device$") as caught:
        outputs.write_file(tmp_path / "b.txt", "x")
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    "words",
    [
        ("predict", "no_such_run", "--out"),
        ("compare", "no_such_run", "no_such_run", "--out"),
        ("design", "no_such_run", "--candidates", "no_such_file", "--out"),
        ("report", "no_such_run", "--out"),
        ("init", "no_such_file", "--out"),
        ("schema", "--out"),
    ],
    ids=lambda words: words[0],
)
def test_commands_ask_before_they_read_anything(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    err = run(*words, str(tmp_path / "file" / "x.csv"), code=2)[1]
    assert "x.csv: cannot be written: not a directory; choose another place" in err
