"""The first cells of a column, wherever the table comes from."""

from __future__ import annotations

import csv
from itertools import islice

from odefit.data.csv_cells import MISSING
from odefit.data.frames import FrameSheet
from odefit.data.grid.grid import Grid
from odefit.data.sheets import CsvSheet, Sheet
from odefit.data.source_files import open_text

_PEEK = 20


def sample_cells(sheet: Sheet, at: int) -> list[str]:
    """Those of the first rows that are not missing."""
    found = [cell.strip() for cell in _first(sheet, at)]
    return [cell for cell in found if cell.lower() not in MISSING]


def _first(sheet: Sheet, at: int) -> list[str]:
    if isinstance(sheet, Grid):
        return [row[at] for row in sheet.rows[:_PEEK] if len(row) > at]
    if isinstance(sheet, FrameSheet):
        return sheet.texts(at)[:_PEEK]
    if not isinstance(sheet, CsvSheet):
        return []
    try:
        with open_text(sheet.header.path) as file:
            lines = [line[:10_000] for line in islice(file, sheet.header.line, sheet.header.line + _PEEK)]
        rows = list(csv.reader(lines, delimiter=sheet.header.delimiter, skipinitialspace=True))
    except (csv.Error, UnicodeDecodeError):  # which is a fault of its own
        return []
    return [row[at] for row in rows if len(row) > at]
