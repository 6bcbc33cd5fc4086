"""The families of noise: densities against SciPy's, derivatives against differences, tails, sums, random numbers."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import stats

from noise_families import CONTINUOUS, COUNTS, NAMES, family, reference
from odefit.objective.noise import counts
from odefit.objective.noise.counts import dispersion_information, dispersion_score, log_pmf
from odefit.objective.noise.l1 import KINK_WIDTH
from odefit.objective.observation import Noise
from small_problems import Array, central_differences


@pytest.fixture(autouse=True)
def quiet() -> Any:
    """As the likelihood calls them."""
    with np.errstate(all="ignore"):
        yield


def cells(name: str, n: int = 40) -> tuple[Array, Array, Array]:
    """d, m and s here and there."""
    rng = np.random.default_rng(5)
    if name in COUNTS:
        return rng.integers(0, 30, n).astype(float), np.exp(rng.normal(2, 1, n)), np.exp(rng.normal(-1, 1, n))
    return 3 * rng.normal(size=n), rng.normal(size=n), np.exp(rng.normal(size=n))


def quadrature(name: str, m: float, s: float) -> tuple[Array, Array]:
    """d and weights p(d) w, such that sums over them are expectations."""
    f = family(name)
    if name in COUNTS:
        d = np.arange(2000.0)
        return d, np.exp(-f.nll(d, np.full(2000, m), np.full(2000, s)))
    x, w = np.polynomial.legendre.leggauss(200)
    # d = m +- s t^k / (1 - t): dense at the kink of Laplace's, and far out in the tails.
    t = (x + 1) / 2
    d, w = s * t**2 / (1 - t) ** 4, s * (2 * t / (1 - t) ** 4 + 4 * t**2 / (1 - t) ** 5) * w / 2
    d, w = np.concatenate([m - d, m + d]), np.concatenate([w, w])
    return d, w * np.exp(-f.nll(d, np.full(400, m), np.full(400, s)))


@pytest.mark.parametrize("name", NAMES)
def test_the_density_is_scipys(name: str) -> None:
    d, m, s = cells(name)
    known, r = family(name), reference(name, m, s)
    log_p = r.logpmf(d) if name in COUNTS else r.logpdf(d)
    np.testing.assert_allclose(known.nll(d, m, s), -log_p, rtol=1e-10)
    np.testing.assert_allclose(known.cdf(d, m, s), r.cdf(d), rtol=1e-10)
    np.testing.assert_allclose(known.cdf(d, m, s, upper=True), r.sf(d), rtol=1e-9)
    for p in (1e-4, 0.03, 0.5, 0.999):
        np.testing.assert_allclose(known.quantile(p, m, s), r.ppf(p), rtol=1e-9)
    if name != "student_t 1.5":
        np.testing.assert_allclose(known.deviation(m, s), r.std(), rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_scores_are_the_slopes_of_the_density(name: str) -> None:
    d, m, s = cells(name)
    f = family(name)
    for row in (f.location(d, m, s), f.search_location(d, m, s)):
        slope = central_differences(lambda h: f.nll(d, m + h[0], s), np.zeros(1), 1e-5)[:, 0]
        np.testing.assert_allclose(row[0] * row[1], slope, rtol=1e-6, atol=1e-8)
    if f.has_scale:
        z, root = f.scale(d, m, s)
        slope = central_differences(lambda h: f.nll(d, m, s * (1 + h[0])) / s, np.zeros(1), 1e-4)[:, 0]
        np.testing.assert_allclose(z * root, slope, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("m", "s"), [(2.0, 0.3), (7.0, 1.5), (40.0, 0.05)])
def test_the_information_is_the_variance_of_the_score(name: str, m: float, s: float) -> None:
    f = family(name)
    d, p = quadrature(name, m, s)
    assert p.sum() == pytest.approx(1, abs=1e-6)
    at = (d, np.full(len(d), m), np.full(len(d), s))
    z, root = f.location(*at)
    assert p @ z == pytest.approx(0, abs=1e-6)
    # z is the score in units of the root of the information.
    assert p @ (z * z) == pytest.approx(1, rel=1e-4)
    assert (root == root[0]).all()
    if f.has_scale:
        zs, _ = f.scale(*at)
        assert p @ zs == pytest.approx(0, abs=1e-6)
        assert p @ (zs * zs) == pytest.approx(1, rel=1e-4)
        assert p @ (z * zs) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_random_numbers_follow_the_density(name: str) -> None:
    f, n = family(name), 20_000
    m, s = np.full(n, 6.0), np.full(n, 0.4)
    d = f.sample(m, s, np.random.default_rng(11))
    np.testing.assert_array_equal(d, f.sample(m, s, np.random.default_rng(11)))
    for z, _ in [f.location(d, m, s), *([f.scale(d, m, s)] if f.has_scale else [])]:
        # Four standard errors; the fourth moment of a score is at most about 15 here.
        assert abs(z.mean()) < 4 / math.sqrt(n)
        assert abs((z * z).mean() - 1) < 4 * math.sqrt(15 / n)
    for p in (0.1, 0.5, 0.9):
        limit = f.quantile(p, m[:1], s[:1])
        expected = f.cdf(limit, m[:1], s[:1])[0]
        assert abs((d <= limit).mean() - expected) < 4 * math.sqrt(0.25 / n)


@pytest.mark.parametrize("name", NAMES)
def test_tensors_agree_with_arrays_and_their_gradient_with_the_score(name: str) -> None:
    torch = pytest.importorskip("torch")
    from odefit.objective.noise.censored_torch import tail_tensor

    d, m, s = cells(name)
    f = family(name)
    side = np.where(np.arange(len(d)) % 2, 1.0, -1.0)
    limits = d + 1 if name in COUNTS else d
    tail = f.tail(side, limits, m, s)
    rows = [f.location(d, m, s), f.scale(d, m, s)] if f.has_scale else [f.location(d, m, s)]
    expected = [(f.nll(d, m, s), [z * root for z, root in rows]), (tail.f, [tail.dm, tail.ds])]
    for k in range(2):
        tm, ts = (torch.tensor(x, requires_grad=True) for x in (m, s))
        if k == 0:
            nll = f.nll_tensor(torch.as_tensor(d), tm, ts)
        else:
            nll = tail_tensor(f, torch.as_tensor(side), torch.as_tensor(limits), tm, ts)
        nll.sum().backward()
        np.testing.assert_allclose(nll.detach().numpy(), expected[k][0], rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(tm.grad.numpy(), expected[k][1][0], rtol=1e-9, atol=1e-12)
        if f.has_scale:
            np.testing.assert_allclose(ts.grad.numpy(), expected[k][1][1], rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_the_tails_are_scipys_and_their_slopes_differences(name: str, side: float) -> None:
    c, m, s = cells(name)
    c = c + 1 if name in COUNTS else c
    f, r, sides = family(name), reference(name, m, s), np.full(len(c), side)
    tail = f.tail(sides, c, m, s)
    # For counts, `<5` means at most 4, `>5` at least 6.
    expected = (r.logcdf(c - 1) if name in COUNTS else r.logcdf(c)) if side < 0 else r.logsf(c)
    np.testing.assert_allclose(tail.f, -expected, rtol=1e-5, atol=1e-12)
    fm = central_differences(lambda h: f.tail(sides, c, m + h[0], s).f, np.zeros(1), 1e-4)[:, 0]
    fs = central_differences(lambda h: f.tail(sides, c, m, s * (1 + h[0])).f / s, np.zeros(1), 1e-4)[:, 0]
    fmm = central_differences(lambda h: f.tail(sides, c, m + h[0], s).dm, np.zeros(1), 1e-4)[:, 0]
    np.testing.assert_allclose(tail.dm, fm, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(tail.ds if f.has_scale else 0 * fs, fs, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(tail.dmm, fmm, rtol=1e-5, atol=1e-7)
    z, of_m, of_s = tail.row()
    np.testing.assert_allclose(z * of_m, tail.dm, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(z * of_s, tail.ds, rtol=1e-12, atol=1e-15)
    # The curvature along m is the exact one where that is positive enough.
    assert (of_m**2 >= np.maximum(tail.dmm, 0) * (1 - 1e-12)).all()


@pytest.mark.parametrize("limit", [1e2, 1e5, 1e9])
@pytest.mark.parametrize("name", CONTINUOUS)
def test_the_far_tails_have_their_asymptotes(name: str, limit: float) -> None:
    """-ln F(-x): x²/2 + ln x + ln(2 pi)/2, x + ln 2, df ln x + const. And nothing is left to tell on the other side."""
    f = family(name)
    one, x = np.ones(1), np.array([limit])
    tail = f.tail(-one, -x, 0 * x, one)
    if name == "gaussian":
        np.testing.assert_allclose(tail.f, x**2 / 2 + np.log(x) + 0.5 * math.log(2 * math.pi), rtol=1e-7)
        np.testing.assert_allclose(tail.dm, x, rtol=1e-3)
        np.testing.assert_allclose(tail.row()[1], 1.0, rtol=1e-3)
    elif name == "laplace":
        np.testing.assert_allclose(tail.f, x + math.log(2), rtol=1e-14)
        np.testing.assert_allclose(tail.dm, 1.0)
    else:
        df = f.df  # type: ignore[attr-defined]
        np.testing.assert_allclose(tail.dm, df / x, rtol=1e-2)
        further = f.tail(-one, -10 * x, 0 * x, one)
        np.testing.assert_allclose(further.f - tail.f, df * math.log(10), rtol=1e-3)
    assert all(np.isfinite(part).all() for part in tail.row())
    empty = f.tail(one, -x, 0 * x, one)
    assert 0 <= empty.f[0] < 0.1
    assert all(np.isfinite(part).all() for part in empty.row())


def test_a_count_far_from_its_limit_keeps_its_slope() -> None:
    poisson = family("poisson")
    # P(Y <= k) for a mean m far above: p(k) (1 + k/m + ...). P(Y >= k) far below: p(k) (1 + m/(k + 1) + ...).
    for m, k, side in ((1e4, 3, -1.0), (1e6, 2000, -1.0), (1e-3, 5, 1.0), (10.0, 900, 1.0)):
        tail = poisson.tail(np.array([side]), np.array([k - side * 1.0]), np.array([m]), np.zeros(1))
        counts = range(k + 1) if side < 0 else range(k, k + 400)
        terms = [mpmath.mpf(m) ** j / mpmath.factorial(j) for j in counts]
        expected = m - mpmath.log(mpmath.fsum(terms))
        assert tail.f[0] == pytest.approx(float(expected), rel=1e-10)
        assert tail.dm[0] == pytest.approx(1 - k / m, rel=0.15)


def test_an_impossible_limit_is_infinite() -> None:
    for name in COUNTS:
        below_zero = family(name).tail(np.array([-1.0]), np.zeros(1), np.ones(1), np.ones(1))
        assert below_zero.f[0] == math.inf
        certain = family(name).tail(np.array([1.0]), np.array([-1.0]), np.ones(1), np.ones(1))
        assert certain.f[0] == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize(
    ("y", "m", "a"), [(0, 3.0, 0.2), (7, 3.0, 1e-9), (7, 3.0, 1e-4), (40, 20.0, 3.0), (12, 1e4, 80.0)]
)
def test_the_negative_binomial_has_all_its_digits(y: int, m: float, a: float) -> None:
    mpmath.mp.dps = 50

    def exact(a: Any) -> Any:
        n = 1 / a
        log = mpmath.loggamma(y + n) - mpmath.loggamma(n) - mpmath.loggamma(y + 1)
        return log + y * mpmath.log(a * m) - (y + n) * mpmath.log1p(a * m)

    d, mean, dispersion = (np.array([float(x)]) for x in (y, m, a))
    assert log_pmf(d, mean, dispersion)[0] == pytest.approx(float(exact(mpmath.mpf(a))), rel=1e-13)
    slope = float(mpmath.diff(exact, mpmath.mpf(a)))
    assert dispersion_score(d, mean, dispersion)[0] == pytest.approx(slope, rel=1e-11)
    mpmath.mp.dps = 15


def test_without_dispersion_it_is_the_poisson_distribution() -> None:
    d, m, _ = cells("poisson")
    none = np.zeros(len(d))
    binomial, poisson = family("negative_binomial"), family("poisson")
    np.testing.assert_allclose(binomial.nll(d, m, none), poisson.nll(d, m, none), rtol=1e-14, atol=1e-13)
    np.testing.assert_allclose(binomial.cdf(d, m, none), stats.poisson.cdf(d, m), rtol=1e-12)
    # d ln p/da at a = 0 is ((y - m)² - y)/2, of variance m²/2.
    np.testing.assert_allclose(dispersion_score(d, m, none), ((d - m) ** 2 - d) / 2, rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(dispersion_information(m, none), m * m / 2, rtol=1e-9)
    side = np.where(np.arange(len(d)) % 2, 1.0, -1.0)
    one, other = binomial.tail(side, d + 1, m, none), poisson.tail(side, d + 1, m, none)
    np.testing.assert_allclose(one.f, other.f, rtol=1e-12, atol=1e-15)
    torch = pytest.importorskip("torch")
    a = torch.zeros(len(d), dtype=torch.float64, requires_grad=True)
    nll = binomial.nll_tensor(torch.as_tensor(d), torch.as_tensor(m), a)
    nll.sum().backward()
    np.testing.assert_allclose(nll.detach().numpy(), poisson.nll(d, m, none), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(a.grad.numpy(), -dispersion_score(d, m, none), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("m", [1e-8, 0.01, 3.0, 20.0, 90.0, 250.0])
@pytest.mark.parametrize("a", [0.0, 1e-12, 1e-3, 0.049, 0.3, 4.0])
def test_the_information_in_a_dispersion_is_the_mean_square_of_its_score(m: float, a: float) -> None:
    y = np.arange(math.ceil(m + 12 * math.sqrt(m + a * m * m) + 40 * (1 + a * m)), dtype=float)
    expected = np.exp(log_pmf(y, np.float64(m), np.float64(a))) @ dispersion_score(y, np.float64(m), np.float64(a)) ** 2
    digits = 1e-9 if a < 1 else 1e-5
    assert dispersion_information(np.array([m]), np.array([a]))[0] == pytest.approx(expected, rel=digits)


@pytest.mark.parametrize(
    ("m", "a"), [(1000.0, 0.3), (300.0, 5.0), (600.0, 1e-3), (1e5, 1e-4), (2e4, 1e-9), (130.0, 3.0)]
)
def test_a_long_sum_is_right_to_a_ten_thousandth(m: float, a: float) -> None:
    top = m + 12 * math.sqrt(m + a * m * m) + 40 * (1 + a * m)
    y = np.arange(math.ceil(top), dtype=float)
    p = np.exp(log_pmf(y, np.float64(m), np.float64(a)))
    expected = p @ dispersion_score(y, np.float64(m), np.float64(a)) ** 2
    assert dispersion_information(np.array([m]), np.array([a]))[0] == pytest.approx(expected, rel=1e-4)
    # So is what is censored in the middle.
    f, one = family("negative_binomial"), np.ones(1)
    for side, total in ((-1.0, p[: int(m)].sum()), (1.0, p[int(m) + 1 :].sum())):
        tail = f.tail(side * one, np.array([float(int(m))]), m * one, a * one)
        assert tail.f[0] == pytest.approx(-math.log(total), abs=1e-4)


@pytest.mark.parametrize("name", COUNTS)
def test_a_quantile_is_the_least_count_that_reaches_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    f, rng = family(name), np.random.default_rng(0)
    m, a = 10 ** rng.uniform(-3, 3, 30), 10 ** rng.uniform(-4, 0, 30)
    by_sums = {p: f.quantile(p, m, a) for p in (0.025, 0.5, 0.975)}
    for p, q in by_sums.items():
        assert (f.cdf(q, m, a) >= p).all()
        assert ((f.cdf(q - 1, m, a) < p) | (q == 0)).all()
    monkeypatch.setattr(counts, "MAX_TERMS_AT_ONCE", 0)
    for p, q in by_sums.items():
        np.testing.assert_array_equal(f.quantile(p, m, a), q)
    strange = f.quantile(0.975, np.array([0.0, -1e-9, np.nan]), np.full(3, 0.1))
    np.testing.assert_array_equal(strange, [0.0, 0.0, np.nan])


@pytest.mark.parametrize("name", COUNTS)
def test_a_mean_of_zero_is_no_fault_where_nothing_was_counted(name: str) -> None:
    f = family(name)
    m, a = np.array([0.0, -1e-9, 1e-12]), np.full(3, 0.1)
    assert np.allclose(f.nll(np.zeros(3), m, a), 0.0, atol=1e-9)
    z, root = f.location(np.zeros(3), m, a)
    np.testing.assert_allclose(z * root, 1.0, rtol=1e-6)
    assert np.isnan(f.nll(np.ones(3), np.array([0.0, -1e-9, -3.0]), a)).all()
    assert np.isnan(f.nll(np.zeros(3), np.full(3, -0.01), a)).all()
    if f.has_scale:
        assert np.isnan(f.nll(np.ones(3), np.ones(3), np.full(3, np.nan))).all()


@pytest.mark.parametrize("name", COUNTS)
def test_the_mean_of_counts_is_known_far_below_one(name: str) -> None:
    f = family(name)
    m = np.array([1e-12, 1e-30, 1e-60])
    np.testing.assert_allclose(f.nll(np.ones(3), m, np.full(3, 0.0)), -np.log(m), rtol=1e-9)
    z, root = f.location(np.ones(3), m, np.full(3, 0.0))
    np.testing.assert_allclose(z * root * m, -1.0, rtol=1e-9)


def test_the_best_scale_is_the_best() -> None:
    deviations = np.random.default_rng(0).normal(size=31)
    deviations[:2] = 0.0, 3e-6
    for name in ("gaussian", "laplace"):
        f = family(name)
        best = f.best_scale(deviations)
        z, root = f.scale(0 * deviations, deviations, np.full(31, best))
        assert (z * root).sum() == pytest.approx(0, abs=1e-12)
    assert family("laplace").best_scale(deviations) == pytest.approx(np.abs(deviations).mean(), rel=1e-6)
    assert family("laplace").best_scale(np.zeros(3)) == 0


def test_a_rounded_kink_costs_next_to_nothing() -> None:
    r = np.linspace(-3, 3, 1001) * KINK_WIDTH
    exact = stats.laplace.logpdf(r)
    excess = family("laplace").nll(r, 0 * r, np.ones(len(r))) + exact
    assert (excess >= -1e-15).all()
    assert excess.max() <= KINK_WIDTH / 2 * (1 + 1e-9)


def test_noise_is_drawn_and_limited_on_the_natural_scale() -> None:
    noise, rng = Noise("lognormal", None), np.random.default_rng(3)
    m, s = np.full(5000, math.log(2.0)), np.full(5000, 0.5)
    drawn = noise.sample(m, s, rng)
    assert np.log(drawn).std() == pytest.approx(0.5, rel=0.05)
    np.testing.assert_allclose(noise.quantile(0.975, m[:1], s[:1]), stats.lognorm.ppf(0.975, 0.5, scale=2.0))
    assert Noise("poisson", None).sample(np.full(3, 4.0), None, rng).dtype == np.float64
    assert Noise("student_t", None).family == Noise("student_t", None, 4.0).family
    assert Noise("student_t", None, 7.0).family != Noise("student_t", None).family


def test_the_information_in_a_dispersion_does_not_depend_on_the_cells_beside_it() -> None:
    rng = np.random.default_rng(4)
    m, a = 10 ** rng.uniform(-3, 4, (5, 40)), 10 ** rng.uniform(-4, 1, (5, 40))
    together = dispersion_information(m, a)
    for row in range(5):
        np.testing.assert_array_equal(dispersion_information(m[row, :7], a[row, :7]), together[row, :7])
        assert dispersion_information(m[row, :1], a[row, :1])[0] == together[row, 0]
