"""A CSV file as columns of numbers and labels, with every fault located.

No pandas on this path: a fit must start without its 0.25 s of import. The file is read in blocks, so that
memory stays near the size of the numbers. Accepted: UTF-8 (with or without a byte order mark), the
delimiters comma, semicolon and tab, quoted cells, any line ending, blank lines, and comment lines (#) before
the header. Limits: a file of 2 GiB, a header line of 1 MB, a cell of 131072 characters (the csv module's).
"""

from __future__ import annotations

import codecs
import csv
import math
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from odefit.data.experiments import FloatArray
from odefit.data.faults import FaultList, clip, show, suggest
from odefit.errors import DataError

IntArray = NDArray[np.int64]

MISSING = frozenset({"", "na", "nan"})
DELIMITERS = ",;\t"
MAX_BYTES = 2 * 1024**3
MAX_HEADER = 1_000_000
CELLS_PER_BLOCK = 150_000

_FOREIGN = (
    (codecs.BOM_UTF32_LE, "is UTF-32 text; save it as UTF-8"),
    (codecs.BOM_UTF16_LE, "is UTF-16 text; save it as UTF-8 (in Excel: 'CSV UTF-8')"),
    (codecs.BOM_UTF16_BE, "is UTF-16 text; save it as UTF-8 (in Excel: 'CSV UTF-8')"),
    (b"PK\x03\x04", "is a zip archive or an Excel workbook; export the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook; export the sheet as CSV"),
    (b"\x1f\x8b", "is compressed; unpack it first"),
)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Header:
    """The first line that is neither blank nor a comment (#): its cells, its number, the delimiter."""

    path: Path
    delimiter: str
    names: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Labels:
    """A column of names: `names[codes[row]]`, in the order of first appearance. codes: [R]."""

    codes: IntArray
    names: tuple[str, ...]


@dataclass(frozen=True)
class Columns:
    """The columns that were asked for, by position in the header, and the line of each row [R]."""

    lines: IntArray
    numbers: Mapping[int, FloatArray]
    labels: Mapping[int, Labels]


def read_header(path: Path, wanted: Sequence[str], where: str = "") -> Header:
    """The header of a CSV file. `wanted` are the column names hoped for: they decide on the delimiter.

    `where` is what a fault of the file as a whole is reported under (default: the path).
    """
    try:
        _check_file(path, where)
        with _open(path) as file:
            line, text = 1, file.readline(MAX_HEADER)
            while text and (not text.strip() or text.startswith("#")):
                line, text = line + 1, file.readline(MAX_HEADER)
    except UnicodeDecodeError:
        raise _encoding_error(path) from None
    except (OSError, ValueError) as error:
        raise _whole(path, where, f"cannot be read: {_reason(error)}") from None
    if not text:
        raise _whole(path, where, "is empty; its first line must name the columns")
    return _split_header(path, line, text, wanted)


def read_columns(
    header: Header,
    numbers: Sequence[int],
    labels: Sequence[int],
    *,
    required: int,
    keep: Callable[[list[str]], bool] | None,
    faults: FaultList,
) -> Columns:
    """Read some columns: `numbers` as float64 (missing = NaN), `labels` as names.

    The column `required` (one of `numbers`) must have a number in every row. Rows that are blank, or that
    `keep` refuses, are left out before their cells are looked at. Whatever is wrong goes to `faults`.
    """
    lines: list[IntArray] = []
    parts: dict[int, list[FloatArray]] = {index: [] for index in numbers}
    lookups = {index: _Lookup() for index in labels}
    codes: dict[int, list[IntArray]] = {index: [] for index in labels}
    try:
        with _open(header.path) as file:
            for _ in range(header.line):
                file.readline()
            for first, block in _blocks(file, header, faults):
                kept, rows = _select(first, block, header, required, keep, faults)
                lines.append(kept)
                for index in numbers:
                    cells = [row[index] for row in rows]
                    name = header.names[index]
                    parts[index].append(_numbers(cells, kept, name, index == required, faults))
                for index in labels:
                    found = map(lookups[index].__getitem__, [row[index] for row in rows])
                    codes[index].append(np.fromiter(found, np.int64, len(rows)))
    except UnicodeDecodeError:
        raise _encoding_error(header.path) from None
    except OSError as error:
        raise _whole(header.path, "", f"cannot be read: {_reason(error)}") from None
    every = np.concatenate([*lines, np.empty(0, np.int64)])
    named = {}
    for index, found_in in codes.items():
        named[index] = Labels(np.concatenate([*found_in, np.empty(0, np.int64)]), lookups[index].names)
        _check_labels(named[index], every, header.names[index], faults)
    return Columns(every, {i: np.concatenate([*parts.pop(i), np.empty(0)]) for i in numbers}, named)


