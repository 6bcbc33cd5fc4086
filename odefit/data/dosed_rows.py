"""Which rows of a table of measurements are doses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from odefit.data.columns import Columns, Header
from odefit.data.csv_cells import IntArray
from odefit.data.error_list import FaultList
from odefit.text import clip

_FEWEST = 3
"""Rows of an experiment that all have one amount: a dose at each of them is not what is meant."""


def given_rows(sheet: Columns, position: Mapping[str, int], header: Header, faults: FaultList) -> Columns:
    """The rows with an amount that is not 0.

    An amount in each row of an experiment is a fault, and so is one dose in two rows: both are numbers about what was
    given, and no doses.

    Parameters
    ----------
    sheet, header
        The table.
    position
        What is in which column.
    faults
        Takes these.
    """
    amounts, times = sheet.numbers[position["amount"]], sheet.numbers[position["time"]]
    given = ~np.isnan(amounts) & (amounts != 0)
    codes: IntArray = np.zeros(len(amounts), dtype=np.int64)
    names: Sequence[str] = ("",)
    if "experiment" in position:
        labels = sheet.labels[position["experiment"]]
        codes, names = labels.codes, labels.names
    column = header.names[position["amount"]]
    for code, name in enumerate(names):
        rows = np.flatnonzero((codes == code) & ~np.isnan(times))
        own = amounts[rows]
        if len(np.unique(times[rows])) >= _FEWEST and given[rows].all() and (own == own[0]).all():
            of = f" of {clip(name)}" if name else ""
            what = f"every row{of} has the amount {own[0]:g}, which would be a dose each time"
            remedy = "write it where doses are given only, or name the column in a formula"
            faults.add(int(sheet.lines[rows[0]]), column, f"{what}; {remedy}", "each row")
    if faults.count:
        return sheet.rows(given)
    states = sheet.labels[position["state"]].codes if "state" in position else np.zeros(len(amounts), dtype=np.int64)
    seen: dict[tuple[int, float, int], int] = {}
    for row in np.flatnonzero(given).tolist():
        key = int(codes[row]), float(times[row]), int(states[row])
        if key in seen:
            what = f"this dose stands in line {seen[key]} already; leave the cell empty in one of the two"
            faults.add(int(sheet.lines[row]), column, what, "twice")
        seen.setdefault(key, int(sheet.lines[row]))
    return sheet.rows(given)
