"""What `--resume` is for in a batch script, what may change meanwhile, and starting where another fit has ended."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odefit
from listeners import StopAt
from odefit.api import fit_into_folder
from odefit.data import atomic_files
from odefit.errors import RunError, StorageError
from odefit.folder_fits import Place
from odefit.runs import checkpoint, lock
from odefit.runs.acquire import acquire_run_folder

CONFIG = """\
model: {name: logistic, initial: first}
parameters: {r: {value: 1, unit: 1/h}}
data: {csv: d.csv}
fit: {starts: 6, seed: 1, workers: 1}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpoint, "RARITY", 0)
    monkeypatch.setattr(checkpoint, "FIRST", 0.0)
    (tmp_path / "c.yaml").write_text(CONFIG)
    rng, t = np.random.default_rng(0), np.linspace(0, 10, 12)
    x = 1 / (1 + np.exp(2 - t / 2)) + rng.normal(0, 0.03, len(t))
    (tmp_path / "d.csv").write_text("time,x\n" + "\n".join(f"{a},{b}" for a, b in zip(t, x, strict=True)))
    return tmp_path


def tables(path: Path | str) -> dict[str, str]:
    run = odefit.load_run(path)
    return {
        name: run.frame(name).drop(columns="seconds", errors="ignore").to_csv()
        for name in ("parameters", "covariance", "history", "starts", "predictions")
    }


# A script that always says --resume


@pytest.mark.parametrize("out", [None, "deep/r"])
def test_it_begins_goes_on_and_ends(out: str | None, folder: Path) -> None:
    place = Place(None if out is None else Path(out), resume=True)
    first, told = fit_into_folder("c.yaml", place=place, progress=StopAt(start=3)), StopAt()
    assert first.result.status == "interrupted"
    second = fit_into_folder("c.yaml", place=place)
    assert second.result.status == "converged"
    assert second.path == first.path == Path(out or "runs/c")
    before = tables(second.path)
    shown: list[Any] = []
    third = fit_into_folder("c.yaml", place=place, progress=told, show=shown.append)
    assert third.path == second.path
    assert shown == [third.result]
    assert third.result == second.result
    assert told.notes == [f"the fit is finished: this is its result, in {second.path}"]
    assert tables(second.path) == before


def test_the_result_of_another_fit_is_not_shown_for_this_one(folder: Path) -> None:
    odefit.fit("c.yaml", out="r")
    with pytest.raises(RunError, match=r"holds a finished fit, and the config changed since: fit.seed \(was 1, is 2\)"):
        odefit.fit("c.yaml", ["fit.seed=2"], out="r", resume=True)
    told = StopAt()
    shown = odefit.fit("c.yaml", ["fit.seed=2"], out="r", resume=True, accept_changes=True, progress=told)
    assert shown.result.seed == 1
    assert any("fit.seed (was 1, is 2)" in note for note in told.notes)


def test_one_that_is_free_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        fit_into_folder("c.yaml", progress=StopAt(start=2))
    with acquire_run_folder(Path("runs/c-3"), "c", resume=True):
        assert fit_into_folder("c.yaml", place=Place(resume=True)).path == Path("runs/c-2")
        with acquire_run_folder(Path("runs/c"), "c", resume=True), pytest.raises(lock.FolderHeld, match="runs/c-3"):
            fit_into_folder("c.yaml", place=Place(resume=True))
    assert fit_into_folder("c.yaml", place=Place(resume=True)).path == Path("runs/c-3")


def test_what_names_only_may_change(folder: Path) -> None:
    odefit.fit("c.yaml", out="r", progress=StopAt(start=3))
    (folder / "moved").mkdir()
    (folder / "d.csv").rename(folder / "moved" / "e.csv")
    changes = ["data.csv=moved/e.csv", "parameters.r.unit=h^-1", "title=again"]
    resumed = odefit.fit("c.yaml", changes, out="r", resume=True)
    assert resumed.result.estimates["r"].unit == "h^-1"
    odefit.fit("c.yaml", changes, out="whole")
    assert tables("r") == tables("whole")


def test_a_change_of_the_search_keeps_the_starts(folder: Path) -> None:
    odefit.fit("c.yaml", out="r", progress=StopAt(start=3))
    with pytest.raises(RunError, match="--accept-changes goes on with them all the same"):
        odefit.fit("c.yaml", ["fit.max_iterations=77"], out="r", resume=True)
    told = StopAt()
    odefit.fit("c.yaml", ["fit.max_iterations=77"], out="r", resume=True, accept_changes=True, progress=told)
    assert told.notes[0] == "the config changed since: fit.max_iterations (was not there, is 77)"
    odefit.fit("c.yaml", out="whole")
    assert tables("r") == tables("whole")