def _split_header(path: Path, line: int, text: str, wanted: Sequence[str]) -> Header:
    where = f"{show(path)}:{line}"
    if len(text) >= MAX_HEADER:
        raise DataError(where, "this line is longer than 1 MB; the first line must name the columns")
    splits: dict[str, tuple[str, ...]] = {}
    for delimiter in DELIMITERS:
        try:
            cells = next(csv.reader([text], delimiter=delimiter, strict=True, skipinitialspace=True))
        except csv.Error:
            continue
        splits[delimiter] = tuple(cell.strip() for cell in cells)
    if not splits:
        raise DataError(where, "the quotes of this line do not match, or a name is far too long")
    best = max(splits, key=lambda d: (len(set(splits[d]) & set(wanted)), len(splits[d])))
    if all(_number(name) is not None for name in splits[best]):
        raise DataError(where, "this line holds numbers; the first line must name the columns")
    return Header(path, best, splits[best], line)


def _whole(path: Path, where: str, what: str) -> DataError:
    return DataError(where, f"{show(path)} {what}") if where else DataError(show(path), what)


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text[:1].lower() + text[1:]


def _open(path: Path) -> IO[str]:
    return open(path, encoding="utf-8-sig", newline="")


def _check_file(path: Path, where: str) -> None:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise _whole(path, where, f"does not exist; {_neighbours(path)}") from None
    if stat.S_ISDIR(found.st_mode):
        raise _whole(path, where, "is a directory; name a CSV file in it")
    if not stat.S_ISREG(found.st_mode):
        raise _whole(path, where, "is not a regular file; copy the data into one")
    if found.st_size > MAX_BYTES:
        raise _whole(path, where, f"has {found.st_size / 1024**3:.1f} GiB; the limit is 2 GiB")
    with open(path, "rb") as file:
        head = file.read(65536)
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            raise _whole(path, where, what)
    if b"\0" in head:
        raise _whole(path, where, "is not text (it holds NUL bytes); save it as CSV in UTF-8")


def _neighbours(path: Path) -> str:
    """What to do about a path that leads nowhere."""
    folder = path.parent
    try:
        with os.scandir(folder) as entries:
            files = sorted(entry.name for entry in islice(entries, 1000) if entry.is_file())
    except OSError:
        return f"nor does the folder {show(folder)}"
    return suggest(path.name, [name for name in files if not name.startswith(".")])


def _encoding_error(path: Path) -> DataError:
    with open(path, "rb") as file:
        for line, raw in enumerate(file, start=1):
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = raw[error.start]
                what = f"the byte 0x{byte:02x} is not UTF-8 ({clip(chr(byte))} in Latin-1); save it as UTF-8"
                return DataError(f"{show(path)}:{line}", what)
    return DataError(show(path), "is not UTF-8 text; save the file as UTF-8")


