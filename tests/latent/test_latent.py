"""Latent ODEs: data, encoder, bound, training and baseline against what is known of each."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from odefit.data.experiments import Experiment
from odefit.errors import ConfigError, DataError, ModelError
from odefit.latent.baseline import Baseline, BaselineLoss, BaselineOptions, hidden_units
from odefit.latent.estimator import FittedLatent, continue_baseline, fit_baseline, fit_latent, n_weights, predict, split
from odefit.latent.evaluation import errors_of, interpolate, share_of_size
from odefit.latent.minibatches import ADAM, Minibatch, Minibatches, TrainingOptions, train
from odefit.latent.model import GatedField, LatentODE, LatentOptions, Posterior, what_was_read
from odefit.latent.objective import (
    Elbo,
    ElboOptions,
    divergence,
    draw_points,
    elbo_terms,
    grown,
    log_density,
    start_points,
)
from odefit.latent.refinement import most_probable
from odefit.latent.series import Reading, Series, read_backwards, series_of
from odefit.latent.spirals import draw_spirals, solve_linear
from odefit.status import Reason, Status
from odefit.training.adam import minimize_adam
from odefit.training.best_state import LastState
from odefit.training.loss_history import Epoch

TINY = LatentOptions(dimension=3, hidden=(8,), encoder=7, decoder=(6,), step=0.2)


KEEPING = dataclasses.replace(TINY, dimension=5, constants=3, decoder=(), refine=2)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiny(observables: int = 2, options: LatentOptions = TINY, dtype: torch.dtype = torch.float64) -> LatentODE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return LatentODE(observables, options).to(dtype)


def random_series(seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[list[Experiment], Series]:
    """Four experiments of two observables with their own times, starts and missing values."""
    rng = np.random.default_rng(seed)
    experiments = []
    for name, n in zip("abcd", (9, 5, 12, 7), strict=True):
        times = 2.0 + np.sort(rng.choice(40, n, replace=False)) / 8
        values = rng.standard_normal((n, 2))
        values[rng.random((n, 2)) < 0.2] = np.nan
        values[0] = 1.0
        experiments.append(Experiment(name, times, values, start=1.5))
    return experiments, series_of(experiments, dtype)


# The spirals


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


# Series and what is read of them


def test_series_hold_every_measurement_at_its_elapsed_time() -> None:
    experiments, series = random_series()
    assert series.grid[0] == 0
    assert (series.grid.diff() > 0).all()
    for e, experiment in enumerate(experiments):
        at = np.searchsorted(series.grid.numpy(), experiment.times - 1.5 - 1e-9)
        seen = np.where(series.mask[e].numpy(), series.values[e].numpy(), np.nan)
        np.testing.assert_array_equal(seen[at], experiment.values)
        assert series.mask[e].sum() == experiment.n_measured


def test_reading_is_backwards_with_gaps_that_end_at_the_start() -> None:
    values = np.array([[1.0, 2.0], [np.nan, np.nan], [3.0, np.nan], [5.0, 6.0], [7.0, 8.0]])
    long = Experiment("long", np.array([1.0, 2.0, 3.0, 6.0, 9.0]), values, start=0.5)
    short = Experiment("short", np.array([2.0, 9.0]), values[3:], start=0.5)
    reading = read_backwards(series_of([long, short], torch.float64), end=6.0)
    assert reading.lengths.tolist() == [3, 1]
    assert reading.inputs[0].tolist() == [[5, 6, 1, 1, 3], [3, 0, 1, 0, 2], [1, 2, 1, 1, 0.5]]
    assert reading.inputs[1].tolist() == [[5, 6, 1, 1, 1.5], [0] * 5, [0] * 5]


def test_a_series_with_nothing_to_read_is_refused() -> None:
    values = np.array([[np.nan], [1.0]])
    series = series_of([Experiment("a", np.array([0.0, 5.0]), values, start=0.0)])
    with pytest.raises(DataError, match="series 1: nothing is measured until 2"):
        read_backwards(series, end=2.0)


def test_an_experiment_with_nothing_to_read_is_named() -> None:
    experiments, _ = random_series()
    experiments[2] = experiments[2].at(experiments[2].times)
    with pytest.raises(DataError, match="experiment c: has no measurement until 2 after its start"):
        fit_latent(experiments, TINY, observed=2.0)


def test_order_matters_to_the_encoder_and_padding_does_not() -> None:
    _, series = random_series()
    model = tiny()
    reading = read_backwards(series, float(series.grid[-1]))
    whole = model.encode(reading)
    for e, n in enumerate(reading.lengths.tolist()):
        alone = model.encode(Reading(reading.inputs[e : e + 1, :n], reading.lengths[e : e + 1]))
        torch.testing.assert_close(alone.mean[0], whole.mean[e])
        torch.testing.assert_close(alone.log_variance[0], whole.log_variance[e])
        turned = model.encode(Reading(reading.inputs[e : e + 1, :n].flip(1), reading.lengths[e : e + 1]))
        assert (turned.mean[0] - whole.mean[e]).abs().max() > 1e-3


def test_times_without_measurements_and_later_ones_are_not_read() -> None:
    experiments, series = random_series()
    model = tiny()
    blank = Experiment("e", np.linspace(1.6, 6.9, 50), np.full((50, 2), np.nan), start=1.5)
    blank.values[-1] = 3.0
    finer = series_of([*experiments, blank], torch.float64)
    own = model.encode(read_backwards(series, 5.3)).mean
    among = model.encode(read_backwards(finer.rows(slice(0, 4)), 5.3)).mean
    torch.testing.assert_close(own, among)
    observed = model.encode(read_backwards(series, 2.0)).mean
    changed = dataclasses.replace(series, values=torch.where(series.grid.unsqueeze(1) > 2.0, 99.0, series.values))
    torch.testing.assert_close(model.encode(read_backwards(changed, 2.0)).mean, observed)
    assert (own - observed).abs().max() > 1e-3


def test_the_last_point_read_weighs_most_by_construction_of_its_order() -> None:
    """The encoder's last input is the first measurement: the gradient of an untrained one decays from there."""
    spirals = draw_spirals(20, times=60)
    reading = read_backwards(series_of(spirals.experiments(), torch.float64), 31.45)
    inputs = reading.inputs.clone().requires_grad_()
    tiny().encode(Reading(inputs, reading.lengths)).mean.sum().backward()
    assert inputs.grad is not None
    size = inputs.grad[..., :2].abs().mean(dim=(0, 2))
    assert size[-1] > 100 * size[0]
    np.testing.assert_allclose(reading.inputs[:, -1, :2].numpy(), spirals.measured[:, 0])


