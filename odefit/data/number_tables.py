"""Whether a file is a table of numbers at all: nothing of one that is none may be shown in a message.

A config from a stranger may name any file that its reader can open.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from itertools import islice

from odefit.data.csv_cells import parse_number

SAMPLE = 100
"""Lines that are looked at."""
LONGEST = 10_000
"""Characters of a line that are."""


def has_numbers(lines: Iterable[str], delimiter: str, width: int) -> bool:
    """Whether at least half of the first lines below a header are rows of `width` cells, two or more, with a number."""
    looked_at = [line[:LONGEST] for line in islice(lines, SAMPLE) if line.strip()]
    return width > 1 and 2 * sum(_is_row(line, delimiter, width) for line in looked_at) >= max(len(looked_at), 1)


def _is_row(line: str, delimiter: str, width: int) -> bool:
    try:
        cells = next(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True))
    except (csv.Error, StopIteration):
        return False
    return len(cells) == width and any(parse_number(cell.strip()) is not None for cell in cells)
