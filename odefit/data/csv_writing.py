"""Writing CSV that reads back as it was: names that survive, numbers to the last bit."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from odefit.data.atomic_files import atomic_write
from odefit.errors import DataError
from odefit.text import clip, show


def write_rows(path: Path | str, header: Sequence[str], rows: Iterable[Sequence[str | float]]) -> None:
    """Write a CSV file, whole or not at all, numbers with the fewest digits. Raises OSError as `atomic_write`."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    atomic_write(path, text.getvalue())


def number_cell(value: float) -> str:
    """The fewest digits that read back as the same float64; an empty cell for NaN."""
    return "" if math.isnan(value) else repr(float(value))


def check_names(path: Path | str, header: Sequence[str], experiments: Sequence[str]) -> None:
    """Names must survive the way back: distinct, printable, no blanks at their ends. Raises DataError."""
    for kind, names in (("column", list(header)), ("experiment", list(experiments))):
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(show(Path(path)), f"two {kind}s would be called '{clip(twice)}'; rename one")
        for name in names:
            if not name or name != name.strip() or not name.isprintable() or len(name) > 200:
                what = f"the {kind} name {clip(name)!r} cannot be written as CSV; rename it"
                raise DataError(show(Path(path)), what)
