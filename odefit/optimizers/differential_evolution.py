"""Differential evolution (R. Storn and K. Price 1997): a population in a box, for objectives with many valleys.

SciPy's, in short runs of some generations each: between them there is nothing but the population, so that a search that
was stopped goes on to the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from odefit.arrays import FloatArray
from odefit.records import dataclass

SPREAD = 0.1
"""The standard deviation of the values of a population that has come to rest: all of it is in one valley."""


@dataclass(frozen=True)
class Population:
    """Points of a search, the best one first.

    Parameters
    ----------
    u
        [n, P].
    values
        [n], the objective there; inf where it cannot be computed.
    is_at_rest
        Whether the values hardly differ.
    """

    u: FloatArray
    values: FloatArray
    is_at_rest: bool = False


def evolved(
    values: Callable[[FloatArray], FloatArray],
    before: FloatArray,
    low: FloatArray,
    high: FloatArray,
    generations: int,
    seed: tuple[int, ...],
) -> Population:
    """The population some generations later. Each of them evaluates as many points as the population has.

    Parameters
    ----------
    values
        The objective [n] at points [n, P].
    before
        [n, P], the population so far, at least five.
    low, high
        [P], the box.
    generations
        How many.
    seed
        The same numbers give the same population.
    """
    from scipy.optimize import Bounds, differential_evolution

    def by_columns(u: FloatArray, /, *_: Any, **__: Any) -> Any:
        return values(u.T)

    found = differential_evolution(
        by_columns,
        Bounds(low, high),
        maxiter=generations,
        init=before,
        tol=0.0,
        atol=SPREAD,
        polish=False,
        updating="deferred",
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    order = np.argsort(found.population_energies, kind="stable")
    return Population(found.population[order], found.population_energies[order], bool(found.success))
