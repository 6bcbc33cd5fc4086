"""From the columns of a file to one table, sorted by experiment and time, whatever the layout.

What is wide, long and a replicate is told in `odefit.data.tables`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.covariates import Cells, CovariateUse, covariate_columns, read_covariates
from odefit.data.csv_cells import IntArray, SignArray
from odefit.data.csv_reader import Columns, Header, find_columns
from odefit.data.error_list import FaultList
from odefit.data.replicates import Repeats, split_replicates
from odefit.data.side_column import AT_JUMP, read_sides
from odefit.records import dataclass
from odefit.text import clip, suggest

TIME = ("time", "t")
OBSERVABLE = ("observable", "name")
"""The names of the columns of times and of observables, where a config names none."""
ONLY = "1"
"""The name of the experiment of a file that names none."""


@dataclass(frozen=True)
class Layout:
    """Positions in the header. Wide: a value (and sigma) column per observable. Long: one for all.

    covariates: name -> its column for each observable, None where that one has no use for it.
    """

    time: int
    experiment: int | None
    observable: int | None
    values: tuple[int, ...]
    sigmas: tuple[int | None, ...]
    side: int | None = None
    covariates: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)

    @property
    def measured(self) -> list[int]:
        """The columns of times, measurements and their sigmas."""
        return [self.time, *self.values, *(index for index in self.sigmas if index is not None)]

    @property
    def numbers(self) -> list[int]:
        """The columns of numbers, each once."""
        return list(dict.fromkeys([*self.measured, *self.beside]))

    @property
    def beside(self) -> list[int]:
        """The columns of covariates."""
        return [index for columns in self.covariates.values() for index in columns if index is not None]

    @property
    def labels(self) -> list[int]:
        """The columns of names."""
        return [index for index in (self.experiment, self.observable, self.side) if index is not None]

    @property
    def blank(self) -> list[int]:
        """The columns of names whose cells may be empty."""
        return [] if self.side is None else [self.side]


@dataclass(frozen=True)
class Table:
    """Rows [R] sorted by experiment, then time, then side.

    Parameters
    ----------
    names, codes
        The experiments, and which of them each row [R] belongs to.
    lines
        [R], of the file.
    times
        [R].
    values, sigma, censored, covariates
        [R, O], as in `Experiment`.
    side
        [R], as in `Experiment`.
    notes
        What was done to the rows of the file, a sentence each, but for `repeats`.
    repeats
        What came again at the same time, if anything did.
    """

    names: tuple[str, ...]
    codes: IntArray
    lines: IntArray
    times: FloatArray
    values: FloatArray
    sigma: FloatArray | None
    censored: SignArray | None
    side: SignArray | None = None
    notes: tuple[str, ...] = ()
    covariates: Mapping[str, FloatArray] = field(default_factory=dict)
    repeats: Repeats | None = None


def find_layout(
    header: Header,
    names: Mapping[str, str],
    time: str | None,
    experiment: str | None,
    faults: FaultList,
    *,
    chosen: bool = True,
    use: CovariateUse,
) -> Layout:
    """Which column is what. names: observable -> column. After a fault, the layout is of no use.

    chosen: whether somebody chose these observables; else they are the states, all of them.
    use: what noise formulas may name.
    """
    line = header.line
    position = find_columns(header, faults)

    def find(name: str, role: str, remedy: str) -> int:
        if name not in position:
            faults.add(line, "", f"no column '{clip(name)}' for {role}; {suggest(name, position)} ({remedy})")
        return position.get(name, 0)

    if time is None:
        time = next((name for name in TIME if name in position), "time")
    time_at = find(time, "the time", "data.time names the time column")
    if experiment is None and "experiment" in position and "experiment" not in names.values():
        experiment = "experiment"
    experiment_at = None
    if experiment is not None:
        experiment_at = find(experiment, "the experiment", "data.experiment names that column")
    label = next((name for name in OBSERVABLE if name in position), None)
    if label is not None and "value" in position and not all(name in position for name in names.values()):
        sigmas: tuple[int | None, ...] = (position.get("sigma"),)
        layout = Layout(time_at, experiment_at, position[label], (position["value"],), sigmas)
    else:
        values = _values(header, position, names, chosen, faults)
        layout = Layout(time_at, experiment_at, None, values, _sigmas(names, position))
    if AT_JUMP in position and AT_JUMP not in (time, experiment, *names.values()):
        layout = replace(layout, side=position[AT_JUMP])
    if not faults.count:
        used = [*layout.measured, *layout.labels]
        for index in sorted({index for index in used if used.count(index) > 1}):
            faults.add(line, header.names[index], "two roles ask for this column; each needs its own")
    is_long = layout.observable is not None
    use.check_names(list(position), [header.names[time_at], *(() if is_long else names.values())], line, faults)
    return replace(layout, covariates=covariate_columns(use, names, position, is_long))


def _values(
    header: Header, position: Mapping[str, int], names: Mapping[str, str], chosen: bool, faults: FaultList
) -> tuple[int, ...]:
    """The columns of the observables of a wide file."""
    missing = [name for name, column in names.items() if column not in position]
    found = [name for name in names if name not in missing]
    if chosen or not found:
        remedy = "or leave it out of model.observables" if chosen else "model.observables names what was measured"
        for name in missing:
            what = f"no column '{clip(names[name])}' for the observable {name}; {suggest(names[name], position)}"
            faults.add(header.line, "", f"{what} (data.columns renames; {remedy})")
    elif missing:
        # Every state is an observable unless somebody says which are: then these lack one cause, not a column each.
        columns = ", ".join(f"'{clip(names[name])}'" for name in missing[:5]) + ", …" * (len(missing) > 5)
        what = f"no column {columns} for the state{'s' * (len(missing) > 1)}; {suggest(names[missing[0]], position)}"
        pairs = ", ".join(f"{name}: {name}" for name in found[:5]) + ", …" * (len(found) > 5)
        measured = f"{', '.join(found[:5])}{', …' * (len(found) > 5)} {'is' if len(found) == 1 else 'are'} measured"
        remedy = f"if only {measured}, write `observables: {{{pairs}}}` under model"
        faults.add(header.line, "", f"{what} (data.columns renames); {remedy}")
    return tuple(position.get(column, 0) for column in names.values())


def _sigmas(names: Mapping[str, str], position: Mapping[str, int]) -> tuple[int | None, ...]:
    """The columns `<column>_sigma` or `<observable>_sigma`, unless an observable itself is called so."""
    found = []
    for name, column in names.items():
        candidates = [c for c in (f"{column}_sigma", f"{name}_sigma") if c not in names.values()]
        found.append(next((position[c] for c in candidates if c in position), None))
    return tuple(found)


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
    repeats = tuple(name for name in table.names if name not in set(experiments))
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
    cells: list[Cells] = [(name, np.s_[:, number], rows) for number, name in enumerate(names)]
    covariates = read_covariates(use, layout.covariates, sheet, header, values, cells, faults)
    table = Table(experiments, codes, lines, times, values, sigma, censored, side, notes, covariates)
    come_again = (codes[1:] == codes[:-1]) & (times[1:] == times[:-1])
    if side is not None:
        come_again &= side[1:] == side[:-1]
    return _pivot(experiments, _melted(table), len(layout.values), notes) if come_again.any() else table


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
    cells: list[Cells] = [(name, some := observable == k, rows[some]) for k, name in enumerate(names)]
    covariates = read_covariates(use, layout.covariates, sheet, header, values, cells, faults)
    notes = _order_note(codes * len(names) + observable, times, lines, header)
    side = None if side is None else side[rows]
    long = _Rows(codes, lines, observable, times, values, sigma, censored, side, covariates)
    return _pivot(experiments, long, len(names), notes)


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


@dataclass(frozen=True)
class _Rows:
    """The rows [R] of a long file: one measurement, or none, in each."""

    codes: IntArray
    lines: IntArray
    observable: IntArray
    times: FloatArray
    values: FloatArray
    sigma: FloatArray | None
    censored: SignArray | None
    side: SignArray | None
    covariates: Mapping[str, FloatArray]

    @property
    def sides(self) -> SignArray:
        return np.zeros(len(self.times), dtype=np.int8) if self.side is None else self.side


def _melted(table: Table) -> _Rows:
    """The rows of a wide table as a long file has them: one for each cell."""
    width = table.values.shape[1]
    return _Rows(
        codes=np.repeat(table.codes, width),
        lines=np.repeat(table.lines, width),
        observable=np.tile(np.arange(width, dtype=np.int64), len(table.times)),
        times=np.repeat(table.times, width),
        values=table.values.ravel(),
        sigma=None if table.sigma is None else table.sigma.ravel(),
        censored=None if table.censored is None else table.censored.ravel(),
        side=None if table.side is None else np.repeat(table.side, width),
        covariates={name: numbers.ravel() for name, numbers in table.covariates.items()},
    )


def _pivot(experiments: tuple[str, ...], long: _Rows, width: int, notes: tuple[str, ...]) -> Table:
    """One row per experiment, time and side, one column per observable; replicates are experiments of their own."""
    keys = (long.observable, long.times, long.sides)
    experiments, codes = split_replicates(experiments, long.codes, keys, np.isnan(long.values))
    order = np.lexsort((long.sides, long.times, codes))
    codes, lines, times, side = codes[order], long.lines[order], long.times[order], long.sides[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (codes[1:] != codes[:-1]) | (times[1:] != times[:-1]) | (side[1:] != side[:-1])
    measured = ~np.isnan(long.values[order])
    source = order[measured]  # where each cell of the table comes from
    cell = ((np.cumsum(first) - 1)[measured], long.observable[source])
    shape = (int(first.sum()), width)
    values = np.full(shape, np.nan)
    values[cell] = long.values[source]
    sigma = censored = None
    if long.sigma is not None:
        sigma = np.full(shape, np.nan)
        sigma[cell] = long.sigma[source]
    if long.censored is not None:
        censored = np.zeros(shape, dtype=np.int8)
        censored[cell] = long.censored[source]
    covariates = {name: np.full(shape, np.nan) for name in long.covariates}
    for name, numbers in long.covariates.items():
        covariates[name][cell] = numbers[source]
    own = None if long.side is None else side[first]
    return Table(experiments, codes[first], lines[first], times[first], values, sigma, censored, own, notes, covariates)
