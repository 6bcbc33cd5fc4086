"""The table of candidates: experiments that could be made, one row each.

    candidate, times, observables, replicates, like, weight, …

`times` are numbers with blanks between them, or FROM:TO:STEP; `observables` names with blanks, all without it;
`replicates` says how many measurements are taken at each of these times. The other columns are those of a table of new
experiments (prediction/conditions.py), and doses come from a file of their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from odefit.arrays import FloatArray
from odefit.data.columns import Request, find_columns
from odefit.data.csv_cells import MISSING, parse_number
from odefit.data.csv_reader import read_columns, read_header
from odefit.data.error_list import FaultList
from odefit.data.frame_rows import rows_by_name
from odefit.errors import Fault, InputError
from odefit.prediction.times import parse_times
from odefit.records import dataclass
from odefit.text import clip, suggest

if TYPE_CHECKING:
    import pandas as pd

    Candidates = Path | str | Mapping[str, Mapping[str, Any]] | pd.DataFrame

NAMES = ("candidate", "experiment")
TIMES, OBSERVABLES, REPLICATES = "times", "observables", "replicates"
MOST = 10_000
"""Candidates of one table."""


@dataclass(frozen=True)
class Candidate:
    """An experiment that could be made.

    Parameters
    ----------
    name
        Which one.
    times
        [T], when is measured.
    observables
        What is measured.
    replicates
        How often, at each time.
    conditions
        The rest of its row.
    """

    name: str
    times: FloatArray
    observables: tuple[str, ...]
    replicates: int
    conditions: Mapping[str, Any]

    @property
    def n(self) -> int:
        """How many measurements that are."""
        return len(self.times) * len(self.observables) * self.replicates


def read_candidates(table: Candidates, observables: Sequence[str], times: FloatArray | None) -> list[Candidate]:
    """The candidates of a table.

    Parameters
    ----------
    table
        A CSV, a frame, or a mapping `{name: {column: value}}`.
    observables
        All that there are.
    times
        For rows that say none.

    Raises
    ------
    DataError, InputError
        With all faults.
    """
    rows = _rows(table)
    if not rows:
        raise InputError("candidates", "there are none; write a row for each")
    faults, found = list[Fault](), list[Candidate]()
    for name, row in rows.items():
        rest = {column: value for column, value in row.items() if column not in (TIMES, OBSERVABLES, REPLICATES)}
        where = f"candidates.{clip(name)}"
        try:
            own = _times(row.get(TIMES), times)
            measured = _observables(row.get(OBSERVABLES), observables)
            found.append(Candidate(name, own, measured, _replicates(row.get(REPLICATES)), rest))
        except ValueError as error:
            faults.append(Fault(where, str(error)))
        except InputError as error:
            faults += [Fault(where, fault.what) for fault in error.faults]
    if faults:
        raise InputError(faults=faults)
    return found


def _times(cell: Any, default: FloatArray | None) -> FloatArray:
    if cell is None:
        if default is None:
            raise ValueError("no times: give a column `times`, or --times for all")
        return default
    if isinstance(cell, list | tuple):
        cell = ",".join(map(str, cell))
    found = parse_times(",".join(str(cell).replace(";", " ").replace(",", " ").split()))
    if not all(map(math.isfinite, found)):
        raise ValueError("times: must be finite")
    return found


def _observables(cell: Any, known: Sequence[str]) -> tuple[str, ...]:
    names = (
        list(cell) if isinstance(cell, list | tuple) else str(cell or "").replace(",", " ").replace(";", " ").split()
    )
    for name in names:
        if name not in known:
            raise ValueError(f"observables: '{clip(name)}' is none; {suggest(name, known)}")
    return tuple(dict.fromkeys(names)) or tuple(known)


def _replicates(cell: Any) -> int:
    number = 1.0 if cell is None else parse_number(str(cell))
    if number is None or number < 1 or number != int(number):
        raise ValueError(f"replicates: must be a whole number from 1 on (got {clip(str(cell))})")
    return int(number)


def _rows(table: Candidates) -> dict[str, dict[str, Any]]:
    if isinstance(table, str | Path):
        return _rows_of_file(Path(table))
    if isinstance(table, Mapping):
        return {str(name): _filled(row) for name, row in table.items()}
    return {name: _filled(row) for name, row in rows_by_name(table, NAMES, "candidates").items()}


def _filled(row: Mapping[str, Any]) -> dict[str, Any]:
    return {column: value for column, value in row.items() if value is not None}


def _rows_of_file(path: Path) -> dict[str, dict[str, Any]]:
    header = read_header(path, [*NAMES, TIMES], "--candidates")
    faults = FaultList(path)
    position = find_columns(header, faults)
    key = next((name for name in NAMES if name in position), None)
    if key is None:
        faults.add(header.line, "", f"no column 'candidate' that names them; {suggest('candidate', position)}")
    faults.check()
    at = position[key or ""]
    others = {name: k for name, k in position.items() if k != at}
    request = Request([], [at, *others.values()], required={at: "candidate"}, blank={*others.values()}, limit=MOST)
    sheet = read_columns(header, request, faults)
    names = [sheet.labels[at].names[code] for code in sheet.labels[at].codes.tolist()]
    for k, name in enumerate(names):
        if name in names[:k]:
            faults.add(int(sheet.lines[k]), key or "", f"'{clip(name)}' has a row already; give each another name")
    if not names:
        faults.add(0, "", "has a header but no rows; write one for each candidate")
    faults.check()
    cells = {c: [sheet.labels[k].names[code] for code in sheet.labels[k].codes.tolist()] for c, k in others.items()}
    rows: dict[str, dict[str, Any]] = {}
    for k, name in enumerate(names):
        row = {column: own[k] for column, own in cells.items() if own[k] and own[k].lower() not in MISSING}
        rows[name] = {c: text if c == TIMES or (n := parse_number(text)) is None else n for c, text in row.items()}
    return rows
