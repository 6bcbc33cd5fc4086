"""Small latent ODEs and series for them."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from odefit.data.experiments import Experiment
from odefit.latent.minibatches import ADAM, TrainingOptions
from odefit.latent.model import LatentODE, LatentOptions
from odefit.latent.series import Series, series_of

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


def small_training(epochs: int = 6, batch_size: int = 10, score_every: int = 2, seed: int = 0) -> TrainingOptions:
    return TrainingOptions(dataclasses.replace(ADAM, epochs=epochs), batch_size, score_every, seed)
