"""The parameter table, the binding of symbols, and the priors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from odefit.objective.parameters import Binding, Parameter, ParameterTable
from odefit.objective.priors import Prior
from small_problems import central_differences

TABLE = ParameterTable(
    (
        Parameter("k", 0.5, 0.0, np.inf, "log"),
        Parameter("fixed", 7.0, estimate=False),
        Parameter("x_0[A]", 1.0, role="initial"),
        Parameter("x_0[B]", 2.0, role="initial"),
    )
)


def test_a_table_knows_its_two_spaces() -> None:
    assert TABLE.estimated_names == ("k", "x_0[A]", "x_0[B]")
    u = TABLE.to_search(TABLE.values)
    np.testing.assert_allclose(u, [math.log(0.5), 1.0, 2.0])
    np.testing.assert_allclose(TABLE.to_natural(u + np.array([1.0, 0.5, 0.0])), [0.5 * math.e, 7.0, 1.5, 2.0])
    assert TABLE["x_0[B]"].value == 2.0
    assert TABLE.with_values(np.array([1.0, 2.0, 3.0, 4.0])).values.tolist() == [1, 2, 3, 4]
    low, high = TABLE.search_bounds()
    assert low.tolist() == [-np.inf] * 3
    assert high.tolist() == [np.inf] * 3


BINDING = Binding(
    ("rate", "loss", "x_0", "dose"),
    np.array([[0, 0, 2, -1], [0, 0, 3, -1]]),
    np.array([[0, 0, 0, 5.0], [0, 0, 0, 9.0]]),
)


def test_symbols_take_parameters_and_numbers_experiment_by_experiment() -> None:
    theta = np.array([0.1, 7.0, 1.0, 2.0])
    expected = [[0.1, 0.1, 1.0, 5.0], [0.1, 0.1, 2.0, 9.0]]
    assert BINDING.local(theta).tolist() == expected
    assert not BINDING.is_shared
    assert Binding(("rate",), np.array([[0], [0]]), np.zeros((2, 1))).is_shared


def test_the_torch_twin_of_a_binding_gathers_gradients_of_a_parameter_bound_twice() -> None:
    torch = pytest.importorskip("torch")
    theta = torch.tensor([0.1, 7.0, 1.0, 2.0], dtype=torch.float64, requires_grad=True)
    local = BINDING.local_tensor(theta)
    np.testing.assert_array_equal(local.detach().numpy(), BINDING.local(theta.detach().numpy()))
    local.sum().backward()
    assert theta.grad.tolist() == [4.0, 0.0, 1.0, 1.0]
    chosen = BINDING.local_tensor(theta, torch.tensor([1]))
    np.testing.assert_array_equal(chosen.detach().numpy(), BINDING.local(theta.detach().numpy())[1:])


def test_symbols_may_all_be_numbers_and_the_table_empty() -> None:
    # A network whose initial values are measured and whose noise level is given has no named parameter.
    torch = pytest.importorskip("torch")
    binding = Binding(("x_0",), np.array([[-1], [-1]]), np.array([[1.0], [2.0]]))
    assert binding.local(np.zeros(0)).tolist() == [[1.0], [2.0]]
    assert binding.local_tensor(torch.zeros(0)).tolist() == [[1.0], [2.0]]


PRIORS = [
    (Prior("cauchy", 1.0, 0.5), stats.cauchy(1.0, 0.5)),
    (Prior("half_cauchy", 0.6), stats.halfcauchy(0, 0.6)),
    (Prior("student_t", 3.5, 1.0, c=0.5), stats.t(3.5, 1.0, 0.5)),
    (Prior("half_normal", 1.5), stats.halfnorm(0, 1.5)),
    (Prior("gamma", 2.5, 0.7), stats.gamma(2.5, scale=0.7)),
    (Prior("chi_square", 4.0), stats.chi2(4.0)),
    (Prior("rayleigh", 1.3), stats.rayleigh(0, 1.3)),
    (Prior("log_laplace", 2.2, 0.4), stats.loglaplace(1 / 0.4, scale=2.2)),
    (Prior("log_uniform", 0.2, 7.0), stats.loguniform(0.2, 7.0)),
    (Prior("normal", 1.0, 0.5), stats.norm(1.0, 0.5)),
    (Prior("lognormal", 2.0, 0.7), stats.lognorm(0.7, scale=2.0)),
    (Prior("laplace", -1.0, 0.3), stats.laplace(-1.0, 0.3)),
    (Prior("uniform", -2.0, 4.0), stats.uniform(-2.0, 6.0)),
]
POINTS = (-3.0, -1.7, 0.0, 1e-6, 0.3, 0.9, 2.0, 3.9, 4.1, 50.0)


@pytest.mark.parametrize(("prior", "reference"), PRIORS, ids=lambda p: getattr(p, "kind", ""))
def test_a_prior_is_its_density(prior: Prior, reference: stats.rv_continuous) -> None:
    for theta in POINTS:
        assert prior.value(theta) == pytest.approx(-reference.logpdf(theta), rel=1e-12)


@pytest.mark.parametrize(("prior", "reference"), PRIORS, ids=lambda p: getattr(p, "kind", ""))
def test_the_score_of_a_prior_is_its_slope(prior: Prior, reference: stats.rv_continuous) -> None:
    for theta in POINTS:
        z, a = prior.score(theta)
        if math.isinf(prior.value(theta)):
            assert (z, a) == (0.0, 0.0)
            continue
        if theta == prior.support[0]:
            continue  # no difference reaches over the edge
        slope = central_differences(lambda x: prior.value(x[0]), np.array([theta]), 1e-4 * min(abs(theta), 1) + 1e-9)
        assert z * a == pytest.approx(slope[0], rel=1e-6, abs=1e-6)


def test_the_curvature_of_a_normal_and_of_a_log_normal_prior_is_exact() -> None:
    def curvature(function, x):
        return (function(x + 1e-4) - 2 * function(x) + function(x - 1e-4)) / 1e-8

    prior = Prior("normal", 1.0, 0.5)
    assert prior.score(0.3)[1] ** 2 == pytest.approx(curvature(prior.value, 0.3), rel=1e-6)
    # Completed into one square, the log-normal one is exact in x = ln theta: (a d theta/dx)² = d²value/dx².
    prior, theta = Prior("lognormal", 2.0, 0.7), 0.9
    in_logarithm = curvature(lambda x: prior.value(math.exp(x)), math.log(theta))
    assert (prior.score(theta)[1] * theta) ** 2 == pytest.approx(in_logarithm, rel=1e-6)
    # Its square alone, z²/2, differs from the value by a constant.
    differences = {round(prior.value(t) - 0.5 * prior.score(t)[0] ** 2, 12) for t in (0.1, 0.9, 7.0)}
    assert len(differences) == 1


@pytest.mark.parametrize(("prior", "reference"), PRIORS, ids=lambda p: getattr(p, "kind", ""))
@pytest.mark.parametrize("within", [(0.5, 3.0), (2.5, math.inf), (-0.5, 0.9)])
def test_a_truncated_prior_integrates_to_one_between_the_bounds(
    prior: Prior, reference: stats.rv_continuous, within: tuple[float, float]
) -> None:
    cut = replace(prior, within=within)
    low, high = reference.cdf(within[0]), reference.cdf(within[1])
    assert cut.value(0.7) == pytest.approx(-reference.logpdf(0.7) + math.log(high - low), rel=1e-9)
    assert cut.score(0.7) == prior.score(0.7)
    if prior.kind in ("normal", "cauchy", "student_t", "laplace", "uniform") and within[0] > 0:
        on_log = replace(cut, on="log")
        low, high = (reference.cdf(math.log(end)) for end in within)
        assert on_log.value(1.7) == pytest.approx(-reference.logpdf(math.log(1.7)) + math.log(high - low), rel=1e-9)


def test_tails_far_out_keep_their_digits() -> None:
    """Bounds far from the bulk: the mass there comes from the complement."""
    for prior, reference in ((Prior("normal", 0.0, 1.0), stats.norm()), (Prior("half_normal", 1.0), stats.halfnorm())):
        cut = replace(prior, within=(9.0, 10.0))
        mass = reference.sf(9.0) - reference.sf(10.0)
        assert cut.value(9.5) == pytest.approx(-reference.logpdf(9.5) + math.log(mass), rel=1e-9)


def test_densities_of_petab_at_five() -> None:
    """The values of the cases 0024 and 0025 of the test suite of PEtab, version 2."""
    found = {
        Prior("cauchy", 3, 5): -2.902588,
        Prior("chi_square", 4): -2.276856,
        Prior("gamma", 3, 5): -3.302585,
        Prior("log_laplace", math.exp(3), 5): -4.190135,
        Prior("log_uniform", 3, 5): -0.937711,
        Prior("rayleigh", 3): -1.976676,
        Prior("exponential", 1 / 3): -2.765279,
        Prior("lognormal", math.exp(5), 2): -4.658513,
    }
    for prior, log_density in found.items():
        assert prior.value(5.0) == pytest.approx(-log_density, abs=2e-6)


@pytest.mark.torch
@pytest.mark.parametrize(("prior", "reference"), PRIORS, ids=lambda p: getattr(p, "kind", ""))
def test_the_tensor_of_a_prior_has_its_value_and_slope(prior: Prior, reference: stats.rv_continuous) -> None:
    import torch

    del reference
    cut = replace(prior, within=(0.3, 6.0))
    theta = torch.tensor(1.4, dtype=torch.float64, requires_grad=True)
    value = cut.value_tensor(theta)
    if value.requires_grad:
        value.backward()
    z, k = cut.score(1.4)
    assert float(value.detach()) == pytest.approx(cut.value(1.4), rel=1e-12)
    assert theta.grad is None or float(theta.grad) == pytest.approx(z * k, rel=1e-9)


@pytest.mark.parametrize("kind", [*dict.fromkeys(prior.kind for prior, _ in PRIORS), "exponential"])
def test_a_prior_survives_any_number(kind: str) -> None:
    prior = Prior(kind, 1.0, 2.0)
    for theta in (1e300, 1e200, -1e300, 5e-324, math.inf, -math.inf):
        assert prior.value(theta) > -1e3
        assert not math.isnan(prior.value(theta))
        prior.score(theta)
