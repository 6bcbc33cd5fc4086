"""Sheets of workbooks (.xlsx, .xlsm, .ods, .xls) as rows of cells, by python-calamine. Formulas are not run: what
counts is the value that the program which wrote the file has stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from odefit.data.grid.cell_rows import CellRows
from odefit.data.source_files import whole_fault
from odefit.errors import DataError
from odefit.text import abridged, clip

ZIP, OLD = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
WORKBOOKS = (ZIP, OLD)
"""The first bytes of workbooks, and of other archives."""


def read_sheet(path: Path, sheet: str | int | None, where: str = "") -> tuple[CellRows, str]:
    """The cells of one sheet as text, and its name. Raises DataError."""
    from odefit.data.grid.workbook_parts import MAX_CELLS, check_parts

    with path.open("rb") as file:
        is_zip = file.read(4) == ZIP
    if is_zip:
        check_parts(path, where)
    try:
        import python_calamine
    except ImportError:
        what = "is a workbook, which needs python-calamine: `pip install odefit[excel]`, or export the sheet as CSV"
        raise whole_fault(path, where, what) from None
    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
        names = list(book.sheet_names)
        name = _chosen(book, names, sheet, path, where)
        cells = book.get_sheet_by_name(name)
        if cells.height * cells.width > MAX_CELLS:
            raise whole_fault(path, where, f"has more cells than the limit of {MAX_CELLS:,}; export a CSV")
        return CellRows(cells.to_python(skip_empty_area=False)), name
    except DataError:
        raise
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a damaged workbook surfaces as almost any type, panics of the reader among them
        what = f"cannot be read as a workbook ({clip(str(error), 80)}); export the sheet as CSV"
        raise whole_fault(path, where, what) from None


def _chosen(book: Any, names: Sequence[str], sheet: str | int | None, path: Path, where: str) -> str:
    """The name of the sheet that is asked for, or of the only one with cells."""
    listed = abridged([clip(name) for name in names], 8)
    if isinstance(sheet, int):
        if not 1 <= sheet <= len(names):
            raise whole_fault(path, where, f"has no sheet number {sheet} (data.sheet); there is: {listed}")
        return names[sheet - 1]
    if sheet is not None:
        if sheet not in names:
            raise whole_fault(path, where, f"has no sheet '{clip(sheet)}' (data.sheet); there is: {listed}")
        return sheet
    filled = names if len(names) == 1 else [name for name in names if book.get_sheet_by_name(name).height]
    if len(filled) != 1:
        what = f"has {len(filled)} sheets with cells ({listed})" if filled else "has no sheet with cells"
        raise whole_fault(path, where, f"{what}; data.sheet names the one to read")
    return filled[0]
