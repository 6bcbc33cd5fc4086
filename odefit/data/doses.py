"""Doses: what is put into the states of which experiment, and when.

A table, one row per dose or per series of equal doses,

    [experiment,] time, [state,] amount [, duration or rate] [, every, count]

Without an experiment (no such column, or an empty cell) a dose goes to every experiment. A dose enters evenly over
its `duration`, or at its `rate` for amount/rate; where both are empty or 0, at once. Either may be a formula of
parameters. With `every` and `count` it is given `count` times in all, `every` apart.
Replicates (`A#2`) get the doses of their experiment (`A`), unless rows of the table name them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from odefit.data.csv_writing import check_names, number_cell, write_rows
from odefit.data.error_list import PlacedFaults
from odefit.data.experiments import Dose, Experiment
from odefit.data.replicates import replicate_of
from odefit.records import changed, dataclass
from odefit.text import clip, suggest

MAX_DOSES = 100_000
"""The most doses of all experiments together, repeated ones counted each."""
TOO_MANY = f"here the table passes {MAX_DOSES:,} doses in all, which is the limit; repeat them less often"
NUMBERS = ("time", "amount", "duration", "rate", "every", "count")
OPTIONAL = ("state", "duration", "rate", "every", "count")
"""The columns of numbers, and the columns that a table need not have."""
UNKNOWN = {"state": "is no state", "experiment": "is no experiment of the data"}

Where = Callable[..., str]


@dataclass(frozen=True)
class DoseRow:
    """One dose, and the experiment that gets it: None for every one. where: its place, for faults."""

    experiment: str | None
    dose: Dose
    where: str = field(default="", compare=False)


@dataclass(frozen=True)
class DoseSeries:
    """A row of the table as it was written; NaN and "" where nothing was."""

    state: str
    time: float
    amount: float
    duration: float = math.nan
    rate: float = math.nan
    every: float = math.nan
    count: float = math.nan
    duration_formula: str = ""
    rate_formula: str = ""

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
        if (self.rate > 0 or self.rate_formula) and (self.duration > 0 or self.duration_formula):
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
        spread = self._length, self.duration_formula, self.rate_formula
        return [Dose(self._at(i), self.state, self.amount, *spread) for i in range(self.number)]

    @property
    def _length(self) -> float:
        if self.rate > 0:
            return abs(self.amount) / self.rate
        return 0.0 if math.isnan(self.duration) else self.duration

    def _at(self, number: int) -> float:
        return self.time if number == 0 or math.isnan(self.every) else self.time + float(number) * self.every


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
                faults.unknown(where(index), name.strip(), UNKNOWN[role], known)
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


def _series_of(item: Mapping[str, Any], tell: Callable[[str, str], None]) -> DoseSeries | None:
    """One item of the list, or None after a fault that leaves nothing to check."""
    numbers: dict[str, float] = {}
    texts = {"duration": "", "rate": ""}
    sound = True
    for key in item:
        if key not in ("experiment", "state", *NUMBERS):
            tell(key, f"unknown key; {suggest(key, ('experiment', 'state', *NUMBERS))}")
    for key in NUMBERS:
        value = item.get(key)
        if value is None and key in ("time", "amount"):
            tell(key, f"the {key} is missing; write a number")
            sound = False
        elif key in ("duration", "rate") and isinstance(value, str) and value.strip():
            texts[key] = value.strip()
        elif value is not None and not _is_finite(value):
            tell(key, f"must be a finite number (got {clip(repr(value))})")
            sound = False
        else:
            numbers[key] = math.nan if value is None else float(value)
    for key in ("experiment", "state"):
        if not isinstance(item.get(key), str | None):
            tell(key, f"must be a name (got {clip(repr(item[key]))})")
            sound = False
    if not sound:
        return None
    time, amount, *others = (numbers.get(key, math.nan) for key in NUMBERS)
    duration, rate, every, count = others
    state = (item.get("state") or "").strip()
    return DoseSeries(state, time, amount, duration, rate, every, count, texts["duration"], texts["rate"])


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
            faults.unknown(row.where or where, row.dose.state, UNKNOWN["state"], states)
    for name, of in own.items():
        if name is not None and name not in known and not partial:
            for row in of:
                faults.unknown(row.where or where, name, UNKNOWN["experiment"], known)
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
        found.append(changed(experiment, doses=doses, start=start))
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
    header = ["experiment", "time", "state", "amount", "duration"]
    if any(dose.rate_formula for experiment in experiments for dose in experiment.doses):
        header.append("rate")
    check_names(path, header, [experiment.name for experiment in experiments])
    doses_of = {experiment.name: experiment.doses for experiment in experiments}
    rows = []
    for name, doses in doses_of.items():
        base = replicate_of(name)
        if base != name and doses_of.get(base) == doses:
            continue
        for dose in doses:
            time, amount, duration = (number_cell(number) for number in (dose.time, dose.amount, dose.duration))
            length = "" if dose.rate_formula else dose.duration_formula or duration
            rows.append([name, time, dose.state, amount, length, dose.rate_formula][: len(header)])
    write_rows(path, header, rows)
