"""The best sets of candidates: all of them where they are few, else chosen greedily and improved by exchange.

The exchange is that of V. V. Fedorov (1972), Theory of Optimal Experiments: of all swaps of one member for one that is
none the best is made, as long as that is better. It ends at a set that no single swap improves, which need not be the
best of all.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable

ALL = 2000
"""The most sets that are all looked at."""

Members = tuple[int, ...]


def best_sets(count: int, size: int, rank: Callable[[Members], tuple[float, ...]]) -> tuple[list[Members], bool]:
    """Sets of candidates, the best first, and whether these are all that there are.

    Parameters
    ----------
    count
        How many candidates there are.
    size
        How many are chosen, each at most once.
    rank
        By which less is better, of a set in increasing order.
    """
    if math.comb(count, size) <= ALL:
        return sorted(itertools.combinations(range(count), size), key=rank), True
    of = functools.cache(rank)
    chosen: Members = ()
    for _ in range(size):
        chosen = min((_with(chosen, k) for k in range(count) if k not in chosen), key=of)
    seen = {chosen}
    while True:
        swaps = [
            _with(tuple(member for member in chosen if member != out), k)
            for out in chosen
            for k in range(count)
            if k not in chosen
        ]
        seen.update(swaps)
        best = min(swaps, key=of)
        if not of(best) < of(chosen):
            return sorted(seen, key=of), False
        chosen = best


def _with(members: Members, one: int) -> Members:
    return tuple(sorted((*members, one)))
