"""A table that is being read, wherever its cells come from: named columns, a way to read some of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from odefit.data.columns import Columns, Header
from odefit.data.csv_cells import NOTHING_ELSE, MissingCells
from odefit.data.csv_reader import read_columns
from odefit.data.error_list import FaultList
from odefit.records import dataclass


class Sheet(Protocol):
    """Rows of cells under a header."""

    @property
    def header(self) -> Header:
        """What its columns are called, and how faults name their places."""

    def read(
        self,
        numbers: Sequence[int],
        labels: Sequence[int],
        *,
        required: Mapping[int, str],
        faults: FaultList,
        blank: Collection[int] = (),
        keep: Callable[[Any], bool] | None = None,
        censorable: Collection[int] = (),
        wordy: Collection[int] = (),
        endless: Collection[int] = (),
        missing: MissingCells = NOTHING_ELSE,
        limit: int | None = None,
    ) -> Columns:
        """Some columns; the arguments are those of `csv_reader.read_columns`."""


@dataclass(frozen=True)
class CsvSheet:
    """A CSV file, which is read from block to block."""

    header: Header

    def read(
        self,
        numbers: Sequence[int],
        labels: Sequence[int],
        *,
        required: Mapping[int, str],
        faults: FaultList,
        blank: Collection[int] = (),
        keep: Callable[[Any], bool] | None = None,
        censorable: Collection[int] = (),
        wordy: Collection[int] = (),
        endless: Collection[int] = (),
        missing: MissingCells = NOTHING_ELSE,
        limit: int | None = None,
    ) -> Columns:
        """Some columns, see `Sheet`."""
        return read_columns(
            self.header,
            numbers,
            labels,
            required=required,
            faults=faults,
            blank=blank,
            keep=keep,
            censorable=censorable,
            wordy=wordy,
            endless=endless,
            missing=missing,
            limit=limit,
        )
