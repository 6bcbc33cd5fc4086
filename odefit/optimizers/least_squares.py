"""Levenberg-Marquardt for likelihoods in score form: Fisher scoring in a trust region, within bounds.

Each iteration minimises the quadratic model

    m(d) = f + (A.T z).d + |A d|**2 / 2      over   |d / size| <= radius,   lower <= u + d <= upper

and keeps u + d only if the objective itself fell. For residuals with known sigma this is the method of
J. J. Moré, "The Levenberg-Marquardt algorithm: implementation and theory" (1978). What differs: z and A may
be any score form (base.py); the bounds are part of the model; steps are measured by how much a parameter may
typically change (`size`) instead of by the columns of A, which on sums of exponentials solves more problems
with fewer evaluations (benchmarks/optimizers.py); and the end is judged by the relative offset of D. M. Bates
and D. G. Watts, "A relative offset orthogonality convergence criterion" (Technometrics 23, 1981): the cosine
of the angle between z and what A can change.

Many searches go on in lockstep (trust_region.py): one call of the objective for all values of a round, and one for all
derivatives. A search from one start is a batch of one.

One decomposition of A serves every radius of an iteration, and tells a rank-deficient problem, for which the shortest
step is taken (local_model.py). The normal equations serve only where they lose nothing (linalg/strict_minima.py).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.optimizers.base import (
    BatchObjective,
    Callback,
    Objective,
    OneByOne,
    SearchOutcome,
    check_box,
    typical_size,
)
from odefit.optimizers.known_optima import KnownOptima, Tolerances
from odefit.optimizers.trust_region import TrustRegionSearches


def minimize_least_squares(
    objective: Objective,
    u0: FloatArray,
    lower: FloatArray | float = -np.inf,
    upper: FloatArray | float = np.inf,
    *,
    size: FloatArray | None = None,
    max_iterations: int = 200,
    ftol: float = 1e-8,
    xtol: float = 1e-13,
    gtol: float = 1e-10,
    callback: Callback | None = None,
) -> SearchOutcome:
    """A local minimum of an objective in a box.

    Parameters
    ----------
    objective
        The function; its failures never raise.
    u0
        [P], the start, which is moved into the box.
    lower, upper
        [P] or numbers, the box.
    size
        [P], how much each component may typically change: 1 for a logarithm. Default |u0| (1 where that is 0), which is
        right for natural scales. The first step is at most half of it in each component.
    max_iterations
        The most steps tried.
    ftol
        What is left to gain, relative to |z|²/2, below which repeated failure to gain it, or to make it less, means
        that the rest is noise of the objective (a solver's tolerance), and the search has converged as well.
    xtol
        The relative change of every component of u below which no more steps are tried.
    gtol
        The relative offset at which the search has converged; 1e-10 leaves about 1e-10 sqrt(M) standard errors.
    callback
        Called after each accepted step; returning True ends the search.

    Raises
    ------
    ValueError
        u0 and the box do not fit together.
    """
    u, low, high = check_box(u0, lower, upper)
    typical = typical_size(u) if size is None else np.asarray(size, dtype=np.float64)
    call = None if callback is None else lambda _, u, value: callback(u, value)
    (outcome,) = minimize_many(
        OneByOne(objective),
        u[None],
        low,
        high,
        size=typical,
        max_iterations=np.array([max_iterations]),
        ftol=ftol,
        xtol=xtol,
        gtol=gtol,
        callback=call,
    )
    return outcome


def minimize_many(
    objective: BatchObjective,
    u0: FloatArray,
    lower: FloatArray,
    upper: FloatArray,
    *,
    size: FloatArray,
    max_iterations: IntArray,
    ftol: float = 1e-8,
    xtol: float = 1e-13,
    gtol: float = 1e-10,
    callback: Callable[[int, FloatArray, float], bool | None] | None = None,
    known: KnownOptima | None = None,
) -> list[SearchOutcome]:
    """A local minimum of an objective in a box from each of many starts, in lockstep.

    What becomes of a start does not depend on the others.

    Parameters
    ----------
    objective
        The function; its failures never raise.
    u0
        [B, P], the starts, which are moved into the box.
    lower, upper, size
        [P], as in `minimize_least_squares`.
    max_iterations
        [B], the most steps that each search tries.
    ftol, xtol, gtol
        As in `minimize_least_squares`.
    callback
        Called after each accepted step with the number of the search, its u and its value; returning True ends it.
    known
        Optima; a search that is certain to end at one of them ends early.

    Returns
    -------
    list of SearchOutcome
        One per start.

    Raises
    ------
    ValueError
        u0 and the box do not fit together.
    """
    u, low, high = check_box(u0, lower, upper, ndim=2)
    tolerances = Tolerances(ftol, xtol, gtol)
    with np.errstate(all="ignore"):
        return TrustRegionSearches(objective, u, (low, high), size, max_iterations, tolerances, callback, known).run()
