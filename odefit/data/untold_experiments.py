"""Experiments below each other in a file, told apart by a column that nothing names, or by times that begin anew."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from odefit.data.columns import Columns, Request
from odefit.data.error_list import FaultList
from odefit.data.layouts import Layout
from odefit.data.sheets import Sheet
from odefit.data.table_units import observed
from odefit.text import clip

_NAMES = re.compile(
    r"(sample|culture|plate|well|subject|patient|animal|mouse|individual|strain|tank|plot|station|site)?[_ .-]?"
    r"(id|subj|subject|patient|animal|mouse|individual|series|batch|plate|well|occ|occasion|usubjid|culture|tank|station)",
    re.IGNORECASE,
)


def check_told_apart(
    sheet: Sheet,
    columns: Columns,
    layout: Layout,
    names: Mapping[str, str],
    unused: Collection[str],
    faults: FaultList,
) -> None:
    """A column such as Well or ID that tells the rows of one time apart is a fault, where no experiment is named.

    Parameters
    ----------
    sheet
        The table.
    columns, layout
        What was read of it, and which column is what.
    names
        Observable -> its column or label.
    unused
        Columns that are left alone on purpose: their rows are replicates.
    faults
        Takes it.
    """
    header = sheet.header
    free = [k for k, n in enumerate(header.names) if k not in layout.used and n not in unused and _NAMES.fullmatch(n)]
    for at, codes in _labels(sheet, columns, layout, free):
        if len(np.unique(codes)) > 1 and all(_is_once(columns, layout, names, codes)):
            name = clip(header.names[at])
            what = f"tells rows of one time apart; `data.experiment: {name}` makes each an experiment, "
            faults.add(
                header.line, header.names[at], f"{what}`data.unused: [{name}]` reads them as replicates", "untold"
            )


def check_goes_on(sheet: Sheet, columns: Columns, layout: Layout, unused: Collection[str], faults: FaultList) -> None:
    """A column that changes where times go back, and there only, is a fault: each of its values is a series.

    The arguments are those of `check_told_apart`.
    """
    header, own = sheet.header, np.zeros(len(columns.lines), dtype=np.int64)
    for at in (layout.experiment, layout.observable):
        own = own if at is None else own * len(columns.labels[at].names) + columns.labels[at].codes
    within = own[1:] == own[:-1]
    times = columns.numbers[layout.time]
    back = within & (times[1:] < times[:-1])  # no difference: times may be infinite
    if not back.any():
        return
    free = [k for k, n in enumerate(header.names) if n and k not in layout.used and n not in unused]
    for at, codes in _labels(sheet, columns, layout, free):
        if np.array_equal((np.diff(codes) != 0) & within, back) and np.unique(codes, return_counts=True)[1].min() > 1:
            name = clip(header.names[at])
            more = "`data.experiment: {name}` makes each an experiment, `data.date: {name}` takes it for the day, "
            if layout.experiment is not None:
                more = "name the two together in one column under data.experiment, "
            what = f"times begin anew where {name} changes; {more.format(name=name)}"
            where = int(columns.lines[1:][back][0])
            what += f"`data.unused: [{name}]` puts the rows in the order of time"
            faults.add(where, header.names[layout.time], what, "untold")
            return


def _labels(sheet: Sheet, columns: Columns, layout: Layout, free: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Which word each row has in other columns; -1 where it has none."""
    if not free:
        return
    required = {layout.time: "time"}
    read = sheet.read(
        Request([layout.time], free, required, blank=free, endless=[layout.time]), FaultList(sheet.header.path)
    )
    row_of = {line: row for row, line in enumerate(read.lines.tolist())}
    rows = np.array([row_of.get(line, -1) for line in columns.lines.tolist()], dtype=np.int64)
    for at in free:
        yield at, np.where(rows >= 0, read.labels[at].codes[rows], -1)


def _is_once(columns: Columns, layout: Layout, names: Mapping[str, str], codes: np.ndarray) -> list[bool]:
    """Of each observable, whether no time comes twice with one code."""
    found = []
    for _, at, _, rows in observed(columns, layout, names):
        here = ~np.isnan(columns.numbers[at])
        own = np.flatnonzero(here if rows is None else here & rows)
        pairs = np.stack([columns.numbers[layout.time][own], codes[own].astype(np.float64)], axis=1)
        found.append(len(np.unique(pairs, axis=0)) == len(pairs))
    return found
