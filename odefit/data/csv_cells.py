"""What a cell of a CSV file may hold: a number, nothing, or a limit that the measurement did not reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from odefit.arrays import FloatArray
from odefit.data.error_list import FaultList
from odefit.records import dataclass
from odefit.text import LatePattern, clip

IntArray = NDArray[np.int64]
SignArray = NDArray[np.int8]

MISSING = frozenset({"", "na", "nan"})
"""Cells that stand for no value, in lower case."""
BELOW = frozenset({"blq", "bloq", "blloq", "bql", "blod", "bld", "bdl", "<lod", "<loq", "<lloq", "nd", "n.d."})
"""Words for a value below a limit that the cell does not name, in lower case."""
SIGNS = {"<": -1, "≤": -1, ">": 1, "≥": 1}
"""The sign before a limit, and on which side of it the truth lies."""
_DECIMAL_COMMA = LatePattern(r"[+−-]?\d*,\d+([eE][+−-]?\d+)?")
_FORTRAN = LatePattern(r"[+-]?(\d+\.\d*|\.\d+)[dD][+-]?\d{1,3}")
MINUS = "−"
"""What text programs write for `-`."""
_THOUSANDS = LatePattern(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?|[+-]?\d{1,3}(\.\d{3})+,\d+")
_LONG = 40
_DATE = LatePattern(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([T ].*)?|\d{1,2}:\d{2}(:\d{2}.*)?")
_WITH_UNIT = LatePattern(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?:%|[^\W\d_][^<>]*)")


@dataclass(frozen=True)
class MissingCells:
    """Cells that stand for no value beside `MISSING`.

    Parameters
    ----------
    words
        In lower case.
    numbers
        Such as -999.
    """

    words: frozenset[str] = frozenset()
    numbers: tuple[float, ...] = ()

    @classmethod
    def of(cls, cells: Iterable[str]) -> MissingCells:
        """Those of the config."""
        found = [cell.strip().lower() for cell in cells]
        numbers = [number for cell in found if (number := parse_number(cell)) is not None]
        return cls(frozenset(found), tuple(numbers))

    def means_none(self, cell: str) -> bool:
        """Whether a cell, without blanks around it, is one of these or of `MISSING`."""
        low = cell.lower()
        return low in MISSING or low in self.words

    def without(self, values: FloatArray) -> FloatArray:
        """[R] with NaN in place of the numbers."""
        if not self.numbers:
            return values
        return np.where(np.isin(values, self.numbers), np.nan, values)


NOTHING_ELSE = MissingCells()


@dataclass
class Decimals:
    """How the decimals of a file are written, as far as it is read.

    Parameters
    ----------
    with_comma
        Whether they may have a comma, as in a file with semicolons between its cells. It has no points.
    clear
        Whether one of the commas cannot part thousands.
    """

    with_comma: bool
    comma: tuple[int, str, str] | None = None
    point: tuple[int, str, str] | None = None
    clear: bool = False

    def note(self, cells: list[str], text: str, lines: IntArray, column: str) -> None:
        """text: the cells, joined."""
        if self.comma is None and "," in text:
            self.comma = self._first(cells, lines, column, lambda cell: decimal_comma(cell) is not None)
        if not self.clear and "," in text:
            self.clear = any("," in cell and not _looks_like_thousands(cell.strip()) for cell in cells)
        if self.point is None and "." in text:
            self.point = self._first(cells, lines, column, lambda cell: "." in cell and parse_number(cell) is not None)

    def _first(
        self, cells: list[str], lines: IntArray, column: str, fits: Callable[[str], bool]
    ) -> tuple[int, str, str] | None:
        found = (
            (int(line), column, cell.strip()) for line, cell in zip(lines, cells, strict=True) if fits(cell.strip())
        )
        return next(found, None)

    def check(self, faults: FaultList) -> None:
        """A fault for a file that has both: whether 1,234 is little or much is anybody's guess."""
        if self.comma is not None and self.point is not None:
            line, column, cell = self.comma
            other = f"'{clip(self.point[2])}' (line {self.point[0]}) a decimal point"
            what = f"'{clip(cell)}' has a decimal comma, and {other}; write points in the whole file"
            faults.add(line, column, what)
        elif self.comma is not None and not self.clear:
            line, column, cell = self.comma
            digits = cell.replace(",", "")
            other = clip(cell.replace(",", "."))
            faults.add(
                line, column, f"'{clip(cell)}' is {clip(digits)} or {other}: write one of these in the whole file"
            )


