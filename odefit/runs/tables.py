"""Tables of a run: in memory as a fit leaves them, in its folder as CSV; both give the same frame."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.data.csv_columns import Column, columns_text
from odefit.errors import RunError
from odefit.records import dataclass

if TYPE_CHECKING:
    import pandas as pd

NAMES = dict.fromkeys(
    ("experiment", "observable", "expression", "name", "parameter", "experiments", "unit", "formula"), str
)
"""Columns of text, whatever it looks like: an experiment may be called 1."""


@dataclass(frozen=True)
class Table:
    """Rows under a header, as they go into a CSV file."""

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]

    @property
    def text(self) -> str:
        return csv_text(self.header, self.rows)


@dataclass(frozen=True)
class Text(Table):
    """A file of a run that is no table, as it stands."""

    content: str

    @classmethod
    def of(cls, content: str) -> Text:
        return cls((), (), content)

    @property
    def text(self) -> str:
        return self.content


@dataclass(frozen=True)
class ColumnTable(Table):
    """A table of many rows, held by its columns."""

    columns: Sequence[Column]

    @classmethod
    def of(cls, columns: Mapping[str, Column]) -> ColumnTable:
        return cls(tuple(columns), (), tuple(columns.values()))

    def with_columns(self, more: Mapping[str, FloatArray]) -> ColumnTable:
        """With more columns of numbers, of all its rows."""
        return ColumnTable((*self.header, *more), (), (*self.columns, *more.values()))

    def only(self, rows: Mask) -> ColumnTable:
        """Some of its rows."""
        return ColumnTable(self.header, (), [column[rows] for column in self.columns])

    @property
    def text(self) -> str:
        return columns_text(self.header, self.columns)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Numbers in their shortest exact form; None and NaN are empty cells."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    # The writer makes empty cells of None and the shortest text of a number; NaN alone is not itself.
    writer.writerows(["" if value != value else value for value in row] for row in rows)
    return buffer.getvalue()


def frame_of(text: str) -> pd.DataFrame:
    """A table's CSV text as a pandas frame. Raises ValueError where it is none."""
    import pandas as pd

    return pd.read_csv(io.StringIO(text), dtype=NAMES, keep_default_na=False, na_values=[""])


@dataclass(frozen=True)
class Rows:
    """A table by position: its own columns come first, and a parameter may have the name of one of them."""

    header: list[str]
    cells: list[list[str]]
    path: str

    def __len__(self) -> int:
        return len(self.cells)

    def text(self, column: int) -> list[str]:
        return [row[column] for row in self.cells]

    def numbers(self, column: int) -> FloatArray:
        """NaN for an empty cell. Raises RunError."""
        try:
            return np.array([float(row[column]) if row[column] else math.nan for row in self.cells], dtype=np.float64)
        except ValueError as error:
            raise RunError(self.path, f"is damaged: column {self.header[column]}: {error}; fit again") from None

    def position(self, name: str) -> int:
        """Of the first column of this name. Raises RunError."""
        if name not in self.header:
            raise RunError(self.path, f"is damaged: it has no column {name}; fit again")
        return self.header.index(name)


def rows_of(text: str, path: str) -> Rows:
    """A table's CSV text by position. path: what faults name. Raises RunError where it is damaged."""
    try:
        header, *cells = csv.reader(io.StringIO(text, newline=""))
    except (ValueError, csv.Error):  # empty, or not text
        raise RunError(path, "is damaged: it is no table; fit again") from None
    if any(len(row) != len(header) for row in cells):
        raise RunError(path, "is damaged: its rows differ in length; fit again")
    return Rows(header, cells, path)
