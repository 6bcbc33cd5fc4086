"""What the parts of a report share of a run of equations: curves and residuals, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.errors import Faults, OdefitError
from odefit.fitting.run import Run
from odefit.objective.likelihood import Likelihood
from odefit.objective.residuals import pearson_residuals, quantile_residuals
from odefit.plots.curves import Trace, trace
from odefit.plots.selection import Selection, select
from odefit.records import dataclass

MOST_CURVES = 400
"""Experiments whose curves are drawn."""


@dataclass(frozen=True)
class Residuals:
    """Of one observable, [M] each.

    Parameters
    ----------
    name
        Of the observable.
    experiment
        The row of each measurement's experiment in `run.measured`.
    t, measured, predicted
        On the natural scale.
    r
        Measured minus fitted over sigma, on the scale of the noise model.
    normal
        Normal if the model is right, whatever the noise.
    """

    name: str
    experiment: np.ndarray
    t: FloatArray
    measured: FloatArray
    predicted: FloatArray
    r: FloatArray
    normal: FloatArray


class Material:
    """A run, and what is solved of it.

    Parameters
    ----------
    run
        A finished fit of equations.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.selection: Selection = select(run, None, None, None, Faults())

    @property
    def is_solvable(self) -> bool:
        """Whether there are estimates to draw curves with."""
        return bool(np.isfinite(self.run.theta).all())

    @cached_property
    def solved(self) -> tuple[Sequence[Trace], str]:
        """The curves of the experiments, and why there are none where there are none."""
        if not self.is_solvable:
            return (), self.run.result.message
        try:
            return trace(self.run, self.selection.groups[:MOST_CURVES], None, {}), ""
        except OdefitError as error:
            return (), str(error)

    @property
    def traces(self) -> Sequence[Trace]:
        """The curves; none where the model cannot be solved."""
        return self.solved[0]

    @cached_property
    def residuals(self) -> tuple[Residuals, ...]:
        """Of every observable; none where the model cannot be solved."""
        if not self.is_solvable:
            return ()
        problem = self.run.assembly.problem
        likelihood = Likelihood(problem)
        u = problem.table.to_search(self.run.theta)
        moments = likelihood.moments(u, derivatives=False)
        plain = pearson_residuals(likelihood, u)
        normal = quantile_residuals(likelihood, u, np.random.default_rng(0))
        if plain is None or normal is None or moments is None:
            return ()
        found = []
        for k, name in enumerate(problem.observation.names):
            data = problem.data[k]
            kept: Mask = np.isfinite(plain[k]) & np.isfinite(normal[k])
            at = data.rows[kept]
            measured, predicted = data.values[kept], moments[k].m[at]
            if problem.observation.noise[name].is_log:
                measured, predicted = np.exp(measured), np.exp(predicted)
            rows = problem.owner[at]
            found.append(Residuals(name, rows, problem.times[at], measured, predicted, plain[k][kept], normal[k][kept]))
        return tuple(found)
