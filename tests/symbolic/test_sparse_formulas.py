"""Sparse regression on a library of terms, against functions that are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from odefit.arrays import FloatArray
from odefit.symbolic.regression import Formula, formulas_of
from odefit.symbolic.samples import Sample
from odefit.symbolic.terms import KINDS, library

RNG = np.random.default_rng(0)
X = RNG.uniform(0.2, 3, size=(400, 2))


def sample(values: FloatArray, weights: FloatArray | None = None) -> Sample:
    return Sample("net", 0, ("x", "y"), X, values, np.ones(len(X)) if weights is None else weights)


def best(values: FloatArray, size: int) -> Formula:
    found = formulas_of(sample(values), library(("x", "y"), X, KINDS, 3), 3)
    return next(f for f in found if f.size == size)


NONE = np.nan
CASES: dict[str, tuple[Callable[[FloatArray, FloatArray], FloatArray], int, dict[str, tuple[float, float]]]] = {
    "a product": (lambda x, y: 0.9 * x * y, 1, {"x*y": (NONE, 0.9)}),
    "a constant": (lambda x, y: np.full(len(x), 0.9), 1, {"1": (NONE, 0.9)}),
    "a polynomial": (
        lambda x, y: 2 * y - x + 0.5 * x**2 * y,
        3,
        {"x": (NONE, -1), "y": (NONE, 2), "x^2*y": (NONE, 0.5)},
    ),
    "saturation": (lambda x, y: 3 * x / (0.7 + x), 2, {"x/({K} + x)": (0.7, 3)}),
    "saturation of another": (lambda x, y: 3 * y * x / (0.7 + x), 2, {"y*x/({K} + x)": (0.7, 3)}),
    "a decay": (lambda x, y: 3 * np.exp(-0.8 * x), 2, {"exp({K}*x)": (-0.8, 3)}),
    "a wave": (lambda x, y: 3 * np.sin(2.5 * y), 2, {"sin({K}*y)": (2.5, 3)}),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_in_the_library_is_found_exactly(name: str) -> None:
    function, size, expected = CASES[name]
    found = best(function(X[:, 0], X[:, 1]), size)
    assert {t.text for t in found.terms} == set(expected)
    for term, inner, c in zip(found.terms, found.inner, found.coefficients, strict=True):
        np.testing.assert_allclose([inner, c], expected[term.text], rtol=1e-5)
    assert found.error < 1e-9
    np.testing.assert_allclose(found.values(X), function(X[:, 0], X[:, 1]), rtol=1e-4, atol=1e-4)


def test_noise_does_not_hide_the_terms() -> None:
    values = 2 * X[:, 1] - X[:, 0] + 0.02 * RNG.standard_normal(len(X))
    assert {t.text for t in best(values, 2).terms} == {"x", "y"}


def test_points_count_by_their_weights() -> None:
    """Where the weight is 0 the output may be anything."""
    values = np.where(X[:, 0] < 1, 50.0, 0.9 * X[:, 0] * X[:, 1])
    found = formulas_of(sample(values, (X[:, 0] >= 1).astype(float)), library(("x", "y"), X, ("polynomial",), 3), 1)
    assert found[0].terms[0].text == "x*y"
    assert found[0].coefficients[0] == pytest.approx(0.9)


def test_more_constants_fit_better() -> None:
    values = np.log1p(X[:, 0]) * np.sqrt(X[:, 1])
    found = formulas_of(sample(values), library(("x", "y"), X, KINDS, 2), 3)
    least = [min(f.error for f in found if f.size == size) for size in (1, 2, 3)]
    assert least[0] > least[1] > least[2] > 0


def test_inputs_that_are_negative_have_no_saturating_terms() -> None:
    texts = [t.text for t in library(("x", "y"), X - [1.0, 0.0], KINDS, 2)]
    assert "x/({K} + x)" not in texts
    assert "y/({K} + y)" in texts
