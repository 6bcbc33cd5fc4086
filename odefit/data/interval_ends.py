"""Values that lie between two numbers: the end that the value itself does not say, from a cell, a column or the config.

`0.1..0.5` in a cell, LIMIT beside a flagged DV, a column that `data.interval` names, `data.limit: {x: {least: 0}}`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.data.columns import Columns, Header
from odefit.data.csv_cells import MISSING, SignArray, decimal_comma, parse_number
from odefit.data.error_list import FaultList
from odefit.data.layouts import Layout
from odefit.data.table_form import Limits
from odefit.text import clip

_NO_BOUND = frozenset({"", ".", "inf", "-inf", "+inf", "infinity", "-infinity", *MISSING})


def with_end_numbers(sheet: Columns, layout: Layout, header: Header, faults: FaultList) -> Columns:
    """The table with the columns of other ends as numbers; what bounds nothing (empty, a point, infinite) is NaN."""
    numbers = dict(sheet.numbers)
    for at in {index for index in layout.intervals if index is not None}:
        labels = sheet.labels[at]
        words = [_number(name, header.delimiter == ";") for name in labels.names]
        found = np.array([np.nan if word is None else word for word in words], dtype=np.float64)
        for row in np.flatnonzero(np.array([word is None for word in words], dtype=bool)[labels.codes]).tolist():
            what = f"'{clip(labels.names[labels.codes[row]])}' is no limit; write a number or leave the cell empty"
            faults.add(int(sheet.lines[row]), header.names[at], what, "limit")
        numbers[at] = found[labels.codes]
    return replace(sheet, numbers=numbers)


def _number(cell: str, with_comma: bool) -> float | None:
    if cell.lower() in _NO_BOUND:
        return float("nan")
    return parse_number((decimal_comma(cell) or cell) if with_comma else cell)


def with_ends(
    sheet: Columns, layout: Layout, number: int, rows: Mask | None, header: Header, faults: FaultList
) -> Columns:
    """The table with the ends that a column says of one observable.

    Parameters
    ----------
    sheet, layout, header
        The table, flags applied.
    number
        Which of the columns of values.
    rows
        [R], those of the observable; None for all.
    faults
        Takes what contradicts itself.
    """
    index = layout.intervals[number] if layout.intervals else None
    if index is None:
        return sheet
    at, name = layout.values[number], header.names[index]
    values, ends = sheet.numbers[at], sheet.numbers[index]
    signs = sheet.censored.get(at, np.zeros(len(values), dtype=np.int8))
    here = ~np.isnan(ends) & ~np.isnan(values)
    here = here if rows is None else here & rows
    flags = layout.flags[number] if layout.flags else None
    if flags is None and not (here & (signs != 0)).any():
        # Two columns say from where to where, as `0.1..0.5` in a cell: the upper end is the limit.
        here = here & (values != ends)
        signs = np.where(here, -1, signs).astype(np.int8)
        low, high = np.minimum(values, ends), np.maximum(values, ends)
        values, ends = np.where(here, high, values), np.where(here, low, ends)
    for row in np.flatnonzero(here & (signs == 0)).tolist():
        what = "beside a value without a flag it says that the value is a truncated one (nlmixr2), or nothing "
        what += f"(Monolix); `data.unused: [{clip(name)}]` leaves it alone"
        faults.add(int(sheet.lines[row]), name, what, "truncated")
    with np.errstate(invalid="ignore"):
        crossed = here & (signs * (ends - values) <= 0) & (signs != 0)
    for row in np.flatnonzero(crossed).tolist():
        side = "below" if signs[row] < 0 else "above"
        what = f"the truth lies {side} {values[row]:g}, and {clip(name)} is {ends[row]:g}; correct one of the two"
        faults.add(int(sheet.lines[row]), name, what, "crossed")
    old = sheet.ends.get(at, np.full(len(values), np.nan))
    found = np.where(here & ~crossed & (signs != 0), ends, old)
    numbers, censored = {**sheet.numbers, at: values}, {**sheet.censored, at: signs}
    return replace(sheet, numbers=numbers, censored=censored, ends={**sheet.ends, at: found})


def with_bounds(
    ends: FloatArray | None,
    values: FloatArray,
    signs: SignArray,
    limits: Limits | None,
    tell: Callable[[int, str], None],
) -> FloatArray | None:
    """The ends [R] of one observable where the config says the least and the most that the truth can be.

    Parameters
    ----------
    ends
        Those that the file says; None for none.
    values, signs
        [R], limits in place.
    limits
        What `data.limit` says.
    tell
        Takes the fault of a row.
    """
    if limits is None or (limits.least is None and limits.most is None):
        return ends
    found = np.full(len(values), np.nan) if ends is None else ends.copy()
    for bound, side, key in ((limits.least, -1, "least"), (limits.most, 1, "most")):
        if bound is None:
            continue
        own = (signs == side) & np.isnan(found)
        for row in np.flatnonzero(own & (side * (bound - values) <= 0)).tolist():
            word = "below" if side < 0 else "above"
            tell(row, f"the truth lies {word} {values[row]:g}, and `data.limit` says {key}: {bound:g}; correct it")
        found[own] = bound
    return found
