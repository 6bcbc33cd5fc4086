"""A table that is being read, wherever its cells come from: named columns, a way to read some of them."""

from __future__ import annotations

from typing import Protocol

from odefit.data.columns import Columns, Header, Request
from odefit.data.csv_reader import read_columns
from odefit.data.error_list import FaultList
from odefit.records import dataclass


class Sheet(Protocol):
    """Rows of cells under a header."""

    @property
    def header(self) -> Header:
        """What its columns are called, and how faults name their places."""

    def read(self, request: Request, faults: FaultList) -> Columns:
        """Some columns. Whatever is wrong goes to `faults`."""


@dataclass(frozen=True)
class CsvSheet:
    """A CSV file, which is read from block to block."""

    header: Header

    def read(self, request: Request, faults: FaultList) -> Columns:
        """Some columns, see `Sheet`."""
        return read_columns(self.header, request, faults)
