"""Where in rows of cells the table begins: its header, a row of units, its first row.

The table is the longest run of rows of one width that hold values. The row above it is its header, unless that names
units; what stands above is a preamble.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from odefit.data.csv_cells import MISSING
from odefit.data.grid.splitting import COMMENTS, is_value
from odefit.data.unit_words import is_unit
from odefit.records import dataclass

HIGHEST = 4
"""Rows above a table that may name its columns, their units, and how values were made."""
LONG_ENOUGH = 5000
"""Rows of one width that are the table, whatever comes below."""
MOST_COMPARED = 1000
"""Rows that the first ones are compared with."""
MOSTLY = 0.6
"""The share of the filled cells of a column that are values, in a column of values."""

LABEL = "experiment"
"""The column whose cells name rows."""


@dataclass(frozen=True)
class Found:
    """Positions among the rows: header (None: there is none), units (None), and the first row of the table."""

    header: int | None
    units: int | None
    first: int


def find_table(
    rows: Sequence[Sequence[str]], comma: bool, same_width: bool, wanted: Collection[str] = ()
) -> Found | None:
    """Where the table begins; None where there is none.

    same_width: whether its rows have one width by themselves. wanted: names that are hoped for in the header.
    """
    run = _longest_run(rows, comma, same_width)
    if run is None:
        return None
    first, width = run
    below = [row for row in rows[first : first + MOST_COMPARED] if any(row)]
    if 2 * sum(_is_row(row, comma) for row in below) < len(below):
        return None  # a number among words makes no table, and nothing of such a file may be shown
    above = [k for k in range(first - 1, -1, -1) if any(rows[k])][:HIGHEST]
    higher = _higher_names(rows, above, width, comma, same_width, wanted)
    if higher is not None:
        return Found(above[higher], above[higher - 1], first)
    names = [k for k in above[:1] if _may_name(rows[k], width, comma, same_width)]
    if len(above) > 1 and _may_name(rows[above[1]], width, comma, same_width):
        units = rows[above[0]]
        are_units = _are_units(units) and (not same_width or len(units) == width)  # of which some may be left out
        if are_units or (names and _names_more(rows[above[1]], units, wanted)):
            return Found(above[1], above[0], first)
    return Found(above[0] if names else None, None, first)


def _higher_names(
    rows: Sequence[Sequence[str]],
    above: Sequence[int],
    width: int,
    comma: bool,
    same_width: bool,
    wanted: Collection[str],
) -> int | None:
    """Which of the rows above a table names it, where others stand between: units, and how values were made."""
    folded = {name.casefold() for name in wanted}
    for number, k in enumerate(above):
        names = {name.casefold() for name in bare_names(rows[k], len(rows[k]))}
        if names & folded and LABEL not in names - folded:
            return number if number > 1 and _may_name(rows[k], width, comma, same_width) else None
        if same_width and len(bare_names(rows[k], width)) != width:
            return None
    return None


def _longest_run(rows: Sequence[Sequence[str]], comma: bool, same_width: bool) -> tuple[int, int] | None:
    best = start = None
    best_length = length = 0
    for k, row in enumerate(rows):
        if not any(row):
            continue  # a blank line ends nothing
        goes_on = start is not None and (not same_width or len(row) == len(rows[start]))
        is_row = _is_row(row, comma)
        if is_row and goes_on:
            length += 1
        elif is_row:
            start, length = k, 1
        else:
            start, length = None, 0
        if start is not None and length > best_length:
            best, best_length = start, length
        if best_length == LONG_ENOUGH:
            break
    if best is None:
        return None
    table = [row for row in rows[best : best + MOST_COMPARED] if any(row)][:best_length]
    return best + _unlike(table, comma, rows[best:]), len(rows[best])


def _is_row(row: Sequence[str], comma: bool) -> bool:
    return len(row) > 1 and any(is_value(cell, comma) for cell in row) and not row[0].startswith(COMMENTS)


def _unlike(table: Sequence[Sequence[str]], comma: bool, rows: Sequence[Sequence[str]]) -> int:
    """How many of the first rows are none of the table: words stand where nearly all others have values."""
    width = min(map(len, table))
    values = [sum(is_value(row[k], comma) for row in table) for k in range(width)]
    filled = [sum(not _is_missing(row[k]) for row in table) for k in range(width)]
    always = [k for k in range(width) if values[k] and values[k] >= MOSTLY * filled[k]]
    skipped = 0
    while skipped + 1 < len(table) and any(
        not _is_missing(table[skipped][k]) and not is_value(table[skipped][k], comma) for k in always
    ):
        skipped += 1
    filled_rows = (k for k, row in enumerate(rows) if any(row))
    return next(k for number, k in enumerate(filled_rows) if number == skipped)


def _is_missing(cell: str) -> bool:
    return cell == "." or cell.lower() in MISSING


def bare_names(row: Sequence[str], width: int) -> list[str]:
    """The names of a header, without the sign of a comment before them."""
    cells = list(row)
    if cells and cells[0].startswith(COMMENTS):
        first = cells[0].lstrip("#%/ ")
        cells = [first, *cells[1:]] if first or len(cells) <= width else cells[1:]
    return cells


def _may_name(row: Sequence[str], width: int, comma: bool, same_width: bool) -> bool:
    names = bare_names(row, width)
    filled = [name for name in names if name]
    if (same_width and len(names) != width) or len(filled) < 2:
        return False
    return sum(is_value(name, comma) for name in filled) * 2 < len(filled)


def _names_more(row: Sequence[str], other: Sequence[str], wanted: Collection[str]) -> bool:
    """Whether a row has names that are hoped for, and the other has none."""
    folded = {name.casefold() for name in wanted}
    named, others = ({cell.casefold() for cell in bare_names(cells, len(cells))} for cells in (row, other))
    pairs = zip(bare_names(row, len(row)), other, strict=False)
    if any(name.casefold() == LABEL and cell and not is_unit(cell) for name, cell in pairs):
        return False  # an experiment whose other cells are words
    return bool(named & folded) and not others & folded


def _are_units(row: Sequence[str]) -> bool:
    filled = [cell for cell in row if cell]
    return bool(filled) and all(is_unit(cell) for cell in filled)
