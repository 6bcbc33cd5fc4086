"""A CSV file as columns of numbers and labels, with every fault located.

No pandas on this path: a fit must start without its 0.25 s of import. The file is read in blocks, so that
memory stays near the size of the numbers. Accepted: UTF-8 (with or without a byte order mark), the
delimiters comma, tab and semicolon (then also decimal commas), quoted cells, any line ending, blank lines, and
comment lines (#) before the header. Limits: a file of 2 GiB, a header line of 1 MB, 100,000 comment or blank
lines before it, any other line of 10 MB, a cell of 131072 characters (the csv module's).
"""

from __future__ import annotations

import codecs
import csv
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.csv_cells import Decimals, IntArray, NumberColumn, SignArray, parse_number, parse_numbers
from odefit.data.error_list import FaultList, place
from odefit.data.labels import Labels, Lookup, check_labels
from odefit.data.number_tables import SAMPLE, has_numbers
from odefit.errors import DataError
from odefit.records import dataclass
from odefit.text import clip, counted, show, suggest

DELIMITERS = ",;\t"
MAX_BYTES = 2 * 1024**3  # The largest file.
MAX_HEADER = 1_000_000  # The most characters of a header.
MAX_ABOVE = 100_000  # The most lines above a header: comments and blank ones.
MAX_LINE = 10_000_000  # The most characters of a line.
CELLS_PER_BLOCK = 150_000  # The cells that are read at one time.
MOST_WANTED = 6  # The most names that a message lists.
CHARACTERS_PER_BLOCK = 10_000_000  # The characters that are read at one time, where cells are long.

_FOREIGN = (
    (codecs.BOM_UTF32_LE, "is UTF-32 text; save it as UTF-8"),
    (codecs.BOM_UTF16_LE, "is UTF-16 text; save it as UTF-8 (in Excel: 'CSV UTF-8')"),
    (codecs.BOM_UTF16_BE, "is UTF-16 text; save it as UTF-8 (in Excel: 'CSV UTF-8')"),
    (b"PK\x03\x04", "is a zip archive or an Excel workbook; export the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook; export the sheet as CSV"),
    (b"\x1f\x8b", "is compressed; unpack it first"),
)


@dataclass(frozen=True)
class Header:
    """The first line that is neither blank nor a comment (#): its cells, its number, the delimiter.

    where: how faults name a line and a column, where that is not as in a file.
    """

    path: Path
    delimiter: str
    names: tuple[str, ...]
    line: int
    where: Callable[[int, str], str] | None = None

    def place(self, line: int = 0, column: str = "") -> str:
        """What a line and a column are called in messages."""
        return place(self.path, line, column) if self.where is None else self.where(line, column)


@dataclass(frozen=True)
class Columns:
    """The columns that were asked for, by position in the header, and the line of each row [R].

    censored: for the columns of numbers with a censored cell, -1 (`<0.5`), 1 (`>100`) or 0 of each row [R].
    texts: for the columns of numbers that may hold something else, line -> that, and NaN among the numbers.
    """

    lines: IntArray
    numbers: Mapping[int, FloatArray]
    labels: Mapping[int, Labels]
    censored: Mapping[int, SignArray] = field(default_factory=dict)
    texts: Mapping[int, Mapping[int, str]] = field(default_factory=dict)


def read_header(path: Path, wanted: Sequence[str], where: str = "") -> Header:
    """The header of a CSV file. `wanted` are the column names hoped for: they decide on the delimiter.

    `where` is what a fault of the file as a whole is reported under (default: the path).
    """
    try:
        _check_file(path, where)
        with _open(path) as file:
            line, text = 1, file.readline(MAX_HEADER)
            while text and (not text.strip() or text.startswith("#")):
                if line > MAX_ABOVE or len(text) >= MAX_HEADER:
                    raise DataError(place(path, line), "no header yet; the first line must name the columns")
                line, text = line + 1, file.readline(MAX_HEADER)
            below = list(islice(_below(file), SAMPLE))
    except UnicodeDecodeError:
        raise _encoding_error(path) from None
    except (OSError, ValueError) as error:
        raise _whole(path, where, f"cannot be read: {_reason(error)}") from None
    if not text:
        raise _whole(path, where, "is empty; its first line must name the columns")
    header = _split_header(path, line, text, wanted)
    if not set(header.names) & set(wanted) and not has_numbers(below, header.delimiter, len(header.names)):
        names = ", ".join(map(clip, dict.fromkeys(wanted[:MOST_WANTED])))
        raise _whole(path, where, f"is no table of numbers: no column is called {names}, and its rows hold no numbers")
    return header


