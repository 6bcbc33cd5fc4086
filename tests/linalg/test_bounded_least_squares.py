"""Least squares in a box beside SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from odefit.linalg.bounded_least_squares import bounded_least_squares
from small_problems import Array


def problem(seed: int) -> tuple[Array, Array, Array, Array]:
    """Some with columns that are nearly alike, infinite bounds and bounds that are equal; the last has no column."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 9))
    a, b = rng.normal(size=(n + int(rng.integers(0, 6)), n)), 3 * rng.normal(size=n + 9)
    if seed % 3 == 0:
        a[:, -1] = a[:, 0] + 1e-9 * rng.normal(size=len(a))
    low, high = -rng.exponential(size=n), rng.exponential(size=n)
    low[rng.random(n) < 0.2], high[rng.random(n) < 0.2] = -np.inf, np.inf
    return a, b[: len(a)], low, high


@pytest.mark.parametrize("seed", range(40))
def test_the_least_is_scipys(seed: int) -> None:
    a, b, low, high = problem(seed)
    x = bounded_least_squares(a[None], b[None], low[None], high[None])[0]
    assert ((x >= low) & (x <= high)).all()
    theirs = lsq_linear(a, b, (low, high), method="bvls", tol=1e-15)
    assert np.sum((a @ x - b) ** 2) == pytest.approx(2 * theirs.cost, rel=1e-9, abs=1e-12)


def test_a_component_without_room_stays() -> None:
    a, b = np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([3.0, 4.0])
    low, high = np.array([[2.0, -9.0], [2.0, -9.0]]), np.array([[2.0, 1.5], [2.0, 9.0]])
    x = bounded_least_squares(np.stack([a, a]), np.stack([b, b]), low, high)
    np.testing.assert_allclose(x, [[2.0, 1.5], [2.0, 2.0]])


def test_many_at_once_are_what_each_is_alone() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(60, 7, 5)), 3 * rng.normal(size=(60, 7))
    a[::3, :, -1] = a[::3, :, 0] + 1e-9 * rng.normal(size=(20, 7))
    low, high = -rng.exponential(size=(60, 5)), rng.exponential(size=(60, 5))
    low[rng.random((60, 5)) < 0.2] = -np.inf
    x = bounded_least_squares(a, b, low, high)
    for k in range(60):
        one = slice(k, k + 1)
        np.testing.assert_array_equal(bounded_least_squares(a[one], b[one], low[one], high[one])[0], x[k])
