"""The rows of a table of events, one by one: what is measured, what is given, where a new occasion begins.

EVID 0 a measurement, 1 a dose, 2 neither, 3 a reset, 4 a reset and a dose; where it is missing, an amount makes a dose,
and MDV 1 makes a row that measures nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.columns import Columns, Header
from odefit.data.csv_cells import IntArray
from odefit.data.error_list import FaultList
from odefit.data.nonmem.roles import Roles
from odefit.records import dataclass
from odefit.text import clip

MEASUREMENT, DOSE, OTHER, RESET, RESET_AND_DOSE = range(5)
_EVENTS = {
    5: "replaces an amount (rxode2)",
    6: "multiplies an amount (rxode2)",
    7: "starts a transit model (rxode2)",
}
MODELLED = {-1: "rate", -2: "duration"}
"""RATE -> what the model estimates."""


@dataclass(frozen=True)
class Record:
    """One row. NaN and "" stand for what it does not say.

    Parameters
    ----------
    line
        Of the file.
    subject
        Its ID.
    time
        When.
    event
        MEASUREMENT, DOSE and so on.
    is_measured
        Whether it holds a measurement.
    amount, rate, duration, every, more
        Of a dose: AMT, RATE, DUR, II, ADDL.
    steady
        1 where the dose comes at the steady state of its repetition, 2 where others came before and go on.
    compartment
        Its number or name.
    """

    line: int
    subject: str
    time: float
    event: int
    is_measured: bool
    amount: float = math.nan
    rate: float = 0.0
    duration: float = 0.0
    every: float = 0.0
    more: float = 0.0
    steady: float = 0.0
    compartment: str = ""

    @property
    def is_dose(self) -> bool:
        return self.event in (DOSE, RESET_AND_DOSE)

    @property
    def resets(self) -> bool:
        """Whether what came before is of no account."""
        return self.event in (RESET, RESET_AND_DOSE) or (self.is_dose and self.steady == 1)

    @property
    def length(self) -> float:
        """How long the dose takes."""
        return self.amount / self.rate if self.rate > 0 else self.duration

    @property
    def modelled(self) -> str:
        """`rate` or `duration` where the model estimates it; else empty."""
        return MODELLED.get(int(self.rate), "") if self.rate in MODELLED else ""

    def faults(self) -> Iterator[tuple[str, str]]:
        """(role of a column, what is wrong there)"""
        if not self.is_dose:
            if self.amount != 0 and not math.isnan(self.amount):
                yield "amt", f"an amount in a row that is no dose (EVID {self.event}); write EVID 1, or leave it empty"
            return
        if math.isnan(self.amount) or self.amount == 0:
            infusion = "; a steady state of an infusion without end cannot be read, give it a start" * (self.rate > 0)
            yield "amt", f"a dose without an amount; write one, or another EVID{infusion}"
        if self.rate in MODELLED:
            if self.duration > 0:
                yield "dur", f"RATE {self.rate:g} is a {self.modelled} that the model estimates; leave this empty"
        elif self.rate < 0:
            yield "rate", f"the rate is {self.rate:g}; it must not be negative"
        if self.rate > 0 and self.duration > 0:
            yield "dur", "a dose has a rate or a duration; leave one of the two empty"
        elif self.duration < 0:
            yield "dur", f"the duration is {self.duration:g}; it must not be negative"
        if self.more < 0 or self.more % 1:
            yield "addl", f"ADDL is {self.more:g}; write a whole number, the doses beside this one"
        elif self.more and not self.every > 0:
            yield "ii", "more doses (ADDL) need II: the time from one to the next"
        if self.steady not in (0, 1, 2):
            yield "ss", f"SS {self.steady:g} cannot be read; 1 is a steady state, 2 one beside others, 0 none"
        elif self.steady and not self.every > 0:
            yield "ii", "a steady state (SS) needs II: the time from one dose to the next"
        if self.compartment.startswith("-"):
            yield (
                "cmt",
                f"CMT {clip(self.compartment)} turns a compartment off, which cannot be read; use `model.events`",
            )


def read_records(columns: Columns, roles: Roles, header: Header, faults: FaultList) -> list[Record]:
    """The rows in the order of the file; what is wrong with them goes to `faults`."""
    count = len(columns.lines)

    def numbers(role: str, default: float) -> FloatArray:
        if role not in roles.at:
            return np.full(count, default)
        found = columns.numbers[roles.at[role]]
        return np.where(np.isnan(found), default, found)

    def words(role: str) -> list[str]:
        if role not in roles.at:
            return [""] * count
        labels = columns.labels[roles.at[role]]
        return ["" if (name := labels.names[code]) in (".", "0") else name for code in labels.codes.tolist()]

    amounts = numbers("amt", math.nan)
    events = _events(numbers("evid", math.nan), numbers("mdv", 0.0), amounts, columns.lines, roles, header, faults)
    measured = (events == MEASUREMENT) & (numbers("mdv", 0.0) != 1)
    details = [numbers(role, 0.0).tolist() for role in ("rate", "dur", "ii", "addl", "ss")]
    times = columns.numbers[roles.at["time"]]
    id_labels = columns.labels[roles.at["id"]]
    subjects = [id_labels.names[code] for code in id_labels.codes.tolist()]
    rows = zip(
        columns.lines.tolist(),
        subjects,
        times.tolist(),
        events.tolist(),
        measured.tolist(),
        amounts.tolist(),
        *details,
        words("cmt"),
        strict=True,
    )
    found = [Record(*row) for row in rows]
    for record in found:
        for role, what in record.faults() if record.line not in faults.lines else ():
            faults.add(record.line, _column(role, roles, header), what, role)
    return found


def _events(
    given: FloatArray,
    mdv: FloatArray,
    amounts: FloatArray,
    lines: IntArray,
    roles: Roles,
    header: Header,
    faults: FaultList,
) -> IntArray:
    """[R] the kind of each row, as EVID says it or as it follows."""
    has_amount = ~np.isnan(amounts) & (amounts != 0)
    found = np.where(np.isnan(given), np.where(has_amount, DOSE, np.where(mdv == 1, OTHER, MEASUREMENT)), given)
    for row in np.flatnonzero(~np.isin(found, range(5))).tolist():
        faults.add(int(lines[row]), _column("evid", roles, header), _unknown(float(found[row])), "event")
    return np.where(np.isin(found, range(5)), found, OTHER).astype(np.int64)


def _unknown(event: float) -> str:
    """What to do about an EVID that is none of NONMEM's."""
    if event in _EVENTS:
        return f"EVID {event:g} {_EVENTS[int(event)]}, which cannot be read; write `model.events` for it"
    if event >= 100 and event % 1 == 0:
        flags, compartment, kind = int(event) // 10_000, int(event) // 100 % 100, int(event) % 100
        how = {0: "", 1: " and a RATE", 2: " and a DUR"}.get(flags)
        if how is not None and kind in (1, 10, 30):
            steady = {1: "", 10: ", SS 1", 30: " after a reset: EVID 4"}[kind]
            what = f"is RxODE's code of a dose; write EVID 1 and CMT {compartment}{how}{steady}"
            return f"EVID {event:g} {what}"
        return f"EVID {event:g} is a code of RxODE; write EVID 0 to 4, with CMT, RATE, SS in columns of their own"
    return f"EVID {event:g} is none of 0 (measured), 1 (dose), 2 (other), 3 (reset), 4 (reset and dose)"


def _column(role: str, roles: Roles, header: Header) -> str:
    return header.names[roles.at[role]] if role in roles.at else ""


def by_subject(records: Sequence[Record]) -> Mapping[str, list[Record]]:
    """The rows of each subject, in the order of the file."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.subject, []).append(record)
    return found
