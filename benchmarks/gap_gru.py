"""The recurrent network of benchmarks/latent.py for uneven times and missing points: it sees the gaps.

At each time of the grid it reads the point there, or its own prediction of it where none was measured, whether one was,
how long it is until the next time, and the size of the series; it says how much is added until then (the usual remedy,
as in Che et al. 2018, "Recurrent neural networks for multivariate time series with missing values").
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from latent_baseline import ERROR_FLOOR
from torch import Tensor, nn

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.latent.estimator import split
from odefit.latent.minibatches import Callback, Minibatch, TrainingOptions, train
from odefit.latent.model import root_mean_square
from odefit.latent.objective import grown, start_points
from odefit.latent.series import Series, series_of
from odefit.training.loss_history import TrainingOutcome

FORCED, GROW = 0.1, 0.4
"""Shares of the training: with measured points all the way, and while the horizon grows."""


class GapGRU(nn.Module):
    """Predicts points 2 to T of series [E, T, O] on a grid; `observed` of the points are read as far as measured."""

    def __init__(self, series: Series, hidden: int) -> None:
        super().__init__()
        n = series.n_observables
        self.cell, self.head = nn.GRUCell(n + 3, hidden), nn.Linear(hidden, n)
        measured = series.values[series.mask].reshape(-1, n)
        self.centre, self.spread = measured.mean(dim=0), measured.std(dim=0)
        self.gap = float(series.grid[-1]) / (len(series.grid) - 1)

    def forward(self, series: Series, observed: int) -> tuple[Tensor, Tensor]:
        """Predictions [E, T - 1, O] in the units of the data, and the sizes of the series [E, 1, 1]."""
        x, mask = (series.values - self.centre) / self.spread, series.mask
        size = root_mean_square(x[:, :observed], mask[:, :observed].to(x))
        x = x / size
        gaps = (series.grid.diff() / self.gap).to(x)
        log_size, zero = size.log().squeeze(-1), torch.zeros_like(x[:, 0])
        state, point, known, predicted = None, zero, mask[:, 0], []
        point = torch.where(known, x[:, 0], point)
        for k, gap in enumerate(gaps, 1):
            seen = known.any(dim=1, keepdim=True).to(x)
            state = self.cell(torch.cat((point, seen, gap.expand_as(seen), log_size), dim=1), state)
            point = point + self.head(state)
            predicted.append(point)
            known = mask[:, k] if k < observed else torch.zeros_like(known)
            point = torch.where(known, x[:, k], point)
        return self.centre + self.spread * size * torch.stack(predicted, dim=1), size


class Loss(nn.Module):
    """As that of the baseline for even times: the logarithm of the mean squared error in squared sizes."""

    def __init__(self, model: GapGRU, series: Series, observed: int, starts: int) -> None:
        super().__init__()
        self.model, self.series, self.observed, self.starts = model, series, observed, starts

    def forward(self, batch: Minibatch) -> Tensor:
        """The loss of some series."""
        points = start_points(len(self.series.grid), self.observed, self.starts)
        own = self.series.since(points[int(torch.randint(len(points), (), generator=batch.generator))])
        own = own.rows(batch.rows)
        n = observed = len(own.grid)
        if batch.progress >= FORCED:
            observed = self.observed
            n = grown(observed, n, batch.progress - FORCED, GROW)
        own = Series(own.grid[:n], own.values[:, :n], own.mask[:, :n])
        predicted, size = self.model(own, observed)
        errors = (predicted - own.values[:, 1:]) / (self.model.spread * size)
        squares = errors.square()[own.mask[:, 1:]].mean()
        return (squares + ERROR_FLOOR).log()


@dataclass(frozen=True)
class Fitted:
    """A trained network, and how it was trained."""

    model: GapGRU
    training: TrainingOutcome


def fit_gaps(
    seen: tuple[Experiment, ...], hidden: int, observed: int, starts: int, options: TrainingOptions, callback: Callback
) -> Fitted:
    """Train it; a tenth of the series choose the best epoch."""
    some, kept = split(series_of(seen), 0.1, options.seed)
    assert kept is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        model = GapGRU(some, hidden)

    @torch.no_grad()
    def score() -> float:
        errors = (model(kept, observed)[0] - kept.values[:, 1:]) / model.spread
        return float(errors.square()[kept.mask[:, 1:]].mean())

    return Fitted(model, train(Loss(model, some, observed, starts), len(some), options, score, callback))


@torch.no_grad()
def continue_gaps(model: GapGRU, experiments: tuple[Experiment, ...], observed: int) -> FloatArray:
    """Predictions [E, T, O] on the grid of all; the first point, which it cannot predict, is NaN."""
    predicted = model(series_of(experiments), observed)[0].double()
    found: FloatArray = nn.functional.pad(predicted, (0, 0, 1, 0), value=float("nan")).numpy()
    return found
