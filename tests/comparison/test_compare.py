"""`odefit.compare`: criteria from their definitions, nested models found, what cannot be compared refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import odefit
from commands import run as command

RNG = np.random.default_rng(0)
TIMES = np.linspace(0, 10, 21)
FRAME = pd.DataFrame({"time": TIMES, "x": 20 / (1 + 19 * np.exp(-0.9 * TIMES)) + 0.5 * RNG.standard_normal(21)})
R: dict[str, Any] = {"value": 0.5, "bounds": [0.01, 5], "scale": "log"}
K: dict[str, Any] = {"value": 15, "bounds": [1, 100], "scale": "log"}


def fitted(equation: str, data: Any = FRAME, noise: Any = "gaussian", **more: Any) -> odefit.Run:
    parameters = {"r": R, "K": K} | more
    config = {"model": {"equations": {"x": equation}}, "parameters": parameters, "noise": noise, "fit": {"starts": 4}}
    run = odefit.fit(config, data=data)
    assert isinstance(run, odefit.Run)
    return run


@pytest.fixture(scope="module")
def runs() -> dict[str, odefit.Run]:
    return {
        "logistic": fitted("r*x*(1 - x/K)"),
        "richards": fitted("r*x*(1 - (x/K)^theta)", theta={"value": 1.2, "bounds": [0.05, 10]}),
        "dying": fitted("r*x*(1 - x/K) - d*x", d={"value": 0.1, "bounds": [0, 1]}),
        "fixed": fitted("r*x*(1 - (x/K)^theta)", theta={"value": 2, "estimate": False}),
        "gompertz": fitted("r*x*log(K/x)"),
        "log": fitted("r*x*(1 - x/K)", noise="lognormal"),
    }


@pytest.mark.quick
def test_criteria_and_weights_are_those_of_their_definitions(runs: dict[str, odefit.Run]) -> None:
    chosen = [runs["logistic"], runs["gompertz"], runs["log"]]
    frame = odefit.compare(*chosen).frame
    k, n = frame.parameters, frame.measurements
    assert k.tolist() == [4, 4, 4]
    np.testing.assert_allclose(frame.aic, 2 * frame.nll + 2 * k)
    np.testing.assert_allclose(frame.aicc, frame.aic + 2 * k * (k + 1) / (n - k - 1))
    np.testing.assert_allclose(frame.bic, 2 * frame.nll + k * math.log(21))
    np.testing.assert_allclose(frame.delta, frame.aicc - frame.aicc.min())
    np.testing.assert_allclose(frame.weight, np.exp(-frame.delta / 2) / np.exp(-frame.delta / 2).sum())
    # Log-normal noise beside normal noise: both are densities of the measurements themselves.
    from scipy.stats import lognorm

    run = runs["log"]
    predicted = run.predictions(intervals=False).predicted
    sigma = run.result.estimates["sigma_x"].value
    assert frame.nll["run 3"] == pytest.approx(-lognorm.logpdf(FRAME.x, sigma, scale=predicted).sum(), rel=1e-6)


@pytest.mark.parametrize(
    ("small", "large", "text", "degrees"),
    [
        ("logistic", "richards", "theta = 1", 1),
        ("logistic", "dying", "d = 0", 1),
        ("fixed", "richards", "theta = 2", 1),
    ],
)
def test_a_special_case_is_recognised_and_tested(
    runs: dict[str, odefit.Run], small: str, large: str, text: str, degrees: int
) -> None:
    found = odefit.compare(runs[large], runs[small])
    (test,) = found.tests
    assert (test.nesting.text, test.nesting.degrees) == (text, degrees)
    a, b = (float(runs[name].result.objective.nll or 0) for name in (small, large))
    assert test.statistic == pytest.approx(2 * (a - b), abs=1e-6)
    if text == "d = 0":
        assert "half of chi-square's, since d lies on its bound there" in test.sentence
        assert test.p == pytest.approx(1.0 if test.statistic <= 0 else chi2.sf(test.statistic, 1) / 2)
    else:
        assert test.p == pytest.approx(chi2.sf(test.statistic, 1), rel=1e-6)


def test_half_of_the_probability_on_a_bound() -> None:
    """Where the larger model does gain, one parameter on its bound halves the tail."""
    t = np.linspace(0, 4, 15)
    frame = pd.DataFrame({"time": t, "x": 5 * np.exp(-0.7 * t) + 1.0 + 0.4 * RNG.standard_normal(15)})
    base = {"parameters": {"k": {"value": 0.5, "bounds": [0.01, 5]}}, "fit": {"starts": 4}}
    small = odefit.fit({**base, "model": {"equations": {"x": "-k*x"}}}, data=frame)
    config = {**base, "model": {"equations": {"x": "c - k*x"}}}
    config["parameters"] = {**base["parameters"], "c": {"value": 0.1, "bounds": [0, 5]}}
    large = odefit.fit(config, data=frame)
    (test,) = odefit.compare(small, large).tests
    assert test.statistic > 1
    assert test.p == pytest.approx(chi2.sf(test.statistic, 1) / 2, rel=1e-6)


def test_one_parameter_for_all_is_a_special_case_of_one_for_each() -> None:
    t = np.linspace(0, 4, 9)
    data = [
        odefit.Experiment(name, t, {"x": 5 * np.exp(-k * t) + 0.1 * RNG.standard_normal(9)})
        for name, k in (("a", 0.5), ("b", 0.7), ("c", 0.6))
    ]
    own = fitted("-r*x + 0*K", data=data, r=R | {"by": "experiment"}, K={"value": 1, "estimate": False})
    all_one = fitted("-r*x + 0*K", data=data, K={"value": 1, "estimate": False})
    (test,) = odefit.compare(own, all_one).tests
    assert (test.nesting.text, test.nesting.degrees) == ("one r", 2)
    assert test.p == pytest.approx(chi2.sf(test.statistic, 2), rel=1e-6)
    assert test.p < 0.01


def test_what_is_not_known_to_be_nested_is_said(runs: dict[str, odefit.Run]) -> None:
    found = odefit.compare(runs["richards"], runs["gompertz"])
    assert found.tests == ()
    assert any(note.startswith("no likelihood-ratio test, since the formulas do not show") for note in found.notes)
    assert "is clearly the best of these" in found.judgement


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda f: f[1:], "other measurements of x (20 instead of 21)"),
        (lambda f: f.assign(time=f.time + 1), "other measurements of x (other times or experiments)"),
        (lambda f: f.assign(x=np.log(f.x + 1) + 1), "other measurements of x (21 of 21 values differ)"),
        (lambda f: f.assign(x=1000 * f.x), "(those of one are 1000 times those of the other: another unit)"),
    ],
)
def test_other_data_are_refused(runs: dict[str, odefit.Run], change: Any, what: str) -> None:
    other = fitted("r*x*(1 - x/K)", data=change(FRAME), K=K | {"bounds": [0.1, 1e6]})
    with pytest.raises(odefit.RunError) as found:
        odefit.compare(runs["logistic"], other)
    assert what in str(found.value)


def test_logarithms_of_the_data_are_refused(runs: dict[str, odefit.Run]) -> None:
    own = {"observables": {"x": "log(n)"}, "equations": {"n": "r*n*(1 - n/K)"}, "initial": {"n": "n_start"}}
    config = {"model": own, "parameters": {"r": R, "K": K, "n_start": {"value": 1, "bounds": [0.01, 10]}}}
    other = odefit.fit(config, data=FRAME.assign(x=np.log(FRAME.x)))
    with pytest.raises(odefit.RunError, match="are the natural logarithms of those of the other: fit both to the same"):
        odefit.compare(runs["logistic"], other)


def test_the_same_data_under_another_name_and_in_another_order(runs: dict[str, odefit.Run]) -> None:
    config = {
        "model": {"equations": {"n": "r*n*(1 - n/K)"}, "observables": {"size": "n"}},
        "parameters": {"r": R, "K": K},
        "fit": {"starts": 4},
    }
    other = odefit.fit(config, data=FRAME.rename(columns={"x": "size"})[["size", "time"]])
    frame = odefit.compare(runs["logistic"], other).frame
    assert frame.delta.abs().max() < 1e-6


def test_other_conditions_are_said() -> None:
    t = np.linspace(0, 4, 9)
    values = {"x": 5 * np.exp(-0.5 * t) + 0.1 * RNG.standard_normal(9)}
    first, second = (
        fitted("-r*x*w + 0*K", data=[odefit.Experiment("a", t, values, constants={"w": w})], K=1.0) for w in (1, 2)
    )
    notes = odefit.compare(first, second).notes
    assert "the experiments are not under the same conditions as in run 1: run 2 in the table of experiments" in notes


def test_held_out_scores_stand_beside() -> None:
    config = {"model": {"equations": {"x": "r*x"}}, "parameters": {"r": R}, "data": {"hold_out": {"after": 8}}}
    one = odefit.fit(
        {**config, "model": {"equations": {"x": "r*x*(1-x/K)"}}, "parameters": {"r": R, "K": K}}, data=FRAME
    )
    other = odefit.fit(config, data=FRAME)
    frame = odefit.compare(one, other).frame
    assert one.result.hold_out is not None
    assert frame.hold_out["run 1"] == pytest.approx(one.result.hold_out.nll_per_observation)
    with pytest.raises(odefit.RunError, match="other measurements of x"):
        odefit.compare(one, fitted("r*x*(1 - x/K)"))


def test_a_fit_without_a_certificate_is_named_first(runs: dict[str, odefit.Run]) -> None:
    stopped = odefit.fit(
        {"model": {"equations": {"x": "r*x*(1-x/K)"}}, "parameters": {"r": R, "K": K}, "fit": {"max_iterations": 1}},
        data=FRAME,
    )
    notes = odefit.compare(runs["gompertz"], stopped).notes
    assert notes[0].startswith("without a certificate a likelihood is no maximum")


def test_one_run_is_no_comparison(runs: dict[str, odefit.Run]) -> None:
    with pytest.raises(odefit.RunError, match="needs two runs or more"):
        odefit.compare(runs["log"])


def test_the_command_prints_writes_and_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: dict[str, odefit.Run]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("logistic", "richards"):
        runs[name].save(tmp_path / name)
    shown, _ = command("compare", "logistic", "richards")
    assert "logistic is richards with theta = 1: likelihood ratio" in shown
    assert "written to comparison.csv, comparison.png" in shown
    table = pd.read_csv("comparison.csv")
    assert table.run.tolist() == ["richards", "logistic"]
    assert table.weight.sum() == pytest.approx(1)
