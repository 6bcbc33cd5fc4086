"""Where commands print: a terminal by way of rich, which is imported for it alone; a file or a pipe as plain lines."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Protocol

from odefit.records import dataclass

if TYPE_CHECKING:
    from rich.table import Table

UNBROKEN = 10_000
"""The width of a file."""
GAP = "  "
NOT_PRINTED = dict.fromkeys(map(ord, "\a\b\v\f\r"))


class Screen(Protocol):
    """What commands use of rich's console."""

    @property
    def is_terminal(self) -> bool: ...

    @property
    def width(self) -> int: ...

    @property
    def encoding(self) -> str: ...

    def print(self, *objects: Any, markup: bool | None = None, soft_wrap: bool | None = None) -> None: ...


@dataclass(frozen=True)
class TextTable:
    """Cells of text in columns.

    Attributes
    ----------
    header, rows
        Titles, and cells as they are to be read; a row may lack its last ones.
    right
        Columns whose cells end at the same place, as numbers do.
    broken
        Columns whose cells may take several lines where a terminal is narrow.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[int]
    broken: frozenset[int]

    def column(self, number: int) -> list[str]:
        """The cells of one column."""
        return [cells[number] for cells in self._filled(self.rows)]

    def _filled(self, rows: Sequence[Sequence[str]]) -> list[list[str]]:
        return [[*row, *[""] * (len(self.header) - len(row))] for row in rows]

    @property
    def lines(self) -> list[str]:
        """As plain text, as wide as it needs."""
        rows = self._filled([self.header, *self.rows])
        widths = [max(map(text_width, cells)) for cells in zip(*rows, strict=True)]
        return [GAP.join(self._cell(k, cell, widths[k]) for k, cell in enumerate(row)) for row in rows]

    def _cell(self, column: int, text: str, width: int) -> str:
        blanks = " " * (width - text_width(text))
        return blanks + text if column in self.right else text + blanks

    def __rich__(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for k, title in enumerate(self.header):
            side = "right" if k in self.right else "left"
            table.add_column(Text(title), justify=side, no_wrap=k not in self.broken, overflow="fold")  # type: ignore[arg-type]
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table


def text_width(text: str) -> int:
    """Columns of a terminal that a text takes."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in text)


class PlainScreen:
    """A file or a pipe: no line is broken, nothing is coloured.

    Its reader may leave: `odefit fit … | head` goes on without a word, and its result is written. So it is where what
    is printed finds no room, but for a line that says so.
    """

    is_terminal = False
    width = UNBROKEN

    def __init__(self, file: IO[str]) -> None:
        self.file = file

    @property
    def encoding(self) -> str:
        """That of the stream."""
        return (getattr(self.file, "encoding", None) or "utf-8").lower()

    def print(self, *objects: Any, markup: bool | None = None, soft_wrap: bool | None = None) -> None:  # noqa: ARG002
        """Print each object on lines of its own: tables by their columns, all else as text."""
        lines = [line for one in objects for line in (one.lines if isinstance(one, TextTable) else [str(one)])]
        text = "".join(f"{line.expandtabs(8).translate(NOT_PRINTED)}\n" for line in lines)
        with reader_may_leave(self.file):
            try:
                self.file.write(text)
            except UnicodeEncodeError:  # a stream of ASCII, or of one country's characters
                self.file.write(text.encode(self.encoding, "replace").decode(self.encoding))
            self.file.flush()


class SilentScreen:
    """Nothing is printed."""

    is_terminal = False
    width = UNBROKEN
    encoding = "utf-8"

    def print(self, *objects: Any, markup: bool | None = None, soft_wrap: bool | None = None) -> None:
        """Print nothing."""


class reader_may_leave:
    """Inside of this, a stream may have lost its reader or have no room left: printing goes on silently."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, OSError):
            return False
        unread(self.file)
        if not isinstance(error, BrokenPipeError):
            with suppress(OSError):
                what = f"what is printed cannot be written ({(error.strerror or str(error)).lower()}); the rest goes on"
                sys.stderr.write(f"warning: {what}\n")
        return True


def unread(stream: IO[str]) -> None:
    """Discard whatever is still written to a stream that has lost its reader."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
