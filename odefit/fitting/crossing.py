"""New starts put together from the best so far: by parameters, and by the parts of a model where it has such.

Searches end in different valleys because of a few parameters each, and mostly not because of the same ones. By
parameters it is the combination of scatter search (J. A. Egea et al., "Scatter search for chemical and bio-process
optimization", Journal of Global Optimization 37, 2007), which with local searches does better on kinetic models than
starts at random (A. F. Villaverde et al., Bioinformatics 35, 2019), in its simplest form: uniform crossover, and
mutations.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.fitting.assembling import Assembler
from odefit.fitting.local_search import LocalSearch, typical_sizes
from odefit.fitting.starting_points import shared
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.sampling import sampling_box

MUTATIONS = 2.0
"""Components of each new start that are drawn anew, on average."""
BY_PARTS = 0.5
"""The share of starts that are put together part by part, where the model has parts."""


class Crossing:
    """Makes starts out of the best ones; what parts there are is seen once.

    Parameters
    ----------
    objective
        By which parts are judged.
    search
        Whose box new components come from.
    """

    def __init__(self, objective: ProfileLikelihood, search: LocalSearch) -> None:
        self.objective, self.search = objective, search
        self._assembler: Assembler | None = None

    def __call__(self, elite: FloatArray, n: int, seed: Sequence[int]) -> FloatArray:
        """n starts [n, P'] out of the best places [E, P'], which differ, the very best first."""
        varied, random = shared(self.objective), np.random.default_rng(seed)
        self._assembler = self._assembler or Assembler(self.objective, varied, elite[0])
        lower, upper = (bounds[varied] for bounds in self.search.box)
        box = sampling_box(lower, upper, elite[0, varied], typical_sizes(self.search.objective)[varied])
        children = elite[random.integers(len(elite), size=n)]
        children[:, varied] = recombined(elite[:, varied], n, box, random)
        if self._assembler.parts:
            chosen = random.random(n) < BY_PARTS
            children[np.ix_(chosen, varied)] = self._assembler(elite, int(chosen.sum()), box, random)
        return children


def recombined(
    elite: FloatArray, n: int, box: tuple[FloatArray, FloatArray], random: np.random.Generator
) -> FloatArray:
    """n starts, each out of two of an elite.

    Parameters
    ----------
    elite
        [E, P], the best places, which differ, the very best first; E at least 2.
    n
        How many.
    box
        [P] each, finite, where components that are drawn anew lie.
    random
        Draws all.

    Returns
    -------
    FloatArray
        [n, P]. The first parent of rank r is taken with a weight of 1/r. The share that comes from the second one is
        drawn for each start: from nothing to half, and mostly little.
    """
    low, high = box
    size = elite.shape[1]
    weights = 1 / np.arange(1, len(elite) + 1)
    first = random.choice(len(elite), n, p=weights / weights.sum())
    second = (first + random.integers(1, len(elite), n)) % len(elite)
    shares = 0.5 * random.random(n) ** 2
    from_second = random.random((n, size)) < shares[:, None]
    children = np.where(from_second, elite[second], elite[first])
    mutated = random.random((n, size)) < MUTATIONS / size
    return np.where(mutated, random.uniform(low, high, (n, size)), children)
