"""Minima of strictly convex models by machine code: beside its text as Python, arrays over all points, and SciPy."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from odefit.linalg import quick_minima as quick
from odefit.linalg.dense_least_squares import DenseLeastSquares, _triangles
from odefit.linalg.matrix import EPS
from odefit.linalg.strict_minima import ROUNDING, minima
from odefit.linalg.triangles import triangles
from odefit.optimizers.local_model import LocalModels, norm
from small_problems import Array

POINTS = 12

needs_llvmlite = pytest.mark.skipif(quick._code() is None, reason="there is no machine code")


def problems(n: int, seed: int, scale: float = 1.0) -> tuple[Array, Array, Array, Array]:
    """Matrices with columns of unlike lengths, and boxes around 0, which some touch and some leave open."""
    rng = np.random.default_rng([n, seed])
    a = rng.normal(size=(POINTS, n + 4, n)) * np.exp(rng.normal(size=n)) * scale
    low, high = -rng.exponential(size=(POINTS, n)) / scale, rng.exponential(size=(POINTS, n)) / scale
    low[rng.random(low.shape) < 0.2], high[rng.random(low.shape) < 0.2] = -np.inf, np.inf
    low[rng.random(low.shape) < 0.1], high[rng.random(low.shape) < 0.1] = 0.0, 0.0
    return a, 3 * rng.normal(size=(POINTS, n + 4)), low, high


def models(n: int, seed: int, scale: float = 1.0) -> LocalModels:
    a, z, low, high = problems(n, seed, scale)
    return LocalModels(DenseLeastSquares.of(a, z), low, high)


def by_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on without machine code."""
    monkeypatch.setattr(quick, "_code", lambda: None)


