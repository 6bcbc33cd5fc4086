"""The networks, the latent state and its refinement, against what is known of each."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from odefit.data.experiments import Experiment
from odefit.errors import ModelError
from odefit.latent.estimator import fit_latent, interpolate
from odefit.latent.model import GatedField, LatentOptions
from odefit.latent.objective import elbo_terms
from odefit.latent.refinement import most_probable
from odefit.latent.series import Series, read_backwards, series_of, what_was_read
from small_latent import KEEPING, TINY, generator, random_series, small_training, tiny


def test_shapes() -> None:
    _, series = random_series(dtype=torch.float32)
    model = tiny(dtype=torch.float32)
    reading = read_backwards(series, 3.0)
    posterior = model.encode(reading)
    assert posterior.mean.shape == posterior.log_variance.shape == (4, 3)
    assert model.evolve(posterior.mean, series.grid).shape == (len(series.grid), 4, 3)
    x = model.predict(reading, series.grid[3:5])
    assert x.shape == (4, 2, 2)
    assert x.dtype == torch.float32


def test_the_latent_state_follows_its_field() -> None:
    """With a linear field the solution is a matrix exponential, at any times and in any unit of time."""
    model = tiny(options=LatentOptions(dimension=3, hidden=(), decoder=(), step=0.05))
    model.unit.fill_(2.0)
    z0 = torch.randn(5, 3, generator=generator(), dtype=torch.float64)
    layer = model.field.layers[0]
    assert isinstance(layer, torch.nn.Linear)
    with torch.no_grad():
        layer.bias.zero_()
    times = torch.tensor([0.7, 1.1, 3.0], dtype=torch.float64)
    z = model.evolve(z0, times)
    for t, state in zip(times.tolist(), z, strict=True):
        exact = z0 @ torch.matrix_exp(layer.weight * t / 2.0).T
        torch.testing.assert_close(state, exact, atol=1e-7, rtol=0)
    start = model.evolve(z0, torch.zeros(1, dtype=torch.float64))
    torch.testing.assert_close(start[0], z0)


def test_units_make_the_encoding_the_same_in_any_units() -> None:
    experiments, series = random_series()
    other = [
        dataclasses.replace(e, times=60 * e.times, start=60 * e.start, values=5 + 1000 * e.values) for e in experiments
    ]
    rescaled = series_of(other, torch.float64)
    here, there = tiny(), tiny(options=dataclasses.replace(TINY, step=12.0))
    here.set_units(series)
    there.set_units(rescaled)
    mine = here.predict(read_backwards(series, 3.0), series.grid)
    theirs = there.predict(read_backwards(rescaled, 180.0), rescaled.grid)
    torch.testing.assert_close(5 + 1000 * mine, theirs)
    torch.testing.assert_close(1000 * here.sigma, there.sigma)


def test_with_a_scale_of_its_own_a_series_may_have_any_size() -> None:
    """Ten times the series: the networks see the same but for the size that they are told."""
    _, series = random_series()
    model = tiny(options=dataclasses.replace(TINY, own_scale=True))
    reading = read_backwards(series, 3.0)
    larger = read_backwards(dataclasses.replace(series, values=10 * series.values), 3.0)
    torch.testing.assert_close(model.size(larger), 10 * model.size(reading))
    own = reading.inputs[2, :, :2][reading.inputs[2, :, 2:4] == 1]
    assert model.size(reading)[2].item() == pytest.approx(own.square().mean().sqrt().item())
    with torch.no_grad():
        model.encoder.recurrent.weight_ih_l0[:, -1] = 0.0
    torch.testing.assert_close(model.encode(larger).mean, model.encode(reading).mean)
    torch.testing.assert_close(model.predict(larger, series.grid), 10 * model.predict(reading, series.grid))
    between = interpolate(model, reading, series.grid, 3)
    ends = model.predict(reading.rows(slice(0, 2)), series.grid).detach().numpy()
    np.testing.assert_allclose(between[[0, -1]], ends, atol=1e-12)


def test_a_learnt_noise_level_is_a_share_of_the_size() -> None:
    """Ten times a series is ten times the noise: its density is the same but for the change of unit."""
    _, series = random_series()
    model = tiny(options=dataclasses.replace(TINY, own_scale=True))
    size = torch.tensor([[[1.0]], [[10.0]]], dtype=torch.float64)
    torch.testing.assert_close(model.noise(size)[1], 10 * model.noise(size)[0])
    given = tiny(options=dataclasses.replace(TINY, own_scale=True, sigma=0.3))
    given.set_units(series)
    torch.testing.assert_close(given.noise(size), torch.full((2, 1, 2), 0.3, dtype=torch.float64))


def test_constants_stay_and_the_others_follow_the_gated_field() -> None:
    model = tiny(options=dataclasses.replace(KEEPING, step=0.01))
    assert isinstance(model.field, GatedField)
    z0 = torch.randn(6, 5, generator=generator(), dtype=torch.float64)
    times = torch.tensor([0.0, 0.3, 0.9], dtype=torch.float64)
    z = model.evolve(z0, times)
    torch.testing.assert_close(z[..., 2:], z0[:, 2:].expand(3, 6, 3), atol=0, rtol=0)
    f, (s, c) = model.field, z0.split((2, 3), dim=1)
    hidden = torch.nn.functional.silu(f.states(s) + f.shift(c)) * f.gate(c)
    linear = torch.einsum("eij,ej->ei", f.matrix(c).reshape(6, 2, 2), s)
    torch.testing.assert_close(f.given(c)(s), f.layers[0](hidden) + linear)
    h = 1e-4
    later, sooner = (model.evolve(z0, torch.tensor([0.3 + d], dtype=torch.float64))[0] for d in (h, -h))
    slope = (later - sooner)[:, :2] / (2 * h) * model.unit
    torch.testing.assert_close(slope, f.given(c)(z[1, :, :2]), atol=1e-6, rtol=1e-6)


def test_constants_that_leave_nothing_to_move_are_refused() -> None:
    with pytest.raises(ModelError, match="constants need a state that moves"):
        tiny(options=dataclasses.replace(KEEPING, constants=5))


def test_methods_agree() -> None:
    _, series = random_series()
    reading = read_backwards(series, 3.0)
    x = [
        tiny(options=dataclasses.replace(TINY, method=method, step=step, rtol=1e-9, atol=1e-9)).predict(
            reading, series.grid
        )
        for method, step in (("dopri5", None), ("rk4", 0.05))
    ]
    torch.testing.assert_close(*x, atol=1e-7, rtol=0)


def test_a_given_sigma_is_kept() -> None:
    experiments, series = random_series()
    model = tiny(options=dataclasses.replace(TINY, sigma=0.3))
    model.set_units(series)
    torch.testing.assert_close(model.sigma, torch.full((2,), 0.3, dtype=torch.float64))
    assert not model.log_sigma.requires_grad
    options = dataclasses.replace(TINY, sigma=0.3)
    fitted = fit_latent(experiments, options, training=small_training(epochs=2), validation=0)
    torch.testing.assert_close(fitted.model.sigma, torch.full((2,), 0.3))


# The refinement


def test_points_that_nearly_coincide_are_averaged() -> None:
    times = np.array([0.0, 1e-4, 2e-4, 1.0, 1000.0])
    values = np.array([[5.0], [6.0], [7.0], [1.0], [2.0]])
    seen = what_was_read(read_backwards(series_of([Experiment("a", times, values, start=0.0)]), 1000.0), 1)
    assert seen.values.flatten().tolist() == [6.0, 1.0, 2.0]
    assert seen.mask.all()


def test_a_reading_gives_back_what_was_read() -> None:
    _, series = random_series()
    n = series.until(3.0)
    seen = what_was_read(read_backwards(series, 3.0), 2)
    measured = series.mask[:, :n].any(dim=2).any(dim=0)
    torch.testing.assert_close(seen.grid, series.grid[:n][measured], atol=1e-5, rtol=0)
    assert torch.equal(seen.mask, series.mask[:, :n][:, measured])
    torch.testing.assert_close(seen.values, series.values[:, :n][:, measured])


def test_the_most_probable_start_of_a_linear_model_is_found_in_one_step() -> None:
    """r = A z - b: z = (A'A + I)^-1 A'b, but for the damping."""
    a = 0.2 * torch.randn(3, 6, 2, generator=generator(), dtype=torch.float64)
    b = torch.randn(3, 6, generator=generator(1), dtype=torch.float64)
    found = most_probable(
        lambda rows, z: z @ a[rows].mT - b[rows].unsqueeze(1), torch.zeros(3, 2, dtype=torch.float64), 4
    )
    exact = torch.linalg.solve(a.mT @ a + torch.eye(2, dtype=torch.float64), (a.mT @ b.unsqueeze(-1)).squeeze(-1))
    torch.testing.assert_close(found.z, exact, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.residuals, (a @ found.z.unsqueeze(-1)).squeeze(-1) - b)
    torch.testing.assert_close(found.precision, a.mT @ a + torch.eye(2, dtype=torch.float64), atol=1e-9, rtol=0)


def test_a_step_that_does_not_improve_is_not_taken() -> None:
    """A slope that points the wrong way: r is least where we begin, and its difference quotient lies."""

    def residuals(_rows: Tensor, z: Tensor) -> Tensor:
        ahead = z > 0.5
        return torch.where(ahead, 100.0, 1.0 - 2 * z.clamp(max=0.01))

    z0 = torch.tensor([[0.0], [-0.3]], dtype=torch.float64)
    values = []
    for steps in range(8):
        found = most_probable(residuals, z0, steps)
        values.append((found.residuals.square() + found.z.square()).sum(dim=1))
    for before, after in itertools.pairwise(values):
        assert (after <= before).all()
    assert (values[-1] < values[0]).all()


def test_refinement_finds_what_a_model_made() -> None:
    """Series that the model itself made, from starts that its untrained encoder knows nothing of."""
    model = tiny(options=dataclasses.replace(KEEPING, refine=12))
    with torch.no_grad():
        model.misfit.fill_(0.01)
        for weights in (model.field.layers[0].weight, model.decoder.layers[0].weight):
            weights.mul_(3.0)
    z0 = 0.5 * torch.randn(8, 5, generator=generator(4), dtype=torch.float64)
    grid = torch.linspace(0, 6, 41, dtype=torch.float64)
    with torch.no_grad():
        x = model.decode(model.evolve(z0, grid).transpose(0, 1))
    reading = read_backwards(Series(grid, x, torch.ones_like(x, dtype=torch.bool)), 3.0)

    @torch.no_grad()
    def error(z: Tensor) -> float:
        # The median: from a start that is far off a step leads to another minimum now and then.
        y = model.decode(model.evolve(z, grid).transpose(0, 1))
        return float((y - x).square().mean(dim=(1, 2)).median())

    mean = model.encode(reading).mean
    assert error(model.best_start(reading)) < 1e-4 * error(mean)
    assert error(model.refine(reading, mean, stride=3).z) < 1e-3 * error(mean)
    torch.testing.assert_close(model.predict(reading, grid)[:, 0], model.decode(model.best_start(reading)))


def test_training_sees_both_starts_and_learns_the_misfit() -> None:
    _, series = random_series()
    model, plain = tiny(options=KEEPING), tiny(options=dataclasses.replace(KEEPING, refine=0))
    for one in (model, plain):
        one.set_units(series)
    reading, points = read_backwards(series, 3.0), torch.arange(0, len(series.grid), 2)
    model.load_state_dict({**model.state_dict(), **plain.state_dict()})
    before = model.misfit.clone()
    terms = elbo_terms(model, reading, series, points, generator())
    alone = elbo_terms(plain, reading, series, points, generator())
    torch.testing.assert_close(terms.reconstruction, alone.reconstruction)
    torch.testing.assert_close(terms.divergence, alone.divergence)
    assert alone.refined is None
    assert terms.refined is not None
    # The encoder learns by its own start alone, the field and the decoder by both.
    encoder = list(model.encoder.parameters())
    by_refined = torch.autograd.grad(terms.refined.sum(), encoder, allow_unused=True, retain_graph=True)
    assert all(g is None or not g.any() for g in by_refined)
    (slope,) = torch.autograd.grad(terms.refined.sum(), [model.field.states.weight], retain_graph=True)
    assert slope.abs().max() > 0
    assert (model.misfit != before).all()
    kept = model.misfit.clone()
    model.predict(reading, series.grid)
    assert torch.equal(model.misfit, kept)
