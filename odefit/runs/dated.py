"""Times of a run as dates, and dates as its times, where the times of its data were dates."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np

from odefit.data.clock_cells import EPOCH, NotClear, looks_like_time, parse_moments
from odefit.data.csv_cells import parse_number
from odefit.data.replicates import replicate_of
from odefit.errors import InputError
from odefit.runs.results import Dates
from odefit.runs.tables import Table
from odefit.text import clip

DATE = "date"
"""The column of dates in a table."""


def is_date(value: Any) -> bool:
    """Whether a user's time is a date or a text of one, and no number."""
    return isinstance(value, datetime.date) or (
        isinstance(value, str) and parse_number(value) is None and looks_like_time(value)
    )


def time_of(dates: Dates | None, when: str | datetime.date, where: str) -> float:
    """A date as the number of the model.

    Parameters
    ----------
    dates
        What the times of a run count from.
    when
        The date, with a time of day or without.
    where
        What is asked for, for messages.

    Raises
    ------
    InputError
        It is no date, or there is nothing to count from.
    """
    text = when.isoformat(sep=" ") if isinstance(when, datetime.datetime) else str(when)
    if dates is None:
        raise InputError(where, f"'{clip(text)}' is a date, and the times of these data are numbers; write a number")
    if not isinstance(dates.zero, str):
        what = f"'{clip(text)}' is a date, and each experiment counts from its own first row"
        raise InputError(where, f"{what}; write numbers, or fit with one date as data.zero")
    try:
        moments = parse_moments([text], None, "h:mm")
    except NotClear as error:
        raise InputError(where, f"{error}; here write it as 2021-03-01") from None
    seconds = moments.seconds[0]
    if seconds is None or not moments.are_dates:
        raise InputError(where, f"'{clip(text)}' is no date; write it as 2021-03-01 or 2021-03-01 08:00")
    if moments.zone is not None:
        raise InputError(
            where, f"'{clip(text)}' names a time zone; leave it out, and write the time in that of the data"
        )
    zero = (datetime.datetime.fromisoformat(dates.zero) - EPOCH).total_seconds()
    return (seconds - zero) / dates.seconds_per_unit


def in_numbers(times: Any, dates: Dates | None) -> Any:
    """Times as a user gives them, an array or a mapping of such by experiment, with numbers in place of dates."""
    if isinstance(times, Mapping):
        return {name: in_numbers(one, dates) for name, one in times.items()}
    if not isinstance(times, list):
        return times
    return np.array([time_of(dates, one, "times") if is_date(one) else float(one) for one in times])


def date_of(dates: Dates, t: float, experiment: str) -> str:
    """The date of a time of an experiment, to the second; empty beyond the calendar, and where nothing is counted."""
    zero = dates.zero
    if isinstance(zero, Mapping):
        zero = zero.get(experiment, zero.get(replicate_of(experiment), ""))
    try:
        span = datetime.timedelta(seconds=round(t * dates.seconds_per_unit))
        found = datetime.datetime.fromisoformat(zero) + span
    except (ValueError, OverflowError):
        return ""
    return found.date().isoformat() if found.time() == datetime.time() else found.isoformat(sep=" ")


def date_of_zero(dates: Dates | None) -> str:
    """The date of time 0; empty where there are none, and where each experiment counts from its own."""
    return date_of(dates, 0.0, "") if dates is not None and isinstance(dates.zero, str) else ""


def with_dates(table: Table, dates: Dates | None) -> Table:
    """A table with columns `experiment` and `time`, and behind the time its dates, where there are any."""
    if dates is None or "time" not in table.header:
        return table
    at, name = list(table.header).index("time"), list(table.header).index("experiment")
    rows = [[*row[: at + 1], date_of(dates, row[at], str(row[name])), *row[at + 1 :]] for row in table.rows]
    return Table((*table.header[: at + 1], DATE, *table.header[at + 1 :]), rows)