# The model


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
    z, left = most_probable(lambda z: z @ a.mT - b.unsqueeze(1), torch.zeros(3, 2, dtype=torch.float64), 4)
    exact = torch.linalg.solve(a.mT @ a + torch.eye(2, dtype=torch.float64), (a.mT @ b.unsqueeze(-1)).squeeze(-1))
    torch.testing.assert_close(z, exact, atol=1e-8, rtol=0)
    torch.testing.assert_close(left, (a @ z.unsqueeze(-1)).squeeze(-1) - b)


def test_a_step_that_does_not_improve_is_not_taken() -> None:
    """A slope that points the wrong way: r is least where we begin, and its difference quotient lies."""

    def residuals(z: Tensor) -> Tensor:
        ahead = z > 0.5
        return torch.where(ahead, 100.0, 1.0 - 2 * z.clamp(max=0.01))

    z0 = torch.tensor([[0.0], [-0.3]], dtype=torch.float64)
    values = []
    for steps in range(8):
        z, r = most_probable(residuals, z0, steps)
        values.append((r.square() + z.square()).sum(dim=1))
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
    assert error(model.refine(reading, mean, stride=3)) < 1e-3 * error(mean)
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


# The bound


def test_divergence_two_ways() -> None:
    mean, log_variance = torch.randn(2, 6, 4, generator=generator(), dtype=torch.float64)
    q = Posterior(mean, log_variance)
    normal = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    torch.testing.assert_close(divergence(q), kl_divergence(normal, prior))
    draws = torch.stack([q.sample(generator(seed)) for seed in range(4000)])
    sampled = (normal.log_prob(draws) - prior.log_prob(draws)).mean(dim=0)
    torch.testing.assert_close(divergence(q), sampled, atol=0.25, rtol=0.02)
    standard = Posterior(torch.zeros(3, 2), torch.zeros(3, 2))
    assert (divergence(standard) == 0).all()


