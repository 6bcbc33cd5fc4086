"""The recurrent network that benchmarks/latent.py compares with, and the errors by which it does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from odefit.data.experiments import Experiment
from odefit.errors import DataError
from odefit.latent.estimator import interpolate, n_weights
from odefit.latent.minibatches import Minibatch
from odefit.latent.series import Series, read_backwards
from odefit.latent.spirals import draw_spirals
from scripts import script
from small_latent import generator, random_series, small_training, tiny

with script("benchmarks/latent_baseline.py") as module:
    Baseline, BaselineLoss, BaselineOptions = module.Baseline, module.BaselineLoss, module.BaselineOptions
    continue_baseline, fit_baseline, hidden_units = module.continue_baseline, module.fit_baseline, module.hidden_units
with script("benchmarks/latent_errors.py") as module:
    draw_forecasts, errors_of, share_of_size = module.draw_forecasts, module.errors_of, module.share_of_size


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
    from odefit.plots.latent_interpolation import draw_interpolation

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
