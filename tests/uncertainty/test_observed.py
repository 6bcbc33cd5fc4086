"""Standard errors from the observed information, against Hessians of the likelihood by other means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.integrate import solve_ivp

import odefit
from odefit.arrays import FloatArray
from odefit.uncertainty.observed import observed_rows

Nll = Callable[[FloatArray], float]
WIDE = (np.full(3, -np.inf), np.full(3, np.inf))


# The rows themselves


def test_the_rows_are_a_root_of_the_second_derivatives() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(8, 3)), rng.normal(size=(3, 3))
    hessian = a.T @ a + b @ b.T

    def gradients(u: FloatArray) -> FloatArray:
        return u @ hessian + 0.1 * u**3

    rows = observed_rows(gradients, np.zeros(3), a, np.ones(3, dtype=bool), WIDE, 1e-9)
    assert rows is not None
    np.testing.assert_allclose(rows.values.T @ rows.values, hessian, rtol=1e-2)
    held = observed_rows(gradients, np.zeros(3), a, np.array([True, False, True]), WIDE, 1e-9)
    assert held is not None
    kept = np.ix_([0, 2], [0, 2])
    np.testing.assert_allclose((held.values.T @ held.values)[kept], hessian[kept], rtol=1e-2)


def test_what_the_data_leave_open_stays_open() -> None:
    a = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 3.0]])
    hessian = 1.5 * a.T @ a

    def gradients(u: FloatArray) -> FloatArray:
        return u @ hessian + 1e-7 * np.sin(1e3 * u)  # a solver's errors

    rows = observed_rows(gradients, np.zeros(3), a, np.ones(3, dtype=bool), WIDE, 1e-6)
    assert rows is not None
    assert rows.shape == (2, 3)
    np.testing.assert_allclose(rows.values @ [1, -1, 0], 0, atol=1e-12)
    np.testing.assert_allclose(rows.values.T @ rows.values, hessian, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("curvature", [-1.0, 0.0, np.nan])
def test_without_a_minimum_there_are_none(curvature: float) -> None:
    hessian = np.diag([1.0, curvature, 1.0])
    assert observed_rows(lambda u: u @ hessian, np.zeros(3), np.eye(3), np.ones(3, dtype=bool), WIDE, 1e-9) is None


# Whole fits


def hessian_of(nll: Nll, x: FloatArray) -> FloatArray:
    """[P, P] by central second differences, with one step of Richardson's extrapolation."""

    def differences(share: float) -> FloatArray:
        h = share * np.abs(x)
        rows = np.eye(len(x)) * h
        return np.array(
            [
                [
                    (nll(x + a + b) - nll(x + a - b) - nll(x - a + b) + nll(x - a - b)) / (4 * h[i] * h[j])
                    for j, b in enumerate(rows)
                ]
                for i, a in enumerate(rows)
            ]
        )

    return np.asarray((4 * differences(5e-3) - differences(1e-2)) / 3)


def growth(x: FloatArray, t: FloatArray) -> FloatArray:
    """Logistic growth, in closed form."""
    r, k, n0 = x[:3]
    return np.asarray(k / (1 + (k / n0 - 1) * np.exp(-r * t)))


