"""Which cells of a table count: what the config excludes is left out, limits of detection and flags are put in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.data.censoring import limited, marked, read_flags
from odefit.data.columns import Columns, Header
from odefit.data.csv_cells import SignArray
from odefit.data.error_list import FaultList
from odefit.data.grid.whole import LINES
from odefit.data.interval_ends import with_bounds, with_ends
from odefit.data.layouts import ONLY, Layout
from odefit.data.limit_columns import at_lloq, check_zeros
from odefit.data.table_form import Exclusion, TableForm
from odefit.records import dataclass
from odefit.text import abridged, clip, counted, suggest

MOST_TIMES = 1e-9
"""How far a time may be from one that is to be excluded, as a share of it: rounding, as of 0.1 + 0.2."""


@dataclass(frozen=True)
class Excluded:
    """One measurement that was left out, and why. line: of the file, or the index of a frame, as `called` says."""

    HEADER: ClassVar = ("line", "experiment", "time", "observable", "value", "reason")
    line: int | str
    experiment: str
    time: float
    observable: str
    value: float
    reason: str
    called: str = "line"

    @property
    def row(self) -> tuple[int | float | str, ...]:
        """The cells under HEADER."""
        return self.line, self.experiment, self.time, self.observable, self.value, self.reason


@dataclass(frozen=True)
class Chosen:
    """What counts of a table.

    Parameters
    ----------
    sheet
        Its columns.
    notes
        What was done, a sentence each.
    excluded
        The measurements that were left out.
    """

    sheet: Columns
    notes: tuple[str, ...] = ()
    excluded: tuple[Excluded, ...] = ()


def choose_cells(
    sheet: Columns, layout: Layout, names: Mapping[str, str], form: TableForm, header: Header, faults: FaultList
) -> Chosen:
    """Leave out and censor as the config says.

    Parameters
    ----------
    sheet, layout, header
        The table, and which column is what.
    names
        Observable -> its column or label.
    form
        What the config says.
    faults
        Takes what is wrong.
    """
    for name in form.limits.keys() - names.keys():
        faults.add(0, "", f"data.limit: '{clip(name)}' is no observable; {suggest(name, names)}")
    notes: list[str] = []
    excluded: list[Excluded] = []
    for exclusion in form.exclude:
        sheet, found = _without(sheet, layout, names, exclusion, header, faults)
        excluded += found
        if found:
            reason = f": {exclusion.reason}" if exclusion.reason else ""
            notes.append(f"{header.place()}: {counted(len(found), 'measurement')} excluded, {_which(found)}{reason}")
    flagged: dict[int, Mask] = {}
    for number, index in enumerate(layout.flags):
        if index is not None:
            at = layout.values[number]
            flags = read_flags(sheet, index, header, faults)
            flagged[at] = flags != 0
            signs = marked(sheet.censored.get(at), flags)
            sheet = sheet if signs is None else replace(sheet, censored={**sheet.censored, at: signs})
    for k, (name, at, rows) in enumerate(_parts(sheet, layout, names)):
        limits = form.limits.get(name)
        sheet, note = at_lloq(sheet, layout, rows, limits, header, faults)
        notes += [f"{header.place()}: {name}: {note}, read as limits"] if note else []
        if at in flagged and (limits is None or limits.below is None):
            check_zeros(sheet, at, rows, flagged[at], name, header, faults)
        sheet = with_ends(sheet, layout, k if layout.observable is None else 0, rows, header, faults)
        sheet, note = _limited(sheet, at, rows, name, form, header, faults)
        notes += [f"{header.place()}: {name}: {note}, read as limits (data.limit)"] if note else []
    return Chosen(sheet, tuple(notes), tuple(excluded))


def _parts(sheet: Columns, layout: Layout, names: Mapping[str, str]) -> Iterator[tuple[str, int, Mask | None]]:
    """Each observable, the column of its values, and its rows [R] there; None for all."""
    if layout.observable is None:
        yield from zip(names, layout.values, [None] * len(names), strict=True)
        return
    labels = sheet.labels[layout.observable]
    for name, label in names.items():
        if label in labels.names:
            yield name, layout.values[0], labels.codes == labels.names.index(label)


def _limited(
    sheet: Columns, at: int, rows: Mask | None, name: str, form: TableForm, header: Header, faults: FaultList
) -> tuple[Columns, str]:
    limits, signs = form.limits.get(name), sheet.censored.get(at)
    if limits is None and signs is None:
        return sheet, ""
    chosen = np.ones(len(sheet.lines), dtype=bool) if rows is None else rows
    lines = sheet.lines[chosen]

    def tell(row: int, what: str) -> None:
        faults.add(int(lines[row]), header.names[at], what, "no limit")

    own = None if signs is None else signs[chosen]
    values, found, note = limited(sheet.numbers[at][chosen], own, limits, tell)
    if found is None:
        return sheet, ""
    numbers = sheet.numbers[at].copy()
    numbers[chosen] = values
    all_signs = np.zeros(len(chosen), dtype=np.int8) if signs is None else signs.copy()
    all_signs[chosen] = found
    censored: dict[int, SignArray] = {**sheet.censored, at: all_signs}
    own_ends = sheet.ends[at][chosen] if at in sheet.ends else None
    bounded = with_bounds(own_ends, values, found, limits, tell)
    ends = dict(sheet.ends)
    if bounded is not None:
        ends[at] = ends[at].copy() if at in ends else np.full(len(chosen), np.nan)
        ends[at][chosen] = bounded
    return replace(sheet, numbers={**sheet.numbers, at: numbers}, censored=censored, ends=ends), note


def _without(
    sheet: Columns,
    layout: Layout,
    names: Mapping[str, str],
    exclusion: Exclusion,
    header: Header,
    faults: FaultList,
) -> tuple[Columns, list[Excluded]]:
    """The table without what one item of `data.exclude` names; that it names nothing is a fault."""
    before = faults.count
    for name in exclusion.observables or ():
        if name not in names:
            faults.add(0, "", f"data.exclude: '{clip(name)}' is no observable; {suggest(name, names)}")
    rows = _spoken_of(sheet, layout, exclusion, header, faults)
    found: list[Excluded] = []
    numbers = dict(sheet.numbers)
    gone = np.zeros(len(rows), dtype=bool)
    for name, at, own in _parts(sheet, layout, names):
        if exclusion.observables is not None and name not in exclusion.observables:
            continue
        here = rows if own is None else rows & own
        measured = here & ~np.isnan(numbers[at])
        found += _listed(sheet, layout, name, numbers[at], measured, exclusion.reason, header)
        if own is not None:
            gone |= here
        elif exclusion.observables is not None:
            numbers[at] = np.where(here, np.nan, numbers[at])
    if exclusion.observables is None:
        gone = rows
    if not found and faults.count == before:
        faults.add(0, "", f"{exclusion.where or 'data.exclude'}: no measurement is excluded by this; correct it")
    return replace(sheet, numbers=numbers).rows(~gone) if gone.any() else replace(sheet, numbers=numbers), found


def _spoken_of(sheet: Columns, layout: Layout, exclusion: Exclusion, header: Header, faults: FaultList) -> Mask:
    """[R] the rows that all keys of an exclusion speak of, observables aside."""
    rows = np.ones(len(sheet.lines), dtype=bool)
    if exclusion.lines is not None:
        rows &= _named(sheet, exclusion.lines, header, exclusion.where, faults)
    times = sheet.numbers[layout.time]
    if exclusion.times is not None:
        rows &= np.logical_or.reduce([np.abs(times - time) <= MOST_TIMES * abs(time) for time in exclusion.times])
    with np.errstate(invalid="ignore"):
        if exclusion.after is not None:
            rows &= times > exclusion.after
        if exclusion.before is not None:
            rows &= times < exclusion.before
    if exclusion.experiments is not None:
        known = (ONLY,) if layout.experiment is None else sheet.labels[layout.experiment].names
        for name in exclusion.experiments:
            if name not in known:
                faults.add(0, "", f"data.exclude: '{clip(name)}' is no experiment; {suggest(name, known)}")
        if layout.experiment is not None:
            chosen = np.array([name in exclusion.experiments for name in known], dtype=bool)
            rows &= chosen[sheet.labels[layout.experiment].codes]
    return rows


def _named(sheet: Columns, ranges: Sequence[tuple[int, int]], header: Header, where: str, faults: FaultList) -> Mask:
    """[R] the rows in some ranges of lines, or of the index of a frame, both as messages call them."""
    numbers = [header.number(line) for line in (sheet.lines % LINES).tolist()]
    word = next((number for number in numbers if isinstance(number, str)), None)
    if word is not None:
        what = f"rows: those of this frame are called by its index, such as '{clip(word)}', and not numbered"
        faults.add(0, "", f"{where or 'data.exclude'}: {what}; number them (`frame.reset_index()`), or name times")
        return np.zeros(len(numbers), dtype=bool)
    lines = np.array(numbers, dtype=np.int64)
    chosen: Mask = np.logical_or.reduce([(lines >= low) & (lines <= high) for low, high in ranges])
    return chosen


def _listed(
    sheet: Columns, layout: Layout, name: str, values: FloatArray, rows: Mask, reason: str, header: Header
) -> list[Excluded]:
    labels = None if layout.experiment is None else sheet.labels[layout.experiment]
    return [
        Excluded(
            header.number(int(sheet.lines[row]) % LINES),
            ONLY if labels is None else labels.names[labels.codes[row]],
            float(sheet.numbers[layout.time][row]),
            name,
            float(values[row]),
            reason,
            "line" if header.rows is None else "row",
        )
        for row in np.flatnonzero(rows).tolist()
    ]


def excluded_notes(excluded: Sequence[Excluded]) -> tuple[str, ...]:
    """What a report says of the measurements that were left out: a sentence for each reason."""
    by: dict[str, list[Excluded]] = {}
    for one in excluded:
        by.setdefault(one.reason, []).append(one)
    return tuple(
        f"excluded by data.exclude: {counted(len(found), 'measurement')}, {_which(found)}{': ' * bool(why)}{why}"
        for why, found in by.items()
    )


def _which(found: Sequence[Excluded]) -> str:
    """`x at 3 of A (line 17)`, the first few."""
    return abridged(
        [
            f"{one.observable} at {one.time:g} of {clip(one.experiment)} ({one.called} {clip(str(one.line))})"
            for one in found
        ],
        3,
    )
