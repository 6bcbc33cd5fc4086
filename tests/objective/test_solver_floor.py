"""Predictions that are zero as far as the solver can tell, where errors are relative."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import odefit
from odefit.api import assembled
from odefit.objective.likelihood import Likelihood
from odefit.objective.solver_floor import ERRORS, LEAST_SHARE

TIMES = [1.0, 2.0, 12.0, 40.0]
DECAY = {
    "model": {"equations": {"x": "-k*x"}, "initial": {"x": 1.0}},
    "parameters": {"k": 0.3},
    "data": {"start": 0},
    "noise": "lognormal",
}


def likelihood(config: dict[str, Any], values: list[float], name: str = "x") -> Likelihood:
    data = [odefit.Experiment("1", TIMES, {name: values})]
    return Likelihood(assembled(config, data=data).problem)


def u_of(one: Likelihood, **values: float) -> np.ndarray:
    table = one.problem.table
    theta = table.values.copy()
    for name, value in values.items():
        theta[table.index[name]] = value
    return table.to_search(theta)


def test_a_poor_start_is_very_bad_and_finite() -> None:
    one = likelihood(DECAY, [0.7, 0.5, 0.03, 1e-5])
    good, poor = (one.evaluate(u_of(one, k=k)) for k in (0.3, 30.0))
    assert good.value < 10
    assert math.isfinite(poor.value)
    assert poor.value > good.value + 30
    assert np.isfinite(poor.gradient).all()


def test_it_stands_in_at_the_solvers_own_error_and_no_higher() -> None:
    """At k = 30 the prediction at t = 40 is exp(-1200): half of ten tolerances is taken, below 1e-3 of the data."""
    one = likelihood(DECAY | {"solver": {"atol": 1e-13}}, [0.7, 0.5, 0.03, 1e-5])
    (moments,) = one.moments(u_of(one, k=30.0), derivatives=True) or []
    assert moments.dm is not None
    assert moments.m[-1] == pytest.approx(math.log(0.5 * ERRORS * 1e-13), abs=0.1)
    assert not moments.dm[-1].any()
    coarse = likelihood(DECAY | {"solver": {"atol": 1e-4}}, [0.7, 0.5, 0.03, 1e-5])
    (moments,) = coarse.moments(u_of(coarse, k=30.0), derivatives=False) or []
    assert moments.m[-1] >= math.log(LEAST_SHARE * 1e-5)


def test_what_the_solver_knows_is_not_touched() -> None:
    one = likelihood(DECAY, [0.7, 0.5, 0.03, 1e-5])
    (moments,) = one.moments(u_of(one, k=0.3), derivatives=False) or []
    np.testing.assert_allclose(moments.m, -0.3 * np.array(TIMES), rtol=1e-4)


def test_a_prediction_that_is_truly_negative_stays_impossible() -> None:
    falling = DECAY | {"model": {"equations": {"x": "-k"}, "initial": {"x": 1.0}}}
    one = likelihood(falling, [0.7, 0.5, 0.03, 1e-5])
    assert one.value(u_of(one, k=1.0)) == math.inf
    assert "prediction of x" in (one.failure or "")


def test_a_difference_that_vanishes_is_below_zero_by_the_solvers_error_at_most() -> None:
    model = {
        "equations": {"x": "-k*x", "y": "k*x"},
        "initial": {"x": 1.0, "y": 0.0},
        "observables": {"left": "c*(1 - y)"},
    }
    config = DECAY | {"model": model, "parameters": {"k": 0.3, "c": {"value": 2.0, "bounds": [0.1, 9]}}}
    one = likelihood(config, [1.4, 1.0, 0.06, 2e-5], "left")
    for k in (5.0, 20.0, 50.0):
        assert math.isfinite(one.value(u_of(one, k=k)))


@pytest.mark.parametrize("noise", ["proportional", {"model": "gaussian", "sigma": "0.1*x"}])
def test_a_noise_level_that_vanishes_with_its_prediction(noise: Any) -> None:
    one = likelihood(DECAY | {"noise": noise}, [0.7, 0.5, 0.03, 1e-5])
    good, poor = (one.evaluate(u_of(one, k=k)) for k in (0.3, 30.0))
    assert math.isfinite(good.value)
    assert math.isfinite(poor.value)
    assert poor.value > good.value + 300


def test_other_units_are_as_bad() -> None:
    """The same start in other units: equally far from the data, but for the tolerances' powers of ten."""
    values = []
    for size in (1.0, 1e-9):
        config = DECAY | {"model": {"equations": {"x": "-k*x"}, "initial": {"x": size}}}
        one = likelihood(config, [size * v for v in (0.7, 0.5, 0.03, 1e-5)])
        (moments,) = one.moments(u_of(one, k=30.0), derivatives=False) or []
        values.append(moments.m - math.log(size))
    np.testing.assert_allclose(values[1], values[0], rtol=1e-6)


def test_an_estimate_that_predicts_zero_is_said() -> None:
    """k is held where the last measurement cannot be met: the fit ends there, and says what stands in."""
    config = DECAY | {"parameters": {"k": {"value": 3.0, "bounds": [2.5, 9], "scale": "log"}}}
    run = odefit.fit(config, data=[odefit.Experiment("1", TIMES, {"x": [0.7, 0.5, 0.03, 1e-5]})])
    said = [w for w in run.result.warnings if "zero but for the solver's error" in w]
    assert len(said) == 1
    assert "x in experiment 1 at t = 40 is zero" in said[0]
    good = odefit.fit(DECAY, data=[odefit.Experiment("1", TIMES, {"x": [0.7, 0.5, 0.03, 1e-5]})])
    assert not any("zero but for" in w for w in good.result.warnings)


