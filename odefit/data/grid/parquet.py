"""Parquet files as frames, by pyarrow: each column as its type says, indexes of pandas as columns.

Texts stay one each and numbers to them, so that a small file with one long text in many rows stays small. Columns of
lists and the like are not read: their cells say what they hold.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from odefit.data.frames import FrameSheet
from odefit.data.source_files import whole_fault
from odefit.errors import DataError
from odefit.text import clip, one_line

if TYPE_CHECKING:
    import pandas as pd

MAX_CELLS = 200_000_000
"""The most cells of a file."""


def open_parquet(path: Path, where: str) -> FrameSheet:
    """The table in a file. Raises DataError."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        what = "is a Parquet file, which needs pyarrow: `pip install odefit[parquet]`, or export a CSV"
        raise whole_fault(path, where, what) from None
    try:
        return FrameSheet(_read(path, where), path)
    except DataError:
        raise
    except Exception as error:  # a damaged file surfaces as almost any type
        what = f"cannot be read as Parquet ({clip(one_line(str(error)), 80)}); write it again, or export a CSV"
        raise whole_fault(path, where, what) from None


def _read(path: Path, where: str) -> pd.DataFrame:
    """The frame. Raises DataError, or whatever pyarrow raises for a damaged file."""
    import pandas as pd
    from pyarrow import parquet, types

    with parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
        if file.metadata.num_rows * len(schema) > MAX_CELLS:
            raise whole_fault(path, where, f"has more cells than the limit of {MAX_CELLS:,}; write fewer columns")
    nested = [field for field in schema if types.is_nested(field.type)]
    texts = [field.name for field in schema if _is_text(field.type)]
    wanted = [field.name for field in schema if field not in nested] if nested else None
    with parquet.ParquetFile(path, read_dictionary=texts, page_checksum_verification=True) as file:
        table = file.read(columns=wanted, use_pandas_metadata=True)
    table.validate(full=True)
    frame: pd.DataFrame = table.to_pandas()
    for at, cells in enumerate(frame.dtypes):
        if isinstance(cells, pd.CategoricalDtype) and any(isinstance(word, bytes) for word in cells.categories):
            frame.isetitem(at, frame.iloc[:, at].cat.rename_categories(_decoded).array)
    for field in nested:
        frame.insert(len(frame.columns), field.name, [clip(str(field.type))] * len(frame), allow_duplicates=True)
    return frame


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind))


def _decoded(word: bytes) -> str:
    """A text that was written without saying that it is one; UTF-8 as all texts of Parquet."""
    return word.decode("utf-8", "replace")
