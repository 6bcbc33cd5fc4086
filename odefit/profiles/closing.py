"""Which measurement would close an interval that the data leave open: where the curves of its far end are other ones.

All that fits the data nearly alike on the way out predicts nearly the same where something was measured, and need not
elsewhere: at other times, later, or in states that were not measured.

References
----------
A. Raue et al., "Structural and practical identifiability analysis of partially observed dynamical models by exploiting
the profile likelihood", Bioinformatics 25 (2009).
"""

from __future__ import annotations

import math

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.fitting.run import Run
from odefit.objective.likelihood import Likelihood
from odefit.objective.noise.family import Family
from odefit.objective.observation import Moments
from odefit.problem.quantities import curve_names, with_all_curves
from odefit.records import dataclass

TIMES = 41
"""Times of an experiment that are looked at, from its start to as long after its last measurement."""

LEAST = 2.0
"""Noise levels between two curves that a measurement can tell apart."""

CLEARLY = 0.2
"""The relative difference of a state that was not measured, which a measurement of it could see."""


@dataclass(frozen=True)
class Difference:
    """Where two sets of parameters with nearly the same likelihood differ most.

    Parameters
    ----------
    curve, experiment
        What, and in which experiment; None where there is one only.
    time
        When.
    here, there
        At the optimum, and far out.
    noise_levels
        How many of them lie between; None for what is not measured.
    """

    curve: str
    experiment: str | None
    time: float
    here: float
    there: float
    noise_levels: float | None

    @property
    def sentence(self) -> str:
        """`a measurement of S at t = 12 would tell: 0.31 at the optimum, 1.2 at the far end`."""
        where = "" if self.experiment is None else f" in experiment {self.experiment}"
        more = "" if self.noise_levels is None else f", {self.noise_levels:.2g} noise levels apart"
        return (
            f"a measurement of {self.curve} at t = {self.time:.3g}{where} would tell: {self.here:.3g} at the optimum, "
            f"{self.there:.3g} at the far end{more}"
        )


def telling_measurement(run: Run, u: FloatArray, measured: bool = True) -> Difference | None:
    """Where the curves of a point differ most from those of the optimum; None where none differs enough.

    Parameters
    ----------
    run
        The fit.
    u
        [P], the point in search space.
    measured
        Whether to look at what is measured already; else at other states and expressions only.
    """
    assembly = run.assembly
    whole = with_all_curves(assembly.problem)
    experiments = [e.at(_times(e)) for e in assembly.problem.experiments if math.isfinite(e.last)]
    if len(experiments) < len(assembly.problem.experiments):
        return None  # at rest there is no later
    problem = whole.unmeasured(experiments)
    table, n_observed = problem.table, len(assembly.problem.observation.names)
    found = Likelihood(problem).moments_at(np.stack([table.to_search(run.theta), u]), derivatives=False)
    if len(found.points) < 2:
        return None
    owner, best = problem.owner, None
    for name, column in curve_names(assembly).items():
        if column < n_observed and not measured:
            continue
        moments = found.moments[column]
        noise, family = problem.observation.noise[problem.observation.names[column]], None
        here, there = np.exp(moments.m) if noise.is_log else moments.m
        if column < n_observed:
            family = noise.family
            with np.errstate(divide="ignore", invalid="ignore"):
                apart = np.abs(moments.m[1] - moments.m[0]) / _scatter(run, column, family, moments)
        else:
            apart = np.abs(there - here) / np.maximum(np.maximum(np.abs(here), np.abs(there)).max(), 1e-300)
        row = int(np.nanargmax(np.where(np.isfinite(apart), apart, -1.0)))
        # What is measured already is the easiest to measure again.
        score = apart[row] / LEAST if family is not None else apart[row] / CLEARLY / 10
        if apart[row] > (LEAST if family is not None else CLEARLY) and (best is None or score > best[0]):
            experiment = experiments[owner[row]].name if len(experiments) > 1 else None
            numbers = float(problem.times[row]), float(here[row]), float(there[row])
            best = score, Difference(name, experiment, *numbers, float(apart[row]) if family is not None else None)
    return None if best is None else best[1]


def _times(experiment: Experiment) -> FloatArray:
    last = max(experiment.last, experiment.start)
    return np.linspace(experiment.start, last + (last - experiment.start), TIMES)


def _scatter(run: Run, column: int, family: Family, moments: Moments) -> FloatArray:
    """The standard deviation of a measurement at the optimum, or nearly, on the noise's own scale, [R]."""
    m = moments.m[0]
    if moments.s is not None:
        s = np.broadcast_to(np.asarray(moments.s)[0] if np.ndim(moments.s) > 1 else moments.s, m.shape)
        found: FloatArray = np.sqrt(np.maximum(m, 1.0) + s * m**2) if family.is_count else np.asarray(s)
        return found
    if family.is_count:
        return np.asarray(np.sqrt(np.maximum(m, 1.0)))
    data = run.assembly.problem.data[column]
    return np.full(m.shape, float(np.median(data.sigma)) if data.sigma is not None else np.nan)
