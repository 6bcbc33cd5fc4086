"""Short searches on growing beginnings of the series, for data that oscillate.

Over many periods a wrong frequency is as bad as any other, and a flat curve is better than most: that is where searches
of whole series end. Over the first period it is not so; and what fits there is near what fits the next ones.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.collocation.turning import OFTEN, most_turns
from odefit.data.experiments import Experiment
from odefit.fitting.global_search import Interrupted
from odefit.fitting.local_search import LocalSearch
from odefit.fitting.search_work import EVALUATIONS, seconds_of_start
from odefit.fitting.short_searches import STEPS, places_of, short_searched
from odefit.objective.likelihood import Likelihood
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.differential_evolution import Population
from odefit.problem.assembly import Assembly
from odefit.runs.checkpoint import Memory
from odefit.runs.progress import Progress

FIRST, FACTOR = 2.0, 1.7
"""The turns in the first beginning, and how much longer each one is than the one before."""

LONGEST = 0.8
"""The share of the time from which on a beginning is as good as the whole."""

MOST_SECONDS, OF_BUDGET = 100.0, 0.1
"""Seconds, or so, of all searches on beginnings, and the share of a budget that those of a round may take."""

LEAST = 3
"""Measurements that an observable has in a beginning at least, if it has that many in all."""


def beginnings(assembly: Assembly) -> list[tuple[float, Assembly]]:
    """The problem's growing beginnings with their shares of the time; where the config leaves it to odefit, none where
    data do not oscillate."""
    screen, turns = assembly.loaded.config.fit.screen, most_turns(assembly.problem)
    if screen not in (None, "horizon") or (screen is None and turns < OFTEN):
        return []
    found = [(share, _beginning(assembly, share)) for share in shares(max(turns, OFTEN))]
    return [(share, one) for share, one in found if _says_enough(one.problem, assembly.problem)]


def _affordable(assembly: Assembly, objective: ProfileLikelihood, points: FloatArray) -> list[tuple[float, Assembly]]:
    """The beginnings; none where a count of steps says that searches on them take too long."""
    section = assembly.loaded.config.fit
    if not len(points) or (seconds := seconds_of_start(objective, points)) is None:
        return []
    found = beginnings(assembly)
    needed = seconds * len(points) * sum(share for share, _ in found) * STEPS / EVALUATIONS
    return found if needed <= min(MOST_SECONDS, OF_BUDGET * (section.budget or math.inf)) else []


def shares(turns: int) -> list[float]:
    """Of the time of each experiment, where curves turn so often in all of it."""
    found = [FIRST / turns]
    while found[-1] * FACTOR < LONGEST:
        found.append(found[-1] * FACTOR)
    return found


def _beginning(assembly: Assembly, share: float) -> Assembly:
    def until(experiments: tuple[Experiment, ...]) -> tuple[Experiment, ...]:
        return tuple(_until(e, share) for e in experiments)

    problem = replace(assembly.problem, experiments=until(assembly.problem.experiments))
    return replace(assembly, measured=until(assembly.measured), problem=problem)


def _until(experiment: Experiment, share: float) -> Experiment:
    """Its rows up to a share of the time, at least the first one."""
    end = experiment.start + share * (experiment.last - experiment.start) + experiment.slack
    return experiment.rows(np.arange(max(int(np.count_nonzero(experiment.times <= end)), 1)))


def _says_enough(some: FitProblem, whole: FitProblem) -> bool:
    return all(one.n >= min(LEAST, every.n) for one, every in zip(some.data, whole.data, strict=True))


def grown_places(
    assembly: Assembly, search: LocalSearch, points: FloatArray, progress: Progress, memory: Memory, name: str = ""
) -> FloatArray:
    """Where short searches on growing beginnings lead from points [N, P'], [N, P']: one after the other.

    The points themselves where there are no `beginnings`, or no time for them; a place at which the whole series cannot
    be solved is left.

    Parameters
    ----------
    assembly
        The problem.
    search
        Of one start, over the whole series.
    points
        Where to begin.
    progress, memory
        Told of, and kept in, every batch of searches.
    name
        Tells these searches from others in the memory.

    Raises
    ------
    Interrupted
        By Ctrl-C, with what the places so far are worth over the whole series.
    """
    places, whole = points, search.objective
    for share, beginning in _affordable(assembly, whole, points):
        objective = ProfileLikelihood(Likelihood(beginning.problem), whole.eliminate)
        if not np.array_equal(objective.free, whole.free):
            continue
        part = f"beginnings{name}, {share:.0%}"
        progress.now(f"short searches on the first {share:.0%} of the series")
        try:
            found = short_searched(beginning, replace(search, objective=objective), places, progress, memory, part)
        except Interrupted as stopped:
            raise Interrupted(_valued(whole, stopped.population.u)) from None
        places = places_of(found)
    if places is points:
        return points
    return np.where(np.isfinite(whole.values(places))[:, None], places, points)


def _valued(objective: ProfileLikelihood, u: FloatArray) -> Population:
    values = objective.values(u)
    values = np.where(np.isfinite(values), values, np.inf)
    order = np.argsort(values, kind="stable")
    return Population(u[order], values[order])
