"""Noise of logarithms: Laplace's, and with sigma in decimal logarithms; densities from SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import odefit
from small_problems import central_differences

TIMES = np.linspace(0.0, 4.0, 6)
VALUES = np.array([2.3, 1.2, 1.0, 0.55, 0.3, 0.33])
LN10 = np.log(10)
DENSITIES: dict[str, Any] = {
    "log_laplace": lambda m, s: stats.loglaplace(1 / s, scale=m),
    "log10_laplace": lambda m, s: stats.loglaplace(1 / (s * LN10), scale=m),
    "log10_normal": lambda m, s: stats.lognorm(s * LN10, scale=m),
}


def config(model: str, sigma: str = "s", method: str = "auto") -> dict[str, Any]:
    bounds = {"bounds": [0.01, 5], "scale": "log"}
    return {
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": 2.2}},
        "parameters": {"k": {"value": 0.5, **bounds}, "s": {"value": 0.2, **bounds}},
        "noise": {"model": model, "sigma": sigma},
        "solver": {"rtol": 1e-10, "atol": 1e-12, "method": method},
    }


def nll(model: str, x: Any, sigma: Any = 1.0) -> float:
    k, s = x
    return float(
        -sum(
            map(
                lambda d, m, e: DENSITIES[model](m, s * e).logpdf(d),
                VALUES,
                2.2 * np.exp(-k * TIMES),
                np.broadcast_to(sigma, 6),
            )
        )
    )


@pytest.mark.parametrize("model", DENSITIES)
@pytest.mark.parametrize("method", ["auto", "dopri5"])
def test_the_likelihood_is_that_of_the_density(model: str, method: str) -> None:
    problem = odefit.load(config(model, method=method), data=[odefit.Experiment("a", TIMES, {"x": VALUES})])
    x = np.array([0.55, 0.13])
    assert problem.nll(x) == pytest.approx(nll(model, x), rel=1e-8)
    slopes = central_differences(lambda p: nll(model, p), x)
    assert problem.gradient(x) == pytest.approx(slopes, rel=1e-5)


def test_the_data_s_own_sigma_is_in_the_same_unit() -> None:
    errors = np.linspace(0.1, 0.2, 6)
    text = config("log10_normal", "column")
    del text["parameters"]["s"]
    problem = odefit.load(text, data=[odefit.Experiment("a", TIMES, {"x": VALUES}, sigma={"x": errors})])
    assert problem.nll([0.55]) == pytest.approx(nll("log10_normal", (0.55, 1.0), errors), rel=1e-8)


@pytest.mark.parametrize("model", DENSITIES)
def test_a_fit_ends_at_the_optimum_of_the_density(model: str) -> None:
    text = config(model) | {"fit": {"starts": 1}}
    run = odefit.fit(text, data=[odefit.Experiment("a", TIMES, {"x": VALUES})])
    best = np.array([run.result.estimates[name].value for name in "ks"])
    assert run.result.status == "converged"
    around = [nll(model, best * factor) for factor in ([1.02, 1], [0.98, 1], [1, 1.02], [1, 0.98])]
    assert min(around) > nll(model, best) - 1e-4
    assert run.result.objective.nll == pytest.approx(nll(model, best), abs=1e-3)


def test_check_says_in_which_logarithm_sigma_is() -> None:
    data = [odefit.Experiment("a", TIMES, {"x": VALUES})]
    assert "log10_normal noise, sigma = s (of the decimal logarithm)" in odefit.check(config("log10_normal"), data=data)
    with pytest.raises(odefit.OdefitError, match="log10_laplace noise needs positive measurements"):
        odefit.load(config("log10_laplace"), data=[odefit.Experiment("a", [0, 1], {"x": [1, 0]})])
