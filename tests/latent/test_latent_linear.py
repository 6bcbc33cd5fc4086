"""A linear latent field: its matrices, its exact solution, the search by parts, and that it learns spirals."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.errors import ModelError
from odefit.latent.estimator import FittedLatent, fit_latent, predict
from odefit.latent.linear_field import LinearField
from odefit.latent.minibatches import ADAM, TrainingOptions
from odefit.latent.model import LatentOptions
from odefit.latent.objective import ElboOptions
from odefit.latent.refinement import Found, most_probable
from odefit.latent.search import PartialResiduals, by_growing_parts, explained, search
from odefit.latent.series import Series, read_backwards
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
    residuals = sines(3.0)
    direct = most_probable(partial(residuals, 1.0), torch.zeros(1, 1, dtype=torch.float64), 12)
    parts = by_growing_parts(residuals, torch.zeros(1, 1, dtype=torch.float64), 12, torch.arange(1))
    assert parts.z.item() == pytest.approx(0.375, abs=1e-3)
    assert direct.value.item() > 100 * parts.value.item()


def test_a_wrong_number_of_turns_is_noticed_and_searched_again() -> None:
    """The second of two series turns too fast for a search from the prior's mean, with parts that grow or without."""
    residuals, start = sines(3.0, 9.0), torch.zeros(2, 1, dtype=torch.float64)
    tolerated = explained(torch.full((2,), 61.0))
    once = search(residuals, start, 12, tolerated, again=0)
    assert (once.residuals.square().sum(dim=1) > tolerated).tolist() == [False, True]
    found = search(residuals, start, 12, tolerated, again=12)
    torch.testing.assert_close(found.z.flatten(), torch.tensor([0.375, 1.875], dtype=torch.float64), atol=2e-3, rtol=0)
    assert torch.equal(found.z[0], once.z[0])
    # What is found for a series does not depend on those beside it.
    alone = search(partial(at_row, residuals, 1), start[:1], 12, tolerated[:1], again=12)
    torch.testing.assert_close(alone.z[0], found.z[1])


def test_a_model_finds_a_series_that_its_first_search_misses() -> None:
    """Two series that the model made, with noise and gaps. The second turns fast: only draws of the prior find it."""
    model = tiny(options=LINEAR)
    model.misfit.fill_(0.01)
    z0 = torch.randn(11, 8, generator=generator(3), dtype=torch.float64)[[0, 10]]
    grid = torch.linspace(0, 4, 41, dtype=torch.float64)
    with torch.no_grad():
        truth = model.decode(model.evolve(z0, grid).transpose(0, 1))
    values = truth + 0.01 * torch.randn(truth.shape, generator=generator(5), dtype=torch.float64)
    mask = torch.ones_like(values, dtype=torch.bool)
    mask[:, ::3, 0] = False
    reading = read_backwards(Series(grid, torch.where(mask, values, 0.0), mask), 4.0)
    with torch.no_grad():
        error = (model.predict(reading, grid) - truth).square().mean(dim=(1, 2))
    assert (error < 0.01**2).all()


def test_a_series_that_nothing_explains_does_not_raise_the_noise_level() -> None:
    model = tiny(options=LINEAR)
    model.misfit.fill_(0.01)
    grid = torch.linspace(0, 1, 21, dtype=torch.float64)
    z0 = torch.randn(5, 8, generator=generator(3), dtype=torch.float64)
    noise = torch.randn(5, 21, 2, generator=generator(5), dtype=torch.float64)
    with torch.no_grad():
        values = model.decode(model.evolve(z0, grid).transpose(0, 1)) + 0.01 * noise
    values[4] = noise[4]
    reading = read_backwards(Series(grid, values, torch.ones_like(values, dtype=torch.bool)), 1.0)
    with torch.no_grad():
        model.refine(reading, torch.zeros_like(z0), learn=True)
    assert ((model.misfit > 0.009) & (model.misfit < 0.011)).all()


def test_noise_explains_its_own_squares_and_not_twice_as_many() -> None:
    measured = torch.tensor([10.0, 100.0], dtype=torch.float64)
    drawn = torch.randn(20_000, 100, generator=generator(), dtype=torch.float64).square()
    squares = torch.stack((drawn[:, :10].sum(dim=1), drawn.sum(dim=1)), dim=1)
    assert ((squares > explained(measured)).double().mean(dim=0) < 1e-3).all()
    assert explained(measured)[1] < 200


def test_a_search_goes_on_until_every_series_is_settled() -> None:
    """A valley, along which steps are many: the flat series beside it takes no more of them, and loses nothing."""
    asked = list[int]()

    def residuals(rows: Tensor, z: Tensor) -> Tensor:
        asked.append(len(rows))
        x, y = z.unbind(-1)
        bent = torch.stack((30 * (y - x.square()), 3 * (x - 1.5)), dim=-1)
        return torch.where(rows[:, None, None] == 0, bent, z - 1)

    start = torch.tensor([[-1.2, 1.0], [0.0, 0.0]], dtype=torch.float64)
    found = most_probable(residuals, start, 200)
    assert len(asked) < 100
    assert asked[0] == 2
    assert asked[-1] == 1
    torch.testing.assert_close(found.z[1], torch.tensor([0.5, 0.5], dtype=torch.float64), atol=1e-3, rtol=0)
    exact = minimize(
        lambda z: float(residuals(torch.arange(1), torch.tensor(z)[None, None]).square().sum() + z @ z), [1, 1]
    )
    assert found.value[0].item() == pytest.approx(exact.fun, abs=0.02)


def sines(*frequencies: float) -> PartialResiduals:
    """What sin((1.5 + 4 z) t) misses of sines of these frequencies, one for each series, measured to 0.01."""
    t = torch.linspace(0, 6, 61, dtype=torch.float64)
    truth = torch.sin(torch.tensor(frequencies, dtype=torch.float64)[:, None, None] * t)

    def residuals(share: float, rows: Tensor, z: Tensor) -> Tensor:
        some = math.ceil(share * len(t))
        return 100 * (torch.sin((1.5 + 4 * z) * t[:some]) - truth[rows, :, :some])

    return residuals


def at_row(residuals: PartialResiduals, row: int, share: float, rows: Tensor, z: Tensor) -> Tensor:
    """The residuals where a series stands at another place."""
    return residuals(share, rows + row, z)


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
        predicted = _predicted(fitted, fresh.experiments())
        errors.append(np.square(predicted - fresh.truth)[:, 20:].mean())
    assert errors[1] < 0.1 * np.square(fresh.truth[:, 20:]).mean()
    assert errors[1] < 0.8 * errors[0]


def _predicted(fitted: FittedLatent, experiments: tuple[Experiment, ...]) -> FloatArray:
    return np.stack(predict(fitted, experiments))
