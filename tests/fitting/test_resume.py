"""A fit that is killed and resumed gives what it would have given; what cannot be resumed is refused and says why."""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odefit
from commands import killed
from interrupted_values import interrupt_values
from listeners import StopAt
from odefit import algebra as sp
from odefit.api import fit_into_folder
from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.engines.base import SolverOptions
from odefit.engines.diffsol.diffsol_engine import DiffsolEngine
from odefit.errors import RunError
from odefit.folder_fits import Place
from odefit.model.system import System, symbol
from odefit.runs import checkpoint
from odefit.runs.acquire import acquire_run_folder
from odefit.runs.checkpoint import Checkpoint

CONFIG = """\
model: {name: logistic, initial: first}
data: {csv: d.csv}
fit: {starts: 8, seed: 1, workers: 1}
"""
IDENTITY = {"config": {"a.b": 1, "c": [2]}, "data": {"the doses": "x"}, "versions": {"numpy": "1"}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpoint, "RARITY", 0)
    monkeypatch.setattr(checkpoint, "FIRST", 0.0)
    (tmp_path / "c.yaml").write_text(CONFIG)
    rng = np.random.default_rng(0)
    t = np.linspace(0, 10, 12)
    rows = [f"{e},{a},{b}" for e in range(4) for a, b in zip(t, _curve(t, rng), strict=True)]
    (tmp_path / "d.csv").write_text("experiment,time,x\n" + "\n".join(rows))
    return tmp_path


def _curve(t: FloatArray, rng: np.random.Generator) -> FloatArray:
    return 1 / (1 + np.exp(rng.normal(2, 0.3) - t / 2)) + rng.normal(0, 0.03, len(t))


def tables(path: Path | str) -> dict[str, str]:
    run = odefit.load_run(path)
    names = [p.stem for p in sorted(run.path.glob("*.csv"))]
    return {name: run.frame(name).drop(columns="seconds", errors="ignore").to_csv() for name in names}


# Kills


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
@pytest.mark.parametrize(
    ("problems", "kills", "kept"),
    [
        pytest.param(["least_squares"], 5, 3, id="equations"),
        pytest.param(["adam", "folds", "latent"], 2, 1, id="trainings", marks=pytest.mark.torch),
    ],
)
def test_killed_at_random_moments_it_gives_what_it_would_have_given(problems: list[str], kills: int, kept: int) -> None:
    found = killed(problems, kills, kept)  # benchmarks/kills.py kills a thousand times
    assert list(found) == problems
    assert all(survived >= kills and left >= kept for survived, left in found.values())


# Interruptions


def test_an_interrupted_fit_goes_on(folder: Path) -> None:
    first = fit_into_folder("c.yaml", progress=StopAt(start=3))
    assert first.result.status == "interrupted"
    assert first.result.starts.finished == 3
    (folder / "runs" / "other").mkdir()
    resumed = fit_into_folder("c.yaml", place=Place(resume=True))
    assert resumed.path == first.path == Path("runs/c")
    assert resumed.result.status == "converged"
    assert resumed.result.seconds > first.result.seconds
    odefit.fit("c.yaml", out="whole")
    assert tables("runs/c") == tables("whole")
    assert not list(resumed.path.glob("checkpoint*"))


@pytest.mark.torch
@pytest.mark.parametrize("epochs", [1, 13])
def test_an_interrupted_training_goes_on(epochs: int, folder: Path) -> None:
    adam = ["fit={method: adam, epochs: 20, batch_size: 3, schedule: plateau, plot_every: 4, seed: 2}"]
    assert odefit.fit("c.yaml", adam, out="r", progress=StopAt(epoch=epochs)).result.status == "interrupted"
    odefit.fit("c.yaml", adam, out="r", resume=True)
    odefit.fit("c.yaml", adam, out="whole")
    assert tables("r") == tables("whole")