def _below(file: IO[str]) -> Iterator[str]:
    """The next lines, as far as they can be read: what is wrong with them is told by whoever reads them all."""
    try:
        while line := file.readline(MAX_HEADER):
            yield line
    except UnicodeDecodeError:
        return


def find_columns(header: Header, faults: FaultList) -> dict[str, int]:
    """Name -> position of the columns that have a name. Two of one name are a fault."""
    position: dict[str, int] = {}
    for index, name in enumerate(header.names):
        if name and position.setdefault(name, index) != index:
            what = f"two columns are called '{clip(name)}'; give each column a name of its own"
            faults.add(header.line, "", what)
    return position


def read_columns(
    header: Header,
    numbers: Sequence[int],
    labels: Sequence[int],
    *,
    required: Mapping[int, str],
    faults: FaultList,
    keep: Callable[[list[str]], bool] | None = None,
    censorable: Collection[int] = (),
    endless: Collection[int] = (),
    blank: Collection[int] = (),
    limit: int | None = None,
    wordy: Collection[int] = (),
) -> Columns:
    """Read some columns: `numbers` as float64 (missing = NaN), `labels` as names.

    required: the columns that must not be empty in any row, and what their cells are (`time`). There is at
        least one.
    keep: says which rows count; the others, and blank ones, are left out before their cells are looked at.
    censorable: the columns of `numbers` whose cells may be `<0.5` or `>100`: the number is in `numbers`.
    endless: those whose cells may be `inf`.
    blank: the columns of `labels` that may have empty cells, which are the label "".
    limit: more rows than this are a fault, and are not read.
    wordy: the columns of `numbers` that may hold something else, which is in `texts`.

    Whatever is wrong goes to `faults`.
    """
    reading = _Reading(header, numbers, labels, required, censorable, wordy, endless)
    try:
        with _open(header.path) as file:
            for _ in range(header.line):
                file.readline()
            for first, block in _blocks(file, header, faults):
                reading.add(*_select(first, block, header, next(iter(required)), keep, faults), faults)
                if limit is not None and reading.count > limit:
                    faults.add(0, "", f"has more rows than the limit of {limit:,}; write fewer")
                    break
    except UnicodeDecodeError:
        raise _encoding_error(header.path) from None
    except OSError as error:
        raise _whole(header.path, "", f"cannot be read: {_reason(error)}") from None
    reading.decimals.check(faults)
    found = reading.columns()
    for index, named in found.labels.items():
        check_labels(named, found.lines, header.names[index], index in blank, faults)
    return found


