"""A table of events taken apart: measurements (as a sheet in the long layout), doses, constants of the experiments."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np

from odefit.arrays import Mask
from odefit.data.clock import FIRST, UNSAID, Clock, ClockForm, on_clock
from odefit.data.columns import Columns, Header, Request, find_columns
from odefit.data.csv_cells import MISSING as NO_VALUE
from odefit.data.csv_cells import MissingCells, parse_number
from odefit.data.dose_units import ROLES as DOSE_ROLES
from odefit.data.dose_units import doses_in_model_units
from odefit.data.doses import DoseRow
from odefit.data.error_list import FaultList
from odefit.data.experiment_table import Conditions, conditions_from_mapping, constants_in_model_units
from odefit.data.labels import Labels
from odefit.data.nonmem.comments import comment_column, comment_note, without_comments
from odefit.data.nonmem.dosing import Compartments, find_doses, shown
from odefit.data.nonmem.occasions import Occasion, find_occasions
from odefit.data.nonmem.records import Record, by_subject, read_records
from odefit.data.nonmem.roles import MISSING, Roles, find_roles
from odefit.data.sheets import Sheet
from odefit.data.side_column import AT_JUMP
from odefit.data.table_units import Converter
from odefit.data.unit_form import NO_UNITS, UnitForm
from odefit.errors import DataError
from odefit.records import dataclass
from odefit.text import abridged, clip, counted

_NUMBERS = ("time", "amt", "rate", "dur", "ii", "addl", "ss", "evid", "mdv")


@dataclass(frozen=True)
class Wanted:
    """What the config asks of a table of events.

    Parameters
    ----------
    given
        Role -> column, where the config names it.
    compartments
        Which state is which compartment.
    constants
        The names in formulas that may be columns, and columns to group by.
    named
        Those of `constants` that formulas name: words in their cells are formulas, too.
    repeats
        How many doses come before one at steady state.
    units
        Those of the model, and what the config says of the columns.
    clock
        What the config says of times that are no numbers.
    """

    given: Mapping[str, str]
    compartments: Compartments
    constants: Collection[str] = ()
    named: Collection[str] = ()
    repeats: int = 0
    units: UnitForm = NO_UNITS
    clock: ClockForm = UNSAID


@dataclass(frozen=True)
class MeasuredRows:
    """The rows of a table of events that hold measurements, as a sheet of their own.

    Parameters
    ----------
    base
        The whole table.
    experiment
        The column of subjects, which names experiments here.
    names
        Line -> experiment, of the rows with a measurement.
    sides
        Line -> `before` or `after`, of rows at the time of a dose.
    """

    base: Sheet
    experiment: int
    names: Mapping[int, str]
    sides: Mapping[int, str]

    @property
    def header(self) -> Header:
        """The header of the table, behind it the column of sides."""
        header = self.base.header
        return replace(header, names=(*header.names, AT_JUMP)) if self.sides else header

    @property
    def units(self) -> Mapping[str, str]:
        """What a row of units says."""
        return getattr(self.base, "units", {})

    def read(self, request: Request, faults: FaultList) -> Columns:
        """Some columns, see `Sheet`; a row without a measurement may hold anything."""
        width, labels, keep = len(self.base.header.names), request.labels, request.keep
        found = self.base.read(
            replace(
                request,
                labels=[index for index in labels if index < width],
                keep=None,
                missing=MissingCells(request.missing.words | MISSING.words, request.missing.numbers),
            ),
            faults,
        )
        found = found.rows(np.array([line in self.names for line in found.lines.tolist()], dtype=bool))
        lines = found.lines.tolist()
        more = {}
        if self.experiment in labels:
            more[self.experiment] = _labels([self.names[line] for line in lines])
        if width in labels:
            more[width] = _labels([self.sides.get(line, "") for line in lines])
        found = replace(found, labels={**found.labels, **more})
        return found if keep is None else found.rows(_kept(found, labels, keep))


def _labels(words: Sequence[str]) -> Labels:
    codes = {word: code for code, word in enumerate(dict.fromkeys(words))}
    return Labels(np.array([codes[word] for word in words], dtype=np.int64), tuple(codes))


def _kept(columns: Columns, labels: Sequence[int], keep: Callable[[Any], bool]) -> Mask:
    texts = {k: [columns.labels[k].names[code] for code in columns.labels[k].codes.tolist()] for k in labels}
    return np.array([keep({k: text[i] for k, text in texts.items()}) for i in range(len(columns.lines))], dtype=bool)


@dataclass(frozen=True)
class EventTable:
    """What a table of events says.

    Parameters
    ----------
    sheet
        Its measurements.
    roles
        Which column is what.
    doses
        Every single dose.
    conditions
        The constants and starts of the experiments, if it has any.
    used
        The columns that were read for doses and constants.
    notes
        How it was understood, a sentence each.
    steady
        Experiment -> the time of a dose at steady state, and how far the doses before it are apart.
    labels
        Role -> the different DVID or CMT of the rows with a measurement.
    read_constants
        The columns that were read as constants.
    clock
        What its dates and times of day are counted from; None where times are numbers.
    """

    sheet: Sheet
    roles: Roles
    doses: Sequence[DoseRow]
    conditions: Conditions | None
    used: frozenset[str]
    notes: tuple[str, ...]
    steady: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    read_constants: frozenset[str] = frozenset()
    clock: Clock | None = None

    def name(self, role: str) -> str | None:
        """The column of a role; None where there is none."""
        return self.sheet.header.names[self.roles.at[role]] if role in self.roles.at else None


def roles_of(header: Header, given: Mapping[str, str]) -> Roles:
    """The columns of a table by their names."""
    return find_roles(find_columns(header, FaultList(header.path, header.where)), given)


def take_apart(sheet: Sheet, roles: Roles, wanted: Wanted) -> EventTable:
    """Read doses, occasions and constants; measurements are left to whoever reads `EventTable.sheet`.

    Raises
    ------
    DataError
        With the faults of the table.
    """
    sheet, clock, timed = _on_clock(sheet, roles, wanted.clock)
    header = sheet.header
    faults = FaultList(header.path, header.where)
    taken = set(roles.at.values())
    constants = {n: k for k, n in enumerate(header.names) if n in wanted.constants and k not in taken}
    words = [roles.at[role] for role in ("id", "cmt", "dvid") if role in roles.at]
    marks = comment_column(header, wanted.clock.unused)
    request = Request(
        [roles.at[role] for role in _NUMBERS if role in roles.at],
        list(dict.fromkeys([*words, *constants.values(), *marks])),
        required={roles.at["time"]: "time"},
        blank=[index for index in [*words, *constants.values(), *marks] if index != roles.at["id"]],
        missing=MISSING,
    )
    columns = sheet.read(request, faults)
    faults.check()
    converter = Converter(sheet, wanted.units, faults)
    columns = _in_model_units(columns, roles, wanted, converter, clock)
    columns, commented = without_comments(columns, marks)
    records = read_records(columns, roles, header, faults)
    faults.check()
    occasions = find_occasions(by_subject(records), faults)
    faults.check()
    measured = [occasion for occasion in occasions if occasion.is_measured]
    if not measured:
        faults.add(0, "", "has no row with a measurement (EVID 0, MDV 0)")
    doses, compartments = find_doses(measured, wanted.compartments, wanted.repeats, header, faults)
    faults.check()
    conditions = _conditions(columns, constants, wanted.named, measured, roles, header, faults)
    if conditions is not None:
        conditions = constants_in_model_units(conditions, constants, converter)
    faults.check()
    names = {record.line: occasion.name for occasion in measured for record in occasion.records if record.is_measured}
    sides = {line: side for occasion in measured for line, side in occasion.sides()}
    read = [role for role in roles.at if role in (*_NUMBERS, "id", "cmt")]
    dates = [header.names[k] for k in (*(() if clock is None else clock.columns), *(marks if commented else ()))]
    return EventTable(
        MeasuredRows(sheet, roles.at["id"], names, sides),
        roles,
        doses,
        conditions,
        frozenset({*constants, *dates, *(header.names[roles.at[role]] for role in read)}),
        (
            *_notes(header, occasions, measured, doses, compartments, constants),
            *filter(None, [timed, comment_note(header, marks, commented)]),
            *converter.notes,
        ),
        {o.name: (record.time, record.every) for o in measured for record in o.doses if record.steady},
        _observed(columns, roles, names),
        frozenset(constants),
        clock,
    )


def _on_clock(sheet: Sheet, roles: Roles, form: ClockForm) -> tuple[Sheet, Clock | None, str]:
    """Dates and times of day as NONMEM reads them: hours since the first row of each subject, months before days."""
    usual = replace(form, zero=form.zero or FIRST, clock=form.clock or "h:mm", date=form.date, month_first=True)
    return on_clock(sheet, roles.at["time"], roles.at["id"], usual)


def _in_model_units(
    columns: Columns, roles: Roles, wanted: Wanted, converter: Converter, clock: Clock | None
) -> Columns:
    """Doses and times in the units of the model."""
    called = {"amount": "amt", "duration": "dur", "every": "ii"}
    position = {role: roles.at[own] for role in DOSE_ROLES if (own := called.get(role, role)) in roles.at}
    cells = columns.labels[roles.at["cmt"]] if "cmt" in roles.at else None
    words = [""] * len(columns.lines) if cells is None else [cells.names[code] for code in cells.codes.tolist()]
    states = {word: wanted.compartments.state("" if word in (".", "0") else word) for word in dict.fromkeys(words)}
    unit = "" if clock is None else clock.unit
    return doses_in_model_units(columns, position, [states[word] for word in words], converter, unit)


def _observed(columns: Columns, roles: Roles, names: Collection[int]) -> dict[str, Sequence[str]]:
    """The different DVID and CMT of the rows with a measurement, in the order of the file."""
    measured = np.array([line in names for line in columns.lines.tolist()], dtype=bool)
    found = columns.rows(measured)
    return {role: found.labels[roles.at[role]].names for role in ("dvid", "cmt") if role in roles.at}


def _conditions(
    columns: Columns,
    constants: Mapping[str, int],
    named: Collection[str],
    occasions: Sequence[Occasion],
    roles: Roles,
    header: Header,
    faults: FaultList,
) -> Conditions | None:
    """The constants of each experiment: the columns that formulas name, each with one value in it."""
    row_of = {int(line): row for row, line in enumerate(columns.lines.tolist())}
    table: dict[str, dict[str, float | str]] = {occasion.name: {} for occasion in occasions}
    first: dict[str, int] = {occasion.name: occasion.records[0].line for occasion in occasions}
    id_name = header.names[roles.at["id"]]
    for occasion in occasions:
        own = table[occasion.name]
        if len(occasions) > len({one.subject for one in occasions}) and id_name.isidentifier():
            own[id_name] = _value(occasion.subject)
        if occasion.start is not None:
            own["start"] = occasion.start
        for name, index in constants.items():
            cell = _only_cell(columns.labels[index], occasion.records, row_of, name, occasion, faults)
            if cell is not None:
                own[name] = _value(cell)
    if not any(table.values()):
        return None
    place = functools.partial(_place, header, first)
    return conditions_from_mapping(table, place, named)


def _place(header: Header, first: Mapping[str, int], experiment: str = "", column: str = "") -> str:
    return header.place(first.get(experiment, 0), column)


def _value(cell: str) -> float | str:
    number = parse_number(cell)
    return cell if number is None else number


def _only_cell(
    labels: Labels,
    records: Sequence[Record],
    row_of: Mapping[int, int],
    name: str,
    occasion: Occasion,
    faults: FaultList,
) -> str | None:
    """The value that all filled cells of an occasion have; that they differ is a fault."""
    found: tuple[str, int] | None = None
    for record in records:
        cell = labels.names[labels.codes[row_of[record.line]]]
        if cell.lower() in NO_VALUE or cell == ".":
            continue
        if found is None:
            found = cell, record.line
        elif cell != found[0]:
            what = f"changes within {clip(occasion.name)}: {clip(found[0])} in line {found[1]}, {clip(cell)} here"
            remedy = "a constant does not; name it under `data.inputs`, with `interpolation: previous`"
            faults.add(record.line, name, f"{what}; {remedy}", "changes")
            break
    return None if found is None else found[0]


def _notes(
    header: Header,
    occasions: Sequence[Occasion],
    measured: Sequence[Occasion],
    doses: Sequence[DoseRow],
    compartments: Sequence[str],
    constants: Mapping[str, int],
) -> list[str]:
    """How the table was understood."""
    place = header.place()
    subjects = len({occasion.subject for occasion in occasions})
    parts = [counted(subjects, "subject"), counted(len(doses), "dose")]
    if len(occasions) > subjects:
        parts.append(counted(len(occasions), "occasion"))
    if compartments:
        parts.append(f"compartments {shown(compartments)} (data.compartments says otherwise)")
    if constants:
        parts.append(f"constants {abridged(list(constants), 8)}")
    found = [f"{place}: read as a table of events: {', '.join(parts)}; `data.format: table` reads it as any other"]
    left = [occasion.name for occasion in occasions if occasion not in measured]
    if left:
        found.append(f"{place}: {abridged(left, 5)} without a measurement {'is' if len(left) == 1 else 'are'} left out")
    return found


def check_complete(roles: Roles, header: Header) -> None:
    """Raises DataError where a table that is said to be one of events has not what it needs."""
    if not roles.is_complete:
        lacking = ", ".join(role.upper() for role in roles.lacking)
        what = f"is no table of events: it lacks {lacking}; `data.time`, `data.value`, `data.experiment` and "
        raise DataError(header.place(header.line), f"{what}`data.doses.columns` name columns that are called otherwise")
