"""Limits of detection in a file: columns of flags, columns that hold a limit, words such as BLQ; words for no value."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.data.csv_cells import BELOW, MISSING, SIGNS, decimal_comma, interval, parse_number
from odefit.data.labels import Labels
from odefit.data.time_names import bare
from odefit.proposing.cells import NUMERIC
from odefit.records import dataclass

FLAGS = r"cens(ored|oring)?|cen|blq|bloq|bql|bdl|below([ _]?(loq|lod|lloq|limit))?"
LIMITS = r"lloq|loq|lod|(detection|quantification)[ _]?limit|limit([ _]?of[ _]?(detection|quantification))?"
SAID = frozenset({"", ".", "0", "1", "-1", "no", "yes", "false", "true", "none", "left", "right", "<", ">", *MISSING})
"""What columns of flags say, in lower case."""
MOST_WORDS = 3
"""As many words, each for no value, may stand in a column of numbers."""
HALF = 0.5
"""The share of the filled cells of a column with few words that are numbers, at least."""


@dataclass(frozen=True)
class FoundLimits:
    """What a file says of limits.

    Parameters
    ----------
    flags
        Column of measurements -> its column of flags; under no name: one for all.
    below
        What was measured -> its limit, where cells or flags name none.
    columns
        Columns that hold limits.
    guessed
        Whether a limit is the smallest measured value, for want of a better one.
    """

    flags: Mapping[str, str]
    below: Mapping[str, float]
    columns: Sequence[str]
    guessed: bool


NO_LIMITS = FoundLimits({}, {}, (), False)


def strange_words(labels: Mapping[str, Labels]) -> list[str]:
    """Cells of columns of numbers that are none, and no limits: `n/a`, `-`, `?????`, `failed`."""
    found: dict[str, None] = {}
    for column in labels.values():
        counts = np.bincount(column.codes, minlength=len(column.names))
        words = {name: int(n) for name, n in zip(column.names, counts, strict=True) if _is_word(name)}
        filled = sum(int(n) for name, n in zip(column.names, counts, strict=True) if name.lower() not in MISSING)
        numbers = filled - sum(words.values())
        # A few words among numbers; or hardly any, whatever they are.
        enough = HALF if len(words) <= MOST_WORDS else NUMERIC
        if words and numbers >= enough * filled and numbers > 1:
            found |= dict.fromkeys(words)
    return list(found)


def _is_word(cell: str) -> bool:
    low = cell.lower()
    is_known = low in MISSING or low in BELOW or cell[:1] in SIGNS or interval(cell) is not None
    return not is_known and _number(cell) is None


def _number(cell: str) -> float | None:
    return parse_number(decimal_comma(cell) or cell)


def limit_columns(labels: Mapping[str, Labels], measured: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Observable -> its column of flags, and observable -> its column of limits; under no name those for all.

    Parameters
    ----------
    labels
        Column -> its cells.
    measured
        The columns that may hold measurements.
    """
    flags, limits = dict[str, str](), dict[str, str]()
    for name, column in labels.items():
        for words, found in ((FLAGS, flags), (LIMITS, limits)):
            if words == FLAGS and not {cell.lower() for cell in column.names} <= SAID:
                continue
            if re.fullmatch(words, bare(name).strip(), re.IGNORECASE):
                found[""] = name
            for one in measured:
                other = re.escape(bare(one))
                pattern = rf"{other}[ _.\-]*({words})|({words})[ _.\-]*{other}"
                if one != name and re.fullmatch(pattern, bare(name).strip(), re.IGNORECASE):
                    found[one] = name
    return flags, limits


def limits_of(
    labels: Mapping[str, Labels],
    numbers: Mapping[str, FloatArray],
    measured: Mapping[str, tuple[str, IntArray]],
    columns: tuple[Mapping[str, str], Mapping[str, str]],
) -> FoundLimits:
    """What was measured, and below which limit.

    Parameters
    ----------
    labels, numbers
        Column -> its cells, and their numbers [R].
    measured
        What was measured -> the column that holds it, and the rows.
    columns
        What `limit_columns` has found.
    """
    flags, limits = columns
    below: dict[str, float] = {}
    guessed = False
    for name, (column, rows) in measured.items():
        values, cells = numbers[column][rows], labels[column]
        flag = flags.get(column, flags.get(""))
        flagged = _said_below(labels[flag], _YES)[rows] if flag else np.zeros(len(rows), dtype=bool)
        nameless = _said_below(cells, BELOW)[rows] | (flagged & ~(np.abs(values) > 0))
        if not nameless.any():
            continue
        given = numbers[limits.get(column, limits.get("", column))][rows] if limits else np.empty(0)
        known = given[np.isfinite(given) & (given > 0)]
        seen = values[np.isfinite(values) & (values > 0) & ~flagged]
        if len(known):
            below[name] = float(known.max())
        elif len(seen):
            below[name], guessed = float(seen.min()), True
    return FoundLimits(flags, below, sorted(set(limits.values())), guessed)


_YES = frozenset({"1", "yes", "true", "left", "<"})


def _said_below(cells: Labels, words: Collection[str]) -> Mask:
    """Which rows [R] say one of these words."""
    return np.isin(cells.codes, [k for k, cell in enumerate(cells.names) if cell.lower() in words])
