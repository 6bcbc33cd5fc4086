"""The run folder's CSV tables as plain numbers: no pandas for a picture."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass

import numpy as np

from odefit.arrays import FloatArray
from odefit.errors import RunError
from odefit.fitting.run import Run
from odefit.runs import folder as files
from odefit.runs.stored import StoredRun
from odefit.uncertainty.covariance import MAX_LISTED


@dataclass(frozen=True)
class Rows:
    """A table by position: its own columns come first, and a parameter may have the name of one of them."""

    header: list[str]
    cells: list[list[str]]
    path: str

    def __len__(self) -> int:
        return len(self.cells)

    def text(self, column: int) -> list[str]:
        return [row[column] for row in self.cells]

    def numbers(self, column: int) -> FloatArray:
        """NaN for an empty cell. Raises RunError."""
        try:
            return np.array([float(row[column]) if row[column] else math.nan for row in self.cells], dtype=np.float64)
        except ValueError as error:
            raise RunError(self.path, f"is damaged: column {self.header[column]}: {error}; fit again") from None

    def position(self, name: str) -> int:
        """Of the first column of this name. Raises RunError."""
        if name not in self.header:
            raise RunError(self.path, f"is damaged: it has no column {name}; fit again")
        return self.header.index(name)


def read_rows(run: StoredRun, name: str) -> Rows | None:
    """A table of the run folder, None where the run has none. Raises RunError where it is damaged."""
    path = run.path / name
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *cells = csv.reader(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(str(path), f"cannot be read: {files.reason(error)}") from None
    except (ValueError, csv.Error):  # empty, or not text
        raise RunError(str(path), "is damaged: it is no table; fit again") from None
    if any(len(row) != len(header) for row in cells):
        raise RunError(str(path), "is damaged: its rows differ in length; fit again")
    return Rows(header, cells, str(path))


def read_covariance(run: Run) -> FloatArray | None:
    """[P, P] in search space, NaN where not determined; None where the run has none. Raises RunError.

    Of hundreds of parameters it may be a smaller one, of those that are shared by the experiments.
    """
    rows = read_rows(run, files.COVARIANCE)
    if rows is None:
        return None
    names = run.assembly.problem.table.estimated_names
    listed = tuple(rows.header[1:])
    fits = listed == names or (len(names) > MAX_LISTED and set(listed) <= set(names))
    if not fits or tuple(rows.text(0)) != listed:
        raise RunError(rows.path, "is damaged: it does not fit the parameters; fit again")
    if not listed:
        return np.zeros((0, 0))
    natural = np.stack([rows.numbers(k + 1) for k in range(len(listed))], axis=1)
    slope = run.assembly.problem.table.natural_slopes(run.theta, listed)
    with np.errstate(all="ignore"):
        return natural / np.outer(slope, slope)
