"""Predictions and noise levels, and their derivatives, for every kind of observable and noise."""

from __future__ import annotations

import numpy as np
import pytest

from odefit import algebra as sp
from odefit.engines.base import SolverOptions
from odefit.model.formulas import parse_formula
from odefit.objective.jacobian import LocalRows
from odefit.objective.likelihood import Likelihood
from odefit.objective.observation import Noise, Observation
from odefit.objective.parameters import Parameter
from odefit.objective.problem import FitProblem
from small_problems import Array, central_differences, make_problem, make_system, series

EQUATIONS = {"x": "a*x - b*x*y", "y": "b*x*y - c*y"}
RATES = [
    Parameter("a", 1.1, 0.0, np.inf, "log"),
    Parameter("b", 0.4, 0.1, 2.0, "logit"),
    Parameter("c", 0.7),
]
SIGMA = Parameter("s", 0.3, 0.0, np.inf, "log", role="noise")
SCALE = [Parameter("k", 2.0, 0.0, np.inf, "log"), Parameter("o", 0.5)]
TIMES = [0.0, 0.4, 1.0, 1.7, 2.5]
# observables, noise, further parameters of the system, further rows of the table
CASES = {
    "identity, fixed": (None, {"x": "0.3", "y": "0.2"}, (), []),
    "scale, offset and time": ({"g": "k*x + o*t"}, {"g": "0.3"}, ("k", "o"), SCALE),
    "log-normal": ({"g": "k*x"}, {"g": ("lognormal", "0.2")}, ("k",), SCALE[:1]),
    "sigma estimated": (None, {"x": "s", "y": "0.2"}, (), [SIGMA]),
    "sigma shared": (None, {"x": "s", "y": "s"}, (), [SIGMA]),
    "sigma shared across scales": (None, {"x": "s", "y": ("lognormal", "s")}, (), [SIGMA]),
    "sigma of the prediction": ({"g": "k*y"}, {"g": "s + o*k*y"}, ("k",), [*SCALE, SIGMA]),
    "sigma of time": (None, {"x": "s*(1 + t)", "y": "s*sqrt(y)"}, (), [SIGMA]),
    "sigma from the data": (None, {"x": None, "y": "s"}, (), [SIGMA]),
    "no state at all": ({"g": "k + o*t"}, {"g": "s"}, ("k", "o"), [*SCALE, SIGMA]),
}


def problem_of(case: str, engine: str = "torch") -> FitProblem:
    observables, noise, extra, rows = CASES[case]
    system = make_system(EQUATIONS, {"x": "x_0", "y": 0.8}, ("a", "b", "c", "x_0", *extra), observables)
    n = len(system.observables)
    experiments = [series("A", TIMES, n=n, sigma=0.1), series("B", [1.0, 1.3, 2.0], start=0.5, n=n, sigma=0.2)]
    table = [*RATES, Parameter("x_0[A]", 1.0), Parameter("x_0[B]", 1.5, 0.0, np.inf, "log"), *rows]
    options = SolverOptions("rk4", step=0.1) if engine == "torch" else SolverOptions(rtol=1e-10, atol=1e-12)
    return make_problem(system, experiments, table, noise, options, {"x_0": ["x_0[A]", "x_0[B]"]}, engine)


@pytest.mark.parametrize("engine", ["torch", "compiled"])
@pytest.mark.parametrize("case", CASES)
def test_derivatives_of_moments_are_those_of_the_whole_pipeline(case: str, engine: str) -> None:
    problem = problem_of(case, engine)
    likelihood = Likelihood(problem)
    u = problem.table.to_search(problem.table.values)
    found = likelihood.moments(u, derivatives=True)
    assert found is not None

    def both(u: Array) -> Array:
        moments = likelihood.moments(u, derivatives=False)
        assert moments is not None
        return np.array([[m.m, np.broadcast_to(0.0 if m.s is None else m.s, m.m.shape)] for m in moments])

    def to_search(local: Array | None, like: Array) -> Array:
        """To u; None promises that nothing moves it."""
        if local is None:
            return np.zeros_like(like)
        rows = LocalRows(local, problem.owner)
        return np.asarray(likelihood.columns.rows([], rows, problem.table.transforms.derivative(u)))

    values, slopes = both(u), central_differences(both, u, 1e-3)
    for k, moments in enumerate(found):
        np.testing.assert_allclose(moments.m, values[k, 0], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(to_search(moments.dm, slopes[k, 0]), slopes[k, 0], rtol=1e-6, atol=1e-7)
        assert (moments.s is None) == (list(CASES[case][1].values())[k] is None)
        np.testing.assert_allclose(to_search(moments.ds, slopes[k, 1]), slopes[k, 1], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("case", CASES)
def test_tensors_agree_with_arrays(case: str) -> None:
    torch = pytest.importorskip("torch")
    problem = problem_of(case)
    observation, binding = problem.observation, problem.binding
    theta = problem.table.values
    local = binding.local(theta)
    states = problem.states(theta, problem.experiments)
    moments = observation.moments(np.concatenate(states), problem.times, problem.rows(local))
    rows = torch.as_tensor(local[problem.owner])
    y, t = torch.as_tensor(np.concatenate(states)), torch.as_tensor(problem.times)
    for position, expected in enumerate(moments):
        m, s = observation.moment_tensors(position, y, t, rows)
        np.testing.assert_allclose(m.numpy(), expected.m, rtol=1e-14)
        assert (s is None) == (expected.s is None)
        if s is not None:
            np.testing.assert_allclose(s.numpy(), np.broadcast_to(expected.s, t.shape), rtol=1e-14)


def test_predictions_are_natural_whatever_the_noise() -> None:
    problem = problem_of("log-normal")
    states = problem.states(problem.table.values, problem.experiments)
    for predicted, y in zip(problem.predict(problem.table.values), states, strict=True):
        np.testing.assert_allclose(predicted[:, 0], 2.0 * y[:, 0], rtol=1e-15)


def test_moments_of_a_plain_observation_are_the_formulas() -> None:
    # Two observables of known value, by hand: g = k x + t (identity), h = x² (log-normal), s_h = 0.1 + x.
    names = ("x", "k")
    system = make_system({"x": "-k*x"}, {"x": 1.0}, ("k",), {"g": "k*x + t", "h": "x^2"})
    noise = {"g": Noise("gaussian", sp.Integer(2)), "h": Noise("lognormal", parse_formula("0.1 + x", names))}
    observation = Observation(system, noise, ("k",), ("k",))
    y, t, p = np.array([[3.0], [2.0]]), np.array([0.0, 5.0]), np.array([0.5])
    dy = np.array([[[0.0]], [[-4.0]]])
    g, h = observation.moments(y, t, p, dy)
    np.testing.assert_allclose(g.m, [1.5, 6.0])
    assert g.s == 2.0
    assert g.ds is None
    assert g.dm is not None
    np.testing.assert_allclose(g.dm[:, 0], [3.0, 2.0 - 0.5 * 4.0])
    np.testing.assert_allclose(h.m, np.log([9.0, 4.0]))
    np.testing.assert_allclose(np.asarray(h.s), [3.1, 2.1])
    assert h.dm is not None
    assert h.ds is not None
    np.testing.assert_allclose(h.dm[:, 0], [0.0, 2 / 2.0 * -4.0])
    np.testing.assert_allclose(h.ds[:, 0], [0.0, -4.0])
    np.testing.assert_allclose(observation.predict(y, t, p), [[1.5, 9.0], [6.0, 4.0]])
