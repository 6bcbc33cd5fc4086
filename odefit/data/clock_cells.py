"""Dates, times of day and durations as they stand in cells, in seconds."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from odefit.records import dataclass
from odefit.text import LatePattern, clip

EPOCH = datetime.datetime(1970, 1, 1)
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "week": 604800.0, "year": 365.25 * 86400.0}
"""Seconds of each unit of time."""
_MONTHS = {
    "jan": 1,
    "feb": 2,
    "mar": 3,
    "apr": 4,
    "may": 5,
    "jun": 6,
    "jul": 7,
    "aug": 8,
    "sep": 9,
    "oct": 10,
    "nov": 11,
    "dec": 12,
}
_CLOCK = r"(\d{1,5}):(\d{2})(?::(\d{2}(?:[.,]\d{1,9})?))?\s*([AaPp][Mm])?"
_REST = rf"(?:[T\s,]\s*{_CLOCK}(?:Z|[+-]\d{{2}}:?\d{{2}})?)?"
_ISO = LatePattern(rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){_REST}")
_NUMBERS = LatePattern(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{2}}|\d{{4}}){_REST}")
_WORDS = LatePattern(rf"(\d{{1,2}})[-\s.]+([A-Za-z]{{3}})[A-Za-z]*[-\s.,]+(\d{{2}}|\d{{4}}){_REST}")
_STAMP = LatePattern(
    r"((?:19|20)\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?:[ T_]?([01]\d|2[0-3])([0-5]\d)?([0-5]\d)?)?"
)
_DAYS = LatePattern(rf"(\d{{1,5}})(?:\s*d(?:ays?)?[\s,]\s*|\.(?=\d\d:\d\d:)){_CLOCK}")
_TIME = LatePattern(_CLOCK)
_ZONE = LatePattern(r"(?:Z|[+-]\d{2}:?\d{2})$")
_MIDNIGHT = LatePattern(r"[T\s]0?0:00(:00(\.0*)?)?$")
_PART = LatePattern(r"(\d+(?:[.,]\d+)?)\s*([A-Za-z]+)\s*")
_LONGEST = 60


class NotClear(Exception):
    """A cell that may be several times; its text says which key of the config decides."""


@dataclass(frozen=True)
class Moments:
    """A column of times.

    Parameters
    ----------
    seconds
        Since 1970 where they are dates, else since whatever they count from; None where a cell holds none.
    are_dates
        Whether they are points of the calendar.
    have_clock
        Whether any has a time of day.
    """

    seconds: Sequence[float | None]
    are_dates: bool
    have_clock: bool


def looks_like_time(cell: str) -> bool:
    """Whether a cell is a date, a time of day or a duration in words."""
    cell = cell.strip()
    kinds = (_ISO, _NUMBERS, _WORDS, _TIME, _STAMP, _DAYS)
    return 0 < len(cell) <= _LONGEST and (any(k.fullmatch(cell) for k in kinds) or _duration(cell) is not None)


def is_clock_time(cell: str) -> bool:
    """Whether a cell is a time of day, or hours, minutes and seconds."""
    return len(cell) <= _LONGEST and _TIME.fullmatch(cell) is not None


def is_whole_date(cell: str) -> bool:
    """Whether a cell is a date without a time of day (midnight is none)."""
    if not _is_date(cell):
        return False
    return ":" not in cell or _MIDNIGHT.compiled.search(cell) is not None


def parse_moments(cells: Sequence[str], day_first: bool | None, clock: str | None) -> Moments:
    """The times of a column.

    Parameters
    ----------
    cells
        Their texts.
    day_first
        Whether 3/4/2021 is in April; None: by those that can be one only.
    clock
        `h:mm` or `m:ss`, for times of two parts; None where nothing is said.

    Raises
    ------
    NotClear
        The column may be read in several ways.
    """
    cells = [cell.strip() for cell in cells]
    day_first = _order(cells) if day_first is None else day_first
    dated = [cell for cell in cells if _is_date(cell)]
    zones = {match[0] for cell in dated if ":" in cell and (match := _ZONE.compiled.search(cell))}
    if len(zones) > 1:
        raise NotClear(f"times of several time zones ({', '.join(sorted(zones)[:3])}); write them all in one")
    if dated:
        found = [_date(cell, bool(day_first)) if len(cell) <= _LONGEST else None for cell in cells]
        return Moments(found, True, any(seconds is not None and seconds % UNITS["d"] for seconds in found))
    return Moments([_elapsed(cell, clock) if len(cell) <= _LONGEST else None for cell in cells], False, True)


def _is_date(cell: str) -> bool:
    return len(cell) <= _LONGEST and any(kind.fullmatch(cell) for kind in (_ISO, _NUMBERS, _WORDS, _STAMP))


def _order(cells: Sequence[str]) -> bool | None:
    """Whether days come before months, as far as any date says it. Raises NotClear."""
    found = [match for cell in cells if len(cell) <= _LONGEST and (match := _NUMBERS.fullmatch(cell))]
    if not found:
        return None
    first, second = (any(int(match[k]) > 12 for match in found) for k in (1, 3))
    if first != second:
        return first
    if not first and all(match[2] == "." for match in found):
        return True  # points part days, months and years where days come first
    example = clip(found[0].group(0))
    if first:
        raise NotClear(f"'{example}' and others have days in two places; write all dates in one way")
    raise NotClear(f"'{example}' may be either: the day first or the month; `data.day_first: true` or `false` says it")


def _date(cell: str, day_first: bool) -> float | None:
    """Seconds since 1970."""
    if match := _ISO.fullmatch(cell):
        year, month, day, clock = match[1], int(match[2]), int(match[3]), match.groups()[3:7]
    elif match := _NUMBERS.fullmatch(cell):
        one, other = int(match[1]), int(match[3])
        day, month = (one, other) if day_first else (other, one)
        year, clock = match[4], match.groups()[4:8]
    elif match := _STAMP.fullmatch(cell):
        hours, minutes, seconds = match.groups()[3:6]
        year, month, day, clock = match[1], int(match[2]), int(match[3]), (hours, minutes, seconds, None)
    elif match := _WORDS.fullmatch(cell):
        day, month, year, clock = int(match[1]), _MONTHS.get(match[2].lower(), 0), match[3], match.groups()[3:7]
    else:
        return None
    full = int(year) + (0 if len(year) == 4 else 2000 if int(year) < 70 else 1900)
    try:
        return (datetime.datetime(full, month, day) - EPOCH).total_seconds() + _seconds(clock)
    except ValueError:  # the 31st of February
        return None


def _seconds(clock: Sequence[str | None]) -> float:
    """Of a time of day: hours, minutes, seconds, am or pm."""
    hours, minutes, seconds, half = clock
    if hours is None:
        return 0.0
    count = int(hours)
    if half is not None:
        count = count % 12 + 12 * (half.lower() == "pm")
    return 3600.0 * count + 60.0 * int(minutes or 0) + float((seconds or "0").replace(",", "."))


def _elapsed(cell: str, clock: str | None) -> float | None:
    """Seconds of a time of day or a duration. Raises NotClear."""
    if match := _TIME.fullmatch(cell):
        if match[3] is None and match[4] is None:
            if clock is None:
                what = f"'{clip(cell)}' may be hours and minutes or minutes and seconds"
                raise NotClear(f"{what}; `data.clock: h:mm` or `m:ss` says it")
            if clock == "m:ss":
                return 60.0 * int(match[1]) + int(match[2])
        return _seconds(match.groups())
    if match := _DAYS.fullmatch(cell):
        return UNITS["d"] * int(match[1]) + _seconds(match.groups()[1:])
    return _duration(cell)


def _duration(cell: str) -> float | None:
    """Seconds of `1 d 3 h`, `90 min`."""
    names = {"s": "s sec secs second seconds", "min": "m min mins minute minutes", "h": "h hr hrs hour hours"}
    names |= {"d": "d day days", "week": "w week weeks"}
    total, at = 0.0, 0
    for match in _PART.compiled.finditer(cell):
        unit = next((unit for unit, words in names.items() if match[2].lower() in words.split(" ")), None)
        if match.start() != at or unit is None:
            return None
        total, at = total + float(match[1].replace(",", ".")) * UNITS[unit], match.end()
    return total if at == len(cell) and at else None
