"""Experiments side by side: columns that match a pattern become rows, each with its experiment, time or constants.

In a pattern `*` is any text, `?` any sign, `[A-H]` one of these; what they stand for names the experiment. `{S}` is a
constant of the experiment, `{time}` the time, `{wells}` a well of a plate. Brackets with which no column matches are
meant themselves.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace

from odefit.data.clock_cells import looks_like_time
from odefit.data.columns import Positions
from odefit.data.csv_cells import decimal_comma, parse_number
from odefit.data.grid.grid import Grid
from odefit.data.layouts import usual_time
from odefit.data.time_names import suggest_time
from odefit.data.unit_words import split_unit
from odefit.data.unused_columns import tells_of_errors
from odefit.errors import DataError
from odefit.records import dataclass
from odefit.text import abridged, clip, plain_label, suggest

EXPERIMENT, OBSERVABLE, VALUE, CLOCK = "experiment", "observable", "value", "time"
WELLS = "wells"
_WELL = r"[A-P]\s?(?:0?[1-9]|[1-4]\d)"
STEP = 10**14
"""A cell of column c in line n is counted as c*STEP + n, which its place is found by."""
MOST = 10_000
"""Columns of one table."""
_TOKEN = re.compile(r"\{([A-Za-z_]\w*)\}|(\*)|(\?)|(\[[^\]]+\])|(.)", re.DOTALL)


@dataclass(frozen=True)
class Spread:
    """The long table, and experiment -> constants that its header says."""

    grid: Grid
    constants: Mapping[str, Mapping[str, float | str]]
    units: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Match:
    """A column at a position: what it measures, when, in which experiment, under which constants."""

    observable: str
    at: int
    experiment: str
    time: str | None
    constants: Mapping[str, float | str]


def is_well(name: str) -> bool:
    """Whether a name is that of a well of a plate: A1 … H12, A01, P24."""
    return re.fullmatch(_WELL, name) is not None


def is_pattern(name: str) -> bool:
    """Whether a name may stand for several columns."""
    return any(sign in name for sign in "*?[{")


def spread(
    grid: Grid, columns: Mapping[str, Sequence[str]], time: str | None, experiment: str | None, left: Collection[str]
) -> Spread:
    """Turn a table with experiments, times or replicates side by side into a long one.

    Parameters
    ----------
    grid
        The table.
    columns
        Observable -> names and patterns of its columns.
    time, experiment
        The columns that are said to hold these.
    left
        Columns that are left alone.

    Raises
    ------
    DataError
        It is not clear which column is which.
    """
    names = grid.header.names
    position = Positions({name: k for k, name in enumerate(names) if name})
    across = any(f"{{{CLOCK}}}" in text for texts in columns.values() for text in texts)
    time_at = None if across else position.get(time or usual_time(position))
    if time_at is None and not across:
        hint = suggest_time(time or CLOCK, list(position), "data: {{time: {}}}")
        what = f"no column '{clip(time or CLOCK)}' for the time; {hint} (data.time names it)"
        raise DataError(grid.header.place(grid.header.line), what)
    own_at = position.get(experiment or EXPERIMENT)
    taken = {time_at, own_at, *(position.get(name) for name in left)}
    found = [m for name, texts in columns.items() for text in texts for m in _matches(grid, name, text, taken)]
    _check(grid, found, columns)
    used = {m.at for m in found} | {time_at, own_at}
    kept = [k for k in range(len(names)) if k not in used]
    named = own_at is not None or any(m.experiment for m in found)
    rows, lines, constants = list[list[str]](), list[int](), dict[str, Mapping[str, float | str]]()
    for match in found:
        for row, line in zip(grid.rows, grid.lines, strict=True):
            if not any(map(str.strip, row)):
                continue
            if len(row) != len(names):
                what = f"this row has {len(row)} cells, the header has {len(names)}; write one cell per column"
                raise DataError(grid.header.place(line), what)
            parts = ["" if own_at is None else plain_label(row[own_at]), match.experiment]
            series = " ".join(filter(None, parts))
            when = row[time_at] if time_at is not None else match.time or ""
            head = [when, series] if named else [when]
            rows.append([*head, match.observable, row[match.at], *(row[k] for k in kept)])
            lines.append(match.at * STEP + line)
            if match.constants:
                constants[series] = match.constants
    clock = CLOCK if time_at is None else names[time_at]
    head = [clock, experiment or EXPERIMENT] if named else [clock]
    header = replace(
        grid.header,
        names=(*head, OBSERVABLE, VALUE, *(names[k] for k in kept)),
        where=lambda line, column: grid.header.place(line % STEP, names[line // STEP] if column == VALUE else column),
    )
    notes = (*grid.notes, _note(grid, found))
    return Spread(Grid(header, rows, lines, grid.units, notes), constants, _units(grid, found))


def _units(grid: Grid, found: Sequence[_Match]) -> dict[str, str]:
    """The unit that the columns of each observable name, if they do."""
    units: dict[str, str] = {}
    for match in found:
        name = grid.header.names[match.at]
        unit = grid.units.get(name) or split_unit(name)[1]
        unit = "" if unit.isdigit() else unit  # the number of a replicate in brackets
        if units.setdefault(match.observable, unit) != unit:
            what = f"is in '{clip(unit)}', and other columns of {clip(match.observable)} are in '"
            raise DataError(
                grid.header.place(0, name), f"{what}{clip(units[match.observable])}'; write them in one unit"
            )
    return {name: unit for name, unit in units.items() if unit}


def _matches(grid: Grid, observable: str, text: str, taken: Collection[int | None]) -> Iterator[_Match]:
    names = grid.header.names
    position = Positions({name: k for k, name in enumerate(names) if name})
    if text in position:
        yield _Match(observable, position[text], "", None, {})
        return
    free = [(k, name) for k, name in enumerate(names) if name and k not in taken]
    brackets = text.count("[")
    for sets in dict.fromkeys((brackets, max(brackets - 1, 0), 0)):  # `{well} [mg/L]`: what they hold is a unit
        pattern, keys = _compiled(text, grid, sets)
        if any(pattern.fullmatch(name) for _, name in free):
            break
    some = False
    for k, name in free:
        parts = pattern.fullmatch(name)
        if parts is None:
            continue
        said = dict(zip(keys, (part.strip() for part in parts.groups()), strict=True))
        when = said.pop(CLOCK, None)
        if when is not None and _number(when) is None and not looks_like_time(when):
            continue
        constants = {key: _cell(cell) for key, cell in said.items() if not key.isdigit()}
        joined = (" " if constants else "").join(part for part in said.values() if part)
        if tells_of_errors(name):
            what = f"data.columns.{observable} reads it, and it is named as what tells of errors"
            raise DataError(
                grid.header.place(0, name), f"{what}; `data.unused: [{clip(name)}]` leaves it alone, or change that"
            )
        some = True
        yield _Match(observable, k, joined, when, constants)
    if not some:
        what = f"no column matches '{clip(text)}' (data.columns.{observable}); {suggest(text, position)}"
        raise DataError(grid.header.place(grid.header.line), what)


def _compiled(text: str, grid: Grid, sets: int) -> tuple[re.Pattern[str], list[str]]:
    """The pattern of a column, and what its groups are: names, or numbers of those without.

    sets: how many of its brackets, from the left, are sets of signs; others are meant themselves.
    """
    regex, keys = "", list[str]()
    for token in _TOKEN.finditer(text):
        name, star, one, some, _ = token.groups()
        if some:
            some, sets = some if sets > 0 else None, sets - 1
        if name or star or one or some:
            keys.append(name if name and name != WELLS else str(len(keys)))
        regex += (
            f"({_WELL})"
            if name == WELLS
            else "(.+?)"
            if name
            else "(.*)"
            if star
            else "(.)"
            if one
            else f"({some})"
            if some
            else re.escape(token[0])
        )
    try:
        if len(keys) > 5 or len(set(keys)) < len(keys):
            raise ValueError
        return re.compile(regex), keys
    except (re.error, ValueError):
        what = f"'{clip(text)}' is no pattern of columns; write one as `[A-H]*`, `x_*`, `{{S}} uM` or `{{time}}`"
        raise DataError(grid.header.place(), f"data.columns: {what}") from None


def _cell(text: str) -> float | str:
    number = _number(text)
    return text if number is None else number


def _number(text: str) -> float | None:
    """The number in a header, which may have a decimal comma."""
    return parse_number(decimal_comma(text) or text)


def _check(grid: Grid, found: Sequence[_Match], columns: Mapping[str, Sequence[str]]) -> None:
    """Every column has one meaning, and every observable belongs to the same kind of experiments."""
    if len(found) > MOST:
        raise DataError(grid.header.place(), f"has {len(found)} columns of measurements; the limit is {MOST:,}")
    seen: dict[int, _Match] = {}
    cells: dict[tuple[str, str, str | None], _Match] = {}
    for match in found:
        name = grid.header.names[match.at]
        if match.at in seen:
            what = f"two keys of data.columns read it ({seen[match.at].observable}, {match.observable})"
            raise DataError(grid.header.place(0, name), f"{what}; make the patterns narrower")
        seen[match.at] = match
        key = (match.observable, match.experiment, match.time)
        if match.experiment and key in cells:
            other = clip(grid.header.names[cells[key].at])
            what = f"is the experiment '{clip(match.experiment)}' by data.columns.{match.observable}, as is {other}"
            raise DataError(grid.header.place(0, name), f"{what}; make the pattern narrower")
        cells[key] = match
    for observable, texts in columns.items():
        _check_wells(grid, observable, texts, found)
    beside = {m.observable for m in found if m.experiment}
    for name in columns if beside else ():
        if any(m.observable == name and not m.experiment for m in found):
            what = f"data.columns.{name} names one column, and others have one for each experiment"
            raise DataError(grid.header.place(), f"{what}; write a pattern, or read it as an input (data.inputs)")


def _check_wells(grid: Grid, observable: str, texts: Sequence[str], found: Sequence[_Match]) -> None:
    """Raises DataError where `[A-H]*` matches wells, and columns that are none: Cycle, Humidity."""
    names = [grid.header.names[match.at] for match in found if match.observable == observable]
    others = [name for name in names if not is_well(name)]
    if others and len(names) - len(others) > 1 and all(re.fullmatch(r"\[[^\]]+\]\*", text) for text in texts):
        name = clip(others[0])
        what = f"data.columns.{observable} reads it as an experiment, and other columns are wells of a plate"
        remedy = f"`data.wells: {observable}` reads wells only, `data.unused: [{name}]` leaves {name} alone"
        raise DataError(grid.header.place(0, others[0]), f"{what}; {remedy}")


def _note(grid: Grid, found: Sequence[_Match]) -> str:
    """How the columns were understood."""
    names = [clip(grid.header.names[m.at]) for m in found]
    kinds = [("experiments", any(m.experiment for m in found)), ("times", any(m.time is not None for m in found))]
    what = " and ".join(kind for kind, holds in kinds if holds) or "replicates"
    constants = list(dict.fromkeys(key for m in found for key in m.constants))
    said = f", and constants {', '.join(constants)}" if constants else ""
    return f"{grid.header.place()}: {len(names)} columns ({abridged(names, 6)}) read as {what} side by side{said}"
