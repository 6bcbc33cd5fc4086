"""Intervals of noise levels beside closed forms, and the errors of Laplace noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special, stats

import odefit
from odefit.fitting.run import Run
from odefit.objective.noise.families import family_of
from odefit.uncertainty.kinks import blurred_rows
from odefit.uncertainty.noise_levels import Level, NoiseLevels

T = np.linspace(0, 5, 16)


def fitted(noise: Any, data: dict[str, Any], parameters: dict[str, Any] | None = None) -> Run:
    """Straight lines x = x_0 + a t, and y = b t."""
    model = {"equations": {"x": "a", "y": "b"}, "initial": {"x": "estimate", "y": 0}}
    config = {"model": model, "parameters": {"a": 1, "b": 1, **(parameters or {})}, "noise": noise}
    run = odefit.fit(config, data=[odefit.Experiment("one", T, data)])
    assert isinstance(run, Run)
    assert run.result.status == "converged"
    return run


def lines(scatter: Any, few: int = 16) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    x, y = 2 + 0.7 * T + scatter(rng), 1.5 * T + 0.3 * rng.standard_normal(16)
    return {"x": x, "y": np.where(np.arange(16) < few, y, np.nan)}


@pytest.mark.parametrize("name", [None, "s"])
def test_a_level_of_each_observable_has_the_interval_of_chi_square(name: str | None) -> None:
    """x has 16 measurements and takes two parameters, y has 9 and takes one."""
    data = lines(lambda rng: 0.2 * rng.standard_normal(16), few=9)
    named = {} if name is None else {"x": {"sigma": name}, "y": {"sigma": "r"}}
    starts = {} if name is None else {"s": {"value": 0.1, "bounds": [1e-3, 9], "scale": "log"}, "r": 1}
    run = fitted(named or "gaussian", data, starts)
    rss_x = np.linalg.lstsq(np.column_stack([np.ones(16), T]), data["x"], rcond=None)[1][0]
    rss_y = np.linalg.lstsq(T[:9, None], data["y"][:9], rcond=None)[1][0]
    for level, rss, left in (("s" if name else "sigma_x", rss_x, 14), ("r" if name else "sigma_y", rss_y, 8)):
        expected = np.sqrt(rss / stats.chi2.ppf([0.975, 0.025], left))
        np.testing.assert_allclose(run.result.estimates[level].interval, expected, rtol=1e-4)


def test_an_unbiased_level_of_student_noise() -> None:
    """n k/(k + 3) degrees, of which each parameter takes 1 - 3/(k + 5), near the expectation of both."""
    data = lines(lambda rng: 0.2 * rng.standard_t(4, 16))
    run = fitted({"x": {"model": "student_t"}, "y": "gaussian"}, data)
    estimate = run.result.estimates["sigma_x"]
    assert estimate.value is not None
    assert estimate.standard_error is not None
    assert estimate.interval is not None
    before = estimate.value**2 / (2 * estimate.standard_error**2)
    assert before == pytest.approx(16 * 4 / 7, rel=0.5)
    ends = estimate.value * np.sqrt(before / stats.chi2.ppf([0.975, 0.025], before - 2 * (1 - 3 / 9)))
    np.testing.assert_allclose(estimate.interval, ends, rtol=1e-3)


def test_a_part_of_the_scatter_has_an_interval_symmetric_in_its_logarithm() -> None:
    data = lines(lambda rng: np.hypot(0.3, 0.15 * (2 + 0.7 * T)) * rng.standard_normal(16))
    run = fitted({"x": {"model": "additive_proportional", "sigma": 0.3}, "y": "gaussian"}, data)
    estimate = run.result.estimates["proportional_x"]
    assert estimate.interval is not None
    assert estimate.value is not None
    assert estimate.standard_error is not None
    half = np.log(estimate.interval[1] / estimate.interval[0]) / 2
    assert half == pytest.approx(special.ndtri(0.975) * estimate.standard_error / estimate.value, rel=1e-3)
    assert np.sqrt(np.prod(estimate.interval)) > estimate.value


def test_counts_keep_the_interval_of_the_logarithm() -> None:
    rng = np.random.default_rng(0)
    counts = stats.nbinom(4, 4 / (4 + 30 + 20 * T)).rvs(random_state=rng)
    config = {
        "model": {"equations": {"x": "a"}, "initial": {"x": "estimate"}},
        "parameters": {"a": 10},
        "noise": "negative_binomial",
    }
    result = odefit.fit(config, data=[odefit.Experiment("one", T, {"x": counts})]).result
    assert result.information == "observed"
    e = result.estimates["dispersion_x"]
    assert e.value is not None
    assert e.standard_error is not None
    reach = np.exp(special.ndtri(0.975) * e.standard_error / e.value)
    np.testing.assert_allclose(e.interval, [e.value / reach, e.value * reach], rtol=1e-6)
    # The others are by Student's t, and a little wider: the dispersion is estimated rather too small.
    a = result.estimates["a"]
    assert a.interval is not None
    assert a.standard_error is not None
    wider = (a.interval[1] - a.interval[0]) / (2 * a.standard_error * stats.t(14).ppf(0.975))
    assert 1 < wider < 1.1


@pytest.mark.parametrize(
    ("name", "df"), [("gaussian", None), ("laplace", None), ("student_t", 4.0), ("student_t", 9.0)]
)
def test_the_curvature_goes_with_its_power_of_the_scale(name: str, df: float | None) -> None:
    """Of the mean objective over data of scale 1."""
    family, distribution = (
        family_of(name, df),
        {"gaussian": stats.norm, "laplace": stats.laplace}.get(name, stats.t(df)),
    )
    p = (np.arange(200_000) + 0.5) / 200_000
    data = distribution.ppf(p)

    def curvature(s: float, h: float = 0.02) -> float:
        values = [np.mean(family.nll(data, np.full(len(data), m), np.full(len(data), s))) for m in (-h, 0.0, h)]
        return float(values[0] - 2 * values[1] + values[2]) / h**2

    slope = np.log(curvature(1.02) / curvature(0.98)) / np.log(1.02 / 0.98)
    assert -slope == pytest.approx(family.curvature_power, abs=0.02)


def test_the_kinks_of_one_location() -> None:
    """n measurements of one number: each has the leverage 1/n."""
    n, s = 20, 0.5
    a = np.column_stack([np.full(n, 1 / s), np.zeros(n)])
    rows = blurred_rows(a, np.ones(n, dtype=bool), np.ones(2, dtype=bool), 1e-9)
    assert rows is not None
    information = (rows.values.T @ rows.values)[0, 0]
    assert information == pytest.approx(n / s**2 * special.erfcx(np.sqrt(1 / (2 * n))) ** 2)
    # It is the mean of exp(-|x|) over a normal x.
    x = stats.norm(0, np.sqrt(1 / n)).ppf((np.arange(100_000) + 0.5) / 100_000)
    assert special.erfcx(np.sqrt(1 / (2 * n))) == pytest.approx(np.exp(-np.abs(x)).mean(), rel=1e-4)


def test_the_sandwich_of_many_parameters() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=(30, 3))
    kinked = np.arange(30) < 20
    rows = blurred_rows(a, kinked, np.array([True, True, False]), 1e-9)
    assert rows is not None
    free = a[:, :2]
    leverage = np.einsum("ij,jk,ik->i", free, np.linalg.inv(free.T @ free), free)
    bread = np.linalg.inv(free.T @ (np.where(kinked, special.erfcx(np.sqrt(leverage / 2)), 1)[:, None] * free))
    found = rows.values.T @ rows.values
    np.testing.assert_allclose(np.linalg.inv(found[:2, :2]), bread @ free.T @ free @ bread, rtol=1e-9)
    assert not found[2].any()
    assert blurred_rows(np.zeros((4, 2)), np.ones(4, dtype=bool), np.ones(2, dtype=bool), 1e-9) is None


def test_laplace_errors_are_wider_than_the_plain_information() -> None:
    data = lines(lambda rng: 0.2 * rng.laplace(size=16))
    run = fitted("laplace", data)
    assert run.result.information == "sandwich"
    assert any("kinks" in note for note in run.result.notes)
    a = np.column_stack([np.ones(16), T])
    plain = np.sqrt(np.linalg.inv(a.T @ a)[1, 1]) * (run.result.estimates["sigma_x"].value or 0)
    assert 1.2 < (run.result.estimates["a"].standard_error or 0) / plain < 1.6


def test_a_level_that_the_data_say_nothing_of_reaches_anywhere() -> None:
    level = Level(value=2.0, variance=1e6, taken=0.0, power=None)
    assert level.interval(0.95) == (0.0, np.inf)
    ends = Level(value=2.0, variance=0.25, taken=0.0, power=None).interval(0.95)
    assert ends is not None
    np.testing.assert_allclose(ends, 2 * np.exp(np.array([-0.5, 0.5]) * stats.norm.ppf(0.975)), rtol=1e-6)


def test_what_a_level_takes_is_computed_once_for_errors_and_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, asked = NoiseLevels._taken, list[tuple[int, bytes]]()

    def counted(self: NoiseLevels, k: int) -> float:
        asked.append((k, self.u.tobytes()))
        return taken(self, k)

    monkeypatch.setattr(NoiseLevels, "_taken", counted)
    run = fitted(None, lines(lambda rng: 0.2 * rng.standard_normal(16)))
    known = run.known_errors
    assert known is not None
    assert len(asked) == len(set(asked)) == 2
    # Both are the estimates times sqrt(n/(n - p)), of x with two parameters and of y with one.
    table = run.assembly.problem.table
    bias = table.to_natural(known.unbiased) / run.theta
    levels = [bias[table.index[name]] for name in ("sigma_x", "sigma_y")]
    np.testing.assert_allclose(levels, [np.sqrt(16 / 14), np.sqrt(16 / 15)], rtol=1e-4)
