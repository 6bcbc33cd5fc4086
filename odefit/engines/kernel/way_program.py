"""Whole ways through segments by the kernel: flat arrays in, flat arrays and a status per member out; see ways.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.compilation.machine_code import MachineCode, code_of
from odefit.engines.kernel.batch import address
from odefit.engines.kernel.kernel_engine import MAX_STIFF_STEPS, KernelEngine
from odefit.engines.kernel.model_ir import MAX_SIZE, columns_of, events_text
from odefit.engines.kernel.program import Ends, entry
from odefit.engines.kernel.stepping import padded
from odefit.engines.kernel.watching import HEAD
from odefit.engines.methods import AUTO, METHODS
from odefit.records import dataclass


@dataclass(frozen=True)
class Coming:
    """What may come on the way.

    Attributes
    ----------
    gaps, stricts
        Formulas of G comparisons, which hold above 0, or at 0 where they are not strict.
    rules
        For each condition the positions of its gaps, its truth for each combination of these (the first one is the
        lowest bit), and whether it may come at the start.
    changes
        State -> formula: what each rule does, then each event at a known time.
    """

    gaps: Sequence[Any]
    stricts: Sequence[bool]
    rules: Sequence[tuple[Sequence[int], Sequence[bool], bool]]
    changes: Sequence[Mapping[int, Any]]

    @cached_property
    def formulas(self) -> list[Any]:
        """Of all changes, in their order."""
        return [formula for change in self.changes for formula in change.values()]

    @cached_property
    def tables(self) -> tuple[IntArray, IntArray]:
        """`rules` and `parts` as `solve_ways` takes them."""
        parts = [*map(int, self.stricts), *(state for change in self.changes for state in change)]
        first, rows = 0, list[list[int]]()
        for r, change in enumerate(self.changes):
            row = [0, 0, 0, first, len(change), 0]
            if r < len(self.rules):
                gaps, truths, at_start = self.rules[r]
                row[:3], row[5] = [len(parts), len(gaps), len(parts) + len(gaps)], int(at_start)
                parts += [*gaps, *map(int, truths)]
            rows.append(row)
            first += len(change)
        return np.array([*rows, [0] * 6], dtype=np.int64).ravel(), np.array([*parts, 0], dtype=np.int64)


@dataclass(frozen=True)
class WayArrays:
    """The segments of W ways, one after the other; see `solve_ways`."""

    first: IntArray
    places: IntArray
    numbers: FloatArray
    times: FloatArray


class WayProgram:
    """Solves members on their ways by the first method of an engine for their segments.

    Parameters
    ----------
    engine
        Of a system whose parameters are `kept` ones, `feeds` rates, numbers of context, and initial values.
    coming
        What comes on the way, in formulas of that system.
    """

    def __init__(self, engine: KernelEngine, kept: int, feeds: int, coming: Coming) -> None:
        self.engine, self.program, self.coming = engine, engine.program, coming
        self.states, self.kept, self.feeds = len(engine.system.states), kept, feeds
        self.context = len(engine.system.parameters) - kept - feeds - self.states
        self.code: MachineCode | None = None
        if coming.gaps or coming.changes:
            text = events_text(engine.system, engine.sensitive, coming.gaps, coming.formulas)
            if text.size > MAX_SIZE:
                raise ValueError("events too large to be compiled")
            self.code = code_of(text.text)

    def solve(
        self,
        p: FloatArray,
        start: tuple[FloatArray, FloatArray],
        given: FloatArray,
        moved: FloatArray,
        way: IntArray,
        arrays: WayArrays,
        rows: IntArray,
        y: FloatArray,
        dy: FloatArray | None,
    ) -> Ends:
        """Put the states of M members where their rows begin, and how they ended.

        Parameters
        ----------
        p
            [M, kept].
        start
            y [M, S] and its derivatives [M, S, K].
        given
            [M, 1 + K] the fraction of doses that arrives, with its derivatives.
        moved
            [M, D, K] derivatives of the times that move.
        way, rows
            [M] of each member.
        y, dy
            [R, S] and [R, S, K]; None without sensitivities.
        """
        engine, count, n = self.engine, len(way), self.states
        slopes = 0 if dy is None else len(engine.sensitive)
        wide = columns_of(slopes)
        size = padded(n * wide)
        begin = np.zeros((count, size))
        z = begin[:, : n * wide].reshape(count, n, wide)
        z[:, :, 0], z[:, :, 1 : 1 + slopes] = start
        plan = self.program.plan(
            engine.tolerances,
            slopes,
            engine.options.max_steps,
            MAX_STIFF_STEPS if engine.options.method == AUTO else 0,
            METHODS[engine.first_method].is_implicit,
            slopes > 0,
        )
        rules, parts = self.coming.tables
        gaps, conditions, changes = len(self.coming.gaps), len(self.coming.rules), len(self.coming.formulas)
        known = len(engine.sensitive)
        counts = [self.kept, self.feeds, self.context, gaps, conditions, changes, moved.shape[1], known, plan.room]
        direction, of_both = n + 1 + known, gaps + changes
        lengths = [direction, known, conditions, gaps, of_both, of_both, HEAD + 5 * gaps + n, direction]
        *places, room = np.cumsum(lengths).tolist()
        extents = np.array([*counts, *places], dtype=np.int64)
        behind = 2 * size + len(engine.system.parameters) + n * wide
        work, ends = np.empty(plan.room + behind + room), np.empty((3, count))
        names = ("gaps", "gaps_along", "changes", "changes_along")
        functions = [0] * 4 if self.code is None else [self.code.address(name) for name in names]
        arrays_of_members = tuple(
            np.ascontiguousarray(array)
            for array in (p, begin, given, moved, way, arrays.first, arrays.places, arrays.numbers, arrays.times, rows)
        )
        entry("solve_ways", 31)(
            count,
            *plan.heads,
            *map(address, (extents, rules, parts)),
            *functions,
            *map(address, (*arrays_of_members, work, y, y if dy is None else dy, *ends)),
        )
        return Ends(ends[0].view(np.int64), ends[1], ends[2].view(np.int64))
