"""Short searches from places put together from the best of those that were drawn, where these are lone ones.

Where one place alone is far below all others, a lower one is likely to be missing as well. Searches go wrong in a few
parameters, and not all in the same, so that new places out of the best ones are worth more than as many drawn ones.
Each valley has one of its places among these: else the children of the first good one are soon all that there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.fitting.crossing import Crossing
from odefit.fitting.explained import explains
from odefit.fitting.local_search import LocalSearch
from odefit.fitting.offered_starts import ALIKE
from odefit.fitting.only_noise import leaves_noise
from odefit.fitting.race import PARENTS
from odefit.fitting.short_searches import short_searched
from odefit.objective.profile import ProfileLikelihood
from odefit.objective.residuals import pearson_residuals
from odefit.optimizers.start_pool import StartOutcome
from odefit.problem.assembly import Assembly
from odefit.runs.checkpoint import Memory
from odefit.runs.progress import Progress

LONE = 3
"""The lowest place is a lone one when fewer of the searches from drawn places than these have come near it. Places that
were put together from it do not count: they come there since it is where they are from. Where its curves leave more
than noise and do not explain the data either, it is one however many have come: they agree on plateaus, too."""

SHARE = 0.5
"""The new places of a generation, by the number of the drawn ones."""

LOWER = 0.1
"""Log-likelihood units by which a generation must lead lower to have led anywhere."""

IN_VAIN = 2
"""Generations in a row that have led nowhere, after which there are no more: one alone may be bad luck."""

MOST = 10
"""The most generations."""


def bred(
    assembly: Assembly, search: LocalSearch, results: Sequence[StartOutcome], progress: Progress, memory: Memory
) -> list[StartOutcome]:
    """These short searches, and those from places that are put together from the best, generation by generation.

    As long as the lowest place is a lone one, until generations lead no lower. Raises Interrupted.
    """
    found, n, in_vain = list(results), math.ceil(SHARE * len(results)), 0
    drawn = np.array([r.value for r in results])
    crossing, seed = Crossing(search.objective, search), assembly.loaded.config.fit.seed
    for number in range(MOST):
        lowest, elite = min((r.value for r in found), default=math.inf), distinct(search.objective, found, PARENTS)
        if in_vain == IN_VAIN or len(elite) < 2:
            break
        if np.count_nonzero(drawn <= lowest + ALIKE) >= LONE and _is_right(search.objective, elite[0]):
            break
        children = crossing(elite, n, (seed, number, 2))
        more = short_searched(assembly, search, children, progress, memory, f"generation {number + 1}")
        found += [replace(r, number=len(found) + r.number) for r in more]
        in_vain = 0 if min(r.value for r in more) < lowest - LOWER else in_vain + 1
    return found


def _is_right(objective: ProfileLikelihood, u: FloatArray) -> bool:
    """Whether searches that agree on u [P'] are believed."""
    return leaves_noise(objective, u) or explains(objective, u)


def distinct(objective: ProfileLikelihood, results: Sequence[StartOutcome], n: int) -> FloatArray:
    """The best n places of different valleys that searches have come to, [n, P'], or as many as there are.

    Places are in one valley if their curves are no further apart than noise makes them: half of the squared distance of
    the residuals is what the objective rises by from where these are noise. The lowest stands for all; so it does for
    all places on a plateau, however far their parameters are apart. Where there are but limits and intervals, which
    have no residuals, the objectives tell places apart.
    """
    chosen, seen = list[FloatArray](), list[tuple[float, FloatArray]]()
    for r in sorted(results, key=lambda r: r.value):
        if len(chosen) == n or r.outcome is None or not math.isfinite(r.value):
            break
        found = pearson_residuals(objective.full, objective.lift(r.outcome.u))
        if found is None:
            continue
        e = np.concatenate(found)
        with np.errstate(all="ignore"):
            apart = [0.5 * np.square(e - other).sum() if len(e) else r.value - value for value, other in seen]
        if all(not a <= ALIKE for a in apart):
            chosen, seen = [*chosen, r.outcome.u], [*seen, (r.value, e)]
    return np.array(chosen)
