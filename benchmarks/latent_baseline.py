"""What a latent ODE is compared with: a recurrent network that forecasts step by step.

It reads the observed points in their order, says what the next point will be, and from then on reads its own
predictions. Each prediction is the point before it plus what the network adds, which makes a network that has learnt
nothing predict that nothing changes: a far better start than predicting zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.errors import DataError
from odefit.latent.estimator import split
from odefit.latent.minibatches import Callback, Minibatch, TrainingOptions, train
from odefit.latent.model import root_mean_square
from odefit.latent.objective import grown, start_points
from odefit.latent.series import Series, series_of
from odefit.training.loss_history import TrainingOutcome

ERROR_FLOOR = 1e-4
"""Added to mean squared errors, in squared sizes, before their logarithm: smaller ones need no more effort."""


class Baseline(nn.Module):
    """A recurrent network (GRU) of one layer, for series [E, T, O] on a regular grid, in the units of the data.

    Parameters
    ----------
    observables
        How many there are.
    hidden
        Units of the layer.
    own_scale
        As that of a latent ODE; the size is taken from what is observed.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, observables: int, hidden: int, own_scale: bool = False) -> None:
        super().__init__()
        self.own_scale = own_scale
        self.recurrent = nn.GRU(observables + own_scale, hidden, batch_first=True)
        self.head = nn.Linear(hidden, observables)
        self.register_buffer("centre", torch.zeros(observables))
        self.register_buffer("scale", torch.ones(observables))

    @torch.no_grad()
    def set_units(self, series: Series) -> None:
        """Take each observable's mean and spread from series."""
        values = series.values.flatten(0, 1)
        self.centre.copy_(values.mean(dim=0))
        spread = values.std(dim=0, correction=0)
        self.scale.copy_(torch.where(spread > 0, spread, torch.ones_like(spread)))

    def follow(self, values: Tensor, observed: int | None = None) -> Tensor:
        """Predict points 2 to T, each from the true points before it.

        Parameters
        ----------
        values
            [E, T, O], the true points.
        observed
            The size of a series is that of this many points; default: of all but the last.

        Returns
        -------
        Tensor
            [E, T - 1, O].
        """
        size = self.size(values[:, : observed or -1])
        x = (values[:, :-1] - self.centre) / self.scale / size
        states, _ = self.recurrent(self._inputs(x, size))
        followed: Tensor = self.centre + self.scale * size * (x + self.head(states))
        return followed

    def continue_(self, values: Tensor, more: int) -> Tensor:
        """Predict points 2 to T from those before, then `more` points from its own predictions.

        [E, T, O] -> [E, T - 1 + more, O].
        """
        size = self.size(values)
        x = (values - self.centre) / self.scale / size
        states, state = self.recurrent(self._inputs(x, size))
        followed = x + self.head(states)
        own = [followed[:, -1:]]
        while len(own) < more:
            states, state = self.recurrent(self._inputs(own[-1], size), state)
            own.append(own[-1] + self.head(states))
        return self.centre + self.scale * size * torch.cat((followed[:, :-1], *own[:more]), dim=1)

    def size(self, values: Tensor) -> Tensor:
        """The size of each series [E, T, O], [E, 1, 1]: 1 without `own_scale`, else its root mean square."""
        if not self.own_scale:
            return torch.ones_like(values[:, :1, :1])
        scaled = (values - self.centre) / self.scale
        return root_mean_square(scaled, torch.ones_like(scaled))

    def _inputs(self, x: Tensor, size: Tensor) -> Tensor:
        """The points, and with own_scale the size of their series."""
        return torch.cat((x, size.log().expand_as(x[..., :1])), dim=-1) if self.own_scale else x


def hidden_units(observables: int, parameters: int, own_scale: bool = False) -> int:
    """The hidden units with which a baseline comes closest to this number of parameters."""
    # 3 H (I + H) + 6 H of the GRU with I inputs, O (H + 1) of the head.
    linear = 3 * (observables + own_scale) + observables + 6
    root = math.sqrt(linear**2 + 12 * max(parameters - observables, 0))
    return max(1, round((root - linear) / 6))


