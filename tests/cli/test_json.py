"""`--json`: one document on standard output for programs, all else on standard error; several configs at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import odefit
from commands import run

DECAY = """\
title: Decay
model:
  equations: {x: -k*x}
  initial: estimate
parameters: {k: {value: 0.5, bounds: [0.01, 10], scale: log, unit: 1/h}, twice: {formula: 2*k}}
data:
  simulate: {parameters: {k: 0.7}, initial: {x: 3}, times: {stop: 5, count: 12}, noise: 0.05, seed: 3}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "decay.yaml").write_text(DECAY)
    (tmp_path / "again.yaml").write_text(DECAY.replace("seed: 3", "seed: 4"))
    (tmp_path / "wrong.yaml").write_text(DECAY.replace("-k*x", "-q*x"))
    monkeypatch.chdir(tmp_path)


def test_a_fit_prints_its_result_and_says_the_rest_beside() -> None:
    said, beside = run("fit", "decay.yaml", "--no-plots", "--json")
    document = json.loads(said)
    assert document["run"] == "runs/decay"
    assert document["config"] == "decay.yaml"
    assert document["pictures"] == []
    stored = json.loads(Path("runs/decay/result.json").read_text())
    assert {key: document[key] for key in stored} == stored
    assert "written to runs/decay" in beside


def test_pictures_are_named() -> None:
    said, _ = run("fit", "decay.yaml", "--json")
    pictures = json.loads(said)["pictures"]
    assert "runs/decay/plots/time_series.png" in pictures
    assert all(Path(picture).is_file() for picture in pictures)


def test_a_comparison_prints_what_the_table_holds() -> None:
    Path("fixed.yaml").write_text(DECAY.replace("value: 0.5, bounds", "value: 0.7, estimate: false, bounds"))
    for name in ("decay", "fixed"):
        run("fit", f"{name}.yaml", "--no-plots")
    said, _ = run("compare", "runs/decay", "runs/fixed", "--json", "--no-plots")
    document = json.loads(said)
    frame = odefit.compare("runs/decay", "runs/fixed").frame
    assert [one["run"] for one in document["runs"]] == list(frame.index)
    assert [one["aicc"] for one in document["runs"]] == pytest.approx(frame.aicc.tolist())
    assert document["runs"][0]["hold_out"] is None
    (test,) = document["tests"]
    assert (test["small"], test["large"], test["fixed"], test["degrees"]) == ("fixed", "decay", {"k": 0.7}, 1)
    assert document["files"] == ["comparison.csv"]
    assert test["sentence"].startswith("fixed is decay with k = 0.7: likelihood ratio ")


def test_a_check_prints_what_is_bound_to_what() -> None:
    document = json.loads(run("check", "decay.yaml", "--json")[0])
    assert document["equations"] == {"x": "-k*x"}
    assert document["initial"] == {"x": "x_0"}
    assert document["observables"] == {
        "x": {"formula": "x", "values": 12, "noise": "gaussian", "sigma": "sigma_x"},
    }
    assert document["experiments"][0] | {"name": ""} == {
        "name": "",
        "start": 0.0,
        "first": 0.0,
        "last": 5.0,
        "values": 12,
        "constants": {},
        "labels": {},
        "doses": [],
        "inputs": [],
    }
    k = next(p for p in document["parameters"] if p["name"] == "k")
    assert k == {
        "name": "k",
        "estimated": True,
        "value": 0.5,
        "lower": 0.01,
        "upper": 10.0,
        "scale": "log",
        "unit": "1/h",
        "prior": None,
    }
    assert document["derived"] == {"twice": "2*k"}
    assert document["truth"]["k"] == 0.7
    assert document["start"]["nll"] == pytest.approx(odefit.load("decay.yaml").nll(odefit.load("decay.yaml").x0))
    assert "gradients" in json.loads(run("check", "decay.yaml", "--json", "--gradients")[0])


def test_built_in_systems() -> None:
    known = json.loads(run("models", "--json")[0])
    assert "lorenz" in [entry["name"] for entry in known]
    assert json.loads(run("models", "logistic", "--json")[0])["equations"] == {"x": "r*x*(1 - x/K)"}


def test_a_mistake_is_a_document_too() -> None:
    for command in ("check", "fit"):
        said, beside = run(command, "wrong.yaml", "--json", code=2)
        document = json.loads(said)
        assert document["exit_code"] == 2
        assert [one["where"] for one in document["errors"]] == ["wrong.yaml:3  model.equations.x"]
        assert "unknown symbol 'q'" in document["errors"][0]["what"]
        assert "unknown symbol 'q'" in beside
    document = json.loads(run("compare", "nowhere", "--json", code=2)[0])
    assert document["errors"][0]["where"] == "nowhere"
    document = json.loads(run("models", "lorens", "--json", code=2)[0])
    assert "did you mean 'lorenz'" in document["errors"][0]["what"]
    document = json.loads(run("runs", "--bye", "--json", code=2)[0])
    assert "--bye" in document["errors"][0]["what"]


def test_several_configs_are_fitted_and_a_wrong_one_stops_none_of_the_others() -> None:
    said, beside = run("fit", "decay.yaml", "wrong.yaml", "again.yaml", "--no-plots", "--json", code=2)
    documents = json.loads(said)
    assert [document["config"] for document in documents] == ["decay.yaml", "wrong.yaml", "again.yaml"]
    assert [document.get("run") for document in documents] == ["runs/decay", None, "runs/again"]
    assert documents[1]["exit_code"] == 2
    assert "unknown symbol 'q'" in beside
    said, _ = run("fit", "decay.yaml", "again.yaml", "--no-plots", "--out", "both")
    assert [line for line in said.splitlines() if line.startswith("== ")] == ["== decay.yaml", "== again.yaml"]
    assert odefit.load_run("both/decay").result.status == odefit.load_run("both/again").result.status == "converged"


def test_two_configs_of_one_name_have_no_folder_each() -> None:
    Path("other").mkdir()
    Path("other/decay.yaml").write_text(DECAY)
    _, beside = run("fit", "decay.yaml", "other/decay.yaml", "--out", "both", code=2)
    assert "both/decay: two of the configs would be written here; give one of them another name" in beside
    assert not Path("both").exists()
