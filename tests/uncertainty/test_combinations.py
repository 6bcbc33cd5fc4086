"""What the data determine of parameters that they determine in combination only: the formula, its value, its error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odefit
from odefit.fitting.run import Run

T = np.arange(11.0)
DECAY = 3 * np.exp(-0.4 * T)


def log(value: float) -> dict[str, Any]:
    return {"value": value, "bounds": [1e-3, 1e3], "scale": "log"}


def linear(value: float) -> dict[str, Any]:
    return {"value": value, "bounds": [0, 100]}


def fit(model: dict[str, Any], parameters: dict[str, Any], y: Any = DECAY, times: Any = T) -> Run:
    noise = 0.01 * np.random.default_rng(2).standard_normal(len(times))
    data = [odefit.Experiment("a", times, {"y": y + noise})]
    run = odefit.fit({"model": model, "parameters": parameters}, data=data)
    assert isinstance(run, Run)
    return run


def decay(rate: str, start: str = "3", seen: str = "x") -> dict[str, Any]:
    return {"equations": {"x": f"-({rate})*x"}, "initial": {"x": start}, "observables": {"y": seen}}


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, float]]] = {
    "product": (decay("k", "a", "b*x"), {"k": log(0.3), "a": log(2), "b": log(1)}, {"a*b": 3}),
    "product, linear scale": (decay("k", "a", "b*x"), {"k": log(0.3), "a": linear(2), "b": linear(1)}, {"a*b": 3}),
    "three factors": (decay("k", "a", "b*c*x"), {n: log(1) for n in "kabc"}, {"a*b*c": 3}),
    "ratio": (decay("CL/V"), {"CL": log(2), "V": log(5)}, {"CL/V": 0.4}),
    "sum": (decay("p + q"), {"p": log(0.3), "q": log(0.1)}, {"p + q": 0.4}),
    # Where both are equal p + q and p*q have one gradient: only the way along the curve tells them apart.
    "sum of equals": (decay("p + q"), {"p": log(0.3), "q": log(0.3)}, {"p + q": 0.4}),
    "sum of three": (decay("p + q + r"), {"p": log(0.3), "q": log(0.1), "r": linear(0.2)}, {"p + q + r": 0.4}),
    "difference": (decay("d - b"), {"b": log(0.3), "d": log(0.9)}, {"b - d": -0.4}),
    "factor and sum": (decay("a*(b + c)"), {"a": log(0.5), "b": log(0.3), "c": log(0.5)}, {"a*(b + c)": 0.4}),
    "two groups": (
        decay("p + q", "a", "b*x"),
        {"p": log(0.3), "q": log(0.1), "a": log(2), "b": log(1)},
        {"p + q": 0.4, "a*b": 3},
    ),
    "no formula of ours": (decay("a + b^3"), {"a": log(0.2), "b": log(0.5)}, {}),
    "all determined": (decay("k", "a"), {"k": log(0.3), "a": log(2)}, {}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_formula_is_named_with_its_value_and_its_error(
    case: tuple[dict[str, Any], dict[str, Any], dict[str, float]],
) -> None:
    model, parameters, truth = case
    run = fit(model, parameters)
    assert run.result.status == "converged", run.result.message
    found = run.result.combinations
    assert found.keys() == truth.keys()
    for text, value in truth.items():
        error = found[text].standard_error
        assert error is not None
        assert 1e-3 < error < 0.05
        assert found[text].value == pytest.approx(value, abs=4 * error)
    said = [text for text in run.result.warnings if text.startswith("of these parameters the data determine only")]
    assert len(said) == bool(truth)
    assert all(text in said[0] for text in truth)


def test_its_error_is_that_of_the_parameter_it_could_be() -> None:
    alone = fit(decay("k"), {"k": log(0.3)}).result.estimates["k"]
    both = fit(decay("p + q"), {"p": log(0.3), "q": log(0.1)}).result.combinations["p + q"]
    assert alone.standard_error is not None
    # Two parameters of which the data see one combination take one degree of freedom.
    assert both.standard_error == pytest.approx(alone.standard_error, rel=1e-3)


def test_two_combinations_of_three_parameters(tmp_path: Path) -> None:
    model = {"equations": {"B": "k1*(1 - B) - k2*B"}, "initial": {"B": 0}, "observables": {"y": "c*B"}}
    parameters = {"k1": log(0.4), "k2": log(0.3), "c": log(2.5)}
    run = fit(model, parameters, 1.2 / 0.7 * (1 - np.exp(-0.7 * T)))
    assert run.result.status == "converged"
    found = run.result.combinations
    assert {text: e.value for text, e in found.items()} == {
        "k1 + k2": pytest.approx(0.7, rel=0.05),
        "c*k1": pytest.approx(1.2, rel=0.05),
    }
    run.save(tmp_path / "run")
    assert json.loads((tmp_path / "run" / "result.json").read_text())["combinations"].keys() == found.keys()
    assert odefit.load_run(tmp_path / "run").result.combinations == found


def test_the_share_of_two_rates_at_equilibrium() -> None:
    times = np.array([2.0, 4.0, 6.0, 8.0, 10.0])
    model = {"equations": {"A": "-k2*A + k1*(1 - A)"}, "initial": {"A": 1}, "observables": {"y": "A"}}
    parameters = {"k1": {"value": 8, "bounds": [0, 1000]}, "k2": {"value": 4, "bounds": [0, 1000]}}
    run = fit(model, parameters, np.full(5, 0.665), times)
    assert run.result.status == "converged"
    share = run.result.combinations["k1/(k1 + k2)"]
    assert share.standard_error is not None
    assert share.value == pytest.approx(0.665, abs=4 * share.standard_error)
    assert run.result.combinations["k1/k2"].value == pytest.approx(share.value / (1 - share.value), rel=1e-6)
