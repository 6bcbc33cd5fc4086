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

from odefit.fitting.crossing import Crossing
from odefit.fitting.local_search import LocalSearch
from odefit.fitting.offered_starts import ALIKE
from odefit.fitting.race import PARENTS
from odefit.fitting.short_searches import distinct, short_searched
from odefit.optimizers.start_pool import StartOutcome
from odefit.problem.assembly import Assembly
from odefit.runs.checkpoint import Memory
from odefit.runs.progress import Progress

LONE = 3
"""The lowest place is a lone one when fewer of the searches from drawn places than these have come near it. Places that
were put together from it do not count: they come there since it is where they are from."""

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
        lowest = min((r.value for r in found), default=math.inf)
        is_lone = math.isfinite(lowest) and np.count_nonzero(drawn <= lowest + ALIKE) < LONE
        elite = distinct(found, PARENTS)
        if not is_lone or in_vain == IN_VAIN or len(elite) < 2:
            break
        children = crossing(elite, n, (seed, number, 2))
        more = short_searched(assembly, search, children, progress, memory, f"generation {number + 1}")
        found += [replace(r, number=len(found) + r.number) for r in more]
        in_vain = 0 if min(r.value for r in more) < lowest - LOWER else in_vain + 1
    return found
