"""How well a series is reconstructed and continued, and what lies between two series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from odefit.arrays import FloatArray
from odefit.latent.model import LatentODE
from odefit.latent.series import Reading


@dataclass(frozen=True)
class Errors:
    """Mean squared errors of some series, and the medians over the series of each one's own."""

    reconstruction: float
    extrapolation: float
    median_reconstruction: float
    median_extrapolation: float


def errors_of(predicted: FloatArray, truth: FloatArray, observed: int) -> Errors:
    """Of predictions [E, T, O] against the noise-free truth: of the first `observed` points, and of those after.

    A point that is not predicted (NaN) does not count.
    """
    squares = np.square(predicted - truth)
    first, later = squares[:, :observed], squares[:, observed:]
    own = [np.nanmean(part, axis=(1, 2)) for part in (first, later)]
    return Errors(
        float(np.nanmean(first)), float(np.nanmean(later)), float(np.median(own[0])), float(np.median(own[1]))
    )


def share_of_size(predicted: FloatArray, truth: FloatArray, observed: int) -> float:
    """The mean over the series of their extrapolation's squared error, as a share of their own mean square while they
    are observed: large series count no more than small ones."""
    own = np.nanmean(np.square(predicted - truth)[:, observed:], axis=(1, 2))
    return float((own / np.square(truth[:, :observed]).mean(axis=(1, 2))).mean())


@torch.no_grad()
def interpolate(model: LatentODE, reading: Reading, times: torch.Tensor, steps: int) -> FloatArray:
    """Series [steps, T, O] on the straight way between the latent starts of the first two series of a reading.

    Where series have sizes of their own, these change in equal proportions.
    """
    first, second = model.best_start(reading)[:2]
    small, large = model.size(reading)[:2].log()
    weights = torch.linspace(0, 1, steps, dtype=first.dtype, device=first.device).unsqueeze(1)
    z = model.evolve(torch.lerp(first, second, weights), times).transpose(0, 1)
    size = torch.lerp(small, large, weights).exp().unsqueeze(-1)
    between: FloatArray = model.decode(z, size).to(torch.float64).cpu().numpy()
    return between
