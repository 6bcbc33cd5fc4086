"""Which values are limits: by a column of flags, by a limit of detection, by a word such as BLQ."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.columns import Columns, Header
from odefit.data.csv_cells import MISSING, SignArray
from odefit.data.error_list import FaultList
from odefit.data.table_form import Limits
from odefit.text import clip, counted

_FLAGS = {
    **dict.fromkeys(("1", "left", "below", "<", "yes", "true", "blq", "bloq", "bql"), -1),
    **dict.fromkeys(("-1", "right", "above", ">"), 1),
    **dict.fromkeys(("0", "no", "none", "false", ".", *MISSING), 0),
}
"""What the cells of a column of flags may say, and on which side of the value the truth lies then."""
UNKNOWN_LIMIT = (
    "says that the value lies below a limit, and names none; `data.limit: {x: 0.5}` names the limit of an "
    "observable, `data.missing` lists words for what was not measured"
)


def read_flags(sheet: Columns, at: int, header: Header, faults: FaultList) -> SignArray:
    """[R] -1 where a value is an upper limit, 1 where a lower one, else 0."""
    labels = sheet.labels[at]
    codes = np.array([_FLAGS.get(name.lower(), 2) for name in labels.names], dtype=np.int8)
    found: SignArray = codes[labels.codes]
    for row in np.flatnonzero(found == 2).tolist():
        what = f"'{clip(labels.names[labels.codes[row]])}' is no flag; write 1 (the truth lies below the value), -1 "
        faults.add(int(sheet.lines[row]), header.names[at], f"{what}(above) or 0", "flag")
    found[found == 2] = 0
    return found


def marked(signs: SignArray | None, flags: SignArray) -> SignArray | None:
    """Signs of the cells themselves and those of a column of flags together."""
    if not flags.any():
        return signs
    return flags if signs is None else np.where(signs == 0, flags, signs).astype(np.int8)


def limited(
    values: FloatArray,
    signs: SignArray | None,
    limits: Limits | None,
    tell: Callable[[int, str], None],
) -> tuple[FloatArray, SignArray | None, str]:
    """The cells of one observable with its limits of detection.

    Parameters
    ----------
    values, signs
        [R]; a cell that names no limit (`BLQ`) is NaN with its sign.
    limits
        Of the observable.
    tell
        Takes the fault of a row.

    Returns
    -------
    values, signs, note
        The limits in place of what lies beyond them; and how many these are, in words, or nothing.
    """
    nameless = np.zeros(len(values), dtype=bool) if signs is None else np.isnan(values) & (signs < 0)
    below = None if limits is None else limits.below
    if below is None:
        for row in np.flatnonzero(nameless).tolist():
            tell(row, UNKNOWN_LIMIT)
        if limits is None or not len(values):
            return values, signs, ""
    with np.errstate(invalid="ignore"):
        low = nameless | (values < (-np.inf if below is None else below))
        high = values > (np.inf if limits is None or limits.above is None else limits.above)
    if not (low.any() or high.any()) or limits is None:
        return values, signs, ""
    found = np.zeros(len(values), dtype=np.int8) if signs is None else signs.copy()
    found[low], found[high] = -1, 1
    values = np.where(low, np.nan if below is None else below, values)
    values = np.where(high, np.nan if limits.above is None else limits.above, values)
    parts = [f"{counted(int(low.sum()), 'value')} below {below:g}"] if below is not None and low.any() else []
    if limits.above is not None and high.any():
        parts.append(f"{counted(int(high.sum()), 'value')} above {limits.above:g}")
    return values, found, " and ".join(parts)
