"""All cells of a table in memory, and how the rows of several tables are numbered."""

from __future__ import annotations

import csv

from odefit.data.frames import FrameSheet
from odefit.data.grid.decoding import MAX_TEXT
from odefit.data.grid.grid import Grid
from odefit.data.sheets import Sheet
from odefit.data.source_files import open_text
from odefit.errors import DataError

LINES = 10**9
"""More than the lines of a file: line n of the k-th of several files is counted as k*LINES + n."""


def whole(sheet: Sheet, why: str) -> Grid:
    """All cells of a frame or of a file. why: what a file that is too large for that has. Raises DataError."""
    header = sheet.header
    if isinstance(sheet, Grid):
        return sheet
    if isinstance(sheet, FrameSheet):
        columns = [sheet.texts(k) for k in range(len(header.names))]
        return Grid(header, list(map(list, zip(*columns, strict=True))), list(range(1, len(columns[0]) + 1)))
    if header.path.stat().st_size > MAX_TEXT:
        raise DataError(header.place(), f"{why}, and is larger than {MAX_TEXT // 1024**2} MB; write it as a plain CSV")
    rows, lines = [], []
    line = header.line
    try:
        with open_text(header.path) as file:
            for _ in range(header.line):
                file.readline()
            for row in csv.reader(file, delimiter=header.delimiter, skipinitialspace=True):
                line += 1
                rows.append(row)
                lines.append(line)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(header.place(line + 1), f"this line cannot be split into cells ({error})") from None
    return Grid(header, rows, lines)
