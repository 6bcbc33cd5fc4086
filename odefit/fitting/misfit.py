"""Measurements that a fit cannot mean: one that makes most of the misfit, and those whose predictions vanish."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray
from odefit.objective.likelihood import Likelihood
from odefit.objective.residuals import pearson_residuals

MOST_SHARE = 0.5
"""Of the sum of squared residuals, beyond which a single measurement is named."""

FEWEST_BESIDE = 4
"""Measurements beyond the number of parameters below which one of them makes half of the misfit by chance."""

FARTHEST = 4.0
"""Standard deviations within which a measurement is no surprise."""


def dominant_measurement(likelihood: Likelihood, u: FloatArray) -> str | None:
    """A sentence that names the measurement which makes more than half of the misfit at u [P]; None where none does."""
    problem = likelihood.problem
    residuals = pearson_residuals(likelihood, u)
    if residuals is None or problem.n_measured < len(u) + FEWEST_BESIDE:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        squares = [r * r for r in residuals]
        total = float(sum(s.sum() for s in squares))
    largest = max(range(len(squares)), key=lambda k: float(squares[k].max(initial=0.0)))
    if not np.isfinite(total) or not len(squares[largest]):
        return None
    cell = int(np.argmax(squares[largest]))
    most = float(squares[largest][cell])
    if most <= MOST_SHARE * total or most <= FARTHEST**2:
        return None
    row = int(problem.data[largest].rows[cell])
    name, experiment = problem.observation.names[largest], problem.experiments[int(problem.owner[row])].name
    share = min(100 * most / total, 99.99)
    return (
        f"the measurement of {name} in experiment {experiment} at t = {problem.times[row]:g} makes {share:.4g} % of "
        "the misfit: check its value and its unit, or leave the row out"
    )


def vanishing_predictions(likelihood: Likelihood, u: FloatArray) -> list[str]:
    """A sentence per observable with predictions at u [P] that are zero but for the solver's error."""
    problem, sentences = likelihood.problem, []
    for name, rows in zip(problem.observation.names, likelihood.vanishing(u), strict=True):
        if len(rows):
            first = int(rows[0])
            experiment = problem.experiments[int(problem.owner[first])].name
            more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
            sentences.append(
                f"the prediction of {name} in experiment {experiment} at t = {problem.times[first]:g}{more} is zero "
                "but for the solver's error, which stands in for it: check the model there, or lower solver.atol"
            )
    return sentences