class _Reading:
    """Grows columns block by block."""

    def __init__(
        self,
        header: Header,
        numbers: Sequence[int],
        labels: Sequence[int],
        required: Mapping[int, str],
        censorable: Collection[int],
        wordy: Collection[int],
        endless: Collection[int],
    ) -> None:
        self.count = 0
        self.decimals = decimals = Decimals(header.delimiter == ";")
        self.texts: dict[int, dict[int, str]] = {index: {} for index in wordy}
        self.kinds = {
            i: NumberColumn(
                header.names[i], decimals, required.get(i, ""), i in censorable, self.texts.get(i), i in endless
            )
            for i in numbers
        }
        self.lines: list[IntArray] = []
        self.numbers: dict[int, list[FloatArray]] = {index: [] for index in numbers}
        self.signs: dict[int, list[SignArray | None]] = {index: [] for index in numbers}
        self.lookups = {index: Lookup() for index in labels}
        self.codes: dict[int, list[IntArray]] = {index: [] for index in labels}

    def add(self, lines: IntArray, rows: list[list[str]], faults: FaultList) -> None:
        self.count += len(rows)
        self.lines.append(lines)
        for index, kind in self.kinds.items():
            values, signs = parse_numbers([row[index] for row in rows], lines, kind, faults)
            self.numbers[index].append(values)
            self.signs[index].append(signs)
        for index, lookup in self.lookups.items():
            found = map(lookup.__getitem__, [row[index] for row in rows])
            self.codes[index].append(np.fromiter(found, np.int64, len(rows)))

    def columns(self) -> Columns:
        """All that was read. The blocks of a column are let go when it is whole: there is no memory for two."""
        lines = np.concatenate([*self.lines, np.empty(0, np.int64)])
        labels = {
            index: Labels(np.concatenate([*codes, np.empty(0, np.int64)]), self.lookups[index].names)
            for index, codes in self.codes.items()
        }
        marked = [index for index, parts in self.signs.items() if any(part is not None for part in parts)]
        censored = {index: self._join(self.signs[index]) for index in marked}
        numbers = {index: np.concatenate([*self.numbers.pop(index), np.empty(0)]) for index in self.kinds}
        return Columns(lines, numbers, labels, censored, self.texts)

    def _join(self, parts: Sequence[SignArray | None]) -> SignArray:
        """One array of the blocks; those without a censored cell have none."""
        filled = zip(parts, self.lines, strict=True)
        return np.concatenate([np.zeros(len(lines), np.int8) if part is None else part for part, lines in filled])


def _split_header(path: Path, line: int, text: str, wanted: Sequence[str]) -> Header:
    where = place(path, line)
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
    if any(parse_number(name) is not None for name in splits[best]) and not set(splits[best]) & set(wanted):
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
    if not found.st_size:  # nor is anything read from /proc, where some files never end
        raise _whole(path, where, "is empty; its first line must name the columns")
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


class _Lines:
    """The lines of a file, none of them so long that it could fill the memory; `read` counts their characters."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        readline = self.file.readline
        while line := readline(MAX_LINE):
            self.read += len(line)
            if len(line) == MAX_LINE:
                raise csv.Error(f"it is longer than {MAX_LINE // 1_000_000} MB")
            yield line


def _some(reader: Iterator[list[str]], lines: _Lines, most: int, rows: list[list[str]]) -> bool:
    """Add so many rows, fewer where they are long; False at the end of the file."""
    end = lines.read + CHARACTERS_PER_BLOCK
    for row in reader:
        rows.append(row)
        if len(rows) == most or lines.read > end:
            return True
    return False


def _blocks(file: IO[str], header: Header, faults: FaultList) -> Iterator[tuple[int, list[list[str]]]]:
    """(line of the first row, rows), some thousand rows at a time; one row is always one line."""
    lines = _Lines(file)
    reader = csv.reader(lines, delimiter=header.delimiter, strict=True, skipinitialspace=True)
    size = max(1, CELLS_PER_BLOCK // len(header.names))
    first, going = header.line + 1, True
    while going:
        rows: list[list[str]] = []
        problem = ""
        try:
            going = _some(reader, lines, size, rows)
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
            kind = f"{len(row)} cells"
            if faults.wants(first + number, "", kind):
                faults.tell(first + number, "", _ragged(len(row), width, header.delimiter), kind)
        elif keep is None or keep(row):
            chosen.append(number)
    return lines[chosen], [rows[number] for number in chosen]


def _ragged(found: int, width: int, delimiter: str) -> str:
    what = f"this row has {counted(found, 'cell')}, the header has {width}"
    if delimiter == "," and found > width:
        return f"{what}; write one cell per column, and decimals with a point (3.5, not 3,5)"
    return f"{what}; write one cell per column"
