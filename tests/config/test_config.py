"""The config: what is accepted, and what the error for the rest says."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest

import odefit
from odefit.config.load import load_config
from odefit.config.schema import Config
from odefit.errors import ConfigError

pytestmark = pytest.mark.quick

MINIMAL = """\
model:
  name: logistic
data:
  simulate: {times: {stop: 10, count: 5}}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    return path


def faults_of(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    assert caught.value.exit_code == 2
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.quick
def test_a_name_may_begin_with_an_underscore() -> None:
    data = pd.DataFrame({"time": [0.0, 1.0, 2.0], "_x": [2.0, 1.2, 0.7]})
    model = {"equations": {"_x": "-_k*_x"}, "initial": {"_x": "_start"}}
    problem = odefit.load({"model": model, "parameters": {"_k": 0.5, "_start": 2}, "noise": {"sigma": 1}}, data=data)
    assert problem.names == ("_k", "_start")
    expected = [2 * math.exp(-0.5 * t) for t in (0, 1, 2)]
    assert problem.simulate(problem.x0)["_x"].to_list() == pytest.approx(expected, rel=1e-5)


def test_defaults(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, MINIMAL)).config
    assert config.fit.method == "auto"
    assert config.fit.starts == 1
    assert config.solver.method == "auto"
    assert config.noise == {}


@pytest.mark.parametrize(
    "override, attribute",
    [
        ("parameters.k=0.5", {"value": 0.5, "estimate": True}),
        ("parameters.k={value: 1e-3, bounds: [1e-6, 1], scale: log}", {"value": 1e-3, "bounds": (1e-6, 1.0)}),
        ("parameters.k={value: 2, estimate: false, unit: 1/h}", {"estimate": False, "unit": "1/h"}),
    ],
)
def test_parameter_forms(tmp_path: Path, override: str, attribute: dict[str, object]) -> None:
    section = load_config(written(tmp_path, MINIMAL), [override]).config.parameters["k"]
    assert {key: getattr(section, key) for key in attribute} == attribute


def test_every_fault_of_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "model:\n  name: logistic\n  initial: frist\nparameters: {r: {value: abc}}\n"
        "data:\n  simulate: {experiments: 0, noise: -1, times: {stop: x}, sed: 1}\nfit:\n  starts: 0\n  methd: adam\n",
    )
    found = faults_of(path)
    for line, key, words in [
        (3, "model.initial", "one of 'estimate' or 'first'"),
        (4, "parameters.r.value", "must be a number"),
        (6, "data.simulate.experiments", "at least 1 (got 0)"),
        (6, "data.simulate.noise", "at least 0"),
        (6, "data.simulate.times.stop", "must be a number"),
        (6, "data.simulate.sed", "did you mean 'seed'?"),
        (8, "fit.starts", "must be at least 1 (got 0)"),
        (9, "fit.methd", "did you mean 'method'?"),
    ]:
        assert any(f.startswith(f"{path}:{line}  {key}: ") and words in f for f in found), (key, found)
    assert len(found) == 8


@pytest.mark.parametrize(
    "override, words",
    [
        ("model.equations={x: -x}", "either `name`"),
        ("model.name=null", "either `name`"),
        ("data.csv=a.csv", "either `csv`"),
        ("data.time=t", "about a CSV file"),
        ("parameters.r={value: 2, bounds: [3, 5]}", "lies outside its bounds"),
        ("parameters.r={value: 2, bounds: [5, 3]}", "lower bound must be below"),
        ("parameters.r={value: 2, bounds: [.nan, 3]}", "lower bound must be below"),
        ("parameters.r={value: -2, scale: log}", "positive value"),
        ("parameters.r={value: 0.5, scale: logit}", "two finite bounds"),
        ("parameters.r={value: 0, scale: logit, bounds: [0, 1]}", "strictly between"),
        ("parameters.r={estimate: false}", "needs a value"),
        ("parameters.r={value: .inf}", "finite"),
        ("parameters.r={value: true}", "must be a number"),
        ("parameters.r.prior={normal: [0, 1], uniform: [0, 1]}", "exactly one"),
        ("parameters.r.prior={uniform: [1, 0]}", "below the second"),
        ("parameters.2r=1", "no valid name"),
        ("data.simulate.times=[0, 0]", "increasing"),
        ("data.simulate.times={stop: 1}", "either `count`"),
        ("data.simulate.times={stop: 1, count: 3, step: 1}", "either `count`"),
        ("data.simulate.times={start: 3, stop: 1, count: 3}", "later than start"),
        ("data.simulate.times={stop: 1e9, step: 1e-9}", "ten million"),
        ("noise.r=cauchy", "gaussian"),
        ("fit={method: least_squares, batch_size: 3}", "only for `method: adam`"),
        ("fit={method: adam, max_iterations: 3}", "set `epochs`"),
        ("solver=rk4", "must be a mapping"),
        ("fit.epochs=1.5", "whole number"),
    ],
)
def test_contradictions(tmp_path: Path, override: str, words: str) -> None:
    found = faults_of(written(tmp_path, MINIMAL), override)
    assert any(words in fault for fault in found), found
    assert all("\n" not in fault and len(fault) < 300 for fault in found)


def test_schema_is_json_and_explains_its_keys() -> None:
    schema = json.loads(json.dumps(Config.model_json_schema()))
    solver = schema["$defs"]["SolverSection"]["properties"]
    assert "torchdiffeq" in solver["method"]["description"]
    assert schema["additionalProperties"] is False


def test_overrides_win_and_are_named_in_errors(tmp_path: Path) -> None:
    path = written(tmp_path, MINIMAL)
    assert load_config(path, ["fit.starts=50"]).config.fit.starts == 50
    assert faults_of(path, "fit.starts=-1") == ["--set fit.starts: must be at least 1 (got -1)"]
