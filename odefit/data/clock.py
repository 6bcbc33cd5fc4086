"""One clock for measurements, doses and inputs: dates and times of day as numbers since a zero, in one unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from odefit.data.clock_cells import UNITS, Moments, NotClear, looks_like_time, parse_moments
from odefit.data.columns import Header
from odefit.data.csv_cells import MISSING, parse_number
from odefit.data.grid.grid import Grid
from odefit.data.grid.whole import whole
from odefit.data.replicates import replicate_of
from odefit.data.sample_cells import sample_cells
from odefit.data.sheets import Sheet
from odefit.data.split_dates import Split, find_split, together
from odefit.errors import DataError
from odefit.records import dataclass
from odefit.text import clip, counted, plain_label

FIRST = "first"
"""Says that each experiment counts from its first row."""
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
    date
        The column of dates, where that of the times holds the time of day.
    unused
        Columns that are left alone on purpose.
    month_first
        Whether the month comes first in dates that may be either (NONMEM).
    """

    unit: str | None = None
    zero: str | None = None
    day_first: bool | None = None
    clock: str | None = None
    date: str | None = None
    unused: Sequence[str] = ()
    month_first: bool = False


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
    split
        The two columns of the measurements that they stand in; None for one.
    zone
        Their time zone, in seconds east of Greenwich; None where they name none.
    several
        Whether they name several time zones, and are counted in that of Greenwich.
    """

    form: ClockForm
    unit: str
    zeros: Mapping[str, float]
    zero: float | None
    counts_dates: bool = True
    split: Split | None = None
    zone: float | None = None
    several: bool = False

    @property
    def columns(self) -> tuple[int, ...]:
        """The columns of the measurements that stand for the time, where these are two."""
        return () if self.split is None else (self.split.date, self.split.clock)

    def number(self, seconds: float, experiment: str) -> float | None:
        """The time of an experiment; None where it has no zero."""
        zero = self.zeros.get(experiment, self.zeros.get(replicate_of(experiment), self.zero))
        return None if zero is None else (seconds - zero) / UNITS[self.unit]

    def moments(self, cells: Sequence[str]) -> Moments:
        """Times of another table or of the config in the time zone of the measurements; those that name none are in it.

        Raises
        ------
        NotClear
            The cells may be read in several ways, or are dates where the measurements have times of day.
        """
        found = parse_moments(cells, self.form.day_first, self.form.clock)
        if found.are_dates != self.counts_dates and any(seconds is not None for seconds in found.seconds):
            kinds = ("dates", "times of day") if self.counts_dates else ("times of day", "dates")
            raise NotClear(f"the times of the data are {kinds[0]}, and these are {kinds[1]}; write all in one way")
        return _in_zone(found, self.zone, self.several)


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
    date = form.date if known is None or form.date in sheet.header.names else None
    split = find_split(sheet, time, experiment, date, form.unused)
    if split is not None:
        sheet = together(sheet, split, time, form.day_first, form.month_first)
    sample = sample_cells(sheet, time)
    if not sample or not all(map(looks_like_time, sample)):
        return sheet, known, ""  # a date among numbers is a fault of its own
    grid = whole(sheet, "has dates")
    width = len(grid.header.names)
    own = [(k, row) for k, row in enumerate(grid.rows) if len(row) == width and any(cell.strip() for cell in row)]
    names = ["" if experiment is None else plain_label(row[experiment]) for _, row in own]
    where = grid.header.place(0, grid.header.names[time])
    try:
        cells = [row[time] for _, row in own]
        if known is not None:
            clock, moments = known, known.moments(cells)
        else:
            moments = parse_moments(cells, form.day_first, form.clock)
            moments = moments if moments.are_dates else _rolled(moments, names)
            clock = _clock_of(moments, names, form, split)
    except NotClear as error:
        raise DataError(where, str(error)) from None
    rows = [list(row) for row in grid.rows]
    for (k, _), seconds, name in zip(own, moments.seconds, names, strict=True):
        number = None if seconds is None else clock.number(seconds, name)
        if number is not None:
            rows[k][time] = _without_point(number)
        elif parse_number(rows[k][time].strip()) is not None and rows[k][time].strip().lower() not in MISSING:
            what = f"'{clip(rows[k][time].strip())}' is a number, and other times are dates; write all in one way"
            raise DataError(grid.header.place(grid.lines[k], grid.header.names[time]), what)
    _check_calendar(grid, time, [k for (k, _), s in zip(own, moments.seconds, strict=True) if s is None])
    note = "" if known is not None else _note(grid.header, time, moments, clock)
    return replace(grid, rows=rows), clock, note


def _check_calendar(grid: Grid, time: int, rows: Sequence[int]) -> None:
    """A cell that is written as a date and is none, as the 31st of April, is a slip of its own. Raises DataError."""
    wrong = [k for k in rows if looks_like_time(grid.rows[k][time])]
    if wrong:
        cell = clip(grid.rows[wrong[0]][time].strip())
        likewise = f" (likewise {counted(len(wrong) - 1, 'more row')})" if len(wrong) > 1 else ""
        what = f"'{cell}' is on no calendar: correct it{likewise}"
        raise DataError(grid.header.place(grid.lines[wrong[0]], grid.header.names[time]), what)


def _in_zone(moments: Moments, zone: float | None, several: bool) -> Moments:
    """Moments in a time zone; zone, several: those of a `Clock`. Raises NotClear."""
    if moments.zone is None:
        if several and moments.are_dates:
            raise NotClear("the times of the data name several time zones, and these none; write it, as in 08:00+01:00")
        return moments
    if zone is None:
        raise NotClear("the times of the data name no time zone, and these one; write all times in one way")
    shift = zone - moments.zone
    return replace(moments, seconds=[None if seconds is None else seconds + shift for seconds in moments.seconds])


def _without_point(number: float) -> str:
    """A number whose text has neither a decimal point nor a comma, whichever the file has: `625e-2`."""
    text, _, exponent = repr(number).partition("e")
    whole, _, decimals = text.partition(".")
    decimals = decimals.rstrip("0")
    return f"{whole}{decimals}e{int(exponent or 0) - len(decimals)}" if decimals or exponent else whole


def _clock_of(moments: Moments, names: Sequence[str], form: ClockForm, split: Split | None) -> Clock:
    """What the measurements count from. Raises NotClear."""
    unit, zone = form.unit or ("h" if moments.have_clock else "d"), (moments.zone, moments.several)
    first: dict[str, float] = {}
    for seconds, name in zip(moments.seconds, names, strict=True):
        if seconds is not None:
            first[name] = min(seconds, first.get(name, seconds))
    if form.zero is not None and form.zero != FIRST:
        try:
            given = _in_zone(parse_moments([form.zero], form.day_first, form.clock), *zone).seconds[0]
        except NotClear as error:
            raise NotClear(f"data.zero: {error}") from None
        if given is None:
            raise NotClear(f"data.zero: '{form.zero}' is no date; write one, as 2021-03-01, or `first`")
        return Clock(form, unit, {}, given, moments.are_dates, split, *zone)
    if not moments.are_dates and split is None and form.zero is None:
        return Clock(form, unit, {}, 0.0, False)
    if form.zero is None and len(set(first.values())) > 1:
        what = "the experiments begin at different dates; `data.zero: first` counts each from its own first row, "
        raise NotClear(f"{what}`data.zero: 2021-03-01` all from one date")
    zero = min(first.values(), default=0.0) if len(set(first.values())) == 1 else None
    return Clock(form, unit, first, zero, moments.are_dates, split, *zone)


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
    kind = moments.kind if moments.are_dates else "clock times and durations"
    start = "the first row" if clock.zeros else "data.zero" if clock.form.zero else "0:00"
    how = "" if clock.form.unit else " (data.time_unit says otherwise)"
    where = clip(header.names[time])
    if clock.split is not None:
        kind = "dates" if moments.are_dates else "days"
        where = f"{clip(header.names[clock.split.date])}, times of day in {clip(header.names[clock.split.clock])}"
    several = ", in the time zone of Greenwich (the file has several)" if clock.several else ""
    return f"{header.place()}: {kind} in {where}{several}: times in {clock.unit} since {start}{how}"