def test_log_density_is_that_of_the_normal_distribution() -> None:
    values, mean = torch.randn(2, 7, 2, generator=generator(), dtype=torch.float64)
    sigma = torch.tensor([0.3, 2.0], dtype=torch.float64)
    torch.testing.assert_close(log_density(values, mean, sigma), Normal(mean, sigma).log_prob(values))


def test_terms_are_those_written_out_for_one_series() -> None:
    _, series = random_series()
    model = tiny()
    model.set_units(series)
    reading = read_backwards(series, 3.0)
    points = torch.arange(1, len(series.grid), 2)
    terms = elbo_terms(model, reading, series, points, generator(1))
    z0 = model.encode(reading).sample(generator(1))
    x = model.decode(model.evolve(z0, series.grid[points]))
    expected = 0.0
    for k, point in enumerate(points.tolist()):
        for o in range(2):
            if series.mask[2, point, o]:
                sigma = model.sigma[o].item()
                r = (series.values[2, point, o].item() - x[k, 2, o].item()) / sigma
                expected -= 0.5 * r**2 + math.log(sigma * math.sqrt(2 * math.pi))
    assert terms.reconstruction[2].item() == pytest.approx(expected, rel=1e-10)
    torch.testing.assert_close(terms.elbo, terms.reconstruction - divergence(model.encode(reading)))


def test_the_bound_is_below_the_evidence_and_reaches_it() -> None:
    """A linear-Gaussian model, whose evidence is known: x = z0 + noise at every time, since the field is zero.

    With n points of mean m the posterior is N(n m / (n + s²), s² / (n + s²)): with it the bound is the evidence.
    """
    n, sigma = 5, 0.7
    x = torch.tensor([0.4, 1.3, 0.9, 0.2, 1.1], dtype=torch.float64)
    model = tiny(1, LatentOptions(dimension=1, hidden=(), encoder=2, decoder=(), sigma=sigma, step=9.0))
    with torch.no_grad():
        for q in (*model.field.parameters(), *model.decoder.parameters(), *model.encoder.head.parameters()):
            q.zero_()
        decoder = model.decoder.layers[0]
        assert isinstance(decoder, torch.nn.Linear)
        decoder.weight.fill_(1.0)
        model.log_sigma.fill_(math.log(sigma))
        precision = n / sigma**2 + 1
        model.encoder.head.bias[0] = x.sum() / sigma**2 / precision
        model.encoder.head.bias[1] = -math.log(precision)
    covariance = sigma**2 * torch.eye(n, dtype=torch.float64) + 1
    prior = torch.distributions.MultivariateNormal(torch.zeros(n, dtype=torch.float64), covariance)
    evidence = float(prior.log_prob(x))
    many = x.reshape(1, n, 1).expand(10_000, n, 1)
    series = Series(torch.arange(n, dtype=torch.float64), many, torch.ones_like(many, dtype=torch.bool))
    reading = read_backwards(series, float(n))
    points = torch.arange(n)
    best = elbo_terms(model, reading, series, points, generator()).elbo.mean()
    assert best.item() == pytest.approx(evidence, abs=0.02)
    with torch.no_grad():
        model.encoder.head.bias[0] += 0.5
    worse = elbo_terms(model, reading, series, points, generator()).elbo.mean()
    # The bound falls short by KL(q || posterior): the shift in standard deviations, squared and halved.
    assert worse.item() == pytest.approx(evidence - 0.5 * 0.25 * precision, abs=0.03)


def test_loss_without_growing_and_sampling_is_the_bound_per_measurement() -> None:
    _, series = random_series()
    model = tiny()
    elbo = Elbo(model, series, ElboOptions(anneal=0, grow=0), observed=3.0)
    rows = torch.tensor([0, 2])
    g = generator(5)
    torch.randint(1, (), generator=g)  # which start
    terms = elbo_terms(model, elbo.reading.rows(rows), series.rows(rows), torch.arange(len(series.grid)), g)
    expected = -terms.elbo.sum() / series.mask[rows].sum()
    torch.testing.assert_close(elbo(Minibatch(rows, 0.5, generator(5))), expected)


