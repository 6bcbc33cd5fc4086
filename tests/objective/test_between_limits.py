"""Values between two numbers: probabilities against SciPy's, derivatives against differences, fits beside SciPy's."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

import odefit
from noise_families import COUNTS, NAMES, family, reference
from odefit.errors import ConfigError
from odefit.objective.noise.interval import limited, two_rows
from small_problems import Array, central_differences


@pytest.fixture(autouse=True)
def quiet() -> Any:
    """As the likelihood calls them."""
    with np.errstate(all="ignore"):
        yield


def cells(name: str, n: int = 40) -> tuple[Array, Array, Array, Array]:
    """The lower and the upper end, m and s, here and there."""
    rng = np.random.default_rng(8)
    if name in COUNTS:
        low = rng.integers(0, 20, n).astype(float)
        return low, low + rng.integers(2, 9, n), np.exp(rng.normal(2, 0.7, n)), np.exp(rng.normal(-1, 0.5, n))
    low = 2 * rng.normal(size=n)
    return low, low + np.exp(rng.normal(0, 1, n)), rng.normal(size=n), np.exp(0.5 * rng.normal(size=n))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_the_probability_is_scipys_and_its_slopes_are_differences(name: str, side: float) -> None:
    low, high, m, s = cells(name)
    f, r, sides = family(name), reference(name, m, s), np.full(len(m), side)
    c, far = (low, high) if side > 0 else (high, low)
    tail = f.interval(sides, c, far, m, s)
    if name in COUNTS:  # from the far end on, without the limit itself
        first, last = (low, high - 1) if side < 0 else (low + 1, high)
        p = sum(np.where(first + k <= last, r.pmf(first + k), 0.0) for k in range(10))
    else:
        p = np.where(low + high > 2 * m, r.sf(low) - r.sf(high), r.cdf(high) - r.cdf(low))
    np.testing.assert_allclose(tail.f, -np.log(p), rtol=1e-8, atol=1e-10)

    def by_m(what: str) -> Array:
        return central_differences(lambda h: getattr(f.interval(sides, c, far, m + h[0], s), what), np.zeros(1), 1e-4)[
            :, 0
        ]

    def by_s(what: str) -> Array:
        step = central_differences(
            lambda h: getattr(f.interval(sides, c, far, m, s * (1 + h[0])), what), np.zeros(1), 1e-4
        )
        return step[:, 0] / s

    np.testing.assert_allclose(tail.dm, by_m("f"), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(tail.dmm, by_m("dm"), rtol=1e-5, atol=1e-6)
    if f.has_scale:
        np.testing.assert_allclose(tail.ds, by_s("f"), rtol=1e-6, atol=1e-7)
    if name not in COUNTS:
        np.testing.assert_allclose(tail.dms, by_s("dm"), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(tail.dss, by_s("ds"), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("with_scale", [True, False])
def test_the_rows_give_the_exact_gradient_and_where_it_is_convex_the_curvature(name: str, with_scale: bool) -> None:
    low, high, m, s = cells(name)
    far = np.where(np.arange(len(m)) % 3, low, np.nan)
    tail = limited(family(name), -np.ones(len(m)), high, far, m, s)
    rows = two_rows(tail, with_scale)
    np.testing.assert_allclose(sum(z * of_m for z, of_m, _ in rows), tail.dm, rtol=1e-9, atol=1e-12)
    if with_scale:
        np.testing.assert_allclose(sum(z * of_s for z, _, of_s in rows), tail.ds, rtol=1e-9, atol=1e-12)
    assert tail.within is not None
    assert (rows[1][0][~tail.within] == 0).all()
    if name in ("gaussian", "laplace") and not with_scale:
        curvature = sum(of_m**2 for _, of_m, _ in rows)[tail.within]
        exact = 4 * tail.dmm[tail.within] > tail.dm[tail.within] ** 2 / (2 * tail.f[tail.within])
        assert exact.sum() > 5
        np.testing.assert_allclose(curvature[exact], tail.dmm[tail.within][exact], rtol=1e-8)


def test_intervals_far_out_and_narrow_ones_keep_their_digits() -> None:
    one, f = np.ones(1), family("gaussian")
    far_out = f.interval(-one, 41 * one, 40 * one, 0 * one, one)
    # ln(sf(40) - sf(41)), of which sf(41) is the share e^-41
    assert far_out.f[0] == pytest.approx(-float(stats.norm.logsf(40)), rel=1e-12)
    mirrored = f.interval(-one, -40 * one, -41 * one, 0 * one, one)
    assert mirrored.f[0] == far_out.f[0]
    assert mirrored.dm[0] == -far_out.dm[0]
    narrow = f.interval(-one, (1 + 1e-6) * one, one, 0 * one, one)
    assert narrow.f[0] == pytest.approx(-float(stats.norm.logpdf(1)) - math.log(1e-6), rel=1e-6)
    assert narrow.dm[0] == pytest.approx(-1, rel=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_tensors_agree_with_arrays(name: str) -> None:
    torch = pytest.importorskip("torch")
    from odefit.objective.noise.censored_torch import tail_tensor

    low, high, m, s = cells(name)
    far = np.where(np.arange(len(m)) % 2, low, np.nan)
    f, side = family(name), -np.ones(len(m))
    tail = limited(f, side, high, far, m, s)
    tm, ts = (torch.tensor(x, requires_grad=True) for x in (m, s))
    nll = tail_tensor(f, *(torch.as_tensor(x) for x in (side, high)), tm, ts, torch.as_tensor(far))
    nll.sum().backward()
    np.testing.assert_allclose(nll.detach().numpy(), tail.f)
    np.testing.assert_allclose(tm.grad.numpy(), tail.dm)
    if f.has_scale:
        np.testing.assert_allclose(ts.grad.numpy(), tail.ds)


T = np.array([0.5, 1.0, 2.0, 3.0, 4.0, 6.0])
D = np.array([7.6, 6.2, 3.9, 2.1, 1.0, 1.0])
DECAY: dict[str, Any] = {
    "model": {"equations": {"x": "-k*x"}, "initial": {"x": 10}},
    "parameters": {"k": {"value": 0.3, "bounds": [0.01, 5], "scale": "log"}, "sd": {"value": 0.5, "bounds": [0.01, 9]}},
    "noise": {"x": {"sigma": "sd"}},
    "fit": {"starts": 1},
}


def experiment(**more: Any) -> odefit.Experiment:
    return odefit.Experiment("1", T, {"x": D}, start=0.0, censored={"x": [0, 0, 0, 0, -1, -1]}, **more)


def by_scipy(lower: Array, distribution: Any = stats.norm, to: Any = lambda x: x) -> Any:
    """The least -ln L over k and sd; the last two values lie between `lower` and 1."""

    def nll(u: Array) -> float:
        g, s = to(10 * np.exp(-math.exp(u[0]) * T)), math.exp(u[1])
        seen = distribution.logpdf(to(D[:4]), g[:4], s).sum() - (np.log(D[:4]).sum() if to is np.log else 0)
        p = distribution.cdf(to(D[4:]), g[4:], s) - np.where(
            np.isnan(lower), 0, distribution.cdf(to(np.nan_to_num(lower, nan=1e-300)), g[4:], s)
        )
        return -float(seen + np.log(p).sum())

    return optimize.minimize(nll, [-1.0, -1.0], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12})


@pytest.mark.parametrize("lower", [(0.0, 0.0), (0.2, np.nan), (0.6, 0.1)])
def test_a_fit_with_intervals_is_that_of_scipy(lower: tuple[float, float]) -> None:
    ends = np.array([np.nan] * 4 + list(lower))
    run = odefit.fit(DECAY, data=experiment(other_end={"x": ends}))
    expected = by_scipy(np.array(lower))
    assert run.result.objective.nll == pytest.approx(expected.fun, abs=1e-6)
    found = [run.result.estimates[name].value for name in ("k", "sd")]
    np.testing.assert_allclose(found, np.exp(expected.x), rtol=1e-5)


def test_standard_errors_are_those_of_the_observed_information() -> None:
    ends = np.array([np.nan] * 4 + [0.2, 0.1])
    config = {**DECAY, "noise": {"x": {"sigma": 0.5}}, "parameters": {"k": DECAY["parameters"]["k"]}}
    run = odefit.fit(config, data=experiment(other_end={"x": ends}))
    k = run.result.estimates["k"].value
    g, dg = 10 * np.exp(-k * T), -10 * T * np.exp(-k * T)
    tail = family("gaussian").interval(-np.ones(2), D[4:], ends[4:], g[4:], np.full(2, 0.5))
    slopes = np.append((g - D)[:4] / 0.5**2, tail.dm)
    information = (np.append(np.full(4, 1 / 0.5**2), tail.dmm) * dg**2 + slopes * 10 * T**2 * np.exp(-k * T)).sum()
    assert run.result.estimates["k"].standard_error == pytest.approx(1 / math.sqrt(information), rel=1e-4)


@pytest.mark.parametrize("noise", ["lognormal", "laplace", "student_t", "poisson", "negative_binomial"])
def test_the_gradient_of_every_noise_is_the_difference(noise: str) -> None:
    ends = {"x": [np.nan] * 4 + [0.0, 0.0]}
    d = np.array([8, 6, 4, 2, 1, 3]) if noise in COUNTS else D
    data = odefit.Experiment("1", T, {"x": d}, start=0.0, censored={"x": [0, 0, 0, 0, -1, -1]}, other_end=ends)
    config = {**DECAY, "parameters": {"k": DECAY["parameters"]["k"]}, "noise": {"x": noise}}
    problem = odefit.load(config, data=data)
    x = problem.x0 * 1.1
    slopes = central_differences(lambda y: np.array([problem.nll(y)]), x, 1e-5)[0]
    np.testing.assert_allclose(problem.gradient(x), slopes, rtol=1e-5, atol=1e-6)


def test_both_engines_have_the_same_likelihood() -> None:
    pytest.importorskip("torch")
    ends = {"x": [np.nan] * 4 + [0.2, 0.1]}
    found = []
    for method in ("tsit45", "dopri5"):
        config = {**DECAY, "solver": {"method": method, "rtol": 1e-9, "atol": 1e-11}}
        problem = odefit.load(config, data=experiment(other_end=ends))
        found.append((problem.nll(problem.x0), problem.gradient(problem.x0)))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-7)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5)


def test_squares_count_beyond_the_other_end_too() -> None:
    torch = pytest.importorskip("torch")
    from odefit.training.limits_torch import off

    m = torch.tensor([0.05, 0.3, 0.8, 0.05, 0.3, 0.8])
    side = torch.tensor([-1, -1, -1, 1, 1, 1])
    values = torch.tensor([0.5, 0.5, 0.5, 0.1, 0.1, 0.1])
    far = torch.tensor([0.1, 0.1, 0.1, 0.5, 0.5, torch.nan])
    difference, counts = off(m, values, side, far)
    torch.testing.assert_close(difference, torch.tensor([-0.05, 0.0, 0.3, -0.05, 0.0, 0.0]))
    assert counts is not None
    assert counts.tolist() == [True, False, True, True, False, False]


def test_resampled_intervals_are_intervals_again() -> None:
    ends = {"x": [np.nan] * 4 + [0.2, 0.2]}
    run = odefit.fit(DECAY, data=experiment(other_end=ends))
    found = run.bootstrap(samples=8)
    assert len(found.rows) == 8
    assert all(row.status == "converged" for row in found.rows)


@pytest.mark.parametrize(
    "ends, message",
    [
        ([np.nan, 0.1, np.nan, np.nan, 0.2, 0.1], "where `censored` does not say"),
        ([np.nan] * 4 + [1.5, 0.1], "on the other side of the value"),
        ([np.nan] * 4 + [-np.inf, 0.1], "is infinite"),
    ],
)
def test_ends_that_contradict_the_flags_are_refused(ends: list[float], message: str) -> None:
    with pytest.raises(odefit.DataError, match=message):
        experiment(other_end={"x": ends})


def test_an_experiment_keeps_its_ends_whatever_is_done_to_its_rows() -> None:
    ends = {"x": [np.nan] * 4 + [0.2, 0.1]}
    one = experiment(other_end=ends)
    part = one.rows(slice(3, 6))
    assert part.other_end is not None
    assert part.other_end[:, 0].tolist()[1:] == [0.2, 0.1]
    wide, own = one.among(np.array([0.7, 5.0]))
    assert wide.other_end is not None
    np.testing.assert_array_equal(wide.other_end[own], one.other_end)
    assert one.at(np.array([1.0])).other_end is None
    assert replace(one, name="2").other_end is one.other_end


def decay(cells: str) -> dict[str, Any]:
    config = {
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": "x0"}},
        "parameters": {"k": {"value": 0.3, "scale": "log"}, "x0": {"value": 8, "scale": "log"}},
    }
    rows = [(float(t), cell) for t, cell in enumerate(cells.split())]
    return {"config": config, "data": pd.DataFrame(rows, columns=["time", "x"])}


def test_a_decay_that_is_read_in_classes_is_fitted() -> None:
    classes, seen = "11..12 5..6 5..6 2..3 3..4 0..1 1..2", "11.5 5.5 5.5 2.5 3.5 0.5 1.5"
    found, beside = odefit.fit(**decay(classes)).result, odefit.fit(**decay(seen)).result
    assert found.status == "converged"
    assert found.objective.rss is None
    for name in ("k", "x0"):
        assert abs(found.estimates[name].value - beside.estimates[name].value) < beside.estimates[name].standard_error


@pytest.mark.parametrize("cells", ["<20 <15 <9 <7", ">1 >2 >0.5"])
def test_limits_of_one_side_alone_are_refused(cells: str) -> None:
    with pytest.raises(ConfigError, match="every measurement of it is a limit of the same side"):
        odefit.fit(**decay(cells))


@pytest.mark.parametrize("kind", ["residuals", "observed"])
def test_what_is_drawn_of_measured_values_is_refused_where_there_is_none(kind: str) -> None:
    run = odefit.fit(**decay("11..12 5..6 5..6 2..3 3..4 0..1 1..2"))
    with pytest.raises(ConfigError, match="none of these states is measured, or by limits and intervals only"):
        odefit.plot(run, kind)
