"""Each measurement beside what the fitted model predicts for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.errors import SolveError
from odefit.fitting.run import Run, check_solvable
from odefit.objective.likelihood import Likelihood
from odefit.objective.residuals import pearson_residuals, quantile_residuals
from odefit.records import dataclass

LOG_SPREAD = 100.0
"""Measurements with noise of logarithms that spread over more have logarithmic axes."""


@dataclass(frozen=True)
class Compared:
    """The measurements of one observable that the fit saw, [M] each, without those that are only limits.

    Parameters
    ----------
    name
        Of the observable.
    experiment
        Position in `run.measured` of each measurement's experiment.
    t, measured, predicted
        Times and values, natural scale.
    r
        Residuals in units of the standard deviation; log-normal ones are of logarithms.
    normal
        The same but for noise that is not normal: there each measurement is put at the normal quantile of its
        probability under the fitted model (Dunn and Smyth 1996), which is normal if it is right.
    is_log
        Whether logarithmic axes show them best.
    """

    name: str
    experiment: IntArray
    t: FloatArray
    measured: FloatArray
    predicted: FloatArray
    r: FloatArray
    normal: FloatArray
    is_log: bool

    def of(self, rows: Mask) -> Compared:
        """Some of the measurements."""
        return replace(
            self,
            experiment=self.experiment[rows],
            t=self.t[rows],
            measured=self.measured[rows],
            predicted=self.predicted[rows],
            r=self.r[rows],
            normal=self.normal[rows],
        )


def compared(run: Run) -> tuple[Compared, ...]:
    """Every observable, in the order of the run's. Raises SolveError, or RunError where there are no estimates.

    A first row that serves as an initial value has no residual.
    """
    check_solvable(run)
    problem = run.assembly.problem
    likelihood = Likelihood(problem)
    u = problem.table.to_search(run.theta)
    moments = likelihood.moments(u, derivatives=False)
    plain = pearson_residuals(likelihood, u)
    normal = quantile_residuals(likelihood, u, np.random.default_rng(0))
    if plain is None or normal is None or moments is None:
        raise SolveError(likelihood.failure or "the fitted model cannot be solved again")
    found = []
    for k, name in enumerate(problem.observation.names):
        data, noise = problem.data[k], problem.observation.noise[name]
        kept = np.isfinite(plain[k]) & np.isfinite(normal[k])
        at = data.rows[kept]
        measured, predicted = data.values[kept], moments[k].m[at]
        if noise.is_log:
            measured, predicted = np.exp(measured), np.exp(predicted)
        wide = noise.is_log and len(measured) > 0 and measured.max() > LOG_SPREAD * measured.min()
        of = problem.owner[at], problem.times[at]
        found.append(Compared(name, *of, measured, predicted, plain[k][kept], normal[k][kept], bool(wide)))
    return tuple(found)
