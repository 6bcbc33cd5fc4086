"""Whole ways through segments by the kernel: flat arrays in, flat arrays and a status per member out; see ways.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from odefit.arrays import FloatArray, IntArray, address, call_code
from odefit.compilation.machine_code import MachineCode, code_of
from odefit.engines.kernel.kernel_engine import MAX_STIFF_STEPS, KernelEngine
from odefit.engines.kernel.model_ir import MAX_SIZE, columns_of, events_text
from odefit.engines.kernel.program import Ends, Plan, entry
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

    @cached_property
    def addresses(self) -> tuple[int, ...]:
        """Of the four."""
        return tuple(map(address, (self.first, self.places, self.numbers, self.times)))


@dataclass(frozen=True)
class Frame:
    """What calls with the same plan have in common: sizes, addresses of what is kept here, and room to work."""

    plan: Plan
    extents: IntArray
    heads: tuple[int, ...]
    room: int


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
        self._frames: dict[tuple[int, int], Frame] = {}
        self.code: MachineCode | None = None
        if coming.gaps or coming.changes:
            text = events_text(engine.system, engine.sensitive, coming.gaps, coming.formulas)
            if text.size > MAX_SIZE:
                raise ValueError("events too large to be compiled")
            self.code = code_of(text.text)

    def solve(
        self,
        p: FloatArray,
        begin: FloatArray,
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
        begin
            [M, size], see `begin`.
        given
            [M, 1 + K] the fraction of doses that arrives, with its derivatives.
        moved
            [M, D, K] derivatives of the times that move.
        way, rows
            [M] of each member.
        y, dy
            [R, S] and [R, S, K]; None without sensitivities.
        """
        slopes = 0 if dy is None else len(self.engine.sensitive)
        frame, count = self._frame(slopes, moved.shape[1]), len(way)
        work, ends = np.empty(frame.room), np.empty((3, count))
        of_members = map(np.ascontiguousarray, (p, begin, given, moved, way))
        back = (rows, work, y, y if dy is None else dy, *ends)
        call_code(entry("solve_ways", 31), count, *frame.heads, *of_members, *arrays.addresses, *back)
        return Ends(ends[0].view(np.int64), ends[1], ends[2].view(np.int64))

    def begin(self, y: FloatArray, dy: FloatArray) -> FloatArray:
        """Where members begin, [M, size], from y [M, S] and its derivatives [M, S, K]; K = 0 for none."""
        count, n, slopes = dy.shape
        wide = columns_of(slopes)
        begin = np.zeros((count, padded(n * wide)))
        z = begin[:, : n * wide].reshape(count, n, wide)
        z[:, :, 0], z[:, :, 1 : 1 + slopes] = y, dy
        return begin

    def _frame(self, slopes: int, moving: int) -> Frame:
        """For so many derivatives, and times that move."""
        engine = self.engine
        ahead = MAX_STIFF_STEPS if engine.options.method == AUTO else 0
        is_stiff = METHODS[engine.first_method].is_implicit
        plan = self.program.plan(engine.tolerances, (slopes, engine.options.max_steps, ahead, is_stiff, slopes > 0))
        known = self._frames.get((slopes, moving))
        if known is None or known.plan is not plan:
            known = self._frames[slopes, moving] = self._made(plan, slopes, moving)
        return known

    def _made(self, plan: Plan, slopes: int, moving: int) -> Frame:
        n, known = self.states, len(self.engine.sensitive)
        wide = columns_of(slopes)
        gaps, conditions, changes = len(self.coming.gaps), len(self.coming.rules), len(self.coming.formulas)
        counts = [self.kept, self.feeds, self.context, gaps, conditions, changes, moving, known, plan.room]
        direction, of_both = n + 1 + known, gaps + changes
        lengths = [direction, known, conditions, gaps, of_both, of_both, HEAD + 5 * gaps + n, direction]
        *places, room = np.cumsum(lengths).tolist()
        extents = np.array([*counts, *places], dtype=np.int64)
        names = ("gaps", "gaps_along", "changes", "changes_along")
        functions = [0] * 4 if self.code is None else [self.code.address(name) for name in names]
        heads = (*plan.heads, *map(address, (extents, *self.coming.tables)), *functions)
        behind = 2 * padded(n * wide) + len(self.engine.system.parameters) + n * wide
        return Frame(plan, extents, heads, plan.room + behind + room)
