"""Dates on an axis of time whose values stay the numbers of the model."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.dates
import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import Formatter, Locator

from odefit.data.replicates import replicate_of
from odefit.errors import Faults
from odefit.plots import style
from odefit.records import dataclass
from odefit.runs.results import Dates

of_matplotlib: Any = matplotlib.dates
"""Which has no types."""
FIRST_YEAR, LAST_YEAR = 2, 9998
"""Beyond these years a calendar has no ticks."""
UTC = datetime.UTC
"""Dates have no time zones here; matplotlib wants one."""
MILLISECONDS = 3
"""Digits of the seconds that ticks are rounded to: they are computed from numbers and back."""


@dataclass(frozen=True)
class Calendar:
    """What the numbers of an axis are.

    Parameters
    ----------
    zero
        The date of 0.
    seconds
        Of one unit.
    """

    zero: datetime.datetime
    seconds: float

    def date(self, t: float) -> datetime.datetime:
        """The date of a time, to the millisecond."""
        low = (datetime.datetime(FIRST_YEAR, 1, 1) - self.zero).total_seconds()
        high = (datetime.datetime(LAST_YEAR, 1, 1) - self.zero).total_seconds()
        return self.zero + datetime.timedelta(seconds=round(min(max(t * self.seconds, low), high), MILLISECONDS))

    def time(self, date: datetime.datetime) -> float:
        """The inverse of `date`."""
        return (date - self.zero).total_seconds() / self.seconds


def calendar_of(dates: Dates | None, experiments: Sequence[str], faults: Faults) -> Calendar | None:
    """The calendar of the axes of some experiments; why there is none goes to `faults`."""
    if dates is None:
        what = "these data have no dates; leave it out (a run folder of an odefit that did not keep them: fit again)"
        faults.add("dates", what)
        return None
    zeros = {dates.zero} if isinstance(dates.zero, str) else {zero_of(dates.zero, name) for name in experiments}
    zero = next(iter(zeros), None)
    if len(zeros) > 1 or zero is None:
        what = "each experiment counts from its own first row, and one axis has one zero"
        faults.add("dates", f"{what}; choose one of them (experiments), or fit with one date as data.zero")
        return None
    return Calendar(datetime.datetime.fromisoformat(zero), dates.seconds_per_unit)


def wanted_calendar(dates: Dates | None, experiments: Sequence[str]) -> Calendar | None:
    """The same, where nothing else can be wrong. Raises ConfigError."""
    faults = Faults()
    calendar = calendar_of(dates, experiments, faults)
    faults.check()
    return calendar


def zero_of(zeros: Mapping[str, str], experiment: str) -> str | None:
    """Of an experiment or its replicate."""
    return zeros.get(experiment, zeros.get(replicate_of(experiment)))


def time_ticks(axis: Axis, calendar: Calendar | None, most: int = 6) -> None:
    """Ticks of an axis of time: dates where there is a calendar, else as on every axis."""
    if calendar is None:
        style.tidy_ticks(axis, most=most)
        return
    # A date is about as wide as two numbers.
    axis.set_major_locator(_DateTicks(calendar, max(3, most - 1)))
    axis.set_major_formatter(_DateLabels(calendar))


def show_offset(axis: Axis, is_labelled: bool) -> None:
    """The year or month that all ticks share stands beside them, where they have labels."""
    axis.get_offset_text().set_visible(is_labelled)


class _DateTicks(Locator):
    """Matplotlib's ticks of dates, as numbers of a calendar."""

    def __init__(self, calendar: Calendar, most: int) -> None:
        self.calendar = calendar
        self.inner = of_matplotlib.AutoDateLocator(UTC, minticks=2, maxticks=most)

    def __call__(self) -> Any:
        assert self.axis is not None  # matplotlib sets it before it asks
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> Any:
        low, high = (self.calendar.date(t) for t in sorted((vmin, vmax)))
        if low == high:
            return np.array([vmin])
        days = self.inner.tick_values(low, high)
        return np.array([self.calendar.time(date.replace(tzinfo=None)) for date in of_matplotlib.num2date(days, UTC)])


class _DateLabels(Formatter):
    """Matplotlib's short labels of dates; what all of them share stands once, beside the axis."""

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self.inner = of_matplotlib.ConciseDateFormatter(of_matplotlib.AutoDateLocator(UTC), UTC)

    def __call__(self, x: float, _pos: int | None = None) -> str:
        return self.calendar.date(x).isoformat(sep=" ", timespec="minutes")

    def format_ticks(self, values: Iterable[float]) -> list[str]:
        dates = [self.calendar.date(t) for t in values]
        return list(self.inner.format_ticks(of_matplotlib.date2num(dates))) if dates else []

    def get_offset(self) -> str:
        return str(self.inner.get_offset())
