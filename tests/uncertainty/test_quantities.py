"""Quantities: their values against closed forms, their gradients against closed forms and against differences."""

from __future__ import annotations

import numpy as np
import pytest

import odefit
from odefit.api import assembled
from odefit.problem.assembly import Assembly
from odefit.problem.quantities import named_quantities, quantities_of

DECAY = {
    "model": {
        "equations": {"x": "-k*x"},
        "expressions": {"rate": "k*x"},
        "observables": {"log_x": "x", "sum": "2*x + c"},
        "units": {"x": "mg"},
    },
    "parameters": {
        "k": {"value": 0.5, "bounds": [0.01, 10], "scale": "log", "by": "experiment"},
        "c": {"value": 1.0, "bounds": [-5, 5]},
        "half": {"formula": "log(2)/k"},
        "x_0": {"value": 3.0, "bounds": [0, 10], "scale": "logit", "by": "experiment"},
    },
    "noise": {"log_x": "lognormal", "sum": {"sigma": 0.1}},
    "solver": {"rtol": 1e-10, "atol": 1e-12},
}


@pytest.fixture(scope="module")
def decay() -> Assembly:
    experiments = [
        odefit.Experiment(name, [0, 1, 2, 3], {"log_x": [3.0, 1.8, 1.1, 0.7], "sum": [7.0, 4.6, 3.2, 2.4]})
        for name in ("a", "b")
    ]
    return assembled(DECAY, data=experiments)


def _points(decay: Assembly, n: int = 3) -> np.ndarray:
    table = decay.problem.table
    return table.to_search(table.values) + 0.2 * np.random.default_rng(1).standard_normal((n, len(table.estimated)))


NAMES = ["k[a]", "half[b]", "c", "x_0[a]", "log_x[a](2)", "sum[b](7.5)", "x[b](1)", "rate[a](0.5)"]


@pytest.mark.quick
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_differences(decay: Assembly, name: str) -> None:
    (quantity,) = named_quantities(decay, [name])
    u = _points(decay)
    here = quantity.evaluations(u)
    assert here.ok.all()
    assert here.values.shape == (3,)
    assert here.gradients.shape == u.shape
    for k in range(u.shape[1]):
        step = np.zeros(u.shape[1])
        step[k] = 1e-5
        slope = (quantity.evaluations(u + step).values - quantity.evaluations(u - step).values) / 2e-5
        np.testing.assert_allclose(here.gradients[:, k], slope, rtol=2e-6, atol=2e-7)


def test_curves_and_formulas_are_those_of_the_closed_form(decay: Assembly) -> None:
    table, u = decay.problem.table, _points(decay)
    theta = dict(zip(table.names, table.to_natural(u).T, strict=True))
    x = theta["x_0[b]"] * np.exp(-theta["k[b]"] * 7.5)
    found = {q.name: q.evaluations(u) for q in named_quantities(decay, ["sum[b](7.5)", "half", "log_x[b](7.5)"])}
    assert list(found) == ["sum[b](7.5)", "half[a]", "half[b]", "log_x[b](7.5)"]
    np.testing.assert_allclose(found["sum[b](7.5)"].values, 2 * x + theta["c"], rtol=1e-8)
    np.testing.assert_allclose(found["log_x[b](7.5)"].values, x, rtol=1e-8)
    np.testing.assert_allclose(found["half[b]"].values, np.log(2) / theta["k[b]"], rtol=1e-12)
    k = table.estimated_names.index("k[b]")
    np.testing.assert_allclose(found["log_x[b](7.5)"].gradients[:, k], -7.5 * theta["k[b]"] * x, rtol=1e-7)
    assert not found["log_x[b](7.5)"].gradients[:, table.estimated_names.index("k[a]")].any()


def test_a_name_without_an_experiment_means_all_of_them(decay: Assembly) -> None:
    assert [q.name for q in named_quantities(decay, ["x(2)", "k"])] == ["x[a](2)", "x[b](2)", "k[a]", "k[b]"]
    assert [q.unit for q in named_quantities(decay, ["x[a](2)", "c"])] == ["mg", None]
    assert [q.name for q in quantities_of(decay)][-2:] == ["half[a]", "half[b]"]


def test_a_point_that_cannot_be_solved_is_not_ok() -> None:
    config = {
        "model": {"equations": {"x": "k*x^2"}, "initial": {"x": 1}},
        "parameters": {"k": {"value": 0.1, "bounds": [0, 10]}},
        "noise": {"x": {"sigma": 0.1}},
    }
    assembly = assembled(config, data=[odefit.Experiment("a", [0, 1, 2], {"x": [1, 1.1, 1.2]})])
    (quantity,) = named_quantities(assembly, ["x(4)"])
    found = quantity.evaluations(np.array([[0.1], [5.0], [0.2]]))  # x = 1/(1 - k t) has no value at 4 where k = 5
    assert found.ok.tolist() == [True, False, True]
    assert np.isnan(found.values[1])
    assert np.isnan(found.gradients[1]).all()
    np.testing.assert_allclose(found.values[[0, 2]], 1 / (1 - 4 * np.array([0.1, 0.2])), rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("kk", "is no estimated parameter and no derived quantity; did you mean"),
        ("sum", "is a curve; say at which time, as `sum(3)`"),
        ("sum(one)", "'one' is no time"),
        ("summ(1)", "'summ' is no observable, state or expression; did you mean 'sum'?"),
        ("sum[z](1)", "'z' is no experiment"),
        ("sum(-1)", "comes before experiment a starts (0)"),
    ],
)
def test_a_name_that_means_nothing_is_a_fault(decay: Assembly, name: str, what: str) -> None:
    with pytest.raises(odefit.InputError) as found:
        named_quantities(decay, ["k[a]", name, "nothing"])
    assert len(found.value.faults) == 2
    assert what in str(found.value.faults[0])
