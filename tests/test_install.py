"""Does an installation work? One test of every part, against published numbers where there are some.

`pytest -m quick` runs these, and a file of small tests from most rooms.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import commands
import odefit

pytestmark = pytest.mark.quick

LYNX = Path(__file__).parents[1] / "configs" / "lynx_hare.yaml"
LYNX_NLL = 122.92595059
"""Of the maximum likelihood, solved independently: see data/SOURCES.md."""
DECAY: dict[str, Any] = {
    "model": {"equations": {"x": "-k*x"}, "initial": {"x": "estimate"}},
    "parameters": {"k": {"value": 1.0, "bounds": [0.01, 10], "scale": "log"}},
    "data": {
        "simulate": {
            "parameters": {"k": 0.7},
            "initial": {"x": 2},
            "times": {"stop": 4, "count": 15},
            "noise": 0.02,
            "seed": 1,
        }
    },
}
NETWORK: dict[str, Any] = {
    "model": {"name": "mlp", "states": ["x"], "hidden": [4], "initial": "first"},
    "data": {"simulate": {"model": DECAY["model"], **DECAY["data"]["simulate"]}},
    "solver": {"method": "rk4"},
    "fit": {"method": "adam", "epochs": 3},
}


@pytest.fixture(scope="module")
def run() -> odefit.Run:
    return odefit.fit(DECAY)


@pytest.mark.parametrize("method", ["auto", "bdf", pytest.param("dopri5", marks=pytest.mark.torch)])
def test_both_engines_reach_the_published_optimum(method: str) -> None:
    result = odefit.fit(LYNX, ["fit.starts=1", f"solver.method={method}"]).result
    assert result.status == "converged"
    assert result.objective.nll == pytest.approx(LYNX_NLL, abs=1e-3)
    assert result.estimates["alpha"].value == pytest.approx(0.5400139512, rel=1e-3)


def test_many_starts_in_worker_processes_find_it_too() -> None:
    result = odefit.fit(LYNX, ["fit.starts=4", "fit.workers=2"]).result
    assert result.starts.finished == 4
    assert result.objective.nll == pytest.approx(LYNX_NLL, abs=1e-3)


@pytest.mark.parametrize(
    "noise", ["lognormal", "laplace", {"model": "student_t", "df": 4}, {"model": "additive_proportional"}]
)
def test_noise_models(noise: Any) -> None:
    result = odefit.fit(DECAY | {"noise": {"x": noise}}).result
    assert result.status == "converged"
    assert result.estimates["k"].value == pytest.approx(0.7, abs=0.05)


def test_a_dose_and_an_event_are_met_exactly() -> None:
    times = np.array([0.5, 2.0, 4.0])
    dosed = odefit.Experiment("one", times, np.ones((3, 1)), 0.0, doses=(odefit.Dose(1.0, "x", 2.0),))
    model = {"equations": {"x": "-k*x"}, "initial": {"x": 0}, "events": [{"time": 3, "set": {"x": "x/2"}}]}
    config = {"model": model, "parameters": {"k": 0.5}, "noise": {"sigma": 1}}
    found = odefit.load(config, data=[dosed]).simulate([0.5])
    np.testing.assert_allclose(found["x"], [0.0, 2 * np.exp(-0.5), np.exp(-1.5)], atol=1e-5)


def test_the_likelihood_and_its_gradient() -> None:
    problem = odefit.load(DECAY)
    gradient = problem.gradient(problem.x0)
    for k, unit in enumerate(np.eye(len(problem.x0))):
        step = 1e-5 * unit
        slope = (problem.nll(problem.x0 + step) - problem.nll(problem.x0 - step)) / 2e-5
        assert gradient[k] == pytest.approx(slope, rel=1e-3, abs=1e-3)


def test_how_sure_the_estimates_are(run: odefit.Run) -> None:
    found = run.result.estimates["k"]
    assert found.interval is not None
    assert found.interval[0] < 0.7 < found.interval[1]
    assert found.standard_error == pytest.approx((found.interval[1] - found.interval[0]) / 4, rel=0.2)


def test_a_picture(run: odefit.Run, tmp_path: Path) -> None:
    figure = odefit.plot(run, "time_series")
    figure.savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_faults_of_a_config_come_together_with_their_remedy() -> None:
    wrong = DECAY | {"fit": {"startz": 3}, "noise": {"y": "gaussian"}, "solver": {"rtol": -1}}
    with pytest.raises(odefit.ConfigError) as told:
        odefit.load(wrong)
    assert "did you mean 'starts'" in str(told.value)
    assert "solver.rtol" in str(told.value)


@pytest.mark.torch
def test_a_network_is_trained() -> None:
    run = odefit.fit(NETWORK)
    losses = run.frame("history")["loss"]
    assert len(losses) >= 3
    assert np.isfinite(losses).all()


def test_the_commands_from_data_to_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said, _ = commands.run("check", str(LYNX))
    assert "fine" in said
    said, _ = commands.run("fit", str(LYNX), "--set", "fit.starts=1", "--out", "run")
    assert "-log likelihood 122.926" in said
    assert Path("run/plots/time_series.png").stat().st_size > 1000
    assert odefit.load_run("run").result.objective.nll == pytest.approx(LYNX_NLL, abs=1e-3)
    _, wrong = commands.run("fit", str(LYNX), "--set", "fit.startz=1", code=2)
    assert "did you mean" in wrong