def test_a_change_of_the_problem_keeps_the_best_values_only(folder: Path) -> None:
    begun = odefit.fit("c.yaml", out="r", progress=StopAt(start=3))
    told = StopAt()
    wish = ["parameters.K={value: 2, bounds: [0.5, 3]}"]
    resumed = odefit.fit("c.yaml", wish, out="r", resume=True, accept_changes=True, progress=told)
    assert "of another problem by that, so the search begins anew from its best values" in told.notes[1]
    assert any(note.startswith("starts from r: r, K") for note in told.notes)
    assert resumed.result.starts.finished == 6
    fresh = odefit.fit("c.yaml", wish, start_from=begun)
    assert fresh.result.estimates["r"].value == pytest.approx(resumed.result.estimates["r"].value, rel=1e-6)


# Starting at an earlier result


def test_a_fit_starts_at_an_earlier_result(folder: Path) -> None:
    one = ["fit={starts: 1}", "parameters.r.value=30"]
    far = odefit.fit("c.yaml", one)
    odefit.fit("c.yaml", out="r")
    told = StopAt()
    near = odefit.fit("c.yaml", one, start_from="r", progress=told)
    assert len(near.history) < len(far.history)
    assert near.history["objective"][0] == pytest.approx(near.history["objective"].iloc[-1], abs=1e-6)
    assert told.notes == ["starts from r: r, K, sigma_x"]


def test_it_is_solved_again_as_it_was(folder: Path) -> None:
    """The absolute tolerances go by the sizes of states where the search began."""
    near = {
        "model": {"equations": {"x": "-k*x", "y": "k*x - y"}, "initial": {"x": "c", "y": 0}, "observables": {"y": "y"}},
        "parameters": {
            "k": {"value": 0.5, "bounds": [0.1, 5]},
            "c": {"value": 1, "bounds": [1e-3, 1e6], "scale": "log"},
        },
    }
    t = np.array([0.5, 1, 2, 4, 6])
    data = [odefit.Experiment("a", t, {"y": 4000 * 0.4 / 0.6 * (np.exp(-0.4 * t) - np.exp(-t)) + [3, -4, 5, -2, 1]})]
    odefit.fit(near, data=data, out="r")
    for out in (None, "again"):
        run = odefit.fit(near, data=data, start_from="r", out=out)
        if out is None:
            run.save("kept")
    fresh = odefit.load_run("r").assembly.problem.engine.options
    for path in ("kept", "again"):
        assert odefit.load_run(path).assembly.problem.engine.options == run.assembly.problem.engine.options != fresh


def test_what_does_not_fit_is_said(folder: Path) -> None:
    odefit.fit("c.yaml", out="r")
    told = StopAt()
    odefit.fit(
        {
            "model": {"equations": {"x": "r*x*(1 - x/K) - h*x"}},
            "parameters": {"r": {"value": 6, "bounds": [5, 9]}, "K": 1, "h": {"value": 0.01, "estimate": False}},
            "data": {"csv": "d.csv"},
            "noise": {"x": {"sigma": 0.03}},
        },
        start_from=Path("r"),
        progress=told,
    )
    assert "starts from r: K" in told.notes
    assert "not taken from r: r (its value there lies outside of the bounds here)" in told.notes
    assert "not taken from r: h (fixed here)" in told.notes
    assert "not taken from r: x_0 (it has no value there)" in told.notes
    assert "r has more than this fit: sigma_x" in told.notes


def test_an_interrupted_fit_with_such_a_start_goes_on_with_it(folder: Path) -> None:
    odefit.fit("c.yaml", out="first")
    far = ["parameters.r.value=30"]
    odefit.fit("c.yaml", far, out="r", start_from="first", progress=StopAt(start=2))
    shutil.rmtree(folder / "first")
    told = StopAt()
    odefit.fit("c.yaml", far, out="r", resume=True, progress=told)
    assert any(note.startswith("starts from first: ") for note in told.notes)
    loaded = odefit.load_run("r")
    assert loaded.starts["objective"][0] == pytest.approx(loaded.history["objective"][0], abs=1e-3)


