"""How a file is to be read where it does not say it itself: the keys of the config that decide."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields, replace

from odefit.records import dataclass

TEXT, WORKBOOK, PARQUET = "a text file", "a workbook", "a Parquet file, which says itself how it is to be read"
"""Kinds of files, as messages call them."""
KEYS = {TEXT: ("header", "separator", "decimal", "encoding"), WORKBOOK: ("header", "sheet"), PARQUET: ()}
"""The keys that mean something for each kind."""
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "blank": " ", "bar": "|"}


@dataclass(frozen=True)
class FileForm:
    """Keys about the file itself; None for what is to be found out.

    Parameters
    ----------
    header
        The names of the columns of a file that has none, or the line of its header.
    separator
        What parts the cells, a word of SEPARATORS.
    decimal
        The sign of the decimals.
    encoding
        Of its text.
    sheet
        Of a workbook: its name, or its number from 1.
    """

    header: Sequence[str] | int | None = None
    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    sheet: str | int | None = None

    @property
    def is_said(self) -> bool:
        """Whether anything is said of the text."""
        return any(part is not None for part in (self.header, self.separator, self.decimal, self.encoding))

    def without_meaning(self, kinds: Collection[str]) -> list[str]:
        """The keys that are given and mean nothing for files of any of these kinds."""
        of_any = {key for kind in kinds for key in KEYS[kind]}
        return [f.name for f in fields(self) if getattr(self, f.name) is not None and f.name not in of_any]

    def of(self, kind: str) -> FileForm:
        """What is said of files of one kind."""
        return replace(self, **dict.fromkeys(self.without_meaning([kind])))


OPEN = FileForm()
