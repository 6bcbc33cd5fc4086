"""`odefit symbols`: what networks have learnt as formulas, and the model fitted again with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import odefit
from odefit.cli import app
from odefit.fitting.run import Run

pytestmark = pytest.mark.torch
ENZYME: dict[str, Any] = {
    "model": {
        "equations": {"S": "-net(S)", "P": "net(S) - k*P"},
        "networks": {"net": {"hidden": [6], "output": "positive"}},
    },
    "parameters": {"k": {"value": 0.2, "bounds": [0.01, 10], "scale": "log"}},
    "data": {
        "simulate": {
            "model": {"equations": {"S": "-S/(0.7 + S)", "P": "S/(0.7 + S) - k*P"}},
            "parameters": {"k": 0.3},
            "times": {"stop": 12, "count": 25},
            "noise": 0.02,
            "seed": 1,
        },
        "experiments": {"a": {"S_0": 0.5, "P_0": 0}, "b": {"S_0": 4, "P_0": 0}, "c": {"S_0": 2, "P_0": 1}},
        "hold_out": {"experiments": ["c"]},
    },
    "fit": {"method": "least_squares", "match": 60, "windows": [8], "epochs": 8, "weight_decay": 1e-6},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    found = odefit.fit(ENZYME, out=tmp_path_factory.mktemp("symbols") / "enzyme")
    assert isinstance(found, Run)
    return found


@pytest.fixture(scope="module")
def found(run: Run) -> Any:
    return odefit.symbols(run, terms=["polynomial", "saturating"], degree=2, most=2)


def test_the_rate_law_comes_first_with_its_constants(found: Any) -> None:
    assert found.candidates[0].form.texts == {("net", 0): "c_1*S/(K_1 + S)"}
    for name, truth in {"c_1": 1.0, "K_1": 0.7, "k": 0.3}.items():
        estimate = found.best.result.estimates[name]
        assert abs(estimate.value - truth) < 3 * estimate.standard_error, name
    assert found.equations["S"].startswith("-")
    assert "S/(" in found.equations["P"]
    assert "BIC" in found.judgement


def test_the_table_has_all_models_and_the_network_last(found: Any) -> None:
    frame = found.frame
    assert frame["formulas"].iloc[-1] == "(the network)"
    assert frame["delta"].iloc[0] == 0
    assert len(frame) >= 4
    assert frame["hold_out"].notna().sum() >= 2
    assert frame["bic"].iloc[0] < frame["bic"].iloc[-1]


def test_the_config_is_an_ordinary_one(run: Run, found: Any) -> None:
    assert run.path is not None
    path = run.path / "symbols.yaml"
    assert path.read_text(encoding="utf-8") == found.config_text
    assert "fine" in odefit.check(path)
    again = odefit.fit(path)
    assert again.result.objective.nll == pytest.approx(found.best.result.objective.nll, abs=1e-3)
    config = yaml.safe_load(found.config_text)
    assert config["model"]["equations"] == {"S": "-c_1*S/(K_1 + S)", "P": "c_1*S/(K_1 + S) - k*P"}
    assert config["data"]["csv"] == "data.csv"


def test_a_call_without_time_does_not_replace_a_better_answer(run: Run, found: Any) -> None:
    assert run.path is not None
    hasty = odefit.symbols(run, terms=["polynomial"], degree=2, most=2, seconds=0)
    assert hasty.unfinished.startswith("the time was over after 1 fit; the folder keeps the answer of an earlier call")
    assert not hasty.written
    assert (run.path / "symbols.yaml").read_text(encoding="utf-8") == found.config_text
    summary = json.loads((run.path / "symbols.json").read_text(encoding="utf-8"))
    assert summary["formulas"] == found.formulas


def test_the_command_prints_shows_and_draws(run: Run) -> None:
    arguments = ["symbols", str(run.path), "--terms", "saturating", "--most", "1", "--json"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    assert document["formulas"]["net(S)"].startswith("0.9") or document["formulas"]["net(S)"].startswith("1")
    assert document["models"][0]["status"] == "converged"
    assert Path(document["pictures"][0]).stat().st_size > 5000
    shown = CliRunner().invoke(app, [*arguments[:-1], "--no-plots"], catch_exceptions=False).stdout
    assert "dS/dt = -" in shown
    assert "symbols.yaml" in shown


def test_the_report_of_the_run_has_the_formulas(run: Run, found: Any, tmp_path: Path) -> None:
    assert run.path is not None
    odefit.report(run.path, out=tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Formulas in place of the network" in page
    assert f"dS/dt = {found.equations['S']}" in page


def test_arguments_stand_in_the_formulas_and_a_parameter_of_no_use_goes(tmp_path: Path) -> None:
    t = np.linspace(0, 3, 25)
    data = [odefit.Experiment(name, t, {"x": a * np.exp(-t)}) for name, a in (("a", 2.0), ("b", 1.0))]
    config = {
        "model": {"equations": {"x": "-net(x/K, y0)*x"}, "networks": {"net": {"hidden": [4], "output": "positive"}}},
        "parameters": {"K": {"value": 2, "estimate": False}, "y0": {"value": 1, "estimate": False}},
        "fit": {"method": "least_squares", "match": 40, "windows": [8], "epochs": 3},
    }
    fitted = odefit.fit(config, data=data, out=tmp_path / "run")
    found = odefit.symbols(fitted, terms=["polynomial"], degree=1, most=2)
    assert found.formulas["net(a1, a2)"].startswith("1")
    assert found.equations["x"].startswith("-1*x") or "(1" in found.equations["x"]
    constant = next(c for c in found.candidates if c.form.texts == {("net", 0): "c_1"})
    assert list(constant.config["parameters"]) == ["c_1"]
    linear = next(c for c in found.candidates if "a1" in c.form.texts["net", 0])
    assert "x/K" in linear.config["model"]["equations"]["x"]


def test_formulas_without_an_input_of_the_network_are_tried_too(tmp_path: Path) -> None:
    (tmp_path / "u.csv").write_text("time,u\n0,0\n1,1\n3,-1\n")
    t = np.linspace(0, 3, 16)
    data = [odefit.Experiment(name, t, {"x": a * np.exp(-t)}) for name, a in (("a", 2.0), ("b", 1.0))]
    config = {
        "model": {"equations": {"x": "net(x, u)"}, "networks": {"net": {"hidden": [3]}}},
        "data": {"inputs": {"u": {"csv": str(tmp_path / "u.csv")}}},
        "fit": {"method": "lbfgs", "match": 60, "windows": [8], "epochs": 10},
    }
    found = odefit.symbols(odefit.fit(config, data=data), terms=["polynomial"], degree=1, most=2)
    assert found.candidates[0].form.texts == {("net", 0): "c_1*x"}
    assert found.candidates[0].config["data"]["inputs"] == {}
    with_input = next(c for c in found.candidates if "u" in c.form.texts["net", 0])
    assert list(with_input.config["data"]["inputs"]) == ["u"]


def test_a_vector_field_becomes_equations_of_all_states() -> None:
    t = np.linspace(0, 4, 41)
    data = [
        odefit.Experiment(name, t, {"x": a * np.exp(-t), "y": b * np.exp(-0.5 * t)})
        for name, a, b in (("a", 2.0, 1.0), ("b", 1.0, 3.0), ("c", -1.0, 2.0))
    ]
    config = {
        "model": {"name": "mlp", "states": ["x", "y"], "hidden": [5], "activation": "tanh"},
        "fit": {"method": "least_squares", "match": 60, "windows": [8], "epochs": 4},
    }
    fitted = odefit.fit(config, data=data)
    assert isinstance(fitted, Run)
    found = fitted.symbols(terms=["polynomial"], degree=2, most=2, seconds=60)
    assert [c.form.texts for c in found.candidates[:1]] == [{("net", 0): "c_1*x", ("net", 1): "c_2*y"}]
    rates = [found.best.result.estimates[name].value for name in ("c_1", "c_2")]
    np.testing.assert_allclose(rates, [-1, -0.5], rtol=1e-3)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"terms": ["polynomials"]}, "'polynomials' is none; did you mean 'polynomial'"),
        ({"degree": 9}, "must be from 1 to 6"),
        ({"most": 0}, "must be from 1 to 10"),
        ({"terms": []}, "must name some of"),
    ],
)
def test_what_an_argument_cannot_be_is_refused(run: Run, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(odefit.InputError) as error:
        odefit.symbols(run, **arguments)
    assert said in str(error.value)


def test_a_run_without_a_network_is_refused() -> None:
    data = [odefit.Experiment("a", [0, 1, 2, 3], {"x": [2, 1.2, 0.75, 0.45]})]
    run = odefit.fit({"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}, data=data)
    with pytest.raises(odefit.RunError, match="has no network"):
        odefit.symbols(run)