@pytest.mark.torch
def test_weights_are_taken_where_the_shape_is_the_same(folder: Path) -> None:
    def config(hidden: int, epochs: int) -> dict[str, Any]:
        model = {"name": "mlp", "states": ["x"], "hidden": [hidden], "initial": "first"}
        return {"model": model, "data": {"csv": "d.csv"}, "fit": {"method": "lbfgs", "epochs": epochs}}

    first = odefit.fit(config(4, 10), out="r")
    told = StopAt()
    second = odefit.fit(config(4, 1), start_from="r", progress=told)
    assert any(note.endswith("are those of r") for note in told.notes)
    assert second.history["loss"][0] <= first.history["loss"].iloc[-1] * (1 + 1e-6)
    told = StopAt()
    odefit.fit(config(5, 1), start_from="r", progress=told)
    assert any("r has no network of that name and shape" in note for note in told.notes)


# A full disk

CHECKPOINTS = ("checkpoint.jsonl", "checkpoint-previous.jsonl")


@contextmanager
def full(at: int | None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """A disk that has room for no further file from the write of this number on; which files were written.

    Checkpoints, of which there are more on a busy machine, do not count, nor do programs, which are compiled once.
    """
    genuine, written = os.replace, list[Path]()

    def replace(source: Any, target: Any) -> None:
        if not (Path(target).name.startswith("checkpoint") or Path(target).suffix == ".program"):
            written.append(Path(target))
        if at is not None and len(written) >= at and Path(target).name not in CHECKPOINTS:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        genuine(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(atomic_files.os, "replace", replace)
        yield written


def test_whichever_write_fails_the_result_is_shown_and_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with full(None, monkeypatch) as written:
        whole = odefit.fit("c.yaml", out="whole")
    assert len(written) >= 8
    for number in range(1, len(written) + 1):
        shown: list[Any] = []
        with full(number, monkeypatch), pytest.raises(StorageError, match="no space left on device") as caught:
            fit_into_folder("c.yaml", place=Place(Path("r"), overwrite=True), show=shown.append)
        assert shown == [caught.value.run.result]
        assert shown[0].estimates == whole.result.estimates
        assert {path.name for path in Path("r").iterdir()} <= {
            "run.log",
            "checkpoint.jsonl",
            "checkpoint-previous.jsonl",
        }
        resumed = odefit.fit("c.yaml", out="r", resume=True, progress=(told := StopAt()))
        assert all("fit.match" in note for note in told.notes)
        assert resumed.result.estimates == whole.result.estimates
        assert tables("r") == tables("whole")
        shutil.rmtree("r")
    assert StorageError.exit_code == 4


def test_room_for_one_checkpoint_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that holds no second file beside the one that there is."""
    identity = {"config": {}, "data": {}, "versions": {}}
    kept = checkpoint.Checkpoint(tmp_path, identity, print)
    kept.offer("part", lambda: [1])
    kept.write()
    kept.write()
    assert (tmp_path / "checkpoint-previous.jsonl").exists()
    genuine = os.fsync

    def no_second_file(descriptor: int) -> None:
        if sum(path.suffix in (".jsonl", ".tmp") for path in tmp_path.iterdir()) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        genuine(descriptor)

    monkeypatch.setattr(os, "fsync", no_second_file)
    kept.offer("part", lambda: [1, 2])
    kept.write()
    assert checkpoint.read(tmp_path / "checkpoint.jsonl")["parts"] == {"part": [1]}
    kept.write(last=True)
    assert checkpoint.read(tmp_path / "checkpoint.jsonl")["parts"] == {"part": [1, 2]}
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.jsonl"]


def test_an_oversized_checkpoint_is_named_as_such(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odefit.fit("c.yaml", out="r", progress=StopAt(start=3))
    with (folder / "r" / "checkpoint.jsonl").open("r+b") as file:
        file.truncate(checkpoint.MAX_BYTES + 10**8)
    told = StopAt()
    odefit.fit("c.yaml", out="r", resume=True, progress=told)
    assert "it has 2.1 GB, more than any checkpoint" in told.notes[0]
    notes: list[str] = []
    monkeypatch.setattr(checkpoint, "MAX_BYTES", 50)
    kept = checkpoint.Checkpoint(folder, {"config": {}, "data": {}, "versions": {}}, notes.append)
    kept.offer("part", lambda: list(range(100)))
    kept.write()
    assert "no checkpoint can be written (it would have" in notes[0]
    assert not (folder / "checkpoint.jsonl").exists()
