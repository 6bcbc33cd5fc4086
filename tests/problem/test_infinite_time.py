"""Measurements at infinite time, from the table to the tables and pictures of a run."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import odefit
from from_text import assembled
from odefit.errors import ConfigError, DataError, SolveError
from odefit.problem.interface import Problem

CONFIG = """
model: {equations: {x: a - k*x}, initial: {x: 0}, observables: {x: x}}
parameters: {a: {value: 1, scale: log}, k: {value: 1, scale: log}}
data: {start: 0}
noise: {x: {sigma: 0.1}}
solver: {rtol: 1e-9, atol: 1e-11}
"""
WIDE = "experiment,time,x\nA,0.5,0.8\nA,2,2.1\nA,inf,3.05\nB,1,1.35\nC,inf,2.96\n"
LONG = "experiment,time,observable,value\nA,Inf,x,3.05\nA,0.5,x,0.8\nA,2,x,2.1\nB,1,x,1.35\nC,inf,x,2.96\n"


@pytest.mark.parametrize("data", [WIDE, LONG])
@pytest.mark.parametrize("method", ["auto", "dopri5"])
def test_they_stand_beside_others_or_alone(data: str, method: str) -> None:
    problem = Problem(assembled(CONFIG, f"solver.method={method}", data=data))
    a, k = 3.0, 1.2
    t = np.array([0.5, 2, np.inf, 1, np.inf])
    np.testing.assert_allclose(problem.simulate([a, k])["x"], a / k * (1 - np.exp(-k * t)), rtol=1e-7)
    late = np.where(np.isinf(t), 0.0, t)
    dk = -a / k**2 * (1 - np.exp(-k * t)) + a / k * late * np.exp(-k * t)
    expected = np.stack([(1 - np.exp(-k * t)) / k, dk], axis=1) / 0.1
    np.testing.assert_allclose(problem.jacobian([a, k]), expected, rtol=1e-6, atol=1e-7)


def test_values_that_come_again_at_infinite_time_are_replicates() -> None:
    problem = Problem(assembled(CONFIG, data="time,x\n1,1\ninf,2\ninf,2.2\n"))
    assert len(problem.residuals([3.0, 1.5])) == 3
    np.testing.assert_allclose(np.sort(problem.residuals([3.0, 1.5]))[[0, -1]], [-2.0, 5.5373968], rtol=1e-5)


@pytest.mark.parametrize(("cell", "what"), [("-inf", "is infinite"), ("nan", "the time is missing")])
def test_other_times_that_are_none_are_refused(tmp_path: Path, cell: str, what: str) -> None:
    (tmp_path / "d.csv").write_text(f"time,x\n1,2\n{cell},3\n")
    (tmp_path / "c.yaml").write_text(CONFIG.replace("{start: 0}", "{csv: d.csv, start: 0}"))
    with pytest.raises((DataError, ConfigError), match=what):
        odefit.load(tmp_path / "c.yaml")


def test_an_experiment_that_never_rests_is_named() -> None:
    problem = Problem(assembled(CONFIG, "model.equations.x=a + 0*k*x + k", data=WIDE))
    with pytest.raises(SolveError, match="experiment A: no steady state was reached for the row at infinite time"):
        problem.simulate([1.0, 1.0])


def test_in_python_and_in_tables_and_pictures(tmp_path: Path) -> None:
    one = odefit.Experiment("A", [0.5, 1, 2, np.inf], {"x": [1.2, 1.7, 2.3, 2.52]})
    two = odefit.Experiment("B", [np.inf], {"x": [2.48]})
    config = {
        "model": {"equations": {"x": "a - k*x"}, "initial": {"x": 0}, "observables": {"x": "x"}},
        "parameters": {"a": {"value": 1, "scale": "log"}, "k": {"value": 1, "scale": "log"}},
        "data": {"start": 0},
        "noise": {"x": "gaussian"},
    }
    run = odefit.fit(config, data=[one, two], out=tmp_path / "run")
    assert run.parameters.loc["a", "value"] / run.parameters.loc["k", "value"] == pytest.approx(2.5, abs=0.05)
    table = pd.read_csv(tmp_path / "run" / "predictions.csv")
    assert table["time"].tolist() == [0.5, 1.0, 2.0, np.inf, np.inf]
    figure = odefit.plot(run, "time_series")
    assert "∞" in {text.get_text() for axes in figure.axes for text in axes.texts}


def test_simulated_data_have_it_and_it_is_read_back(tmp_path: Path) -> None:
    text = CONFIG.replace("{start: 0}", "{simulate: {times: [0, 1, .inf], parameters: {a: 3, k: 1}}}")
    (tmp_path / "s.yaml").write_text(text)
    made = odefit.simulate(tmp_path / "s.yaml")
    assert made.frame["time"].tolist() == [0.0, 1.0, np.inf]
    assert made.frame["x"].iloc[-1] == pytest.approx(3.0, rel=1e-7)
    made.write(tmp_path / "s.csv")
    again = pd.read_csv(io.StringIO((tmp_path / "s.csv").read_text()))
    np.testing.assert_allclose(again["x"], made.frame["x"])
