"""Increments and fold changes: values by hand, derivatives against differences, on every engine and noise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import odefit
from small_problems import central_differences

NAN = math.nan
METHODS = ("tsit45", "bdf", "dopri5")
K, A0, RHO = 0.6, 50.0, 0.4


def decay(noise: Any = "gaussian", method: str = "tsit45", **more: Any) -> dict[str, Any]:
    """A turns into B at the rate k; what arrives in B is counted."""
    return {
        "model": {
            "equations": {"A": "-k*A", "B": "k*A"},
            "initial": {"A": "A_0", "B": 0},
            "observables": {"cases": {"increase": "rho*B"}, "A": "A", "share": {"fold_change": "A + 0.1*B"}},
        },
        "parameters": {
            "k": {"value": K, "bounds": [0.01, 5], "scale": "log"},
            "A_0": {"value": A0, "bounds": [1, 1000]},
            "rho": {"value": RHO, "bounds": [0.01, 1]},
        },
        "noise": noise,
        "solver": {"method": method, "rtol": 1e-9, "atol": 1e-11},
        "data": {"start": 0},
    } | more


def with_method(config: dict[str, Any], method: str) -> dict[str, Any]:
    return config | {"solver": config["solver"] | {"method": method}}


def b(t: Any, k: float = K, a: float = A0) -> Any:
    return a * (1 - np.exp(-k * np.asarray(t, dtype=np.float64)))


def gappy() -> list[odefit.Experiment]:
    """Observables measured on different rows; the second experiment has a replicate of one of its times."""
    one = {"cases": [4, NAN, 6, 5, NAN, 2], "A": [NAN, 30, NAN, 12, 5, NAN], "share": [0.9, 0.6, NAN, NAN, 0.3, 0.2]}
    two = {"cases": [NAN, 7, 3, 4], "A": [40, NAN, 20, 8], "share": [NAN, NAN, 0.4, 0.3]}
    again = {"cases": [5.0], "A": [19.0], "share": [0.5]}
    return [
        odefit.Experiment("p", [0.5, 1, 2, 3, 4, 6], one),
        odefit.Experiment("q", [0.5, 1, 2, 4], two),
        odefit.Experiment("q#2", [2.0], again),
    ]


@pytest.mark.parametrize("method", METHODS)
def test_each_count_goes_back_to_the_last_one_of_its_experiment(method: str) -> None:
    problem = odefit.load(decay(method=method), data=gappy())
    found = problem.simulate(problem.x0).set_index(["experiment", "time"])
    since = {("p", 0.5): 0, ("p", 1): 0.5, ("p", 2): 0.5, ("p", 3): 2, ("p", 4): 3, ("p", 6): 3}
    since |= {("q", 0.5): 0, ("q", 1): 0, ("q", 2): 1, ("q", 4): 2, ("q#2", 2): 1}
    rtol = 1e-5 if method == "bdf" else 1e-7
    for (name, time), before in since.items():
        row = found.loc[(name, time)]
        assert row["cases"] == pytest.approx(RHO * (b(time) - b(before)), rel=rtol)
        assert row["share"] == pytest.approx((A0 - 0.9 * b(time)) / A0, rel=rtol)
        assert row["B"] == pytest.approx(b(time), rel=rtol)


def test_at_other_times_counts_go_from_one_of_them_to_the_next() -> None:
    problem = odefit.load(decay(), data=gappy())
    found = problem.simulate(problem.x0, times=[0, 1, 1.5, 5])
    np.testing.assert_allclose(found["cases"][:4], RHO * np.diff(b([0, 0, 1, 1.5, 5])), rtol=1e-7, atol=1e-12)


NOISES = {
    "gaussian": "gaussian",
    "given": {"model": "gaussian", "sigma": 0.3},
    "lognormal": "lognormal",
    "proportional": "proportional",
    "both": {"cases": "additive_proportional"},
    "laplace": "laplace",
    "student_t": "student_t",
    "poisson": {"cases": "poisson"},
    "negative_binomial": {"cases": "negative_binomial"},
    "named": {"cases": {"sigma": "s*sqrt(1 + cases)"}, "A": {"sigma": "0.5 + 0.1*share"}},
}


def derivatives_agree(config: dict[str, Any], method: str, rtol: float, step: float = 1e-4) -> None:
    """Those by this method, and differences of what the quickest of the exact ones finds."""
    quick, problem = (odefit.load(with_method(config, one), data=gappy()) for one in ("tsit45", method))
    x = problem.x0 * np.linspace(0.93, 1.08, len(problem.x0))
    assert problem.nll(x) == pytest.approx(quick.nll(x), rel=rtol)
    exact, close = problem.gradient(x), central_differences(lambda z: quick.nll(z * x), np.ones(len(x)), step) / x
    np.testing.assert_allclose(exact * x, close * x, rtol=rtol, atol=rtol * np.abs(close * x).max())


@pytest.mark.parametrize("method", ["tsit45", "dopri5"])
@pytest.mark.parametrize("noise", NOISES)
def test_exact_derivatives_with_every_noise(noise: str, method: str) -> None:
    config = decay(NOISES[noise])
    if noise == "named":
        config["parameters"] |= {"s": {"value": 0.5, "bounds": [0.01, 10]}}
    derivatives_agree(config, method, 1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_doses_events_inputs_and_a_moving_start(method: str) -> None:
    config = decay(data={"start": 0, "doses": [{"time": 1.5, "state": "A", "amount": 9, "every": 2}]})
    config["data"]["doses"][0]["count"] = 2
    config["data"]["doses"] = {"table": config["data"]["doses"], "lag": "late", "fraction": "0.8"}
    config["model"]["events"] = [{"time": "late + 2.2", "set": {"A": "A/2"}}]
    config["parameters"]["late"] = {"value": 0.1, "bounds": [0, 0.4]}
    derivatives_agree(config, method, 1e-3 if method == "bdf" else 1e-5, 1e-3)


def test_an_increase_sees_what_a_dose_brings() -> None:
    config = decay(data={"start": 0, "doses": [{"time": 1.5, "state": "B", "amount": 10}]})
    problem = odefit.load(config, data=gappy())
    found = problem.simulate(problem.x0)
    late = found[(found["experiment"] == "p") & (found["time"] == 2)]
    assert float(late["cases"].iloc[0]) == pytest.approx(RHO * (b(2) - b(0.5) + 10), rel=1e-7)


def test_a_fold_change_of_a_start_that_is_estimated() -> None:
    """The start itself cancels out: the data say nothing of it."""
    config = decay({"model": "gaussian", "sigma": 0.1})
    config["model"]["observables"] = {"share": {"fold_change": "A"}}
    del config["parameters"]["rho"]
    times = [0.5, 1.0, 2.0]
    problem = odefit.load(config, data=[odefit.Experiment("p", times, {"share": [0.7, 0.6, 0.3]})])
    np.testing.assert_allclose(problem.simulate(problem.x0)["share"], np.exp(-K * np.array(times)), rtol=1e-7)
    exact = problem.gradient(problem.x0)
    r = np.exp(-K * np.array(times)) - [0.7, 0.6, 0.3]
    by_k = float((r / 0.01 * -np.array(times) * np.exp(-K * np.array(times))).sum())
    np.testing.assert_allclose(exact, [by_k, 0.0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("noise", ["gaussian", "lognormal", "named"])
def test_the_torch_loss_is_the_likelihood(noise: str, adjoint: bool) -> None:
    torch = pytest.importorskip("torch")
    from odefit.data.dataset import data_loader
    from odefit.objective.likelihood import Likelihood
    from odefit.training.objective_torch import TrainingObjective

    config = decay(NOISES[noise], "dopri5")
    config["solver"]["adjoint"] = adjoint
    config["parameters"]["s"] = {"value": 0.5, "bounds": [0.01, 10]}
    if noise != "named":
        del config["parameters"]["s"]
    problem = odefit.load(config, data=gappy())
    (_, (assembly,)) = problem.__reduce__()
    fit = assembly.problem
    u = fit.table.to_search(fit.table.values)
    objective = TrainingObjective(fit, torch.nn.ModuleDict(), "nll", torch.as_tensor(u))
    batches = list(data_loader(fit.solved.experiments, 2, torch.Generator().manual_seed(0)))
    whole = next(iter(data_loader(fit.solved.experiments, None, torch.Generator())))
    loss = objective(whole)
    likelihood = Likelihood(fit)
    assert loss.item() * fit.n_measured == pytest.approx(likelihood.value(u), rel=1e-6)
    loss.backward()
    gradient = objective.u.grad.numpy() * fit.n_measured
    np.testing.assert_allclose(gradient, likelihood.evaluate(u).gradient, rtol=1e-4, atol=1e-4)
    parts = sum(objective(batch).item() * int(batch.mask.sum()) for batch in batches)
    assert parts == pytest.approx(loss.item() * fit.n_measured, rel=1e-6)


def test_a_count_at_the_start_has_no_interval() -> None:
    with pytest.raises(odefit.OdefitError) as caught:
        odefit.load(decay(), data=[odefit.Experiment("p", [0, 1], {"cases": [3, 4], "A": [1, 2], "share": [1, 1]})])
    assert "model.observables.cases: experiment p counts 3 at t = 0" in str(caught.value)


@pytest.mark.parametrize("given", [{}, {"increase": "B", "formula": "B"}, {"increase": "B", "fold_change": "A"}])
def test_one_kind_of_observable_at_a_time(given: dict[str, str]) -> None:
    config = decay()
    config["model"]["observables"]["cases"] = given
    with pytest.raises(odefit.OdefitError, match="give exactly one of formula, increase, fold_change"):
        odefit.load(config, data=gappy())


def test_held_out_counts_were_counted() -> None:
    config = decay({"model": "gaussian", "sigma": 1.0}, data={"start": 0, "hold_out": {"fraction": 0.4}})
    problem = odefit.load(config, data=gappy())
    seen = problem.data[problem.data["observable"] == "cases"].set_index(["experiment", "time"])
    since = {
        ("p", 0.5): 0,
        ("p", 2): 0.5,
        ("p", 3): 2,
        ("p", 6): 3,
        ("q", 1): 0,
        ("q", 2): 1,
        ("q", 4): 2,
        ("q#2", 2): 1,
    }
    assert 0 < len(seen) < len(since)
    keys = zip(*(problem.data[name] for name in ("observable", "experiment", "time")), strict=True)
    residuals = dict(zip(keys, problem.residuals(problem.x0), strict=True))
    for (name, time), row in seen.iterrows():
        expected = RHO * (b(time) - b(since[name, time])) - row["value"]
        assert residuals["cases", name, time] == pytest.approx(expected, abs=1e-6)
