"""A pandas frame as what a CSV file is: named columns of cells, read by the same rules, with every fault located."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.columns import Columns, Header, Request, ends_by_row
from odefit.data.csv_cells import (
    Decimals,
    IntArray,
    NumberColumn,
    SignArray,
    parse_numbers,
)
from odefit.data.error_list import FaultList
from odefit.data.given import NAME
from odefit.data.labels import Labels, check_labels
from odefit.errors import DataError
from odefit.text import clip, duration_text, plain_label, show

if TYPE_CHECKING:
    import pandas as pd

OF_TIME = ("datetime64", "datetime", "timedelta64", "timedelta", "date")
"""Kinds of an index that is one of times, whatever it is called."""


class FrameSheet:
    """The rows of a frame. Named levels of its index are columns, too, and an index of dates is one called `index`;
    faults call a row by its index, and in a file (`path`) by its number from 0."""

    def __init__(self, frame: pd.DataFrame, path: Path | None = None) -> None:
        self.name = NAME if path is None else show(path)
        if frame.columns.nlevels > 1:
            raise DataError(self.name, "has columns of more than one level; give each column one name")
        if frame.index.names == [None] and frame.index.inferred_type in OF_TIME:
            frame = frame.rename_axis(index="index")
        names = [name for name in frame.index.names if name is not None and name not in frame.columns]
        self.rows = frame.index if path is None else range(len(frame))
        self.frame = frame.reset_index(level=names) if names else frame
        columns = tuple(str(name).strip() for name in self.frame.columns)
        self.header = Header(path or Path(NAME), ",", columns, 0, self.place, cast("Sequence[object]", self.rows))

    def place(self, line: int = 0, column: str = "") -> str:
        """`data: row 3, column x`; lines are counted from 1, and 0 stands for the frame as a whole."""
        where = f"{self.name}: row {clip(str(self.rows[line - 1]))}" if line else self.name
        return f"{where}, column {clip(column)}" if column else where

    def texts(self, column: int) -> list[str]:
        """The cells of a column as text."""
        return [_label(value) for value in self.frame.iloc[:, column].tolist()]

    def read(self, request: Request, faults: FaultList) -> Columns:
        """Some columns, see `Sheet`."""
        request.allows(len(self.frame), faults)
        blanks = self.frame.isna()
        rows = np.flatnonzero(~blanks.all(axis=1).to_numpy(dtype=bool))
        texts = {k: [_label(value) for value in self.frame.iloc[rows, k].tolist()] for k in request.labels}
        keep = request.keep
        if keep is not None:
            kept = np.array([keep({k: text[i] for k, text in texts.items()}) for i in range(len(rows))], dtype=bool)
            rows, texts = (
                rows[kept],
                {k: [t for t, own in zip(text, kept, strict=True) if own] for k, text in texts.items()},
            )
        lines = rows.astype(np.int64) + 1
        found: dict[int, FloatArray] = {}
        signs: dict[int, SignArray] = {}
        ends: dict[int, FloatArray] = {}
        other: dict[int, dict[int, str]] = {k: {} for k in request.wordy}
        for k in request.numbers:
            name, need = self.header.names[k], request.required.get(k, "")
            between: dict[int, float] = {}
            kind = NumberColumn(
                *(name, Decimals(False), need, k in request.censorable),
                *(other.get(k), k in request.endless, request.missing),
                between if k in request.censorable else None,
            )
            found[k], side = _numbers(self.frame.iloc[rows, k], lines, kind, faults)
            if side is not None:
                signs[k] = side
            if between:
                ends[k] = ends_by_row(between, lines)
        named = {k: _coded(text) for k, text in texts.items()}
        for k, own in named.items():
            check_labels(own, lines, self.header.names[k], k in request.blank, faults)
        return Columns(lines, found, named, signs, other, ends)


def _numbers(
    cells: pd.Series[Any], lines: IntArray, kind: NumberColumn, faults: FaultList
) -> tuple[FloatArray, SignArray | None]:
    """A column of numbers is taken as it is; of anything else, and of what is wrong, the text is read."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(cells.dtype) and cells.dtype.kind in "iuf":
        values = cells.to_numpy(dtype=np.float64, na_value=math.nan)
        infinite = np.isneginf(values) if kind.endless else np.isinf(values)
        known = kind.missing.without(values)
        if not infinite.any() and not (kind.required and np.isnan(known).any()):
            return known.copy(), None
    texts = ["" if pd.api.types.is_scalar(cell) and pd.isna(cell) else str(cell) for cell in cells.tolist()]
    return parse_numbers(texts, lines, kind, faults)


def _label(value: Any) -> str:
    """The text of a name: that of a whole number has no decimals, for a column with a missing one holds floats."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or str(value) in ("<NA>", "NaT"):
        return ""
    return duration_text(value) if isinstance(value, datetime.timedelta) else plain_label(str(value))


def _coded(texts: Sequence[str]) -> Labels:
    codes = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    return Labels(np.array([codes[text] for text in texts], dtype=np.int64), tuple(codes))
