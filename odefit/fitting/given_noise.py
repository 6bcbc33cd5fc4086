"""A noise level that was given, and that the scatter of the measurements refutes."""

from __future__ import annotations

import numpy as np

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.distributions import chi_square_tails
from odefit.objective.likelihood import Likelihood
from odefit.objective.noise.families import family_of
from odefit.objective.residuals import pearson_residuals

IMPROBABLE = 1e-3
"""The probability of a chi-square this far out, in both directions, from which on a given noise level is refuted."""
LEAST = 1e-300
"""The least probability that is written as a number."""


def refuted_levels(likelihood: Likelihood, u: FloatArray) -> list[str]:
    """A sentence for each observable whose given noise level does not fit the scatter of its measurements at u [P].

    The sum of squared standardised residuals of an observable is compared with chi-square of n (1 - p/N) degrees of
    freedom: its n measurements, less its part of what p estimates take from all N of them.
    """
    problem = likelihood.problem
    residuals = pearson_residuals(likelihood, u)
    total = sum(len(data.rows) for data in problem.data)
    if residuals is None or total <= len(u):
        return []
    found = []
    for name, data, r in zip(problem.observation.names, problem.data, residuals, strict=True):
        is_given = data.family is family_of("gaussian") and not problem.has_estimated_scale(name)
        degrees = len(r) * (1 - len(u) / total)
        with np.errstate(over="ignore"):
            square = float(r @ r)
        if not is_given or not len(r) or not np.isfinite(square):
            continue
        low, high = chi_square_tails(square, degrees)
        if min(low, high) < IMPROBABLE / 2:
            sigma = problem.observation.noise[name].sigma
            found.append(_sentence(name, square / degrees, low < high, min(low, high), sigma))
    return found


def _sentence(name: str, reduced: float, is_large: bool, probability: float, sigma: sp.Expr | None) -> str:
    """sigma: what was given; None where that is a column."""
    size = "large" if is_large else "small"
    shown = f"{probability:.1g}" if probability > LEAST else f"below {LEAST:g}"
    what = f"the given sigma of {name} is too {size} for the scatter of its measurements: reduced chi-square "
    what += f"{reduced:.3g} (probability {shown}), and the standard errors are too {size} with it"
    if not is_large:
        what += ", unless the model misses something (see the residuals)"
    if sigma is not None and sigma.is_number:
        return f"{what}; `noise.{name}.sigma: estimate` takes it from the data"
    formula, where = ("s*NAME", "NAME being its column") if sigma is None else ("s*(…)", "with the formula of now")
    return f"{what}; if it is known up to a factor, write `noise.{name}.sigma: {formula}`, {where}, and a parameter s"
