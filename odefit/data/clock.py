"""One clock for measurements, doses and inputs: dates and times of day as numbers since a zero, in one unit."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

from odefit.data.clock_cells import UNITS, Moments, NotClear, looks_like_time, parse_moments
from odefit.data.columns import Header
from odefit.data.csv_cells import MISSING, parse_number
from odefit.data.frames import FrameSheet
from odefit.data.grid.grid import Grid
from odefit.data.grid.whole import whole
from odefit.data.replicates import replicate_of
from odefit.data.sheets import CsvSheet, Sheet
from odefit.data.source_files import open_text
from odefit.errors import DataError
from odefit.records import dataclass
from odefit.text import clip, plain_label

FIRST = "first"
"""Says that each experiment counts from its first row."""
_PEEK = 20
_DAY = UNITS["d"]


@dataclass(frozen=True)
class ClockForm:
    """What the config says of times that are no numbers; None for what is to be found out.

    Parameters
    ----------
    unit
        Of the numbers that they become, a key of UNITS.
    zero
        The date that is 0, or FIRST.
    day_first
        Whether 3/4/2021 is in April.
    clock
        `h:mm` or `m:ss`.
    """

    unit: str | None = None
    zero: str | None = None
    day_first: bool | None = None
    clock: str | None = None


UNSAID = ClockForm()


@dataclass(frozen=True)
class Clock:
    """What times are counted from.

    Parameters
    ----------
    form
        What was said or found out.
    unit
        Of the numbers.
    zeros
        Experiment -> its zero in seconds.
    zero
        That of all others; None where there is none.
    counts_dates
        Whether times are points of the calendar; else times of day or durations.
    """

    form: ClockForm
    unit: str
    zeros: Mapping[str, float]
    zero: float | None
    counts_dates: bool = True

    def number(self, seconds: float, experiment: str) -> float | None:
        """The time of an experiment; None where it has no zero."""
        zero = self.zeros.get(experiment, self.zeros.get(replicate_of(experiment), self.zero))
        return None if zero is None else (seconds - zero) / UNITS[self.unit]


def on_clock(
    sheet: Sheet, time: int, experiment: int | None, form: ClockForm, known: Clock | None = None
) -> tuple[Sheet, Clock | None, str]:
    """The sheet with numbers in the column of times, where that holds something else.

    Parameters
    ----------
    sheet
        The table.
    time, experiment
        Its columns of times and of experiments.
    form
        What the config says.
    known
        The clock of the measurements, which other tables follow.

    Returns
    -------
    sheet, clock, note
        The clock is None, and the sheet the same, where times are numbers.

    Raises
    ------
    DataError
        It is not clear how they are to be read.
    """
    sample = [cell.strip() for cell in _sample(sheet, time)]
    sample = [cell for cell in sample if cell.lower() not in MISSING]
    if not sample or not all(map(looks_like_time, sample)):
        return sheet, known, ""  # a date among numbers is a fault of its own
    grid = whole(sheet, "has dates")
    width = len(grid.header.names)
    own = [(k, row) for k, row in enumerate(grid.rows) if len(row) == width and any(cell.strip() for cell in row)]
    names = ["" if experiment is None else plain_label(row[experiment]) for _, row in own]
    where = grid.header.place(0, grid.header.names[time])
    try:
        moments = parse_moments([row[time] for _, row in own], form.day_first, form.clock)
        moments = moments if moments.are_dates or known is not None else _rolled(moments, names)
        clock = known or replace(_clock_of(moments, names, form), counts_dates=moments.are_dates)
    except NotClear as error:
        raise DataError(where, str(error)) from None
    rows = [list(row) for row in grid.rows]
    for (k, _), seconds, name in zip(own, moments.seconds, names, strict=True):
        number = None if seconds is None else clock.number(seconds, name)
        if number is not None:
            text = repr(number)
            rows[k][time] = text.replace(".", ",") if grid.header.delimiter == ";" else text
        elif parse_number(rows[k][time].strip()) is not None and rows[k][time].strip().lower() not in MISSING:
            what = f"'{clip(rows[k][time].strip())}' is a number, and other times are dates; write all in one way"
            raise DataError(grid.header.place(grid.lines[k], grid.header.names[time]), what)
    note = "" if known is not None else _note(grid.header, time, moments, clock)
    return replace(grid, rows=rows), clock, note


def _sample(sheet: Sheet, time: int) -> list[str]:
    """The first cells of the column of times."""
    if isinstance(sheet, Grid):
        return [row[time] for row in sheet.rows[:_PEEK] if len(row) > time]
    if isinstance(sheet, FrameSheet):
        return sheet.texts(time)[:_PEEK]
    if not isinstance(sheet, CsvSheet):
        return []
    try:
        with open_text(sheet.header.path) as file:
            lines = [line[:10_000] for line in islice(file, sheet.header.line, sheet.header.line + _PEEK)]
        rows = list(csv.reader(lines, delimiter=sheet.header.delimiter, skipinitialspace=True))
    except (csv.Error, UnicodeDecodeError):  # which is a fault of its own
        return []
    return [row[time] for row in rows if len(row) > time]


def _clock_of(moments: Moments, names: Sequence[str], form: ClockForm) -> Clock:
    """What the measurements count from. Raises NotClear."""
    unit = form.unit or ("h" if moments.have_clock else "d")
    first: dict[str, float] = {}
    for seconds, name in zip(moments.seconds, names, strict=True):
        if seconds is not None:
            first[name] = min(seconds, first.get(name, seconds))
    if form.zero is not None and form.zero != FIRST:
        given = parse_moments([form.zero], form.day_first, form.clock).seconds[0]
        if given is None:
            raise NotClear(f"data.zero: '{form.zero}' is no date; write one, as 2021-03-01, or `first`")
        return Clock(form, unit, {}, given)
    if not moments.are_dates and form.zero is None:
        return Clock(form, unit, {}, 0.0)
    if form.zero is None and len(set(first.values())) > 1:
        what = "the experiments begin at different dates; `data.zero: first` counts each from its own first row, "
        raise NotClear(f"{what}`data.zero: 2021-03-01` all from one date")
    return Clock(form, unit, first, min(first.values(), default=0.0) if len(set(first.values())) == 1 else None)


def _rolled(moments: Moments, names: Sequence[str]) -> Moments:
    """Times of day that pass midnight: a day later where they fall by more than half a day."""
    days: dict[str, float] = {}
    last: dict[str, float] = {}
    found: list[float | None] = []
    for seconds, name in zip(moments.seconds, names, strict=True):
        if seconds is not None:
            if name in last and seconds < last[name] - _DAY / 2:
                days[name] = days.get(name, 0.0) + _DAY
            last[name] = seconds
        found.append(None if seconds is None else seconds + days.get(name, 0.0))
    return replace(moments, seconds=found)


def _note(header: Header, time: int, moments: Moments, clock: Clock) -> str:
    kind = "dates" if moments.are_dates else "clock times and durations"
    start = "the first row" if clock.zeros else "data.zero" if clock.form.zero else "0:00"
    how = "" if clock.form.unit else " (data.time_unit says otherwise)"
    return f"{header.place()}: {kind} in {header.names[time]}: times in {clock.unit} since {start}{how}"