@needs_llvmlite
@pytest.mark.parametrize("n", [1, 2, 7, 30])
@pytest.mark.parametrize("scale", [1e-120, 1.0, 1e120])
def test_the_minima_are_those_of_arrays_and_of_scipy(n: int, scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no damping and with some; each is what it is alone."""
    a, z, low, high = problems(n, 0, scale)
    many = LocalModels(DenseLeastSquares.of(a, z), low, high)
    for share in (0.0, 0.3):
        damping = share * many.problem.largest_curvature()
        unlimited = np.full(POINTS, np.inf)
        found = many.problem.quick_minima(damping, unlimited, low, high)
        assert found is not None
        p, taken, done = found
        assert done.all()
        assert (taken == damping).all()
        assert ((p >= low) & (p <= high)).all()
        with monkeypatch.context() as patch:
            by_arrays(patch)
            np.testing.assert_allclose(p, many.damped(damping), rtol=0, atol=1e-10 * np.abs(p).max())
        for k in range(POINTS):
            ridge = np.sqrt(damping[k]) * np.eye(n)
            rows, target = np.vstack([a[k], ridge]) / scale, np.append(-z[k], np.zeros(n))
            box = low[k] * scale, np.maximum(high[k], low[k] + 1e-12 / scale) * scale
            best = lsq_linear(rows, target, box, method="bvls", tol=1e-15)
            own = np.sum((rows @ (p[k] * scale) - target) ** 2)
            assert own == pytest.approx(2 * best.cost, rel=1e-9, abs=1e-12)
            one = np.array([k])
            alone = many.take(one).problem.quick_minima(damping[one], unlimited[one], low[one], high[one])
            assert alone is not None
            np.testing.assert_array_equal(alone[0][0], p[k])


@needs_llvmlite
@pytest.mark.parametrize("n", [1, 2, 7, 30])
@pytest.mark.parametrize("seed", range(4))
def test_a_step_meets_its_radius_and_is_a_minimum_there(n: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    many = models(n, seed)
    full = many.damped(np.zeros(POINTS))
    radius = norm(full) * np.random.default_rng(seed).uniform(0.01, 1.5, POINTS)
    p, damping = many.step(radius, full)
    short = norm(full) <= 1.1 * radius
    np.testing.assert_array_equal(p[short], full[short])
    assert (damping[short] == 0).all()
    assert (damping[~short] > 0).all()
    assert (np.abs(norm(p) - radius)[~short] <= 0.1001 * radius[~short]).all()
    # No component would go on: of those that may, the slope is nothing, and on a bound it points out of the box.
    slope, rounding = many.problem.strictly_held(damping).slope(p)
    rounding *= 1000
    assert (slope[p > many.low] <= rounding[p > many.low]).all()
    assert (slope[p < many.high] >= -rounding[p < many.high]).all()
    by_arrays(monkeypatch)
    again, taken = many.step(radius, full)
    np.testing.assert_allclose(p, again, rtol=0, atol=1e-8)
    np.testing.assert_allclose(damping, taken, rtol=1e-6, atol=0)


@needs_llvmlite
def test_machine_code_does_what_its_text_does_as_python() -> None:
    assert ROUNDING == EPS
    many = models(5, 0)
    problem, radius = many.problem, np.geomspace(0.01, 100, POINTS)
    assert isinstance(problem, DenseLeastSquares)
    found = problem.quick_minima(np.zeros(POINTS), radius, many.low, many.high)
    assert found is not None
    p, damping, done = np.empty((POINTS, 5)), np.zeros(POINTS), np.zeros(POINTS, dtype=np.intp)
    given = problem.F, problem.c, problem.least, problem.most, many.low, many.high, radius, damping, p
    flat = [np.ravel(array) for array in given]
    minima(POINTS, np.array([5, problem.F.shape[1]]), *flat, done, np.zeros(5, dtype=np.intp), np.zeros(65))
    np.testing.assert_allclose(p, found[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(damping, found[1], rtol=1e-6, atol=0)
    assert done.all()
    assert found[2].all()


@pytest.mark.parametrize("kind", ["alike", "zero", "few rows", "nearly alike"])
def test_what_is_not_strictly_convex_is_left_to_singular_values(kind: str) -> None:
    a, z, low, high = problems(6, 0)
    if kind == "few rows":
        a, z = a[:, :4], z[:, :4]
    else:
        a[:, :, 3] = {"alike": a[:, :, 0], "zero": 0.0, "nearly alike": a[:, :, 0] + 1e-9 * a[:, :, 1]}[kind]
    # With an open box a minimum may lie infinitely far.
    low, high = np.maximum(low, -10.0), np.minimum(high, 10.0)
    many = LocalModels(DenseLeastSquares.of(a, z), low, high)
    found = many.problem.quick_minima(np.zeros(POINTS), np.full(POINTS, np.inf), low, high)
    assert found is None or not found[2].any()
    p = many.damped(np.zeros(POINTS))
    assert ((p >= low) & (p <= high)).all()
    for k in range(POINTS):
        best = lsq_linear(a[k], -z[k], (low[k], np.maximum(high[k], low[k] + 1e-12)), method="bvls", tol=1e-15)
        assert np.sum((a[k] @ p[k] + z[k]) ** 2) == pytest.approx(2 * best.cost, rel=1e-7, abs=1e-9)


def test_the_strict_and_the_others_may_be_asked_together() -> None:
    """Minimisers without bounds, and what they gain, are LAPACK's, damped or not."""
    a, z, *_ = problems(6, 1)
    a[::2, :, 3] = a[::2, :, 0]
    problem = DenseLeastSquares.of(a, z)
    assert problem.is_strict(np.zeros(POINTS)).tolist() == [k % 2 == 1 for k in range(POINTS)]
    for damping in (np.zeros(POINTS), np.full(POINTS, 0.7)):
        p, gained = problem.minimiser(damping), problem.decrease(problem.minimiser(damping))
        for k in range(POINTS):
            rows = np.vstack([a[k], np.sqrt(damping[k]) * np.eye(6)])
            best, *_ = np.linalg.lstsq(rows, np.append(-z[k], np.zeros(6)), rcond=1e-12)
            np.testing.assert_allclose(p[k], best, rtol=1e-8, atol=1e-10)
            assert gained[k] == pytest.approx(z[k] @ z[k] / 2 - np.sum((a[k] @ best + z[k]) ** 2) / 2, rel=1e-9)


def test_curvatures_are_between_their_limits() -> None:
    a, z, *_ = problems(6, 2)
    problem, s = DenseLeastSquares.of(a, z), np.linalg.svd(a, compute_uv=False)
    assert (problem.least <= s[:, -1] ** 2 * (1 + 1e-12)).all()
    assert (problem.least >= s[:, -1] ** 2 / 6).all()
    assert (problem.most >= s[:, 0] ** 2 * (1 - 1e-12)).all()
    assert (problem.most <= s[:, 0] ** 2 * 6).all()
    np.testing.assert_allclose(problem.largest_curvature(), s[:, 0] ** 2)


@needs_llvmlite
@pytest.mark.parametrize("shape", [(1, 1), (42, 8), (9, 9), (50, 30)])
def test_triangles_are_lapacks_and_those_of_their_text_as_python(shape: tuple[int, int]) -> None:
    a, (m, n) = np.random.default_rng(0).normal(size=(POINTS, *shape)), shape
    found = quick.quick_triangles(a)
    assert found is not None
    q, r, least, most = found
    np.testing.assert_allclose(q @ r, a, rtol=0, atol=1e-13)
    # Columns that are nearly dependent cost as many digits as there are in the condition.
    np.testing.assert_allclose(np.swapaxes(q, 1, 2) @ q, np.broadcast_to(np.eye(n), (POINTS, n, n)), rtol=0, atol=1e-11)
    _, theirs, *limits = _triangles(a)
    signs = np.sign(theirs[:, np.arange(n), np.arange(n)])[:, :, None]
    np.testing.assert_allclose(r, signs * theirs, rtol=0, atol=1e-11)
    np.testing.assert_allclose([least, most], limits, rtol=1e-9)
    np.testing.assert_array_equal(quick.quick_triangles(a[3:4])[1][0], r[3])  # type: ignore[index]
    flat = np.ravel(a).copy(), np.empty(r.size), np.empty(POINTS), np.empty(POINTS)
    triangles(POINTS, m, n, *flat, np.empty(n))
    for own, other in zip(flat, found, strict=True):
        np.testing.assert_allclose(own, np.ravel(other), rtol=1e-9, atol=1e-11)


@needs_llvmlite
def test_a_triangle_without_an_inverse_has_no_least_curvature() -> None:
    a = np.random.default_rng(0).normal(size=(2, 5, 3))
    a[0, :, 1], a[1] = 0.0, 0.0
    found = quick.quick_triangles(a)
    assert found is not None
    assert found[2].tolist() == [0.0, 0.0]
    assert all(np.isfinite(array).all() for array in found)
    assert quick.quick_triangles(a[:, :2]) is None


def test_many_columns_and_a_machine_without_llvmlite_are_served_by_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    n = quick.MAX_COLUMNS + 1
    many = models(n, 0)
    assert many.problem.quick_minima(np.zeros(POINTS), np.ones(POINTS), many.low, many.high) is None
    some = models(3, 0)
    p = some.damped(np.zeros(POINTS))
    quick._code.cache_clear()
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    assert quick._code() is None
    np.testing.assert_allclose(some.damped(np.zeros(POINTS)), p, rtol=0, atol=1e-12)
    quick._code.cache_clear()
