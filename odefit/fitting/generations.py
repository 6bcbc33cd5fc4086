"""Short searches from places put together from the best of those that were drawn, where these are lone ones.

Where one place alone is far below all others, a lower one is likely to be missing as well. Searches go wrong in a few
parameters, and not all in the same, so that new places out of the best ones are worth more than as many drawn ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from odefit.fitting.crossing import Crossing
from odefit.fitting.local_search import LocalSearch, typical_sizes
from odefit.fitting.offered_starts import ALIKE
from odefit.fitting.race import PARENTS
from odefit.fitting.short_searches import different, short_searched
from odefit.optimizers.start_pool import StartOutcome
from odefit.problem.assembly import Assembly
from odefit.runs.checkpoint import Memory
from odefit.runs.progress import Progress

LONE = 3
"""The lowest place is a lone one when fewer searches than these have come near it."""

SHARE = 0.5
"""The new places of a generation, by the number of the drawn ones."""

MOST = 6
"""The most generations."""


def bred(
    assembly: Assembly, search: LocalSearch, results: Sequence[StartOutcome], progress: Progress, memory: Memory
) -> list[StartOutcome]:
    """These short searches, and those from places that are put together from the best, generation by generation.

    Until several come near the lowest place, or a generation leads no lower. Raises Interrupted.
    """
    found, n = list(results), math.ceil(SHARE * len(results))
    crossing, seed = Crossing(search.objective, search), assembly.loaded.config.fit.seed
    for number in range(MOST):
        values = np.array([r.value for r in found])
        lowest = float(np.min(values, initial=math.inf))
        if not math.isfinite(lowest) or np.count_nonzero(values <= lowest + ALIKE) >= LONE:
            break
        elite = different(found, typical_sizes(search.objective), PARENTS)
        if len(elite) < 2:
            break
        children = crossing(elite, n, (seed, number, 2))
        more = short_searched(assembly, search, children, progress, memory, f"generation {number + 1}")
        found += [replace(r, number=len(found) + r.number) for r in more]
        if not min(r.value for r in more) < lowest - ALIKE:
            break
    return found
