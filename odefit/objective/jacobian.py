"""From derivatives to an experiment's own symbols [M, K] to those to the search vector, A [M, P]."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask, distinct
from odefit.linalg.dense_stack import DenseStack
from odefit.linalg.matrix import Matrix
from odefit.linalg.stack import MatrixList, MatrixStack
from odefit.objective.problem import FitProblem
from odefit.records import dataclass

if TYPE_CHECKING:
    from odefit.linalg.arrow_layout import Layout

MIN_BLOCKS = 4
"""The arrow form is not taken for fewer blocks."""
MIN_SAVING = 3.0
"""The arrow form is taken where a matrix with all entries needs more than this many times its operations."""
ARROW_OVERHEAD = 1e6
"""The cost of the arrow form's bookkeeping, in operations.

With it, both forms take the same time for 20 experiments of 30 rows with two parameters each.
"""
MAX_GROUP_SIZES = 8
"""The most sizes of groups sharing a parameter that are tried as blocks."""
MAX_TARGETS = 64
"""Sets of rows of which it is remembered where their slopes go; a fit has one or two of each observable."""
MAX_CHAIN = 50
"""The longest chain of experiments, each of which shares a parameter with the next, that becomes one block."""


@dataclass(frozen=True)
class LocalRows:
    """Rows of A before they know of the search vector.

    Parameters
    ----------
    slopes
        [..., M, K], derivatives to the K sensitive symbols.
    experiment
        [M], the experiment of each row.
    """

    slopes: FloatArray
    experiment: IntArray


@dataclass(frozen=True)
class Target:
    """Where slopes [B, M, K] to some symbols go.

    Parameters
    ----------
    symbols
        Which ones, an index into the last axis of slopes.
    places
        An index into the rows of A, [B, M, ...].
    columns
        [1, k] or [M, k], the columns of dtheta/du [B, P] that they are multiplied by.
    """

    symbols: IntArray | slice
    places: tuple[slice, IntArray | slice, IntArray | slice]
    columns: IntArray

    @property
    def is_view(self) -> bool:
        """Whether the index makes no copy."""
        return all(isinstance(index, slice) for index in self.places)


class LocalColumns:
    """Where in u [P] the sensitive symbols of each experiment stand, and which form A has.

    Attributes
    ----------
    positions
        [E, K], P (one past the end) where a symbol is a constant.
    """

    def __init__(self, problem: FitProblem, blocks: bool | None = None) -> None:
        """Look up the symbols of a problem.

        Parameters
        ----------
        problem
            The fit.
        blocks
            Whether A is in arrow form if it can be; default where that pays.
        """
        table = problem.table
        self.n = len(table.estimated)
        position = np.full(len(table) + 1, self.n, dtype=np.intp)
        position[table.estimated] = np.arange(self.n)
        local = [problem.binding.symbols.index(name) for name in problem.observation.sensitive]
        self.positions: IntArray = position[problem.binding.index[:, local]]
        self.n_rows = problem.measured_counts
        self.blocks = blocks
        self._targets: dict[int, tuple[IntArray, list[Target]]] = {}

    @cached_property
    def arrow(self) -> tuple[Layout, IntArray] | None:
        """The layout of the arrow form and the block of each experiment [E]; None where a matrix is as good."""
        return None if self.blocks is False else cheapest(self.positions, self.n, self.n_rows, bool(self.blocks))

    @property
    def n_bytes(self) -> float:
        """The memory that A takes, without the rows of priors."""
        width = self.n if self.arrow is None else len(self.arrow[0].shared) + self.arrow[0].own.shape[1]
        return 8.0 * float(self.n_rows.sum()) * width

    def rows(self, single: Sequence[tuple[int, float]], local: LocalRows, slope: FloatArray) -> Matrix:
        """A of one point, in the form that pays.

        Parameters
        ----------
        single
            The column and the value of the one entry of each first row (a prior).
        local
            The other rows.
        slope
            [P], dtheta/du.
        """
        values = np.array([[value for _, value in single]])
        local = LocalRows(local.slopes[None], local.experiment)
        return self.stack([column for column, _ in single], values, [local], slope[None])[0]

    def stack(
        self, columns: Sequence[int], values: FloatArray, parts: Sequence[LocalRows], slope: FloatArray
    ) -> MatrixStack:
        """A of B points, in the form that pays.

        Parameters
        ----------
        columns, values
            [n] and [B, n], the one entry of each first row (a prior).
        parts
            The other rows, part below part, with slopes [B, M, K].
        slope
            [B, P], dtheta/du.
        """
        place, n_rows = self._place, len(columns) + sum(len(part.experiment) for part in parts)
        # One place more than there are columns, for what is derived to a constant.
        out = np.zeros((len(slope), n_rows, place[-1] + 1))
        if columns:
            out[:, np.arange(len(columns)), place[np.array(columns, dtype=np.intp)]] = values
        last = len(columns)
        with np.errstate(over="ignore", invalid="ignore"):
            wide = np.concatenate([slope, np.zeros((len(slope), 1))], axis=1) if self._has_constants else slope
            for part in parts:
                first, last = last, last + len(part.experiment)
                own = out[:, first:last]
                for target in self._targets_of(part.experiment):
                    slopes, factors = part.slopes[..., target.symbols], wide[:, target.columns]
                    if not self._is_apart:
                        own[target.places] += slopes * factors
                    elif target.is_view:
                        np.multiply(slopes, factors, out=own[target.places])
                    else:
                        own[target.places] = slopes * factors
        if self.arrow is None:
            return DenseStack(out[:, :, :-1])
        layout, block = self.arrow
        s = len(layout.shared)
        owner = layout.owner[np.array(columns, dtype=np.intp)]
        blocks = np.concatenate([owner, *(block[part.experiment] for part in parts)])
        from odefit.linalg.arrow_matrix import ArrowMatrix

        return MatrixList([ArrowMatrix(layout, blocks, one[:, :s], one[:, s:-1]) for one in out])

    @cached_property
    def _place(self) -> IntArray:
        """Where a row keeps each column, [P + 1]; the last is behind all others."""
        return np.arange(self.n + 1) if self.arrow is None else self.arrow[0].place

    @cached_property
    def _has_constants(self) -> bool:
        return bool((self.positions == self.n).any())

    @cached_property
    def _is_apart(self) -> bool:
        """Whether no two symbols of an experiment are the same parameter."""
        ordered = np.sort(self.positions, axis=1)
        return not ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] < self.n)).any()

    def _targets_of(self, experiment: IntArray) -> list[Target]:
        """Where the slopes of rows of experiments [M] go; it is looked up once for the same array."""
        known = self._targets.get(id(experiment))
        if known is None or known[0] is not experiment:  # as may be in a copy, where arrays have other ids
            if len(self._targets) >= MAX_TARGETS:
                del self._targets[next(iter(self._targets))]
            known = self._targets[id(experiment)] = experiment, self._found(experiment)
        return known[1]

    def _found(self, experiment: IntArray) -> list[Target]:
        if not len(experiment):
            return []
        positions, where, rows = self.positions, self._place[self.positions], np.arange(len(experiment))[:, None]
        in_place = (where == where[0]).all(axis=0)
        is_same = (positions == positions[0]).all(axis=0)
        found, everything = list[Target](), slice(None)
        for kind in (is_same, in_place & ~is_same, ~in_place):
            symbols = np.flatnonzero(kind)
            # Two that are the same parameter are added one after the other.
            for ks in [symbols] if self._is_apart else symbols[:, None]:
                if not len(ks):
                    continue
                columns = positions[0, ks][None] if kind is is_same else positions[experiment[:, None], ks]
                if in_place[ks[0]]:
                    found.append(Target(_as_slice(ks), (everything, everything, _as_slice(where[0, ks])), columns))
                else:
                    found.append(Target(_as_slice(ks), (everything, rows, where[experiment[:, None], ks]), columns))
        return found


def _as_slice(ks: IntArray) -> IntArray | slice:
    """An index that makes no copy, where there is one."""
    first = int(ks[0])
    return slice(first, first + len(ks)) if (ks == first + np.arange(len(ks))).all() else ks


def cheapest(positions: IntArray, n: int, n_rows: IntArray, always: bool = False) -> tuple[Layout, IntArray] | None:
    """The arrow form with the fewest operations.

    A column may belong to a block if few experiments use it, which are one block then; how few is tried out.

    Parameters
    ----------
    positions
        [E, K], the columns of each experiment; n for none.
    n
        P, the number of columns.
    n_rows
        [E], the rows of each experiment.
    always
        Whether to give the best arrow form even where a matrix with all entries needs fewer operations.

    Returns
    -------
    layout, block
        And the block of every experiment [E]; None where the form does not pay, or where there is none.
    """
    # Every pair of an experiment and a column that it uses, once.
    pairs = distinct((np.arange(len(positions))[:, None] * (n + 1) + positions).ravel())
    experiment, column = pairs // (n + 1), pairs % (n + 1)
    experiment, column = experiment[column < n], column[column < n]
    users = np.bincount(column, minlength=n)
    rows = float(n_rows.sum())
    least, best = math.inf if always else rows * n**2 / MIN_SAVING, None
    for most in distinct(users[(users > 0) & (users < len(positions))])[:MAX_GROUP_SIZES]:
        found = _arrow(experiment, column, users <= most, len(positions), n)
        if found is None or found[0].n_blocks < (2 if always else MIN_BLOCKS):
            continue
        layout = found[0]
        s, k = len(layout.shared), layout.own.shape[1]
        cost = rows * (s + k + 1) ** 2 + layout.n_blocks * (k**3 + k * s**2) + ARROW_OVERHEAD
        if cost < least:
            least, best = cost, found
    return best


def _arrow(
    experiment: IntArray, column: IntArray, ownable: Mask, n_experiments: int, n: int
) -> tuple[Layout, IntArray] | None:
    """The layout in which `ownable` [P] columns belong to blocks, and the block of every experiment [E]."""
    own = ownable[column]
    label = _joined(experiment[own], column[own], n_experiments, n)
    if label is None:
        return None
    names, block = np.unique(label[experiment[own]], return_inverse=True)
    # Each column once: its first pair tells its block.
    columns, first = np.unique(column[own], return_index=True)
    blocks = block[first]
    order = np.argsort(blocks, kind="stable")
    counts = np.bincount(blocks, minlength=len(names))
    slot = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    table = np.full((len(names), counts.max(initial=0)), n, dtype=np.intp)
    table[blocks[order], slot] = columns[order]
    of_label = np.full(n_experiments, len(names), dtype=np.intp)
    of_label[names] = np.arange(len(names))
    shared = np.setdiff1d(np.arange(n), columns)
    from odefit.linalg.arrow_layout import Layout

    return Layout(n, shared, table), of_label[label]


def _joined(experiment: IntArray, column: IntArray, n_experiments: int, n: int) -> IntArray | None:
    """A label for every experiment, [E], the same for those that a column connects; None where chains are too long."""
    label = np.arange(n_experiments)
    for _ in range(MAX_CHAIN):
        least = np.full(n, n_experiments, dtype=np.intp)
        np.minimum.at(least, column, label[experiment])
        new = label.copy()
        np.minimum.at(new, experiment, least[column])
        if (new == label).all():
            return label
        label = new
    return None


def stacked(parts: Sequence[LocalRows], k: int) -> LocalRows:
    """All rows, one part below the other; k is the number of sensitive symbols."""
    none = LocalRows(np.zeros((0, k)), np.zeros(0, dtype=np.intp))
    both = [none, *parts]
    return LocalRows(np.concatenate([p.slopes for p in both]), np.concatenate([p.experiment for p in both]))
