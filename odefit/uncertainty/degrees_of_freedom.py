"""How many degrees of freedom the estimate of the noise has."""

from __future__ import annotations

import math

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.model.formulas import free_names
from odefit.objective.likelihood import Likelihood
from odefit.objective.measurements import ObservableData
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood
from odefit.objective.residuals import chi_square, residual_sum


def residual_degrees(likelihood: Likelihood, free: Mask, lost: int = 0) -> float:
    """The degrees of freedom of the noise estimate.

    They are n - p where every noise level, or dispersion of counts, is estimated from the residuals, else infinite.
    They are infinite with a prior, too: its information is no residual, and is not made less by the noise that was
    estimated. n counts measurements without limits, p the free parameters that are no noise levels, each
    combination of them once where the data determine no more. The t distribution
    with n - p degrees is that of an estimate over its standard error, of normal residuals; with the other families that
    have a scale it is near it (benchmarks/coverage.py).

    Parameters
    ----------
    likelihood
        The problem and its data.
    free
        [P], False for estimates that lie on a bound.
    lost
        How many directions among the free parameters the data do not determine: their curves are the same along these.
    """
    profile = ProfileLikelihood(likelihood)
    problem = likelihood.problem
    if any(p.prior for p in problem.table if p.estimate):
        return math.inf
    no_level = ~noise_levels(problem)[profile.free]
    n = sum(len(data.rows) for data in problem.data)
    p = int(np.count_nonzero(free[profile.free] & no_level)) - lost
    return float(n - p) if n > p and every_scale_is_estimated(profile) else math.inf


def every_scale_is_estimated(profile: ProfileLikelihood) -> bool:
    """Whether the noise of each observable that is measured has a level that is to be estimated."""
    problem = profile.full.problem
    return all(
        data.scale_position in profile.sigmas or _has_own_level(problem, name)
        for data, name in zip(problem.data, problem.observation.names, strict=True)
        if data.n
    )


def _has_own_level(problem: FitProblem, observable: str) -> bool:
    """Whether an estimated noise level of its own scales the residuals of an observable: a share of the prediction."""
    sigma = problem.observation.noise[observable].sigma
    if sigma is None:
        return False
    columns = [k for k, symbol in enumerate(problem.binding.symbols) if symbol in free_names(sigma)]
    rows = {int(i) for i in problem.binding.index[:, columns].ravel() if i >= 0}
    levels = problem.table.estimated[noise_levels(problem)]
    return any(int(i) in rows for i in levels)


def noise_levels(problem: FitProblem) -> Mask:
    """Which of the estimated parameters enter nothing but the noise, [P]: also those that the config names."""
    observation, binding = problem.observation, problem.binding
    sigmas = [noise.sigma for noise in observation.noise.values() if noise.sigma is not None]
    compared = observation.comparisons.formulas if observation.comparisons else ()
    elsewhere = set(problem.engine.sensitive)
    elsewhere.update(*map(free_names, (*observation.system.predicted.values(), *compared)))
    own = set().union(*map(free_names, sigmas)) - elsewhere
    is_own = np.array([symbol in own for symbol in binding.symbols], dtype=bool)
    bound, others = (set(binding.index[:, chosen].ravel().tolist()) for chosen in (is_own, ~is_own))
    return np.array([int(t) in bound - others for t in problem.table.estimated], dtype=bool)


def no_degrees_left(likelihood: Likelihood) -> bool:
    """Whether the noise is to be estimated from residuals that the other parameters can make zero."""
    profile = ProfileLikelihood(likelihood)
    estimated = all(data.scale_position in profile.sigmas for data in _measured(likelihood))
    return estimated and likelihood.problem.n_measured <= len(profile.free)


def reduced_chi_square(likelihood: Likelihood, u: FloatArray, lost: int = 0) -> float | None:
    """The sum of squares of Pearson's residuals over n - p; n counts what was measured, without censored cells.

    Parameters
    ----------
    likelihood
        The problem and its data.
    u
        [P], the estimates.
    lost
        As in `residual_degrees`.

    Returns
    -------
    float or None
        None where it says nothing, because a scale was estimated from these very residuals. (A dispersion of counts may
        have been: it is no scale.)
    """
    for data, name in zip(likelihood.problem.data, likelihood.problem.observation.names, strict=True):
        if data.n and not data.family.is_count and likelihood.problem.has_estimated_scale(name):
            return None
    degrees = sum(len(data.rows) for data in likelihood.problem.data) - (len(u) - lost)
    return chi_square(likelihood, u) / degrees if degrees > 0 else None


def residual_standard_error(likelihood: Likelihood, u: FloatArray, free: Mask, lost: int = 0) -> float | None:
    """s = sqrt(RSS/(n - p)) of a least-squares fit: one estimated noise level, the same for all measurements.

    Parameters
    ----------
    likelihood
        The problem and its data.
    u
        [P], the estimates.
    free
        [P], False for estimates that lie on a bound.
    lost
        As in `residual_degrees`.

    Returns
    -------
    float or None
        On the noise model's own scale; None for any other noise, and where n is not above p.
    """
    measured = _measured(likelihood)
    shared = {data.scale_position for data in measured}
    degrees = residual_degrees(likelihood, free, lost)
    one = len(shared) == 1 and None not in shared and all(data.unit is None for data in measured)
    if not one or math.isinf(degrees) or not likelihood.problem.is_least_squares:
        return None
    return math.sqrt(residual_sum(likelihood, u) / degrees)


def _measured(likelihood: Likelihood) -> list[ObservableData]:
    return [data for data in likelihood.problem.data if data.n]
