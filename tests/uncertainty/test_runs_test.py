"""Residuals that are noise, and residuals that are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas
import pytest
from scipy.stats import binom

import odefit
from odefit.arrays import FloatArray
from odefit.uncertainty.runs_test import SIGNIFICANCE, neighbours

pytestmark = pytest.mark.quick


def test_pairs_are_counted_within_experiments() -> None:
    r = np.array([1.0, 2.0, -1.0, -3.0, -1.0, 5.0, 0.0, 6.0])
    owner = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    found = neighbours(r, owner)
    # ++, +-, -- in the first; -+ and, with the zero passed over, ++ in the second.
    assert (found.pairs, found.agree) == (5, 3)
    assert found.chance == pytest.approx(float(binom.sf(2, 5, 0.5)))


def test_noise_is_hardly_ever_called_anything_else() -> None:
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(4), 25)
    called = sum(not neighbours(rng.standard_t(3, 100), owner).is_random for _ in range(5000))
    # Discrete, so at most SIGNIFICANCE: 5 are expected of 5,000.
    assert called <= 5000 * SIGNIFICANCE * 3


def test_a_slow_wave_of_half_the_noise_is_found() -> None:
    rng = np.random.default_rng(1)
    t = np.linspace(0, 2 * np.pi, 200)
    found = sum(
        not neighbours(np.sin(t) + 0.7 * rng.normal(size=200), np.zeros(200, np.intp)).is_random for _ in range(100)
    )
    assert found > 95


def complaints(model: dict[str, Any], times: FloatArray, values: list[Any], name: str = "x") -> list[str]:
    """What a fit says of the residuals; values may be texts such as `<0.1`."""
    result = odefit.fit(model, data=pandas.DataFrame({"time": times, name: values})).result
    return [warning for warning in result.warnings if "not random" in warning]


@pytest.mark.parametrize(
    "equation, parameters, complains",
    [("-k*N", {"k": -0.1}, True), ("r*N*(1 - N/K)", {"r": 0.5, "K": {"value": 8, "bounds": [1, 100]}}, False)],
    ids=["wrong model", "right model"],
)
def test_a_fit_says_that_its_model_misses_something(equation: str, parameters: dict[str, Any], complains: bool) -> None:
    t = np.linspace(0, 10, 41)
    n = 10 / (1 + 4 * np.exp(-0.9 * t)) + 0.2 * np.random.default_rng(2).normal(size=41)
    said = complaints({"model": {"equations": {"N": equation}}, "parameters": parameters}, t, list(n), "N")
    assert len(said) == int(complains)
    if complains:
        assert said[0].startswith("the residuals of N are not random: 9")


DECAY = {
    "model": {"equations": {"x": "-k*x"}, "initial": {"x": "x_start"}},
    "parameters": {"k": 0.1, "x_start": 3},
}


def test_the_right_model_is_not_blamed_for_its_noise() -> None:
    t = np.linspace(0, 30, 120)
    mean = 3 * np.exp(-0.06 * t)
    for seed in range(6):
        counts = np.random.default_rng(seed).poisson(mean)
        assert not complaints(DECAY | {"noise": "poisson"}, t, list(counts))
    # Half of what is measured lies below the limit.
    x = 4 * np.exp(-0.3 * t) + 0.3 * np.random.default_rng(1).normal(size=len(t))
    assert not complaints(DECAY, t, [float(b) if b >= 0.1 else "<0.1" for b in x])
    # Nothing is left but the solver's error.
    assert not complaints(DECAY | {"noise": {"x": {"sigma": 0.1}}}, t, list(3 * np.exp(-0.2 * t)))
