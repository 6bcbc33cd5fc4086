"""Smoothing splines: their limits, SciPy's natural spline, and the noise that they find."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicSpline, make_smoothing_spline

from odefit.collocation.spline import Curves, Smoother

T = np.array([0.0, 0.5, 1.2, 2.0, 2.1, 3.3, 4.0, 6.0])
D = np.array([1.0, 2.0, 1.5, 0.2, 0.1, -1.0, 0.5, 3.0])


def test_it_is_the_natural_spline_within_and_a_straight_line_beyond() -> None:
    spline = CubicSpline(T, D, bc_type="natural")
    times = np.linspace(0, 6, 50)
    np.testing.assert_allclose(Smoother(T).interpolated(D, times), spline(times), atol=1e-12)
    outside = np.array([-1.0, 8.0])
    expected = [D[0] - spline(0.0, 1), D[-1] + 2 * spline(6.0, 1)]
    np.testing.assert_allclose(Smoother(T).interpolated(D, outside), expected)


def test_the_strongest_is_the_straight_line_of_least_squares() -> None:
    line = np.polyval(np.polyfit(T, D, 1), T)
    np.testing.assert_allclose(Smoother(T).smoothed(D, 1e12), line, atol=1e-6)
    np.testing.assert_allclose(Smoother(T).smoothed(D, 0.0), D, atol=1e-12)


def test_what_is_smoothed_is_a_smoothing_spline() -> None:
    """SciPy's has the same residuals for one lambda of its own: found from the sum of squares of ours."""
    from scipy.optimize import brentq

    ours = Smoother(T).smoothed(D, 0.3)
    squares = float(np.sum((ours - D) ** 2))

    def excess(log_lambda: float) -> float:
        return float(np.sum((make_smoothing_spline(T, D, lam=np.exp(log_lambda))(T) - D) ** 2)) - squares

    strength = np.exp(brentq(excess, -12, 8, xtol=1e-12))
    np.testing.assert_allclose(ours, make_smoothing_spline(T, D, lam=strength)(T), atol=1e-7)


def test_the_scatter_of_the_data_is_found() -> None:
    rng, t = np.random.default_rng(2), np.linspace(0, 10, 60)
    series = [(t, np.sin(t + phase) + 0.2 * rng.standard_normal(60)) for phase in (0.0, 1.0, 2.0)]
    curves = Curves(series)
    assert curves.deviation == pytest.approx(0.2, rel=0.15)
    np.testing.assert_allclose(curves.at(1, t), np.sin(t + 1), atol=0.25)


def test_few_points_are_joined_by_straight_lines_and_none_give_nothing() -> None:
    curves = Curves([(T[:3], D[:3]), (T[:0], D[:0])])
    np.testing.assert_allclose(curves.at(0, np.array([0.25])), [1.5])
    assert np.isnan(curves.at(1, T)).all()


def test_an_oscillation_that_is_sampled_thinly_is_not_smoothed_away() -> None:
    t = np.arange(10.0)
    curves = Curves([(t, np.sin(1.9 * t))])
    assert np.isnan(curves.deviation)
    np.testing.assert_allclose(curves.at(0, t), np.sin(1.9 * t), atol=1e-9)
