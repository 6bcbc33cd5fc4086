"""How a file is to be read where it does not say it itself: the keys of the config that decide."""

from __future__ import annotations

from collections.abc import Sequence

from odefit.records import dataclass

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


OPEN = FileForm()
