"""The starts of `fit.method: global`: the best points of a population that has searched the whole box."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.fitting.local_search import typical_sizes
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.differential_evolution import Population, evolved
from odefit.optimizers.sampling import sampling_box, screen, start_points
from odefit.records import dataclass
from odefit.runs.checkpoint import Memory
from odefit.runs.progress import Progress

PART = "population"

PER_PARAMETER, LEAST, MOST = 8, 24, 240
"""Points of the population for each parameter, and the fewest and the most in all."""

GENERATIONS = 20
"""From one checkpoint, and one word of progress, to the next."""

EVALUATIONS_PER_PARAMETER = 1000
"""How often the objective is evaluated for each parameter, where the config does not say it."""


class Interrupted(Exception):
    """The user has had enough; the population so far can be used."""

    def __init__(self, population: Population) -> None:
        self.population = population


@dataclass(frozen=True)
class _Reached:
    """How far a global search is.

    Parameters
    ----------
    population
        Now.
    found, values
        [k, P'] and [k], the best points of the populations that have come to rest.
    used
        Evaluations.
    """

    population: Population
    found: FloatArray
    values: FloatArray
    used: int

    def offered(self) -> Population:
        """All points that were reached, the best one first."""
        u = np.concatenate([self.found, self.population.u])
        values = np.concatenate([self.values, self.population.values])
        order = np.argsort(values, kind="stable")
        return Population(u[order], values[order])

    def to_plain(self) -> dict[str, Any]:
        """For a checkpoint."""
        return vars(self.population) | {"found": self.found, "best": self.values, "used": self.used}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> _Reached:
        """The inverse."""
        population = Population(plain["u"], plain["values"], plain["is_at_rest"])
        return cls(population, plain["found"], plain["best"], plain["used"])


def global_starts(
    objective: ProfileLikelihood,
    points: FloatArray,
    n: int,
    seed: int,
    evaluations: int | None,
    progress: Progress,
    memory: Memory,
) -> FloatArray:
    """The best points of populations of which the first has the starts of a local method.

    A population that has come to rest makes way for a new one, until all evaluations are used.

    Parameters
    ----------
    objective
        What is going to be minimised.
    points
        [k, P'], the starts of a local method; the first of them is the user's.
    n
        How many points are asked for.
    seed
        Of the populations.
    evaluations
        How many they may have; default by the number of parameters.
    progress, memory
        Told of, and kept in, every GENERATIONS generations.

    Raises
    ------
    Interrupted
        By Ctrl-C.
    """
    size = points.shape[1]
    if not size:
        return points[:n]
    lower, upper = (bounds[objective.free] for bounds in objective.full.problem.table.search_bounds())
    sizes = typical_sizes(objective)
    low, high = sampling_box(lower, upper, points[0], sizes)
    n_members = max(min(max(PER_PARAMETER * size, LEAST), MOST), len(points), n)
    budget = evaluations or EVALUATIONS_PER_PARAMETER * size

    def drawn(number: int) -> FloatArray:
        return start_points(lower, upper, points[0], n_members, seed + number, size=sizes)

    first = Population(np.vstack([points, drawn(0)[len(points) :]]), np.full(n_members, np.inf))
    at = _Reached(first, np.empty((0, size)), np.empty(0), 0)
    if (kept := memory.restored(PART)) is not None and np.shape(kept["u"]) == first.u.shape:
        at = _Reached.from_plain(kept)

    while at.used + 2 * n_members <= budget:
        best = at.offered().values[0]
        progress.now(f"global search, {at.used} of {budget} evaluations" + f", best {best:.6g}" * bool(best < np.inf))
        generations = min(GENERATIONS, (budget - at.used) // n_members - 1)
        begin, found, best_values = at.population.u, at.found, at.values
        if at.population.is_at_rest:
            found, best_values = np.vstack([found, begin[:1]]), np.append(best_values, at.population.values[0])
            begin = drawn(len(found))[::-1]
        try:
            population = evolved(_values(objective), begin, low, high, generations, (seed, at.used))
        except KeyboardInterrupt:
            raise Interrupted(at.offered()) from None
        at = _Reached(population, found, best_values, at.used + (generations + 1) * n_members)
        memory.offer(PART, at.to_plain)
    offered = at.offered()
    return screen(offered.values, offered.u, n)


def _values(objective: ProfileLikelihood) -> Callable[[FloatArray], FloatArray]:
    """The objective at many points, with an engine that knows nothing as yet: as a search that is resumed has it."""
    problem = objective.full.problem
    fresh = ProfileLikelihood(Likelihood(problem.solved_by(problem.engine.reset_copy())))

    return fresh.values
