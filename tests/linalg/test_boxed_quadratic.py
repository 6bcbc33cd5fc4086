"""Convex quadratics in boxes beside SciPy's bounded least squares, and how few decompositions steps at bounds take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from odefit.linalg.boxed_quadratic import minima_in_boxes
from odefit.linalg.dense_matrix import DenseMatrix
from odefit.linalg.score import Evaluation, Evaluations
from odefit.optimizers.local_model import LocalModels
from small_problems import Array


def problems(n: int, rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    a, b = rng.normal(size=(20, n + 3, n)), 3 * rng.normal(size=(20, n + 3))
    low, high = -rng.exponential(size=(20, n)), rng.exponential(size=(20, n))
    low[rng.random(low.shape) < 0.2], high[rng.random(low.shape) < 0.2] = -np.inf, np.inf
    low[rng.random(low.shape) < 0.1] = 0.0
    return a, b, low, high


def test_the_least_is_scipys_and_each_is_what_it_is_alone() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 2, 7, 30):
        a, b, low, high = problems(n, rng)
        h, g = np.swapaxes(a, 1, 2) @ a, -(np.swapaxes(a, 1, 2) @ b[..., None])[..., 0]
        x = minima_in_boxes(h, g, low, high, np.zeros_like(low))
        assert ((x >= low) & (x <= high)).all()
        for k in range(len(a)):
            best = lsq_linear(a[k], b[k], (low[k], np.maximum(high[k], low[k] + 1e-12)), method="bvls", tol=1e-15)
            assert np.sum((a[k] @ x[k] - b[k]) ** 2) == pytest.approx(2 * best.cost, rel=1e-8, abs=1e-12)
            one = slice(k, k + 1)
            alone = minima_in_boxes(h[one], g[one], low[one], high[one], np.zeros_like(low[one]))[0]
            np.testing.assert_array_equal(alone, x[k])


def test_a_start_at_the_minimum_stays_there() -> None:
    a, b, low, high = problems(6, np.random.default_rng(1))
    h, g = np.swapaxes(a, 1, 2) @ a, -(np.swapaxes(a, 1, 2) @ b[..., None])[..., 0]
    x = minima_in_boxes(h, g, low, high, np.zeros_like(low))
    np.testing.assert_allclose(minima_in_boxes(h, g, low, high, x), x, rtol=0, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_a_singular_model_of_many_parameters_takes_few_decompositions(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where pivoting has no end the minimum is found all the same, and not by trying a thousand sets of bounds."""
    rng = np.random.default_rng(seed)
    n = 40
    a = rng.normal(size=(60, 8)) @ rng.normal(size=(8, n)) + 1e-9 * rng.normal(size=(60, n))
    a *= 10.0 ** rng.uniform(-4, 4, n)
    z, low, high = 5 * rng.normal(size=60), -rng.exponential(size=n), rng.exponential(size=n)
    low[::3] = 0.0
    model = LocalModels.at(
        np.zeros((1, n)), Evaluations.of([Evaluation(0.0, z, DenseMatrix(a))]), np.ones(n), low, high
    )
    decompositions = []
    svd: Callable[..., Any] = np.linalg.svd

    def counted(*given: Any, **named: Any) -> Any:
        decompositions.append(given)
        return svd(*given, **named)

    monkeypatch.setattr(np.linalg, "svd", counted)
    p = model.damped(np.zeros(1))[0]
    assert ((p >= low) & (p <= high)).all()
    assert len(decompositions) <= 20
    theirs = lsq_linear(a, -z, (low, high + 1e-15), method="bvls", tol=1e-15)
    assert np.sum((a @ p + z) ** 2) <= 2 * theirs.cost * (1 + 1e-4)
