"""Experiments of several files that are one: their columns together, and values that stand in two files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from odefit.data.columns import Columns, Header
from odefit.data.error_list import FaultList
from odefit.data.grid.whole import LINES
from odefit.data.layouts import ONLY, Layout
from odefit.data.table_units import observed
from odefit.text import clip


def union(headers: Sequence[Sequence[str]]) -> list[str]:
    """The columns of all files, in the order in which they come."""
    return list(dict.fromkeys(name for names in headers for name in names))


def check_once(sheet: Columns, layout: Layout, names: Mapping[str, str], header: Header, faults: FaultList) -> None:
    """A value of one time that stands in two files is a fault: a copy, or a replicate that needs a name.

    Parameters
    ----------
    sheet, layout, header
        The rows of all files, and which column is what.
    names
        Observable -> its column or label.
    faults
        Takes them.
    """
    for name, at, line, other, experiment, time in _twice(sheet, layout, names):
        what = (
            f"{clip(name)} of {clip(experiment)} at {time:g} stands in {header.place(other)} too; leave it out of one "
        )
        faults.add(line, header.names[at], f"{what}file, or give a replicate a name of its own", "in two files")


def _twice(sheet: Columns, layout: Layout, names: Mapping[str, str]) -> Iterator[tuple[str, int, int, int, str, float]]:
    times = sheet.numbers[layout.time]
    codes = np.zeros(len(times), dtype=np.int64) if layout.experiment is None else sheet.labels[layout.experiment].codes
    called = (ONLY,) if layout.experiment is None else sheet.labels[layout.experiment].names
    for name, at, _, rows in observed(sheet, layout, names):
        here = ~np.isnan(sheet.numbers[at]) & ~np.isnan(times)
        own = np.flatnonzero(here if rows is None else here & rows)
        own = own[np.lexsort((sheet.lines[own], times[own], codes[own]))]
        before, after = own[:-1], own[1:]
        alike = (codes[before] == codes[after]) & (times[before] == times[after])
        alike &= sheet.lines[before] // LINES != sheet.lines[after] // LINES
        for one, other in zip(before[alike].tolist(), after[alike].tolist(), strict=True):
            line, first = int(sheet.lines[other]), int(sheet.lines[one])
            yield name, at, line, first, called[codes[one]], float(times[one])
