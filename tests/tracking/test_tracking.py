"""`fit.track`: what a tracker gets, and that it never costs a fit more than a note. The trackers are fakes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import odefit
from fake_trackers import install, kept, scalars
from odefit import cli
from odefit.runs import folder as files
from odefit.tracking.wandb import WeightsAndBiases
from odefit.tracking.worker import reason_of
from tracked_fits import DATA, Interrupting, Notes, decay


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch)


@pytest.mark.usefixtures("tracker")
def test_a_tracker_gets_the_estimates_the_starts_and_the_way_there(tmp_path: Path) -> None:
    found = odefit.fit(decay(starts=3), data=DATA, out=tmp_path / "run")
    got = scalars(tmp_path / "logs" / "run")
    estimates = found.result.estimates
    assert got["estimate/k"] == [(0, estimates["k"].value)]
    assert got["standard_error/k"] == [(0, estimates["k"].standard_error)]
    assert got["nll"][-1] == (0, found.result.objective.nll)
    assert [step for step, _ in got["starts/best"]] == [1, 2, 3]
    objectives = found.history["objective"].tolist()
    assert [value for _, value in got["objective"]] == objectives
    for number, objective in zip(found.starts["start"], found.starts["objective"], strict=True):
        part = scalars(tmp_path / "logs" / "run" / f"start-{number}")
        assert part["objective"] == [(0, objective)]


@pytest.mark.usefixtures("tracker")
def test_names_that_trackers_refuse_are_mapped_and_told(tmp_path: Path) -> None:
    found = odefit.fit(decay(), data=DATA, out=tmp_path / "run")
    got = scalars(tmp_path / "logs" / "run")
    assert got["estimate/x_0_a"] == [(0, found.result.estimates["x_0[a]"].value)]
    (names,) = [text for what, name, text in _texts(tmp_path / "logs" / "run") if name == "names.txt"]
    assert "estimate/x_0_a: estimate/x_0[a]" in names
    status = next(text for _, name, text in _texts(tmp_path / "logs" / "run") if name == "status.txt")
    assert status.strip().startswith("converged: ")


def _texts(folder: Path) -> list[list[Any]]:
    return [one for one in kept(folder) if one[0] == "text"]


@pytest.mark.usefixtures("tracker")
def test_the_config_and_the_fingerprint_of_the_data_are_sent(tmp_path: Path) -> None:
    odefit.fit(decay(), data=DATA, out=tmp_path / "run")
    texts = {name: text for _, name, text in _texts(tmp_path / "logs" / "run")}
    assert "| parameters.k.value | 0.9 |" in texts["parameters"]
    assert "| model.equations.x | -k*x |" in texts["parameters"]
    assert "track" not in texts["parameters"]
    digest = json.loads((tmp_path / "run" / files.IDENTITY).read_text())["data"]["the measurements"]
    assert f"| odefit.data.the_measurements | {digest} |" in texts["tags"]
    assert "| title | Decay |" in texts["tags"]


@pytest.mark.usefixtures("tracker")
def test_folds_and_profiles_are_runs_inside_of_the_run(tmp_path: Path) -> None:
    found = odefit.fit(decay(folds=2), data=DATA, out=tmp_path / "run")
    home = tmp_path / "logs" / "run"
    folds = found.frame("folds")
    assert scalars(home / "fold-1")["nll"] == [(0, folds["nll"][0])]
    profiles = odefit.profile(found, ["k"])
    got = scalars(home / "profile-k")
    assert [value for _, value in got["value"]] == profiles["k"].value.tolist()
    assert [value for _, value in got["nll"]] == pytest.approx(profiles["k"].nll.tolist(), abs=0)
    before = kept(home / "profile-k")
    odefit.profile(found, ["k"])  # which is known
    assert kept(home / "profile-k") == before


@pytest.mark.usefixtures("tracker")
def test_two_fits_of_the_same_name_stay_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        odefit.fit(decay(), data=DATA, out=tmp_path / name / "run")
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["run", "run-2"]
    odefit.fit(decay(), data=DATA)
    assert (tmp_path / "logs" / "fit").is_dir()


@pytest.mark.torch
@pytest.mark.usefixtures("tracker")
def test_a_resumed_fit_goes_on_in_the_same_run(tmp_path: Path) -> None:
    config = decay(method="adam", epochs=30, learning_rate=0.05)
    first = odefit.fit(config, data=DATA, out=tmp_path / "run", progress=Interrupting())
    assert first.result.status == "interrupted"
    second = odefit.fit(config, data=DATA, out=tmp_path / "run", resume=True)
    assert second.result.status != "interrupted"
    home = tmp_path / "logs" / "run"
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["run"]
    opened = [purge for what, purge in (one for one in kept(home) if one[0] == "open")]
    losses = scalars(home)["loss"]
    again = next(k for k in range(1, len(losses)) if losses[k][0] <= losses[k - 1][0] or k == len(losses) - 1)
    assert opened[0] is None
    assert opened[1] is not None
    assert {step for step, _ in losses} == set(range(1, 31))
    assert dict(losses[:again]).items() <= dict(losses).items()  # what comes again is the same


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("no import", "TensorBoard: this one is broken"),
        ("fails", "TensorBoard: No space left"),
        ("hangs", "TensorBoard gave no sign of life for 0.3 s"),
    ],
)
def test_a_tracker_that_fails_or_hangs_costs_a_note(
    mode: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, mode)
    patience = {"patience": 0.3} if mode == "hangs" else {}
    config = decay(track={"tensorboard": "logs"} | patience)
    told = Notes()
    found = odefit.fit(config, data=DATA, out=tmp_path / "run", progress=told)
    plain = odefit.fit({**config, "fit": {}}, data=DATA)
    assert [note for note in told.notes if words in note], told.notes
    assert found.result.estimates == plain.result.estimates
    assert odefit.load_run(tmp_path / "run").result.status == "converged"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("(raised on the way; see there)\n(sqlite3.Error) database  or disk is full\n[SQL: ...]",
         "(sqlite3.Error) database or disk is full"),
        ("(only this)", "(only this)"),
        ("", "OSError"),
        ("\n  first\nsecond", "first"),
    ],
)  # fmt: skip
def test_the_reason_of_a_failure_is_one_line(text: str, said: str) -> None:
    assert reason_of(OSError(text)) == said


@pytest.mark.usefixtures("tracker")
def test_a_fit_that_fails_sends_its_status_and_no_infinity(tmp_path: Path) -> None:
    config = decay() | {"model": {"equations": {"x": "x**3 + k"}, "initial": {"x": 5}}}
    config["parameters"] = {"k": {"value": 2, "bounds": [1, 5]}}
    assert odefit.fit(config, data=DATA, out=tmp_path / "run").result.status == "failed"
    home = tmp_path / "logs" / "run"
    assert all(value == value and abs(value) < 1e300 for values in scalars(home).values() for _, value in values)
    assert ["text", "status", "FAILED"] in kept(home)


@pytest.mark.usefixtures("tracker")
def test_the_pictures_of_the_command_are_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.csv").write_text("time,x\n0,2.0\n1,1.2\n2,0.75\n3,0.45\n4,0.27\n")
    (tmp_path / "mine.yaml").write_text(
        "model: {equations: {x: -k*x}}\nparameters: {k: 0.5}\ndata: {csv: mine.csv}\n"
        "fit: {track: {tensorboard: logs}}\n"
    )
    # In this process, which knows the fake: those of `commands.run` come from one that began earlier.
    monkeypatch.setattr(sys, "argv", ["odefit", "fit", "mine.yaml"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    pictures = {one[1]: one[2] for one in kept(tmp_path / "logs" / "mine") if one[0] == "image"}
    assert {"time_series", "history"} <= set(pictures)
    assert all(shape[2] == 3 for shape in pictures.values())


def test_what_is_not_installed_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odefit.tracking.installed.find_spec", lambda _: None)
    with pytest.raises(odefit.ConfigError, match="tensorboard"):
        odefit.check(decay(), data=DATA)
    with pytest.raises(odefit.ConfigError) as error:
        odefit.fit(decay(track={"tensorboard": "logs", "mlflow": True}), data=DATA, out=tmp_path / "run")
    said = str(error.value)
    assert "fit.track.tensorboard" in said
    assert "pip install 'odefit[mlflow]'" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("tracker")
def test_a_file_is_no_folder_of_logs(tmp_path: Path) -> None:
    (tmp_path / "logs.csv").write_text("time,x\n")
    with pytest.raises(odefit.ConfigError, match=r"fit\.track\.tensorboard: .* is a file; name a folder"):
        odefit.fit(decay(track={"tensorboard": str(tmp_path / "logs.csv")}), data=DATA, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_tracker_must_be_named() -> None:
    with pytest.raises(odefit.ConfigError, match="says no tracker"):
        odefit.check(decay(track={"patience": 3.0}), data=DATA)


def test_a_project_has_a_name_that_its_tracker_takes() -> None:
    with pytest.raises(odefit.ConfigError, match="'a/b' is no name of a project"):
        odefit.check(decay(track={"wandb": "a/b"}), data=DATA)


def test_a_folder_that_cannot_be_written_is_no_reason_for_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "file"))
    with pytest.raises(OSError, match="file"):
        WeightsAndBiases("decay")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "kept"))
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(PermissionError, match="kept"):
        WeightsAndBiases("decay")


@pytest.mark.parametrize("track", [{"tensorboard": "../logs"}, {"mlflow": "http://127.0.0.1:5000"}, {"wandb": "p"}])
def test_a_stranger_config_sends_nothing_away(track: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    with pytest.raises(odefit.ConfigError, match="may send nothing out"):
        odefit.fit(decay(track=track), data=DATA, only_beside=True)


@pytest.mark.usefixtures("tracker")
def test_tracking_is_no_reason_to_refuse_a_resumed_fit(tmp_path: Path) -> None:
    odefit.fit(decay(), data=DATA, out=tmp_path / "run")
    config = decay()
    del config["fit"]["track"]
    found = odefit.fit(config, data=DATA, out=tmp_path / "run", resume=True)
    assert found.result.status == "converged"
