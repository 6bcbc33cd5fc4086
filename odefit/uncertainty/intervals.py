"""Standard errors and confidence intervals on the natural scale, from a covariance in search space.

The interval is symmetric in search space and carried through the transform, so that it stays positive on
a log scale; the standard error is the delta method's, |d theta / d u| se(u).
"""

from __future__ import annotations

import math

import numpy as np

from odefit.arrays import FloatArray
from odefit.distributions import normal_quantile, student_quantile
from odefit.errors import InputError
from odefit.objective.transforms import Transforms
from odefit.records import dataclass


@dataclass(frozen=True)
class Intervals:
    """Errors on the natural scale; NaN where the covariance is.

    Parameters
    ----------
    standard_errors
        [P].
    lower, upper
        [P], the ends of the intervals.
    """

    standard_errors: FloatArray
    lower: FloatArray
    upper: FloatArray


def check_level(level: float) -> None:
    """Raises InputError for what is no coverage of an interval."""
    if not 0 < level < 1:
        raise InputError("level", f"must lie between 0 and 1 (got {level:g})")


def natural_intervals(
    u: FloatArray,
    search_errors: FloatArray,
    transforms: Transforms,
    degrees: float = math.inf,
    widening: float = 1.0,
) -> Intervals:
    """95 % confidence intervals on the natural scale.

    Parameters
    ----------
    u
        [P], the estimates in search space.
    search_errors
        [P], their standard errors there.
    transforms
        The scales.
    degrees
        Degrees of freedom of the noise estimate; infinite for a known noise level.
    widening
        What the intervals are wider by than Student's t makes them.
    """
    q = quantile(0.95, degrees) * widening
    slope = np.abs(transforms.derivative(u))
    low, high = u - q * search_errors, u + q * search_errors
    return Intervals(slope * search_errors, transforms.to_natural(low), transforms.to_natural(high))


def quantile(level: float, degrees: float) -> float:
    """The two-sided quantile of Student's t for a coverage `level`; of the normal distribution for infinite degrees."""
    tail = 0.5 + level / 2
    return float(normal_quantile(np.array(tail))) if math.isinf(degrees) else student_quantile(tail, degrees)
