"""Covariances and intervals: against the inverse, against what cannot be inverted, against certified values."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from odefit.engines.base import SolverOptions
from odefit.linalg.dense_matrix import DenseMatrix
from odefit.objective.likelihood import Likelihood
from odefit.objective.parameters import Parameter
from odefit.objective.transforms import Transforms
from odefit.uncertainty.covariance import fisher_covariance
from odefit.uncertainty.intervals import natural_intervals, quantile
from small_problems import Array, make_problem, make_system, series

NAMES = ("a", "b", "c", "d")


def random_rows(m: int = 30, n: int = 4) -> Array:
    return np.random.default_rng(0).normal(size=(m, n))


def test_a_regular_information_is_inverted() -> None:
    a = random_rows()
    found = fisher_covariance(DenseMatrix(a), NAMES)
    expected = np.linalg.inv(a.T @ a)
    np.testing.assert_allclose(found.matrix, expected, rtol=1e-10)
    np.testing.assert_allclose(found.standard_errors, np.sqrt(np.diag(expected)), rtol=1e-10)
    assert not found.undetermined
    s = found.standard_errors
    np.testing.assert_allclose(found.correlation, expected / np.outer(s, s), rtol=1e-10)
    assert np.abs(found.correlation).max() <= 1.0


def test_units_are_no_matter() -> None:
    a = random_rows()
    units = np.array([1e-12, 1.0, 1e9, 1e-5])
    plain, scaled = fisher_covariance(DenseMatrix(a), NAMES), fisher_covariance(DenseMatrix(a * units), NAMES)
    np.testing.assert_allclose(scaled.matrix * np.outer(units, units), plain.matrix, rtol=1e-10)
    assert not scaled.undetermined


def test_a_badly_conditioned_information_is_not_squared() -> None:
    # A.T @ A has condition 1e16 here, its inverse no correct digit; A itself has 1e8.
    u, _, vt = np.linalg.svd(random_rows(), full_matrices=False)
    values = np.array([1.0, 1e-1, 1e-4, 2e-7])
    a = (u * values) @ vt
    length = np.linalg.norm(a, axis=0)
    expected = np.sqrt(((vt.T / values) ** 2).sum(axis=1))
    assert np.linalg.cond(a / length) > 1e6
    found = fisher_covariance(DenseMatrix(a), NAMES, tolerance=1e-9)
    np.testing.assert_allclose(found.standard_errors, expected, rtol=1e-6)


def test_a_parameter_without_influence_is_named() -> None:
    a = random_rows()
    a[:, 2] = 0.0
    found = fisher_covariance(DenseMatrix(a), NAMES)
    assert dict(found.undetermined) == {"c": "the data do not depend on it"}
    assert np.isnan(found.matrix[2]).all()
    assert np.isnan(found.matrix[:, 2]).all()
    others = [0, 1, 3]
    np.testing.assert_allclose(found.matrix[np.ix_(others, others)], np.linalg.inv(a[:, others].T @ a[:, others]))


@pytest.mark.parametrize("ratio", [1.0, -1.0, 1e6, 1e-6])
def test_parameters_that_the_data_know_in_combination_only_are_named(ratio: float) -> None:
    a = random_rows()
    a[:, 3] = ratio * a[:, 1]
    found = fisher_covariance(DenseMatrix(a), NAMES)
    assert set(found.undetermined) == {"b", "d"}
    assert found.undetermined["b"].endswith("in combination with d")
    assert found.undetermined["d"].endswith("in combination with b")
    # What is determined keeps its variance, as if the combination were one parameter.
    three = np.linalg.inv(a[:, :3].T @ a[:, :3])
    determined = [0, 2]
    np.testing.assert_allclose(
        found.matrix[np.ix_(determined, determined)], three[np.ix_(determined, determined)], rtol=1e-8
    )
    assert np.isnan(found.standard_errors[[1, 3]]).all()


def test_two_combinations_are_told_apart() -> None:
    a = random_rows(30, 6)
    a[:, 1] = 2 * a[:, 0]
    a[:, 4] = a[:, 3] - a[:, 5]
    found = fisher_covariance(DenseMatrix(a), ("a", "b", "c", "d", "e", "f"))
    assert found.undetermined["a"].endswith("with b")
    assert set(found.undetermined) == {"a", "b", "d", "e", "f"}
    assert {"d", "f"} == set(found.undetermined["e"].split("with ")[1].split(", "))


def test_who_takes_a_small_part_is_told_with_whom() -> None:
    # LocalColumns of length one with a = b + 0.0016 c: the third has a part in it that is small, but not rounding.
    b, c = np.linalg.qr(random_rows(30, 2))[0].T
    found = fisher_covariance(DenseMatrix(np.stack([b + 1.6e-3 * c, b, c], axis=1)), ("a", "b", "c"))
    assert set(found.undetermined) == {"a", "b", "c"}
    assert set(found.undetermined["c"].split("with ")[1].split(", ")) == {"a", "b"}


def test_fewer_data_than_parameters_determine_none_of_them() -> None:
    found = fisher_covariance(DenseMatrix(random_rows(2, 4)), NAMES)
    assert set(found.undetermined) == set(NAMES)
    assert fisher_covariance(DenseMatrix(np.zeros((0, 4))), NAMES).undetermined.keys() == set(NAMES)


def test_a_parameter_at_its_bound_is_taken_as_known() -> None:
    a = random_rows()
    free = np.array([True, False, True, True])
    found = fisher_covariance(DenseMatrix(a), NAMES, free)
    assert np.isnan(found.matrix[1]).all()
    assert "b" not in found.undetermined
    np.testing.assert_allclose(found.matrix[np.ix_(free, free)], np.linalg.inv(a[:, free].T @ a[:, free]))
    assert np.isnan(fisher_covariance(DenseMatrix(a), NAMES, np.zeros(4, dtype=bool)).matrix).all()


def test_many_data_need_no_square_matrix_of_them() -> None:
    # 200,000 data: an [M, M] factor would take 320 GB.
    a = random_rows(200_000, 4)
    np.testing.assert_allclose(fisher_covariance(DenseMatrix(a), NAMES).matrix, np.linalg.inv(a.T @ a), rtol=1e-8)


def identifiable(equation: str, names: str, initial: str = "1") -> dict[str, str]:
    """What the covariance of a decay with the given right-hand side says."""
    parameters = [Parameter(n, 0.3 + 0.1 * i, 0.0, np.inf, "log") for i, n in enumerate(names)]
    system = make_system({"x": equation}, {"x": initial}, tuple(names))
    times = np.linspace(0.0, 4.0, 9)
    problem = make_problem(
        system, [series("A", times, np.exp(-times))], parameters, {"x": "0.1"}, SolverOptions("rk4", step=0.5)
    )
    evaluation = Likelihood(problem).evaluate(problem.table.to_search(problem.table.values))
    return dict(fisher_covariance(evaluation.A, problem.table.estimated_names).undetermined)


def test_rates_that_enter_as_a_sum_or_a_product_are_found_in_a_model() -> None:
    assert identifiable("-k*x", "k") == {}
    assert set(identifiable("-(k + l)*x", "kl")) == {"k", "l"}
    assert set(identifiable("-k*l*x", "kl")) == {"k", "l"}
    # Scale and initial value, besides a rate that is determined.
    assert set(identifiable("-k*x", "kab", "a*b")) == {"a", "b"}
    assert identifiable("-k*x + 0*l", "kl") == {"l": "the data do not depend on it"}


def misra1a() -> tuple[Array, Array]:
    path = Path(__file__).parents[2] / "data" / "reference" / "nist_misra1a.csv"
    with path.open() as file:
        rows = [[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]
    x, y = np.array(rows).T
    return x, y


# https://www.itl.nist.gov/div898/strd/nls/data/misra1a.shtml
CERTIFIED = np.array([2.3894212918e02, 5.5015643181e-04])
CERTIFIED_ERRORS = np.array([2.7070075241e00, 7.2668688436e-06])
RESIDUAL_ERROR = 1.0187876330e-01


def test_certified_standard_deviations_follow_from_the_certified_parameters() -> None:
    x, y = misra1a()
    b1, b2 = CERTIFIED
    decay = np.exp(-b2 * x)
    jacobian = np.stack([1 - decay, b1 * x * decay], axis=1)
    residual = np.sqrt(np.sum((y - b1 * (1 - decay)) ** 2) / (len(x) - 2))
    assert residual == pytest.approx(RESIDUAL_ERROR, rel=1e-9)
    found = fisher_covariance(DenseMatrix(jacobian / residual), ("b1", "b2"))
    np.testing.assert_allclose(found.standard_errors, CERTIFIED_ERRORS, rtol=1e-8)


@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_certified_standard_deviations_through_the_equation(engine: str) -> None:
    """y' = b2 (b1 - y), with b2 on a log scale: the delta method leads back to the natural one."""
    x, y = misra1a()
    problem = make_problem(
        make_system({"y": "b2*(b1 - y)"}, {"y": 0}, ("b1", "b2")),
        [series("A", x, y, start=0.0)],
        [Parameter("b1", CERTIFIED[0]), Parameter("b2", CERTIFIED[1], 0.0, np.inf, "log")],
        {"y": str(RESIDUAL_ERROR)},
        SolverOptions("rk4", step=40.0) if engine == "torch" else SolverOptions(rtol=1e-9, atol=1e-11),
        engine=engine,
    )
    u = problem.table.to_search(problem.table.values)
    errors = fisher_covariance(Likelihood(problem).evaluate(u).A, problem.table.names).standard_errors
    found = natural_intervals(u, errors, problem.table.transforms, degrees=12)
    np.testing.assert_allclose(found.standard_errors, CERTIFIED_ERRORS, rtol=1e-6)


