"""How much the objective may rise before the data object.

For n normal measurements with one standard deviation, which is estimated, and p parameters of a linear model

    2 (nll - nll at the optimum) = n ln(1 + t²/(n - p))

where t is Student's t with n - p degrees of freedom: with the quantile of t in it the interval has its coverage
exactly, where the quantile of chi-square in its place makes it too short. With other noise models whose levels are
estimated, t is widened as it is in a Wald interval (uncertainty/estimation.py): the two agree where the likelihood is
normal.

References
----------
D. M. Bates and D. G. Watts, "Nonlinear Regression Analysis and Its Applications" (1988), chapter 6.
"""

from __future__ import annotations

import math

from odefit.uncertainty.intervals import quantile


def root_at(level: float, degrees: float, n: int, widening: float = 1.0) -> float:
    """zeta = sqrt(2 rise) at the ends of an interval of this coverage.

    Parameters
    ----------
    level
        Such as 0.95.
    degrees
        Of freedom, of the noise estimate; infinite where that has none.
    n
        Measurements that the noise levels are estimated from.
    widening
        What t is multiplied by beyond sqrt(n/degrees), for noise that is not normal with one level.
    """
    t = quantile(level, degrees)
    if math.isinf(degrees) or not n:
        return t
    return math.sqrt(n * math.log1p(t * t * widening * widening / n))
