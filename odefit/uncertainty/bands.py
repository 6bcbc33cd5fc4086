"""How sure we are of a predicted curve: the delta method on the noise model's own scale.

For the prediction m(u) = T(g) of one observable at one time, with slopes dm/du to those parameters [K] that its
experiment depends on, and their covariance C,

    var m = (dm/du) C (dm/du)',    band = T^-1(m -+ q sqrt(var m)),
    wider band, for a new measurement = T^-1(m -+ sqrt(q² var m + w²)),

with q the quantile of Student's t, and w the distance from m to the quantile of the noise on that side: q s for normal
noise. An estimated noise level s counts without the bias of maximum likelihood (noise_levels.py): both bands are exact
for linear models with normal noise. T is the logarithm for log-normal noise, so such a band stays positive; bands of
counts end at 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.data.experiments import Experiment
from odefit.errors import SolveError
from odefit.objective.likelihood import Likelihood
from odefit.objective.noise.families import family_of
from odefit.objective.observation import Moments, Noise
from odefit.objective.problem import FitProblem
from odefit.records import dataclass
from odefit.uncertainty.covariance import Covariance
from odefit.uncertainty.intervals import quantile


@dataclass(frozen=True)
class Band:
    """Limits of one experiment's observables at its times, natural scale.

    All are NaN for an observable that depends, in this experiment, on a parameter without a variance.

    Parameters
    ----------
    low, high
        [T, O], of the curve.
    noise_low, noise_high
        [T, O], of a new measurement; NaN where the noise level is known for measured cells only.
    """

    low: FloatArray
    high: FloatArray
    noise_low: FloatArray
    noise_high: FloatArray


def prediction_bands(
    problem: FitProblem,
    theta: FloatArray,
    covariance: FloatArray | Covariance,
    experiments: Sequence[Experiment],
    level: float = 0.95,
    *,
    degrees: float = math.inf,
    widening: float = 1.0,
    unbiased: FloatArray | None = None,
) -> list[Band]:
    """Bands of pointwise coverage around the predictions.

    Parameters
    ----------
    problem
        The fit.
    theta
        [N], the estimates.
    covariance
        In search space, as it was found or [P, P] with NaN in the rows and columns of parameters without a variance.
        These are no matter for an observable that does not depend on them.
    experiments
        As many as the problem has, at the wanted times (`Experiment.at`).
    level
        The coverage.
    degrees
        Degrees of freedom of the noise estimate; infinite for a known noise level.
    widening
        What the band of the curve is wider by than Student's t makes it.
    unbiased
        [P], the estimates in search space with noise levels free of bias, for new measurements; None as `theta`.

    Returns
    -------
    list of Band
        One per experiment.

    Raises
    ------
    SolveError
        The model cannot be solved with sensitivities.
    """
    likelihood = Likelihood(problem.unmeasured(experiments))
    u = problem.table.to_search(theta)
    moments = likelihood.moments(u, derivatives=True)
    if moments is None:
        raise SolveError(likelihood.failure or "the model could not be differentiated")
    free = moments if unbiased is None else likelihood.moments(unbiased, derivatives=False) or moments
    known = _Known(problem.table.estimated_names, covariance)
    owner, q = likelihood.problem.owner, quantile(level, degrees)
    slope = np.append(problem.table.transforms.derivative(u), 0.0)
    # [curve or measurement, lower or upper, all times of all experiments, observable]
    limits = np.empty((2, 2, len(owner), len(moments)))
    for column, (name, observed, noisy) in enumerate(zip(problem.observation.names, moments, free, strict=True)):
        variance = np.zeros(len(observed.m))
        if observed.dm is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                for columns, first, last in known.runs(likelihood.columns.positions, owner):
                    variance[first:last] = known.variance(observed.dm[first:last] * slope[columns], columns)
        noise, here = problem.observation.noise[name], replace(observed, s=noisy.s)
        limits[..., column] = _limits(noise, here, widening**2 * variance, level, q)
    cuts = np.cumsum([len(e.times) for e in experiments])[:-1]
    return [Band(part[0, 0], part[0, 1], part[1, 0], part[1, 1]) for part in np.split(limits, cuts, axis=2)]


def _limits(noise: Noise, observed: Moments, variance: FloatArray, level: float, q: float) -> FloatArray:
    """The limits of one observable with the variances [R] of its curve: [curve or measurement, lower or upper, R]."""
    with np.errstate(all="ignore"):
        # Rounding may leave a variance that is zero in truth a trifle below it.
        curve = q * np.sqrt(np.maximum(variance, 0.0))
        below, above = _noise_widths(noise, observed, level, q)
        m, wide = observed.m, np.hypot
        limits = np.array([[m - curve, m + curve], [m - wide(curve, below), m + wide(curve, above)]])
        if noise.family.is_count:
            limits = np.maximum(limits, 0.0)
        return np.exp(limits) if noise.is_log else limits


class _Known:
    """The covariance, as far as it is needed."""

    def __init__(self, names: tuple[str, ...], covariance: FloatArray | Covariance) -> None:
        self.n = len(names)
        self.covariance = (
            Covariance.of_matrix(names, covariance, {}) if isinstance(covariance, np.ndarray) else covariance
        )

    def runs(self, positions: IntArray, owner: IntArray) -> Iterator[tuple[IntArray, int, int]]:
        """Columns, first row and the one behind the last of each experiment, or of neighbours with the same columns.

        positions: [E, K] columns of each experiment. owner: [R] the experiment of each row.
        """
        unknown: Mask = np.append(np.isnan(self.covariance.factor), False)
        silent: Mask = np.asarray(unknown[positions].any(axis=1))
        # What depends on a parameter without a variance has none in all of its experiment.
        parted: Mask = np.any(positions[1:] != positions[:-1], axis=1) | silent[1:]
        ends = np.append(np.flatnonzero(parted) + 1, len(positions))
        rows = np.searchsorted(owner, np.append(0, ends)).tolist()
        yield from zip(positions[ends - 1], rows[:-1], rows[1:], strict=True)

    def variance(self, slopes: FloatArray, columns: IntArray) -> FloatArray:
        """The variances [T] of T linear functions of u, with `slopes` [T, K] to its components `columns` [K] (n stands
        for a constant); NaN where one has no variance."""
        real = columns < self.n
        return self.covariance.variance(slopes[:, real], columns[real])


def _noise_widths(noise: Noise, observed: Moments, level: float, q: float) -> tuple[FloatArray, FloatArray]:
    """How far below and above m the noise alone reaches, [R] each; NaN where its level is not known."""
    family, m = noise.family, observed.m
    if observed.s is None and family.has_scale:
        return np.full_like(m, np.nan), np.full_like(m, np.nan)
    s = np.zeros_like(m) if observed.s is None else np.broadcast_to(np.asarray(observed.s, dtype=np.float64), m.shape)
    if family is family_of("gaussian"):
        return q * s, q * s
    low, high = (family.quantile(p, m, s) for p in ((1 - level) / 2, (1 + level) / 2))
    # A count's quantile may lie on the other side of its mean.
    return np.maximum(m - low, 0.0), np.maximum(high - m, 0.0)
