"""The objective at many points at once: each has exactly the numbers that it has alone, whoever is asked with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from arrow_problems import predators
from odefit.engines.base import SolverOptions
from odefit.linalg.score import Evaluations
from odefit.objective.likelihood import Likelihood
from odefit.objective.parameters import Parameter
from odefit.objective.priors import Prior
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood
from small_problems import Array, make_problem, make_system, series

LOG = {"lower": 0.0, "upper": np.inf, "scale": "log"}
TIMES = np.linspace(0.2, 4.0, 11)
NOISES = {
    "gaussian": "s",
    "lognormal": "s",
    "laplace": "s",
    "student_t": "s*(1 + t)",
    "poisson": None,
    "negative_binomial": "s",
    "gaussian of the prediction": "s + 0.1*x",
    "lognormal given": "0.2",
}


def problem_of(case: str, censored: bool = False) -> FitProblem:
    """x' = -k x^2 in two experiments with starts of their own, solved by a fixed-step method."""
    system = make_system({"x": "-k*x^2"}, {"x": "x_0"}, ("k", "x_0"), {"x": "x*exp(-0.1*k)"})
    table = [
        Parameter("k", 0.1, **LOG, prior=Prior("lognormal", 0.1, 1.0)),
        Parameter("x_0[A]", 20.0, 1.0, 50.0, "logit"),
        Parameter("x_0[B]", 15.0, prior=Prior("laplace", 15.0, 3.0)),
        Parameter("s", 0.4, **LOG, role="noise"),
    ]
    values = np.random.default_rng(3).poisson(8.0, (11, 1)).astype(float) + 1
    side = np.where(values < 5, -1, np.where(values > 12, 1, 0)).astype(np.int8) if censored else None
    experiments = [
        replace(series("A", TIMES, values, start=0.0), censored=side),
        replace(series("B", TIMES[::2], values[::2], start=0.0), censored=None if side is None else side[::2]),
    ]
    bound = {"x_0": ["x_0[A]", "x_0[B]"]}
    noise = {"x": (case.split()[0], NOISES[case])}
    return make_problem(system, experiments, table, noise, SolverOptions("euler", step=0.4), bound, "torch")


def points_of(problem: FitProblem, free: Array, n: int = 9) -> Array:
    """Points around the start, one of which cannot be computed."""
    u = problem.table.to_search(problem.table.values)[free]
    points = u + np.random.default_rng(0).normal(0.0, 0.3, (n, len(u)))
    points[4, 0] = 600.0
    return points


def assert_same(one: Evaluations, k: int, whole: Evaluations, b: int) -> None:
    assert one.value[k] == whole.value[b]
    if np.isfinite(one.value[k]):
        np.testing.assert_array_equal(one.z[k], whole.z[b])
        np.testing.assert_array_equal(one.A[k].dense(), whole.A[b].dense())
        assert (one.weights is None) == (whole.weights is None)


@pytest.mark.parametrize("censored", [False, True], ids=["measured", "censored"])
@pytest.mark.parametrize("case", NOISES)
def test_what_comes_back_for_a_point_does_not_depend_on_the_others(case: str, censored: bool) -> None:
    problem = problem_of(case, censored)
    profile = ProfileLikelihood(Likelihood(problem))
    points = points_of(problem, profile.free)
    values, whole = profile.values(points), profile.evaluations(points)
    assert np.isinf(values[4])
    assert np.isinf(whole.value[4])
    assert np.isfinite(np.delete(values, 4)).all()
    for size in (1, 4):
        for first in range(0, len(points), size):
            part = slice(first, first + size)
            np.testing.assert_array_equal(profile.values(points[part]), values[part])
            found = profile.evaluations(points[part])
            for k in range(len(found)):
                assert_same(found, k, whole, first + k)


def test_the_arrow_form_as_well() -> None:
    problem = predators(8)
    profile = ProfileLikelihood(Likelihood(problem, blocks=True))
    u = problem.table.to_search(problem.table.values)[profile.free]
    points = u + np.random.default_rng(0).normal(0.0, 0.02, (3, len(u)))
    whole = profile.evaluations(points)
    for b in range(3):
        assert_same(profile.evaluations(points[b : b + 1]), 0, whole, b)


def test_engines_of_their_own_serve_their_points() -> None:
    problem = problem_of("gaussian")
    profile = ProfileLikelihood(Likelihood(problem))
    points = points_of(problem, profile.free, 6)
    engines = [problem.engine.reset_copy() for _ in points]
    np.testing.assert_array_equal(profile.values(points, engines), profile.values(points))


def test_nothing_that_can_be_computed_is_a_batch_too() -> None:
    problem = problem_of("gaussian")
    profile = ProfileLikelihood(Likelihood(problem))
    points = points_of(problem, profile.free)[[4, 4]]
    assert np.isinf(profile.values(points)).all()
    assert not profile.evaluations(points).is_usable.any()
    assert profile.value(points[0]) == np.inf
    assert profile.failure is not None
