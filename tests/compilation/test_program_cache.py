"""Compiled programs on disk: found again, never trusted blindly, and never a reason to fail."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from commands import in_new_python
from odefit.compilation import program_cache
from odefit.compilation.program_cache import WithPrograms, folder, key_of, load, store
from odefit.engines.diffsol.compilation import ode_of

CODE = "in_i { k = 1.0 }\nu_i { y = 1.0 }\nF_i { -k*y }\n"
OTHER = "in_i { k = 1.0 }\nu_i { y = 2.0 }\nF_i { -k*y }\n"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of its own, and a process that has compiled nothing yet."""
    monkeypatch.setenv("ODEFIT_CACHE", str(tmp_path / "cache"))
    program_cache.clear_memory()
    yield tmp_path / "cache"
    program_cache.clear_memory()


def entries(place: Path) -> list[Path]:
    return sorted(place.glob("*")) if place.exists() else []


def fresh(key: str) -> bytes | None:
    """What another process would find."""
    program_cache.clear_memory()
    return load(key)


def start_of(code: str) -> float:
    return float(ode_of(code, False).y0(np.array([3.0]))[0])


def test_a_program_is_found_again(place: Path) -> None:
    key = key_of("test", "formulas")
    assert load(key) is None
    store(key, b"code")
    assert fresh(key) == b"code"
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert [stat.S_IMODE(entry.stat().st_mode) for entry in entries(place)] == [0o600]


def test_other_formulas_versions_and_kinds_are_other_programs() -> None:
    keys = {key_of("a", "x", "y"), key_of("a", "xy"), key_of("b", "x", "y"), key_of("a", "x", "z"), key_of("ax", "y")}
    assert len(keys) == 5


def test_the_processor_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key_of("a", "x")
    monkeypatch.setattr(program_cache, "processor", lambda: "another machine")
    assert key_of("a", "x") != before


def test_diffsol_compiles_a_program_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pydiffsol

    assert (start_of(CODE), start_of(OTHER)) == (1.0, 2.0)
    program_cache.clear_memory()
    monkeypatch.setattr(pydiffsol, "tsit45", None)  # what compiling needs
    assert (start_of(CODE), start_of(OTHER)) == (1.0, 2.0)
    found = ode_of(CODE, False).solve_dense(np.array([3.0]), np.array([0.5]))
    np.testing.assert_allclose(found.ys, np.exp(-1.5), rtol=1e-4)


@pytest.mark.parametrize("damage", [b"", b"x", b"odefit program 1\n", None, "flip", "longer"])
def test_a_damaged_entry_is_compiled_anew(place: Path, damage: bytes | str | None) -> None:
    assert start_of(CODE) == 1.0
    (entry,) = entries(place)
    whole = entry.read_bytes()
    if damage is None:
        damaged = whole[: len(whole) // 2]
    elif damage == "flip":
        damaged = whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:]
    elif damage == "longer":
        damaged = whole + b"\0"
    else:
        damaged = bytes(damage)  # type: ignore[arg-type]
    entry.write_bytes(damaged)
    program_cache.clear_memory()
    assert start_of(CODE) == 1.0
    assert [e.read_bytes()[:200] for e in entries(place)] == [whole[:200]]


def test_a_sealed_entry_that_the_compiler_refuses_is_compiled_anew(place: Path) -> None:
    assert start_of(CODE) == 1.0
    key = entries(place)[0].stem
    store(key, b"no program")
    program_cache.clear_memory()
    assert start_of(CODE) == 1.0
    assert fresh(key) not in (None, b"no program")


def test_an_entry_under_another_name_is_not_used(place: Path) -> None:
    store(key_of("test", "one"), b"code")
    (entry,) = entries(place)
    other = key_of("test", "two")
    os.rename(entry, entry.with_name(other + entry.suffix))
    assert fresh(other) is None


