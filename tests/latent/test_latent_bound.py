"""The evidence lower bound against formulas, integrals and differences."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, kl_divergence

from odefit.data.experiments import Experiment
from odefit.latent.minibatches import Minibatch
from odefit.latent.model import LatentOptions, Posterior
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
from odefit.latent.series import Series, read_backwards, series_of
from odefit.latent.spirals import draw_spirals
from small_latent import generator, random_series, tiny


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
