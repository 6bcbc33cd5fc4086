"""`fit.track` beside the real trackers, on local files; skipped where they are not installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import odefit
from tracked_fits import DATA, Interrupting, Notes, decay


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _events(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), {"scalars": 0, "images": 0, "tensors": 0})
    found.Reload()
    return found


def _scalars(folder: Path) -> Mapping[str, list[tuple[int, float]]]:
    events = _events(folder)
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.filterwarnings("ignore")  # of the trackers' own imports
def test_tensorboard_reads_what_was_sent(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    pytest.importorskip("tensorboard")
    found = odefit.fit(decay(starts=3), data=DATA, out=tmp_path / "run")
    got = _scalars(tmp_path / "logs" / "run")
    assert got["estimate/k"] == [(0, pytest.approx(found.result.estimates["k"].value, rel=1e-6))]  # single precision
    assert [step for step, _ in got["starts/best"]] == [1, 2, 3]
    assert (tmp_path / "logs" / "run" / "start-3").is_dir()


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_tensorboard_shows_a_resumed_training_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    pytest.importorskip("tensorboard")
    config = decay(method="adam", epochs=30, learning_rate=0.05)
    odefit.fit(config, data=DATA, out=tmp_path / "run", progress=Interrupting())
    found = odefit.fit(config, data=DATA, out=tmp_path / "run", resume=True)
    losses = _scalars(tmp_path / "logs" / "run")["loss"]
    assert [step for step, _ in losses] == list(range(1, 31))
    assert [value for _, value in losses] == pytest.approx(found.history["loss"].tolist(), rel=1e-6)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
def test_mlflow_keeps_a_resumed_training_in_one_run_with_its_parts(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    config = decay(method="adam", epochs=30, learning_rate=0.05, track={"mlflow": True}, folds=2)
    odefit.fit(config, data=DATA, out=tmp_path / "run", progress=Interrupting())
    found = odefit.fit(config, data=DATA, out=tmp_path / "run", resume=True)
    from mlflow.tracking import MlflowClient

    client = MlflowClient("sqlite:///mlflow.db")
    experiment = client.get_experiment_by_name("odefit")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert sorted(runs) == ["fold-1", "fold-2", "run"]
    run = runs["run"]
    assert run.info.status == "FINISHED"
    assert all(runs[f"fold-{k}"].data.tags["mlflow.parentRunId"] == run.info.run_id for k in (1, 2))
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [one.step for one in history] == list(range(1, 31))
    assert [one.value for one in history] == found.history["loss"].tolist()
    estimates = found.result.estimates
    assert run.data.metrics["estimate/k"] == estimates["k"].value
    assert run.data.metrics["estimate/x_0_a"] == estimates["x_0[a]"].value
    assert run.data.params["fit.epochs"] == "30"
    names = {file.path for file in client.list_artifacts(run.info.run_id, "run")}
    assert {"run/result.json", "run/config.yaml", "run/parameters.csv"} <= names
    assert "run/tracking.json" not in names


@pytest.mark.filterwarnings("ignore")
def test_a_database_that_mlflow_cannot_use_costs_a_note(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    (tmp_path / "mlflow.db").write_text("this is no database" * 100)
    notes = Notes()
    found = odefit.fit(decay(track={"mlflow": True}), data=DATA, out=tmp_path / "run", progress=notes)
    assert found.result.status == "converged"
    assert any("tracking has failed" in note and "file is not a database" in note for note in notes.notes)


def test_weights_and_biases_keeps_a_fit_offline_with_its_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    notes = Notes()
    found = odefit.fit(decay(starts=2, track={"wandb": "decay"}), data=DATA, out=tmp_path / "run", progress=notes)
    assert not any("Weights" in note for note in notes.notes)
    folders = sorted(path for path in (tmp_path / "wandb").glob("offline-run-*") if path.is_dir())
    assert len(folders) == 3  # the fit's and two of starts
    (whole,) = [path for path in folders if (path / "files" / "status.txt").exists()]
    assert (whole / "files" / "status.txt").read_text().startswith("converged: ")
    assert (whole / "files" / "run" / "result.json").read_bytes() == (tmp_path / "run" / "result.json").read_bytes()
    (events,) = whole.glob("*.wandb")
    kept = events.read_bytes()
    assert b"decay" in kept
    assert b"starts/best" in kept
    assert repr(found.result.estimates["k"].value).encode() in kept
