"""What parts the cells of a text: the sign under which most of them are numbers, in rows of one width."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence

from odefit.data.csv_cells import MISSING, SIGNS, decimal_comma, is_below, parse_number
from odefit.data.grid.table_file import SEPARATORS
from odefit.records import dataclass

SAMPLE = 400
"""Lines that are looked at."""
HEADLESS = 0.7
"""What a way to part cells is worth without a row of names, which might be one of the others."""
_DATE = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ]+[\d:.]+\s*([AP]M|Z)?)?|\d+:\d{2}(:\d{2}(\.\d+)?)?( [AP]M)?", re.I
)
COMMENTS = ("#", "%", "//")
"""What lines begin with that are no rows."""


@dataclass(frozen=True)
class Dialect:
    """What parts cells, and whether decimals have commas."""

    separator: str
    comma: bool


def split(line: str, separator: str) -> list[str]:
    """The cells of a line, without the blanks around them; none of a line that cannot be split."""
    if separator == " ":
        line = " ".join(line.split())
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])]
    except csv.Error:
        return []


def without_last(rows: list[list[str]]) -> list[list[str]]:
    """Rows without their last cell where each ends with a separator, and the header does not."""
    width = Counter(len(row) for row in rows if any(row)).most_common(1)[0][0] if any(map(any, rows)) else 0
    full = [row for row in rows if len(row) == width and any(row)]
    shorter = any(len(row) == width - 1 and all(row) for row in rows)
    if width < 3 or not shorter or len(full) < 2 or any(row[-1] for row in full):
        return rows
    return [row[:-1] if len(row) == width else row for row in rows]


def is_number(cell: str, comma: bool) -> bool:
    """Whether a cell is a number, or a limit; comma: of decimals."""
    bare = cell[1:].lstrip("= ") if cell[:1] in SIGNS else cell
    return bool(bare) and (parse_number(bare) is not None or (comma and decimal_comma(bare) is not None))


def is_value(cell: str, comma: bool) -> bool:
    """Whether a cell is what a table of measurements holds: a number, a word for a limit, a date, a time of day."""
    return is_number(cell, comma) or is_below(cell) or _DATE.fullmatch(cell) is not None


def dialects(lines: Sequence[str]) -> list[tuple[float, Dialect]]:
    """The ways to part cells that make a table, best first: how much of it are numbers, in rows of one width."""
    sample = [line for line in lines if line.strip() and not line.startswith(COMMENTS)][:SAMPLE]
    found = []
    for separator in SEPARATORS.values():
        for comma in (False,) if separator == "," else (False, True):
            if comma and not any("," in line for line in sample):
                continue
            rows = [split(line, separator) for line in sample]
            score = _score(rows, comma)
            if score > 0:
                found.append((score, Dialect(separator, comma)))
    # Of two equally good ones: the rarer sign, since blanks and commas also stand within cells.
    rank = list(SEPARATORS.values())
    found.sort(key=lambda one: (-one[0], one[1].comma, rank.index(one[1].separator)))
    return found


def _score(rows: Sequence[Sequence[str]], comma: bool) -> float:
    full = [row for row in rows if len(row) > 1 and any(is_value(cell, comma) for cell in row)]
    widths = Counter(map(len, full))
    if not widths:
        return 0.0
    width = max(widths, key=lambda w: (widths[w], w))
    cells = [cell for row in full if len(row) == width for cell in row if cell.lower() not in MISSING]
    values = sum(is_value(cell, comma) for cell in cells)
    has_header = any(len(row) == width and not any(is_value(cell, comma) for cell in row) for row in rows)
    return widths[width] * values / max(len(cells), 1) * (1.0 if has_header else HEADLESS)