def _looks_like_thousands(cell: str) -> bool:
    return _THOUSANDS.fullmatch(cell) is not None and not cell.lstrip("+-").startswith("0")


@dataclass(frozen=True)
class NumberColumn:
    """What the cells of a column of numbers may be.

    Parameters
    ----------
    decimals
        Those of the file.
    required
        What its numbers are (`time`), where every row must have one; else empty.
    censorable
        Whether a cell may be censored: `<0.5` lies below 0.5, `>100` above 100.
    texts
        Takes what is no number, by its line; None where that is a fault.
    endless
        Whether a cell may be `inf`.
    missing
        Cells that stand for no value.
    ends
        Takes the lower end of cells such as `0.1..0.5`, whose number is the upper one, by their line; None where such
        cells are faults.
    """

    name: str
    decimals: Decimals
    required: str = ""
    censorable: bool = False
    texts: dict[int, str] | None = None
    endless: bool = False
    missing: MissingCells = NOTHING_ELSE
    ends: dict[int, float] | None = None


def parse_numbers(
    cells: list[str], lines: IntArray, column: NumberColumn, faults: FaultList
) -> tuple[FloatArray, SignArray | None]:
    """The cells as float64 [R], missing and faulty ones as NaN; and which are censored [R] (-1, 1), if any.

    A censored cell that names no limit (`BLQ`) is NaN with its sign.
    """
    text = "".join(cells)
    shown = cells
    if column.decimals.with_comma:
        column.decimals.note(cells, text, lines, column.name)
        if "," in text:
            cells = [decimal_comma(cell.strip()) or cell for cell in cells]
            text = "".join(cells)
    if text.isascii() and "_" not in text:  # float() would take 1_000 and digits of other scripts
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            pass
        else:
            if (np.isfinite(values) | (np.isposinf(values) & column.endless)).all():
                values = column.missing.without(values)
                if not column.missing.numbers or not column.required or not np.isnan(values).any():
                    return values, None
    values = np.full(len(cells), np.nan)
    censored: dict[int, int] = {}
    for number, raw in enumerate(cells):
        cell = raw.strip()
        value = math.nan if column.missing.means_none(cell) else parse_number(cell)
        sign = 0
        if value in column.missing.numbers:
            value = math.nan
        if value is None and column.censorable and is_below(cell):
            censored[number] = -1
            continue
        if value is None and column.censorable and (sign := SIGNS.get(cell[0], 0)):
            value = parse_number(_limit(cell))
            value = None if value is not None and math.isnan(value) else value
        if value is None and column.ends is not None and (found := interval(cell)) is not None:
            sign, value, column.ends[int(lines[number])] = found
        is_endless = value == math.inf and column.endless
        if value is not None and (is_endless or not math.isinf(value)) and not (column.required and math.isnan(value)):
            values[number] = value
            if sign:
                censored[number] = sign
            continue
        if column.texts is not None and value is None:
            column.texts[int(lines[number])] = shown[number].strip()
            continue
        kind, what = explain(shown[number].strip(), value, column)
        if faults.wants(int(lines[number]), column.name, kind):
            faults.tell(int(lines[number]), column.name, what, kind)
    if not censored:
        return values, None
    signs = np.zeros(len(cells), dtype=np.int8)
    signs[list(censored)] = list(censored.values())
    return values, signs


def parse_number(cell: str) -> float | None:
    """The number that a cell holds, infinite and NaN included, or None. `1.5D+01` of Fortran is 15."""
    cell = cell.replace(MINUS, "-")
    if not cell.isascii() or "_" in cell:
        return None
    try:
        return float(cell)
    except ValueError:
        return float(cell.replace("d", "e").replace("D", "e")) if _FORTRAN.fullmatch(cell) else None


