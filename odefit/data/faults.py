"""The faults of one file, collected so that all of them are told at once."""

from __future__ import annotations

import bisect
import difflib
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path

from odefit.errors import DataError, Fault

MAX_FAULTS = 20


class FaultList:
    """The faults of one file. Keeps the first 20 in the order of the file and counts the others."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._kept: list[tuple[int, int, Fault]] = []

    def wants(self, line: int) -> bool:
        """Count one fault; True when it is early enough to be told: then call `tell`."""
        self.count += 1
        return len(self._kept) < MAX_FAULTS or line < self._kept[-1][0]

    def tell(self, line: int, column: str, what: str) -> None:
        bisect.insort(self._kept, (line, self.count, Fault(place(self.path, line, column), what)))
        del self._kept[MAX_FAULTS:]

    def add(self, line: int, column: str, what: str) -> None:
        """One fault; `line` 0 stands for the file as a whole, `column` may be empty."""
        if self.wants(line):
            self.tell(line, column, what)

    @property
    def lines(self) -> frozenset[int]:
        """The lines of the faults that are kept: what else these hold is not worth a second fault."""
        return frozenset(line for line, _, _ in self._kept)

    def check(self) -> None:
        """Raise DataError when there is any fault."""
        if not self.count:
            return
        faults = [fault for _, _, fault in self._kept]
        if self.count > len(faults):
            faults.append(Fault(show(self.path), f"and {self.count - len(faults)} more"))
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


def clip(text: str, length: int = 40) -> str:
    """The text as it may stand in a one-line message."""
    shown = text if text.isprintable() else repr(text)[1:-1]
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def show(path: Path) -> str:
    """The path as it may stand in a one-line message."""
    return clip(str(path), 300)


def suggest(name: str, known: Iterable[str]) -> str:
    """`did you mean 'hare'?`, or a list of what there is."""
    candidates = [candidate for candidate in islice(known, 1000) if 0 < len(candidate) <= 100]
    folded = {candidate.casefold(): candidate for candidate in reversed(candidates)}
    close = difflib.get_close_matches(name[:100].casefold(), folded, n=1)
    if close:
        return f"did you mean '{clip(folded[close[0]])}'?"
    if not candidates:
        return "there is none"
    more = f" and {len(candidates) - 12} more" if len(candidates) > 12 else ""
    return f"there is: {', '.join(clip(candidate) for candidate in candidates[:12])}{more}"
