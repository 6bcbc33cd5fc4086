"""Optima at a kink of the likelihood, where the time of a switch has come to that of a measurement.

A search stops there: from either side the steps lead across, and up. Yet the point is an optimum where it is one of the
part of the box with earlier switching times and one of the part with later ones, and in both the likelihood is smooth.
So the search goes on within one part, then within the other, and the certificate is asked of both.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from odefit.arrays import FloatArray
from odefit.optimizers.base import SearchOutcome
from odefit.optimizers.certificate import Certificate
from odefit.records import dataclass

BESIDE = 1e-6
"""Typical sizes of the parameter by which a part of the box ends before the kink."""

Box = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class OneSided:
    """What is needed to go on from a kink.

    Parameters
    ----------
    search
        Takes a point [P'] and a box, and searches in it.
    certify
        Takes a point [P'] and a box, and says what is left to gain there.
    box
        The bounds, [P'] each.
    size
        [P'], how much each component may typically change.
    """

    search: Callable[[FloatArray, Box], SearchOutcome]
    certify: Callable[[FloatArray, Box], Certificate]
    box: Box
    size: FloatArray

    def __call__(self, stuck: SearchOutcome, k: int, place: float) -> tuple[SearchOutcome, Certificate | None]:
        """The lowest point that is found from one at a kink, and its certificate where that holds.

        Parameters
        ----------
        stuck
            A search that ended at a kink.
        k, place
            The component of u whose kink that is, and where. Outside of the box nothing is done.
        """
        if not self.box[0][k] < place < self.box[1][k]:
            return stuck, None
        parts = self._parts(k, place)
        best = stuck
        for part in parts:
            found = self.search(np.clip(best.u, *part), part)
            if found.value < best.value:
                best = found
        if self.is_at(best.u[k], place, k):
            certificates = [self.certify(np.clip(best.u, *part), part) for part in parts]
        else:
            certificates = [self.certify(best.u, self.box)]
        worst = max(certificates, key=lambda one: one.left)
        return best, worst if all(one.holds for one in certificates) else None

    def is_at(self, at: float, place: float, k: int) -> bool:
        """Whether a value of component k is that of its kink, but for what the parts of the box leave out."""
        return abs(at - place) <= 2 * BESIDE * float(self.size[k])

    def _parts(self, k: int, place: float) -> tuple[Box, Box]:
        """The box before the kink of a component, and the one behind it."""
        lower, upper = (bound.copy() for bound in self.box)
        upper[k] = max(place - BESIDE * self.size[k], lower[k])
        before = (self.box[0], upper)
        lower[k] = min(place + BESIDE * self.size[k], self.box[1][k])
        return before, (lower, self.box[1])
