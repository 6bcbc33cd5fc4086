"""Measured states as smooth curves, before anything is known of the equations.

Each state that is measured directly becomes a natural cubic smoothing spline s in every series,

    sum_j (s(t_j) - d_j)² + lambda ∫ s''(t)² dt  ->  min,

or its exponential where the noise is log-normal. One lambda serves all series of a state. It minimises their
generalized cross-validation (Craven & Wahba 1978), sum of n RSS / (n - trace)² over the series: those of one state
wiggle alike, and together they say how much far better than each alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.data.experiments import Experiment
from odefit.model.system import symbol
from odefit.objective.problem import FitProblem
from odefit.records import dataclass

MIN_POINTS = 5
"""A smoothing spline needs as many points."""
MAX_EXACT_TRACE = 300
"""The most points for which the trace is computed; of more it is estimated with random signs (Hutchinson 1990)."""
N_PROBES = 50
"""The number of vectors of random signs for that."""
STRENGTHS_PER_DECADE = 4
"""The values of lambda per factor of ten that are tried."""


@dataclass(frozen=True)
class Observed:
    """Which observable is a state itself.

    Parameters
    ----------
    column
        [S], the column of each state among the observables, or -1.
    is_log
        [S], whether its noise is log-normal.
    """

    column: IntArray
    is_log: Mask


@dataclass(frozen=True)
class Smoothed:
    """One series; NaN where there was too little to smooth.

    Parameters
    ----------
    states, slopes
        [T, S], at the series' own times.
    """

    states: FloatArray
    slopes: FloatArray


def observed_states(problem: FitProblem) -> Observed:
    """The states that are measured directly."""
    observables = list(problem.observation.system.predicted.items())
    states = problem.observation.system.states
    column = np.full(len(states), -1, dtype=np.intp)
    is_log = np.zeros(len(states), dtype=bool)
    for k, state in enumerate(states):
        for position, (name, formula) in enumerate(observables):
            if formula == symbol(state):
                column[k], is_log[k] = position, problem.observation.noise[name].is_log
    return Observed(column, is_log)


def smooth(problem: FitProblem) -> list[Smoothed]:
    """Every series of a problem at its own times, state by state.

    Between its first and last measurement a state is interpolated by its spline, beyond them it is continued as a
    straight line. A series with fewer than 5 measurements of a state is interpolated linearly, and has no slope.
    """
    observed = observed_states(problem)
    shape = [(len(e.times), len(observed.column)) for e in problem.experiments]
    found = [Smoothed(np.full(s, np.nan), np.full(s, np.nan)) for s in shape]
    for k, (column, is_log) in enumerate(zip(observed.column, observed.is_log, strict=True)):
        if column < 0:
            continue
        times, values = [e.times for e in problem.experiments], [_exact(e, column) for e in problem.experiments]
        for series, (states, slopes) in zip(found, smooth_values(times, values, bool(is_log)), strict=True):
            series.states[:, k], series.slopes[:, k] = states, slopes
    return found


def smooth_values(
    times: Sequence[FloatArray], values: Sequence[FloatArray], is_log: bool = False
) -> list[tuple[FloatArray, FloatArray]]:
    """Curves and their slopes at the times [T] of values [T] of several series, NaN where there is none."""
    curves = [_Curve(t, v, is_log) for t, v in zip(times, values, strict=True)]
    strength = best_strength([(c.t, c.d) for c in curves if len(c.t) >= MIN_POINTS])
    return [curve.at(curve.times, strength) for curve in curves]


def _exact(experiment: Experiment, column: int) -> FloatArray:
    """The measurements [T] of one observable without those that are known as a limit only."""
    values = experiment.values[:, column]
    return values if experiment.censored is None else np.where(experiment.censored[:, column] == 0, values, np.nan)


class _Curve:
    """The measurements of one state in one series: t [n] and d [n], logarithms where the noise is log-normal."""

    def __init__(self, times: FloatArray, values: FloatArray, is_log: bool) -> None:
        known = ~np.isnan(values) & (values > 0 if is_log else True)
        known[1:] &= np.diff(times) > 0  # one value at a time: of two around a jump the earlier
        self.times, self.t, self.is_log = times, times[known], is_log
        self.d = np.log(values[known]) if is_log else values[known]

    def at(self, times: FloatArray, strength: float) -> tuple[FloatArray, FloatArray]:
        """The curve and its slope at `times` [T]."""
        nothing = np.full(times.shape, np.nan)
        if not len(self.t):
            return nothing, nothing
        if len(self.t) < MIN_POINTS:
            value, slope = np.interp(times, self.t, self.d), nothing
        else:
            spline = smoothing_spline(self.t, self.d, strength)
            inside = np.clip(times, self.t[0], self.t[-1])
            slope = spline(inside, 1)
            value = spline(inside) + slope * (times - inside)
        if self.is_log:
            value = np.exp(value)
            slope = slope * value
        return value, slope


def smoothing_spline(t: FloatArray, d: FloatArray, strength: float) -> Any:
    """SciPy's smoothing spline.

    SciPy works in units of the mean distance of the times, or its equations would be as badly conditioned as the user's
    unit of time.

    Parameters
    ----------
    t
        [n], times.
    d
        [n] or [n, K], data.
    strength
        The lambda of the module's docstring.

    Returns
    -------
    callable
        A function (times, derivative=0).
    """
    from scipy.interpolate import make_smoothing_spline

    unit = (t[-1] - t[0]) / (len(t) - 1)
    spline = make_smoothing_spline((t - t[0]) / unit, d, lam=strength / unit**3)

    def at(times: FloatArray, derivative: int = 0) -> FloatArray:
        value: FloatArray = spline((times - t[0]) / unit, nu=derivative) / unit**derivative
        return value

    return at


def best_strength(series: Sequence[tuple[FloatArray, FloatArray]]) -> float:
    """The lambda that minimises the generalized cross-validation over all series (t [n], d [n]); 0 without any."""
    if not series:
        return 0.0
    groups = list(_same_times(series))
    units = [(t[-1] - t[0]) / (len(t) - 1) for t, _ in groups]
    # From a spline that goes through every point (in the finest series) to one that is a straight line.
    least = min(units) ** 3 * 1e-3
    most = max(unit**3 * len(t) ** 4 for unit, (t, _) in zip(units, groups, strict=True))
    strengths = np.geomspace(least, most, int(STRENGTHS_PER_DECADE * np.log10(most / least)) + 2)
    scores = [sum(_score(t, d, strength) for t, d in groups) for strength in strengths]
    return float(strengths[int(np.argmin(scores))])


def _same_times(series: Sequence[tuple[FloatArray, FloatArray]]) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Series of the same times together: t [n] and d [n, K]. They share their trace."""
    groups: dict[bytes, list[tuple[FloatArray, FloatArray]]] = {}
    for t, d in series:
        groups.setdefault(t.tobytes(), []).append((t, d))
    for members in groups.values():
        yield members[0][0], np.stack([d for _, d in members], axis=1)


def _score(t: FloatArray, d: FloatArray, strength: float) -> float:
    """n RSS / (n - trace)², summed over the columns of d [n, K]."""
    n, k = d.shape
    if n <= MAX_EXACT_TRACE:
        probes = np.eye(n)
    else:
        probes = np.random.default_rng(0).choice([-1.0, 1.0], size=(n, N_PROBES))
    fitted = smoothing_spline(t, np.concatenate((d, probes), axis=1), strength)(t)
    trace = float((probes * fitted[:, k:]).sum())
    if n > MAX_EXACT_TRACE:
        trace /= N_PROBES
    free = n - trace
    # A spline through every point leaves nothing to judge it by.
    return float(n * np.square(fitted[:, :k] - d).sum() / free**2) if free > 1e-3 * n else np.inf