@dataclass(frozen=True)
class BaselineOptions:
    """How a baseline is trained.

    Parameters
    ----------
    observed
        Points that it reads.
    forced
        Over this first share of the training every point is predicted from the true ones before it; afterwards only
        the observed points are true.
    grow
        Over this share of the whole training, after that, the horizon grows to the whole grid.
    starts
        As for the bound of a latent ODE.
    """

    observed: int
    forced: float = 0.1
    grow: float = 0.4
    starts: int = 1


class BaselineLoss(nn.Module):
    """The mean squared error of a baseline's predictions, in squared spreads, as the loss of a training.

    With `own_scale` in squared sizes of the series, and its logarithm: but for a constant that is the negative
    log-likelihood of a noise level proportional to the size, at its most likely value, as a latent ODE has it.

    Parameters
    ----------
    model
        The baseline.
    series
        What it is trained on.
    options
        How.

    Raises
    ------
    DataError
        The series have gaps.
    """

    def __init__(self, model: Baseline, series: Series, options: BaselineOptions) -> None:
        if not bool(series.mask.all()):
            raise DataError("baseline", "reads complete series on one grid only; remove series with missing values")
        super().__init__()
        self.model, self.series, self.options = model, series, options

    def forward(self, batch: Minibatch) -> Tensor:
        """The loss of some series."""
        values, progress, o = self.series.values[batch.rows], batch.progress, self.options
        points = start_points(values.shape[1], o.observed, o.starts)
        values = values[:, points[int(torch.randint(len(points), (), generator=batch.generator))] :]
        if progress < o.forced:
            predicted = self.model.follow(values, o.observed)
        else:
            n = grown(o.observed, values.shape[1], progress - o.forced, o.grow)
            values = values[:, :n]
            predicted = self.model.continue_(values[:, : o.observed], n - o.observed)
        unit = self.model.scale * self.model.size(values[:, : o.observed])
        error = ((predicted - values[:, 1:]) / unit).square().mean()
        return (error + ERROR_FLOOR).log() if self.model.own_scale else error


@dataclass(frozen=True)
class FittedBaseline:
    """A trained baseline, and how it was trained."""

    model: Baseline
    training: TrainingOutcome


def fit_baseline(
    experiments: Sequence[Experiment],
    hidden: int,
    options: BaselineOptions,
    training: TrainingOptions | None = None,
    *,
    own_scale: bool = False,
    validation: float = 0.1,
    callback: Callback | None = None,
) -> FittedBaseline:
    """Train the recurrent baseline.

    Parameters
    ----------
    experiments
        The series, complete and at the same times.
    hidden
        Units of the recurrent network.
    options
        How it is trained.
    training, validation, callback
        As for `fit_latent`.
    own_scale
        As that of `LatentOptions`.

    Returns
    -------
    FittedBaseline
    """
    training = training or TrainingOptions()
    seen, kept = split(series_of(experiments), validation, training.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        model = Baseline(seen.n_observables, hidden, own_scale)
    model.set_units(seen)
    objective = BaselineLoss(model, seen, options)

    def score() -> float:
        assert kept is not None
        predicted = model.continue_(kept.values[:, : options.observed], kept.values.shape[1] - options.observed)
        return float(((predicted - kept.values[:, 1:]) / model.scale).square().mean())

    return FittedBaseline(model, train(objective, len(seen), training, None if kept is None else score, callback))


@torch.no_grad()
def continue_baseline(model: Baseline, experiments: Sequence[Experiment], observed: int) -> FloatArray:
    """Predict complete experiments by a baseline, [E, T, O].

    Each of the observed points is predicted from the true ones before it, the others from its own predictions. The
    first point, which it cannot predict, is NaN.
    """
    values = series_of(experiments, model.centre.dtype).values
    predicted = model.continue_(values[:, :observed], values.shape[1] - observed).to(torch.float64).numpy()
    return np.concatenate([np.full_like(predicted[:, :1], np.nan), predicted], axis=1)