def decimal_comma(cell: str) -> str | None:
    """`3.5` for `3,5`, and `<0.5` for `<0,5`; None for any other cell."""
    sign = cell[:1] if cell[:1] in SIGNS else ""
    number = _limit(cell) if sign else cell
    return sign + number.replace(",", ".") if _DECIMAL_COMMA.fullmatch(number) else None


def _limit(cell: str) -> str:
    """What stands after the sign of a censored cell; `<=` says the same as `<`."""
    return cell[1:].removeprefix("=").strip()


def is_below(cell: str) -> bool:
    """Whether a cell says that a value lies below a limit, and not which: BLQ, `< LOD`."""
    return len(cell) <= _LONG and cell.lower().replace(" ", "") in BELOW


def interval(cell: str) -> tuple[int, float, float] | None:
    """Sign, value and other end of `0.1..0.5`, a value that is at least 0.1 and below 0.5; None for any other cell.

    `>0.1..0.5` is the same seen from below: above 0.1, and at most 0.5.
    """
    ends = _ends(cell)
    if ends is None or not -math.inf < ends[0] < ends[1] < math.inf:
        return None
    return (1, ends[0], ends[1]) if cell[0] == ">" else (-1, ends[1], ends[0])


def _ends(cell: str) -> tuple[float, float] | None:
    """The two numbers of `0.1..0.5`, in whichever order; None of any other cell."""
    low, dots, high = cell.removeprefix(">").partition("..")
    ends = [parse_number(decimal_comma(end.strip()) or end.strip()) for end in (low, high)] if dots else []
    return None if len(ends) != 2 or ends[0] is None or ends[1] is None else (ends[0], ends[1])


def explain(cell: str, value: float | None, column: NumberColumn) -> tuple[str, str]:
    """Why a cell cannot be what its column asks for: a word for the kind of slip; and a sentence, with what to do."""
    shown = f"'{clip(cell)}'"
    remedy = "write a number" if column.required else "write a number or leave the cell empty"
    if value is not None and math.isnan(value):
        return "missing", f"the {column.required} is missing; write a number, or remove the row"
    if value is not None:
        return "infinite", f"{shown} is infinite; {remedy}"
    if cell[0] in SIGNS and not column.censorable and parse_number(_limit(cell).replace(",", ".")) is not None:
        return "limit", f"{shown} is a limit, which only a measured value can be; {remedy}"
    if (mended := decimal_comma(cell)) is not None and _THOUSANDS.fullmatch(cell):
        return "comma", f"{shown} has a comma; write {clip(mended)} or {cell.replace(',', '')}, whichever it means"
    if mended is not None:
        return "comma", f"{shown} has a decimal comma; write {clip(mended)}"
    if column.ends is not None and (ends := _ends(cell)) is not None and ends[0] >= ends[1]:
        low, _, high = cell.removeprefix(">").partition("..")
        mended = high.strip() if ends[0] == ends[1] else f"{high.strip()}..{low.strip()}"
        return "ends", f"{shown} is no interval, whose lower end comes first; write {clip(mended)}"
    if cell[0] in SIGNS and column.censorable:
        return "no limit", f"{shown} names no limit; write a number after the sign (<0.5), or leave the cell empty"
    if len(cell) > _LONG:
        return "text", f"{shown} is not a number; {remedy}"
    if _THOUSANDS.fullmatch(cell):
        return "thousands", f"{shown} has a separator of thousands; write the number without it, and a decimal point"
    if _DATE.fullmatch(cell):
        name, unit = ("a time of day", "hours") if ":" in cell[:3] else ("a date", "days")
        return "date", f"{shown} is {name}; write a number, such as the {unit} since the first one"
    if (number := _WITH_UNIT.fullmatch(cell)) is not None and parse_number(number[1]) is not None:
        return "unit", f"{shown} is not a number; write {number[1]}, without a unit"
    if column.censorable and not any(char.isdigit() for char in cell):
        remedy += f"; `data.missing: ['{cell}']` takes it for no value"
    return "text", f"{shown} is not a number; {remedy}"
