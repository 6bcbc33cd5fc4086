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
    word: number
    for number, words in enumerate(
        (
            *("jan jän ene gen", "feb fév fev", "mar mär mrz", "apr avr abr", "may mai maj mag", "jun juin giu"),
            *("jul juil lug", "aug aoû aou ago", "sep set", "oct okt ott", "nov", "dec dez déc dic"),
        ),
        1,
    )
    for word in words.split()
}
"""How the names of months begin, in several languages, in three letters, or where these are not enough in four."""
_CLOCK = r"(\d{1,5}):(\d{2})(?::(\d{2}(?:[.,]\d{1,9})?))?\s*([AaPp][Mm])?"
_REST = rf"(?:[T\s,]\s*{_CLOCK}\s*(?:Z|UTC|[+-]\d{{2}}(?::?\d{{2}})?)?)?"
_ISO = LatePattern(rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){_REST}")
_NUMBERS = LatePattern(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{2}}|\d{{4}}){_REST}")
_WORDS = LatePattern(rf"(\d{{1,2}})[-\s.]+([^\W\d_]{{3,9}})[-\s.,]+(\d{{2}}|\d{{4}}){_REST}")
_WORDS_FIRST = LatePattern(rf"([^\W\d_]{{3,9}})\.?\s+(\d{{1,2}})(?:,\s*|\s+)(\d{{4}}){_REST}")
_WEEK = LatePattern(r"((?:19|20)\d{2})-?W(\d{2})(?:-?([1-7]))?")
_MONTH = LatePattern(r"((?:19|20)\d{2})-(\d{2})")
_DAY_OF_YEAR = LatePattern(r"((?:19|20)\d{2})-(\d{3})")
_STAMP = LatePattern(
    r"((?:19|20)\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?:[ T_]?([01]\d|2[0-3])([0-5]\d)?([0-5]\d)?)?"
)
_DAYS = LatePattern(rf"(\d{{1,5}})(?:\s*d(?:ays?)?[\s,]\s*|\.(?=\d\d:\d\d:)){_CLOCK}")
_TIME = LatePattern(_CLOCK)
_ZONE = LatePattern(r"(?:Z|UTC|([+-])(\d{2})(?::?(\d{2}))?)$")
_MIDNIGHT = LatePattern(r"[T\s]0?0:00(:00(\.0*)?)?$")
_ISO_DURATION = LatePattern(r"P(?=[\dT])(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:[.,]\d+)?)S)?)?")
_PART = LatePattern(r"(\d+(?:[.,]\d+)?)\s*([A-Za-z]+)\s*")
_LONGEST = 60
_DATES = (_ISO, _NUMBERS, _WORDS, _WORDS_FIRST, _STAMP, _WEEK, _MONTH, _DAY_OF_YEAR)
_PERIODS = {"weeks, taken for their Mondays,": _WEEK, "months, taken for their first days,": _MONTH}
"""Dates that are more than a day, and how a note calls them."""


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
    zone
        The time zone that the cells name, in seconds east of Greenwich; None where they name none.
    several
        Whether they name several: `seconds` are those of Greenwich.
    kind
        What a note calls them.
    """

    seconds: Sequence[float | None]
    are_dates: bool
    have_clock: bool
    zone: float | None = None
    several: bool = False
    kind: str = "dates"


def looks_like_time(cell: str) -> bool:
    """Whether a cell is a date, a time of day or a duration in words."""
    cell = cell.strip()
    if not 0 < len(cell) <= _LONGEST:
        return False
    return _is_date(cell) or any(k.fullmatch(cell) for k in (_TIME, _DAYS)) or _duration(cell) is not None


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
    if not dated:
        return Moments([_elapsed(cell, clock) if len(cell) <= _LONGEST else None for cell in cells], False, True)
    kind = _kind(dated)
    zones = _zones(dated)
    found = [_date(cell, bool(day_first)) if len(cell) <= _LONGEST else None for cell in cells]
    if len(zones) > 1:
        found = [None if s is None else s - (_zone(c) or 0.0) for s, c in zip(found, cells, strict=True)]
    have_clock = any(seconds is not None and seconds % UNITS["d"] for seconds in found)
    zone = None if not zones else 0.0 if len(zones) > 1 else zones.pop()
    return Moments(found, True, have_clock, zone, len(zones) > 1, kind)


def _kind(dated: Sequence[str]) -> str:
    """What a note calls dates. Raises NotClear where some are days and others more than that."""
    for kind, pattern in _PERIODS.items():
        own = [cell for cell in dated if pattern.fullmatch(cell)]
        if own and len(own) < len(dated):
            other = next(cell for cell in dated if cell not in own)
            raise NotClear(f"'{own[0]}' is no day, and '{clip(other)}' is one; write all dates in one way")
        if own:
            return kind
    return "dates"


def _zones(dated: Sequence[str]) -> set[float]:
    """The time zones that dates name. Raises NotClear where some times name one and others none."""
    zones = {cell: _zone(cell) for cell in dated}
    without = next((cell for cell, zone in zones.items() if zone is None), None)
    found = {zone for zone in zones.values() if zone is not None}
    if found and without is not None:
        other = next(cell for cell, zone in zones.items() if zone is not None)
        raise NotClear(f"'{clip(without)}' names no time zone, and '{clip(other)}' one; write all times in one way")
    return found


def _zone(cell: str) -> float | None:
    """Seconds east of Greenwich where a date with a time of day names its time zone."""
    match = _ZONE.compiled.search(cell) if ":" in cell else None
    if match is None:
        return None
    seconds = 3600.0 * int(match[2] or 0) + 60.0 * int(match[3] or 0)
    return -seconds if match[1] == "-" else seconds


def _is_date(cell: str) -> bool:
    return len(cell) <= _LONGEST and any(kind.fullmatch(cell) for kind in _DATES)


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
        day, month, year, clock = int(match[1]), _month(match[2]), match[3], match.groups()[3:7]
    elif match := _WORDS_FIRST.fullmatch(cell):
        day, month, year, clock = int(match[2]), _month(match[1]), match[3], match.groups()[3:7]
    else:
        return _part_of_year(cell)
    full = int(year) + (0 if len(year) == 4 else 2000 if int(year) < 70 else 1900)
    try:
        return (datetime.datetime(full, month, day) - EPOCH).total_seconds() + _seconds(clock)
    except ValueError:  # the 31st of February
        return None


def _month(word: str) -> int:
    """The number of a month by its name; 0 where it is none."""
    low = word.casefold()
    return _MONTHS.get(low[:4]) or _MONTHS.get(low[:3], 0)


def _part_of_year(cell: str) -> float | None:
    """Seconds since 1970 of a week (its Monday), of a month (its first day), or of a numbered day of a year."""
    try:
        if match := _WEEK.fullmatch(cell):
            found = datetime.date.fromisocalendar(int(match[1]), int(match[2]), int(match[3] or 1))
        elif match := _MONTH.fullmatch(cell):
            found = datetime.date(int(match[1]), int(match[2]), 1)
        elif match := _DAY_OF_YEAR.fullmatch(cell):
            found = datetime.datetime.strptime(f"{match[1]} {match[2]}", "%Y %j").date()
        else:
            return None
    except ValueError:
        return None
    return UNITS["d"] * (found - EPOCH.date()).days


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
    """Seconds of `1 d 3 h`, `90 min`, `PT1H30M`."""
    if match := _ISO_DURATION.fullmatch(cell):
        parts = [float((part or "0").replace(",", ".")) for part in match.groups()]
        return sum(n * UNITS[unit] for n, unit in zip(parts, ("d", "h", "min", "s"), strict=True))
    names = {"s": "s sec secs second seconds", "min": "m min mins minute minutes", "h": "h hr hrs hour hours"}
    names |= {"d": "d day days", "week": "w week weeks"}
    total, at = 0.0, 0
    for match in _PART.compiled.finditer(cell):
        unit = next((unit for unit, words in names.items() if match[2].lower() in words.split(" ")), None)
        if match.start() != at or unit is None:
            return None
        total, at = total + float(match[1].replace(",", ".")) * UNITS[unit], match.end()
    return total if at == len(cell) and at else None
