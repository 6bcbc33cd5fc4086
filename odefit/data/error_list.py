"""The faults of one file, collected so that all of them are told at once."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

from odefit.errors import DataError, Fault
from odefit.text import clip, show, suggest

MAX_FAULTS = 20
"""The most faults that a message lists."""
MAX_ALIKE = 3
"""The most faults of one kind in one column that are listed one by one."""
MAX_LINES = 10_000
"""The most lines that are remembered for having a fault."""

_Placed = tuple[int, int, Fault]
"""Line, a number that no other has, and the fault."""


class FaultList:
    """The faults of one file. Keeps the first 20 in the order of the file and counts the others.

    More than three of one kind in one column are one fault, told of the first: they have one cause and one remedy.
    """

    def __init__(self, path: Path, where: Callable[[int, str], str] | None = None) -> None:
        """where: what a line and a column are called; default as `place` does."""
        self.path = path
        self.where = where or partial(place, path)
        self.count = 0
        self._lines: set[int] = set()
        self._kept: list[_Placed] = []
        self._alike: dict[tuple[str, str], tuple[int, list[_Placed]]] = {}

    def wants(self, line: int, column: str = "", kind: str = "") -> bool:
        """Count one fault; True when it is early enough to be told: then call `tell` with the same.

        kind: what faults that are alike have in common; empty for one of its own.
        """
        self.count += 1
        if len(self._lines) < MAX_LINES:
            self._lines.add(line)
        if not kind:
            return len(self._kept) < MAX_FAULTS or line < self._kept[-1][0]
        count, kept = self._alike.get((column, kind), (0, []))
        self._alike[column, kind] = count + 1, kept
        return count < MAX_ALIKE

    def tell(self, line: int, column: str, what: str, kind: str = "") -> None:
        """Keep one fault that `wants` said is early enough."""
        placed = (line, self.count, Fault(self.where(line, column), what))
        if kind:
            self._alike[column, kind][1].append(placed)
            return
        bisect.insort(self._kept, placed)
        del self._kept[MAX_FAULTS:]

    def add(self, line: int, column: str, what: str, kind: str = "") -> None:
        """One fault; `line` 0 stands for the file as a whole, `column` may be empty."""
        if self.wants(line, column, kind):
            self.tell(line, column, what, kind)

    @property
    def lines(self) -> frozenset[int]:
        """The lines with a fault, up to 10,000 of them: what else these hold is not worth a second one."""
        return frozenset(self._lines)

    def check(self) -> None:
        """Raise DataError when there is any fault."""
        if not self.count:
            return
        found = [(placed, 1) for placed in self._kept]
        for (column, _), (count, kept) in self._alike.items():
            if count <= MAX_ALIKE:
                found += [(placed, 1) for placed in kept]
                continue
            line, number, fault = min(kept, key=lambda one: one[:2])
            more = f"{fault.what} (likewise {count - 1} more {'cells of this column' if column else 'rows'})"
            found.append(((line, number, Fault(fault.where, more)), count))
        told = sorted(found, key=lambda one: one[0][:2])[:MAX_FAULTS]
        faults = [fault for (_, _, fault), _ in told]
        others = self.count - sum(count for _, count in told)
        if others:
            faults.append(Fault(show(self.path), f"and {others} more"))
        raise DataError(faults=faults)


class PlacedFaults:
    """Faults that bring their places along, of rows read earlier. The same fault twice is one fault.

    Tells the first 20 and counts the others.
    """

    def __init__(self) -> None:
        self._found: dict[Fault, None] = {}

    def add(self, where: str, what: str) -> None:
        self._found[Fault(where, what)] = None

    def unknown(self, where: str, name: str, what: str, known: Collection[str]) -> None:
        """`'hre' is no state; did you mean 'hare'?`, the search for that only where it will be told."""
        hint = suggest(name, known) if len(self._found) < MAX_FAULTS else ""
        self.add(where, f"'{clip(name)}' {what}; {hint}")

    def check(self, where: str = "") -> None:
        """Raise DataError when there is any fault; `where` is the place of those that are only counted."""
        if not self._found:
            return
        told = list(self._found)[:MAX_FAULTS]
        if len(self._found) > len(told):
            told.append(Fault(where, f"and {len(self._found) - len(told)} more"))
        raise DataError(faults=told)


def place(path: Path, line: int = 0, column: str = "") -> str:
    """`data.csv:3, column x`, as faults name a place; `line` 0 stands for the file as a whole."""
    where = f"{show(path)}:{line}" if line else show(path)
    return f"{where}, column {clip(column)}" if column else where
