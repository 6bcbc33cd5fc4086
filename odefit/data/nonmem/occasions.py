"""Occasions: each reset (EVID 3 or 4, SS 1) starts a subject anew, and makes an experiment of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from odefit.data.error_list import FaultList
from odefit.data.nonmem.records import DOSE, RESET, Record
from odefit.data.side_column import SIDES
from odefit.records import dataclass
from odefit.text import clip


@dataclass
class Occasion:
    """What a subject goes through between two resets.

    Parameters
    ----------
    name
        Of the experiment: the ID, behind a reset with a number (`12/2`).
    subject
        The ID.
    start
        When a reset began it; None where nothing is said of it.
    records
        Its rows, in the order of the file.
    """

    name: str
    subject: str
    start: float | None = None
    records: list[Record] = field(default_factory=list)

    @property
    def doses(self) -> list[Record]:
        return [record for record in self.records if record.is_dose]

    @property
    def is_measured(self) -> bool:
        return any(record.is_measured for record in self.records)

    def sides(self) -> Iterator[tuple[int, str]]:
        """(line, side) of the measurements at the time of a dose: the order of the rows is that of what happens."""
        given: dict[float, int] = {}
        for record in self.records:
            if record.is_dose:
                given.setdefault(record.time, record.line)
        before, after = SIDES
        for record in self.records:
            if record.is_measured and record.time in given:
                yield record.line, before if record.line < given[record.time] else after


def find_occasions(subjects: Mapping[str, Sequence[Record]], faults: FaultList) -> list[Occasion]:
    """The occasions of all subjects; times that go back without a reset are faults."""
    found = []
    for subject, records in subjects.items():
        own = [Occasion(subject, subject)]
        last: Record | None = None
        for record in records:
            if record.resets and any(r.is_measured or r.event in (DOSE, RESET) or r.is_dose for r in own[-1].records):
                own.append(Occasion(f"{subject}/{len(own) + 1}", subject))
                last = None
            if record.event == RESET:
                own[-1].start = record.time
            if last is not None and record.time < last.time:
                what = f"time {record.time:g} after {last.time:g} (line {last.line}) of ID {clip(subject)}"
                remedy = "a new occasion begins with EVID 3 or 4; else sort the rows, or give it an ID of its own"
                faults.add(record.line, "", f"{what}; {remedy}", "back")
            own[-1].records.append(record)
            last = record
        found += own
    return found
