"""All cells of a file, for a first look at it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from odefit.data.clock import on_clock
from odefit.data.clock_cells import looks_like_time
from odefit.data.columns import Columns, Header, Request, find_columns
from odefit.data.csv_cells import parse_number
from odefit.data.error_list import FaultList
from odefit.data.grid.opening import open_table
from odefit.data.grid.table_file import FileForm
from odefit.data.sheets import Sheet
from odefit.data.source_files import open_text
from odefit.data.table_form import TableForm
from odefit.data.time_names import TIMES, is_called
from odefit.errors import DataError


def opened(path: Path, wanted: Sequence[str], form: FileForm) -> Sheet:
    """The table; hoped for are also the names of times, and the first of a header of numbers. Raises DataError."""
    try:
        sheet = open_table(path, wanted, form)
        called = [name for name in sheet.header.names if name not in wanted and is_called(name, TIMES)]
        return open_table(path, [*wanted, *called], form) if called else sheet
    except DataError:
        with suppress(OSError, UnicodeDecodeError, ValueError), open_text(path) as file:
            first = re.split(r"[,;\t]", file.readline(1000).strip(), maxsplit=1)[0].strip().strip('"')
            if first and parse_number(first) is None and not form.is_said:
                with suppress(DataError):
                    return open_table(path, [first], form)
        raise


def read_cells(sheet: Sheet, time: str | None, form: TableForm) -> tuple[Header, Columns, list[str]]:
    """All cells, dates among them as numbers, as in a fit; and the columns of such. Raises DataError.

    Where dates and times of day stand in two columns, one of them has the whole times, and the other is left out.
    """
    names = sheet.header.names
    called = [index for index, name in enumerate(names) if name == time or (time is None and is_called(name, TIMES))]
    called.sort(key=lambda k: names[k].casefold() not in ("time", "t"))
    clocks: list[str] = []
    beside: set[int] = set()
    for index in called if called or time else _look_like_times(sheet):
        if index not in beside:
            sheet, clock, _ = on_clock(sheet, index, None, form.clock)
            clocks += [names[index]] if clock is not None else []
            beside |= set() if clock is None else {*clock.columns} - {index}
    header, faults = sheet.header, FaultList(sheet.header.path)
    find_columns(header, faults)
    everything = [index for index, name in enumerate(header.names) if name and index not in beside]
    columns = sheet.read(Request((), everything, required={everything[0]: ""}, blank=everything), faults)
    faults.check()
    return header, columns, clocks


def _look_like_times(sheet: Sheet) -> list[int]:
    """The first column whose cells are dates or times of day, whatever it is called."""
    faults = FaultList(sheet.header.path)
    everything = [index for index, name in enumerate(sheet.header.names) if name]
    if not everything:
        return []
    columns = sheet.read(Request((), everything, required={everything[0]: ""}, blank=everything), faults)
    found = [at for at in everything if all(looks_like_time(cell) for cell in columns.labels[at].names)]
    return found[:1]
