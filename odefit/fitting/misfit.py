"""Fits that cannot be meant: one measurement makes most of the misfit, predictions vanish, curves are no use."""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.distributions import chi_square_tails, student_tail
from odefit.objective.likelihood import Likelihood
from odefit.objective.residuals import pearson_residuals

MOST_SHARE = 0.5
"""Of an observable's sum of squared residuals, beyond which a single measurement is named."""

FEWEST_BESIDE = 4
"""Measurements beyond the number of parameters below which one of them makes half of the misfit by chance."""

FARTHEST = 4.0
"""Standard deviations within which a measurement is no surprise, where these were given."""

FEWEST_OF_ONE = 6
"""Measurements of an observable below which its part is not judged by itself, but by the whole misfit."""

IMPROBABLE = 0.025
"""The probability, among all measurements of an observable, that the others' scatter leaves to one that is named."""

FOLLOWS = 2.0
"""Standard deviations of von Neumann's ratio below that of random numbers, from which on data follow a pattern."""

MOST_LAGS, BY_CHANCE = 10, 0.01
"""Measurements after which data may repeat themselves, and how probable it is that random numbers seem to."""

SOLVED = 1e3
"""Relative tolerances of the solver within which a residual may be the solver's."""


def dominant_measurement(likelihood: Likelihood, u: FloatArray) -> str | None:
    """A sentence that names the measurement which makes more than half of an observable's misfit at u [P].

    None where none does, or where that is no surprise: a bad row raises an estimated noise level until its own
    residual is below sqrt(n), so that it is also judged by the scatter of the others (F. E. Grubbs 1969).
    """
    problem = likelihood.problem
    residuals = pearson_residuals(likelihood, u)
    if residuals is None or problem.n_measured < len(u) + FEWEST_BESIDE:
        return None
    found = []
    with np.errstate(over="ignore", invalid="ignore"):
        whole = float(sum((r * r).sum() for r in residuals))
    for k, r in enumerate(residuals):
        with np.errstate(over="ignore", invalid="ignore"):
            squares = r * r
            total = float(squares.sum()) if len(r) >= FEWEST_OF_ONE else whole
        if not np.isfinite(total) or not len(r):
            continue
        cell = int(np.argmax(squares))
        most = float(squares[cell])
        degrees = len(r) * (1 - len(u) / problem.n_measured) - 1
        if most > MOST_SHARE * total and (most > FARTHEST**2 or _stands_out(most, total - most, degrees, len(r))):
            found.append((most / total, k, cell))
    found = [(share, k, cell) for share, k, cell in found if not _is_solvers(likelihood, u, k, cell)]
    if not found:
        return None
    share, k, cell = max(found)
    row = int(problem.data[k].rows[cell])
    name, experiment = problem.observation.names[k], problem.experiments[int(problem.owner[row])].name
    alone = len(residuals[k]) in (problem.n_measured, *range(FEWEST_OF_ONE))
    whose = "" if alone else f" of {name}"
    return (
        f"the measurement of {name} in experiment {experiment} at t = {problem.times[row]:g} makes "
        f"{min(100 * share, 99.99):.4g} % of the misfit{whose}: check its value and its unit, or leave the row out"
    )


def _stands_out(most: float, rest: float, degrees: float, n: int) -> bool:
    """Whether the largest of n squared residuals is improbable beside the sum of the others, of so many degrees."""
    if degrees < 1:
        return False
    if degrees < FEWEST_BESIDE - 1:
        degrees = 1.0  # the parameters may have taken more from these than their share
    ratio = np.sqrt(most * degrees / rest) if rest > 0 else np.inf
    return bool(2 * n * student_tail(float(ratio), degrees) < IMPROBABLE)


