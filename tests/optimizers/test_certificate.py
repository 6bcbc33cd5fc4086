"""Certificates of optima: small where there is an optimum, whatever found it, and large everywhere else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import closed_form_problems as closed
from more_garbow_hillstrom import PROBLEMS, Problem
from odefit.optimizers.certificate import Certificate, certify
from odefit.optimizers.least_squares import minimize_least_squares
from odefit.optimizers.noise_level import POINTS, noise_levels

Array = NDArray[np.float64]
SMALL = [p for p in PROBLEMS if min(p.minima) < 1e3]


def certificate(
    objective: closed.SquaredResiduals, u: Array, low: float = -np.inf, high: float = np.inf
) -> Certificate:
    size = np.where(u != 0, np.abs(u), 1.0)
    return certify(objective, u, np.full(len(u), low), np.full(len(u), high), size)


@pytest.mark.parametrize("problem", SMALL, ids=lambda p: p.name)
def test_minima_have_a_certificate_and_starts_have_none(problem: Problem) -> None:
    objective = closed.SquaredResiduals.of(problem)
    u = minimize_least_squares(objective, problem.start, max_iterations=1000).u
    assert certificate(objective, u).holds
    start, left = certificate(objective, problem.start), objective.value(problem.start) - objective.value(u)
    # Two published starts lie closer to the minimum than half a thousandth of a standard error.
    assert start.holds == (left < 1e-3)


def test_the_promise_of_a_linear_problem_is_what_can_be_gained() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(9, 4)), rng.normal(size=9)
    objective = closed.SquaredResiduals(lambda x: a @ x - b[:, None] if x.ndim == 2 else a @ x - b)
    u = rng.normal(size=4)
    for low, high in ((-np.inf, np.inf), (-0.1, 0.1), (0.0, np.inf)):
        inside = np.clip(u, low, high)
        found = certificate(objective, inside, low, high)
        best = minimize_least_squares(objective, inside, low, high)
        assert found.promise == pytest.approx(objective.value(inside) - best.value, rel=1e-8, abs=1e-12)
        assert found.gain == pytest.approx(found.promise, rel=1e-8, abs=1e-12)
        assert certificate(objective, best.u, low, high).holds


def test_a_nearly_singular_model_in_a_box_is_no_optimum() -> None:
    # The unbounded minimum is at (1e6, -1e6): a corner of the box is the optimum, the middle is not.
    objective = closed.SquaredResiduals(lambda x: np.stack([x[0] + x[1] - 0.3, 1e-6 * (x[0] - x[1]) - 2.0]))
    assert not certificate(objective, np.array([0.0, 0.0]), -1.0, 1.0).holds
    best = minimize_least_squares(objective, np.array([0.0, 0.0]), -1.0, 1.0)
    assert best.status == "converged"
    assert certificate(objective, best.u, -1.0, 1.0).holds
    np.testing.assert_allclose(best.u, [1.0, -0.7], atol=1e-5)


def test_equal_bounds_are_no_direction() -> None:
    objective = closed.SquaredResiduals(lambda x: np.stack([x[0] - 3, x[0] + x[1] - 4]))
    low, high = np.array([2.0, -9.0]), np.array([2.0, 1.5])
    assert certify(objective, np.array([2.0, 1.5]), low, high, np.ones(2)).holds
    assert not certify(objective, np.array([2.0, 0.0]), low, high, np.ones(2)).holds


def test_where_nothing_can_be_computed_nothing_is_certified() -> None:
    objective = closed.SquaredResiduals(lambda x: np.stack([np.log(x[0])]))
    assert not certificate(objective, np.array([-1.0])).holds


def test_noise_is_measured_and_smooth_functions_have_none() -> None:
    rng, x = np.random.default_rng(1), np.linspace(0.0, 1.0, POINTS)
    for level in (1e-9, 1e-3, 10.0):
        found = noise_levels(3 * x**2 - x + level * rng.standard_normal((200, POINTS)))
        assert np.isfinite(found).sum() > 100
        assert np.nanmedian(found) == pytest.approx(level, rel=0.3)
    for smooth in (np.exp(x), np.sin(3 * x), np.abs(x - 0.4), np.where(x > 0.5, 1.0, 0.0), np.full(POINTS, np.nan)):
        assert np.isnan(noise_levels(smooth[None])).all()


def test_values_that_are_not_finite_show_no_noise_and_hide_none_beside_them() -> None:
    noisy = np.random.default_rng(0).standard_normal((1, POINTS))
    lost = np.where(np.arange(POINTS) % 3 == 1, np.inf, noisy)
    assert noise_levels(noisy) == noise_levels(np.vstack([lost, noisy, lost]))[1]
    assert np.isnan(noise_levels(np.vstack([lost, -lost, lost * np.nan]))).all()
