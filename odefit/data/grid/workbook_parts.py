"""The parts of a workbook, which is a zip archive of XML: whole, of a size that fits into memory, no cell astray.

A reader of sheets holds the rectangle of all cells with values in memory. One value in the last cell of a sheet makes
that 17 billion cells, so what the references of the cells reach to is looked at first: by a pattern, and where that
finds cells far out, exactly.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from odefit.data.grid.xml_events import go_through
from odefit.data.source_files import whole_fault

MAX_UNPACKED = 1024**3
"""The most bytes that a workbook may unpack to."""
MAX_CELLS = 50_000_000
"""The most cells of the rectangle that holds all values of a sheet."""
BLOCK = 1 << 20
OVERLAP = 64
FIRST_ROWS, FIRST_COLUMNS = 99_999, 26
"""What references of few signs reach to."""
_FAR_COLUMN = re.compile(rb"r\s*=\s*[\"']\s*([A-Za-z]{2,9})[0-9]")
_FAR_ROW = re.compile(rb"r\s*=\s*[\"']\s*[A-Za-z]{0,9}([0-9]{6,12})")
_REFERENCE = re.compile(r"([A-Z]{1,5})([0-9]{1,9})")
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError),
    expat.ExpatError,
)


def check_parts(path: Path, where: str) -> None:
    """Refuse archives that are damaged, no workbooks, or larger than they may be. Raises DataError."""
    damaged = "is a zip archive or an Excel workbook, and damaged; export the sheet as CSV"
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            names = {part.filename for part in parts}
            if sum(part.file_size for part in parts) > MAX_UNPACKED:
                raise whole_fault(path, where, f"unpacks to more than {MAX_UNPACKED // 1024**3} GiB; export a CSV")
            if "xl/workbook.bin" in names:
                raise whole_fault(path, where, "is a binary workbook (.xlsb); save it as .xlsx, or export a CSV")
            if not any(name.startswith("xl/") for name in names) and "content.xml" not in names:
                raise whole_fault(path, where, "is a zip archive and no workbook; unpack it first")
            if "content.xml" in names:  # of OpenDocument: its reader is given no XML that is not whole
                go_through(archive.open("content.xml"))
            for part in parts:
                farthest = _too_far(archive, part) if _may_reach(archive, part) > MAX_CELLS else ""
                if farthest:
                    what = f"has a value far from the others, in the cell {farthest}: more than {MAX_CELLS:,} cells"
                    raise whole_fault(path, where, f"{what}; delete it, or export the table as CSV")
    except _DAMAGE:
        raise whole_fault(path, where, damaged) from None


def _may_reach(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> int:
    """The most cells of the rectangle that all references of a part span, empty cells among them."""
    row, column = FIRST_ROWS, FIRST_COLUMNS
    for block in _blocks(archive, part):
        column = max([column, *map(_column, set(_FAR_COLUMN.findall(block)))])
        row = max([row, *map(int, _FAR_ROW.findall(block))])
    return row * column


def _column(letters: bytes) -> int:
    """The number of a column from 1."""
    number = 0
    for letter in letters.upper():
        number = 26 * number + letter - 64
    return number


def _blocks(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """A part piece by piece, each with the end of the one before. Reading to the end compares the checksum."""
    with archive.open(part) as file:
        end = b""
        while block := file.read(BLOCK):
            yield end + block
            end = block[-OVERLAP:]


def _too_far(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> str:
    """The last cell with a value where all of them need too large a rectangle; else an empty text."""
    sheet = _Extent()
    try:
        go_through(archive.open(part), " ", StartElementHandler=sheet.begin, CharacterDataHandler=sheet.text)
    except expat.ExpatError:
        return ""  # no sheet, or a damaged one, which the reader refuses
    rows, columns = (high - low + 1 for low, high in (sheet.rows, sheet.columns))
    return sheet.last if rows * columns > MAX_CELLS else ""


class _Extent:
    """The rectangle of the cells with values, as far as they say where they stand."""

    def __init__(self) -> None:
        self.rows = self.columns = (1, 1)
        self.last = ""
        self._reference = ""
        self._in_value = False

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition(" ")[2]
        if tag == "c":
            self._reference = attributes.get("r", "")
        self._in_value = tag == "v"
        if tag == "is":
            self._reach()

    def text(self, _: str) -> None:
        if self._in_value:
            self._reach()

    def _reach(self) -> None:
        found = _REFERENCE.fullmatch(self._reference)
        self._reference = ""
        if found is None:
            return
        row, column = int(found[2]), _column(found[1].encode())
        if row * column >= self.rows[1] * self.columns[1]:
            self.last = found[0]
        self.rows = (min(self.rows[0], row), max(self.rows[1], row))
        self.columns = (min(self.columns[0], column), max(self.columns[1], column))
