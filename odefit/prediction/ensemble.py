"""Bands from many parameter sets: those of a bootstrap, or draws from a posterior.

The band of a curve lies between quantiles of the curves of all sets. That of a new measurement lies between quantiles
of what would be measured, a mixture of one noise distribution for each set: where the mean of their distribution
functions is p, which lies between the least and the largest of their own p-quantiles. Nothing is drawn at random.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.errors import RunError
from odefit.fitting.run import Run
from odefit.objective.likelihood import Likelihood
from odefit.objective.noise.family import Family
from odefit.objective.observation import Moments, Noise
from odefit.objective.problem import FitProblem
from odefit.runs import folder as files
from odefit.runs.stored import StoredRun
from odefit.status import Status
from odefit.uncertainty.bands import Band

FILES = {"bootstrap": (files.BOOTSTRAP, 3), "posterior": (files.POSTERIOR, 3)}
"""Where the sets are, and how many columns stand before those of the parameters."""
COMMANDS = {"bootstrap": "odefit bootstrap", "posterior": "odefit sample"}
LEAST_SETS = 20
"""Of fewer sets there are no bands."""
POINTS = 50
"""Parameter sets that are solved in one call."""
HALVINGS = 45
"""Of the interval in which a quantile of the mixture lies."""


def parameter_sets(run: StoredRun, kind: str, names: Sequence[str]) -> FloatArray:
    """The sets [M, P] of parameters by name that a run folder holds, natural scale. Raises RunError."""
    file, own = FILES[kind]
    rows = run.rows(file)
    if rows is None:
        where = "RUN" if run.path is None else str(run.path)
        raise RunError(run.place, f"has no {file}, from which such bands are made: `{COMMANDS[kind]} {where}` first")
    position = {name: own + k for k, name in enumerate(rows.header[own:])}
    missing = [name for name in names if name not in position]
    if missing:
        raise RunError(rows.path, f"has no column {missing[0]}: it is that of another fit; make it again")
    sets = np.stack([rows.numbers(position[name]) for name in names], axis=1) if names else np.zeros((len(rows), 0))
    if kind == "bootstrap":
        sets = sets[np.array([status == Status.CONVERGED for status in rows.text(1)], dtype=bool)]
    sets = sets[np.isfinite(sets).all(axis=1)]
    if len(sets) < LEAST_SETS:
        raise RunError(rows.path, f"has {len(sets)} sets of parameters, and bands need {LEAST_SETS}; make more")
    return sets


def sets_of(run: Run, kind: str) -> FloatArray:
    """The same of the estimated parameters of a fit; noise levels of refits, each too small as the fit's own is, are
    freed of that bias. Raises RunError."""
    table = run.assembly.problem.table
    sets = parameter_sets(run, kind, table.estimated_names)
    if kind == "bootstrap" and run.known_errors is not None:
        unbiased = table.transforms.to_natural(run.known_errors.unbiased)
        sets = sets * np.divide(unbiased, run.theta, out=np.ones_like(unbiased), where=run.theta != 0)
    return sets


def ensemble_bands(problem: FitProblem, sets: FloatArray, level: float) -> list[Band]:
    """Bands of pointwise coverage.

    Parameters
    ----------
    problem
        Its experiments are at the wanted times, without measurements (`FitProblem.unmeasured`).
    sets
        [M, P], estimated parameters, natural scale. Those at which the model cannot be solved are left out.
    level
        The coverage.
    """
    u, likelihood = problem.table.transforms.to_search(sets), Likelihood(problem)
    parts = [likelihood.moments_at(u[k : k + POINTS], False) for k in range(0, len(u), POINTS)]
    solved = [part.moments for part in parts if len(part.points)]
    columns = []
    for column, name in enumerate(problem.observation.names):
        rows = len(problem.times)
        if not solved:
            columns.append(np.full((4, rows), np.nan))
            continue
        together = _joined([moments[column] for moments in solved])
        columns.append(_limits(problem.observation.noise[name], together, level))
    limits = np.stack(columns, axis=-1)
    return [
        Band(*part) for part in np.split(limits, np.cumsum([len(e.times) for e in problem.experiments])[:-1], axis=1)
    ]


def _joined(parts: Sequence[Moments]) -> Moments:
    """Those of all sets, [M, R]."""
    m = np.concatenate([part.m for part in parts])
    if any(part.s is None for part in parts):
        return Moments(m, None)
    return Moments(m, np.concatenate([np.broadcast_to(np.asarray(part.s), part.m.shape) for part in parts]))


def _limits(noise: Noise, moments: Moments, level: float) -> FloatArray:
    """low, high, noise_low and noise_high, [4, R]."""
    tails = (1 - level) / 2, (1 + level) / 2
    m, rows = moments.m, moments.m.shape[1]
    with np.errstate(all="ignore"):
        low, high = np.quantile(np.exp(m) if noise.is_log else m, tails, axis=0)
    if noise.family.has_scale and moments.s is None:
        return np.stack([low, high, np.full(rows, np.nan), np.full(rows, np.nan)])
    s = np.zeros_like(m) if moments.s is None else np.asarray(moments.s)
    measured = np.stack([_mixture_quantile(noise.family, p, m, s) for p in tails])
    with np.errstate(over="ignore"):
        return np.stack([low, high, *(np.exp(measured) if noise.is_log else measured)])


def _mixture_quantile(family: Family, p: float, m: FloatArray, s: FloatArray) -> FloatArray:
    """The p-quantiles [R] of mixtures of M distributions with locations and scales [M, R]."""
    with np.errstate(all="ignore"):
        own = family.quantile(p, m, s)
        low, high = own.min(axis=0), own.max(axis=0)
        if family.is_count:
            low = low - 1.0  # a distribution function that steps reaches p at its quantile, and not before
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            reached = family.cdf(np.broadcast_to(middle, m.shape), m, s).mean(axis=0) >= p
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    found: FloatArray = np.round(high) if family.is_count else high
    return found
