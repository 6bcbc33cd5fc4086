"""Rows of a table of events that a column C marks as comments, as control files leave them out (IGNORE=C, IGNORE=@)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from odefit.data.columns import Columns, Header
from odefit.data.csv_cells import MISSING
from odefit.text import clip, counted

_NAMES = ("c", "#c", "com", "comment_flag", "ignore")
_MARKS = frozenset({"c", "#", "@"})
_NOTHING = frozenset({"", ".", "0", *MISSING})


def comment_column(header: Header, unused: Collection[str]) -> tuple[int, ...]:
    """The column that may mark rows: the first, called C or the like."""
    return (0,) if header.names[0].casefold() in _NAMES and header.names[0] not in unused else ()


def without_comments(columns: Columns, marks: Sequence[int]) -> tuple[Columns, int]:
    """The rows that are not marked, and how many are; a column with other cells marks none."""
    if not marks:
        return columns, 0
    labels = columns.labels[marks[0]]
    known = [name.strip().lower() for name in labels.names]
    if not set(known) <= _MARKS | _NOTHING:
        return columns, 0
    marked = np.array([name in _MARKS for name in known], dtype=bool)[labels.codes]
    return (columns.rows(~marked), int(marked.sum())) if marked.any() else (columns, 0)


def comment_note(header: Header, marks: Sequence[int], count: int) -> str:
    """What was left out, or nothing."""
    if not count:
        return ""
    name = clip(header.names[marks[0]])
    return f"{header.place()}: {counted(count, 'row')} marked in {name} left out; `data.unused: [{name}]` reads them"
