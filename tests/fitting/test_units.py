"""Fits in small and mixed units: right values, and the same as in units of one.

Right values: SciPy's solve_ivp at 1e-10 or tighter within least_squares at 1e-13, from the numbers below.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import odefit
from odefit.api import assembled

RIGHT_ENZYME = [1.71286303, 8.01689211, 0.0089031979]
RIGHT_PREDATORS = [1.04977739, 1.577525515e6, 0.744768502, 1.165410208e6, 5.13521323e-8, 2.68750404e-8]
PREDATORS = {
    "x": "9.00109e-07 1.058873e-06 6.2783e-07 4.26988e-07 3.75582e-07 3.54496e-07 6.46066e-07",
    "y": "4.96499e-07 8.71867e-07 1.016001e-06 8.92202e-07 6.29535e-07 4.90393e-07 3.79361e-07",
}


def fitted(config: dict[str, Any], *experiments: odefit.Experiment) -> odefit.Run:
    return odefit.fit(config, data=list(experiments))


def predators(c: float, e: float, **solver: Any) -> tuple[dict[str, Any], list[odefit.Experiment]]:
    """Molar prey and predators, a config and data; then x in units of c, y in units of e moles per litre."""
    x, y = (np.array([float(v) for v in text.split()]) for text in PREDATORS.values())
    config = {
        "model": {
            "equations": {"x": "a*x - b*x*y", "y": "d*x*y - g*y"},
            "initial": {"x": 1e-6 / c, "y": 5e-7 / e},
        },
        "parameters": {
            "a": {"value": 0.9, "bounds": [0.01, 10], "scale": "log"},
            "b": {"value": 1.3e6 * e, "bounds": [1e4 * e, 1e7 * e], "scale": "log"},
            "g": {"value": 0.9, "bounds": [0.01, 10], "scale": "log"},
            "d": {"value": 1.0e6 * c, "bounds": [1e4 * c, 1e7 * c], "scale": "log"},
        },
        "solver": solver,
    }
    return config, [odefit.Experiment("1", np.arange(7.0), {"x": x / c, "y": y / e})]


@cache
def micromolar(method: str) -> list[float]:
    """The estimates in units of 1e-6 moles per litre."""
    config, data = predators(1e-6, 1e-6, method=method)
    return values(odefit.fit(config, data=data), 1e-6, 1e-6)


def values(run: odefit.Run, c: float, e: float) -> list[float]:
    found = {name: estimate.value for name, estimate in run.result.estimates.items()}
    units = {"a": 1.0, "b": e, "g": 1.0, "d": c, "sigma_x": 1 / c, "sigma_y": 1 / e}
    return [float(found[name] or 0.0) / units[name] for name in units]


@pytest.mark.parametrize("c, e", [(1.0, 1.0), (1e-3, 1e-3), (1e-6, 1e-9), (1e-9, 1.0), (1e-12, 1e-3)], ids=str)
@pytest.mark.parametrize("method", ["auto", "bdf"])
def test_the_unit_does_not_matter(c: float, e: float, method: str) -> None:
    config, data = predators(c, e, method=method)
    run = odefit.fit(config, data=data)
    assert run.result.status == "converged"
    np.testing.assert_allclose(values(run, c, e), RIGHT_PREDATORS, rtol=1e-4)
    np.testing.assert_allclose(values(run, c, e), micromolar(method), rtol=1e-6)


@pytest.mark.torch
def test_the_unit_does_not_matter_to_torchdiffeq() -> None:
    """The likelihood around the optimum, and its slopes on log scales, are those of the kernel in units of one."""
    found = []
    for c, e, method in ((1e-3, 1e-9, "dopri5"), (1.0, 1.0, "auto")):
        config, data = predators(c, e, method=method)
        problem = odefit.load(config, data=data)
        units = {"a": 1.0, "b": e, "g": 1.0, "d": c, "sigma_x": 1 / c, "sigma_y": 1 / e}
        x = np.array(RIGHT_PREDATORS) * [1.02, 0.98, 1.01, 1.03, 1.1, 0.9]
        right = dict(zip(units, x, strict=True))
        u = problem.to_search(np.array([right[name] * units[name] for name in problem.names]))
        per_unit = 7 * (np.log(c) + np.log(e))
        found.append([problem.nll_search(u) + per_unit, *problem.gradient_search(u)])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("scale", ["log", "linear"])
def test_an_enzyme_runs_empty(size: float, scale: str) -> None:
    """S' = -V S/(Km + S), with parameters of the states' size, on either scale and without bounds."""
    measured = np.array([8.02, 6.295, 4.684, 3.0, 1.298, 0.087, 0.0])
    config = {
        "model": {"equations": {"S": "-V*S/(Km + S)"}},
        "parameters": {
            "V": {"value": 1.5 * size, "scale": scale},
            "S_0": {"value": 7.0 * size, "scale": scale},
            "Km": {"value": 0.1 * size, "estimate": False},
        },
    }
    run = fitted(config, odefit.Experiment("1", np.arange(7.0), {"S": size * measured}))
    assert run.result.status == "converged"
    estimates = run.result.estimates
    assert estimates["V"].value == pytest.approx(RIGHT_ENZYME[0] * size, rel=1e-5)
    assert estimates["S_0"].value == pytest.approx(RIGHT_ENZYME[1] * size, rel=1e-5)
    assert estimates["V"].at_bound is None
    assert run.result.objective.rss == pytest.approx(RIGHT_ENZYME[2] * size**2, rel=1e-4)


@pytest.mark.parametrize("start", [{"ka": 20, "ke": 3, "V": 50}, {"ka": 0.2, "ke": 9, "V": 20}], ids=str)
@pytest.mark.parametrize("size", [1.0, 1e-9])
def test_a_start_at_which_most_measurements_vanish(start: dict[str, float], size: float) -> None:
    """Two exponentials with log-normal noise: at the start the late predictions are 1e-16 and less."""
    times = [1.2, 4.6, 8.8, 12, 18, 26.5]
    measured = size * np.array([199.989, 82.3546, 11.5327, 2.34953, 0.126852, 0.00145185])
    bounds = {"ka": [0.01, 100], "ke": [0.001, 50], "V": [1, 1000]}
    config = {
        "model": {
            "equations": {"gut": "-ka*gut", "blood": "ka*gut - ke*blood"},
            "initial": {"gut": 30000 * size, "blood": 0},
            "observables": {"conc": "blood/V"},
        },
        "parameters": {name: {"value": start[name], "bounds": bounds[name], "scale": "log"} for name in bounds},
        "noise": "lognormal",
        "data": {"start": 0},
    }
    run = fitted(config, odefit.Experiment("1", times, {"conc": measured}))
    assert run.result.status == "converged"
    assert run.result.objective.rss == pytest.approx(0.0130549, rel=1e-4)
    ka, ke, V = (run.result.estimates[name].value for name in ("ka", "ke", "V"))
    right = (0.839057, 0.509742, 68.5670) if ka > ke else (0.509742, 0.839057, 41.6556)
    np.testing.assert_allclose([ka, ke, V], right, rtol=1e-5)


def decay(noise: str, **more: Any) -> dict[str, Any]:
    return {"model": {"equations": {"x": "-k*x"}} | more, "parameters": {"k": 0.5}, "noise": noise}


def initial_scale(config: dict[str, Any], values: list[float]) -> tuple[str, list[float]]:
    """The scale and the bounds of x_0."""
    data = [odefit.Experiment("1", [0, 1, 2, 3], {"x": values})]
    parameter = assembled(config, data=data).problem.table["x_0"]
    return parameter.scale, [parameter.lower, parameter.upper]


def test_initial_values_of_positive_data_are_looked_for_on_a_log_scale() -> None:
    positive = [2e-6, 1.2e-6, 8e-7, 5e-7]
    for noise in ("lognormal", "gaussian"):
        scale, bounds = initial_scale(decay(noise), positive)
        assert scale == "log"
        assert bounds == pytest.approx([2e-9, 2e-3])


@pytest.mark.parametrize(
    "more, values",
    [
        ({}, [2.0, 1.2, -0.1, 0.5]),
        ({}, [2.0, 1.2, 0.0, 0.5]),
        ({"version": 1}, [2.0, 1.2, 0.8, 0.5]),
        ({"parameters": {"k": 0.5, "x_0": {"bounds": [-5, 5]}}}, [2.0, 1.2, 0.8, 0.5]),
        ({"parameters": {"k": 0.5, "x_0": {"scale": "linear"}}}, [2.0, 1.2, 0.8, 0.5]),
        ({"parameters": {"k": 0.5, "x_0": {"prior": {"normal": [0, 5]}}}}, [2.0, 1.2, 0.8, 0.5]),
        ({"parameters": {"k": 0.5, "x_0": -1}}, [2.0, 1.2, 0.8, 0.5]),
    ],
)
def test_others_keep_the_scale_that_they_have(more: dict[str, Any], values: list[float]) -> None:
    assert initial_scale(decay("gaussian") | more, values)[0] == "linear"


def test_random_starts_of_positive_data_do_not_fail() -> None:
    """As a new user would: log-normal noise, initial values estimated, ten starts."""
    times = np.arange(0.0, 10.0)
    values = 3e-6 * np.exp(-0.4 * times) * np.exp(0.05 * np.random.default_rng(3).standard_normal(10))
    config = decay("lognormal") | {"fit": {"starts": 10, "workers": 1}}
    config["parameters"] = {"k": {"value": 1, "scale": "log"}}
    run = fitted(config, odefit.Experiment("1", times, {"x": values}))
    assert run.result.starts.failed == 0
    assert run.result.estimates["k"].value == pytest.approx(-np.polyfit(times, np.log(values), 1)[0], rel=1e-5)