def test_later_starts_are_series_of_their_own() -> None:
    """Each start's loss is that of the experiments cut off there."""
    spirals = draw_spirals(6, times=41, end=8.0)
    experiments = spirals.experiments()
    options = ElboOptions(anneal=0, grow=0, starts=3)
    model = tiny()
    elbo = Elbo(model, series_of(experiments, torch.float64), options, observed=2.0)
    assert start_points(41, 11, 3) == [0, 8, 15]
    expected = []
    for first in (0, 8, 15):
        t0 = spirals.times[first]
        cut = [Experiment(e.name, e.times[first:], e.values[first:], start=t0) for e in experiments]
        alone = Elbo(model, series_of(cut, torch.float64), dataclasses.replace(options, starts=1), observed=2.0)
        expected.append(alone)
    rows, seen = torch.arange(6), set()
    for seed in range(12):
        which = int(torch.randint(3, (), generator=generator(seed)))
        seen.add(which)
        one, other = generator(seed), generator(seed)
        torch.testing.assert_close(elbo(Minibatch(rows, 0.5, one)), expected[which](Minibatch(rows, 0.5, other)))
    assert seen == {0, 1, 2}


def test_sampled_times_estimate_the_same_bound() -> None:
    """The mean over all first points of the comb is the sum over all times."""
    _, series = random_series()
    # An encoder without spread, so that nothing but the times is drawn.
    model = tiny()
    with torch.no_grad():
        model.encoder.head.weight.zero_()
        model.encoder.head.bias[3:] = -80.0
    n = len(series.grid)
    stride = 4
    reading = read_backwards(series, 3.0)
    parts = [
        elbo_terms(model, reading, series, torch.arange(first, n, stride), generator()).reconstruction
        for first in range(stride)
    ]
    whole = elbo_terms(model, reading, series, torch.arange(n), generator()).reconstruction
    # rk4 with steps of a 100th of the grid: the combs differ by the error of the solver.
    torch.testing.assert_close(sum(parts), whole, atol=1e-5, rtol=1e-5)


def test_drawn_points_are_all_equally_likely() -> None:
    counts = torch.zeros(50)
    g = generator()
    for _ in range(3000):
        points = draw_points(50, 17, g)
        assert (points.diff() == 3).all()
        counts[points] += 1
    np.testing.assert_allclose(counts.numpy() / 3000, 1 / 3, atol=0.05)
    assert draw_points(5, 17, g).tolist() == draw_points(5, None, g).tolist() == [0, 1, 2, 3, 4]


def test_the_horizon_grows_to_the_whole_grid() -> None:
    assert [grown(50, 200, p, 0.5) for p in (0.0, 0.25, 0.5, 1.0)] == [50, 125, 200, 200]
    assert grown(50, 200, 0.0, 0.0) == 200


@pytest.mark.parametrize("name", ["encoder.recurrent.weight_hh_l0", "encoder.head.bias", "field.layers.2.weight",
                                  "decoder.layers.0.weight", "log_sigma"])  # fmt: skip
def test_gradient_of_the_bound(name: str) -> None:
    """Against central differences, with the draw of z0 held fixed."""
    _, series = random_series()
    model = tiny()
    model.set_units(series)
    elbo = Elbo(model, series, ElboOptions(times_per_step=9), observed=3.0)
    parameter = dict(model.named_parameters())[name]

    def loss() -> Tensor:
        return elbo(Minibatch(torch.arange(4), 0.2, generator(7)))

    (gradient,) = torch.autograd.grad(loss(), parameter)
    direction = torch.randn(parameter.shape, generator=generator(8), dtype=torch.float64)
    h = 1e-5
    with torch.no_grad():
        values = []
        for sign in (1, -2, 1):
            parameter += sign * h * direction
            values.append(loss().item())
    assert (gradient * direction).sum().item() == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-6)
    assert values[2] == pytest.approx(loss().item(), rel=1e-12)


# Training


def small_training(epochs: int = 6, batch_size: int = 10, score_every: int = 2, seed: int = 0) -> TrainingOptions:
    return TrainingOptions(dataclasses.replace(ADAM, epochs=epochs), batch_size, score_every, seed)


