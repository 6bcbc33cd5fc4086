"""From the bytes of a file to lines of text."""

from __future__ import annotations

import codecs
from pathlib import Path

from odefit.data.grid.table_file import FileForm
from odefit.data.source_files import nul_bytes, whole_fault
from odefit.records import dataclass
from odefit.text import clip

MAX_TEXT = 128 * 1024**2
"""The largest file that is held in memory as text."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Text:
    """The lines of a file, and what to say of its encoding, or nothing."""

    lines: list[str]
    note: str = ""


def read_lines(path: Path, form: FileForm, where: str = "") -> Text:
    """The text of a file by its byte order mark, as UTF-8, or by Windows-1252 (Latin-1). Raises DataError."""
    if path.stat().st_size > MAX_TEXT:
        what = f"is larger than {MAX_TEXT // 1024**2} MB, and no plain CSV in UTF-8; export one"
        raise whole_fault(path, where, what)
    content = path.read_bytes()
    if form.encoding is not None:
        try:
            return Text(_lines(content.decode(form.encoding)))
        except (UnicodeError, LookupError):
            raise whole_fault(path, where, f"is no text in {clip(form.encoding)} (data.encoding)") from None
    for mark, name in _MARKS:
        if content.startswith(mark):
            try:
                return Text(_lines(content.decode(name)), "" if name == "utf-8-sig" else f"read as {name.upper()}")
            except UnicodeError:
                raise whole_fault(path, where, f"is no text in {name.upper()}, as its first bytes say") from None
    if b"\0" in content:
        raise whole_fault(path, where, nul_bytes(content))
    try:
        return Text(_lines(content.decode("utf-8")))
    except UnicodeDecodeError as error:
        first = error
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        line = content[: first.start].count(b"\n") + 1
        what = f"line {line} is neither UTF-8 nor Windows-1252 (Latin-1); data.encoding says what it is"
        raise whole_fault(path, where, what) from None
    odd = next(char for char in text if not char.isascii())
    return Text(_lines(text), f"is not UTF-8, read as Windows-1252 (Latin-1; {odd!r}); data.encoding says otherwise")


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