def test_intervals_go_through_the_scale() -> None:
    transforms = Transforms(("linear", "log", "logit"), np.array([-np.inf, 0, 0]), np.array([np.inf, np.inf, 1.0]))
    theta = np.array([-1.0, 2e-3, 0.9])
    u = transforms.to_search(theta)
    errors = np.array([0.5, 3.0, 2.0])
    found = natural_intervals(u, errors, transforms)
    q = stats.norm.ppf(0.975)
    np.testing.assert_allclose([found.lower[0], found.upper[0]], [-1 - q * 0.5, -1 + q * 0.5])
    np.testing.assert_allclose([found.lower[1], found.upper[1]], theta[1] * np.exp([-3 * q, 3 * q]))
    assert found.lower[1] > 0
    assert 0 < found.lower[2] < 0.9 < found.upper[2] < 1
    np.testing.assert_allclose(found.standard_errors, [0.5, 3.0 * theta[1], 2.0 * 0.9 * 0.1])


def test_intervals_of_what_is_not_determined_are_nan_and_huge_ones_do_not_warn() -> None:
    transforms = Transforms(("linear", "log"), np.array([-np.inf, 0]), np.array([np.inf, np.inf]))
    found = natural_intervals(np.zeros(2), np.array([np.nan, 1e4]), transforms)
    assert np.isnan([found.lower[0], found.upper[0], found.standard_errors[0]]).all()
    assert (found.lower[1], found.upper[1]) == (0.0, np.inf)


@pytest.mark.parametrize(("level", "degrees"), [(0.95, 3.0), (0.95, 12.0), (0.9, 1.0), (0.5, 40.5)])
def test_quantiles_are_those_of_students_t(level: float, degrees: float) -> None:
    assert quantile(level, degrees) == pytest.approx(stats.t.ppf(0.5 + level / 2, degrees), rel=1e-12)


def test_the_quantile_for_a_known_noise_level_is_the_normal_one() -> None:
    assert quantile(0.95, math.inf) == pytest.approx(1.959963984540054, rel=1e-14)
    assert quantile(0.95, 1e7) == pytest.approx(quantile(0.95, math.inf), rel=1e-6)
