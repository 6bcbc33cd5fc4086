"""A new result takes the place of an earlier one: whole, or not at all; and what no fit wrote stays as it is."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from listeners import StopAt
from odefit.errors import RunError
from odefit.plots.kinds import OF_EQUATIONS, OF_LATENT_ODES
from odefit.runs import folder as files
from odefit.runs import replacement

GROWTH: dict[str, Any] = {"model": {"equations": {"N": "r*N*(1 - N/K)"}}, "parameters": {"r": 0.5, "K": 50}}
EVENTS = ("os.mkdir", "os.rmdir", "os.remove", "os.rename", "os.link", "os.truncate")
"""What changes a folder, as Python's own audit tells it."""


def grown(seed: int) -> pd.DataFrame:
    t = np.linspace(0, 12, 9)
    n = 60 / (1 + 14 * np.exp(-0.8 * t)) + np.random.default_rng(seed).normal(0, 1, 9)
    return pd.DataFrame({"time": t, "N": n})


@pytest.fixture(scope="module")
def old() -> odefit.Run:
    return odefit.fit(GROWTH, data=grown(1))


@pytest.fixture(scope="module")
def new() -> odefit.Run:
    return odefit.fit(GROWTH, data=grown(2))


@pytest.fixture
def folder(tmp_path: Path, old: odefit.Run) -> Path:
    """A run folder with files of the user's."""
    path = tmp_path / "r"
    old.save(path)
    (path / "plots" / "mine").mkdir(parents=True)
    (path / "plots" / "mine" / "draft.txt").write_text("draft")
    (path / "plots" / "history.png").write_text("a picture that a fit drew")
    (path / "plots" / "history_annotated.png").write_text("annotated by hand")
    (path / "notes.txt").write_text("notes")
    return path


def own_files(folder: Path) -> dict[str, str]:
    names = ("plots/mine/draft.txt", "plots/history_annotated.png", "notes.txt")
    return {name: (folder / name).read_text() for name in names}


def written(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files.FILES if (folder / name).is_file()}


def test_what_no_fit_wrote_stays(folder: Path, new: odefit.Run, tmp_path: Path) -> None:
    before = own_files(folder)
    new.save(folder, overwrite=True)
    assert own_files(folder) == before
    assert odefit.load_run(folder).result == new.result
    assert written(folder) == written(new.save(tmp_path / "alone").path or folder)
    assert sorted(path.name for path in (folder / "plots").iterdir()) == ["history_annotated.png", "mine"]
    assert not (folder / replacement.STAGED).exists()


def killed_at(number: int, folder: Path, work: Callable[[], object]) -> bool:
    """Do some work in a process that ends when it changes the folder for this time; whether it came that far."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which the work does not need
        pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0
    left = number

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        changes = event in EVENTS or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if changes and str(arguments[0]).startswith(str(folder)):
            left -= 1
            if not left:
                os._exit(9)

    sys.addaudithook(look)
    os.fsync = lambda _: None  # type: ignore[assignment]  # the disk itself does not fail here
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_any_step_it_leaves_the_old_result_or_the_new_one(
    folder: Path, old: odefit.Run, new: odefit.Run
) -> None:
    before, whole = own_files(folder), shutil.copytree(folder, folder.parent / "whole")
    seen, number = [], 0
    while True:
        number += 1
        if not killed_at(number, folder, lambda: new.save(folder, overwrite=True)):
            break
        found = odefit.load_run(folder)
        assert found.result in (old.result, new.result)
        kept = old if found.result == old.result else new
        assert [e.values.tolist() for e in found.measured] == [e.values.tolist() for e in kept.measured]
        assert own_files(folder) == before
        seen.append(found.result == new.result)
        if number % 4 == 0:  # whoever comes next finishes the work, or does it anew
            new.save(folder, overwrite=True)
            assert odefit.load_run(folder).result == new.result
            assert own_files(folder) == before
        if seen[-1] or number % 4 == 0:
            shutil.rmtree(folder)
            shutil.copytree(whole, folder)
    assert seen == sorted(seen)
    assert seen.count(False) > 10
    assert seen.count(True) > 10


def test_an_interrupted_or_failed_fit_replaces_nothing(folder: Path, old: odefit.Run) -> None:
    config = GROWTH | {"fit": {"starts": 5, "workers": 1}}
    notes = StopAt(start=2)
    stopped = odefit.fit(config, data=grown(2), out=folder, overwrite=True, progress=notes)
    assert stopped.result.status == "interrupted"
    assert stopped.path == folder / "next-result"
    assert any("the earlier result stays in" in note for note in notes.notes)
    assert odefit.load_run(folder).result == old.result
    resumed = odefit.fit(config, data=grown(2), out=folder, resume=True)
    assert resumed.result.status == "converged"
    assert resumed.path == folder
    assert odefit.load_run(folder).result.starts.finished == 5
    explosive = {"model": {"equations": {"N": "k*N^2"}}, "parameters": {"k": {"value": 9, "bounds": [8, 10]}}}
    failed = odefit.fit(explosive, data=grown(2), out=folder, overwrite=True)
    assert failed.result.status == "failed"
    assert odefit.load_run(folder).result.status == "converged"
    assert odefit.load_run(failed.path).result.status == "failed"


def test_without_second_names_the_files_are_copied(
    folder: Path, new: odefit.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(replacement, "link", refuse)
    new.save(folder, overwrite=True)
    assert odefit.load_run(folder).result == new.result


@pytest.mark.parametrize("name", ["plots", "lock", "run.log", "history.csv", "next-result"])
def test_links_are_refused_before_anything_is_touched(name: str, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "history.png").write_text("elsewhere")
    path = folder / name
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(outside if name in ("plots", "next-result") else outside / "history.png")
    before = written(folder)
    for wish in ("overwrite", "resume"):
        with pytest.raises(RunError, match="is a link that leads out of the run folder"):
            odefit.fit(GROWTH, data=grown(2), out=folder, **{wish: True})
    assert written(folder) == before
    assert [path.read_text() for path in outside.iterdir()] == ["elsewhere"]


def test_a_link_to_nowhere_is_refused_as_well(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "lock").symlink_to(tmp_path / "made")
    with pytest.raises(RunError, match="is a link"):
        odefit.fit(GROWTH, data=grown(2), out=tmp_path / "r")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["history.csv", "next-result/thesis.txt"])
def test_what_is_in_the_way_is_named_first(name: str, folder: Path) -> None:
    (folder / "history.csv").unlink()
    if name == "history.csv":
        (folder / name).mkdir()
    else:
        (folder / name).parent.mkdir()
        (folder / name).write_text("years of work")
    before = written(folder)
    with pytest.raises(RunError, match="no fit wrote"):
        odefit.fit(GROWTH, data=grown(2), out=folder, overwrite=True)
    assert written(folder) == before


def test_a_refusal_leaves_no_folder_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from odefit.runs import acquire

    def refuse(_: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(acquire, "locked", refuse)
    with pytest.raises(RunError, match="cannot make the run folder: input/output error"):
        odefit.fit(GROWTH, data=grown(2), out=tmp_path / "a" / "b" / "c")
    assert not (tmp_path / "a").exists()


def test_the_list_of_pictures_is_complete() -> None:
    kinds = {name.partition(".")[0] for name in files.PICTURES}
    assert kinds == {*OF_EQUATIONS, *OF_LATENT_ODES, "animation"}
