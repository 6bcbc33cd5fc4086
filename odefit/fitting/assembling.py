"""New starts out of the best parts of the best ones so far, where a model has parts.

Many models have parts that few measurements depend on: the genes that one signal drives, what is particular to an
experiment, the scales of an observable. A search ends in a good valley for some of them, and hardly ever for all; but
each part can be judged by its own measurements, and taken from the start that has found the best for it. This is the
partition crossover of evolutionary computation (D. Whitley, D. Hains and A. Howe, "Tunneling between optima: partition
crossover for the traveling salesman problem", GECCO 2009) for parameters. What all parts share comes from one start,
and a search goes on from there, so that parts need not be independent.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.objective.profile import ProfileLikelihood
from odefit.objective.shares import unit_values, units_touched
from odefit.records import dataclass

MOST_TOUCHED = 0.5
"""The share of all units that a parameter of a part may touch at most: what touches more belongs to all parts."""

REDRAWN = 0.5
"""How often one part of a new start is drawn anew, so that there is something better to be taken from it later."""


@dataclass(frozen=True)
class Part:
    """Parameters with the units that depend on them, and on no other part.

    Parameters
    ----------
    columns
        Positions in u of the parameters.
    units
        Positions of the units (an observable in an experiment).
    """

    columns: IntArray
    units: IntArray


def parts_of(touched: Mask) -> list[Part]:
    """The parts of a model; none where there are fewer than two.

    touched: [U, P], which units depend on which parameters.
    """
    local = np.flatnonzero((touched.sum(axis=0) > 0) & (touched.mean(axis=0) <= MOST_TOUCHED))
    label = np.arange(len(local))
    for units in touched[:, local]:
        if units.any():
            label = np.where(np.isin(label, label[units]), label[units].min(), label)
    groups = [local[label == k] for k in np.unique(label)]
    parts = [Part(columns, np.flatnonzero(touched[:, columns].any(axis=1))) for columns in groups]
    return parts if len(parts) > 1 else []


def assembled(
    elite: FloatArray,
    values: FloatArray,
    parts: list[Part],
    n: int,
    box: tuple[FloatArray, FloatArray],
    random: np.random.Generator,
) -> FloatArray:
    """n starts with the best parts of an elite.

    Parameters
    ----------
    elite
        [E, P], the best places, which differ, the very best first.
    values
        [E, U], what each unit adds to the objective there.
    parts
        At least one.
    n
        How many.
    box
        [P] each, finite, where parts that are drawn anew lie.
    random
        Draws all.

    Returns
    -------
    FloatArray
        [n, P]. What is shared is that of the parent of rank r with a weight of 1/r. One part is drawn anew in some of
        them, and where the best parts are all the parent's own.
    """
    weights = 1 / np.arange(1, len(elite) + 1)
    parents = random.choice(len(elite), n, p=weights / weights.sum())
    children = elite[parents].copy()
    for part in parts:
        best = int(np.argmin(values[:, part.units].sum(axis=1)))
        children[:, part.columns] = elite[best, part.columns]
    same = (children == elite[parents]).all(axis=1)
    for k in np.flatnonzero(same | (random.random(n) < REDRAWN)):
        columns = parts[random.integers(len(parts))].columns
        children[k, columns] = random.uniform(box[0][columns], box[1][columns])
    return children


class Assembler:
    """Makes starts out of the best parts, by an objective.

    Parameters
    ----------
    objective
        Of the searches.
    varied
        Positions in u of the parameters that tell starts apart.
    first
        [P'], where it is seen which units depend on which parameters.
    """

    def __init__(self, objective: ProfileLikelihood, varied: IntArray, first: FloatArray) -> None:
        self.objective, self.varied, self.first = objective, varied, first
        self._known: dict[bytes, FloatArray] = {}

    @cached_property
    def parts(self) -> list[Part]:
        """Those of the varied parameters."""
        touched = units_touched(self.objective, self.first)
        return [] if touched is None else parts_of(touched[:, self.varied])

    def __call__(
        self, elite: FloatArray, n: int, box: tuple[FloatArray, FloatArray], random: np.random.Generator
    ) -> FloatArray:
        """The varied components of n starts, [n, V], out of an elite [E, P'] and a box [V] of the varied ones."""
        new = [u for u in elite if u.tobytes() not in self._known]
        if new:
            self._known |= {
                u.tobytes(): v for u, v in zip(new, unit_values(self.objective, np.array(new)), strict=True)
            }
        values = np.stack([self._known[u.tobytes()] for u in elite])
        return assembled(elite[:, self.varied], values, self.parts, n, box, random)