TIMES = np.linspace(0, 12, 25)
TRUTH = np.array([0.8, 60.0, 4.0])
FAMILIES: dict[str, tuple[dict[str, Any], tuple[float, ...], Callable[[FloatArray, FloatArray], Any]]] = {
    "poisson": ({"model": "poisson"}, (), lambda m, _: stats.poisson(m)),
    "negative_binomial": (
        {"model": "negative_binomial", "dispersion": "phi"},
        (0.3,),
        lambda m, x: stats.nbinom(1 / x[3], 1 / (1 + x[3] * m)),
    ),
    "student_t": ({"model": "student_t", "sigma": "phi"}, (3.0,), lambda m, x: stats.t(4, m, x[3])),
    "proportional": ({"sigma": "phi*N"}, (0.3,), lambda m, x: stats.norm(m, x[3] * m)),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_errors_are_those_of_the_hessian(name: str) -> None:
    noise, level, family = FAMILIES[name]
    truth = np.array([*TRUTH, *level])
    distribution = family(growth(truth, TIMES), truth)
    measured = distribution.rvs(random_state=np.random.default_rng(3))
    parameters: dict[str, Any] = {
        "r": {"value": 0.7, "bounds": [0.01, 10], "scale": "log"},
        "K": {"value": 50, "bounds": [1, 1000], "scale": "log"},
    }
    if level:
        parameters["phi"] = {"value": 0.5, "bounds": [1e-3, 100], "scale": "log"}
    config = {
        "model": {"equations": {"N": "r*N*(1 - N/K)"}},
        "parameters": parameters | {"N_0": {"value": 5, "bounds": [0.1, 100], "scale": "log"}},
        "noise": {"N": noise},
        "solver": {"rtol": 1e-9, "atol": 1e-9},
    }
    run = odefit.fit(config, data=pd.DataFrame({"time": TIMES, "N": measured}))
    assert run.result.status == "converged"
    assert run.result.information == "observed"
    names = ["r", "K", "N_0", *(["phi"] if level else [])]

    def nll(x: FloatArray) -> float:
        frozen = family(growth(x, TIMES), x)
        density = frozen.logpdf if hasattr(frozen.dist, "pdf") else frozen.logpmf
        return -float(np.sum(density(measured)))

    x = run.parameters.loc[names, "value"].to_numpy(dtype=float)
    covariance = np.linalg.inv(hessian_of(nll, x))
    size = np.outer(errors := np.sqrt(np.diag(covariance)), errors)
    np.testing.assert_allclose(run.covariance.loc[names, names] / size, covariance / size, atol=0.02)


def test_counts_of_a_small_epidemic() -> None:
    t = np.arange(0.0, 30.0)
    truth = np.array([0.6, 0.25, 0.2])

    def infected(x: FloatArray) -> FloatArray:
        def rates(_: float, y: FloatArray) -> list[float]:
            flow = x[0] * y[0] * y[1] / 200
            return [-flow, flow - x[1] * y[1]]

        return np.asarray(solve_ivp(rates, (0, 30), [197, 3], "DOP853", t, rtol=1e-11, atol=1e-11).y[1])

    def family(x: FloatArray) -> Any:
        return stats.nbinom(1 / x[2], 1 / (1 + x[2] * infected(x)))

    counts = family(truth).rvs(random_state=np.random.default_rng(7))
    config = {
        "model": {
            "equations": {"S": "-beta*S*I/200", "I": "beta*S*I/200 - gamma*I"},
            "initial": {"S": 197, "I": 3},
            "observables": {"cases": "I"},
        },
        "parameters": {
            "beta": {"value": 0.5, "bounds": [0.01, 10], "scale": "log"},
            "gamma": {"value": 0.2, "bounds": [0.01, 10], "scale": "log"},
            "b": {"value": 0.1, "bounds": [1e-3, 10], "scale": "log"},
        },
        "noise": {"cases": {"model": "negative_binomial", "dispersion": "b"}},
        "solver": {"rtol": 1e-9, "atol": 1e-9},
    }
    run = odefit.fit(config, data=pd.DataFrame({"time": t, "cases": counts}))
    assert run.result.information == "observed"
    names = ["beta", "gamma", "b"]
    x = run.parameters.loc[names, "value"].to_numpy(dtype=float)
    covariance = np.linalg.inv(hessian_of(lambda x: -float(np.sum(family(x).logpmf(counts))), x))
    errors = run.parameters.loc[names, "standard_error"].to_numpy(dtype=float)
    np.testing.assert_allclose(errors, np.sqrt(np.diag(covariance)), rtol=0.02)
    # It is not the expected information, which knows nothing of these counts beyond their means.
    expected = odefit.load(config, data=pd.DataFrame({"time": t, "cases": counts})).fisher(x)
    assert np.max(np.abs(errors / np.sqrt(np.diag(np.linalg.inv(expected))) - 1)) > 0.02


@pytest.mark.parametrize("noise", ["gaussian", "lognormal"])
def test_least_squares_keep_the_expected_one(noise: str) -> None:
    t = np.linspace(0, 5, 12)
    x = 10 * np.exp(-0.4 * t) * np.exp(np.random.default_rng(0).normal(0, 0.05, 12))
    config = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}, "noise": noise}
    run = odefit.fit(config, data=pd.DataFrame({"time": t, "x": x}))
    assert run.result.information == "expected"
