"""Doses: what is put into the states of which experiment, and when.

A table, one row per dose or per series of equal doses,

    [experiment,] time, [state,] amount [, duration or rate] [, every, count]

Without an experiment (no such column, or an empty cell) a dose goes to every experiment. A dose enters evenly over
its `duration`, or at its `rate` for amount/rate; where both are empty or 0, at once. With `every` and `count` it is
given `count` times in all, `every` apart.
Replicates (`A#2`) get the doses of their experiment (`A`), unless rows of the table name them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from odefit.data.csv_reader import Columns, Header, find_columns, read_columns, read_header
from odefit.data.csv_writing import check_names, number_cell, write_rows
from odefit.data.error_list import FaultList, PlacedFaults, place
from odefit.data.experiments import Dose, Experiment
from odefit.data.layouts import TIME
from odefit.data.replicates import replicate_of
from odefit.records import dataclass
from odefit.text import clip, suggest

MAX_DOSES = 100_000
"""The most doses of all experiments together, repeated ones counted each."""
TOO_MANY = f"here the table passes {MAX_DOSES:,} doses in all, which is the limit; repeat them less often"
NUMBERS = ("time", "amount", "duration", "rate", "every", "count")
OPTIONAL = ("state", "duration", "rate", "every", "count")
"""The columns of numbers, and the columns that a table need not have."""
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

_REMARKS = ("comment", "comments", "note", "notes", "remark", "remarks")
_UNKNOWN = {"state": "is no state", "experiment": "is no experiment of the data"}

Where = Callable[..., str]


@dataclass(frozen=True)
class DoseRow:
    """One dose, and the experiment that gets it: None for every one. where: its place, for faults."""

    experiment: str | None
    dose: Dose
    where: str = field(default="", compare=False)


@dataclass(frozen=True)
class _Series:
    """A row of the table as it was written; NaN and "" where nothing was."""

    state: str
    time: float
    amount: float
    duration: float = math.nan
    rate: float = math.nan
    every: float = math.nan
    count: float = math.nan

    def faults(self) -> Iterator[tuple[str, str]]:
        """(column, what is wrong there)"""
        repeated, counted = not math.isnan(self.every), not math.isnan(self.count)
        if not self.state:
            yield "state", "no state is named; write where the dose goes, or a default (data.doses.state)"
        if self.amount == 0:
            yield "amount", "the amount is 0, which is no dose; write another, or remove the row"
        if self.duration < 0:
            yield "duration", f"the duration is {self.duration!r}; it must not be negative (0: all at once)"
        if self.rate < 0:
            yield "rate", f"the rate is {self.rate!r}; it must not be negative (0: all at once)"
        if self.rate > 0 and self.duration > 0:
            yield "rate", "a dose has a rate or a duration; leave one of the two empty"
        if self.every <= 0:
            yield "every", f"the interval is {self.every!r}; it must be positive"
        if counted and not (self.count >= 1 and self.count.is_integer()):
            yield "count", f"the count is {self.count:g}; write a whole number, 1 or more"
        elif counted and self.count > 1 and not repeated:
            yield "every", "a dose that is given several times needs `every`: the time from one to the next"
        if repeated and not counted:
            yield "count", "a dose with `every` needs `count`: how many times it is given in all"
        if math.isinf(self._at(self.number - 1) + self._length):
            yield "time", "the last dose ends at no finite time; write smaller numbers"

    @property
    def number(self) -> int:
        """How many doses these are."""
        return 1 if math.isnan(self.count) else max(1, int(self.count))

    def doses(self) -> list[Dose]:
        return [Dose(self._at(i), self.state, self.amount, self._length) for i in range(self.number)]

    @property
    def _length(self) -> float:
        if self.rate > 0:
            return abs(self.amount) / self.rate
        return 0.0 if math.isnan(self.duration) else self.duration

    def _at(self, number: int) -> float:
        return self.time if number == 0 or math.isnan(self.every) else self.time + float(number) * self.every


def read_doses(
    path: Path | str,
    *,
    default_state: str | None = None,
    time: str | None = None,
    experiment: str | None = None,
    where: str = "",
    states: Collection[str] | None = None,
    experiments: Collection[str] | None = None,
    may_be_empty: bool = False,
) -> list[DoseRow]:
    """Read doses from a CSV file; a repeated dose makes as many rows.

    default_state: where doses go that name no state. time: the time column; default `time`, else `t`.
    experiment: the column that names the experiment; default `experiment` where there is one.
    where: the place in the config that names the file, for faults of the file as a whole.
    states, experiments: all names that there are, where they are known: others are faults then, as they are to
    `apply_doses`. may_be_empty: a table without rows is no fault.

    Other columns are faults, since a dose without what they say would be another dose; but for one called comment,
    note or remark. Raises DataError with the faults of the file, the first 20 of them spelled out; more than 100,000
    doses in all are one of them.
    """
    path = Path(path)
    key = "experiment" if experiment is None else experiment
    header = read_header(path, [*([time] if time else TIME), key, "amount", *OPTIONAL], where)
    faults = FaultList(path)
    position = _find(header, time, key, experiment is not None, default_state, faults)
    faults.check()
    labels = [position[name] for name in ("experiment", "state") if name in position]
    sheet = read_columns(
        header,
        [position[name] for name in NUMBERS if name in position],
        labels,
        required={position["time"]: "time", position["amount"]: "amount"},
        blank=labels,
        limit=MAX_DOSES,
        faults=faults,
    )
    if not sheet.lines.size and not faults.count and not may_be_empty:
        faults.add(0, "", "has a header but no data; write one row per dose")
    for role, known in (("state", states), ("experiment", experiments)):
        if known is not None and role in position:
            _check_names(sheet, position[role], role, known, faults)
    told, lines = faults.lines, sheet.lines.tolist()
    found, total = [], 0
    for (name, series), line in zip(_series(sheet, position, default_state or ""), lines, strict=True):
        if line in told:
            continue
        for column, what in series.faults():
            faults.add(line, header.names[position[column]] if column in position else "", what)
        total += series.number
        if total > MAX_DOSES:
            faults.add(line, "", TOO_MANY)
            break
        if not faults.count:
            found += [DoseRow(name or None, dose, place(path, line)) for dose in series.doses()]
    faults.check()
    return found


def _check_names(sheet: Columns, at: int, role: str, known: Collection[str], faults: FaultList) -> None:
    """A name that there is none of is a fault on every line that it is on."""
    labels = sheet.labels[at]
    for code, line in zip(labels.codes.tolist(), sheet.lines.tolist(), strict=True):
        name = labels.names[code]
        if name and name not in known and faults.wants(line):
            faults.tell(line, "", f"'{clip(name)}' {_UNKNOWN[role]}; {suggest(name, known)}")


def _find(
    header: Header, time: str | None, key: str, named: bool, default_state: str | None, faults: FaultList
) -> dict[str, int]:
    """What is in which column: of `experiment`, `time`, `amount` and the optional ones, those that are there."""
    position = find_columns(header, faults)
    time = time or next((name for name in TIME if name in position), TIME[0])
    names = {"time": time, "experiment": key, **{name: name for name in ("amount", *OPTIONAL)}}
    needed = {"time": "the time", "amount": "the amount"}
    if named:
        needed["experiment"] = "the experiment"
    if default_state is None:
        needed["state"] = "the state that gets it (or set data.doses.state)"
    for role, meaning in needed.items():
        if names[role] not in position:
            what = f"no column '{clip(names[role])}' for {meaning}; {suggest(names[role], position)}"
            faults.add(header.line, "", what)
    for name in () if faults.count else position:
        if name not in names.values() and name.casefold() not in _REMARKS:
            remedy = _FOREIGN.get(name.casefold()) or suggest(name, names.values())
            faults.add(header.line, name, f"no column that a table of doses has; {remedy}")
    return {role: position[name] for role, name in names.items() if name in position}


def _series(sheet: Columns, position: Mapping[str, int], default_state: str) -> Iterator[tuple[str, _Series]]:
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

    rows = zip(words("experiment"), words("state"), *map(numbers, NUMBERS), strict=True)
    for experiment, state, *row in rows:
        yield experiment, _Series(state or default_state, *row)


def doses_from_list(
    items: Sequence[Mapping[str, Any]],
    where: Where,
    *,
    states: Collection[str] | None = None,
    experiments: Collection[str] | None = None,
) -> list[DoseRow]:
    """The same table as a list of mappings: `{time: 0, state: gut, amount: 320}`.

    where: the place of the list, of an item or of one of its keys: `where()`, `where(0)`, `where(0, "amount")`.
    states, experiments: as for `read_doses`.
    Raises DataError with its faults, which are those of `read_doses`.
    """
    faults = PlacedFaults()
    found: list[DoseRow] = []
    total = 0
    for index, item in enumerate(items):
        for role, known in (("state", states), ("experiment", experiments)):
            name = item.get(role)
            if known is not None and isinstance(name, str) and name.strip() and name.strip() not in known:
                faults.unknown(where(index), name.strip(), _UNKNOWN[role], known)
        series = _series_of(item, functools.partial(_tell, faults, where, index))
        if series is None:
            continue
        for key, what in series.faults():
            faults.add(where(index, key), what)
        total += series.number
        if total > MAX_DOSES:
            faults.add(where(index), TOO_MANY)
            break
        place = where(index)
        found += [DoseRow((item.get("experiment") or "").strip() or None, dose, place) for dose in series.doses()]
    faults.check(where())
    return found


def _tell(faults: PlacedFaults, where: Where, index: int, key: str, what: str) -> None:
    faults.add(where(index, key), what)


def _series_of(item: Mapping[str, Any], tell: Callable[[str, str], None]) -> _Series | None:
    """One item of the list, or None after a fault that leaves nothing to check."""
    numbers: dict[str, float] = {}
    sound = True
    for key in item:
        if key not in ("experiment", "state", *NUMBERS):
            tell(key, f"unknown key; {suggest(key, ('experiment', 'state', *NUMBERS))}")
    for key in NUMBERS:
        value = item.get(key)
        if value is None and key in ("time", "amount"):
            tell(key, f"the {key} is missing; write a number")
            sound = False
        elif value is not None and not _is_finite(value):
            tell(key, f"must be a finite number (got {clip(repr(value))})")
            sound = False
        else:
            numbers[key] = math.nan if value is None else float(value)
    for key in ("experiment", "state"):
        if not isinstance(item.get(key), str | None):
            tell(key, f"must be a name (got {clip(repr(item[key]))})")
            sound = False
    return _Series((item.get("state") or "").strip(), **numbers) if sound else None


def _is_finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number with hundreds of digits
        return False


def apply_doses(
    experiments: Sequence[Experiment],
    rows: Sequence[DoseRow],
    states: Collection[str],
    where: str = "",
    *,
    partial: bool = False,
    others: Collection[str] = (),
    free: Collection[str] = (),
) -> list[Experiment]:
    """Give every experiment its doses, sorted by time; those of equal time stay in the order of the rows.

    An experiment gets the doses for all, and those of the rows that name it; a replicate that no row names
    gets those of its experiment.

    states: the states of the system. where: the place of the table as a whole. partial: the experiments are a
    choice of those that the table is about, so a row may name another one; others: it may be one of these. free: the
    experiments that start with an earlier dose.
    Raises DataError with all faults: an unknown state or experiment, a dose before the start of an experiment that gets
    it.
    """
    faults = PlacedFaults()
    known = dict.fromkeys(name for e in experiments for name in (replicate_of(e.name), e.name))
    known |= dict.fromkeys(others)
    own: dict[str | None, list[DoseRow]] = {}
    for row in rows:
        own.setdefault(row.experiment, []).append(row)
        if row.dose.state not in states:
            faults.unknown(row.where or where, row.dose.state, _UNKNOWN["state"], states)
    for name, of in own.items():
        if name is not None and name not in known and not partial:
            for row in of:
                faults.unknown(row.where or where, name, _UNKNOWN["experiment"], known)
    for_all = tuple(sorted((row.dose for row in own.get(None, ())), key=_time))
    found, early = [], _Early(faults, where)
    for experiment in experiments:
        named = own.get(experiment.name) or own.get(replicate_of(experiment.name)) or []
        doses = tuple(sorted((*for_all, *(row.dose for row in named)), key=_time)) if named else for_all
        start = experiment.start
        if doses and doses[0].time < start:
            if experiment.name in free:
                start = doses[0].time
            else:
                early.tell(experiment, [*own.get(None, ()), *named])
        found.append(replace(experiment, doses=doses, start=start))
    faults.check(where)
    return found


def _time(dose: Dose) -> float:
    return dose.time


class _Early:
    """Tells of doses before the start of an experiment: once for each row of the table."""

    def __init__(self, faults: PlacedFaults, where: str) -> None:
        self.faults = faults
        self.where = where
        self.told: set[str] = set()

    def tell(self, experiment: Experiment, rows: Sequence[DoseRow]) -> None:
        for row in rows:
            place = row.where or self.where
            if row.dose.time < experiment.start and place not in self.told:
                self.told.add(place)
                what = f"the dose at t = {row.dose.time!r} comes before experiment {clip(experiment.name)} starts"
                self.faults.add(place, f"{what} (t = {experiment.start!r}); move one of the two, or set data.start")


def write_doses(path: Path | str, experiments: Sequence[Experiment]) -> None:
    """Write the doses of the experiments, one row per dose, whole or not at all; `read_doses` gives them back.

    A replicate with the doses of its experiment has no rows of its own. Write only where there are doses: a
    table without rows is a fault to `read_doses`. Raises DataError for names that could not be read back,
    OSError as `atomic_write`.
    """
    header = ("experiment", "time", "state", "amount", "duration")
    check_names(path, header, [experiment.name for experiment in experiments])
    doses_of = {experiment.name: experiment.doses for experiment in experiments}
    rows = []
    for name, doses in doses_of.items():
        base = replicate_of(name)
        if base != name and doses_of.get(base) == doses:
            continue
        for dose in doses:
            numbers = [number_cell(number) for number in (dose.time, dose.amount, dose.duration)]
            rows.append([name, numbers[0], dose.state, *numbers[1:]])
    write_rows(path, header, rows)