def test_starts_that_go_on_together_and_are_interrupted_keep_the_best_so_far(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_values(monkeypatch, 3)
    begun = odefit.fit("c.yaml", ["fit.match=false"], out="r")
    assert begun.result.status == "interrupted"
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    whole = odefit.fit("c.yaml", ["fit.match=false"], out="whole")
    starts = {round(float(value), 9) for value in odefit.load_run("r").frame("starts")["objective"]}
    assert len(starts) == 1
    assert min(starts) > whole.result.objective.nll
    odefit.fit("c.yaml", ["fit.match=false"], out="r", resume=True)
    assert tables("r") == tables("whole")


def test_a_single_start_that_is_interrupted_keeps_where_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_values(monkeypatch, 4)
    one = ["fit.starts=1", "parameters.r={value: 5}"]
    begun = odefit.fit("c.yaml", one, out="r")
    assert begun.result.status == "interrupted"
    assert "best parameters so far are kept" in begun.result.message
    values = begun.frame("history")["objective"]
    assert len(values) == 2
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert odefit.fit("c.yaml", one, out="r", resume=True).result.status == "converged"
    odefit.fit("c.yaml", one, out="whole")
    assert tables("r") == tables("whole")
    history = odefit.load_run("whole").frame("history")["objective"]
    assert list(history[1:3]) == list(values)


def test_folds_that_are_done_are_not_done_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from odefit.fitting import strategy as fitting

    genuine, searched = fitting.search, []

    def search(assembly: Any, *arguments: Any) -> Any:
        searched.append(len(assembly.held))
        found = genuine(assembly, *arguments)
        return replace(found, status="interrupted") if len(searched) == 3 else found

    monkeypatch.setattr(fitting, "search", search)
    folds = ["fit.folds=4"]
    begun = odefit.fit("c.yaml", folds, out="r")
    assert begun.result.status == "interrupted"
    assert "cross-validation was interrupted" in begun.result.message
    odefit.fit("c.yaml", folds, out="r", resume=True)
    assert len(searched) == 3 + 1 + 3  # the starts are looked up; one fold is done, the other three are not
    odefit.fit("c.yaml", folds, out="whole")
    assert tables("r") == tables("whole")
    assert odefit.load_run("r").result.cross_validation == odefit.load_run("whole").result.cross_validation


# What is refused


def test_two_wishes_at_once(folder: Path) -> None:
    with pytest.raises(RunError, match="say one of them"):
        odefit.fit("c.yaml", out="r", resume=True, overwrite=True)
    with pytest.raises(RunError, match="say --resume as well"):
        odefit.fit("c.yaml", out="r", accept_changes=True)
    with pytest.raises(RunError, match="say one of them"):
        odefit.fit("c.yaml", out="r", resume=True, start_from="q")
    assert not (folder / "r").exists()


def test_the_newest_unfinished_one_is_resumed(folder: Path) -> None:
    for stop in (2, 4):
        fit_into_folder("c.yaml", progress=StopAt(start=stop))
    fit_into_folder("c.yaml")
    assert fit_into_folder("c.yaml", place=Place(resume=True)).path == Path("runs/c-2")
    assert fit_into_folder("c.yaml", place=Place(resume=True)).path == Path("runs/c")


def test_a_changed_config_or_changed_data_are_refused(folder: Path) -> None:
    odefit.fit("c.yaml", out="r", progress=StopAt(start=3))
    with pytest.raises(RunError, match=r"the config changed since: parameters.r.value \(was not there, is 2.0\)"):
        odefit.fit("c.yaml", ["parameters.r.value=2"], out="r", resume=True)
    with pytest.raises(RunError, match=r"fit.seed \(was 1, is 7\)"):
        odefit.fit("c.yaml", ["fit.seed=7"], out="r", resume=True)
    text = (folder / "d.csv").read_text()
    (folder / "d.csv").write_text(text.rstrip()[:-1])
    with pytest.raises(RunError, match=r"the data changed since: the measurements; --accept-changes goes on"):
        odefit.fit("c.yaml", out="r", resume=True)
    (folder / "d.csv").write_text(text)
    table = "data.experiments={'0': {r: 1}, '1': {r: 1}, '2': {r: 1}, '3': {r: 1}}"
    with pytest.raises(RunError, match="the data changed since: the table of experiments"):
        odefit.fit("c.yaml", [table], out="r", resume=True)
    # What cannot matter may change.
    odefit.fit("c.yaml", ["fit.workers=2", "fit.time_limit=99", "title=x"], out="r", resume=True)
    odefit.fit("c.yaml", out="whole")
    assert tables("r") == tables("whole")


def test_an_unfinished_folder_is_not_taken_for_a_run(folder: Path) -> None:
    odefit.fit("c.yaml", out="r", progress=StopAt(start=3))
    (folder / "r" / "result.json").unlink()
    with pytest.raises(RunError, match="holds an unfinished fit: go on with `odefit fit CONFIG --resume --out r`"):
        odefit.load_run("r")
    with pytest.raises(RunError, match="holds an unfinished fit; go on with --resume; choose another --out, or say"):
        odefit.fit("c.yaml", out="r")
    assert odefit.fit("c.yaml", out="r", overwrite=True).result.starts.finished == 8


# Damaged checkpoints


def test_a_damaged_checkpoint_is_replaced_by_the_one_before(folder: Path) -> None:
    damages = {
        "its checksum is not right": lambda text: text.replace('"number": 1', '"number": 5'),
        "it is cut off, or no checkpoint": lambda text: text[:40],
        "its checksum is": lambda text: text[: len(text) // 2],
    }
    odefit.fit("c.yaml", out="stopped", progress=StopAt(start=4))
    odefit.fit("c.yaml", out="whole")
    for number, (why, damage) in enumerate(damages.items()):
        path = Path(shutil.copytree("stopped", f"r{number}")) / "checkpoint.jsonl"
        path.write_text(damage(path.read_text()))
        told = StopAt()
        odefit.fit("c.yaml", out=path.parent, resume=True, progress=told)
        assert any(f"checkpoint.jsonl is damaged ({why}" in n and "the one before it is used" in n for n in told.notes)
        assert tables(path.parent) == tables("whole")


def test_two_damaged_checkpoints_are_refused(folder: Path) -> None:
    odefit.fit("c.yaml", out="r", progress=StopAt(start=4))
    for path in (folder / "r").glob("checkpoint*"):
        path.write_bytes(b"\xff\x00")
    with pytest.raises(RunError, match="and there is no other; fit again, with --overwrite"):
        odefit.fit("c.yaml", out="r", resume=True)


@pytest.mark.torch
def test_a_checkpoint_gives_back_every_bit(tmp_path: Path) -> None:
    import torch

    values = np.array([[0.1, -0.0, math.inf], [math.nan, 5e-324, 1 / 3]])
    tensors = {
        "w": torch.tensor([1e-8, 3.0], dtype=torch.float32),
        "n": torch.tensor(7),
        "g": torch.Generator().get_state(),
    }
    kept = {"values": values, "tensors": tensors, "plain": [1 / 3, None, "x", True, -0.0, math.inf]}
    written = Checkpoint(tmp_path, IDENTITY, print)
    written.offer("part", lambda: kept)
    earlier = written.seconds
    written.write()
    again = Checkpoint(tmp_path, IDENTITY, print)
    again.resume()
    found = again.restored("part")
    assert found is not None
    assert found["values"].tobytes() == values.tobytes()
    assert found["values"].shape == (2, 3)
    assert found["plain"] == kept["plain"]
    assert math.copysign(1, found["plain"][4]) == -1
    for name, tensor in tensors.items():
        assert found["tensors"][name].dtype == tensor.dtype
        assert torch.equal(found["tensors"][name], tensor)
    assert again.restored("other") is None
    assert again.seconds >= earlier


def test_other_versions_are_told(tmp_path: Path) -> None:
    Checkpoint(tmp_path, IDENTITY, print).write()
    notes: list[str] = []
    Checkpoint(tmp_path, IDENTITY | {"versions": {"numpy": "2"}}, notes.append).resume()
    assert notes == ["other versions than at first, so the last digits may differ: numpy 1 (2 now)"]


def test_checkpoints_cost_less_than_a_hundredth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that runs as fast as it likes: a write of 0.1 s is made every 20 s."""
    clock = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(checkpoint.time, "perf_counter", lambda: clock[0])
    writes: list[float] = []

    def write(*_: Any, **__: Any) -> None:
        writes.append(clock[0])
        clock[0] += 0.1

    monkeypatch.setattr(checkpoint, "atomic_write", write)
    memory = Checkpoint(tmp_path, IDENTITY, print)
    while clock[0] < 1000:
        clock[0] += 0.01
        memory.offer("part", lambda: [1])
    assert 40 < len(writes) < 60
    assert 0.1 * len(writes) < 0.01 * clock[0]


# Folders and engines


def test_temporary_files_of_a_killed_process_are_removed(folder: Path) -> None:
    (folder / "r").mkdir()
    (folder / "r" / ".0123456789abcdef.tmp").write_text("half of a")
    with acquire_run_folder(Path("r"), "r"):
        assert [p.name for p in (folder / "r").iterdir()] == ["lock"]


def test_an_engine_that_recalls_goes_on_as_if_it_had_learnt(tmp_path: Path) -> None:
    """The Van der Pol oscillator at mu = 1000: `auto` finds out that it is stiff."""
    x, y, mu = symbol("x"), symbol("y"), symbol("mu")
    rates, start = {"x": y, "y": mu * (1 - x**2) * y - x}, {"x": sp.Integer(2), "y": sp.Integer(0)}
    system = System("vdp", ("x", "y"), ("mu",), rates, start, {"x": x})
    engine = DiffsolEngine(system, SolverOptions(), ("mu",))
    experiment = Experiment("1", np.linspace(0, 100, 20), np.full((20, 1), np.nan), 0.0)
    engine.solve(np.array([[1000.0]]), [experiment])
    assert engine.method_in_use == "bdf"
    other = engine.reset_copy()
    assert other.method_in_use == "tsit45"
    kept = Checkpoint(tmp_path, IDENTITY, print)
    kept.offer("engine", lambda: engine.state())
    kept.write()
    again = Checkpoint(tmp_path, IDENTITY, print)
    again.resume()
    other.restore(again.restored("engine"))
    p = np.array([[900.0]])
    np.testing.assert_array_equal(
        engine.solve(p, [experiment], sensitivities=True)[0].dy, other.solve(p, [experiment], sensitivities=True)[0].dy
    )
    assert other.method_in_use == "bdf"
    assert other.state()["solved"] == engine.state()["solved"]
