"""Cells of workbooks whose formula failed (#N/A, #DIV/0!): they hold nothing, whatever number is stored with them."""

from __future__ import annotations

import io
import itertools
import posixpath
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.parsers import expat

from odefit.data.grid.xml_events import go_through
from odefit.records import dataclass
from odefit.text import abridged, counted

_CELL = re.compile(rb"<(?:\w+:)?c\b([^>]*\bt\s*=\s*[\"']e[\"'][^>]*)>(.{0,400}?)</(?:\w+:)?c>", re.DOTALL)
_PLACE = re.compile(rb"\br\s*=\s*[\"']([A-Z]{1,3}[0-9]{1,7})[\"']")
_WORD = re.compile(rb"<(?:\w+:)?v>(#[^<]{1,20})</")
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml")
_MAY_FAIL = re.compile(rb"value-type=[\"']error[\"']|>(?:#[A-Z]|Err:)")
_FAILED = re.compile(r"#(?:N/A|DIV/0!|VALUE!|REF!|NAME\?|NUM!|NULL!)|Err:\d{3}")
_TIES = "xl/_rels/workbook.xml.rels"
SHOWN = 4
MOST = 10_000
"""Cells that a file may say by repeating one."""
LARGEST = 64 * 1024**2
"""The most bytes of a sheet that is looked through."""


@dataclass(frozen=True)
class ErrorCell:
    """A cell and its error. at: row and column from 0, where the file does not leave it out itself."""

    place: str
    word: str
    at: tuple[int, int] | None = None


def error_cells(path: Path, sheet: str) -> list[ErrorCell]:
    """The cells with errors in a sheet of an .xlsx or .ods file."""
    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        is_open = "content.xml" in archive.namelist()
        part = "content.xml" if is_open else _part_of(archive, sheet)
        if part is None or archive.getinfo(part).file_size > LARGEST:
            return []
        text = archive.read(part)
    if is_open:
        return _of_open_document(text, sheet) if _MAY_FAIL.search(text) else []
    if b'"e"' not in text and b"'e'" not in text:
        return []
    return [_named(head, body) for head, body in _CELL.findall(text)]


def error_note(cells: Iterable[ErrorCell]) -> str:
    """What to say of cells with errors; empty where there are none."""
    found = [f"{cell.word} in {cell.place}" if cell.place else cell.word for cell in cells]
    return f"{counted(len(found), 'cell')} with an error ({abridged(found, SHOWN)}) read as empty" if found else ""


def _named(head: bytes, body: bytes) -> ErrorCell:
    word, place = _WORD.search(body), _PLACE.search(head)
    said = "an error" if word is None else word[1].decode("utf-8", "replace")
    return ErrorCell("" if place is None else place[1].decode(), said)


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """The part of an .xlsx file that holds a sheet; None where that is not clear."""
    names = set(archive.namelist())
    listed = _attributes(archive, "xl/workbook.xml", "sheet")
    ties = {one.get("Id"): one.get("Target", "") for one in _attributes(archive, _TIES, "Relationship")}
    for one in listed:
        if one.get("name") == sheet:
            key = next((value for name, value in one.items() if name.endswith(" id")), None)
            part = posixpath.normpath(posixpath.join("/xl", ties.get(key, ""))).lstrip("/")
            if part in names:
                return part
    sheets = [name for name in names if _SHEET.fullmatch(name)]
    return sheets[0] if len(sheets) == 1 else None


def _attributes(archive: zipfile.ZipFile, part: str, tag: str) -> list[dict[str, str]]:
    """Those of all elements of one name in a small part; none where it cannot be read."""
    found: list[dict[str, str]] = []
    if part not in archive.namelist() or archive.getinfo(part).file_size > LARGEST:
        return found

    def begin(name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(" ")[2] == tag:
            found.append(attributes)

    return found if _parsed(archive.read(part), StartElementHandler=begin) else []


def _parsed(text: bytes, **handlers: Any) -> bool:
    """Go through XML; whether it is whole, and without entities of its own."""
    try:
        go_through(io.BytesIO(text), " ", **handlers)
    except (expat.ExpatError, ValueError):
        return False
    return True


def _of_open_document(text: bytes, sheet: str) -> list[ErrorCell]:
    cells = _Cells(sheet)
    whole = _parsed(text, StartElementHandler=cells.begin, CharacterDataHandler=cells.take, EndElementHandler=cells.end)
    return cells.found if whole else []


class _Cells:
    """The cells with errors in one table of an OpenDocument, where each stands."""

    def __init__(self, sheet: str) -> None:
        self.found: list[ErrorCell] = []
        self._sheet, self._here = sheet, False
        self._row, self._rows, self._column, self._columns = 0, 0, 0, 0
        self._is_error = self._is_formula = False
        self._text = self._word = ""

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition(" ")[2]
        if tag not in ("table", "table-row", "table-cell", "covered-table-cell", "p"):
            return
        said = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
        if tag == "table":
            self._here, self._row = said.get("name") == self._sheet, 0
        elif tag == "table-row":
            self._column, self._rows = 0, int(said.get("number-rows-repeated", 1))
        elif tag == "p":
            self._text = ""
        else:
            self._columns = int(said.get("number-columns-repeated", 1))
            self._is_error = any(key.endswith(" value-type") and v == "error" for key, v in attributes.items())
            self._is_formula, self._text, self._word = "formula" in said, "", ""

    def take(self, text: str) -> None:
        self._text += text if len(self._text) < 20 else ""

    def end(self, name: str) -> None:
        tag = name.rpartition(" ")[2]
        if tag == "p" and _FAILED.fullmatch(self._text.strip()):
            self._word = self._text.strip()
        elif tag == "table-row":
            self._row += self._rows
        elif tag in ("table-cell", "covered-table-cell"):
            if self._here and (self._is_error or (self._is_formula and self._word)):
                again = itertools.product(range(self._rows), range(self._columns))
                for row, column in itertools.islice(again, MOST):
                    at = self._row + row, self._column + column
                    self.found.append(ErrorCell(f"{_letters(at[1])}{at[0] + 1}", self._word or "an error", at))
            self._column += self._columns


def _letters(column: int) -> str:
    """A, B, … Z, AA of a column from 0."""
    return (_letters(column // 26 - 1) if column >= 26 else "") + chr(65 + column % 26)
