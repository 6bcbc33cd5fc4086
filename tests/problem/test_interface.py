"""`odefit.Problem`: what it computes is what it says, and each derivative is that of differences as well."""

from __future__ import annotations

import itertools
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import odefit
from small_problems import central_differences

Array = NDArray[np.float64]
ROOT = Path(__file__).parents[2]
TIMES = np.linspace(0.0, 4.0, 9)
TIGHT = {"rtol": 1e-11, "atol": 1e-12}


def decay(noise: Any = "gaussian", **more: Any) -> dict[str, Any]:
    """x decays into y; a rate on a log scale and one on a logit scale."""
    return {
        "model": {"equations": {"x": "-k*x", "y": "k*x - m*y"}, "initial": {"x": "estimate", "y": 0.5}},
        "parameters": {
            "k": {"value": 0.7, "bounds": [0.01, 10], "scale": "log"},
            "m": {"value": 0.3, "bounds": [0.0, 2.0], "scale": "logit"},
            "x_0": {"value": 8.0, "bounds": [1, 20]},
        }
        | more.pop("parameters", {}),
        "noise": noise,
        "solver": TIGHT,
    } | more


def measured(count: int = 1, whole: bool = False, seed: int = 3) -> list[odefit.Experiment]:
    """Made-up measurements, with gaps; whole: numbers such as counts are."""
    rng = np.random.default_rng(seed)
    found = []
    for name in "abc"[:count]:
        x = 8 * np.exp(-0.7 * TIMES) * rng.lognormal(0, 0.1, len(TIMES))
        y = (3 + TIMES) * rng.lognormal(0, 0.1, len(TIMES))
        values = {"x": x, "y": y}
        if whole:
            values = {key: np.round(4 * v) for key, v in values.items()}
        values["y"][2] = np.nan
        found.append(odefit.Experiment(name, TIMES, values))
    return found


def limits() -> list[odefit.Experiment]:
    """One measurement lies below what could be measured, another one above."""
    one = measured()[0]
    columns = {name: one.values[:, k] for k, name in enumerate(one.observables)}
    sides = {"x": np.where(TIMES == 4, -1, 0), "y": np.where(TIMES == 3, 1, 0)}
    return [odefit.Experiment("a", TIMES, columns, censored=sides)]


def with_sigma() -> list[odefit.Experiment]:
    one = measured()[0]
    return [odefit.Experiment("a", TIMES, one.values, sigma=0.1 + 0.05 * np.abs(one.values))]


PRIORS = {
    "k": {"value": 0.7, "bounds": [0.01, 10], "scale": "log", "prior": {"lognormal": [0.6, 0.4]}},
    "m": {"value": 0.3, "bounds": [0.0, 2.0], "scale": "logit", "prior": {"normal": [-1, 0.5], "on": "log"}},
    "x_0": {"value": 8.0, "bounds": [1, 20], "prior": {"normal": [7, 2]}},
}
KINDS: dict[str, tuple[dict[str, Any], Any]] = {
    "gaussian": (decay(), measured),
    "sigma given": (decay({"sigma": 0.2}), measured),
    "sigma in the data": (decay({"sigma": "column"}), with_sigma),
    "lognormal": (decay("lognormal"), measured),
    "sigma a formula": (decay({"sigma": "s + 0.1*x"}, parameters={"s": {"value": 0.3, "scale": "log"}}), measured),
    "proportional": (decay("additive_proportional"), measured),
    "laplace": (decay("laplace"), measured),
    "student": (decay({"model": "student_t", "df": 5}), measured),
    "poisson": (
        decay("poisson", model=decay()["model"] | {"observables": {"x": "4*x", "y": "4*y"}}),
        lambda: measured(whole=True),
    ),
    "negative binomial": (
        decay("negative_binomial", model=decay()["model"] | {"observables": {"x": "4*x", "y": "4*y"}}),
        lambda: measured(whole=True),
    ),
    "limits": (decay(), limits),
    "by experiment": (decay(parameters={"k": {"value": 0.7, "by": "experiment"}}), lambda: measured(3)),
    "held out": (decay(data={"hold_out": {"after": 3}}), lambda: measured(2)),
    "priors": (decay(parameters=PRIORS), measured),
    "simulated": (
        decay(data={"simulate": {"times": list(TIMES), "initial": {"x": 8}, "noise": 0.2, "seed": 1}}),
        None,
    ),
}
SQUARES = ("gaussian", "sigma given", "sigma in the data", "lognormal", "sigma a formula", "proportional",
           "by experiment", "held out", "priors", "simulated")  # fmt: skip


