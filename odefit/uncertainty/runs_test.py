"""Whether residuals look like noise: how often neighbours in time lie on the same side of the curve.

Independent residuals with median 0 agree in sign with the one before them in half of the pairs, so the number of pairs
that agree is binomial. A model that misses something of the shape makes them agree in most, long before the eye is
sure. After A. Wald and J. Wolfowitz, "On a test whether two samples are from the same population" (1940), whose runs
end where the sign changes. Nothing is assumed of the noise but its median, and a fit makes neighbours agree a
little less often than chance, so the test errs on the safe side.
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.distributions import binomial_tail
from odefit.objective.likelihood import Likelihood
from odefit.objective.residuals import quantile_residuals
from odefit.records import dataclass

MIN_PAIRS = 10
"""Nothing is said of fewer pairs of neighbours."""
SIGNIFICANCE = 1e-3
"""The probability with which random residuals of one observable are called anything else."""
MIN_RESIDUAL = 0.05
"""The root mean square in standard deviations of the noise below which residuals are the solver's, not the noise."""
SEED = 0
"""The seed with which quantile residuals of counts are drawn."""


@dataclass(frozen=True)
class Neighbours:
    """Neighbouring residuals of one observable.

    Parameters
    ----------
    pairs
        The number of pairs of neighbours.
    agree
        How many of them agree in sign.
    """

    pairs: int
    agree: int

    @property
    def chance(self) -> float:
        """The probability that at least as many agree if the residuals are random."""
        return binomial_tail(self.agree, self.pairs, 0.5)

    @property
    def is_random(self) -> bool:
        """Whether the residuals may well be random."""
        return self.pairs < MIN_PAIRS or self.chance > SIGNIFICANCE


def neighbours(residuals: FloatArray, owner: IntArray) -> Neighbours:
    """Count pairs of neighbours. Residuals of exactly 0 have no sign, and are passed over.

    Parameters
    ----------
    residuals
        [M], in the order of time within each experiment.
    owner
        [M], the experiment of each.
    """
    signed = residuals != 0
    positive, owner = residuals[signed] > 0, owner[signed]
    together = owner[1:] == owner[:-1]
    return Neighbours(int(together.sum()), int((together & (positive[1:] == positive[:-1])).sum()))


def structure_left(likelihood: Likelihood, u: FloatArray, has_errors: bool = True) -> list[str]:
    """Which observables have residuals that are not random.

    Residuals are quantile residuals, which have median 0 whatever the family; those of counts are drawn. Nothing is
    said of an observable with limits: of its tail the side above the curve is left. Nor of residuals that are next to
    nothing in units of the noise, and so the solver's.

    Parameters
    ----------
    likelihood
        The problem and its data.
    u
        [P], an optimum.
    has_errors
        Whether there are standard errors to speak of.

    Returns
    -------
    list of str
        A sentence per observable; none where the model fails.
    """
    residuals = quantile_residuals(likelihood, u, np.random.default_rng(SEED))
    if residuals is None:
        return []
    problem = likelihood.problem
    sentences = []
    for name, data, r in zip(problem.observation.names, problem.data, residuals, strict=True):
        if data.censored is not None:
            continue
        with np.errstate(over="ignore"):
            size = np.sqrt(np.mean(np.square(r)))
        if size < MIN_RESIDUAL:
            continue
        found = neighbours(r, problem.owner[data.rows])
        if not found.is_random:
            so = ", and the standard errors are too small" if has_errors else ""
            sentences.append(
                f"the residuals of {name} are not random: {100 * found.agree / found.pairs:.0f} % of neighbours lie "
                f"on the same side of the curve (chance: 50 %), so the model misses something of its shape{so}"
            )
    return sentences
