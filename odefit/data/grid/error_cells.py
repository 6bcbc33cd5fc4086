"""Cells of workbooks whose formula failed (#N/A, #DIV/0!): readers give nothing for them, as for empty cells."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from odefit.text import abridged, counted

_CELL = re.compile(rb"<(?:\w+:)?c\b([^>]*\bt\s*=\s*[\"']e[\"'][^>]*)>(.{0,400}?)</(?:\w+:)?c>", re.DOTALL)
_PLACE = re.compile(rb"\br\s*=\s*[\"']([A-Z]{1,3}[0-9]{1,7})[\"']")
_WORD = re.compile(rb"<(?:\w+:)?v>(#[^<]{1,20})</")
_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml")
SHOWN = 4
LARGEST = 64 * 1024**2
"""The most bytes of a sheet that is looked through."""


def error_note(path: Path) -> str:
    """What to say of cells with errors in an .xlsx file of one sheet; empty where there are none."""
    if not zipfile.is_zipfile(path):
        return ""
    with zipfile.ZipFile(path) as archive:
        sheets = [part for part in archive.infolist() if _SHEET.fullmatch(part.filename)]
        if len(sheets) != 1 or sheets[0].file_size > LARGEST:
            return ""
        text = archive.read(sheets[0])
    if b'"e"' not in text and b"'e'" not in text:
        return ""
    found = [_named(head, body) for head, body in _CELL.findall(text)]
    return f"{counted(len(found), 'cell')} with an error ({abridged(found, SHOWN)}) read as empty" if found else ""


def _named(head: bytes, body: bytes) -> str:
    """`#N/A in B3`."""
    word, place = _WORD.search(body), _PLACE.search(head)
    said = "an error" if word is None else word[1].decode("utf-8", "replace")
    return said if place is None else f"{said} in {place[1].decode()}"
