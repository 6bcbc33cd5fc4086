"""New starts out of the best ones so far: what one has found of some parameters, with what another has of the rest.

Searches end in different valleys because of a few parameters each, and mostly not because of the same ones. This is the
combination of scatter search (J. A. Egea et al., "Scatter search for chemical and bio-process optimization", Journal of
Global Optimization 37, 2007), which with local searches does better on kinetic models than starts at random (A. F.
Villaverde et al., Bioinformatics 35, 2019), in its simplest form: uniform crossover, and mutations.
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray

MUTATIONS = 2.0
"""Components of each new start that are drawn anew, on average."""


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
