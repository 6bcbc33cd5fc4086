"""Doses from a file, one row per dose or per series of equal doses (doses.py)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from odefit.data.clock import Clock, on_clock
from odefit.data.columns import Columns, Header, Request, find_columns
from odefit.data.dose_units import doses_in_model_units
from odefit.data.dosed_rows import given_rows
from odefit.data.doses import MAX_DOSES, NUMBERS, OPTIONAL, TOO_MANY, UNKNOWN, DoseRow, DoseSeries
from odefit.data.error_list import FaultList
from odefit.data.grid.opening import open_table
from odefit.data.layouts import TIME, usual_time
from odefit.data.sheets import Sheet
from odefit.data.split_dates import NAMES_OF_DATES
from odefit.data.table_units import Converter, check_said
from odefit.data.time_names import suggest_time
from odefit.data.unit_form import NO_UNITS, UnitForm
from odefit.errors import DataError
from odefit.text import clip, suggest

# What other programs' tables of doses have, and what to do about it.
_FOREIGN = {
    "amt": "call the column `amount`",
    "dose": "call the column `amount`",
    "cmt": "call the column `state`, and write names of states",
    "compartment": "call the column `state`, and write names of states",
    "id": "call the column `experiment`",
    "tinf": "call the column `duration`",
    "dur": "call the column `duration`",
    "ii": "call the column `every`",
    "addl": "write a column `count`, of the doses in all: one more than `addl`",
    "evid": "leave only the rows that are doses, and then this column out",
    "mdv": "leave only the rows that are doses, and then this column out",
    "dv": "measurements belong to data.csv: leave only the rows that are doses, and then this column out",
    "ss": "write the doses that came before, or see model.steady_state; leave this column out",
}

SPREADS = ("duration", "rate")
"""The columns whose cells may be formulas."""
_REMARKS = ("comment", "comments", "note", "notes", "remark", "remarks")


def read_doses(
    source: Path | str | Sheet,
    *,
    beside: bool = False,
    default_state: str | None = None,
    time: str | None = None,
    experiment: str | None = None,
    where: str = "",
    states: Collection[str] | None = None,
    experiments: Collection[str] | None = None,
    may_be_empty: bool = False,
    columns: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    units: UnitForm = NO_UNITS,
    time_unit: str = "",
    notes: list[str] | None = None,
) -> list[DoseRow]:
    """Read doses from a CSV file; a repeated dose makes as many rows.

    beside: the table is that of the measurements, where a row with an amount, which is not 0, is a dose.
    default_state: where doses go that name no state. time: the time column; default `time`, else `t`.
    experiment: the column that names the experiment; default `experiment` where there is one.
    where: the place in the config that names the file, for faults of the file as a whole.
    states, experiments: all names that there are, where they are known: others are faults then, as they are to
    `apply_doses`. may_be_empty: a table without rows is no fault. columns: what the table calls its other columns, by
    the names that they have here. clock: that of the measurements, where their times are dates. units: those of the
    model, and what the config says of the columns. time_unit: that of the measurements. notes: takes what was done.

    Other columns are faults, since a dose without what they say would be another dose; but for one called comment,
    note or remark. Raises DataError with the faults of the file, the first 20 of them spelled out; more than 100,000
    doses in all are one of them.
    """
    key = "experiment" if experiment is None else experiment
    roles = ("amount", *OPTIONAL)
    called = {name: (columns or {}).get(name, name) for name in roles if not beside or name in (columns or {})}
    wanted = [*([time] if time else TIME), key, *called.values()]
    table = open_table(Path(source), wanted, where=where) if isinstance(source, Path | str) else source
    header = table.header
    faults = FaultList(header.path, header.where)
    others = set(header.names) if beside else NAMES_OF_DATES if clock is not None else ()
    position = _find(header, time, key, experiment is not None, default_state, called, others, faults)
    faults.check()
    labels = [position[name] for name in ("experiment", "state") if name in position]
    plain = table
    if clock is not None:
        table, _, _ = on_clock(table, position["time"], position.get("experiment"), clock.form, clock)
        time_unit = time_unit if table is plain else clock.unit
    request = Request(
        [position[name] for name in NUMBERS if name in position],
        labels,
        wordy=[position[name] for name in SPREADS if name in position],
        required={position["time"]: "time"} if beside else {position["time"]: "time", position["amount"]: "amount"},
        blank=labels,
        limit=None if beside else MAX_DOSES,
    )
    sheet = table.read(request, faults)
    if beside:
        sheet = given_rows(sheet, position, header, faults)
    if not sheet.lines.size and not faults.count and not may_be_empty:
        faults.add(0, "", "has a header but no data; write one row per dose")
    for role, known in (("state", states), ("experiment", experiments)):
        if known is not None and role in position:
            _check_names(sheet, position[role], role, known, faults)
    converter = Converter(plain, units, faults)
    check_said(units, {*position, *OPTIONAL}, faults)
    sheet = doses_in_model_units(sheet, position, _states(sheet, position, default_state), converter, time_unit)
    if notes is not None:
        notes += converter.notes
    return _dose_rows(sheet, position, default_state or "", header, faults)


def _dose_rows(
    sheet: Columns, position: Mapping[str, int], default_state: str, header: Header, faults: FaultList
) -> list[DoseRow]:
    """The doses of all lines that have no fault yet. Raises DataError."""
    faulty, found, total = faults.lines, list[DoseRow](), 0
    for (name, series), line in zip(_series(sheet, position, default_state), sheet.lines.tolist(), strict=True):
        if line in faulty:
            continue
        for column, what in series.faults():
            faults.add(line, header.names[position[column]] if column in position else "", what)
        total += series.number
        if total > MAX_DOSES:
            faults.add(line, "", TOO_MANY)
            break
        if not faults.count:
            found += [DoseRow(name or None, dose, header.place(line)) for dose in series.doses()]
    faults.check()
    return found


def _check_names(sheet: Columns, at: int, role: str, known: Collection[str], faults: FaultList) -> None:
    """A name that there is none of is a fault on every line that it is on."""
    labels = sheet.labels[at]
    for code, line in zip(labels.codes.tolist(), sheet.lines.tolist(), strict=True):
        name = labels.names[code]
        if name and name not in known and faults.wants(line):
            faults.tell(line, "", f"'{clip(name)}' {UNKNOWN[role]}; {suggest(name, known)}")


def _find(
    header: Header,
    time: str | None,
    key: str,
    named: bool,
    default_state: str | None,
    called: Mapping[str, str],
    others: Collection[str],
    faults: FaultList,
) -> dict[str, int]:
    """What is in which column: of `experiment`, `time`, `amount` and the optional ones, those that are there.

    others: names of columns that may be there, too.
    """
    position = find_columns(header, faults)
    time = time or usual_time(position)
    names = {"time": time, "experiment": key, **called}
    needed = {"time": "the time", "amount": "the amount"}
    if named:
        needed["experiment"] = "the experiment"
    if default_state is None:
        needed["state"] = "the state that gets it (or set data.doses.state)"
    for role in called:
        if called[role] != role:
            needed.setdefault(role, f"what data.doses.columns calls {role}")
    for role, meaning in needed.items():
        if names[role] not in position:
            free = [n for n in position if n not in called.values()]
            hint = suggest_time(time, free, "time: {}") if role == "time" else suggest(names[role], position)
            what = f"no column '{clip(names[role])}' for {meaning}; {hint}"
            faults.add(header.line, "", what)
    known = {position.spelled(name) for name in names.values()}
    for name in () if faults.count else position:
        if name not in known and name not in others and name.casefold() not in (*_REMARKS, *others):
            remedy = _FOREIGN.get(name.casefold()) or suggest(name, names.values())
            faults.add(header.line, name, f"no column that a table of doses has; {remedy}")
    return {role: position[name] for role, name in names.items() if name in position}


def _states(sheet: Columns, position: Mapping[str, int], default_state: str | None) -> list[str | None]:
    """[R] the state of each row."""
    if "state" not in position:
        return [default_state] * len(sheet.lines)
    labels = sheet.labels[position["state"]]
    return [labels.names[code] or default_state for code in labels.codes.tolist()]


def _series(sheet: Columns, position: Mapping[str, int], default_state: str) -> Iterator[tuple[str, DoseSeries]]:
    """The rows: the experiment (empty: every one), and what it gets."""
    count = len(sheet.lines)

    def numbers(name: str) -> list[float]:
        column: list[float] = sheet.numbers[position[name]].tolist() if name in position else [math.nan] * count
        return column

    def words(name: str) -> list[str]:
        if name not in position:
            return [""] * count
        labels = sheet.labels[position[name]]
        return [labels.names[code] for code in labels.codes.tolist()]

    def formulas(name: str) -> list[str]:
        texts = sheet.texts.get(position[name], {}) if name in position else {}
        return [texts.get(line, "") for line in sheet.lines.tolist()]

    rows = zip(words("experiment"), words("state"), *map(numbers, NUMBERS), *map(formulas, SPREADS), strict=True)
    for experiment, state, *row in rows:
        yield experiment, DoseSeries(state or default_state, *row)


def written_spreads(
    path: Path, columns: Mapping[str, str] | None = None, time: str | None = None
) -> dict[tuple[str, str], str]:
    """(`duration` or `rate`, formula) -> its place, of a file of doses. What is wrong there is left to `read_doses`."""
    called = {name: (columns or {}).get(name, name) for name in ("amount", *SPREADS)}
    try:
        table = open_table(path, [*([time] if time else TIME), *called.values()])
        header = table.header
        faults = FaultList(path, header.where)
        position = find_columns(header, faults)
        at = {name: position[column] for name, column in called.items() if column in position}
        amount = at.pop("amount", None)
        if amount is None or not at:
            return {}
        required = {amount: "amount"}
        sheet = table.read(Request([amount, *at.values()], [], required=required, wordy=[*at.values()]), faults)
    except DataError:
        return {}
    found: dict[tuple[str, str], str] = {}
    for name, index in at.items():
        for line, text in sheet.texts.get(index, {}).items():
            found.setdefault((name, text), header.place(line, header.names[index]))
    return found
