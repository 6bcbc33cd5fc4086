"""Priors on the natural and on the logarithmic scale, in NumPy and in torch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from odefit.objective.noise.l1 import KINK_WIDTH
from odefit.objective.priors import Prior
from small_problems import central_differences

DENSITIES = [
    (("normal", 0.4, 0.5), stats.norm(0.4, 0.5)),
    (("lognormal", 2.0, 0.7), stats.lognorm(0.7, scale=2.0)),
    (("laplace", 0.3, 0.3), stats.laplace(0.3, 0.3)),
    (("uniform", -2.0, 4.0), stats.uniform(-2.0, 6.0)),
    (("exponential", 5.0), stats.expon(scale=0.2)),
]
POINTS = (1e-4, 0.02, 0.5, 0.9, 1.7, 3.0, 40.0, 200.0)


@pytest.mark.parametrize(("words", "density"), DENSITIES, ids=lambda p: p[0] if isinstance(p, tuple) else "")
@pytest.mark.parametrize("on", ["natural", "log"])
def test_a_prior_is_a_density_of_the_parameter_or_of_its_logarithm(words: Any, density: Any, on: str) -> None:
    torch = pytest.importorskip("torch")
    prior = Prior(*words, on=on)
    for theta in POINTS:
        x = math.log(theta) if on == "log" else theta
        expected = -density.logpdf(x)
        assert prior.value(theta) == pytest.approx(expected, rel=1e-12)
        assert (prior.support[0] <= theta <= prior.support[1]) == math.isfinite(expected)
        for expected_information in (True, False):
            z, k = prior.score(theta, expected_information)
            if not math.isfinite(expected):
                assert (z, k) == (0.0, 0.0)
                continue
            slope = central_differences(lambda v: prior.value(v[0]), np.array([theta]), 1e-4 * theta)[0]
            assert z * k == pytest.approx(slope, rel=1e-6, abs=1e-6)
            assert k > 0 or prior.kind == "uniform"
        if math.isfinite(expected):
            tensor = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
            value = prior.value_tensor(tensor)
            assert value.item() == pytest.approx(expected, rel=1e-12)
            if value.requires_grad:
                value.backward()
                assert tensor.grad.item() == pytest.approx(z * k, rel=1e-9, abs=1e-12)


def test_the_logarithmic_scale_has_no_jacobian() -> None:
    # A log-normal density of theta is the normal one of ln theta, times 1/theta.
    of_theta, of_logarithm = Prior("lognormal", 2.0, 0.7), Prior("normal", math.log(2.0), 0.7, on="log")
    for theta in (0.1, 2.0, 30.0):
        difference = of_theta.value(theta) - of_logarithm.value(theta)
        assert difference == pytest.approx(math.log(theta), rel=1e-12)
    assert of_logarithm.score(2.0)[0] == pytest.approx(0, abs=1e-15)
    assert of_theta.score(2.0 * math.exp(-(0.7**2)))[0] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("kind", ["normal", "lognormal", "laplace", "uniform", "exponential"])
def test_nothing_is_possible_at_and_below_zero_on_a_logarithmic_scale(kind: str) -> None:
    prior = Prior(kind, 1.0, 2.0, on="log")
    for theta in (0.0, -1.0, -math.inf):
        assert prior.value(theta) == math.inf
        assert prior.score(theta) == (0.0, 0.0)
    for theta in (5e-324, 1e300, math.inf):
        assert not math.isnan(prior.value(theta))
        assert not math.isnan(prior.score(theta)[0])


def test_where_a_density_ends_it_ends() -> None:
    assert Prior("exponential", 3.0).support == (0.0, math.inf)
    assert Prior("exponential", 3.0).value(-1e-9) == math.inf
    assert Prior("exponential", 3.0).value(0.0) == pytest.approx(-math.log(3))
    z, k = Prior("exponential", 3.0).score(0.0)
    assert z * k == pytest.approx(3.0)
    low, high = Prior("uniform", -1.0, 2.0, on="log").support
    assert (low, high) == pytest.approx((math.exp(-1), math.exp(2)))
    assert Prior("normal", 0.0, 1.0).support == (-math.inf, math.inf)
    assert Prior("uniform", 0.0, 1e6, on="log").support[1] == math.inf


def test_a_laplace_prior_is_round_at_its_centre() -> None:
    prior = Prior("laplace", 1.0, 2.0)
    assert not prior.is_smooth
    assert prior.value(1.0) - math.log(4) == pytest.approx(KINK_WIDTH / 2)
    # The gradient goes through zero, the information of the density does not become infinite.
    assert prior.score(1.0) == (0.0, 0.5)
    z, k = prior.score(1.0 + KINK_WIDTH, expected=False)
    assert z * k == pytest.approx(0.25, rel=1e-6)


@pytest.mark.parametrize("rate", [0.3, 50.0])
def test_the_curvature_of_an_exponential_prior_is_exact_in_the_logarithm(rate: float) -> None:
    prior, theta, h = Prior("exponential", rate), 0.7, 1e-4
    values = [prior.value(theta * math.exp(x)) for x in (-h, 0.0, h)]
    curvature = (values[0] - 2 * values[1] + values[2]) / h**2
    assert (prior.score(theta)[1] * theta) ** 2 == pytest.approx(curvature, rel=1e-5)
