"""Profiles of noise levels are adjusted: of a linear model they have the closed form of a chi-square likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

import odefit
from odefit import Experiment
from odefit.profiles.adjustment import root_of_level

TIMES = np.array([0.0, 1.0, 2.0, 3.0, 5.0, 8.0])
VALUES = np.array([1.9, 2.8, 4.4, 4.9, 8.2, 12.4])


def test_the_level_of_a_line_has_the_likelihood_of_chi_square_with_the_degrees_that_are_left() -> None:
    config = {
        "model": {"equations": {"x": "b"}},
        "parameters": {"b": {"value": 1.0}, "x_0": {"value": 2.0}},
        "solver": {"rtol": 1e-10, "atol": 1e-12},
    }
    found = odefit.profile(odefit.fit(config, data=[Experiment("a", TIMES, {"x": VALUES})]), ["sigma_x"])["sigma_x"]
    design = np.stack([np.ones_like(TIMES), TIMES], axis=1)
    rss = float(np.linalg.lstsq(design, VALUES, rcond=None)[1][0])
    left = len(TIMES) - 2

    def rise(s: float) -> float:
        return left * np.log(s) + rss / (2 * s * s) - left * (np.log(rss / left) + 1) / 2

    limit = root_of_level(0.95, left) ** 2 / 2
    middle = np.sqrt(rss / left)
    ends = [
        optimize.brentq(lambda s: rise(s) - limit, *span) for span in ((middle / 20, middle), (middle, 50 * middle))
    ]
    np.testing.assert_allclose(found.interval, ends, rtol=1e-5)
    np.testing.assert_allclose(found.rise, [rise(s) for s in found.value], atol=1e-5)
    # Chi-square of these degrees lies between the ends with the wanted probability.
    low, high = (rss / end**2 for end in (ends[1], ends[0]))
    assert stats.chi2.cdf(high, left) - stats.chi2.cdf(low, left) == pytest.approx(0.95, abs=1e-5)


def test_a_level_beside_one_that_is_eliminated_is_profiled_as_it_is_alone() -> None:
    """A limit leaves no closed form for the level of y, whose data share nothing with those of x."""
    config = {"model": {"equations": {"x": "b", "y": "c"}}, "parameters": {"b": {"value": 1.0}, "c": {"value": 1.0}}}
    censored = {"y": np.array([0, 0, 0, 0, 0, 1])}
    y = {"y": VALUES[::-1]}
    both = odefit.fit(config, data=[Experiment("a", TIMES, {"x": VALUES, **y}, censored=censored)])
    only = {"model": {"equations": {"y": "c"}}, "parameters": {"c": {"value": 1.0}}}
    alone = odefit.fit(only, data=[Experiment("a", TIMES, y, censored=censored)])
    found, expected = (odefit.profile(run, ["sigma_y"])["sigma_y"] for run in (both, alone))
    np.testing.assert_allclose(found.interval, expected.interval, rtol=1e-4)


@pytest.mark.parametrize("degrees", [1.0, 3.0, 30.0, 1000.0])
def test_the_threshold_goes_to_that_of_the_normal_distribution(degrees: float) -> None:
    found = root_of_level(0.95, degrees)
    expected = stats.norm.ppf(0.975) * np.sqrt(1 + 1 / (3 * degrees))  # Bartlett's factor
    assert found == pytest.approx(expected, rel=0.05 / degrees)