def _blocks(file: IO[str], header: Header, faults: FaultList) -> Iterator[tuple[int, list[list[str]]]]:
    """(line of the first row, rows), some thousand rows at a time; one row is always one line."""
    reader = csv.reader(file, delimiter=header.delimiter, strict=True, skipinitialspace=True)
    size = max(1, CELLS_PER_BLOCK // len(header.names))
    first, going = header.line + 1, True
    while going:
        rows: list[list[str]] = []
        problem = ""
        try:
            for row in islice(reader, size):
                rows.append(row)
            going = len(rows) == size
        except csv.Error as error:
            problem = f"this line cannot be split into cells ({error}); is a quote missing?"
        if problem or header.line + reader.line_num != first + len(rows) - 1:
            broken = (number for number, row in enumerate(rows) if any("\n" in c or "\r" in c for c in row))
            number = next(broken, None)
            if number is not None:
                problem = "a quoted cell goes on in the next line; is a quote missing?"
                del rows[number:]
            faults.add(first + len(rows), "", problem)
            going = False
        yield first, rows
        first += len(rows)


def _select(
    first: int,
    rows: list[list[str]],
    header: Header,
    required: int,
    keep: Callable[[list[str]], bool] | None,
    faults: FaultList,
) -> tuple[IntArray, list[list[str]]]:
    """The rows of a block that count, and their lines."""
    width = len(header.names)
    lines = np.arange(first, first + len(rows), dtype=np.int64)
    if keep is None and set(map(len, rows)) == {width} and all(row[required].strip() for row in rows):
        return lines, rows
    chosen = []
    for number, row in enumerate(rows):
        if not any(map(str.strip, row)):
            continue
        if len(row) != width:
            if faults.wants(first + number):
                faults.tell(first + number, "", _ragged(len(row), width, header.delimiter))
        elif keep is None or keep(row):
            chosen.append(number)
    return lines[chosen], [rows[number] for number in chosen]


def _ragged(found: int, width: int, delimiter: str) -> str:
    what = f"this row has {found} cell{'s' * (found != 1)}, the header has {width}"
    if delimiter == "," and found > width:
        return f"{what}; write one cell per column, and decimals with a point (3.5, not 3,5)"
    return f"{what}; write one cell per column"


def _numbers(cells: list[str], lines: IntArray, name: str, required: bool, faults: FaultList) -> FloatArray:
    """The cells as float64 [R]; missing and faulty ones are NaN."""
    text = "".join(cells)
    if text.isascii() and "_" not in text:  # float() would take 1_000 and digits of other scripts
        try:
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            pass
        else:
            if np.isfinite(values).all():
                return values
    values = np.full(len(cells), np.nan)
    for number, raw in enumerate(cells):
        cell = raw.strip()
        value = math.nan if cell.lower() in MISSING else _number(cell)
        if value is not None and not math.isinf(value) and not (required and math.isnan(value)):
            values[number] = value
        elif faults.wants(int(lines[number])):
            faults.tell(int(lines[number]), name, _explain(cell, value, required))
    return values


def _number(cell: str) -> float | None:
    if not cell.isascii() or "_" in cell:
        return None
    try:
        return float(cell)
    except ValueError:
        return None


def _explain(cell: str, value: float | None, required: bool) -> str:
    shown = f"'{clip(cell)}'"
    remedy = "write a number" if required else "write a number or leave the cell empty"
    if value is not None and math.isnan(value):
        return "the time is missing; write a number, or remove the row"
    if value is not None:
        return f"{shown} is infinite; {remedy}"
    if _DECIMAL_COMMA.fullmatch(cell):
        return f"{shown} has a decimal comma; write {clip(cell.replace(',', '.'))}"
    return f"{shown} is not a number; {remedy}"


class _Lookup(dict[str, int]):
    """Cell -> code of its label: the blanks around a label do not count."""

    def __init__(self) -> None:
        super().__init__()
        self._codes: dict[str, int] = {}

    def __missing__(self, cell: str) -> int:
        label = cell.strip()
        code = self[cell] = self._codes.setdefault(label, len(self._codes))
        return code

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._codes)


def _check_labels(labels: Labels, lines: IntArray, column: str, faults: FaultList) -> None:
    """A label is one line of printable text, at most 200 characters."""
    bad = [c for c, name in enumerate(labels.names) if not (name and name.isprintable() and len(name) <= 200)]
    if not bad:
        return
    seen, rows = np.unique(labels.codes, return_index=True)
    first = dict(zip(seen.tolist(), lines[rows].tolist(), strict=True))
    for code in bad:
        name = labels.names[code]
        if not name:
            what = "the cell is empty; write a name in every row"
        elif len(name) > 200:
            what = f"'{clip(name)}' is longer than 200 characters; write a shorter name"
        else:
            what = f"'{clip(name)}' holds a character that cannot be printed; remove it"
        faults.add(first[code], column, what)