def test_a_tiny_training_improves_the_bound_and_the_predictions() -> None:
    """Series of one oscillator from random starts: what it does next follows from what it did."""
    rng = np.random.default_rng(0)
    times = np.linspace(0.0, 6.0, 25)
    matrix = np.array([[-0.1, 1.0], [-1.0, -0.1]])
    truth = solve_linear(np.repeat(matrix[None], 40, axis=0), rng.standard_normal((40, 2)), times)
    experiments = [
        Experiment(str(k), times, values + 0.02 * rng.standard_normal(values.shape), 0.0)
        for k, values in enumerate(truth)
    ]
    losses: list[Epoch] = []
    fitted = fit_latent(
        experiments,
        LatentOptions(dimension=3, hidden=(16,), encoder=16, decoder=(), step=0.8),
        ElboOptions(times_per_step=9, anneal=0, grow=0),
        small_training(epochs=60, score_every=10),
        observed=3.0,
        callback=lambda epoch, _: losses.append(epoch),
    )
    assert fitted.training.status == "stopped"
    assert [epoch.epoch for epoch in losses] == list(range(1, 61))
    assert losses[-1].loss < losses[0].loss - 0.8
    scores = [epoch.score for epoch in losses if epoch.score is not None]
    assert losses[fitted.training.best_epoch - 1].score == min(scores) < 0.5 * scores[0]
    x = np.stack(predict(fitted, experiments))
    errors, nothing = errors_of(x, truth, 13), errors_of(np.zeros_like(x), truth, 13)
    assert errors.reconstruction < 0.2 * nothing.reconstruction
    assert errors.extrapolation < 0.2 * nothing.extrapolation


def test_training_depends_on_its_seed_alone() -> None:
    experiments, _ = random_series()
    before = torch.random.get_rng_state()

    def weights(seed: int) -> Tensor:
        fitted = fit_latent(experiments, TINY, training=small_training(epochs=2, seed=seed), validation=0.25)
        return torch.cat([q.detach().flatten() for q in fitted.model.parameters()])

    one, again, other = weights(1), weights(1), weights(2)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_predictions_are_at_the_times_asked_for() -> None:
    experiments, _ = random_series()
    fitted = fit_latent(experiments, TINY, training=small_training(epochs=1), validation=0)
    own = predict(fitted, experiments)
    assert [x.shape for x in own] == [e.values.shape for e in experiments]
    times = [np.array([1.5, 4.0, 9.0]), np.array([4.0]), np.array([2.0, 4.0]), np.array([1.6])]
    other = predict(fitted, experiments, times)
    assert [len(x) for x in other] == [3, 1, 2, 1]
    # The same series at the same time, whatever else is asked for: to the error of the solver.
    later = predict(fitted, experiments[:1], [experiments[0].times[3:4]])
    np.testing.assert_allclose(later[0][0], own[0][3], atol=1e-3)


def test_weights_hold_all_that_a_model_knows() -> None:
    experiments, series = random_series(dtype=torch.float32)
    options = dataclasses.replace(TINY, own_scale=True)
    fitted = fit_latent(experiments, options, training=small_training(epochs=1), observed=3.0, validation=0)
    again = LatentODE(2, options)
    again.load_state_dict(fitted.model.state_dict())
    reading = read_backwards(series, 3.0)
    assert torch.equal(again.predict(reading, series.grid), fitted.model.predict(reading, series.grid))
    assert torch.equal(again.sigma, fitted.model.sigma)


class Runaway(torch.nn.Module):
    """An objective that is fine for three steps and NaN then."""

    def __init__(self) -> None:
        super().__init__()
        self.model = torch.nn.Linear(1, 1)
        self.steps = 0

    def forward(self, batch: Minibatch) -> Tensor:
        self.steps += 1
        return self.model.weight.square().sum() * (math.nan if self.steps > 3 else 1.0)


def test_a_loss_that_is_not_finite_ends_the_training_with_the_best_state() -> None:
    runaway = Runaway()
    trained = train(runaway, 1, small_training(), lambda: runaway.model.weight.abs().sum().item())
    assert (trained.status, trained.ending.reason) == (Status.STOPPED, Reason.BROKEN_OFF)
    assert "stopped at epoch 4" in trained.message
    assert trained.best_epoch == 2
    assert len(trained.history) == 3
    assert torch.isfinite(runaway.model.weight).all()


def test_an_interrupt_ends_the_training_in_order() -> None:
    def stop(epoch: Epoch, _: torch.nn.Module) -> None:
        if epoch.epoch == 3:
            raise KeyboardInterrupt

    experiments, _ = random_series()
    fitted = fit_latent(experiments, TINY, training=small_training(), validation=0, callback=stop)
    assert fitted.training.status == "interrupted"
    assert len(fitted.training.history) == 3


