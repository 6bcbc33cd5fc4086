"""A CSV file as columns of numbers and labels, with every fault located.

No pandas on this path: a fit must start without its 0.25 s of import. The file is read in blocks, so that
memory stays near the size of the numbers. Accepted: UTF-8 (with or without a byte order mark), the
delimiters comma, tab and semicolon (then also decimal commas), quoted cells, any line ending, blank lines, and
comment lines (#) before the header. Limits: a file of 2 GiB, a header line of 1 MB, 100,000 comment or blank
lines before it, any other line of 10 MB, a cell of 131072 characters (the csv module's).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import IO

import numpy as np

from odefit.data.columns import ColumnReading, Columns, Header, Request, is_header
from odefit.data.csv_cells import IntArray, parse_number
from odefit.data.error_list import FaultList, place
from odefit.data.number_tables import SAMPLE, has_numbers
from odefit.data.source_files import check_file, encoding_error, open_text, reason, whole_fault
from odefit.errors import DataError
from odefit.text import clip, counted

DELIMITERS = ",;\t"
MAX_HEADER = 1_000_000  # The most characters of a header.
MAX_ABOVE = 100_000  # The most lines above a header: comments and blank ones.
MAX_LINE = 10_000_000  # The most characters of a line.
CELLS_PER_BLOCK = 150_000  # The cells that are read at one time.
MOST_WANTED = 6  # The most names that a message lists.
ROWS_AT_ONCE = 16  # Between two looks at how many characters that were.
CHARACTERS_AT_ONCE = 500_000  # The characters that are taken from the file at one time.
CHARACTERS_PER_BLOCK = 10_000_000  # The characters that are read at one time, where cells are long.


def read_header(path: Path, wanted: Sequence[str], where: str = "") -> Header:
    """The header of a CSV file. `wanted` are the column names hoped for: they decide on the delimiter.

    `where` is what a fault of the file as a whole is reported under (default: the path).
    """
    try:
        check_file(path, where)
        with open_text(path) as file:
            line, text = 1, file.readline(MAX_HEADER)
            while text and (not text.strip() or text.startswith("#")):
                if line > MAX_ABOVE or len(text) >= MAX_HEADER:
                    raise DataError(place(path, line), "no header yet; the first line must name the columns")
                line, text = line + 1, file.readline(MAX_HEADER)
            below = list(islice(_below(file), SAMPLE))
    except UnicodeDecodeError:
        raise encoding_error(path) from None
    except (OSError, ValueError) as error:
        raise whole_fault(path, where, f"cannot be read: {reason(error)}") from None
    if not text:
        raise whole_fault(path, where, "is empty; its first line must name the columns")
    header = _split_header(path, line, text, wanted)
    if not set(header.names) & set(wanted) and not has_numbers(below, header.delimiter, len(header.names)):
        names = ", ".join(map(clip, dict.fromkeys(wanted[:MOST_WANTED])))
        raise whole_fault(
            path, where, f"is no table of numbers: no column is called {names}, and its rows hold no numbers"
        )
    return header


def _below(file: IO[str]) -> Iterator[str]:
    """The next lines, as far as they can be read: what is wrong with them is told by whoever reads them all."""
    try:
        while line := file.readline(MAX_HEADER):
            yield line
    except UnicodeDecodeError:
        return


def read_columns(header: Header, request: Request, faults: FaultList) -> Columns:
    """Read some columns, block by block, no further than the limit of rows. Whatever is wrong goes to `faults`."""
    reading = ColumnReading(header, request)
    required = next(iter(request.required))
    try:
        with open_text(header.path) as file:
            for _ in range(header.line):
                file.readline()
            for first, block in _blocks(file, header, faults):
                reading.add(*_select(first, block, header, required, request.keep, faults), faults)
                if not request.allows(reading.count, faults):
                    break
    except UnicodeDecodeError:
        raise encoding_error(header.path) from None
    except OSError as error:
        raise whole_fault(header.path, "", f"cannot be read: {reason(error)}") from None
    return reading.finish(faults)


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
    parted = text.split() if len(splits[best]) == 1 else []  # by blanks
    numbers = any(parse_number(name) is not None for name in splits[best]) or (
        len(parted) > 1 and all(parse_number(name) is not None for name in parted)
    )
    if numbers and not set(splits[best]) & set(wanted):
        raise DataError(
            where, "this line holds numbers; the first line must name the columns, or `data.header: [time, …]`"
        )
    return Header(path, best, splits[best], line)


class _Lines:
    """The lines of a file, none of them so long that it could fill the memory; `read` counts their characters."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        # No turn of Python for a line: there are millions.
        return chain.from_iterable(self._parts())

    def _parts(self) -> Iterator[list[str]]:
        """Some lines at a time."""
        rest = ""
        while text := self.file.read(CHARACTERS_AT_ONCE):
            self.read += len(text)
            *lines, rest = io.StringIO(rest + text, newline="")
            if lines:
                self._check(lines[0])  # the others lie within one reading
                yield lines
            self._check(rest)
        if rest:
            yield [rest]

    @staticmethod
    def _check(line: str) -> None:
        if len(line) >= MAX_LINE:
            raise csv.Error(f"it is longer than {MAX_LINE // 1_000_000} MB")


def _some(reader: Iterator[list[str]], lines: _Lines, most: int, rows: list[list[str]]) -> bool:
    """Add so many rows, fewer where they are long; False at the end of the file."""
    end = lines.read + CHARACTERS_PER_BLOCK
    while len(rows) < most and lines.read <= end:
        before = len(rows)
        rows.extend(islice(reader, min(ROWS_AT_ONCE, most - before)))
        if len(rows) == before:
            return False
    return True


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
    """The rows of a block that count, and their lines. A header that comes again parts series as a blank line does."""
    width = len(header.names)
    lines = np.arange(first, first + len(rows), dtype=np.int64)
    again = header.names[required]
    if keep is None and set(map(len, rows)) == {width}:
        cells = [row[required] for row in rows]
        if all(map(str.strip, cells)) and again not in cells:
            return lines, rows
    chosen = []
    for number, row in enumerate(rows):
        if not any(map(str.strip, row)) or is_header(row, header):
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
