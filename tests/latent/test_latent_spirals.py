"""The spirals are what they are said to be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.linalg import expm

from odefit.errors import ConfigError
from odefit.latent.spirals import draw_spirals


def test_half_of_the_spirals_turn_each_way() -> None:
    matrices = draw_spirals(200).matrices
    curl = matrices[:, 1, 0] - matrices[:, 0, 1]
    assert (curl[0::2] < 0).all()
    assert (curl[1::2] > 0).all()
    assert (np.trace(matrices, axis1=1, axis2=2) < -0.1).all()


def test_spirals_turn_the_way_they_should() -> None:
    """The angle of those with complex eigenvalues moves one way only, by the imaginary part per unit of time."""
    spirals = draw_spirals(100, times=2000)
    frequency = np.linalg.eigvals(spirals.matrices).imag.max(axis=1)
    angle = np.unwrap(np.arctan2(spirals.truth[..., 1], spirals.truth[..., 0]), axis=1)
    turns = (angle[:, -1] - angle[:, 0]) / spirals.times[-1]
    quick = frequency > 0.5
    assert quick.sum() > 50
    signs = np.where(np.arange(100) % 2 == 0, -1.0, 1.0)
    # To half a turn: an ellipse is not passed at one speed.
    np.testing.assert_allclose(turns[quick], (signs * frequency)[quick], atol=math.pi / spirals.times[-1])


def test_matrices_reproduce_the_trajectories() -> None:
    spirals = draw_spirals(12, times=30)
    for matrix, truth in zip(spirals.matrices, spirals.truth, strict=True):
        exact = [expm(matrix * t) @ truth[0] for t in spirals.times]
        np.testing.assert_allclose(truth, exact, atol=1e-12)


def test_noise_and_starts_of_the_spirals_are_as_stated() -> None:
    spirals = draw_spirals(1000)
    noise = spirals.measured - spirals.truth
    assert noise.std() == pytest.approx(0.02, rel=0.01)
    assert abs(noise.mean()) < 5 * 0.02 / math.sqrt(noise.size)
    assert spirals.truth[:, 0].std() == pytest.approx(2.0, rel=0.06)
    assert spirals.truth.shape == (1000, 200, 2)
    assert spirals.times[-1] == pytest.approx(31.45)


def test_spirals_depend_on_their_seed_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one, again, other = draw_spirals(3, seed=4), draw_spirals(3, seed=4), draw_spirals(3, seed=5)
    np.testing.assert_array_equal(one.measured, again.measured)
    assert (one.measured != other.measured).all()
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_spirals_that_make_no_data_are_refused() -> None:
    with pytest.raises(ConfigError, match="times >= 2"):
        draw_spirals(3, times=1)
