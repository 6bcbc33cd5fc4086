"""Rows of cells in memory under a header, read by the same rules as a CSV file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np

from odefit.data.columns import ColumnReading, Columns, Header, Request, is_header
from odefit.data.error_list import FaultList
from odefit.data.grid.cell_rows import CellRows
from odefit.records import dataclass
from odefit.text import counted

ROWS_PER_BLOCK = 20_000


@dataclass(frozen=True)
class Grid:
    """A table in memory.

    Parameters
    ----------
    header
        The names of its columns, and how places are called. Decimals may have commas where its delimiter is `;`.
    rows
        The cells of each row below the header.
    lines
        Where each row stands in the file.
    units
        Column -> what a row of units says of it.
    notes
        How the file was understood, a sentence each.
    """

    header: Header
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]
    units: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def read(self, request: Request, faults: FaultList) -> Columns:
        """Some columns, see `Sheet`."""
        request.allows(len(self.rows), faults)
        reading = ColumnReading(self.header, request)
        for first in range(0, len(self.rows), ROWS_PER_BLOCK):
            if isinstance(self.rows, CellRows) and request.keep is None and self.rows.width == len(self.header.names):
                own = slice(first, first + ROWS_PER_BLOCK)
                reading.add(np.array(self.lines[own], dtype=np.int64), self.rows[own], faults)
                continue
            chosen = self._whole(first, request.keep, faults)
            lines = np.array([self.lines[k] for k in chosen], dtype=np.int64)
            reading.add(lines, [list(self.rows[k]) for k in chosen], faults)
        return reading.finish(faults)

    def _whole(self, first: int, keep: Callable[[Any], bool] | None, faults: FaultList) -> list[int]:
        """The rows of a block that have a cell for each column and count; a shorter row is a fault."""
        width, chosen = len(self.header.names), []
        for k in range(first, min(first + ROWS_PER_BLOCK, len(self.rows))):
            row = self.rows[k]
            if not any(map(str.strip, row)) or is_header(row, self.header):
                continue
            if len(row) != width:
                what = f"this row has {counted(len(row), 'cell')}, the header has {width}"
                faults.add(self.lines[k], "", f"{what}; write one cell per column", f"{len(row)} cells")
            elif keep is None or keep(row):
                chosen.append(k)
        return chosen

    def with_columns(self, names: Sequence[str], rows: Sequence[Sequence[str]], lines: Sequence[int]) -> Grid:
        """Another table made of this one."""
        return replace(self, header=replace(self.header, names=tuple(names)), rows=rows, lines=lines)
