"""What a latent ODE is trained by: the evidence lower bound.

    ELBO = E_q(z0 | x) [log p(x | z0)] - KL(q(z0 | x) || N(0, I))  <=  log p(x)

Source: Kingma & Welling (2014), "Auto-encoding variational Bayes"; for ODEs Chen et al. (2018), section 5.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from odefit.errors import DataError
from odefit.latent.minibatches import Minibatch
from odefit.latent.model import LatentODE, Posterior
from odefit.latent.series import Reading, Series, read_backwards
from odefit.records import dataclass

FIRST_HORIZON = 0.25
"""The share of the grid with which a growing horizon begins, where the encoder reads everything."""

LATEST_START = 0.5
"""The latest of several starts leaves out this share of what is not observed."""


LESSON = 30.0
"""Weight of what the encoder learns from refined starts, which it shares with nothing else."""


class Terms(NamedTuple):
    """The terms of the bound, [E] each, in nats.

    Parameters
    ----------
    reconstruction
        The expected log-likelihood, from one draw of z0.
    divergence
        Of the posterior from the prior.
    refined
        The log-likelihood where the same draw surrounds the refined latent start instead of the encoder's.
    """

    reconstruction: Tensor
    divergence: Tensor
    refined: Tensor | None = None

    @property
    def elbo(self) -> Tensor:
        """The bound of each series, [E]."""
        return self.reconstruction - self.divergence


@dataclass(frozen=True)
class ElboOptions:
    """How the bound is estimated in a step of the training.

    Parameters
    ----------
    times_per_step
        This many points of the grid, drawn anew for each step, stand for all; None: all of them.
    anneal
        Over this share of the training the weight of the divergence grows from 0 to 1.
    grow
        Over this share of the training the horizon grows from the observed part to the whole grid.
    starts
        A step sees the series from one of this many starts, drawn anew: their own, and later ones. The equation does
        not depend on the time, so what comes after any point is a series too, and another one to learn from.
    """

    times_per_step: int | None = None
    anneal: float = 0.1
    grow: float = 0.3
    starts: int = 1


def divergence(q: Posterior) -> Tensor:
    """KL(q || N(0, I)) = 1/2 sum(mean² + variance - 1 - log variance), [E]."""
    squares = q.mean.square() + q.log_variance.exp()
    return 0.5 * (squares - 1.0 - q.log_variance).sum(dim=-1)


def log_density(values: Tensor, mean: Tensor, sigma: Tensor) -> Tensor:
    """log N(values; mean, sigma²), elementwise."""
    return -0.5 * ((values - mean) / sigma).square() - sigma.log() - 0.5 * math.log(2 * math.pi)


class Elbo(nn.Module):
    """The negative bound of a latent ODE as the loss of a training.

    Parameters
    ----------
    model
        The latent ODE.
    series
        What it is trained on.
    options
        How the bound is estimated.
    observed
        The encoder reads what was measured until then (elapsed time); default: the end of the grid.

    Raises
    ------
    DataError
        Series have no measurement in that part.
    """

    def __init__(
        self, model: LatentODE, series: Series, options: ElboOptions | None = None, observed: float | None = None
    ) -> None:
        super().__init__()
        self.model, self.series, self.options = model, series, options or ElboOptions()
        end = float(series.grid[-1])
        self.observed = end if observed is None else observed
        self.first = max(series.until(end * FIRST_HORIZON if observed is None else observed), 2)
        self.reading = read_backwards(series, self.observed)
        self._views = [(series, self.reading), *self._later_views()]

    def _later_views(self) -> list[tuple[Series, Reading]]:
        """The series from later starts on, as far as every one of them is measured there."""
        views = []
        for point in start_points(len(self.series.grid), self.first, self.options.starts)[1:]:
            later = self.series.since(point)
            try:
                views.append((later, read_backwards(later, self.observed)))
            except DataError:
                break
        return views

    def forward(self, batch: Minibatch) -> Tensor:
        """-ELBO per measurement of some series, in nats.

        An estimate from one draw of z0 and, with times_per_step, from a sample of the times: unbiased for the whole
        grid once the horizon and the weight of the divergence have grown.
        """
        rows, progress, generator = batch.rows, batch.progress, batch.generator
        series, reading = self._views[int(torch.randint(len(self._views), (), generator=generator))]
        last = len(series.grid)
        n = grown(min(self.first, last), last, progress, self.options.grow)
        points = draw_points(n, self.options.times_per_step, generator)
        own = series.rows(rows)
        estimate = refined_terms if self.model.is_linear else elbo_terms
        terms = estimate(self.model, reading.rows(rows), own, points, generator)
        likelihood = terms.reconstruction.sum()
        if terms.refined is not None:
            likelihood = likelihood + terms.refined.sum()
        weight = min(1.0, progress / self.options.anneal) if self.options.anneal > 0 else 1.0
        measured = float(own.mask[:, :n].sum())
        return (weight * terms.divergence.sum() - likelihood * (n / len(points))) / max(measured, 1.0)


def elbo_terms(model: LatentODE, reading: Reading, series: Series, points: Tensor, generator: torch.Generator) -> Terms:
    """Estimate the terms of each series from one draw of z0.

    With refinement, the vector field and the decoder learn from two latent starts of each series, solved as one batch:
    the encoder's, through which the encoder learns as well, and what the refinement makes of it, which is taken as
    given and is what predictions begin from. Each has noise levels of its own.

    Parameters
    ----------
    model
        The latent ODE.
    reading
        What the encoder reads of each series.
    series
        The same series, to be explained.
    points
        [K], the positions in the grid that count, increasing.
    generator
        Where the draw comes from.

    Returns
    -------
    Terms
    """
    posterior = model.encode(reading)
    starts, log_sigmas = [posterior.sample(generator)], [model.log_sigma]
    if model.options.refine:
        stride = int(points[1] - points[0]) if len(points) > 1 else 1
        best = model.refine(reading, posterior.mean.detach(), stride, learn=True).z
        spread = Posterior(best, posterior.log_variance.detach())
        starts, log_sigmas = [*starts, spread.sample(generator)], [model.log_sigma_encoder, model.log_sigma]
    z = model.evolve(torch.cat(starts), series.grid[points]).transpose(0, 1)
    size = model.size(reading)
    values, mask = series.values[:, points], series.mask[:, points]
    densities = [
        torch.where(mask, log_density(values, model.decode(own, size), model.noise(size, log_sigma)), 0.0)
        for own, log_sigma in zip(z.chunk(len(starts)), log_sigmas, strict=True)
    ]
    reconstruction, *refined = [density.sum(dim=(1, 2)) for density in densities]
    return Terms(reconstruction, divergence(posterior), *refined)


def refined_terms(
    model: LatentODE, reading: Reading, series: Series, points: Tensor, generator: torch.Generator
) -> Terms:
    """The terms where the posterior is the normal one around the refined start, not the encoder's.

    Vector field and decoder learn from a draw of it. The encoder learns to say where it lies: by the divergence of its
    normal from it, the other way round, which is -log q(refined start) but for what the encoder does not change. A
    matrix is so good as soon as it is refined that what an unlearned encoder says would only lead it away.

    Parameters, Returns
        As for `elbo_terms`.
    """
    q = model.encode(reading)
    stride = int(points[1] - points[0]) if len(points) > 1 else 1
    best = model.refine(reading, q.mean.detach(), stride, learn=True)
    z = model.evolve(best.draw(generator), series.grid[points]).transpose(0, 1)
    size = model.size(reading)
    density = log_density(series.values[:, points], model.decode(z, size), model.noise(size))
    likelihood = torch.where(series.mask[:, points], density, 0.0).sum(dim=(1, 2))
    return Terms(likelihood, -LESSON * log_density(best.z, q.mean, (0.5 * q.log_variance).exp()).sum(dim=-1))


def grown(first: int, last: int, progress: float, share: float) -> int:
    """The number of points of a grid that count: from `first` to `last`, linearly over a share of the training."""
    if progress >= share:
        return last
    return min(first + round((last - first) * progress / share), last)


def start_points(n: int, first: int, starts: int) -> list[int]:
    """The points of a grid of n that a series may start from: 0, and equally spaced later ones.

    The last leaves half of what follows the `first` points.
    """
    last = (n - first) * LATEST_START
    return [round(last * k / max(starts - 1, 1)) for k in range(starts)]


def draw_points(n: int, wanted: int | None, generator: torch.Generator) -> Tensor:
    """Draw about `wanted` of the numbers 0 to n - 1, equally spaced, the first at random: each number is as likely.

    Equally spaced, since a solver steps onto each of them: points drawn one by one would cost it as many short steps,
    and tell no more. All of them where no more than that are wanted.
    """
    if wanted is None or wanted >= n:
        return torch.arange(n)
    stride = -(-n // wanted)
    first = int(torch.randint(stride, (), generator=generator))
    return torch.arange(first, n, stride)
