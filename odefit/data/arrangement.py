"""From the columns of a file to one table, sorted by experiment and time, whatever the layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.columns import Columns, Header
from odefit.data.covariates import Cells, CovariateUse, read_covariates
from odefit.data.csv_cells import IntArray, SignArray
from odefit.data.error_list import FaultList
from odefit.data.layouts import ONLY, Layout
from odefit.data.pivot import LongRows, Table, melted, pivot
from odefit.data.replicates import Repeats
from odefit.data.side_column import read_sides
from odefit.text import clip, suggest


def arrange(
    sheet: Columns, layout: Layout, names: Mapping[str, str], header: Header, faults: FaultList, use: CovariateUse
) -> Table:
    """The table of a wide or a long file. Rows without a time (each a fault by now) are left out. use: of covariates.

    Rows may come in any order. A value that comes again at the same time is a replicate, in both layouts.
    """
    experiments: tuple[str, ...] = (ONLY,)
    codes = np.zeros(len(sheet.lines), dtype=np.int64)
    if layout.experiment is not None:
        experiments, codes = sheet.labels[layout.experiment].names, sheet.labels[layout.experiment].codes
    side = None if layout.side is None else read_sides(sheet, layout.side, header, faults)
    if layout.observable is None:
        table = _wide(sheet, layout, experiments, codes, side, names, header, faults, use)
    else:
        table = _long(sheet, layout, layout.observable, experiments, codes, side, names, header, faults, use)
    known = set(experiments)
    repeats = tuple(name for name in table.names if name not in known)
    if not repeats:
        return table
    named = layout.experiment is not None
    # Where no column names the experiments, not even the order is worth a note beside that of the repeats.
    return replace(table, notes=table.notes if named else (), repeats=Repeats(repeats, header.place(), named))


def _wide(
    sheet: Columns,
    layout: Layout,
    experiments: tuple[str, ...],
    codes: IntArray,
    side: SignArray | None,
    names: Mapping[str, str],
    header: Header,
    faults: FaultList,
    use: CovariateUse,
) -> Table:
    times, lines = sheet.numbers[layout.time], sheet.lines
    rows: IntArray | slice = slice(None)
    timeless = np.isnan(times)
    notes: tuple[str, ...] = ()
    unsorted = timeless.any() or (np.diff(codes) < 0).any() or _back(codes, times) is not None
    if unsorted or side is not None:  # else it is not copied
        rows = np.flatnonzero(~timeless)
        rows = rows[np.argsort(codes[rows], kind="stable")]
        notes = _order_note(codes[rows], times[rows], lines[rows], header)
        rows = rows[np.lexsort((*(() if side is None else (side[rows],)), times[rows], codes[rows]))]
    times, codes, lines = times[rows], codes[rows], lines[rows]
    side = None if side is None else side[rows]
    values = np.column_stack([sheet.numbers[index][rows] for index in layout.values])
    sigma = None
    for number, index in enumerate(layout.sigmas):
        given = None if index is None else sheet.numbers[index][rows]
        if index is None or given is None or np.isnan(given).all():
            continue
        _check_sigma(given, values[:, number], lines, header.names[index], faults)
        sigma = np.full_like(values, np.nan) if sigma is None else sigma
        sigma[:, number] = given
    censored = None
    for number, index in enumerate(layout.values):
        if index in sheet.censored:
            censored = np.zeros(values.shape, dtype=np.int8) if censored is None else censored
            censored[:, number] = sheet.censored[index][rows]
    ends = None
    for number, index in enumerate(layout.values):
        if index in sheet.ends:
            ends = np.full(values.shape, np.nan) if ends is None else ends
            ends[:, number] = sheet.ends[index][rows]
    cells: list[Cells] = [(name, np.s_[:, number], rows) for number, name in enumerate(names)]
    covariates = read_covariates(use, layout.covariates, sheet, header, values, cells, faults)
    table = Table(experiments, codes, lines, times, values, sigma, censored, side, notes, covariates, ends=ends)
    come_again = (codes[1:] == codes[:-1]) & (times[1:] == times[:-1])
    if side is not None:
        come_again &= side[1:] == side[:-1]
    return pivot(experiments, melted(table), len(layout.values), notes) if come_again.any() else table


def _long(
    sheet: Columns,
    layout: Layout,
    observable_at: int,
    experiments: tuple[str, ...],
    codes: IntArray,
    side: SignArray | None,
    names: Mapping[str, str],
    header: Header,
    faults: FaultList,
    use: CovariateUse,
) -> Table:
    labels = sheet.labels[observable_at]
    position = {label: number for number, label in enumerate(names.values())}
    known = np.array([position.get(label, -1) for label in labels.names], dtype=np.int64)
    _check_observables(sheet, observable_at, known, names, header, faults)
    observable = known[labels.codes]
    rows = np.flatnonzero((observable >= 0) & ~np.isnan(sheet.numbers[layout.time]))
    rows = rows[np.lexsort((observable[rows], codes[rows]))]
    codes, observable, lines = codes[rows], observable[rows], sheet.lines[rows]
    times, values = sheet.numbers[layout.time][rows], sheet.numbers[layout.values[0]][rows]
    sigma_at = layout.sigmas[0]
    sigma = None if sigma_at is None else sheet.numbers[sigma_at][rows]
    if sigma is not None and np.isnan(sigma).all():
        sigma = None
    if sigma_at is not None and sigma is not None:
        for number in range(len(names)):
            some = observable == number
            if not np.isnan(sigma[some]).all():
                _check_sigma(sigma[some], values[some], lines[some], header.names[sigma_at], faults)
    censored = sheet.censored[layout.values[0]][rows] if layout.values[0] in sheet.censored else None
    ends = sheet.ends[layout.values[0]][rows] if layout.values[0] in sheet.ends else None
    cells: list[Cells] = [(name, some := observable == k, rows[some]) for k, name in enumerate(names)]
    covariates = read_covariates(use, layout.covariates, sheet, header, values, cells, faults)
    notes = _order_note(codes * len(names) + observable, times, lines, header)
    side = None if side is None else side[rows]
    long = LongRows(codes, lines, observable, times, values, sigma, censored, side, covariates, ends)
    return pivot(experiments, long, len(names), notes)


def _check_observables(
    sheet: Columns, at: int, known: IntArray, names: Mapping[str, str], header: Header, faults: FaultList
) -> None:
    """Labels that nobody asked for: a typing error would silently cost its measurements."""
    labels = sheet.labels[at]
    if (known >= 0).all():
        return
    seen, rows = np.unique(labels.codes, return_index=True)
    for code, row in zip(seen.tolist(), rows.tolist(), strict=True):
        label = labels.names[code]
        line = int(sheet.lines[row])
        if known[code] < 0 and label and faults.wants(line):  # an empty one was told already
            hint = suggest(label, names.values())
            what = f"'{clip(label)}' is no observable; {hint} (data.columns renames, data.ignore leaves out)"
            faults.tell(line, header.names[at], what)


def _back(groups: IntArray, times: FloatArray) -> int | None:
    """The first row that is earlier than the row before it, where both are of one group."""
    back = (groups[1:] == groups[:-1]) & (times[1:] < times[:-1])
    return int(back.argmax()) + 1 if back.any() else None


def _order_note(groups: IntArray, times: FloatArray, lines: IntArray, header: Header) -> tuple[str, ...]:
    """Rows in the order of the file within each group; empty where the times never go back."""
    row = _back(groups, times)
    if row is None:
        return ()
    what = f"time {float(times[row])!r} after {float(times[row - 1])!r}: the rows were put in the order of time"
    return (f"{header.place(int(lines[row]))}: {what}",)


def _check_sigma(sigma: FloatArray, values: FloatArray, lines: IntArray, column: str, faults: FaultList) -> None:
    """Every measured value of an observable has a positive sigma, or none of them has one."""
    for row in np.flatnonzero(sigma <= 0).tolist():
        faults.add(int(lines[row]), column, f"sigma is {float(sigma[row])!r}; it must be positive", "not positive")
    told = faults.lines  # a sigma that could not be read is not missing as well
    for row in np.flatnonzero(np.isnan(sigma) & ~np.isnan(values)).tolist():
        if int(lines[row]) not in told:
            faults.add(int(lines[row]), column, "sigma is missing for a measured value; give all or none", "missing")
