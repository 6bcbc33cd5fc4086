"""How many degrees of freedom the estimate of the noise has."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from odefit.data.experiments import FloatArray
from odefit.objective.cells import Cells
from odefit.objective.families import family_of
from odefit.objective.kind import scale_moves
from odefit.objective.likelihood import Likelihood, ProfileLikelihood


def residual_degrees(likelihood: Likelihood, free: NDArray[np.bool_]) -> float:
    """n - p where every noise level is the standard deviation of normal residuals, estimated from them, else infinite.

    free: [P], False for estimates that lie on a bound. n counts measurements, p the free parameters that are
    no noise levels: the t distribution with n - p degrees is that of an estimate over its standard error.
    """
    profile = ProfileLikelihood(likelihood)
    measured = _measured(likelihood)
    n, p = likelihood.problem.n_measured, int(np.count_nonzero(free[profile.free]))
    normal = family_of("gaussian")
    if n <= p or not all(cells.family is normal and cells.theta in profile.sigmas for cells in measured):
        return math.inf
    return float(n - p)


def no_degrees_left(likelihood: Likelihood) -> bool:
    """Whether the noise is to be estimated from residuals that the other parameters can make zero."""
    profile = ProfileLikelihood(likelihood)
    estimated = all(cells.theta in profile.sigmas for cells in _measured(likelihood))
    return estimated and likelihood.problem.n_measured <= len(profile.free)


def reduced_chi_square(likelihood: Likelihood, u: FloatArray) -> float | None:
    """The sum of squares of Pearson's residuals over n - p; None where it says nothing, because a scale was estimated
    from these very residuals. (A dispersion of counts may have been: it is no scale.)

    n counts what was measured, without the censored cells.
    """
    for cells, name in zip(likelihood.cells, likelihood.problem.observation.names, strict=True):
        if cells.n and not cells.family.is_count and scale_moves(likelihood.problem, name):
            return None
    degrees = sum(len(cells.rows) for cells in likelihood.cells) - len(u)
    return likelihood.chi_square(u) / degrees if degrees > 0 else None


def _measured(likelihood: Likelihood) -> list[Cells]:
    return [cells for cells in likelihood.cells if cells.n]
