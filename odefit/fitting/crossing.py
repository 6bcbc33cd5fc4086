"""New starts put together from the best so far: by parameters, and by the parts of a model where it has such."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.fitting.assembling import Assembler
from odefit.fitting.local_search import LocalSearch, typical_sizes
from odefit.fitting.recombination import recombined
from odefit.fitting.starting_points import shared
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.sampling import sampling_box

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
