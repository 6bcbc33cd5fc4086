"""The likelihood with every family of noise, with censored cells and with inputs: gradients, optima, degrees, bands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linprog

from odefit.data.experiments import Experiment, Input
from odefit.engines.base import SolverOptions
from odefit.model.formulas import parse_formula
from odefit.model.system import System
from odefit.objective.likelihood import Likelihood
from odefit.objective.observation import Observation
from odefit.objective.parameters import Binding, Parameter, ParameterTable
from odefit.objective.priors import Prior
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood
from odefit.objective.residuals import chi_square, pearson_residuals, quantile_residuals, residual_sum
from odefit.optimizers.lbfgs import minimize_lbfgs
from odefit.optimizers.least_squares import minimize_least_squares
from odefit.uncertainty.bands import prediction_bands
from odefit.uncertainty.degrees_of_freedom import no_degrees_left, reduced_chi_square, residual_degrees
from small_problems import Array, central_differences, make_engine, make_problem, make_system, series

LOG = {"lower": 0.0, "upper": np.inf, "scale": "log"}
TIMES = np.linspace(0.2, 4.0, 20)
RATES = (Parameter("k", 0.6, **LOG), Parameter("x_0", 20.0, **LOG))
SIGMA = Parameter("s", 2.0, **LOG, role="noise")
SHARE = Parameter("b", 0.2, **LOG, role="noise")
# model, formula of the second parameter, its parameters, smooth?, least squares?, profiled?
CASES: dict[str, tuple[str, str | None, tuple[Parameter, ...], bool, bool, bool]] = {
    "gaussian": ("gaussian", "s", (SIGMA,), True, True, True),
    "gaussian fixed": ("gaussian", "2", (), True, True, False),
    "gaussian, both": ("gaussian", "sqrt(s^2 + (b*x)^2)", (SIGMA, SHARE), True, False, False),
    "lognormal": ("lognormal", "b", (SHARE,), True, True, True),
    "laplace": ("laplace", "s", (SIGMA,), False, False, True),
    "student_t": ("student_t", "s", (SIGMA,), True, False, False),
    "poisson": ("poisson", None, (), True, False, False),
    "negative_binomial": ("negative_binomial", "b", (SHARE,), True, False, False),
    "dispersion of time": ("negative_binomial", "b*t", (SHARE,), True, False, False),
}


def decay(case: str, censored: bool = False, seed: int = 1, engine: str = "torch") -> FitProblem:
    """x' = -k x, drawn from its own noise; censored: below 5 and above 15."""
    model, formula, extra, *_ = CASES[case]
    system = make_system({"x": "-k*x"}, {"x": "x_0"}, ("k", "x_0"))
    options = SolverOptions("rk4", step=0.2) if engine == "torch" else SolverOptions(rtol=1e-8, atol=1e-10)
    blank = [series("A", TIMES, np.ones(20), start=0.0), series("B", TIMES[::2], np.ones(10), start=0.0)]
    problem = make_problem(system, blank, [*RATES, *extra], {"x": (model, formula)}, options, engine=engine)
    moments = Likelihood(problem).moments(problem.table.to_search(problem.table.values), derivatives=False)
    assert moments is not None
    m, s = moments[0].m, moments[0].s
    scale = None if s is None else np.broadcast_to(np.asarray(s, dtype=float), m.shape)
    d = problem.observation.noise["x"].sample(m, scale, np.random.default_rng(seed))
    side = np.zeros(len(d), dtype=np.int8)
    if censored:
        side = np.where(d < 5, -1, np.where(d > 15, 1, 0)).astype(np.int8)
        d = np.clip(d, 5, 15)
    experiments, first = [], 0
    for e in blank:
        rows = slice(first, first := first + len(e.times))
        # B has nothing censored, and says so by None.
        exact = (side[rows] == 0).all()
        experiments.append(replace(e, values=d[rows, None], censored=None if exact else side[rows, None]))
    return replace(problem, experiments=tuple(experiments))