COUNTED = DECAY | {"model": {"equations": {"x": "-k*x"}, "initial": {"x": 100.0}}, "noise": "poisson"}


@pytest.mark.parametrize("noise", ["poisson", "negative_binomial"])
def test_counts_whose_mean_vanishes_are_very_bad_and_finite(noise: str) -> None:
    one = likelihood(COUNTED | {"noise": noise}, [70, 50, 3, 1])
    good, poor = (one.evaluate(u_of(one, k=k)) for k in (0.3, 30.0))
    assert math.isfinite(poor.value)
    assert poor.value > good.value + (300 if noise == "poisson" else 30)
    assert np.isfinite(poor.gradient).all()
    (rows,) = one.vanishing(u_of(one, k=30.0))
    assert {1, 2, 3} <= set(rows)
    assert not len(one.vanishing(u_of(one, k=0.2))[0])


def test_a_count_of_zero_may_have_a_mean_of_zero() -> None:
    one = likelihood(COUNTED, [70, 50, 0, 0])
    (moments,) = one.moments(u_of(one, k=3.0), derivatives=True) or []
    assert not len(one.vanishing(u_of(one, k=3.0))[0])
    assert abs(moments.m[-1]) < 1e-6


def test_the_gradient_of_counts_beside_what_stands_in_is_that_of_the_value() -> None:
    """Two counts are predicted, and what stands in for the other two does not move."""
    one = likelihood(COUNTED | {"solver": {"rtol": 1e-9, "atol": 1e-11}}, [70, 50, 12, 3])
    u = u_of(one, k=5.0)
    assert list(one.vanishing(u)[0]) == [2, 3]
    table = one.problem.table
    dk = table.transforms.derivative(u)[0]
    exact = dk * sum(t * (d - 100 * math.exp(-5 * t)) for t, d in ((1.0, 70), (2.0, 50)))
    assert one.evaluate(u).gradient[0] == pytest.approx(exact, rel=1e-4)


def test_an_increase_is_known_to_the_error_of_its_two_values() -> None:
    model = {
        "equations": {"S": "-b*S", "C": "b*S"},
        "initial": {"S": 1000.0, "C": 0.0},
        "observables": {"n": {"increase": "C"}},
    }
    config = DECAY | {"model": model, "parameters": {"b": 0.2}, "noise": "poisson", "solver": {"rtol": 1e-7}}
    one = likelihood(config, [180, 150, 600, 5], "n")
    (moments,) = one.moments(u_of(one, b=40.0), derivatives=True) or []
    assert moments.m[0] == pytest.approx(1000, rel=1e-4)
    # Half of ten tolerances of 1000, within its bound of a thousandth of the least count.
    np.testing.assert_allclose(moments.m[1:], 0.5 * ERRORS * 1e-7 * 1000, rtol=0.05)
    assert math.isfinite(one.evaluate(u_of(one, b=40.0)).value)


def test_an_epidemic_in_counts_is_found_from_a_start_without_one() -> None:
    from scipy.integrate import solve_ivp
    from scipy.optimize import minimize

    counts, t = np.array([5, 20, 60, 90, 70, 40, 20, 9, 4, 2.0]), np.arange(1.0, 11.0)
    config = {
        "model": {
            "equations": {"S": "-b*S*I/400", "I": "b*S*I/400 - g*I", "C": "b*S*I/400"},
            "initial": {"S": 399.0, "I": 1.0, "C": 0.0},
            "observables": {"n": {"increase": "C"}},
        },
        "parameters": {
            name: {"value": v, "bounds": [1e-5, 1000], "scale": "log"} for name, v in (("b", 0.01), ("g", 900))
        },
        "data": {"start": 0},
        "noise": "poisson",
    }
    run = odefit.fit(config, data=[odefit.Experiment("1", t, {"n": counts})])

    def nll(log_p: np.ndarray) -> float:
        b, g = np.exp(log_p)

        def rate(_: float, y: np.ndarray) -> list[float]:
            return [-b * y[0] * y[1] / 400, b * y[0] * y[1] / 400 - g * y[1], b * y[0] * y[1] / 400]

        found = solve_ivp(rate, (0, 10), [399.0, 1.0, 0.0], t_eval=[0, *t], rtol=1e-9, atol=1e-9)
        m = np.diff(found.y[2])
        return float(np.sum(m - counts * np.log(m)))

    best = np.exp(minimize(nll, np.log([2.5, 1.2]), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9}).x)
    assert run.result.status == "converged"
    found = [run.result.estimates[name].value for name in ("b", "g")]
    np.testing.assert_allclose(found, best, rtol=1e-3)
    assert not any("zero but for" in w for w in run.result.warnings)


def test_a_count_that_the_estimate_cannot_have_is_said() -> None:
    config = COUNTED | {"parameters": {"k": {"value": 3.0, "bounds": [2.5, 9], "scale": "log"}}}
    run = odefit.fit(config, data=[odefit.Experiment("1", TIMES, {"x": [70, 50, 3, 1]})])
    (said,) = [w for w in run.result.warnings if "zero but for the solver's error" in w]
    assert "x in experiment 1 at t = " in said


def test_an_impossible_count_is_said_with_its_place_and_a_remedy() -> None:
    falling = COUNTED | {"model": {"equations": {"x": "-k"}, "initial": {"x": 5.0}}}
    one = likelihood(falling, [4, 3, 2, 1])
    assert one.value(u_of(one, k=1.0)) == math.inf
    assert "the prediction of x in experiment 1 at t = 12; begin at values" in (one.failure or "")
