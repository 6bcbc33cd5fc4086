"""Gradients of the likelihood back through the solution are those by sensitivities, point by point."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from odefit.api import assembled
from odefit.config.fit_methods import METHODS
from odefit.engines.kernel import kernel_engine
from odefit.engines.segments import segmented_engine
from odefit.fitting.local_search import LocalSearch
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.objective.slopes import values_and_gradients
from odefit.sampling.density import Posterior
from odefit.status import Status

pytest.importorskip("llvmlite")

NOISES: dict[str, Any] = {
    "gaussian": "gaussian",
    "given": {"sigma": 0.3},
    "proportional": {"sigma": "s*x + 0.1"},
    "lognormal": "lognormal",
    "laplace": "laplace",
    "student_t": {"model": "student_t", "df": 5, "sigma": 0.7},
    "poisson": "poisson",
    "negative_binomial": "negative_binomial",
}
ROWS = """experiment,time,feed,x,z
a,0,1,12,1
a,1,1,9,2
a,1,1,8,2
a,3,1,5,
a,6,1,<3,4
b,0,1,12,1
b,1.5,1,9,2
c,0,2,11,1
c,2,2,8,3
c,5,2,6,<9
"""


def config(noise: Any, **of_k: Any) -> dict[str, Any]:
    return {
        "model": {
            "equations": {"x": "feed - k*x", "z": "k*x - z"},
            "initial": {"x": "x0", "z": 1.0},
            "observables": {"x": "x + shift", "z": "log(z + 1)*scale"},
        },
        "parameters": {
            "k": {"value": 0.3, "scale": "log", "bounds": [0.01, 9], **of_k},
            "x0": {"value": 12, "bounds": [1, 90]},
            "shift": 0.2,
            "scale": {"value": 2.0, "bounds": [0.1, 9], "by": "experiment"},
            **({"s": {"value": 0.1, "scale": "log"}} if "s*x" in str(noise) else {}),
        },
        "noise": {"x": noise, "z": "gaussian"},
        "solver": {"rtol": 1e-9},
    }


def likelihood(tmp_path: Any, noise: Any, rows: str = ROWS, **of_k: Any) -> Likelihood:
    path = tmp_path / "data.csv"
    path.write_text(rows)
    return Likelihood(assembled(config(noise, **of_k) | {"data": {"csv": str(path)}}).problem)


def both(one: Likelihood, u: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Values and gradients back through the solution, and by sensitivities."""
    found = []
    for least in (0, 10**9):
        monkeypatch.setattr(kernel_engine, "MIN_PULLED", least)
        assert one.problem.engine.pulls is (least == 0)
        found.append(values_and_gradients(one, u))
    return found


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES.keys())
def test_every_noise(noise: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = likelihood(tmp_path, noise)
    assert one.problem.together is not None
    table = one.problem.table
    u = table.to_search(table.values) + 0.05 * np.arange(3)[:, None]
    (values, gradients), (exact, slopes) = both(one, u, monkeypatch)
    np.testing.assert_allclose(values, exact, rtol=1e-7)
    np.testing.assert_allclose(gradients, slopes, rtol=1e-6, atol=1e-6 * np.abs(slopes).max())
    for b in range(3):
        monkeypatch.setattr(kernel_engine, "MIN_PULLED", 0)
        alone = values_and_gradients(one, u[b : b + 1])
        assert alone[0][0] == values[b]
        np.testing.assert_array_equal(alone[1][0], gradients[b])


INTERRUPTED: dict[str, dict[str, Any]] = {
    "fixed doses": {"data": {"doses": {"state": "x", "table": [{"time": t, "amount": 2} for t in (0, 1.5, 3)]}}},
    "moving doses": {
        "data": {"doses": {"state": "x", "lag": "k/3", "fraction": "x0/15", "table": [{"time": 0.7, "amount": 2}]}}
    },
    "an event": {"model": {"events": [{"when": "x < x0/2", "set": {"x": "x + 1"}}]}},
    "rest": {"model": {"steady_state": {"feed": 3}}},
}


@pytest.mark.parametrize("what", INTERRUPTED)
def test_what_interrupts_equations(what: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.csv"
    path.write_text(ROWS)
    given = config("gaussian")
    model, data = (given.get(key, {}) | INTERRUPTED[what].get(key, {}) for key in ("model", "data"))
    one = Likelihood(assembled(given | {"model": model, "data": {"csv": str(path), **data}}).problem)
    table, found = one.problem.table, []
    u = table.to_search(table.values) + 0.05 * np.arange(3)[:, None]
    for least in (0, 10**9):
        monkeypatch.setattr(segmented_engine, "MIN_PULLED", least)
        assert one.problem.engine.pulls is (least == 0)
        found.append(values_and_gradients(one, u))
    (values, gradients), (exact, slopes) = found
    np.testing.assert_allclose(values, exact, rtol=1e-6)
    np.testing.assert_allclose(gradients, slopes, rtol=1e-5, atol=1e-6 * np.abs(slopes).max())


def test_where_something_stands_in_for_zeros_and_where_the_model_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    decay = {
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": 1.0}},
        "parameters": {"k": {"value": 0.3, "bounds": [-90, 90]}},
        "data": {"start": 0},
        "noise": "lognormal",
    }
    data = [odefit.Experiment("1", [1.0, 2.0, 12.0, 40.0], {"x": [0.7, 0.5, 0.03, 1e-5]})]
    one = Likelihood(assembled(decay, data=data).problem)
    table = one.problem.table
    u = np.repeat(table.to_search(table.values)[None], 4, axis=0)
    u[:, list(table.estimated_names).index("k")] = 0.3, 30.0, -80.0, 0.4
    (values, gradients), (exact, slopes) = both(one, u, monkeypatch)
    np.testing.assert_allclose(values, exact, rtol=1e-4)
    np.testing.assert_allclose(gradients, slopes, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(gradients[1], slopes[1])
    assert np.isinf(values[2])
    assert np.isnan(gradients[2]).all()
    assert np.isfinite(gradients[[0, 1, 3]]).all()


def test_what_compares_with_earlier_values_goes_by_sensitivities(monkeypatch: pytest.MonkeyPatch) -> None:
    model = {"equations": {"x": "k*x"}, "initial": {"x": 1.0}, "observables": {"n": {"increase": "x"}}}
    data = [odefit.Experiment("1", [0.0, 1.0, 2.0], {"n": [None, 0.3, 0.5]})]
    one = Likelihood(assembled({"model": model, "parameters": {"k": 0.3}}, data=data).problem)
    table = one.problem.table
    (values, gradients), (exact, slopes) = both(one, table.to_search(table.values)[None], monkeypatch)
    np.testing.assert_array_equal(values, exact)
    np.testing.assert_array_equal(gradients, slopes)


def test_samplers_and_problems_have_it(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = likelihood(tmp_path, "gaussian")
    monkeypatch.setattr(kernel_engine, "MIN_PULLED", 0)
    density = Posterior(one, 1)
    table = one.problem.table
    v = density.box.outside(table.to_search(table.values)[None], 1e-3)
    gradient = density.evaluate(v, [0])[1][0]
    for j in range(v.shape[1]):
        step = 1e-4 * np.eye(v.shape[1])[j]
        up, down = (float(density.evaluate(v + side * step, [0])[0][0]) for side in (1, -1))
        assert gradient[j] == pytest.approx((up - down) / 2e-4, rel=1e-3, abs=1e-3)
    frame = pd.DataFrame({"t": [0.0, 1.0, 2.0], "x": [2.0, 1.3, 0.8]})
    problem = odefit.load({"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}, data=frame)
    going_back = problem.gradient(problem.x0)
    monkeypatch.setattr(kernel_engine, "MIN_PULLED", 10**9)
    np.testing.assert_allclose(going_back, problem.gradient(problem.x0), rtol=1e-4)


@pytest.mark.parametrize("noise", ["gaussian", "proportional", "laplace", "negative_binomial"])
def test_the_gradient_of_a_search_with_priors_and_the_best_noise_levels(
    noise: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of those that a search does not move, because the best one is known."""
    one = likelihood(tmp_path, NOISES[noise], ROWS.replace("<", ""), prior={"lognormal": [0.3, 0.5]})
    profile = ProfileLikelihood(one)
    assert len(profile.sigmas) == (1 if noise in ("proportional", "negative_binomial") else 2)
    table = one.problem.table
    u = (table.to_search(table.values) + 0.05)[profile.free]
    monkeypatch.setattr(kernel_engine, "MIN_PULLED", 10**9)
    assert profile.gradient(u) is None
    exact = profile.evaluate(u)
    monkeypatch.setattr(kernel_engine, "MIN_PULLED", 0)
    found = profile.gradient(u)
    assert found is not None
    assert found.value == pytest.approx(exact.value, rel=1e-7)
    np.testing.assert_allclose(found.gradient, exact.gradient, rtol=1e-6, atol=1e-6 * np.abs(exact.gradient).max())
    assert found.energy == pytest.approx(exact.z @ exact.z / 2, rel=1.0)


def test_lbfgs_searches_by_it_and_ends_where_it_ends_by_sensitivities(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = ProfileLikelihood(likelihood(tmp_path, "gaussian"))
    search = LocalSearch(profile, METHODS["lbfgs"], None)
    table = profile.full.problem.table
    start = table.to_search(table.values)[profile.free][None]
    counted: list[bool] = []
    monkeypatch.setattr(Likelihood, "evaluations_from", counting(Likelihood.evaluations_from, counted))
    found = []
    for least in (0, 10**9):
        monkeypatch.setattr(kernel_engine, "MIN_PULLED", least)
        counted.clear()
        found.append((search(start)[0], len(counted)))
    (back, few), (ahead, many) = found
    assert back.status == ahead.status == Status.CONVERGED
    assert back.value == pytest.approx(ahead.value, abs=1e-6)
    np.testing.assert_allclose(back.u, ahead.u, rtol=1e-3, atol=1e-3)
    assert back.n_gradients > few
    assert few < many / 3


def counting(function: Any, calls: list[bool]) -> Any:
    def counted(*arguments: Any, **named: Any) -> Any:
        calls.append(True)
        return function(*arguments, **named)

    return counted
