"""Tables that are arranged in another way than a row for each time: plates as they lie on the bench, times across."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from string import ascii_uppercase

from odefit.data.csv_cells import decimal_comma, parse_number
from odefit.data.grid.decoding import read_lines
from odefit.data.grid.splitting import dialects, split
from odefit.data.grid.table_file import FileForm
from odefit.data.grid.workbook import WORKBOOKS, read_sheet
from odefit.data.time_names import TIMES, is_called
from odefit.errors import DataError

PLATES = {12: 8, 24: 16}
"""Columns of a plate of 96 and of 384 wells, and its rows."""
LOOKED_AT = 400
"""Rows that are looked at."""
FEWEST_TIMES = 3
"""Times across that make a table turned round."""


def foreign_arrangement(path: Path, form: FileForm) -> str | None:
    """What is wrong with the way in which a file is arranged, and what to do; None where nothing is seen."""
    rows = [row for row in _rows(path, form) if any(row)]
    if _is_plate(rows, form.header is None):
        return (
            "holds a plate as it lies on the bench, with rows A, B, … and columns 1, 2, …: write a column for each "
            "well, `time,A1,A2,…` (`data.wells` reads them), or a row for each well and time, `well,time,value`"
        )
    if _is_turned(rows):
        return (
            "has its times across, and a row for each series: turn the table round (paste it transposed), so that each "
            "time has a row and each quantity a column"
        )
    return None


def _rows(path: Path, form: FileForm) -> list[list[str]]:
    try:
        with path.open("rb") as file:
            is_workbook = file.read(4) in WORKBOOKS
        if is_workbook:
            cells = read_sheet(path, form.sheet)[0]
            return [cells[k] for k in range(min(len(cells), LOOKED_AT))]
        lines = read_lines(path, form).lines[:LOOKED_AT]
    except (DataError, OSError, ValueError):  # a name may be none
        return []
    ways = dialects(lines)
    return [split(line, ways[0][1].separator) for line in lines] if ways else []


def _is_plate(rows: Sequence[Sequence[str]], may_have_no_names: bool) -> bool:
    """Whether a block of it is a whole plate, with its letters and numbers or without; a corner may have a name."""
    for k, row in enumerate(rows):
        columns = _without_empty(row[1:])
        height = PLATES.get(len(columns), 0)
        if height and columns == [str(n + 1) for n in range(len(columns))]:
            below = [other[0] for other in rows[k + 1 : k + 1 + height]]
            if below == list(ascii_uppercase[:height]):
                return True
    width = len(rows[0]) if rows else 0
    return (
        may_have_no_names
        and width in PLATES
        and len(rows) % PLATES[width] == 0
        and all(len(row) == width and all(map(_is_number, row)) for row in rows)
    )


def _is_turned(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row is called as times are and holds rising numbers, and the others begin with names."""
    if len(rows) < 2 or not rows[0] or not is_called(rows[0][0], TIMES):
        return False
    times = [_number(cell) for cell in _without_empty(rows[0][1:])]
    names = [row[0] for row in rows[1:]]
    rises = all(a is not None and b is not None and a < b for a, b in pairwise(times))
    return len(times) >= FEWEST_TIMES and rises and all(name and not _is_number(name) for name in names)


def _without_empty(cells: Sequence[str]) -> list[str]:
    """Cells without the empty ones at the end."""
    last = max((k for k, cell in enumerate(cells) if cell), default=-1)
    return list(cells[: last + 1])


def _number(cell: str) -> float | None:
    return parse_number(cell) if decimal_comma(cell) is None else parse_number(cell.replace(",", "."))


def _is_number(cell: str) -> bool:
    return _number(cell) is not None
