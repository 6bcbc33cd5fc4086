"""Explicit steps of the rough solution, beside closed forms."""

from __future__ import annotations

import numpy as np

from odefit.engines.rough_steps import rough_steps


def test_oscillation() -> None:
    """Steps and what is between them follow cos and -sin."""
    steps = list(
        rough_steps(
            lambda t, y: np.array([y[1], -y[0]]), 1.0, np.array([np.cos(1), -np.sin(1)]), 9.0, 1e-4, 1e-6 + np.zeros(2)
        )
    )
    assert steps[0].before == 1.0
    assert steps[-1].t == 9.0
    assert steps[-1].evaluations < 300
    for step in steps:
        t = np.linspace(step.before, step.t, 5)
        np.testing.assert_allclose(step.at(t), np.column_stack([np.cos(t), -np.sin(t)]), atol=1e-2)
        np.testing.assert_allclose(step.y, [np.cos(step.t), -np.sin(step.t)], atol=3e-3)


def test_clock_and_no_motion() -> None:
    steps = list(
        rough_steps(lambda t, y: np.array([2 * t, 0.0]), 0.0, np.array([0.0, 5.0]), 3.0, 1e-3, np.full(2, 1e-6))
    )
    np.testing.assert_allclose(steps[-1].y, [9.0, 5.0], rtol=1e-6)
    still = list(rough_steps(lambda t, y: np.zeros(1), 0.0, np.array([1.0]), 3.0, 1e-3, np.full(1, 1e-6)))
    assert len(still) == 1
    assert still[0].t == 3.0


def test_ends_early_where_the_equations_end() -> None:
    """The root of what falls below 0 is no number: the steps shrink, and stop."""
    with np.errstate(all="ignore"):
        steps = list(rough_steps(lambda t, y: -np.sqrt(y) - 1, 0.0, np.array([1.0]), 3.0, 1e-3, np.full(1, 1e-6)))
    assert steps[-1].t < 1.0
    assert np.isfinite(steps[-1].y).all()
