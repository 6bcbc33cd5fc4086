"""Limits of detection in a column of their own (LLOQ), and what a flag means beside them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from odefit.arrays import Mask
from odefit.data.columns import Columns, Header
from odefit.data.csv_cells import SignArray
from odefit.data.error_list import FaultList
from odefit.data.layouts import Layout
from odefit.data.table_form import Limits
from odefit.text import clip, counted


def at_lloq(
    sheet: Columns, layout: Layout, rows: Mask | None, limits: Limits | None, header: Header, faults: FaultList
) -> tuple[Columns, str]:
    """The flagged values of one observable that name no limit, with that of the column LLOQ.

    Parameters
    ----------
    sheet, layout, header
        The table, flags applied.
    rows
        [R], those of the observable; None for all.
    limits
        What `data.limit` says of it; a limit below takes the place of the column.
    faults
        Takes values that contradict it.

    Returns
    -------
    sheet, note
        The table, and what was done, or nothing.
    """
    at = layout.values[0]
    if layout.lloq is None or (limits is not None and limits.below is not None):
        return sheet, ""
    name = header.names[layout.lloq]
    values, signs, lloq = sheet.numbers[at], _signs(sheet, at), sheet.numbers[layout.lloq]
    here = ~np.isnan(lloq) if rows is None else rows & ~np.isnan(lloq)
    flagged = here & (signs < 0)
    nameless = flagged & (np.isnan(values) | (values == 0))
    two = f"`data.limit` names the limit, `data.unused: [{clip(name)}]` leaves this column alone"
    for row in np.flatnonzero(flagged & ~nameless & (values != lloq)).tolist():
        what = f"the value is flagged as below {values[row]:g}, and {clip(name)} is {lloq[row]:g}; {two}"
        faults.add(int(sheet.lines[row]), header.names[at], what, "two limits")
    if not any(index is not None for index in layout.flags):
        with np.errstate(invalid="ignore"):
            low = here & (signs == 0) & (values < lloq)
        for row in np.flatnonzero(low).tolist():
            what = f"{values[row]:g} is below {clip(name)}, {lloq[row]:g}, and no column flags it; {two}"
            faults.add(int(sheet.lines[row]), header.names[at], what, "below")
    if not nameless.any():
        return sheet, ""
    numbers = {**sheet.numbers, at: np.where(nameless, lloq, values)}
    return replace(sheet, numbers=numbers), f"{counted(int(nameless.sum()), 'value')} below {clip(name)}"


def check_zeros(
    sheet: Columns, at: int, rows: Mask | None, flagged: Mask, name: str, header: Header, faults: FaultList
) -> None:
    """A 0 that a column flags is a fault: it means that the truth lies below 0, or names no limit."""
    here = flagged & (sheet.numbers[at] == 0) & (_signs(sheet, at) < 0)
    for row in np.flatnonzero(here if rows is None else here & rows).tolist():
        what = "is flagged as below a limit, and 0 is none; "
        remedy = f"`data.limit: {{{name}: 0.5}}` names the limit, `{{{name}: 0}}` where it is 0"
        faults.add(int(sheet.lines[row]), header.names[at], f"{what}{remedy}", "zero")


def _signs(sheet: Columns, at: int) -> SignArray:
    return sheet.censored.get(at, np.zeros(len(sheet.lines), dtype=np.int8))