class Kept:
    """The Memory of a training: what it offered last."""

    def __init__(self, state: Any = None) -> None:
        self.state, self.offers = state, 0

    def restored(self) -> Any:
        return self.state

    def offer(self, state: Callable[[], dict[str, Any]]) -> None:
        self.offers, self.state = self.offers + 1, state()


@pytest.mark.parametrize("aside", [0.0, 0.25])
def test_a_training_that_is_interrupted_within_an_epoch_ends_as_if_it_were_not(
    aside: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiments, _ = random_series()
    options = small_training(batch_size=2)

    def fit(memory: Kept) -> FittedLatent:
        return fit_latent(experiments, TINY, training=options, observed=4.0, validation=aside, memory=memory)

    whole, first = fit(Kept()), Kept()
    genuine, steps = Elbo.forward, 0

    def interrupted(self: Elbo, batch: Minibatch) -> Tensor:
        nonlocal steps
        steps += 1
        if steps == 6:  # the second of two steps in the third epoch
            raise KeyboardInterrupt
        return genuine(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Elbo, "forward", interrupted)
        assert fit(first).training.ending.reason in (Reason.INTERRUPTED, Reason.INTERRUPTED_AT_START)
    assert first.offers == 2
    resumed = fit(Kept(first.state))
    assert list(resumed.training.history) == list(whole.training.history)
    assert resumed.training.ending == whole.training.ending
    for a, b in zip(resumed.model.state_dict().values(), whole.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_the_loop_is_the_one_by_which_everything_is_trained() -> None:
    """The same by hand: the bound as a module, series in minibatches, and Adam as networks in equations have it."""
    experiments, series = random_series(dtype=torch.float32)
    options = small_training()
    fitted = fit_latent(experiments, TINY, training=options, observed=4.0, validation=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        model = LatentODE(2, TINY)
    model.set_units(series)
    objective = Elbo(model, series, observed=4.0)
    minimize_adam(objective, Minibatches(len(series), options), options.adam, keeper=LastState(objective))
    for a, b in zip(fitted.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_validation_series_are_not_trained_on() -> None:
    _, series = random_series()
    seen, kept = split(series, 0.25, seed=0)
    assert kept is not None
    assert (len(seen), len(kept)) == (3, 1)
    together = torch.cat((seen.values, kept.values)).sum(dim=(1, 2)).sort().values
    torch.testing.assert_close(together, series.values.sum(dim=(1, 2)).sort().values)
    with pytest.raises(ConfigError, match="leaves none to train on"):
        split(series, 0.9, seed=0)


# The baseline


def test_the_baseline_has_as_many_weights() -> None:
    for wanted in (500, 5_000, 20_284):
        hidden = hidden_units(2, wanted)
        sizes = [abs(n_weights(Baseline(2, h)) - wanted) for h in (hidden - 1, hidden, hidden + 1)]
        assert min(sizes) == sizes[1]


def test_the_baseline_continues_from_its_own_predictions() -> None:
    """Feeding its predictions back as if they were measured gives the same again."""
    model = Baseline(2, 9).double()
    values = torch.randn(3, 6, 2, generator=generator(), dtype=torch.float64)
    model.set_units(Series(torch.arange(6.0), values, torch.ones_like(values, dtype=torch.bool)))
    x = model.continue_(values, 5)
    assert x.shape == (3, 10, 2)
    torch.testing.assert_close(x[:, :5], model.follow(values))
    fed = torch.cat((values, x[:, 5:]), dim=1)
    torch.testing.assert_close(model.follow(fed), x)


def test_the_baseline_with_a_scale_of_its_own() -> None:
    model = Baseline(2, 9, own_scale=True).double()
    with torch.no_grad():
        model.recurrent.weight_ih_l0[:, -1] = 0.0
    values = torch.randn(3, 6, 2, generator=generator(), dtype=torch.float64)
    torch.testing.assert_close(model.continue_(10 * values, 4), 10 * model.continue_(values, 4))
    torch.testing.assert_close(model.follow(values, 6), model.continue_(values[:, :6], 1)[:, :5])
    hidden = hidden_units(2, 5_000, own_scale=True)
    sizes = [abs(n_weights(Baseline(2, h, own_scale=True)) - 5_000) for h in (hidden - 1, hidden, hidden + 1)]
    assert min(sizes) == sizes[1]


def test_the_loss_in_the_scale_of_a_series_does_not_depend_on_it() -> None:
    model = Baseline(2, 9, own_scale=True).double()
    with torch.no_grad():
        model.recurrent.weight_ih_l0[:, -1] = 0.0
    values = torch.randn(3, 8, 2, generator=generator(), dtype=torch.float64)
    losses = []
    for factor in (1.0, 7.0):
        series = Series(torch.arange(8.0), factor * values, torch.ones_like(values, dtype=torch.bool))
        objective = BaselineLoss(model, series, BaselineOptions(observed=4))
        losses.append(objective(Minibatch(torch.arange(3), 0.9, generator())).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)
    x = model.continue_(values[:, :4], 4)
    relative = (x - values[:, 1:]) / model.size(values[:, :4])
    assert losses[0] == pytest.approx(math.log(relative.square().mean().item() + 1e-4))


def test_the_baseline_learns_a_constant_series() -> None:
    rng = np.random.default_rng(0)
    levels = rng.uniform(-2, 2, size=(30, 1, 2))
    times = np.arange(24.0)
    experiments = [Experiment(str(k), times, np.repeat(level, 24, axis=0), 0.0) for k, level in enumerate(levels)]
    options = BaselineOptions(observed=8)
    fitted = fit_baseline(experiments, 12, options, small_training(epochs=60, batch_size=15))
    x = continue_baseline(fitted.model, experiments, observed=8)
    assert np.isnan(x[:, 0]).all()
    errors = errors_of(x, np.repeat(levels, 24, axis=1), 8)
    assert errors.reconstruction < 1e-3
    assert errors.extrapolation < 1e-2


def test_the_baseline_refuses_gaps() -> None:
    _, series = random_series()
    with pytest.raises(DataError, match="complete series"):
        BaselineLoss(Baseline(2, 4), series, BaselineOptions(observed=3))


# Evaluation


def test_errors_of_known_predictions() -> None:
    truth = np.zeros((3, 5, 2))
    predicted = np.zeros_like(truth)
    predicted[:, 2:] = np.array([1.0, 2.0, 6.0])[:, None, None]
    predicted[:, 1] = 0.5
    predicted[:, 0] = np.nan
    errors = errors_of(predicted, truth, 2)
    assert errors.reconstruction == errors.median_reconstruction == 0.25
    assert errors.extrapolation == pytest.approx((1 + 4 + 36) / 3)
    assert errors.median_extrapolation == 4.0


def test_error_as_a_share_of_the_size_does_not_depend_on_it() -> None:
    truth = np.ones((2, 5, 2)) * np.array([1.0, 50.0])[:, None, None]
    assert share_of_size(1.1 * truth, truth, 2) == pytest.approx(0.01)
    assert share_of_size(1.1 * truth[:1], truth[:1], 2) == pytest.approx(0.01)


def test_interpolation_begins_and_ends_at_the_two_series() -> None:
    _, series = random_series()
    model = tiny()
    reading = read_backwards(series, 3.0)
    between = interpolate(model, reading, series.grid, 5)
    assert between.shape == (5, len(series.grid), 2)
    ends = model.predict(reading.rows(slice(0, 2)), series.grid).detach().numpy()
    np.testing.assert_allclose(between[[0, -1]], ends, atol=1e-12)
    assert np.abs(between[2] - ends).max() > 1e-3


def test_pictures_show_every_series() -> None:
    from matplotlib.figure import Figure

    from odefit.plots import style
    from odefit.plots.latent_curves import draw_forecasts, draw_interpolation

    spirals = draw_spirals(3, times=40)
    predicted = {"latent ODE": spirals.truth, "GRU": np.zeros_like(spirals.truth)}

    def forecasts() -> Figure:
        return draw_forecasts(spirals.times, spirals.measured, spirals.truth, predicted, observed=10)

    with style.styled():
        between = draw_interpolation(spirals.truth)
        first, again = (style.render(forecasts(), "png") for _ in range(2))
        other = style.render(between, "png")
    assert len(forecasts().axes) == 6
    assert len(between.axes) == 3
    assert first == again
    assert first[:4] == other[:4] == b"\x89PNG"
