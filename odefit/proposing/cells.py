"""Cells as numbers, as far as they are such."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.csv_cells import BELOW, NOTHING_ELSE, SIGNS, MissingCells, decimal_comma, interval, parse_number
from odefit.data.labels import Labels
from odefit.data.time_names import bare
from odefit.proposing.words import ERRORS, MEAN

NOTHING = ("", ".", "na", "nan", "n/a", "null", "-")
NUMERIC = 0.8
"""The share of a column's filled cells that hold numbers, if it is one of numbers."""


def number_of(text: str, missing: MissingCells = NOTHING_ELSE) -> float:
    """The number of a cell, the middle of `0.1..0.5`; NaN where it is none, or a limit."""
    if text.casefold() in NOTHING or missing.means_none(text):
        return np.nan
    if (ends := interval(text)) is not None:
        return ends[1] / 2 + ends[2] / 2
    if text[:1] in SIGNS:
        return np.nan
    value = parse_number(decimal_comma(text) or text)
    return np.nan if value is None or np.isinf(value) or value in missing.numbers else value


def numbers_of(labels: Labels, missing: MissingCells = NOTHING_ELSE) -> FloatArray:
    """The numbers of a column [R], NaN where a cell holds none."""
    return np.array([number_of(name, missing) for name in labels.names] or [np.nan])[labels.codes]


def count_limits(labels: Labels, missing: MissingCells = NOTHING_ELSE) -> int:
    """How many cells say `<0.5`, `>100` or `BLQ`."""
    limits = [
        k
        for k, name in enumerate(labels.names)
        if (name[:1] in SIGNS and name[:1] and interval(name) is None)
        or (name.lower() in BELOW and not missing.means_none(name))
    ]
    return int(np.isin(labels.codes, limits).sum())


def count_intervals(labels: Labels) -> int:
    """How many cells say `0.1..0.5`."""
    return int(np.isin(labels.codes, [k for k, name in enumerate(labels.names) if interval(name) is not None]).sum())


def share_of_numbers(labels: Labels, numbers: FloatArray, missing: MissingCells = NOTHING_ELSE) -> float:
    """The share of the filled cells that are numbers, or limits."""
    nothing = [name.casefold() in NOTHING or missing.means_none(name) for name in labels.names]
    filled = [k for k, is_nothing in enumerate(nothing) if not is_nothing]
    count = int(np.isin(labels.codes, filled).sum())
    return (int(np.isfinite(numbers).sum()) + count_limits(labels, missing)) / count if count else 0.0


def errors_of(names: Sequence[str]) -> dict[str, str]:
    """Column -> the column of its errors, by what these are called: of OD or OD_mean, OD_sd."""
    found = {}
    for name in names:
        pattern = ERRORS.format(re.escape(re.sub(MEAN, "", bare(name), flags=re.I) or name))
        others = (other for other in names if other != name)
        match = next((other for other in others if re.fullmatch(pattern, bare(other), re.I)), None)
        if match is not None:
            found[name] = match
    return found
