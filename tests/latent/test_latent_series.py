"""Series on one grid, and what the encoder reads of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from odefit.data.experiments import Experiment
from odefit.errors import DataError
from odefit.latent.estimator import fit_latent
from odefit.latent.series import Reading, read_backwards, series_of
from odefit.latent.spirals import draw_spirals
from small_latent import TINY, random_series, tiny


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
