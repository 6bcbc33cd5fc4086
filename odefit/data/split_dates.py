"""Dates in one column and times of day in another: written together into the column of times.

The dates are points of the calendar, or the numbers of days (1, 2, 3); the times of day are clock times, or hours in a
column that is called so. NONMEM's names say the order of a date: DATE month, day, year; DAT1 day, month, year; DAT2
year, month, day; DAT3 year, day, month; the year may be left out.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from odefit.data.clock_cells import (
    EPOCH,
    UNITS,
    NotClear,
    is_clock_time,
    is_whole_date,
    parse_moments,
)
from odefit.data.columns import Request
from odefit.data.csv_cells import MISSING, parse_number
from odefit.data.error_list import FaultList
from odefit.data.grid.whole import whole
from odefit.data.sample_cells import sample_cells
from odefit.data.sheets import Sheet
from odefit.errors import DataError
from odefit.records import dataclass
from odefit.text import LatePattern, clip

NUMBERED = {"dat1": "dmy", "dat2": "ymd", "dat3": "ydm"}
NAMES_OF_DATES = ("date", "datum", "fecha", "data", "day", "tag", *NUMBERED)
_CLOCKS = ("time", "clock", "clocktime", "clock_time", "time_of_day", "tod", "uhrzeit", "zeit", "heure", "hora")
_HOURS = ("hour", "hours", "hr", "h", "stunde")
_COUNTED = ("year", "jahr", "month", "monat", "day", "tag", "date")
"""Columns of numbers beside which a time may begin anew."""
_PARTS = LatePattern(r"(\d{1,4})(?:[-/ ](\d{1,2})|[-/. ](\d{1,2})[-/. ](\d{1,4}))")
_DAY = UNITS["d"]


@dataclass(frozen=True)
class Split:
    """Where the two columns stand: that of the dates, that of the times of day."""

    date: int
    clock: int


def find_split(
    sheet: Sheet, time: int, experiment: int | None, given: str | None, unused: Sequence[str]
) -> Split | None:
    """The columns of dates and of times of day, where the times of a table stand in two columns.

    Parameters
    ----------
    sheet
        The table.
    time, experiment
        Its columns of times and of experiments.
    given
        The column of dates, as the config names it.
    unused
        Columns that are left alone on purpose.

    Raises
    ------
    DataError
        There are two columns of dates, or the times begin anew with every date.
    """
    names = sheet.header.names
    free = [k for k, name in enumerate(names) if k not in (time, experiment) and name not in unused]
    if given is not None:
        found = next((k for k, name in enumerate(names) if name == given), None) or next(
            (k for k, name in enumerate(names) if name.casefold() == given.casefold()), None
        )
        if found is None or found == time:
            what = f"no column '{clip(given)}' beside {names[time]} holds dates; data.date names that column"
            raise DataError(sheet.header.place(sheet.header.line), what)
        return Split(found, time)
    cells = sample_cells(sheet, time)
    if not cells:
        return None
    if all(map(is_clock_time, cells)):
        dates = list(_with_dates(sheet, free, days_too=True))
        if len(dates) > 1:
            both = " and ".join(clip(names[k]) for k in dates[:2])
            what = f"{both} hold dates beside the times of day in {clip(names[time])}; `data.date` says which counts"
            raise DataError(sheet.header.place(sheet.header.line), what)
        return Split(dates[0], time) if dates else None
    if all(map(is_whole_date, cells)):
        clocks = [k for k in free if names[k].casefold() in _CLOCKS and _all(sheet, k, is_clock_time)]
        clocks += [k for k in free if names[k].casefold() in _HOURS and _all(sheet, k, _is_hour)]
        return Split(time, clocks[0]) if len(clocks) == 1 else None
    if all(parse_number(cell) is not None for cell in cells):
        for k in _with_dates(sheet, free, days_too=False):
            _check_goes_on(sheet, time, k, experiment)
        for k in free:
            if names[k].casefold() in _COUNTED and _all(sheet, k, _is_day):
                _check_goes_on(sheet, time, k, experiment)
    return None


def together(sheet: Sheet, split: Split, time: int, day_first: bool | None, month_first: bool) -> Sheet:
    """The table with whole moments in its column of times.

    Parameters
    ----------
    sheet, split, time
        The table, its two columns, and that of its times, which is one of them.
    day_first
        Whether 3/4/2021 is in April; None: by those that can be one only.
    month_first
        Whether the month comes first where no date can be one only.

    Raises
    ------
    DataError
        It is not clear how they are to be read.
    """
    grid = whole(sheet, "has dates")
    names, width = grid.header.names, len(grid.header.names)
    own = [k for k, row in enumerate(grid.rows) if len(row) == width and any(cell.strip() for cell in row)]
    place = grid.header.place(0, names[split.date])
    try:
        days, are_dates = _days(
            [grid.rows[k][split.date].strip() for k in own], names[split.date], day_first, month_first
        )
    except NotClear as error:
        raise DataError(place, str(error)) from None
    rows = [list(row) for row in grid.rows]
    for k, day in zip(own, days, strict=True):
        cell = rows[k][split.clock].strip()
        within = _of_the_day(cell)
        if day is None or within is None:
            wrong = split.date if day is None else split.clock
            what = f"'{clip(rows[k][wrong].strip())}' is no {'date' if day is None else 'time of day'}"
            raise DataError(grid.header.place(grid.lines[k], names[wrong]), f"{what}; correct it, or remove the row")
        rows[k][time] = _written(day + within) if are_dates else f"{day + within:.6f} s"
    return replace(grid, rows=rows)


def _with_dates(sheet: Sheet, free: Sequence[int], days_too: bool) -> Iterator[int]:
    """The columns that are called as such of dates, and hold some."""
    for k in free:
        name = sheet.header.names[k].casefold()
        if name not in NAMES_OF_DATES:
            continue
        kinds = [is_whole_date, *([_is_day] if days_too else [])]
        kinds += [_is_short] if days_too and name in ("date", *NUMBERED) else []
        if any(_all(sheet, k, kind) for kind in kinds):
            yield k


def _all(sheet: Sheet, at: int, fits: Callable[[str], bool]) -> bool:
    cells = sample_cells(sheet, at)
    return bool(cells) and all(map(fits, cells))


def _is_hour(cell: str) -> bool:
    number = parse_number(cell)
    return is_clock_time(cell) or (number is not None and 0 <= number <= 24)


def _is_day(cell: str) -> bool:
    return cell.isdecimal() and len(cell) <= 5


def _is_short(cell: str) -> bool:
    return _PARTS.fullmatch(cell) is not None


def _check_goes_on(sheet: Sheet, time: int, date: int, experiment: int | None) -> None:
    """Raises DataError where numbers begin anew with every date of an experiment: they are of the day."""
    faults = FaultList(sheet.header.path, sheet.header.where)
    labels = [date, *([] if experiment is None else [experiment])]
    columns = sheet.read(Request([time], labels, {time: ""}, blank=labels, endless=[time]), faults)
    if faults.count:
        return  # which whoever reads the table tells of
    codes = columns.labels[date].codes
    same = np.ones(len(codes), dtype=bool)
    if experiment is not None:
        own = columns.labels[experiment].codes
        same[1:] = own[1:] == own[:-1]
    turns = np.flatnonzero((codes[1:] != codes[:-1]) & same[1:]) + 1
    times = columns.numbers[time]
    if len(turns) and (times[turns] <= times[turns - 1]).all():
        names = sheet.header.names
        name = clip(names[date])
        remedy = f"`data.date: {name}` takes it for the hour of that day, `data.unused: [{name}]` leaves {name} alone"
        if name.casefold() in _COUNTED[:4]:
            remedy = f"write dates, or the time since the first row; `data.unused: [{name}]` leaves {name} alone"
        what = f"begins anew with the next {name}; {remedy}, `data.experiment: {name}` makes each an experiment"
        raise DataError(sheet.header.place(int(columns.lines[turns[0]]), names[time]), what)


def _days(
    cells: Sequence[str], name: str, day_first: bool | None, month_first: bool
) -> tuple[list[float | None], bool]:
    """The seconds at which each day begins, and whether they are points of the calendar. Raises NotClear."""
    known = [cell for cell in cells if cell.lower() not in MISSING]
    if known and all(map(_is_day, known)):
        return [_DAY * int(cell) if _is_day(cell) else None for cell in cells], False
    order = NUMBERED.get(name.casefold())
    parts = [_PARTS.fullmatch(cell) for cell in cells]
    if order is None and all(part is None or part[2] is None for part in parts):
        try:
            return list(parse_moments(cells, day_first, None).seconds), True
        except NotClear:
            found = list(parse_moments(cells, False, None).seconds)
            if not month_first or None in found:
                raise
            return found, True
    order = order or ("dmy" if day_first else "mdy")
    return [None if part is None else _ordered([p for p in part.groups() if p], order) for part in parts], True


def _ordered(parts: Sequence[str], order: str) -> float | None:
    """The date of two or three numbers; a year that is left out is 2000, which has all days."""
    found = dict(zip(order if len(parts) == 3 else order.replace("y", ""), parts, strict=True))
    year = found.get("y", "2000")
    full = int(year) if len(year) == 4 else int(year) + (2000 if int(year) < 70 else 1900)
    try:
        return (datetime.datetime(full, int(found["m"]), int(found["d"])) - EPOCH).total_seconds()
    except ValueError:
        return None


def _of_the_day(cell: str) -> float | None:
    """Seconds since midnight, of a clock time or of hours; None for others, as 2200 for 22:00."""
    number = parse_number(cell)
    if number is not None:
        return 3600 * number if 0 <= number <= 24 else None
    try:
        return parse_moments([cell], None, "h:mm").seconds[0] if is_clock_time(cell) else None
    except NotClear:
        return None


def _written(seconds: float) -> str:
    return (EPOCH + datetime.timedelta(seconds=seconds)).isoformat(sep=" ")