def redrawn(problem: FitProblem, seed: int) -> FitProblem:
    """The same experiments with other random numbers."""
    noise, rng = problem.observation.noise["x"], np.random.default_rng([seed, 7])
    u = problem.table.to_search(problem.table.values)
    moments = Likelihood(problem).moments(u, derivatives=False)
    assert moments is not None
    m, s = moments[0].m, moments[0].s
    d = noise.sample(m, None if s is None else np.broadcast_to(np.asarray(s, dtype=float), m.shape), rng)
    parts = np.split(d[:, None], np.cumsum([len(e.times) for e in problem.experiments])[:-1])
    return replace(problem, experiments=tuple(
        replace(e, values=v) for e, v in zip(problem.experiments, parts, strict=True)))  # fmt: skip


def start(problem: FitProblem) -> Array:
    return problem.table.to_search(problem.table.values) + 0.1


@pytest.fixture(autouse=True)
def warnings_of_numpy() -> Any:
    with np.errstate(all="warn", under="ignore"):
        yield


@pytest.mark.parametrize("censored", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_the_value_is_scipys_and_the_gradient_its_slope(case: str, censored: bool) -> None:
    problem = decay(case, censored)
    likelihood = Likelihood(problem)
    u = start(problem)
    p = dict(zip(problem.table.names, problem.table.to_natural(u), strict=True))
    g = [q[:, 0] for q in problem.predict(problem.table.to_natural(u))]
    total = 0.0
    for experiment, m in zip(problem.experiments, g, strict=True):
        density, discrete = {
            "gaussian": lambda m: (stats.norm(m, p["s"]), 0),
            "gaussian fixed": lambda m: (stats.norm(m, 2.0), 0),
            "gaussian, both": lambda m: (stats.norm(m, np.hypot(p["s"], p["b"] * m)), 0),
            "lognormal": lambda m: (stats.lognorm(p["b"], scale=m), 0),
            "laplace": lambda m: (stats.laplace(m, p["s"]), 0),
            "student_t": lambda m: (stats.t(4, m, p["s"]), 0),
            "poisson": lambda m: (stats.poisson(m), 1),
            "negative_binomial": lambda m: (stats.nbinom(1 / p["b"], 1 / (1 + p["b"] * m)), 1),
            "dispersion of time": lambda m, t=experiment.times: (
                stats.nbinom(1 / p["b"] / t, 1 / (1 + p["b"] * t * m)), 1),
        }[case](m)  # fmt: skip
        d = experiment.values[:, 0]
        side = np.zeros(len(d)) if experiment.censored is None else experiment.censored[:, 0]
        log_p = density.logpmf(d) if discrete else density.logpdf(d)
        total -= np.where(side == 0, log_p, np.where(side < 0, density.logcdf(d - discrete), density.logsf(d))).sum()
    assert likelihood.value(u) == pytest.approx(total, rel=1e-9)
    for evaluation in (likelihood.evaluate(u), likelihood.information(u)):
        assert evaluation.value == pytest.approx(total, rel=1e-9)
        slope = central_differences(likelihood.value, u, 1e-4)
        np.testing.assert_allclose(evaluation.gradient, slope, rtol=1e-6, atol=1e-5)
    profile = ProfileLikelihood(likelihood)
    assert bool(profile.sigmas) == (CASES[case][5] and not censored)
    slope = central_differences(profile.value, u[profile.free], 1e-4)
    np.testing.assert_allclose(profile.evaluate(u[profile.free]).gradient, slope, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("case", [c for c in CASES if c != "dispersion of time"])
def test_the_information_is_the_mean_of_the_curvature(case: str) -> None:
    """A'A at the truth against the covariance of gradients over many draws, direction by direction."""
    problem = decay(case, engine="compiled")
    u = problem.table.to_search(problem.table.values)
    moments = Likelihood(problem).moments(u, derivatives=True)
    assert moments is not None
    drawn = [Likelihood(redrawn(problem, k)).assemble(u, moments, {}, True, expected=True) for k in range(120)]
    a, gradients = drawn[0].A.dense(), np.array([here.gradient for here in drawn])
    root = np.linalg.cholesky(np.linalg.inv(a.T @ a))
    white = gradients @ root
    # Of 120 draws: means within 4/sqrt(120), variances within 4 sqrt(2/120), with room for heavier tails.
    assert np.abs(white.mean(axis=0)).max() < 0.4
    assert np.abs(np.diag(np.cov(white.T)) - 1).max() < 0.6


@pytest.mark.parametrize("censored", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_torch_agrees(case: str, censored: bool) -> None:
    torch = pytest.importorskip("torch")
    from odefit.data.dataset import collate
    from odefit.training.objective_torch import TrainingObjective

    problem = decay(case, censored)
    u, n = start(problem), problem.n_measured
    batch = collate(list(enumerate(problem.experiments)))
    module = TrainingObjective(problem, torch.nn.ModuleDict(), "nll", torch.as_tensor(u))
    loss = module(batch)
    loss.backward()
    evaluation = Likelihood(problem).evaluate(u)
    assert loss.item() == pytest.approx(evaluation.value / n, rel=1e-9)
    np.testing.assert_allclose(module.u.grad.numpy(), evaluation.gradient / n, rtol=1e-7, atol=1e-9)
    # A squared-error loss sees a limit only from its wrong side.
    module = TrainingObjective(problem, torch.nn.ModuleDict(), "mse", torch.as_tensor(u))
    total = 0.0
    for e, g in zip(problem.experiments, problem.predict(problem.table.to_natural(u)), strict=True):
        r = np.log(g / e.values) if case == "lognormal" else g - e.values
        side = np.zeros(r.shape) if e.censored is None else e.censored
        total += float(np.sum(np.where(side * r > 0, 0.0, r) ** 2))
    assert module(batch).item() == pytest.approx(total / n, rel=1e-9)
    if censored:
        assert batch.censored is not None
        assert set(batch.censored.unique().tolist()) == {-1, 0, 1}


@pytest.mark.parametrize("censored", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_fisher_scoring_finds_the_optimum_of_every_family(case: str, censored: bool) -> None:
    problem = decay(case, censored, engine="compiled")
    objective = ProfileLikelihood(Likelihood(problem))
    u = start(problem)[objective.free]
    size = np.ones(len(u))
    with np.errstate(all="ignore"):
        found = minimize_least_squares(objective, u, size=size)
        other = minimize_lbfgs(objective, u, size=size)
    assert found.status == "converged", found.message
    assert found.value == pytest.approx(min(found.value, other.value), abs=1e-4)
    assert found.n_evaluations + found.n_gradients < 80
    if problem.is_smooth:
        full = Likelihood(problem)
        lifted = objective.lift(found.u)
        np.testing.assert_allclose(full.evaluate(lifted).gradient, 0.0, atol=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_laplace_noise_has_the_minimum_of_a_linear_program(seed: int) -> None:
    """x' = c, observed as x + e t²: a straight least-absolute-deviations problem, min sum |A p - d|."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 3, 40)
    design = np.stack([np.ones_like(t), t, t * t], axis=1)
    d = design @ np.array([2.0, -1.0, 0.5]) + rng.laplace(size=40)
    system = make_system({"x": "c"}, {"x": "x_0"}, ("c", "x_0", "e"), {"g": "x + e*t^2"})
    table = [Parameter("x_0", 0.0), Parameter("c", 0.0), Parameter("e", 0.0), SIGMA]
    problem = make_problem(system, [series("A", t, d)], table, {"g": ("laplace", "s")})
    # A p - d = r+ - r-, both positive.
    cost = np.concatenate([np.zeros(3), np.ones(80)])
    equal = np.hstack([design, -np.eye(40), np.eye(40)])
    best = linprog(cost, A_eq=equal, b_eq=d, bounds=[(None, None)] * 3 + [(0, None)] * 80)
    objective = ProfileLikelihood(Likelihood(problem))
    found = minimize_least_squares(objective, np.zeros(3), size=np.ones(3))
    assert found.status == "converged"
    assert found.n_evaluations < 60
    b = best.fun / 40
    expected = 40 * (math.log(2 * b) + 1)
    assert found.value == pytest.approx(expected, abs=1e-4)
    np.testing.assert_allclose(found.u, best.x[:3], atol=1e-3)
    theta = problem.table.to_natural(objective.lift(found.u))
    assert theta[3] == pytest.approx(b, rel=1e-5)
    # The covariance is made from the true information, 1/b².
    a = Likelihood(problem).information(objective.lift(found.u)).A.dense()
    np.testing.assert_allclose((a.T @ a)[:3, :3], design.T @ design / theta[3] ** 2, rtol=1e-6)


def test_a_laplace_prior_may_win() -> None:
    # One weak measurement cannot move the parameter off the centre of its prior.
    system = make_system({"x": "0"}, {"x": "x_0"}, ("x_0",))
    table = [Parameter("x_0", 3.0, prior=Prior("laplace", 1.0, 0.1))]
    problem = make_problem(system, [series("A", [0.0, 1.0], [np.nan, 2.0])], table, {"x": "1"})
    found = minimize_least_squares(Likelihood(problem), np.array([3.0]))
    assert found.status == "converged"
    # 1 = slope of the data there, 10 of the prior: on the rounding, at a tenth of its width.
    assert found.u[0] == pytest.approx(1.0, abs=1e-5)
    assert not problem.is_smooth
    assert problem.is_least_squares


@pytest.mark.parametrize("case", CASES)
def test_what_kind_of_problem_it_is(case: str) -> None:
    problem = decay(case)
    *_, smooth, squares, _ = CASES[case]
    assert problem.is_smooth == smooth
    assert problem.is_least_squares == squares
    assert not decay(case, censored=True).is_least_squares
    assert problem.has_estimated_scale("x") == (case not in ("gaussian fixed", "poisson"))


@pytest.mark.parametrize("case", CASES)
def test_degrees_of_freedom_are_those_of_normal_residuals(case: str) -> None:
    problem = decay(case)
    likelihood = Likelihood(problem)
    u = start(problem)
    free = np.ones(len(u), dtype=bool)
    is_known = case in ("gaussian fixed", "poisson")
    assert residual_degrees(likelihood, free) == (math.inf if is_known else 30 - 2)
    limited = decay(case, censored=True)
    n = sum(len(data.rows) for data in limited.data)  # without the limits
    assert n < 30
    assert residual_degrees(Likelihood(limited), free) == (math.inf if is_known else n - 2)
    reduced = reduced_chi_square(likelihood, u)
    scale_is_known = case in ("gaussian fixed", "poisson", "negative_binomial", "dispersion of time")
    assert (reduced is not None) == scale_is_known
    residuals = pearson_residuals(likelihood, u)
    assert residuals is not None
    assert chi_square(likelihood, u) == pytest.approx(float(residuals[0] @ residuals[0]))
    if reduced is not None:
        assert reduced == pytest.approx(chi_square(likelihood, u) / (30 - len(u)))
    assert not no_degrees_left(likelihood)
    few = tuple(replace(e, values=np.where(e.times[:, None] < 0.3, e.values, np.nan)) for e in problem.experiments)
    assert no_degrees_left(Likelihood(replace(problem, experiments=few))) == CASES[case][5]


@pytest.mark.parametrize("case", CASES)
def test_residuals_are_in_units_of_the_noise_and_leave_out_limits(case: str) -> None:
    problem = decay(case, censored=True)
    likelihood = Likelihood(problem)
    u = start(problem)
    p = dict(zip(problem.table.names, problem.table.to_natural(u), strict=True))
    side = np.concatenate([np.zeros(len(e.times)) if e.censored is None else e.censored[:, 0]
                           for e in problem.experiments])  # fmt: skip
    d = np.concatenate([e.values[:, 0] for e in problem.experiments])[side == 0]
    g = np.concatenate(problem.predict(problem.table.to_natural(u)))[side == 0, 0]
    t = problem.times[side == 0]
    sd = {
        "gaussian": lambda: p["s"], "gaussian fixed": lambda: 2.0, "lognormal": lambda: p["b"],
        "gaussian, both": lambda: np.hypot(p["s"], p["b"] * g), "laplace": lambda: p["s"] * math.sqrt(2),
        "student_t": lambda: p["s"] * math.sqrt(2), "poisson": lambda: np.sqrt(g),
        "negative_binomial": lambda: np.sqrt(g + p["b"] * g**2),
        "dispersion of time": lambda: np.sqrt(g + p["b"] * t * g**2),
    }[case]()  # fmt: skip
    residuals, quantiles = pearson_residuals(likelihood, u), quantile_residuals(likelihood, u, np.random.default_rng(0))
    assert residuals is not None
    assert quantiles is not None
    plain = np.log(d / g) if case == "lognormal" else d - g
    np.testing.assert_allclose(residuals[0], plain / sd, rtol=1e-9)
    assert residual_sum(likelihood, u) == pytest.approx(float(plain @ plain))
    if case.startswith(("gaussian", "lognormal")):
        np.testing.assert_allclose(quantiles[0], residuals[0], rtol=1e-9, atol=1e-12)
    else:
        assert np.corrcoef(quantiles[0], residuals[0])[0, 1] > 0.9


def test_quantile_residuals_of_the_right_model_are_normal() -> None:
    for case in ("laplace", "student_t", "poisson", "negative_binomial"):
        drawn, first = [], decay(case, engine="compiled")
        for seed in range(30):
            problem = redrawn(first, seed)
            u = problem.table.to_search(problem.table.values)
            found = quantile_residuals(Likelihood(problem), u, np.random.default_rng([seed, 1]))
            assert found is not None
            drawn.append(found[0])
        assert stats.kstest(np.concatenate(drawn), "norm").pvalue > 1e-3
        middle = quantile_residuals(Likelihood(problem), u)
        assert middle is not None
        assert np.isfinite(middle[0]).all()


def test_sigmas_of_different_families_are_not_profiled_together() -> None:
    system = make_system({"x": "-k*x", "y": "-x"}, {"x": "x_0", "y": 1}, ("k", "x_0"))
    data = [series("A", TIMES, np.ones((20, 2)), start=0.0)]

    def sigmas(x: str, y: str) -> tuple[int, ...]:
        problem = make_problem(system, data, [*RATES, SIGMA], {"x": (x, "s"), "y": (y, "s")})
        return ProfileLikelihood(Likelihood(problem)).sigmas

    assert sigmas("gaussian", "lognormal") == (2,)
    assert sigmas("laplace", "laplace") == (2,)
    assert sigmas("gaussian", "laplace") == ()
    assert sigmas("student_t", "student_t") == ()


@pytest.mark.parametrize("case", CASES)
def test_a_band_of_new_measurements_is_that_of_their_quantiles(case: str) -> None:
    problem = decay(case, engine="compiled")
    theta = problem.table.values
    none = np.zeros((len(problem.table), len(problem.table)))
    noise = problem.observation.noise["x"]
    bands = prediction_bands(problem, theta, none, problem.experiments, 0.9)
    moments = Likelihood(problem).moments(problem.table.to_search(theta), derivatives=False)
    assert moments is not None
    m, s = moments[0].m, moments[0].s
    scale = None if s is None else np.broadcast_to(np.asarray(s, dtype=float), m.shape)
    for attribute, p in (("noise_low", 0.05), ("noise_high", 0.95)):
        limits = np.concatenate([getattr(b, attribute)[:, 0] for b in bands])
        expected = noise.quantile(p, m, scale)
        curve = np.exp(m) if noise.is_log else m
        expected = np.minimum(expected, curve) if p < 0.5 else np.maximum(expected, curve)
        np.testing.assert_allclose(limits, expected, rtol=1e-6, atol=1e-6)
    if noise.family.is_count:
        wide = prediction_bands(problem, theta, none + np.eye(len(none)), problem.experiments)
        assert min(b.low.min() for b in wide) == 0.0


SLOPE = Input(np.array([0.0, 1.0]), np.array([[1.0, 2.0, 0.0, 0.0], [3.0, 0.0, 0.0, 0.0]]))
PULSE = Input(np.array([0.0, 0.7]), np.array([[0.5, 0.0, 0.0, 0.0], [2.0, -0.1, 0.0, 0.0]]))


def with_inputs(engine: str = "torch") -> FitProblem:
    """g = k u + x with sigma s (1 + v): v and u in this order in the system, and different in each experiment."""
    names = ("x", "k", "s", "v", "u")
    system = System(
        "test", ("x",), ("k",), {"x": parse_formula("-k*x", names)}, {"x": parse_formula("1", names)},
        {"g": parse_formula("k*u + x", names)}, inputs=("v", "u"),
    )  # fmt: skip
    times: Sequence[list[float]] = ([0.0, 0.5, 1.0, 2.0], [0.2, 0.9])
    inputs = ({"u": SLOPE, "v": PULSE}, {"v": SLOPE, "u": PULSE})
    rng = np.random.default_rng(2)
    experiments = tuple(
        Experiment(n, np.array(t), rng.normal(2, 1, (len(t), 1)), 0.0, inputs=u)
        for n, t, u in zip("AB", times, inputs, strict=True)
    )
    from odefit.objective.observation import Noise

    noise = {"g": Noise("gaussian", parse_formula("s*(1 + v)", names))}
    # The engines' own handling of inputs is not the matter here: these equations have none.
    plain = replace(system, inputs=())
    solver = make_engine(engine, plain, SolverOptions("rk4", step=0.1), ("k",))
    solver.system = system
    return FitProblem(
        experiments,
        ParameterTable((Parameter("k", 0.7, **LOG), Parameter("s", 0.3, **LOG))),
        Binding(("k", "s"), np.array([[0, 1], [0, 1]]), np.zeros((2, 2))),
        Observation(system, noise, ("k", "s", "v", "u"), ("k", "s")),
        solver,
    )


def test_observables_and_sigmas_may_name_inputs() -> None:
    torch = pytest.importorskip("torch")
    from odefit.data.dataset import collate
    from odefit.training.objective_torch import TrainingObjective

    problem = with_inputs()
    k, s = 0.7, 0.3
    total = 0.0
    predicted = problem.predict(problem.table.values)
    for experiment, g in zip(problem.experiments, predicted, strict=True):
        t = experiment.times
        expected = k * experiment.inputs["u"](t) + np.exp(-k * t)
        np.testing.assert_allclose(g[:, 0], expected, rtol=1e-6)
        sigma = s * (1 + experiment.inputs["v"](t))
        total -= stats.norm.logpdf(experiment.values[:, 0], expected, sigma).sum()
    likelihood = Likelihood(problem)
    u = problem.table.to_search(problem.table.values)
    assert likelihood.value(u) == pytest.approx(total, rel=1e-6)
    evaluation = likelihood.evaluate(u)
    np.testing.assert_allclose(evaluation.gradient, central_differences(likelihood.value, u, 1e-3), rtol=1e-7)
    # At other times, the inputs are those of the other times.
    moved = tuple(e.at(np.array([0.3, 1.5])) for e in problem.experiments)
    later = problem.predict(problem.table.values, moved)
    np.testing.assert_allclose(later[0][:, 0], k * SLOPE(np.array([0.3, 1.5])) + np.exp(-k * np.array([0.3, 1.5])),
                               rtol=1e-6)  # fmt: skip
    states, observed = problem.curves(problem.table.values, moved)
    assert observed[1].tolist() == later[1].tolist()
    assert states[1].tolist() == problem.states(problem.table.values, moved)[1].tolist()
    batch = collate(list(enumerate(problem.experiments)))
    assert batch.input_names == ("u", "v")
    assert batch.inputs is not None
    assert batch.inputs.shape == (2, 4, 2)
    np.testing.assert_allclose(batch.inputs[1, :2, 0].numpy(), PULSE(np.array([0.2, 0.9])))
    module = TrainingObjective(problem, torch.nn.ModuleDict(), "nll", torch.as_tensor(u))
    loss = module(batch)
    loss.backward()
    assert loss.item() == pytest.approx(evaluation.value / 6, rel=1e-9)
    np.testing.assert_allclose(module.u.grad.numpy(), evaluation.gradient / 6, rtol=1e-8)


def test_an_experiment_without_some_input_has_none_in_a_batch() -> None:
    pytest.importorskip("torch")
    from odefit.data.dataset import collate

    a, b = with_inputs().experiments
    batch = collate([(0, a), (1, replace(b, inputs={"v": PULSE}))])
    assert batch.inputs is not None
    assert np.isnan(batch.inputs[1, :, 0].numpy()).all()
    assert np.isfinite(batch.inputs[0].numpy()).all()
    assert collate([(0, replace(a, inputs={}))]).inputs is None
