"""How many degrees of freedom the estimate of the noise has."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from odefit.objective.likelihood import Likelihood, ProfileLikelihood


def residual_degrees(likelihood: Likelihood, free: NDArray[np.bool_]) -> float:
    """n - p where every noise level is estimated from the residuals, else infinite.

    free: [P], False for estimates that lie on a bound. n counts measurements, p the free parameters that are
    no noise levels: the t distribution with n - p degrees is that of an estimate over its standard error.
    """
    profile = ProfileLikelihood(likelihood)
    measured = [cells for cells in likelihood.cells if len(cells.rows)]
    n, p = likelihood.problem.n_measured, int(np.count_nonzero(free[profile.free]))
    if n <= p or not all(cells.theta in profile.sigmas for cells in measured):
        return math.inf
    return float(n - p)
