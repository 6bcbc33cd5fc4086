"""Where many panels stand: the wells of a plate where they are on it, else row by row."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

WELL = re.compile(r"(?:.*[\W_])?([A-Pa-p])(0?[1-9]|1\d|2[0-4])")
"""`B7`, `b07`, `plate 1_B7`: rows A to P, columns 1 to 24."""
LEAST = 4
"""Wells that make a plate."""
WIDEST = 12


def places(names: Sequence[str]) -> tuple[tuple[int, int], list[tuple[int, int]]]:
    """Rows and columns of a grid for panels with these names, and the place (row, column) of each.

    Parameters
    ----------
    names
        Of the experiments.

    Returns
    -------
    (rows, columns), list of (row, column)
    """
    wells = [WELL.fullmatch(name.strip()) for name in names]
    found = [(ord(well[1].upper()) - ord("A"), int(well[2]) - 1) for well in wells if well is not None]
    if len(found) == len(names) >= LEAST and len(set(found)) == len(found):
        first = min(row for row, _ in found), min(column for _, column in found)
        at = [(row - first[0], column - first[1]) for row, column in found]
        return (max(row for row, _ in at) + 1, max(column for _, column in at) + 1), at
    columns = min(WIDEST, max(1, math.ceil(math.sqrt(1.5 * len(names)))))
    return (math.ceil(len(names) / columns), columns), [divmod(k, columns) for k in range(len(names))]
