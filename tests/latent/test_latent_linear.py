"""A linear latent field: its matrices, its exact solution, the search by parts, and that it learns spirals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.errors import ModelError
from odefit.latent.estimator import FittedLatent, fit_latent, predict
from odefit.latent.evaluation import errors_of
from odefit.latent.linear_field import LinearField
from odefit.latent.minibatches import ADAM, TrainingOptions
from odefit.latent.model import LatentOptions
from odefit.latent.objective import ElboOptions
from odefit.latent.refinement import Found, most_probable, most_probable_by_parts
from odefit.latent.spirals import draw_spirals
from small_latent import generator, tiny

LINEAR = LatentOptions(dimension=8, constants=6, hidden=(), decoder=(), encoder=8, refine=6)


@pytest.fixture
def field() -> LinearField:
    torch.manual_seed(0)
    return LinearField(3, 4).double()


def test_every_matrix_comes_to_rest(field: LinearField) -> None:
    constants = 3 * torch.randn(200, 4, generator=generator(), dtype=torch.float64)
    assert torch.linalg.eigvals(field.matrices(constants)).real.max() < 1e-9


def test_the_solution_follows_the_matrices(field: LinearField) -> None:
    start, constants = torch.randn(2, 5, 4, generator=generator(), dtype=torch.float64)
    start = start[:, :3]
    h = 1e-5
    times = torch.tensor([0.0, 0.4 - h, 0.4, 0.4 + h], dtype=torch.float64)
    first, before, there, after = field.solve(start, constants, times)
    torch.testing.assert_close(first, start)
    slope = torch.einsum("eij,ej->ei", field.matrices(constants), there)
    torch.testing.assert_close((after - before) / (2 * h), slope, rtol=1e-6, atol=1e-6)


def test_a_model_solves_it_in_the_unit_of_its_data() -> None:
    model = tiny(options=LINEAR)
    model.unit.fill_(2.0)
    z0 = torch.randn(4, 8, generator=generator(), dtype=torch.float64)
    times = torch.tensor([0.6, 1.5], dtype=torch.float64)
    z = model.evolve(z0, times)
    assert isinstance(model.field, LinearField)
    torch.testing.assert_close(z[..., :2], model.field.solve(z0[:, :2], z0[:, 2:], times / 2))
    torch.testing.assert_close(z[..., 2:], z0[:, 2:].expand(2, 4, 6))
    # The first latent states are the observables before anything is learnt.
    torch.testing.assert_close(model.decode(z), z[..., :2])


@pytest.mark.parametrize("wrong", [{"refine": 0}, {"constants": 8}])
def test_one_without_refinement_or_moving_states_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ModelError, match="set refine: 6"):
        tiny(options=replace(LINEAR, **wrong))


def test_growing_parts_find_a_frequency_that_a_direct_search_misses() -> None:
    t = torch.linspace(0, 6, 61, dtype=torch.float64)
    truth = torch.sin(3 * t)

    def residuals(share: float, z: Tensor) -> Tensor:
        some = math.ceil(share * len(t))
        return 100 * (torch.sin((1.5 + z) * t[:some]) - truth[:some])

    start = torch.zeros(1, 1, dtype=torch.float64)
    direct: Found = most_probable(lambda z: residuals(1.0, z), start, 12)
    parts = most_probable_by_parts(residuals, start, 12)
    assert parts.z.item() == pytest.approx(1.5, abs=1e-3)
    assert direct.value.item() > 100 * parts.value.item()


def test_draws_have_the_covariance_of_the_posterior() -> None:
    root = torch.tensor([[2.0, 0.0], [1.0, 0.5]], dtype=torch.float64)
    n = 20_000
    zeros = torch.zeros(n, 2, dtype=torch.float64)
    found = Found(zeros + 3, zeros, zeros[:, 0], (root @ root.mT).expand(n, 2, 2))
    drawn = found.draw(generator())
    torch.testing.assert_close(drawn.mean(dim=0), zeros[0] + 3, atol=0.1, rtol=0)
    torch.testing.assert_close(torch.cov(drawn.mT), torch.linalg.inv(root @ root.mT), atol=0.1, rtol=0.05)


def test_it_continues_spirals_that_it_has_not_seen() -> None:
    """A few steps of training on 40 spirals of 60 points, of which 20 are read."""
    seen, fresh = (draw_spirals(40, 60, 12.0, seed=seed) for seed in (0, 1))
    observed = float(seen.times[19])
    errors = []
    for epochs in (1, 16):
        training = TrainingOptions(replace(ADAM, epochs=epochs, learning_rate=1e-2))
        fitted = fit_latent(
            seen.experiments(), LINEAR, ElboOptions(times_per_step=20), training, observed=observed, validation=0
        )
        errors.append(errors_of(_predicted(fitted, fresh.experiments()), fresh.truth, 20))
    size = float(np.square(fresh.truth[:, 20:]).mean())
    assert errors[1].extrapolation < 0.1 * size
    assert errors[1].extrapolation < 0.8 * errors[0].extrapolation


def _predicted(fitted: FittedLatent, experiments: tuple[Experiment, ...]) -> FloatArray:
    return np.stack(predict(fitted, experiments))
