"""The errors of some parameters beside others that a penalty holds."""

from __future__ import annotations

import numpy as np
import pytest

from odefit.uncertainty.penalised import penalised_errors

RNG = np.random.default_rng(3)
J = RNG.normal(size=(30, 6))
S = np.diag([0.0, 0.0, 0.5, 0.5, 0.5, 0.5])[2:]
FREE = np.array([True, True])


def test_of_equal_noise_it_is_the_inverse_of_the_penalised_information() -> None:
    found = penalised_errors([J], [np.full(30, 0.04)], S, FREE, [None])
    expected = 0.04 * np.linalg.inv(J.T @ J + S.T @ S)[:2, :2]
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-10)
    hat = J @ np.linalg.inv(J.T @ J + S.T @ S) @ J.T
    assert found.taken[0] == pytest.approx(np.trace(hat))
    alone = 0.2 * np.sqrt(np.diag(np.linalg.inv(J.T @ J)))[:2]
    np.testing.assert_allclose(found.by_data, alone, rtol=1e-10)


def test_estimates_of_drawn_truths_scatter_as_they_say() -> None:
    """Noise of two sizes, and a truth drawn from what the penalty expects."""
    v = np.repeat([0.01, 0.09], 15)
    found = penalised_errors([J[:15], J[15:]], [v[:15], v[15:]], S, FREE, [None, None])
    left, n = np.linalg.inv(J.T @ J + S.T @ S) @ J.T, 20_000
    truth = np.zeros((n, 6))
    truth[:, 2:] = RNG.normal(size=(n, 4)) * np.sqrt(v.mean()) / 0.5
    data = truth @ J.T + RNG.normal(size=(n, 30)) * np.sqrt(v)
    scatter = np.cov((data @ left.T - truth)[:, :2].T)
    np.testing.assert_allclose(found.covariance, scatter, rtol=0.05, atol=0.02 * scatter.max())


def test_a_noise_level_from_the_residuals_counts_what_the_fit_takes() -> None:
    given = penalised_errors([J], [np.full(30, 0.04)], S, FREE, [None])
    estimated = penalised_errors([J], [np.full(30, 0.04)], S, FREE, [7])
    growth = 30 / (30 - given.taken[0])
    np.testing.assert_allclose(estimated.covariance, growth * given.covariance, rtol=1e-12)


def test_what_others_can_stand_in_for_is_open_without_the_penalty() -> None:
    j = J.copy()
    j[:, 0] = j[:, 2] - 2 * j[:, 3]
    found = penalised_errors([j], [np.full(30, 0.04)], S, FREE, [None])
    assert np.isinf(found.by_data[0])
    assert np.isfinite(found.by_data[1])
    assert np.isfinite(found.covariance).all()


def test_a_parameter_at_its_bound_is_taken_as_known() -> None:
    found = penalised_errors([J], [np.full(30, 0.04)], S, np.array([False, True]), [None])
    without = penalised_errors([J[:, 1:]], [np.full(30, 0.04)], S[:, 1:], np.array([True]), [None])
    assert found.covariance[0, 0] == 0
    assert found.covariance[1, 1] == pytest.approx(without.covariance[0, 0])