def test_what_others_may_write_is_not_used(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    key = key_of("test", "formulas")
    store(key, b"code")
    (entry,) = entries(place)
    entry.chmod(0o666)
    with caplog.at_level(logging.INFO):
        assert fresh(key) is None
    assert "somebody else" in caplog.text
    entry.chmod(0o600)
    place.chmod(0o777)
    assert fresh(key) is None
    store(key_of("test", "more"), b"code")
    assert len(entries(place)) == 1
    place.chmod(0o700)
    assert fresh(key) == b"code"


def test_entries_of_another_user_are_not_used(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = key_of("test", "formulas")
    store(key, b"code")
    monkeypatch.setattr(os, "getuid", lambda: 12345678)
    assert fresh(key) is None


def test_a_link_is_not_followed(place: Path, tmp_path: Path) -> None:
    key = key_of("test", "formulas")
    store(key, b"code")
    (entry,) = entries(place)
    entry.rename(tmp_path / "elsewhere")
    entry.symlink_to(tmp_path / "elsewhere")
    assert fresh(key) is None


@pytest.mark.parametrize("kind", ["a file", "below a file", "/proc/no/such"])
def test_a_folder_that_cannot_be_written_to_is_no_failure(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    chosen = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "x"}.get(kind, Path(kind))
    monkeypatch.setenv("ODEFIT_CACHE", str(chosen))
    assert start_of(CODE) == 1.0
    program_cache.clear_memory()
    assert start_of(CODE) == 1.0


def test_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ODEFIT_CACHE", "off")
    assert folder() is None
    assert start_of(CODE) == 1.0
    assert not list(tmp_path.iterdir())


def test_a_home_that_there_is_not_is_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ODEFIT_CACHE", "~no_such_user/cache")
    key = key_of("test", "formulas")
    store(key, b"code")
    assert fresh(key) == b"code"


def test_the_default_is_the_users_folder_of_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ODEFIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert folder() == tmp_path / "odefit"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the standard says to ignore it
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert folder() == tmp_path / "home" / ".cache" / "odefit"


def test_what_was_used_longest_ago_goes(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [key_of("test", str(i)) for i in range(4)]
    for age, key in enumerate(keys[:3]):
        store(key, b"x" * 1000)
        os.utime(place / f"{key}.program", (1e9 + age, 1e9 + age))
    assert fresh(keys[0]) is not None  # so it is young again
    monkeypatch.setattr(program_cache, "MAX_BYTES", 3500)
    store(keys[3], b"x" * 1000)
    assert [fresh(key) is not None for key in keys] == [True, False, True, True]


def write_often(key: str, number: int) -> None:
    for _ in range(50):
        store(key, bytes([number]) * 50_000)
        found = fresh(key)
        assert found is not None
        assert len(set(found)) == 1
        assert len(found) == 50_000


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="forks")
def test_two_writers_of_one_entry(place: Path) -> None:
    key = key_of("test", "formulas")
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_often, args=(key, number)) for number in (1, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len(entries(place)) == 1


def greeting() -> str:
    return "built"


def test_workers_know_what_was_compiled_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODEFIT_CACHE", "off")
    key = key_of("test", "formulas")
    store(key, b"code")
    sent = pickle.dumps(WithPrograms(greeting))
    program_cache.clear_memory()
    assert load(key) is None
    assert pickle.loads(sent)() == "built"  # noqa: S301  (made two lines above)
    assert load(key) == b"code"


def test_another_process_reads_what_this_one_wrote(place: Path) -> None:
    assert start_of(CODE) == 1.0
    before = {entry.name: entry.stat().st_ino for entry in entries(place)}
    text = f"from odefit.engines.diffsol.compilation import ode_of; print(len(ode_of({CODE!r}, False).code))"
    assert in_new_python("-c", text) == (0, f"{len(CODE)}\n", "")
    assert {entry.name: entry.stat().st_ino for entry in entries(place)} == before
