"""A limit on CPU time, with a clock that runs as the test likes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from odefit.fitting import cpu_limit

DECAY: dict[str, Any] = {
    "model": {"equations": {"x": "-k*x"}},
    "parameters": {"k": {"value": 30, "bounds": [0.001, 100], "scale": "log"}},
    "solver": {"rtol": 1e-7},
}


def decayed() -> pd.DataFrame:
    t = np.linspace(0, 5, 11)
    return pd.DataFrame({"time": t, "x": 2 * np.exp(-0.4 * t) + np.random.default_rng(0).normal(0, 0.02, 11)})


def fitted(**keys: Any) -> odefit.Run:
    run = odefit.fit(DECAY | {"fit": {"starts": 1, **keys}}, data=decayed())
    assert isinstance(run, odefit.Run)
    return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock finds it a second later."""
    ticks = itertools.count()
    monkeypatch.setattr(cpu_limit.time, "process_time", lambda: float(next(ticks)))


@pytest.mark.usefixtures("clock")
def test_the_best_point_is_kept() -> None:
    free = fitted(cpu_limit=1e6)
    assert free.result.status == "converged"
    found = [fitted(cpu_limit=seconds) for seconds in (2, 4, 6)]
    for run, seconds in zip(found, (2, 4, 6), strict=True):
        assert run.result.status == "stopped"
        assert f"Not converged after {seconds} s of CPU time; raise fit.cpu_limit" in run.result.message
        values = run.history["objective"]
        assert (np.diff(values) < 0).all()
        assert run.result.objective.nll == pytest.approx(values.iloc[-1], abs=1e-6)
    reached = [run.result.objective.nll for run in (*found, free)]
    assert reached == sorted(reached, reverse=True)
    assert reached[0] > reached[2] > reached[3]


@pytest.mark.usefixtures("clock")
def test_without_a_single_evaluation_there_is_nothing() -> None:
    run = fitted(cpu_limit=0.5)
    assert run.result.status == "failed"
    assert "Not converged after 0.5 s of CPU time" in run.result.message


def test_without_need_it_changes_nothing() -> None:
    assert fitted(cpu_limit=1000).result.estimates == fitted().result.estimates


@pytest.mark.parametrize("method", ["least_squares", "lbfgs"])
def test_in_workers(method: str) -> None:
    run = fitted(starts=3, workers=2, method=method, cpu_limit=1e-9)
    assert run.result.starts.failed == 3
    assert set(run.starts["message"]) == {
        "Not converged after 1e-09 s of CPU time; raise fit.cpu_limit, or start closer to the optimum."
    }


def test_a_training_knows_no_such_limit() -> None:
    with pytest.raises(odefit.ConfigError, match="cpu_limit: not for `method: adam`; set `epochs`"):
        fitted(method="adam", cpu_limit=3)
