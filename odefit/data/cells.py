"""What a cell of a CSV file may hold: a number, nothing, or a limit that the measurement did not reach."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from odefit.data.experiments import FloatArray
from odefit.data.faults import FaultList, clip

IntArray = NDArray[np.int64]
SignArray = NDArray[np.int8]

MISSING = frozenset({"", "na", "nan"})
SIGNS = {"<": -1, "≤": -1, ">": 1, "≥": 1}
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")


@dataclass(frozen=True)
class NumberColumn:
    """What the cells of a column of numbers may be.

    required: what its numbers are (`time`), where every row must have one; else empty.
    censorable: whether a cell may be censored: `<0.5` lies below 0.5, `>100` above 100.
    """

    name: str
    required: str = ""
    censorable: bool = False


def parse_numbers(
    cells: list[str], lines: IntArray, column: NumberColumn, faults: FaultList
) -> tuple[FloatArray, SignArray | None]:
    """The cells as float64 [R], missing and faulty ones as NaN; and which are censored [R] (-1, 1), if any."""
    text = "".join(cells)
    if text.isascii() and "_" not in text:  # float() would take 1_000 and digits of other scripts
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            pass
        else:
            if np.isfinite(values).all():
                return values, None
    values = np.full(len(cells), np.nan)
    censored: dict[int, int] = {}
    for number, raw in enumerate(cells):
        cell = raw.strip()
        value = math.nan if cell.lower() in MISSING else parse_number(cell)
        sign = 0
        if value is None and column.censorable and (sign := SIGNS.get(cell[0], 0)):
            value = parse_number(_limit(cell))
            value = None if value is not None and math.isnan(value) else value
        if value is not None and not math.isinf(value) and not (column.required and math.isnan(value)):
            values[number] = value
            if sign:
                censored[number] = sign
        elif faults.wants(int(lines[number])):
            faults.tell(int(lines[number]), column.name, _explain(cell, value, column))
    if not censored:
        return values, None
    signs = np.zeros(len(cells), dtype=np.int8)
    signs[list(censored)] = list(censored.values())
    return values, signs


def parse_number(cell: str) -> float | None:
    """The number that a cell holds, infinite and NaN included, or None."""
    if not cell.isascii() or "_" in cell:
        return None
    try:
        return float(cell)
    except ValueError:
        return None


def decimal_comma(cell: str) -> str | None:
    """`3.5` for `3,5`, and `<0.5` for `<0,5`; None for any other cell."""
    sign = cell[:1] if cell[:1] in SIGNS else ""
    number = _limit(cell) if sign else cell
    return sign + number.replace(",", ".") if _DECIMAL_COMMA.fullmatch(number) else None


def _limit(cell: str) -> str:
    """What stands after the sign of a censored cell; `<=` says the same as `<`."""
    return cell[1:].removeprefix("=").strip()


def _explain(cell: str, value: float | None, column: NumberColumn) -> str:
    """Why a cell cannot be what its column asks for, and what to do."""
    shown = f"'{clip(cell)}'"
    remedy = "write a number" if column.required else "write a number or leave the cell empty"
    if value is not None and math.isnan(value):
        return f"the {column.required} is missing; write a number, or remove the row"
    if value is not None:
        return f"{shown} is infinite; {remedy}"
    if cell[0] in SIGNS and not column.censorable and parse_number(_limit(cell).replace(",", ".")) is not None:
        return f"{shown} is a limit, which only a measured value can be; {remedy}"
    if (mended := decimal_comma(cell)) is not None:
        return f"{shown} has a decimal comma; write {clip(mended)}"
    if cell[0] in SIGNS and column.censorable:
        return f"{shown} names no limit; write a number after the sign (<0.5), or leave the cell empty"
    return f"{shown} is not a number; {remedy}"
