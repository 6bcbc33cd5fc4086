"""What a config was made of, where it was made of a problem of another format: faults are told in terms of that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from odefit.errors import ConfigError, DataError, Fault, ModelError
from odefit.records import dataclass


@dataclass(frozen=True)
class Origin:
    """The problem that a config was made of.

    Parameters
    ----------
    folder
        Where the config lies, for a while.
    problem
        How its user calls the problem.
    table
        The file of measurements in `folder`.
    rows
        Where each row of it stands in the problem, in their order.
    """

    folder: Path
    problem: str
    table: str
    rows: tuple[str, ...]

    def text(self, text: str) -> str:
        """A text with the problem's own rows and files in the place of those that were made of it."""
        text = re.sub(re.escape(str(self.folder / self.table)) + r":(\d+)", self._row, text)
        return text.replace(f"{self.folder}/", f"{self.problem}, as imported: ")

    def _row(self, found: re.Match[str]) -> str:
        row = int(found[1]) - 2
        return self.rows[row] if 0 <= row < len(self.rows) else found[0]

    @contextmanager
    def in_its_words(self) -> Iterator[None]:
        """Faults of the user's input that are raised inside name what the user wrote."""
        try:
            yield
        except (ConfigError, DataError, ModelError) as error:
            faults = [Fault(self.text(fault.where), self.text(fault.what)) for fault in error.faults]
            raise type(error)(faults=faults) from error
