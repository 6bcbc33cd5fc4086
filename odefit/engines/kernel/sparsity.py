"""In which order the equations of a sparse matrix are eliminated, and where L and U have their entries.

The order is Markowitz's with pivots on the diagonal: next comes what fills in least, (rows below) x (columns to the
right) at most. It depends on the pattern alone, so it is found once for a system.

References
----------
H. M. Markowitz, The elimination form of the inverse and its application to linear programming, Management Science 3
(1957).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from odefit.arrays import IntArray
from odefit.records import dataclass


@dataclass(frozen=True)
class Pattern:
    """The entries of L + U, row by row in the order of elimination, each row by its columns.

    Attributes
    ----------
    order
        [n] which row comes k-th.
    rows
        [n] of the k-th row: the positions in the order at which it has entries, its own among them.
    work
        How many products the elimination takes.
    """

    order: tuple[int, ...]
    rows: tuple[tuple[int, ...], ...]
    work: int

    @cached_property
    def entries(self) -> int:
        """How many entries there are."""
        return sum(map(len, self.rows))

    @cached_property
    def numbers(self) -> IntArray:
        """What elimination.py reads.

        The number of entries; [n + 1] where rows start; [n] where their diagonals are; of each entry its column's
        position in the order; [n] the order; of each entry the column itself.
        """
        starts = np.concatenate([[0], np.cumsum([len(row) for row in self.rows])])
        diagonal = [int(starts[i]) + row.index(i) for i, row in enumerate(self.rows)]
        columns = np.array([column for row in self.rows for column in row], dtype=np.int64)
        order = np.array(self.order, dtype=np.int64)
        parts = ([self.entries], starts, diagonal, columns, order, order[columns])
        return np.concatenate([np.asarray(part, dtype=np.int64) for part in parts])

    def places(self) -> dict[tuple[int, int], int]:
        """(row, column) of the matrix -> its entry."""
        entries = ((k, column) for k, row in enumerate(self.rows) for column in row)
        return {(self.order[k], self.order[column]): e for e, (k, column) in enumerate(entries)}


def pattern_of(columns: Sequence[Sequence[int]]) -> Pattern:
    """The pattern of L and U, from the columns at which each row of the matrix has entries."""
    n = len(columns)
    right = [{*row, i} for i, row in enumerate(columns)]
    below: list[set[int]] = [set() for _ in range(n)]
    for i, row in enumerate(right):
        for j in row:
            below[j].add(i)
    filled = [set(row) for row in right]
    left, order, work = set(range(n)), list[int](), 0
    while left:
        k = min(left, key=lambda k: ((len(right[k]) - 1) * (len(below[k]) - 1), k))
        left.discard(k)
        order.append(k)
        rest = right[k] - {k}
        rows = below[k] - {k}
        work += len(rows) * (1 + len(rest))
        for i in rows:
            right[i].discard(k)
            for j in rest - right[i]:
                below[j].add(i)
            right[i] |= rest
            filled[i] |= rest
        for j in rest:
            below[j].discard(k)
    position = {k: at for at, k in enumerate(order)}
    return Pattern(tuple(order), tuple(tuple(sorted(position[j] for j in filled[k])) for k in order), work)
