"""Files that may be read as tables: which are refused before they are opened, and why others are no text."""

from __future__ import annotations

import codecs
import os
import stat
from itertools import islice
from pathlib import Path
from typing import IO

from odefit.errors import DataError
from odefit.text import clip, show, suggest

MAX_BYTES = 2 * 1024**3  # The largest file.

_FOREIGN = (
    (codecs.BOM_UTF32_LE, "is UTF-32 text; save it as UTF-8"),
    (codecs.BOM_UTF16_LE, "is UTF-16 text; save it as UTF-8 (in Excel: 'CSV UTF-8')"),
    (codecs.BOM_UTF16_BE, "is UTF-16 text; save it as UTF-8 (in Excel: 'CSV UTF-8')"),
    (b"PK\x03\x04", "is a zip archive or an Excel workbook; export the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook; export the sheet as CSV"),
    (b"\x1f\x8b", "is compressed; unpack it first"),
    (b"ARROW1", "is an Arrow (Feather) file; save it as Parquet or CSV"),
    (b"\x89HDF", "is an HDF5 file; export its table as CSV"),
    (b"MATLAB 5.0", "is a MATLAB file; export its table as CSV (writetable)"),
    (b"SQLite format 3", "is a database (SQLite); export a table or a query as CSV"),
    (b"<stata_dta>", "is a Stata file; export it as CSV (export delimited)"),
    (b"$FL2", "is an SPSS file; export it as CSV"),
    (b"%PDF", "is a PDF; copy its table into a CSV file"),
)


def whole_fault(path: Path, where: str, what: str) -> DataError:
    return DataError(where, f"{show(path)} {what}") if where else DataError(show(path), what)


def reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text[:1].lower() + text[1:]


def open_text(path: Path) -> IO[str]:
    return open(path, encoding="utf-8-sig", newline="")


def check_exists(path: Path, where: str) -> None:
    """Raises DataError for what is no regular file of a size that may be read."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise whole_fault(path, where, f"does not exist; {_neighbours(path)}") from None
    if stat.S_ISDIR(found.st_mode):
        raise whole_fault(path, where, "is a directory; name a CSV file in it")
    if not stat.S_ISREG(found.st_mode):
        raise whole_fault(path, where, "is not a regular file; copy the data into one")
    if found.st_size > MAX_BYTES:
        raise whole_fault(path, where, f"has {found.st_size / 1024**3:.1f} GiB; the limit is 2 GiB")
    if not found.st_size:  # nor is anything read from /proc, where some files never end
        raise whole_fault(path, where, "is empty; its first line must name the columns")


def is_utf8(path: Path) -> bool:
    """Whether all of a file is UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while part := file.read(1 << 20):
                decoder.decode(part)
            decoder.decode(b"", True)
        except UnicodeDecodeError:
            return False
    return True


def check_file(path: Path, where: str) -> None:
    """Raises DataError for what is no text in UTF-8."""
    check_exists(path, where)
    with open(path, "rb") as file:
        head = file.read(65536)
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            raise whole_fault(path, where, what)
    if b"\0" in head:
        raise whole_fault(path, where, nul_bytes(head))


def nul_bytes(content: bytes) -> str:
    """What to do about a file with NUL bytes that no mark explains: text in UTF-16 has one in each pair."""
    head = content[:200]
    for name, nul, char in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
        if not any(nul) and all(char):
            return f"looks like UTF-16 text without its mark; `data.encoding: {name}` reads it"
    return "is not text (it holds NUL bytes); save it as CSV in UTF-8"


def _neighbours(path: Path) -> str:
    """What to do about a path that leads nowhere."""
    folder = path.parent
    try:
        with os.scandir(folder) as entries:
            files = sorted(entry.name for entry in islice(entries, 1000) if entry.is_file())
    except OSError:
        return f"nor does the folder {show(folder)}"
    return suggest(path.name, [name for name in files if not name.startswith(".")])


def encoding_error(path: Path) -> DataError:
    with open(path, "rb") as file:
        for line, raw in enumerate(file, start=1):
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = raw[error.start]
                what = f"the byte 0x{byte:02x} is not UTF-8 ({clip(chr(byte))} in Latin-1); save it as UTF-8"
                return DataError(f"{show(path)}:{line}", what)
    return DataError(show(path), "is not UTF-8 text; save the file as UTF-8")
