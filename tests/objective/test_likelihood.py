"""The likelihood against SciPy's densities, its derivatives against differences, its failures as sentences."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from odefit.engines.base import SolverOptions
from odefit.objective.likelihood import Likelihood
from odefit.objective.parameters import Parameter
from odefit.objective.priors import Prior
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood
from odefit.objective.residuals import residual_sum
from small_problems import Array, central_differences, make_problem, make_system, series

NAN = math.nan
LOG = {"lower": 0.0, "upper": np.inf, "scale": "log"}


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("error")
        yield


def decay(
    noise: dict[str, str | tuple[str, str | None] | None], engine: str = "torch", step: float = 0.25
) -> FitProblem:
    """Two experiments of a chain x -> y with scaled observables, missing cells, and a rate that is bound twice.

    The exact solution is simple where both rates are equal: x = x0 e^-kt, y = k t x.
    """
    system = make_system(
        {"x": "-k1*x", "y": "k1*x - k2*y"}, {"x": "x_0", "y": 0}, ("k1", "k2", "x_0", "dose", "m"),
        {"g": "dose*x + m*y", "h": "y + 0.1"},
    )  # fmt: skip
    rng = np.random.default_rng(4)
    t1, t2 = [0.0, 0.5, 1.0, 2.0, 3.5], [1.0, 1.6, 3.0]
    values = [np.exp(rng.normal(0, 0.3, (len(t), 2))) for t in (t1, t2)]
    values[0][1, 0] = values[0][3, 1] = values[1][2, 0] = NAN
    errors = [0.1 + rng.random((len(t), 2)) for t in (t1, t2)]
    experiments = [
        series("A", t1, values[0], sigma=errors[0]),
        series("B", t2, values[1], start=0.5, sigma=errors[1]),
    ]
    table = [
        Parameter("k", 0.8, **LOG, prior=Prior("lognormal", 0.5, 1.0)),
        Parameter("m", 1.2, 0.5, 3.0, "logit", prior=Prior("normal", 1.0, 0.5)),
        Parameter("x_0[A]", 1.1, prior=Prior("laplace", 1.0, 0.2)),
        Parameter("x_0[B]", 0.9, 0.1, 5.0, prior=Prior("uniform", 0.1, 5.0)),
        Parameter("s", 0.3, **LOG, role="noise"),
        Parameter("s2", 0.1, **LOG, role="noise"),
        Parameter("fixed", 0.05, estimate=False),
    ]
    bound = {"k1": ["k", "k"], "k2": ["k", "k"], "x_0": ["x_0[A]", "x_0[B]"], "dose": [1.0, 2.0]}
    options = SolverOptions("rk4", step=step) if engine == "torch" else SolverOptions(rtol=1e-11, atol=1e-13)
    return make_problem(system, experiments, table, noise, options, bound, engine)


NOISES: dict[str, dict[str, str | tuple[str, str | None] | None]] = {
    "fixed": {"g": "0.3", "h": "0.2"},
    "estimated": {"g": "s", "h": "s2"},
    "shared": {"g": "s", "h": "s"},
    "log-normal": {"g": ("lognormal", "s"), "h": ("lognormal", "s2")},
    "with a known factor": {"g": "s*(1 + 0.5*t)", "h": "2*s"},
    "of the prediction": {"g": "s + 0.2*(dose*x + m*y)", "h": "s2 + fixed*t"},
    "from the data": {"g": None, "h": ("lognormal", None)},
    "data and estimated": {"g": None, "h": "s"},
}


def exact(problem: FitProblem, u: Array) -> tuple[list[Array], dict[str, float]]:
    """g and h of every experiment in closed form, and the parameters."""
    p = dict(zip(problem.table.names, problem.table.to_natural(u), strict=True))
    out = []
    for experiment, x0, dose in zip(problem.experiments, (p["x_0[A]"], p["x_0[B]"]), (1.0, 2.0), strict=True):
        s = experiment.times - experiment.start
        x = x0 * np.exp(-p["k"] * s)
        y = p["k"] * s * x
        out.append(np.stack([dose * x + p["m"] * y, y + 0.1], axis=1))
    return out, p


@pytest.mark.parametrize("engine", ["torch", "compiled"])
@pytest.mark.parametrize("kind", NOISES)
def test_the_value_is_the_sum_of_log_densities(kind: str, engine: str) -> None:
    problem = decay(NOISES[kind], engine, step=0.05)
    u = problem.table.to_search(problem.table.values)
    predictions, p = exact(problem, u)
    total = 0.0
    for experiment, predicted in zip(problem.experiments, predictions, strict=True):
        for (i, o), d in np.ndenumerate(experiment.values):
            g, t = predicted[i, o], experiment.times[i]
            assert experiment.sigma is not None
            sigma = {
                "fixed": (0.3, 0.2)[o],
                "estimated": (p["s"], p["s2"])[o],
                "shared": p["s"],
                "with a known factor": (p["s"] * (1 + 0.5 * t), 2 * p["s"])[o],
                "log-normal": (p["s"], p["s2"])[o],
                "of the prediction": (p["s"] + 0.2 * g, p["s2"] + 0.05 * t)[o],
                "from the data": experiment.sigma[i, o],
                "data and estimated": (experiment.sigma[i, o], p["s"])[o],
            }[kind]
            if math.isnan(d):
                continue
            is_log = kind == "log-normal" or (kind == "from the data" and o == 1)
            total -= stats.lognorm.logpdf(d, sigma, scale=g) if is_log else stats.norm.logpdf(d, g, sigma)
    total -= stats.lognorm.logpdf(p["k"], 1.0, scale=0.5) + stats.norm.logpdf(p["m"], 1.0, 0.5)
    total -= stats.laplace.logpdf(p["x_0[A]"], 1.0, 0.2) + stats.uniform.logpdf(p["x_0[B]"], 0.1, 4.9)
    likelihood = Likelihood(problem)
    assert likelihood.value(u) == pytest.approx(total, rel=1e-6)
    assert likelihood.evaluate(u).value == pytest.approx(likelihood.value(u), rel=1e-8)
    assert likelihood.failure is None


@pytest.mark.parametrize("engine", ["torch", "compiled"])
@pytest.mark.parametrize("profiled", [False, True])
@pytest.mark.parametrize("kind", NOISES)
def test_the_gradient_is_the_slope_of_the_value(kind: str, profiled: bool, engine: str) -> None:
    problem = decay(NOISES[kind], engine)
    likelihood = Likelihood(problem)
    objective = ProfileLikelihood(likelihood) if profiled else likelihood
    u = problem.table.to_search(problem.table.values)
    if isinstance(objective, ProfileLikelihood):
        u = u[objective.free]
    evaluation = objective.evaluate(u)
    slope = central_differences(objective.value, u, 1e-3)
    assert evaluation.A.shape == (len(evaluation.z), len(u))
    assert evaluation.is_finite
    np.testing.assert_allclose(evaluation.gradient, slope, rtol=1e-6, atol=1e-6)


def test_every_sensitivity_is_needed_in_the_gradient() -> None:
    # The rate stands for two symbols and the initial values for one experiment each: none may be lost.
    problem = decay(NOISES["fixed"])
    u = problem.table.to_search(problem.table.values)
    gradient = Likelihood(problem).evaluate(u).gradient
    assert (np.abs(gradient[:4]) > 1e-3).all()
    assert (gradient[4:] == 0).all()


@pytest.mark.parametrize("kind", ["estimated", "log-normal", "of the prediction"])
def test_a_a_is_the_expected_information(kind: str) -> None:
    """E[gradient gradient'] over data drawn at the parameters, exactly: each cell at the three nodes of a Gauss-Hermite
    rule. The score of a cell is a polynomial of degree 2 in its noise, so its product has degree 4: three nodes do.
    """
    problem = decay(NOISES[kind])
    table = replace(problem.table, parameters=tuple(replace(q, prior=None) for q in problem.table))
    problem = replace(problem, table=table)
    u = table.to_search(table.values)
    likelihood = Likelihood(problem)
    moments = likelihood.moments(u, derivatives=True)
    assert moments is not None
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    weights = weights / weights.sum()
    information = np.zeros((len(u), len(u)))
    for column, (cells, o) in enumerate(zip(likelihood.problem.data, moments, strict=True)):
        is_log = problem.observation.noise[problem.observation.names[column]].is_log
        s = np.broadcast_to(np.asarray(o.s), o.m.shape)
        for row in cells.rows:
            for node, weight in zip(nodes, weights, strict=True):
                drawn = o.m[row] + node * s[row]
                single = one_cell(problem, int(row), column, math.exp(drawn) if is_log else drawn)
                gradient = Likelihood(single).evaluate(u).gradient
                information += weight * np.outer(gradient, gradient)
    a = likelihood.evaluate(u).A.dense()
    np.testing.assert_allclose(a.T @ a, information, rtol=1e-9, atol=1e-9)


def one_cell(problem: FitProblem, row: int, column: int, value: float) -> FitProblem:
    """The problem with one measurement only."""
    experiments, first = [], 0
    for experiment in problem.experiments:
        values = np.full_like(experiment.values, NAN)
        if first <= row < first + len(values):
            values[row - first, column] = value
        experiments.append(replace(experiment, values=values))
        first += len(values)
    return replace(problem, experiments=tuple(experiments))


def minimum(objective: Likelihood | ProfileLikelihood, u: Array) -> Array:
    found = minimize(lambda u: _finite(objective, u), u, jac=True, method="BFGS", options={"gtol": 1e-6})
    return np.asarray(found.x)


def _finite(objective: Likelihood | ProfileLikelihood, u: Array) -> tuple[float, Array]:
    evaluation = objective.evaluate(u)
    return (evaluation.value, evaluation.gradient) if evaluation.is_finite else (1e10, np.zeros(len(u)))


@pytest.mark.parametrize("kind", ["estimated", "shared", "with a known factor", "data and estimated"])
def test_the_optimum_of_the_profile_is_that_of_the_likelihood(kind: str) -> None:
    problem = decay(NOISES[kind])
    names = {"s", "s2"} & set(problem.binding.symbols)
    used = tuple(q if q.name in names or q.role != "noise" else replace(q, estimate=False) for q in problem.table)
    # A Laplace prior has a kink, where no method with gradients ends.
    used = tuple(replace(q, prior=None) if q.name == "x_0[A]" else q for q in used)
    problem = replace(problem, table=replace(problem.table, parameters=used))
    likelihood = Likelihood(problem)
    profile = ProfileLikelihood(likelihood)
    u = problem.table.to_search(problem.table.values)
    assert len(profile.sigmas) == len(names)
    lifted = profile.lift(minimum(profile, u[profile.free]))
    full = minimum(likelihood, u)
    np.testing.assert_allclose(lifted, full, atol=1e-5)
    np.testing.assert_allclose(likelihood.evaluate(lifted).gradient, 0.0, atol=1e-5)
    assert profile.value(lifted[profile.free]) == pytest.approx(likelihood.value(lifted), rel=1e-12)


def test_a_profiled_sigma_keeps_to_its_bounds_and_to_its_prior() -> None:
    problem = decay(NOISES["estimated"])

    def changed(name: str, **change: object) -> FitProblem:  # fmt: skip
        rows = tuple(replace(q, **change) if q.name == name else q for q in problem.table)
        return replace(problem, table=replace(problem.table, parameters=rows))

    bounded = changed("s", lower=0.9)
    profile = ProfileLikelihood(Likelihood(bounded))
    u = bounded.table.to_search(bounded.table.with_values(np.array([0.8, 1.2, 1.1, 0.9, 1.0, 0.1, 0.05])).values)
    lifted = bounded.table.to_natural(profile.lift(u[profile.free]))
    assert lifted[4] == pytest.approx(0.9)
    free = bounded.table.with_values(lifted).to_search(lifted)
    np.testing.assert_allclose(Likelihood(bounded).evaluate(free).gradient[5], 0.0, atol=1e-9)
    slope = central_differences(profile.value, u[profile.free], 1e-3)
    np.testing.assert_allclose(profile.evaluate(u[profile.free]).gradient, slope, rtol=1e-6, atol=1e-6)
    with_prior = changed("s", prior=Prior("lognormal", 0.3, 1.0))
    assert ProfileLikelihood(Likelihood(with_prior)).sigmas == (5,)


def test_a_sigma_with_another_part_to_play_is_not_profiled() -> None:
    shared = decay({"g": "s", "h": "s^2"})
    assert ProfileLikelihood(Likelihood(shared)).sigmas == ()
    alone = decay({"g": "s", "h": "s2"})
    assert ProfileLikelihood(Likelihood(alone)).sigmas == (4, 5)
    in_equations = make_problem(
        make_system({"x": "-s*x"}, {"x": 1}, ("s",)), [series("A", [0.0, 1.0], [1.0, 0.5])],
        [Parameter("s", 0.5)], {"x": "s"},
    )  # fmt: skip
    # A rate too: its best value is not the mean square of the residuals.
    assert ProfileLikelihood(Likelihood(in_equations)).sigmas == ()


def test_an_exact_fit_leaves_a_finite_sigma() -> None:
    system = make_system({"x": "0"}, {"x": "x_0"}, ("x_0",))
    problem = make_problem(
        system, [series("A", [0.0, 1.0, 2.0], [2.0, 2.0, 2.0])], [Parameter("x_0", 2.0), Parameter("s", 1.0, **LOG)],
        {"x": "s"},
    )  # fmt: skip
    profile = ProfileLikelihood(Likelihood(problem))
    assert math.isfinite(profile.value(np.array([2.0])))
    assert profile.evaluate(np.array([2.0])).is_finite


@pytest.mark.parametrize("engine", ["torch", "compiled"])
@pytest.mark.parametrize("noise_only", [True, False])
def test_only_noise_and_observables_may_be_estimated(noise_only: bool, engine: str) -> None:
    # Then no state depends on anything, and the engine has no sensitivity to give.
    problem = make_problem(
        make_system({"x": "-x"}, {"x": 1}, ("k",), {"g": "k*x"}),
        [series("A", [0.0, 1.0, 2.0], [2.1, 0.8, 0.2])],
        [Parameter("k", 2.0, estimate=not noise_only), Parameter("s", 0.1, **LOG)],
        {"g": "s"},
        SolverOptions("rk4" if engine == "torch" else "auto", step=0.1),
        engine=engine,
    )
    assert problem.engine.sensitive == ()
    likelihood = Likelihood(problem)
    u = problem.table.to_search(problem.table.values)
    slope = central_differences(likelihood.value, u, 1e-3)
    np.testing.assert_allclose(likelihood.evaluate(u).gradient, slope, rtol=1e-6)


def blow_up() -> FitProblem:
    system = make_system({"x": "k*x^2"}, {"x": 1}, ("k",))
    table = [Parameter("k", 0.1, prior=Prior("lognormal", 1.0, 1.0)), Parameter("s", 1.0, **LOG)]
    data = [series("A", [0.0, 1.0, 2.0], [1.0, 1.0, 1.0])]
    return make_problem(system, data, table, {"x": "s - 0.5"}, SolverOptions("dopri5", 1e-3, 1e-4))


@pytest.mark.parametrize(
    ("k", "log_s", "cause"),
    [
        (5.0, 0.0, "experiment A: "),
        (0.1, -1.0, "not positive"),
        (0.1, 800.0, "not finite"),
        (-0.1, 0.0, "prior"),
        (NAN, 0.0, "experiment A: "),
    ],
)
def test_a_failure_is_infinite_and_has_a_sentence(k: float, log_s: float, cause: str) -> None:
    for objective in (Likelihood(blow_up()), ProfileLikelihood(Likelihood(blow_up()))):
        u = np.array([k, log_s])
        assert objective.value(u) == math.inf
        assert cause in str(objective.failure)
        evaluation = objective.evaluate(u)
        assert evaluation.value == math.inf
        assert evaluation.A.shape == (0, 2)
        assert cause in str(objective.failure)
        # The next success clears it.
        assert math.isfinite(objective.value(np.array([0.1, 0.0])))
        assert objective.failure is None


def test_a_formula_may_be_singular_where_nothing_is_measured() -> None:
    # y starts at 0, where its logarithm and the derivatives are infinite; the first measurement comes later.
    system = make_system({"x": "-k*x", "y": "k*x"}, {"x": 1, "y": 0}, ("k",), {"y": "y", "x": "x"})
    data = [series("A", [0.0, 1.0, 2.0], [[NAN, 1.0], [0.4, 0.6], [0.6, 0.3]])]
    noise = {"y": ("lognormal", "s"), "x": "s*y"}
    table = [Parameter("k", 0.5, **LOG), Parameter("s", 0.2, **LOG)]
    # x is measured where its noise level is 0: that must fail; without that measurement all is well.
    problem = make_problem(system, data, table, noise)
    u = problem.table.to_search(problem.table.values)
    assert Likelihood(problem).evaluate(u).value == math.inf
    data[0].values[0, 1] = NAN
    problem = make_problem(system, data, table, noise)
    evaluation = Likelihood(problem).evaluate(u)
    assert evaluation.is_finite
    slope = central_differences(Likelihood(problem).value, u, 1e-3)
    np.testing.assert_allclose(evaluation.gradient, slope, rtol=1e-6)
    assert math.isfinite(residual_sum(Likelihood(problem), u))


def test_the_residual_sum_is_on_the_scale_of_the_noise() -> None:
    problem = decay(NOISES["log-normal"], step=0.05)
    u = problem.table.to_search(problem.table.values)
    predictions, _ = exact(problem, u)
    logs = [np.log(g / e.values) for g, e in zip(predictions, problem.experiments, strict=True)]
    assert residual_sum(Likelihood(problem), u) == pytest.approx(sum(np.nansum(r**2) for r in logs), rel=1e-5)


def test_what_is_asked_of_the_same_point_is_solved_once() -> None:
    problem = blow_up()
    solves = 0

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(problem.engine, name)

        def solve(self, *arguments: Any, **named: Any) -> Any:
            nonlocal solves
            solves += 1
            return problem.engine.solve(*arguments, **named)

    counted = Likelihood(replace(problem, engine=Counting()), keeps=True)  # type: ignore[arg-type]
    plain, u = Likelihood(problem), np.array([0.1, 0.0])
    for shift in (0.0, 0.1, 0.0):
        assert counted.value(u + shift) == plain.value(u + shift) < math.inf
        assert counted.moments(u + shift, derivatives=False) is not None
    assert solves == 2
    np.testing.assert_array_equal(counted.evaluate(u).gradient, plain.evaluate(u).gradient)
    assert solves == 3


def test_a_failure_that_is_kept_is_told_again() -> None:
    likelihood, u = Likelihood(blow_up(), keeps=True), np.array([5.0, 0.0])
    assert likelihood.value(u) == math.inf
    first, likelihood.failure = likelihood.failure, None
    assert likelihood.moments(u, derivatives=False) is None
    assert likelihood.failure == first
