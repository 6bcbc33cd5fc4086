"""How well a series is reconstructed and continued, and what lies between two series."""

from __future__ import annotations

import numpy as np
import torch

from odefit.arrays import FloatArray
from odefit.latent.model import LatentODE
from odefit.latent.series import Reading
from odefit.records import dataclass


@dataclass(frozen=True)
class Errors:
    """Mean squared errors of some series, and the medians over the series of each one's own.

    Reconstruction is what was observed, extrapolation what comes after.
    """

    reconstruction: float
    extrapolation: float
    median_reconstruction: float
    median_extrapolation: float


def errors_of(predicted: FloatArray, truth: FloatArray, observed: int) -> Errors:
    """Compare predictions with the noise-free truth.

    Parameters
    ----------
    predicted, truth
        [E, T, O]. A point that is not predicted (NaN) does not count.
    observed
        The first points, which were read.

    Returns
    -------
    Errors
    """
    squares = np.square(predicted - truth)
    first, later = squares[:, :observed], squares[:, observed:]
    own = [np.nanmean(part, axis=(1, 2)) for part in (first, later)]
    return Errors(
        float(np.nanmean(first)), float(np.nanmean(later)), float(np.median(own[0])), float(np.median(own[1]))
    )


def share_of_size(predicted: FloatArray, truth: FloatArray, observed: int) -> float:
    """The mean over the series of the squared error of the extrapolation, as a share of each one's mean square.

    The mean square is that of the observed part. Large series count no more than small ones.
    """
    own = np.nanmean(np.square(predicted - truth)[:, observed:], axis=(1, 2))
    return float((own / np.square(truth[:, :observed]).mean(axis=(1, 2))).mean())


@torch.no_grad()
def interpolate(model: LatentODE, reading: Reading, times: torch.Tensor, steps: int) -> FloatArray:
    """Go straight from the latent start of one series to that of another.

    Where series have sizes of their own, these change in equal proportions.

    Parameters
    ----------
    model
        The latent ODE.
    reading
        What is read of the series; the first two count.
    times
        [T], elapsed.
    steps
        How many series there are on the way, with both ends.

    Returns
    -------
    FloatArray
        [steps, T, O].
    """
    first, second = model.best_start(reading)[:2]
    small, large = model.size(reading)[:2].log()
    weights = torch.linspace(0, 1, steps, dtype=first.dtype, device=first.device).unsqueeze(1)
    z = model.evolve(torch.lerp(first, second, weights), times).transpose(0, 1)
    size = torch.lerp(small, large, weights).exp().unsqueeze(-1)
    between: FloatArray = model.decode(z, size).to(torch.float64).cpu().numpy()
    return between