def problem_of(kind: str) -> odefit.Problem:
    config, data = KINDS[kind]
    return odefit.load(config, data=None if data is None else data())


def near(problem: odefit.Problem, seed: int = 0) -> Array:
    """Somewhere near the start, within the bounds."""
    u = problem.to_search(problem.x0)
    return problem.to_natural(u + 0.1 * np.random.default_rng(seed).uniform(-1, 1, len(u)))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_differences(kind: str) -> None:
    problem = problem_of(kind)
    x = near(problem)
    u = problem.to_search(x)
    assert math.isfinite(problem.nll(x))
    assert problem.nll_search(u) == pytest.approx(problem.nll(x), rel=1e-12)
    for value, slope, at in (
        (problem.nll, problem.gradient, x),
        (problem.nll_search, problem.gradient_search, u),
        (problem.log_posterior, problem.log_posterior_gradient, x),
        (problem.log_posterior_search, problem.log_posterior_gradient_search, u),
    ):
        expected = central_differences(value, at, step=1e-4)
        np.testing.assert_allclose(slope(at), expected, rtol=2e-6, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("kind", SQUARES)
def test_the_jacobian_is_that_of_the_residuals(kind: str) -> None:
    problem = problem_of(kind)
    x = near(problem)
    u = problem.to_search(x)
    assert len(problem.residuals(x)) == len(problem.data)
    np.testing.assert_array_equal(problem.residuals_search(u), problem.residuals(problem.to_natural(u)))
    for value, slope, at in (
        (problem.residuals, problem.jacobian, x),
        (problem.residuals_search, problem.jacobian_search, u),
    ):
        expected = central_differences(value, at, step=1e-4)
        np.testing.assert_allclose(slope(at), expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["sigma given", "sigma in the data"])
def test_residuals_make_the_likelihood_and_its_gradient_and_information(kind: str) -> None:
    problem = problem_of(kind)
    x, y = near(problem), near(problem, 1)
    r, j = problem.residuals(x), problem.jacobian(x)
    squares = (r @ r - problem.residuals(y) @ problem.residuals(y)) / 2
    assert problem.nll(x) - problem.nll(y) == pytest.approx(squares, rel=1e-10)
    np.testing.assert_allclose(problem.gradient(x), j.T @ r, rtol=1e-10)
    np.testing.assert_allclose(problem.fisher(x), j.T @ j, rtol=1e-10)


VARIANCES = {
    "gaussian": lambda m, x: (x[3 + np.array([0, 1])] ** 2)[:, None],
    "poisson": lambda m, x: m,
    "student": lambda m, x: (5 + 3) / (5 + 1) * (x[3 + np.array([0, 1])] ** 2)[:, None],
    "negative binomial": lambda m, x: m + x[3 + np.array([0, 1])][:, None] * m**2,
}


@pytest.mark.parametrize("kind", VARIANCES)
def test_the_information_is_that_of_the_predictions_slopes(kind: str) -> None:
    """I = sum (dm/dx)(dm/dx)' / V for the parameters of the model, V by the textbook for each kind of noise."""
    problem = problem_of(kind)
    x = near(problem)

    def predictions(x: Array) -> Array:
        return problem.simulate(x)[["x", "y"]].to_numpy().T

    slopes = central_differences(predictions, x, step=1e-4)[..., :3]
    known = np.ones((2, len(TIMES)), dtype=bool)
    known[1, 2] = False
    v = np.broadcast_to(VARIANCES[kind](predictions(x), x), known.shape)
    expected = np.einsum("oti,otj,ot->ij", slopes, slopes, known / v)
    np.testing.assert_allclose(problem.fisher(x)[:3, :3], expected, rtol=1e-6)
    u = problem.to_search(x)
    slope = central_differences(problem.to_natural, u).diagonal()
    np.testing.assert_allclose(problem.fisher_search(u), problem.fisher(x) * np.outer(slope, slope), rtol=1e-6)


def test_the_likelihood_is_the_textbook_one() -> None:
    """Log-normal, with the model's solution known in closed form."""
    problem = problem_of("lognormal")
    assert problem.names == ("k", "m", "x_0", "sigma_x", "sigma_y")
    k, m, x0, *sigmas = x = near(problem)
    solved = {"x": x0 * np.exp(-k * TIMES)}
    solved["y"] = (0.5 - k * x0 / (m - k)) * np.exp(-m * TIMES) + k * x0 / (m - k) * np.exp(-k * TIMES)
    data, total = measured()[0], 0.0
    for number, name in enumerate(("x", "y")):
        d = data.values[:, number]
        known = ~np.isnan(d)
        total -= stats.lognorm.logpdf(d[known], sigmas[number], scale=solved[name][known]).sum()
    assert problem.nll(x) == pytest.approx(total, rel=1e-9)
    np.testing.assert_allclose(problem.simulate(x)["y"], solved["y"], rtol=1e-8)


def test_priors_are_densities_of_x_and_of_u() -> None:
    problem = problem_of("priors")
    x = near(problem)
    k, m, x0 = x[:3]
    expected = stats.lognorm.logpdf(k, 0.4, scale=0.6) + stats.norm.logpdf(x0, 7, 2)
    expected += stats.lognorm.logpdf(m, 0.5, scale=math.exp(-1))  # a normal density of ln m as one of m
    assert problem.log_prior(x) == pytest.approx(expected, rel=1e-12)
    assert problem.log_posterior(x) == pytest.approx(expected - problem.nll(x), rel=1e-12)
    plain = odefit.load(decay(), data=measured())
    assert problem.nll(x) == plain.nll(x)
    np.testing.assert_array_equal(problem.gradient(x), plain.gradient(x))
    u = problem.to_search(x)
    slope = central_differences(problem.to_natural, u).diagonal()
    assert problem.log_posterior_search(u) == pytest.approx(problem.log_posterior(x) + np.log(slope).sum(), rel=1e-9)


def test_what_is_impossible_is_infinite_and_never_an_error() -> None:
    problem = odefit.load(decay(parameters=PRIORS), data=measured())
    high, low = problem.bounds[:, 1], problem.bounds[:, 0]
    n = len(problem.names)
    bad = [np.full(n, np.nan), np.full(n, np.inf), -problem.x0]
    for k in range(n):
        bad += [np.where(np.arange(n) == k, end + side, problem.x0) for end, side in ((low[k], -1e-9), (high[k], 1e-9))
                if math.isfinite(end)]  # fmt: skip
    for x in bad:
        assert problem.nll(x) == math.inf
        assert problem.log_prior(x) == problem.log_posterior(x) == -math.inf
        assert np.isinf(problem.residuals(x)).all()
        for slope in (problem.gradient, problem.fisher, problem.jacobian, problem.log_posterior_gradient):
            assert np.isnan(slope(x)).all()
        u = np.where(x == problem.x0, problem.to_search(problem.x0), np.nan)
        assert problem.nll_search(u) == math.inf
        assert problem.log_posterior_search(u) == -math.inf
        assert np.isnan(problem.gradient_search(u)).all()
    at = np.where(np.arange(n) == 0, high, problem.x0)
    assert math.isfinite(problem.nll(at))


def test_a_model_that_fails_is_infinite_and_simulate_says_why() -> None:
    explosive = {"model": {"equations": {"x": "k*x^2"}, "initial": {"x": 1}}, "parameters": {"k": {"value": 0.1}}}
    problem = odefit.load(explosive, data=[odefit.Experiment("a", [0, 1, 2], {"x": [1, 1.1, 1.3]})])
    x = np.array([5.0, 0.1])
    assert math.isfinite(problem.nll(problem.x0))
    assert problem.nll(x) == math.inf
    assert np.isnan(problem.gradient(x)).all()
    assert np.isinf(problem.residuals(x)).all()
    assert np.isnan(problem.jacobian(x)).all()
    with pytest.raises(odefit.SolveError, match="experiment a"):
        problem.simulate(x)


def test_a_wrong_shape_is_a_value_error_with_the_names() -> None:
    problem = problem_of("gaussian")
    for function, x in itertools.product(
        (problem.nll, problem.gradient, problem.fisher, problem.residuals, problem.jacobian, problem.simulate,
         problem.log_prior, problem.log_posterior, problem.to_search, problem.to_natural, problem.nll_search,
         problem.gradient_search, problem.fisher_search, problem.log_posterior_search),
        (np.zeros(4), np.zeros((1, 5)), 1.0),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"k, m, x_0, sigma_x, sigma_y"):
            function(x)


@pytest.mark.parametrize("kind", ["laplace", "student", "poisson", "negative binomial", "limits"])
def test_residuals_are_refused_where_they_are_not_the_likelihood(kind: str) -> None:
    problem = problem_of(kind)
    for function in (problem.residuals, problem.jacobian):
        with pytest.raises(odefit.ModelError, match="use nll, gradient and fisher"):
            function(problem.x0)


def test_the_scales() -> None:
    problem = problem_of("gaussian")
    u = problem.to_search(problem.x0)
    np.testing.assert_allclose(u[:3], [math.log(0.7), math.log(0.3 / 1.7), 8.0])
    np.testing.assert_allclose(problem.to_natural(u), problem.x0, rtol=1e-14)
    assert problem.bounds[:3].tolist() == [[0.01, 10], [0, 2], [1, 20]]
    np.testing.assert_allclose(problem.bounds_search[:3], [[math.log(0.01), math.log(10)], [-np.inf, np.inf], [1, 20]])


def test_it_sees_what_is_not_held_out_and_simulates_all() -> None:
    problem = problem_of("held out")
    assert problem.data["time"].max() == 3
    assert problem.data["experiment"].unique().tolist() == ["a", "b"]
    assert problem.simulate(problem.x0)["time"].max() == 4


def test_it_is_simulated_at_other_times() -> None:
    problem = problem_of("by experiment")
    x = problem.x0
    common = problem.simulate(x, [0.5, 9])
    assert common.columns.tolist() == ["experiment", "time", "x", "y"]
    assert common["experiment"].tolist() == ["a", "a", "b", "b", "c", "c"]
    own = problem.simulate(x, {"b": [0.5, 9]})
    assert own.groupby("experiment").size().to_dict() == {"a": 9, "b": 2, "c": 9}
    np.testing.assert_allclose(own[own["experiment"] == "b"]["y"], common[common["experiment"] == "b"]["y"])
    for times, message in (
        ([2, 1], "later than the one before"),
        ([1, 1, 1], "may come twice"),
        ([math.nan], "must be numbers, each later"),
        ([-1, 2], "before experiment a starts"),
        ({"d": [1]}, "'d' is no experiment"),
    ):
        with pytest.raises(ValueError, match=message):
            problem.simulate(x, times)


def test_states_that_are_not_measured_are_simulated_and_the_frame_is_data_again() -> None:
    config = decay({"sigma": 1.0}, model=decay()["model"] | {"observables": {"total": "x + y"}})
    first = odefit.Experiment("a", TIMES, {"total": 8 - TIMES})
    problem = odefit.load(config, data=[first])
    frame = problem.simulate(problem.x0, [0, 1, 2])
    assert frame.columns.tolist() == ["experiment", "time", "total", "x", "y"]
    np.testing.assert_allclose(frame["total"], frame["x"] + frame["y"])
    again = odefit.load(config, data=frame)
    np.testing.assert_allclose(again.residuals(again.x0), 0, atol=1e-8)


def test_hundreds_of_experiments_have_the_same_derivatives() -> None:
    """There the matrices are kept in blocks inside."""
    rng = np.random.default_rng(0)
    values = [1.0, 0.5, 0.3] * rng.lognormal(0, 0.1, (300, 3))
    many = [odefit.Experiment(f"e{k}", [0, 1, 2], {"x": own}) for k, own in enumerate(values)]
    config = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.6}, "noise": {"x": {"sigma": 0.1}}}
    problem = odefit.load(config | {"solver": TIGHT}, data=many)
    assert len(problem.names) == 301
    x = problem.x0
    r, j = problem.residuals(x), problem.jacobian(x)
    np.testing.assert_allclose(problem.gradient(x), j.T @ r, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(problem.fisher(x), j.T @ j, rtol=1e-9, atol=1e-9)


def test_it_travels_to_other_processes() -> None:
    problem = problem_of("priors")
    x = near(problem)
    before = problem.log_posterior(x), problem.gradient(x)
    again = pickle.loads(pickle.dumps(problem))  # noqa: S301 - it was made here
    assert again.log_posterior(x) == before[0]
    np.testing.assert_array_equal(again.gradient(x), before[1])


def test_how_it_shows_itself() -> None:
    problem = problem_of("by experiment")
    assert repr(problem) == "<Problem: 51 measurements, 9 estimated: k[a], k[b], k[c], m, x_0[a], x_0[b], …>"
    page = problem._repr_html_()
    assert "k[a]" in page
    assert len(page) < 5000


@pytest.mark.torch
@pytest.mark.torch
def test_a_network_is_no_such_problem() -> None:
    config = {"model": {"name": "mlp", "states": ["x"]}}
    with pytest.raises(odefit.ConfigError, match="has a network"):
        odefit.load(config, data=[odefit.Experiment("a", [0, 1, 2], {"x": [1, 2, 3]})])


LYNX = ROOT / "configs" / "lynx_hare.yaml"


def test_scipy_finds_the_optimum_of_lynx_and_hare() -> None:
    from scipy.optimize import minimize

    problem = odefit.load(LYNX)
    start = problem.to_search(problem.x0)
    found = minimize(
        problem.nll_search, start, jac=problem.gradient_search, bounds=problem.bounds_search, method="L-BFGS-B"
    )
    assert found.fun == pytest.approx(122.926, abs=5e-4)
    assert problem.to_natural(found.x)[0] == pytest.approx(0.54001, abs=5e-4)
    errors = np.sqrt(np.linalg.inv(problem.fisher(problem.to_natural(found.x))).diagonal())
    assert errors[0] == pytest.approx(0.059 * math.sqrt(18 / 21), rel=0.1)  # the fit's, without its n - p


def test_least_squares_of_scipy_finds_puromycin() -> None:
    """The published values for the treated enzyme; a sigma that is given does not move them."""
    from scipy.optimize import least_squares

    problem = odefit.load(ROOT / "configs" / "puromycin.yaml", ["noise={sigma: 10}"])
    found = least_squares(problem.residuals, problem.x0, problem.jacobian, bounds=problem.bounds.T, x_scale="jac")
    estimates = dict(zip(problem.names, found.x, strict=True))
    assert found.success
    assert sorted(round(v, 1) for n, v in estimates.items() if n.startswith("Vm")) == [160.3, 212.7]


def test_emcee_samples_the_posterior_of_lynx_and_hare() -> None:
    """The published posterior of the Stan case study (Carpenter 2018): alpha 0.55, sd 0.06, and so on.

    A short chain from the mode: its means lie within half a standard deviation.
    """
    emcee = pytest.importorskip("emcee")
    from scipy.optimize import minimize

    problem = odefit.load(ROOT / "configs" / "lynx_hare_map.yaml")
    start = problem.to_search(problem.x0)
    mode = minimize(
        lambda u: -problem.log_posterior_search(u),
        start,
        jac=lambda u: -problem.log_posterior_gradient_search(u),
        bounds=problem.bounds_search,
        method="L-BFGS-B",
    )
    rng = np.random.default_rng(1)
    walkers = mode.x + 0.03 * rng.standard_normal((24, len(mode.x)))
    sampler = emcee.EnsembleSampler(24, len(mode.x), problem.log_posterior_search)
    sampler.random_state = np.random.RandomState(1).get_state()
    sampler.run_mcmc(walkers, 260)
    samples = np.array([problem.to_natural(u) for u in sampler.get_chain(discard=100, flat=True)])
    published = {"alpha": (0.55, 0.06), "beta": (0.028, 0.004), "gamma": (0.80, 0.09), "delta": (0.024, 0.004)}
    for name, (mean, sd) in published.items():
        own = samples[:, problem.names.index(name)]
        assert abs(own.mean() - mean) < 0.5 * sd, name
        assert 0.6 * sd < own.std() < 1.5 * sd, name


@pytest.mark.torch
def test_a_fixed_step_solver_keeps_its_steps_between_the_data() -> None:
    """A curve at few times, or far beyond the data, is that of the fit, and not one of longer steps."""
    config = decay(solver={"method": "rk4"})
    problem, exact = (odefit.load(c, data=measured()) for c in (config, decay()))
    few, all_times = problem.simulate(problem.x0, [4, 12]), problem.simulate(problem.x0)
    assert few["y"][0] == pytest.approx(all_times["y"].iloc[-1], rel=1e-12)
    assert few["y"][1] == pytest.approx(exact.simulate(problem.x0, [12])["y"][0], rel=1e-3)
    run = odefit.fit(config | {"fit": {"method": "least_squares"}}, data=measured())
    short, whole = run.predictions([4]), run.predictions()
    last = whole[(whole["time"] == 4)]
    for column in ("predicted", "low", "high"):
        np.testing.assert_allclose(short[column], last[column], rtol=1e-9)
