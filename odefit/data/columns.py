"""What is read of a table: its header, and columns of numbers and of names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.data.csv_cells import NOTHING_ELSE, Decimals, IntArray, MissingCells, NumberColumn, SignArray, parse_numbers
from odefit.data.error_list import FaultList, place
from odefit.data.labels import Labels, Lookup, check_labels
from odefit.data.unit_words import split_unit
from odefit.records import dataclass
from odefit.text import clip


class Positions(dict[str, int]):
    """Name -> position of a column; a name in another case, or with a unit in brackets behind it (`conc [mg/L]`),
    counts where it means one column only."""

    def spelled(self, name: str) -> str | None:
        """The name as the header has it; None where there is none."""
        if super().__contains__(name):
            return name
        folded = name.casefold()
        found = [own for own in self if own.casefold() == folded] or [
            own for own in self if own[-1:] in ("]", ")") and split_unit(own)[0].casefold() == folded
        ]
        return found[0] if len(found) == 1 else None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.spelled(name) is not None

    def __missing__(self, name: str) -> int:
        spelled = self.spelled(name)
        if spelled is None:
            raise KeyError(name)
        return super().__getitem__(spelled)

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default  # noqa: SIM401  # which is this


@dataclass(frozen=True)
class Header:
    """The first line that is neither blank nor a comment (#): its cells, its number, the delimiter.

    where: how faults name a line and a column, where that is not as in a file. rows: what the rows of a frame are
    called, from the first on.
    """

    path: Path
    delimiter: str
    names: tuple[str, ...]
    line: int
    where: Callable[[int, str], str] | None = None
    rows: Sequence[object] | None = None

    def place(self, line: int = 0, column: str = "") -> str:
        """What a line and a column are called in messages."""
        return place(self.path, line, column) if self.where is None else self.where(line, column)

    def number(self, line: int) -> int | str:
        """A line as messages call it: in a frame by its index."""
        if self.rows is None:
            return line
        row = self.rows[line - 1]
        return int(row) if isinstance(row, (int, np.integer)) else str(row)


def is_header(row: Sequence[str], header: Header) -> bool:
    """Whether a row is the header once more, as between the parts of a file that was put together."""
    return len(row) == len(header.names) and all(
        cell.strip() == name for cell, name in zip(row, header.names, strict=True)
    )


@dataclass(frozen=True)
class Request:
    """What is to be read of a sheet, columns by their positions in the header.

    Parameters
    ----------
    numbers
        Columns of float64; a missing cell is NaN.
    labels
        Columns of names.
    required
        The columns that must not be empty in any row, and what their cells are (`time`). There is at least one.
    blank
        The columns of `labels` that may have empty cells, which are the label "".
    keep
        Says which rows count, by their cells at the positions of `labels`; the others, and blank ones, are left out
        before their cells are looked at.
    censorable
        The columns of `numbers` whose cells may be `<0.5` or `>100`: the number is in `numbers`.
    wordy
        Those that may hold something else, which is in `texts`.
    endless
        Those whose cells may be `inf`.
    missing
        The cells of `numbers` that stand for no value.
    limit
        More rows than this are a fault.
    """

    numbers: Sequence[int]
    labels: Sequence[int]
    required: Mapping[int, str]
    blank: Collection[int] = ()
    keep: Callable[[Any], bool] | None = None
    censorable: Collection[int] = ()
    wordy: Collection[int] = ()
    endless: Collection[int] = ()
    missing: MissingCells = NOTHING_ELSE
    limit: int | None = None

    def allows(self, count: int, faults: FaultList) -> bool:
        """Whether so many rows are within the limit; more are a fault."""
        if self.limit is None or count <= self.limit:
            return True
        faults.add(0, "", f"has more rows than the limit of {self.limit:,}; write fewer")
        return False


@dataclass(frozen=True)
class Columns:
    """The columns that were asked for, by position in the header, and the line of each row [R].

    censored: for the columns of numbers with a censored cell, -1 (`<0.5`), 1 (`>100`) or 0 of each row [R].
    texts: for the columns of numbers that may hold something else, line -> that, and NaN among the numbers.
    ends: for the columns of numbers with a cell that is an interval, its other end, NaN where there is none [R].
    """

    lines: IntArray
    numbers: Mapping[int, FloatArray]
    labels: Mapping[int, Labels]
    censored: Mapping[int, SignArray] = field(default_factory=dict)
    texts: Mapping[int, Mapping[int, str]] = field(default_factory=dict)
    ends: Mapping[int, FloatArray] = field(default_factory=dict)

    def rows(self, chosen: Mask) -> Columns:
        """Some rows [R] only; names that are left without any are none any more."""
        return Columns(
            self.lines[chosen],
            {index: numbers[chosen] for index, numbers in self.numbers.items()},
            {index: labels.rows(chosen) for index, labels in self.labels.items()},
            {index: signs[chosen] for index, signs in self.censored.items()},
            self.texts,
            {index: ends[chosen] for index, ends in self.ends.items()},
        )


def find_columns(header: Header, faults: FaultList) -> Positions:
    """Name -> position of the columns that have a name. Two of one name are a fault."""
    position = Positions()
    for index, name in enumerate(header.names):
        if name and position.setdefault(name, index) != index:
            what = f"two columns are called '{clip(name)}'; give each column a name of its own"
            faults.add(header.line, "", what)
    return position


def ends_by_row(found: Mapping[int, float], lines: IntArray) -> FloatArray:
    """[R] the other ends of intervals by their lines, NaN in all other rows."""
    return np.array([found.get(line, np.nan) for line in lines.tolist()], dtype=np.float64)


class Block(Protocol):
    """Some rows of a table whose cells are not all texts."""

    def __len__(self) -> int: ...

    def texts(self, index: int) -> list[str]:
        """A column of texts."""

    def numbers(self, index: int) -> FloatArray | None:
        """The same as numbers, where all of its cells are some."""


class ColumnReading:
    """Grows columns block by block."""

    def __init__(self, header: Header, request: Request) -> None:
        self.count, self.header, self.request = 0, header, request
        self.decimals = decimals = Decimals(header.delimiter == ";")
        self.texts: dict[int, dict[int, str]] = {index: {} for index in request.wordy}
        self.ends: dict[int, dict[int, float]] = {index: {} for index in request.censorable}
        self.kinds = {
            i: NumberColumn(
                header.names[i],
                decimals,
                request.required.get(i, ""),
                i in request.censorable,
                self.texts.get(i),
                i in request.endless,
                request.missing,
                self.ends.get(i),
            )
            for i in request.numbers
        }
        self.lines: list[IntArray] = []
        self.numbers: dict[int, list[FloatArray]] = {index: [] for index in request.numbers}
        self.signs: dict[int, list[SignArray | None]] = {index: [] for index in request.numbers}
        self.lookups = {index: Lookup() for index in request.labels}
        self.codes: dict[int, list[IntArray]] = {index: [] for index in request.labels}

    def add(self, lines: IntArray, rows: list[list[str]] | Block, faults: FaultList) -> None:
        self.count += len(rows)
        self.lines.append(lines)

        def texts(index: int) -> list[str]:
            return [row[index] for row in rows] if isinstance(rows, list) else rows.texts(index)

        for index, kind in self.kinds.items():
            known = None if isinstance(rows, list) else rows.numbers(index)
            values, signs = (None if known is None else kind.missing.without(known)), None
            if values is None or (kind.required and np.isnan(values).any()):
                values, signs = parse_numbers(texts(index), lines, kind, faults)
            self.numbers[index].append(values)
            self.signs[index].append(signs)
        for index, lookup in self.lookups.items():
            found = map(lookup.__getitem__, texts(index))
            self.codes[index].append(np.fromiter(found, np.int64, len(rows)))

    def finish(self, faults: FaultList) -> Columns:
        """All that was read, its decimal signs and its labels checked."""
        self.decimals.check(faults)
        found = self._columns()
        for index, named in found.labels.items():
            check_labels(named, found.lines, self.header.names[index], index in self.request.blank, faults)
        return found

    def _columns(self) -> Columns:
        """The blocks of a column are let go when it is whole: there is no memory for two."""
        lines = np.concatenate([*self.lines, np.empty(0, np.int64)])
        labels = {
            index: Labels(np.concatenate([*codes, np.empty(0, np.int64)]), self.lookups[index].names)
            for index, codes in self.codes.items()
        }
        marked = [index for index, parts in self.signs.items() if any(part is not None for part in parts)]
        censored = {index: self._join(self.signs[index]) for index in marked}
        numbers = {index: np.concatenate([*self.numbers.pop(index), np.empty(0)]) for index in self.kinds}
        ends = {index: ends_by_row(found, lines) for index, found in self.ends.items() if found}
        return Columns(lines, numbers, labels, censored, self.texts, ends)

    def _join(self, parts: Sequence[SignArray | None]) -> SignArray:
        """One array of the blocks; those without a censored cell have none."""
        filled = zip(parts, self.lines, strict=True)
        return np.concatenate([np.zeros(len(lines), np.int8) if part is None else part for part, lines in filled])
