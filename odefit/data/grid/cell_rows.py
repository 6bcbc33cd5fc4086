"""Rows of a workbook, whose cells are numbers already: they become texts where somebody asks for texts."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from typing import Any, overload

import numpy as np

from odefit.arrays import FloatArray
from odefit.text import duration_text


class CellRows(Sequence[list[str]]):
    """Rows of cells as texts, made when they are asked for; columns of numbers are arrays at once.

    Parameters
    ----------
    raw
        The cells as the workbook has them: numbers, texts, dates, durations; the rows are of one width.
    """

    def __init__(self, raw: list[list[Any]]) -> None:
        self._raw = raw

    def __len__(self) -> int:
        return len(self._raw)

    @overload
    def __getitem__(self, at: int) -> list[str]: ...
    @overload
    def __getitem__(self, at: slice) -> CellRows: ...
    def __getitem__(self, at: int | slice) -> list[str] | CellRows:
        return CellRows(self._raw[at]) if isinstance(at, slice) else list(map(text_of, self._raw[at]))

    @property
    def width(self) -> int:
        """Cells of each row."""
        return len(self._raw[0]) if self._raw else 0

    def filled(self, first: int) -> list[int]:
        """The rows from `first` on that are not blank."""
        raw = self._raw
        return [k for k in range(first, len(raw)) if type(raw[k][0]) is float or any(map(text_of, raw[k]))]

    def chosen(self, rows: Sequence[int]) -> CellRows:
        """Some of the rows."""
        return CellRows([self._raw[k] for k in rows])

    def without(self, cells: Collection[tuple[int, int]]) -> CellRows:
        """The same with some cells empty, named by row and column from 0."""
        if not cells:
            return self
        raw = list(self._raw)
        for row, column in cells:
            if row < len(raw) and column < len(raw[row]):
                raw[row] = [*raw[row][:column], "", *raw[row][column + 1 :]]
        return CellRows(raw)

    def texts(self, index: int) -> list[str]:
        """A column as a CSV file would hold it."""
        return [text_of(row[index]) for row in self._raw]

    def numbers(self, index: int) -> FloatArray | None:
        """A column [R] where all of its cells are finite numbers, or not a number; else None."""
        cells = [row[index] for row in self._raw]
        if not set(map(type, cells)) <= {float}:
            return None
        found = np.array(cells, dtype=np.float64)
        return None if np.isinf(found).any() else found


def text_of(cell: Any) -> str:
    """A cell as a CSV file would hold it."""
    if isinstance(cell, float):
        text = repr(cell)
        return text[:-2] if text.endswith(".0") else text
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, datetime.timedelta):
        return duration_text(cell)
    return "" if cell is None else str(cell)