def _is_solvers(likelihood: Likelihood, u: FloatArray, k: int, cell: int) -> bool:
    """Whether a residual is so small that it may be the solver's error: data without noise."""
    problem, moments = likelihood.problem, likelihood.moments(u, derivatives=False)
    if moments is None:
        return True
    data = problem.data[k]
    is_log = problem.observation.noise[problem.observation.names[k]].is_log
    size = 1.0 if is_log else float(np.abs(data.values).max())
    return bool(abs(data.values[cell] - moments[k].m[data.rows[cell]]) <= SOLVED * problem.engine.options.rtol * size)


def vanishing_predictions(likelihood: Likelihood, u: FloatArray) -> list[str]:
    """A sentence per observable with predictions at u [P] that are zero but for the solver's error."""
    problem, sentences = likelihood.problem, []
    for name, data, found in zip(problem.observation.names, problem.data, likelihood.vanishing(u), strict=True):
        rows = found
        if data.censored is not None:  # of what is known to lie below a limit, 0 is as good as little
            rows = np.setdiff1d(found, data.censored.rows[data.censored.side < 0])
        if len(rows):
            first = int(rows[0])
            experiment = problem.experiments[int(problem.owner[first])].name
            more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
            sentences.append(
                f"the prediction of {name} in experiment {experiment} at t = {problem.times[first]:g}{more} is zero "
                "but for the solver's error, which stands in for it: check the model there, leave the row out, or "
                "lower solver.atol"
            )
    return sentences


def useless_curves(likelihood: Likelihood, u: FloatArray) -> list[str]:
    """A sentence per observable whose curve at u [P] is no nearer to the measurements than their mean is.

    Nothing is said of data without a pattern in time, of which a mean is all there is to say: their successive
    differences are as large as those of random numbers (J. von Neumann 1941: the ratio of their mean square to the
    variance is about 2, and nearly normal), and later ones are not alike either, as they are in oscillations of few
    points each (G. M. Ljung and G. E. P. Box 1978).
    """
    problem, sentences = likelihood.problem, list[str]()
    moments = likelihood.moments(u, derivatives=False)
    if moments is None:
        return []
    for name, data, found in zip(problem.observation.names, problem.data, moments, strict=True):
        if data.censored is not None or not len(data.rows):
            continue
        d = data.values  # on the noise model's own scale, as the predictions are
        with np.errstate(all="ignore"):
            about_mean = float(np.sum((d - d.mean()) ** 2))
            no_nearer = float(np.sum((d - found.m[data.rows]) ** 2)) >= about_mean > 0
        if no_nearer and _follows(d - d.mean(), problem.owner[data.rows]):
            sentences.append(
                f"the curve of {name} is no nearer to its measurements than their mean is, and they follow a pattern: "
                "the model explains nothing of it; check the equations, the columns and their units, starts and bounds"
            )
    return sentences


def _follows(d: FloatArray, owner: IntArray) -> bool:
    """Whether differences from a mean [M] follow a pattern in time within the experiments that they belong to."""
    n, squares = len(d), float(np.sum(d * d))
    steps = np.diff(d)[owner[1:] == owner[:-1]]
    pairs = len(steps)
    if pairs < FEWEST_BESIDE:
        return False
    ratio = float(np.mean(steps**2)) / (squares / n)
    if (2 - ratio) / 2 * np.sqrt((pairs**2 + 2 * pairs) / (pairs - 1)) > FOLLOWS:
        return True
    lags = min(MOST_LAGS, n // 4)
    return lags > 1 and chi_square_tails(_portmanteau(d, owner, lags), lags)[1] < BY_CHANCE


def _portmanteau(d: FloatArray, owner: IntArray, lags: int) -> float:
    """Ljung and Box's sum over the autocorrelations within experiments, chi-square of `lags` degrees by chance."""
    n, squares, found = len(d), float(np.sum(d * d)), 0.0
    for lag in range(1, lags + 1):
        products = (d[lag:] * d[:-lag])[owner[lag:] == owner[:-lag]]
        if len(products):
            found += n * (n + 2) / len(products) * (float(products.sum()) / squares) ** 2
    return found
