"""Tails and quantiles beside SciPy's, which are another implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from odefit import distributions as own

DEGREES = (0.5, 1.0, 2.0, 3.7, 12.0, 80.0, 2_000.0)


def test_normal_quantiles() -> None:
    p = np.array([[0.0, 1e-300, 1e-12, 0.02], [0.5, 0.975, 1.0, np.nan]])
    np.testing.assert_allclose(own.normal_quantile(p), special.ndtri(p), rtol=1e-13)
    many = np.linspace(0.001, 0.999, 1_500)
    np.testing.assert_allclose(own.normal_quantile(many), special.ndtri(many), rtol=1e-13)


@pytest.mark.parametrize("degrees", DEGREES)
def test_student(degrees: float) -> None:
    for x in (-30.0, -1.0, 0.0, 0.05, 0.5, 2.0, 40.0):
        assert own.student_tail(x, degrees) == pytest.approx(stats.t.sf(x, degrees), rel=1e-11)
    for p in (0.01, 0.5, 0.6, 0.841, 0.975, 0.9995):
        assert own.student_quantile(p, degrees) == pytest.approx(special.stdtrit(degrees, p), rel=1e-11, abs=1e-15)


@pytest.mark.parametrize("degrees", DEGREES)
def test_chi_square(degrees: float) -> None:
    for x in (0.0, 1e-3, 0.4, 3.0, 90.0, 1_900.0, 2_300.0):
        low, high = own.chi_square_tails(x, degrees)
        assert low == pytest.approx(stats.chi2.cdf(x, degrees), rel=1e-11)
        assert high == pytest.approx(stats.chi2.sf(x, degrees), rel=1e-11, abs=1e-300)


@pytest.mark.parametrize("degrees", [*DEGREES, 2e5])
def test_chi_square_quantiles(degrees: float) -> None:
    for p in (0.001, 0.025, 0.5, 0.975, 0.9999):
        assert own.chi_square_quantile(p, degrees) == pytest.approx(stats.chi2.ppf(p, degrees), rel=1e-9)


def test_binomial() -> None:
    for n, k, p in ((10, 0, 0.5), (10, 10, 0.5), (10, 11, 0.5), (40, 31, 0.5), (3_000, 1_600, 0.5), (12, 3, 0.1)):
        assert own.binomial_tail(k, n, p) == pytest.approx(stats.binom.sf(k - 1, n, p), rel=1e-10)


def test_ordered_uniform_numbers() -> None:
    for n in (1, 2, 21, 300, 1_200):
        k = np.arange(1, n + 1)
        for p in (0.025, 0.5, 0.975):
            np.testing.assert_allclose(own.ordered_quantiles(n, p), special.betaincinv(k, n + 1 - k, p), rtol=1e-10)


def test_ends() -> None:
    assert own.student_tail(math.inf, 3.0) == 0.0
    assert own.student_tail(-math.inf, 3.0) == 1.0
    assert own.incomplete_beta(2.0, 3.0, 0.0, 1.0) == 0.0
    assert own.incomplete_beta(2.0, 3.0, 1.0, 0.0) == 1.0


def test_tails_of_arrays_are_scipys_few_or_many() -> None:
    rng = np.random.default_rng(5)
    for n in (100, 2_000):
        a, b, x = np.floor(rng.uniform(1, 300, n)), 10 ** rng.uniform(-1, 3.5, n), rng.uniform(0, 1, n)
        for upper, theirs in ((False, special.betainc(a, b, x)), (True, special.betaincc(a, b, x))):
            ours = own.beta_tail(a, b, x, 1 - x, upper)
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-300)
        for ours, theirs in zip(
            own.gamma_tails(a, 300 * x), (special.gammainc(a, 300 * x), special.gammaincc(a, 300 * x)), strict=True
        ):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-300)
