"""PEtab's tables: tab-separated text, read with the place of every cell.

Our own, for PEtab's library would bring pandas, SymPy, pydantic and one version of antlr4 into every import, takes 3 to
4 s to be imported, and its newer versions want a newer Python than odefit does; and its faults have no rows.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from odefit.errors import Faults
from odefit.interop.files import read_text
from odefit.interop.mathematics import ZERO, Tree
from odefit.interop.petab_math import NotMathematics, parse_petab
from odefit.records import dataclass
from odefit.text import clip, counted, show, suggest

MAX_BYTES = 500_000_000
MAX_CELL = 1_000_000


@dataclass(frozen=True)
class Row:
    """A line of a table: its number, and the cells by their columns, without blanks around them."""

    table: str
    line: int
    cells: Mapping[str, str]

    def where(self, column: str = "") -> str:
        place = f"{self.table}:{self.line}"
        return f"{place}, column {clip(column)}" if column else place

    def text(self, column: str) -> str:
        """The cell, empty where there is none; PEtab has several words for that."""
        cell = self.cells.get(column, "")
        return "" if cell.lower() in ("nan", "na", "none", "null") else cell


@dataclass(frozen=True)
class Reading:
    """Tables of one problem, and all faults found in them."""

    faults: Faults

    def rows(self, path: Path, needed: Sequence[str]) -> list[Row]:
        """The rows of a table; what columns are missing is a fault, and no row is then given."""
        with self.faults.catching():
            text = read_text(path, MAX_BYTES, "a tab-separated table")
            before = csv.field_size_limit(MAX_CELL)  # it is one for the whole process
            try:
                found = list(_numbered(text))
            except csv.Error as error:
                self.faults.add(show(path), f"is no tab-separated table: {error}")
                return []
            finally:
                csv.field_size_limit(before)
            if not found:
                self.faults.add(show(path), "is empty: it needs a line of column names")
                return []
            header = [cell.strip() for cell in found[0][1]]
            missing = [column for column in needed if column not in header]
            for column in missing:
                self.faults.add(f"{show(path)}:1", f"has no column '{column}'; {suggest(column, header)}")
            for column in {name for name in header if name and header.count(name) > 1}:
                self.faults.add(f"{show(path)}:1", f"has two columns '{clip(column)}'")
            if not missing:
                for line, row in found[1:]:
                    if any(map(str.strip, row[len(header) :])):
                        what = f"has {len(row)} cells, and there are {len(header)} columns"
                        self.faults.add(f"{show(path)}:{line}", what)
                return [
                    Row(show(path), line, _cells(header, row)) for line, row in found[1:] if any(map(str.strip, row))
                ]
        return []

    def unknown(self, places: Mapping[str, Sequence[str]], what: str, known: Collection[str]) -> None:
        """Faults of ids that a table does not have, each once, by the places that name it.

        A table that could not be read says nothing of what is unknown.
        """
        if self.faults.found and not known:
            return
        for name, (first, *others) in places.items():
            more = (
                f" ({counted(len(others), 'more row')} {'names' if len(others) == 1 else 'name'} it)" if others else ""
            )
            self.faults.add(first, f"'{clip(name)}' is no {what}; {suggest(name, known)}{more}")

    def number(self, row: Row, column: str, default: float | None = None) -> float:
        """A cell as a number. A fault, and NaN, where it is none."""
        text = row.text(column)
        if not text and default is not None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if math.isnan(value):
            what = f"'{clip(text)}' is not a number" if text else "a number is missing"
            self.faults.add(row.where(column), what)
        return value

    def tree(self, row: Row, column: str, text: str | None = None) -> Tree:
        """A cell, or a part of it, as a formula. A fault, and 0, where it is none."""
        text = row.text(column) if text is None else text
        try:
            return parse_petab(text)
        except NotMathematics as error:
            self.faults.add(row.where(column), f"'{clip(text)}': {error}")
            return ZERO

    def trees(self, row: Row, column: str) -> tuple[Tree, ...]:
        """A cell with several formulas, apart by semicolons."""
        text = row.text(column)
        return tuple(self.tree(row, column, part.strip()) for part in text.split(";")) if text else ()

    def numbers(self, row: Row, column: str, count: int) -> tuple[float, ...] | None:
        """Numbers apart by semicolons, or None; a fault where they are not as many as they should be."""
        text = row.text(column)
        if not text:
            return None
        try:
            numbers = tuple(float(part) for part in text.split(";"))
        except ValueError:
            numbers = ()
        if len(numbers) != count:
            self.faults.add(row.where(column), f"'{clip(text)}': {count} numbers are needed, apart by semicolons")
            return None
        return numbers

    def choice(self, row: Row, column: str, default: str, known: Sequence[str]) -> str:
        """A cell that holds one of a few words. A fault, and the default, where it holds another."""
        text = row.text(column) or default
        if text in known:
            return text
        self.faults.add(row.where(column), f"'{clip(text)}' is none of {', '.join(known)}")
        return default

    def flag(self, row: Row, column: str) -> bool:
        """A cell that says yes or no; an empty one says yes."""
        words = {"1": True, "0": False, "true": True, "false": False, "1.0": True, "0.0": False, "": True}
        text = row.text(column).lower()
        if text not in words:
            self.faults.add(row.where(column), f"'{clip(text)}' is neither true nor false (nor 1 nor 0)")
        return words.get(text, True)

    def rows_by_id(self, paths: Sequence[Path], needed: Sequence[str]) -> Iterator[tuple[str, Row]]:
        """The rows of some tables, each with its id, which stands in the first of the needed columns.

        A fault where it is missing or was there before.
        """
        known = set[str]()
        for path in paths:
            for row in self.rows(path, needed):
                name = self._new(row, needed[0], known)
                if name is not None:
                    known.add(name)
                    yield name, row

    def _new(self, row: Row, column: str, known: set[str]) -> str | None:
        name = row.text(column)
        if not name:
            self.faults.add(row.where(column), "an id is missing")
        elif name in known:
            self.faults.add(row.where(column), f"'{clip(name)}' stands twice")
        else:
            return name
        return None


def _numbered(text: str) -> Iterator[tuple[int, list[str]]]:
    """The rows with the numbers of their first lines."""
    reader = csv.reader(text.splitlines(keepends=True), delimiter="\t", strict=False)
    before = 0
    for row in reader:
        yield before + 1, row
        before = reader.line_num


def _cells(header: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    return {column: cell.strip() for column, cell in zip(header, row, strict=False)}
