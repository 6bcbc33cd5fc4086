"""A fit says the same in any unit: mol or cells per litre, nanoseconds or the seconds of years."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from odefit.data.experiments import Experiment
from odefit.problem.solver_steps import own_steps

UNITS = [(1e-12, 1.0), (1e12, 1e-9), (2.0**-40, 2.0**30)]
"""What amounts and times are multiplied by; powers of two round nothing."""
HARES = Path(__file__).parents[2] / "data" / "lynx_hare.csv"

Scaled = tuple[dict[str, Any], pd.DataFrame, dict[str, float]]
"""A config, its data, and by what its estimates are multiplied."""


def between(value: float, low: float, high: float, unit: float, scale: str = "log") -> dict[str, Any]:
    return {"value": value * unit, "bounds": [low * unit, high * unit], "scale": scale}


def predators(a: float, k: float) -> Scaled:
    data = pd.read_csv(HARES)
    frame = pd.DataFrame({"time": (data["year"] - 1900) * k, "hare": data["hare"] * a, "lynx": data["lynx"] * a})
    units = {"alpha": 1 / k, "beta": 1 / k / a, "gamma": 1 / k, "delta": 1 / k / a, "hare_0": a, "lynx_0": a}
    usual = {"alpha": (0.5, 0.01, 5), "beta": (0.02, 1e-4, 1), "gamma": (0.8, 0.01, 5), "delta": (0.02, 1e-4, 1)}
    usual |= {"hare_0": (10, 1, 100), "lynx_0": (10, 1, 100)}
    config = {
        "model": {
            "equations": {"hare": "alpha*hare - beta*hare*lynx", "lynx": "delta*hare*lynx - gamma*lynx"},
            "initial": "estimate",
        },
        "parameters": {name: between(*numbers, units[name]) for name, numbers in usual.items()},
        "fit": {"starts": 4, "seed": 0},
    }
    return config, frame, units | {"sigma_hare": a, "sigma_lynx": a}


def doses(a: float, k: float) -> Scaled:
    """Into a depot, with a lag; what the curve is at most, when, and its area."""
    t = np.array([0, 0.6, 1, 1.5, 2, 3, 5, 8, 12, 12.7, 13, 14, 16, 20])

    def after(start: float) -> Any:
        s = t - start
        return np.where(s >= 0, 10 * 1.2 / 0.9 * (np.exp(-0.3 * s) - np.exp(-1.2 * s)), 0)

    noise = np.random.default_rng(2).standard_normal(len(t))
    A = (after(0.5) + after(12.5) + 0.1 * np.exp(-0.3 * t)) * np.exp(0.05 * noise)
    config = {
        "model": {"equations": {"G": "-ka*G", "A": "ka*G - ke*A"}, "initial": {"G": 0, "A": 0.1 * a}},
        "parameters": {
            "ka": between(1, 0.5, 30, 1 / k, "linear"),
            "ke": between(0.3, 0.01, 0.4, 1 / k, "linear"),
            "lag": between(0.4, 0, 0.59, k, "linear"),
        },
        "derived": {"peak": "max(A)", "at": "time_of_max(A)", "area": f"integral(A, 0, {20 * k})"},
        "data": {
            "doses": {"state": "G", "lag": "lag", "table": [{"time": 12 * n * k, "amount": 10 * a} for n in (0, 1)]}
        },
        "noise": "proportional",
        "fit": {"starts": 3, "seed": 0},
    }
    config["model"]["observables"] = {"A": "A"}
    units = {"ka": 1 / k, "ke": 1 / k, "lag": k, "peak": a, "at": k, "area": a * k}
    return config, pd.DataFrame({"time": t * k, "A": A * a}), units


def dilutions(a: float, k: float) -> Scaled:
    """A culture that is diluted, and that settles at its capacity."""
    t = np.array([0, 8, 16, 20, 24, 32, 40, 44, 48, 56, 64.0])
    x = 0.05 * np.exp(0.3 * t)
    x = x / (1 + x / 10)
    x[5:] = 0.1 * np.exp(0.3 * (t[5:] - 24)) / (1 + 0.01 * np.exp(0.3 * (t[5:] - 24)))
    x *= np.exp(0.03 * np.random.default_rng(4).standard_normal(len(t)))
    config = {
        "model": {
            "equations": {"x": "r*x*(1 - x/K)"},
            "initial": {"x": "estimate"},
            "events": [{"time": 24 * k, "set": {"x": f"{0.1 * a!r}"}}],
        },
        "parameters": {
            "r": between(0.2, 0.01, 2, 1 / k),
            "K": between(20, 4, 100, a, "linear"),
            "x_0": between(0.1, 0.001, 1, a, "linear"),
        },
        "noise": "lognormal",
        "fit": {"starts": 3, "seed": 0},
    }
    return config, pd.DataFrame({"time": t * k, "x": x * a}), {"r": 1 / k, "K": a, "x_0": a}


@pytest.mark.parametrize("case", [predators, doses, dilutions])
def test_a_fit_says_the_same_in_any_unit(case: Callable[[float, float], Scaled]) -> None:
    config, frame, _ = case(1, 1)
    usual = odefit.fit(config, data=frame).result
    assert usual.status == "converged"
    for a, k in UNITS:
        config, frame, units = case(a, k)
        found = odefit.fit(config, data=frame).result
        assert (found.status, found.warnings) == (usual.status, usual.warnings)
        for name, estimate in found.estimates.items():
            unit, there = units.get(name, 1.0), usual.estimates[name]
            assert estimate.value == pytest.approx(there.value * unit, rel=5e-6, abs=0), name
            assert estimate.standard_error is not None
            assert estimate.standard_error == pytest.approx(there.standard_error * unit, rel=1e-4, abs=0), name


@pytest.mark.parametrize("k", [1e-12, 1e-9, 1.0, 1e9])
def test_the_steps_of_an_experiment_end_with_it_in_any_unit(k: float) -> None:
    steps = np.arange(20) * k
    for start in (0.0, -5 * k):
        experiment = Experiment("1", np.array([start, start + 8 * k]), {"x": [1.0, 2.0]}, start=start)
        np.testing.assert_array_equal(own_steps(experiment, steps, experiment.last), start + steps[:9])
