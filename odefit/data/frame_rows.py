"""Frames whose rows have names: new experiments, candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from odefit.errors import InputError
from odefit.text import clip, plain_label

if TYPE_CHECKING:
    import pandas as pd


def rows_by_name(frame: pd.DataFrame, keys: Sequence[str], where: str) -> dict[str, dict[str, Any]]:
    """The rows by their names: None where a cell is empty. Raises InputError.

    keys: columns of which one holds the names.
    """
    key = next((name for name in keys if name in frame.columns), None)
    if key is None:
        raise InputError(where, f"has no column '{keys[0]}'; give each row a name there")
    rows: dict[str, dict[str, Any]] = {}
    for record in frame.astype(object).where(frame.notna(), None).to_dict("records"):
        name = plain_label(str(record.pop(key)))
        if name in rows:
            raise InputError(where, f"'{clip(name)}' has two rows; give each another name")
        rows[name] = {str(column): value for column, value in record.items()}
    return rows
