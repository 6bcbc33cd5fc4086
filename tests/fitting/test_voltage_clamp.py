"""A current driven by a voltage that steps and ramps inside an exponential, another one in each experiment."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

import odefit

VOLTAGE = {"a": ((0, 0), (30, 0), (30, 35), (60, 35)), "b": ((0, 10), (20, 10), (22, 45), (50, 45), (60, -20))}
CURRENT = {"a": (5.0, 5.1, 5.9, 7.9, 9.8), "b": (5.0, 5.9, 8.5, 12.0, 8.0)}
TIMES = np.array([5.0, 29.0, 32.0, 40.0, 60.0])


def current(k: float, name: str) -> list[float]:
    points, y, found = VOLTAGE[name], 4.5, []
    for (t0, v0), (t1, v1) in itertools.pairwise(points):
        if t1 > t0:
            slope = (v1 - v0) / (t1 - t0)
            inside = TIMES[(t0 < TIMES) & (t1 >= TIMES)]
            rates = lambda t, y, t0=t0, v0=v0, slope=slope: np.exp(0.02 * (v0 + slope * (t - t0))) - k * y  # noqa: E731
            at = np.unique([*inside, t1])
            path = solve_ivp(rates, (t0, t1), [y], t_eval=at, rtol=1e-10, atol=1e-12).y[0]
            found += path[np.isin(at, inside)].tolist()
            y = path[-1]
    return found


@pytest.fixture(scope="module")
def best() -> float:
    """The rate that SciPy finds."""
    miss = least_squares(lambda k: np.concatenate([np.array(current(k[0], e)) - CURRENT[e] for e in CURRENT]), [0.25])
    return float(miss.x[0])


def clamped(method: str, tmp_path: Path) -> tuple[dict[str, Any], list[odefit.Experiment]]:
    """A config and its data."""
    rows = [f"{name},{t},{v}" for name, points in VOLTAGE.items() for t, v in points]
    (tmp_path / "v.csv").write_text("experiment,time,V\n" + "\n".join(rows) + "\n")
    config = {
        "model": {"equations": {"y": "exp(0.02*V) - k*y"}, "initial": {"y": 4.5}},
        "parameters": {"k": {"value": 0.25, "bounds": [0.01, 10], "scale": "log"}},
        "data": {"start": 0, "inputs": {"V": {"csv": str(tmp_path / "v.csv")}}},
        "solver": {"method": method},
    }
    return config, [odefit.Experiment(name, TIMES, {"y": y}) for name, y in CURRENT.items()]


@pytest.mark.parametrize("method", ["auto", "bdf", "esdirk34"])
def test_one_rate_of_two_experiments(method: str, tmp_path: Path, best: float) -> None:
    config, data = clamped(method, tmp_path)
    run = odefit.fit(config, data=data)
    assert run.result.status == "converged"
    assert run.parameters.loc["k", "value"] == pytest.approx(best, rel=1e-4)


@pytest.mark.torch
def test_torchdiffeq_has_the_same_optimum(tmp_path: Path, best: float) -> None:
    config, data = clamped("dopri5", tmp_path)
    problem = odefit.load(config, data=data)
    assert problem.names[0] == "k"
    x = np.array([best, 0.1])
    slope = problem.gradient(x)[0]
    curvature = (problem.gradient(x + np.array([1e-3, 0]))[0] - slope) / 1e-3
    assert abs(slope / curvature) < 1e-4 * best
