"""The errors of all estimates of a fit of equations, from the information at the optimum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from odefit.arrays import FloatArray, Mask
from odefit.linalg.dense_matrix import DenseMatrix
from odefit.linalg.matrix import Matrix
from odefit.linalg.score import Evaluation
from odefit.objective.likelihood import Likelihood
from odefit.records import dataclass
from odefit.uncertainty.covariance import Covariance, fisher_covariance, rank_tolerance
from odefit.uncertainty.degrees_of_freedom import noise_levels, residual_degrees
from odefit.uncertainty.intervals import quantile
from odefit.uncertainty.noise_levels import Interval, NoiseLevels
from odefit.uncertainty.observed import MAX_PARAMETERS, observed_rows

Information = Literal["expected", "observed", "sandwich", "penalised"]

MOST_ENTRIES = 10_000_000
"""A larger matrix A is not decomposed once more for the kinks of a likelihood, nor are more entries made at once."""


@dataclass(frozen=True)
class Uncertainty:
    """What is known of the errors.

    Parameters
    ----------
    full
        The covariance in search space; with least squares that of s² = RSS/(n - p).
    degrees
        Of freedom, of the noise estimate; infinite where that has none.
    rows
        A [M, P] with the information A'A.
    scale
        What the errors of all but noise levels were multiplied by.
    widening
        What the intervals of all but noise levels are wider by than Student's t makes them.
    information
        What the covariance is the inverse of: the expected information, the observed one, the sandwich
        (kinks.py), or the penalised one of models with networks (penalised.py).
    held
        Parameters at a bound, which the errors of the others take as known.
    noise
        Position in search space -> the 95 % interval of a noise level, natural scale, where it is another than that of
        the covariance.
    """

    full: Covariance
    degrees: float
    rows: Matrix
    scale: float = 1.0
    widening: float = 1.0
    information: Information = "expected"
    held: tuple[str, ...] = ()
    noise: Mapping[int, Interval] = field(default_factory=dict)

    @cached_property
    def covariance(self) -> Covariance:
        """Of all parameters, or where they are hundreds because of experiments with their own, of the shared ones."""
        return self.full.listed()

    @property
    def reach(self) -> float:
        """Half the length of a 95 % interval in standard errors."""
        return quantile(0.95, self.degrees) * self.widening

    @cached_property
    def with_held(self) -> Covariance:
        """The covariance of all parameters, those at a bound known."""
        return self.full.known(np.array([name in self.held for name in self.full.names], dtype=bool))


def estimate_uncertainty(likelihood: Likelihood, u: FloatArray, bound: NDArray[np.int8]) -> Uncertainty | None:
    """The errors from the inverse information at u.

    With plain least squares the information is the expected one, with other likelihoods that have second derivatives
    the observed one, as far as it can be had; with Laplace noise it is the sandwich of kinks.py. Where every noise
    level is estimated, the errors of least squares are those of s² = RSS/(n - p): the maximum-likelihood sigma, which
    divides by n, would make them too small. With other noise the intervals allow for that, and the errors are those of
    the information.

    Parameters
    ----------
    likelihood
        The problem and its data.
    u
        [P], the optimum.
    bound
        [P], not 0 for estimates that lie on a bound.

    Returns
    -------
    Uncertainty or None
        None where the model cannot be differentiated at u.
    """
    evaluation = likelihood.information(u)
    if not evaluation.is_finite:
        return None
    problem, free = likelihood.problem, bound == 0
    names, tolerance = problem.table.estimated_names, rank_tolerance(problem.engine.options.rtol)
    rows, information = _rows(likelihood, u, evaluation, free, tolerance)
    covariance = fisher_covariance(rows, names, free, tolerance)
    levels = NoiseLevels(likelihood, u, covariance.standard_errors, free, tolerance)
    degrees = residual_degrees(likelihood, free, covariance.nullity(free))
    scale = widening = 1.0
    if problem.is_least_squares and math.isfinite(degrees):
        scale = math.sqrt(problem.n_measured / degrees)
        covariance = covariance.scaled(np.where(noise_levels(problem), 1.0, scale))
    elif math.isfinite(degrees):
        widening = levels.bias
    held = tuple(name for name, is_free in zip(names, free, strict=True) if not is_free)
    return Uncertainty(covariance, degrees, rows, scale, widening, information, held, levels.intervals())


def _rows(
    likelihood: Likelihood, u: FloatArray, here: Evaluation, free: Mask, tolerance: float
) -> tuple[Matrix, Information]:
    """The root of the information that the errors are to come from, and which one it is."""
    if here.kinked is not None and here.A.shape[0] * here.A.shape[1] <= MOST_ENTRIES:
        from odefit.uncertainty.kinks import blurred_rows

        blurred = blurred_rows(here.A.dense(), here.kinked, free, tolerance)
        return (here.A, "expected") if blurred is None else (blurred, "sandwich")
    observed = _observed_rows(likelihood, u, here.A, free, tolerance)
    return (here.A, "expected") if observed is None else (observed, "observed")


def _observed_rows(
    likelihood: Likelihood, u: FloatArray, expected: Matrix, free: Mask, tolerance: float
) -> DenseMatrix | None:
    """The root of the observed information; None where the expected one is to be used, or nothing better can be had."""
    problem = likelihood.problem
    if problem.is_least_squares or not problem.is_smooth or len(u) > MAX_PARAMETERS:
        return None

    def gradients(points: FloatArray) -> FloatArray:
        few = max(1, MOST_ENTRIES // (expected.shape[0] * expected.shape[1]))
        parts = [likelihood.evaluations(points[k : k + few]) for k in range(0, len(points), few)]
        found = [part[b] for part in parts for b in range(len(part))]
        return np.array([one.gradient if one.is_finite else np.full(len(u), np.nan) for one in found])

    return observed_rows(gradients, u, expected.dense(), free, problem.table.search_bounds(), tolerance)
