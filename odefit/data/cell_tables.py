"""Cells of an experiment as a user gives them: arrays, or a mapping of columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from odefit.arrays import FloatArray
from odefit.data.cell_texts import split_cells
from odefit.data.csv_cells import parse_number
from odefit.errors import DataError

Columns = ArrayLike | Mapping[str, ArrayLike]


def real_array(name: str, what: str, given: ArrayLike) -> FloatArray:
    """Numbers of any shape. Raises DataError, which says what they were of which experiment."""
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"experiment {name}", f"{what}: must be numbers; NaN or None where there is none") from None


def cell_table(
    name: str, what: str, given: Columns, names: Sequence[str], rows: int, missing: float = math.nan
) -> FloatArray:
    """[T, O]; a mapping need not name all observables."""
    if not isinstance(given, Mapping):
        array = real_array(name, what, given)
        return array[:, None] if array.ndim == 1 else array
    found = np.full((rows, len(names)), missing)
    for column, values in given.items():
        if column not in names:
            raise DataError(f"experiment {name}", f"{what}: '{column}' is none of the observables {', '.join(names)}")
        array = real_array(name, f"{what} of {column}", values)
        if array.shape != (rows,):
            remedy = f"needed is one for each of {rows} times"
            raise DataError(f"experiment {name}", f"{what}: {column} has the shape {array.shape}; {remedy}")
        found[:, names.index(column)] = array
    return found


def beside_table(name: str, what: str, given: Columns, names: Sequence[str], rows: int, width: int) -> FloatArray:
    """[T, O]; one number for each time stands beside every observable."""
    table = cell_table(name, what, given, names, rows)
    alike = not isinstance(given, Mapping) and table.ndim == 2 and table.shape[1] == 1
    return np.repeat(table, width, axis=1) if alike else table


def beside_tables(
    name: str, key: str, given: Columns, names: Sequence[str], rows: int, width: int
) -> dict[str, FloatArray]:
    """The tables of a covariate, whose cells may be formulas (cell_texts.py)."""
    columns = given if isinstance(given, Mapping) else {None: given}
    numbers: dict[Any, Any] = {}
    texts: list[tuple[Any, str]] = []
    for column, cells in columns.items():
        array = np.asarray(cells, dtype=object) if not isinstance(cells, np.ndarray) else cells
        if array.dtype != object:
            numbers[column] = cells
            continue
        words = [isinstance(cell, str) and parse_number(cell.strip()) is None for cell in array.flat]
        numbers[column] = np.array([np.nan if word else cell for word, cell in zip(words, array.flat, strict=True)])
        numbers[column] = numbers[column].reshape(array.shape)
        for place in np.flatnonzero(words).tolist():
            at = np.unravel_index(place, array.shape)
            where = (*at, slice(None)) if column is None and array.ndim == 1 else at
            texts.append(
                (where if column is None else (*at, list(names).index(column)), str(array.flat[place]).strip())
            )
    table = beside_table(name, f"covariates: {key}", numbers.get(None, numbers), names, rows, width)
    return split_cells(key, table, texts)


def end_faults(values: FloatArray, censored: NDArray[np.int8] | None, ends: FloatArray) -> Iterator[str]:
    """What is wrong with the ends [T, O] of an experiment."""
    known = ~np.isnan(ends)
    sides = np.zeros(values.shape) if censored is None else censored
    if np.isinf(ends).any():
        yield "other_end: one is infinite; write NaN where the interval has no other end"
    elif (known & ((sides == 0) | np.isnan(values))).any():
        yield "other_end: one stands where `censored` does not say on which side of the value the truth lies"
    elif (known & (sides * (ends - values) <= 0)).any():
        yield "other_end: one is on the other side of the value than `censored` says"
