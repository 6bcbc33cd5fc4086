"""Training by the loop that all share: it learns, it is reproducible, it goes on where it was."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from odefit.data.experiments import Experiment
from odefit.errors import ConfigError
from odefit.latent.estimator import FittedLatent, fit_latent, predict, split
from odefit.latent.minibatches import Minibatch, Minibatches, train
from odefit.latent.model import LatentODE, LatentOptions
from odefit.latent.objective import Elbo, ElboOptions
from odefit.latent.series import read_backwards
from odefit.latent.spirals import solve_linear
from odefit.status import Reason, Status
from odefit.training.adam import minimize_adam
from odefit.training.best_state import LastState
from odefit.training.loss_history import Epoch
from small_latent import TINY, random_series, small_training


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
    errors = np.square(x - truth)
    for read_or_not in (slice(None, 13), slice(13, None)):
        assert errors[:, read_or_not].mean() < 0.2 * np.square(truth[:, read_or_not]).mean()


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
