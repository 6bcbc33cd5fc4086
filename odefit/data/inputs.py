"""Inputs: known functions of time that formulas may name, from measured points.

A table, one row per point; several inputs may share one file, each with a column of its own,

    [experiment,] time, temperature [, light]

An empty cell says that this input has no point there. Two points at one time are a jump: the value before it, and the
one after it, which is that of the time itself. Points that say the same twice are one. Without an experiment (no such
column, or an empty cell) a point belongs to the input of all experiments; where an experiment has points of its own,
these alone are its input. Replicates (`A#2`) take the input of their experiment (`A`), unless they have their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.clock import Clock, on_clock
from odefit.data.columns import Columns, Header, Request, find_columns
from odefit.data.csv_cells import IntArray
from odefit.data.csv_writing import check_names, number_cell, write_rows
from odefit.data.error_list import FaultList, PlacedFaults
from odefit.data.experiments import Experiment, Input
from odefit.data.grid.opening import open_table
from odefit.data.layouts import TIME, usual_time
from odefit.data.replicates import replicate_of
from odefit.data.table_units import Converter
from odefit.data.time_names import suggest_time
from odefit.data.unit_form import NO_UNITS, UnitForm
from odefit.data.unit_form import TIME as UNIT_OF_TIME
from odefit.records import changed, dataclass
from odefit.text import clip, suggest

Interpolation = Literal["linear", "previous", "cubic"]
Where = Callable[..., str]


def interpolate(times: FloatArray, values: FloatArray, interpolation: Interpolation) -> Input:
    """The function through some points; after the last one it stays there. Where a time comes twice it jumps.

    The points stand in the result as they are: knots, and the constant coefficients.

    Parameters
    ----------
    times, values
        [K] each; times do not fall, and none comes three times.
    interpolation
        `linear`: straight lines, so two points or more. `previous`: steps, each value holds until the next point.
        `cubic`: a spline with two continuous derivatives, not-a-knot at its ends (a line through two points, a parabola
        through three), as SciPy's CubicSpline; on either side of a jump one of its own.
    """
    coefficients = np.zeros((len(times), 4))
    coefficients[:, 0] = values
    ends = np.append(np.flatnonzero(np.diff(times) <= 0) + 1, len(times))
    for first, end in zip(np.append(0, ends), ends, strict=False):
        if interpolation != "previous" and end - first > 1:
            coefficients[first : end - 1] = _piece(times[first:end], values[first:end], interpolation)
    return Input(times, coefficients)


def _piece(times: FloatArray, values: FloatArray, interpolation: Interpolation) -> FloatArray:
    """The polynomials [N - 1, 4] between N points without a jump."""
    coefficients = np.zeros((len(times) - 1, 4))
    with np.errstate(all="ignore"):
        if interpolation == "linear":
            coefficients[:, 1] = np.diff(values) / np.diff(times)
        else:
            from scipy.interpolate import CubicSpline

            coefficients = CubicSpline(times, values).c[::-1].T
    coefficients[:, 0] = values[:-1]
    return coefficients


def read_input(
    path: Path | str,
    column: str,
    *,
    name: str,
    time: str | None = None,
    experiment: str | None = None,
    interpolation: Interpolation = "linear",
    where: str = "",
    clock: Clock | None = None,
    units: UnitForm = NO_UNITS,
    time_unit: str = "",
    notes: list[str] | None = None,
) -> dict[str | None, Input]:
    """Read one input from a CSV file.

    Parameters
    ----------
    path
        The file.
    column
        The column of its values.
    name
        What formulas call it.
    time
        The time column; default `time`, else `t`.
    experiment
        The column that names the experiment; default `experiment` where there is one.
    where
        The place in the config that names the file, for faults of the file as a whole.
    clock
        That of the measurements, where their times are dates.
    units
        Those of the model, and what the config says of the columns.
    time_unit
        That of the measurements.
    notes
        Takes what was converted.

    Returns
    -------
    dict
        Experiment -> its function of time; None -> that of all others.

    Raises
    ------
    DataError
        With the faults of the file, the first 20 of them spelled out: times that fall within an experiment, or come
        three times, too few points (two, or one for `previous`), no points at all.
    """
    path = Path(path)
    table = open_table(path, [column, *([time] if time else TIME), experiment or "experiment"], where=where)
    header = table.header
    faults = FaultList(path, header.where)
    time_at, value_at, experiment_at = _find(header, column, name, time, experiment, faults)
    faults.check()
    labelled = [] if experiment_at is None else [experiment_at]
    plain = table
    if clock is not None:
        table, _, _ = on_clock(table, time_at, experiment_at, clock.form, clock)
        time_unit = time_unit if table is plain else clock.unit
    sheet = table.read(Request([time_at, value_at], labelled, required={time_at: "time"}, blank=labelled), faults)
    converter = Converter(plain, units, faults)
    to = units.model.get(UNIT_OF_TIME)
    for at, change in (
        (time_at, converter.of("time", time_at, to, converter.source("time", time_at) or time_unit)),
        (value_at, converter.of(name, value_at)),
    ):
        if change is not None:
            sheet = replace(sheet, numbers={**sheet.numbers, at: change.values(sheet.numbers[at])})
    if notes is not None:
        notes += converter.notes
    if not sheet.lines.size and not faults.count:
        faults.add(0, "", "has a header but no data; write one row per point")
    points = _points(sheet, time_at, value_at, experiment_at)
    if not points.lines.size and not faults.count:
        faults.add(0, header.names[value_at], f"has no number at all; the input {name} needs some")
    _check_order(points.codes, points.times, points.lines, header.names[time_at], faults)
    faults.check()  # a point that could not be read would draw a second fault below
    found = _curves(points, interpolation, name, header.names[value_at], faults)
    faults.check()
    return found


@dataclass(frozen=True)
class _Points:
    """The points of one input, those of one experiment together: [K] each.

    Parameters
    ----------
    names
        Of the experiments; empty for that of all others.
    codes
        Positions in `names`.
    times, values
        The points.
    lines
        Where in the file they stand.
    """

    names: Sequence[str]
    codes: IntArray
    times: FloatArray
    values: FloatArray
    lines: IntArray

    def by_experiment(self) -> Iterator[tuple[str | None, slice]]:
        """Each experiment (None: all others) with its points."""
        bounds = np.flatnonzero(np.diff(self.codes, prepend=-1, append=-1))
        for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            yield self.names[self.codes[low]] or None, slice(low, high)


def _points(sheet: Columns, time_at: int, value_at: int, experiment_at: int | None) -> _Points:
    """The rows that have a time and a value, in the order of the file within each experiment."""
    names: Sequence[str] = ("",)
    codes = np.zeros(len(sheet.lines), dtype=np.int64)
    if experiment_at is not None:
        names, codes = sheet.labels[experiment_at].names, sheet.labels[experiment_at].codes
    times, values = sheet.numbers[time_at], sheet.numbers[value_at]
    rows = np.flatnonzero(~np.isnan(times) & ~np.isnan(values))
    rows = rows[np.argsort(codes[rows], kind="stable")]
    if len(rows):
        # A file of measurements says the same of an input in each row of a time.
        same = [part[rows][1:] == part[rows][:-1] for part in (codes, times, values)]
        rows = rows[np.append(True, ~np.logical_and.reduce(same))]
    return _Points(names, codes[rows], times[rows], values[rows], sheet.lines[rows])


def _curves(
    points: _Points, interpolation: Interpolation, name: str, column: str, faults: FaultList
) -> dict[str | None, Input]:
    """The function of each experiment; one that its points do not make is a fault of the column."""
    found: dict[str | None, Input] = {}
    for key, own in points.by_experiment():
        try:
            found[key] = _through(points.times[own], points.values[own], interpolation)
        except ValueError as error:
            of = "" if key is None else f" of experiment {clip(key)}"
            faults.add(int(points.lines[own][0]), column, f"the input {name}{of} {error}")
    return found


def _find(
    header: Header, column: str, name: str, time: str | None, experiment: str | None, faults: FaultList
) -> tuple[int, int, int | None]:
    """The positions of the time, the values and the experiment. After a fault they are of no use."""
    position = find_columns(header, faults)
    time = time or usual_time(position)
    if experiment is None and "experiment" in position and column != "experiment":
        experiment = "experiment"
    roles = {time: "the time", column: f"the input {name}"}
    if len(roles) < 2 or experiment in roles:
        faults.add(header.line, column, "two roles ask for this column; each needs its own")
    if experiment is not None:
        roles[experiment] = "the experiment"
    for wanted, role in roles.items():
        if wanted not in position:
            free = [n for n in position if n != column]
            hint = suggest_time(wanted, free, "time: {}") if wanted == time else suggest(wanted, position)
            faults.add(header.line, "", f"no column '{clip(wanted)}' for {role}; {hint}")
    return position.get(time, 0), position.get(column, 0), None if experiment is None else position.get(experiment, 0)


def _check_order(codes: IntArray, times: FloatArray, lines: IntArray, column: str, faults: FaultList) -> None:
    follows = codes[1:] == codes[:-1]
    falls = follows & (times[1:] < times[:-1])
    again = follows & (times[1:] == times[:-1])
    thrice = np.append(False, again[1:] & again[:-1])
    for row in np.flatnonzero(falls | thrice).tolist():
        time, before, line = float(times[row + 1]), float(times[row]), int(lines[row])
        what = f"time {time!r} after {before!r} (line {line}) of the same input; sort the rows"
        if thrice[row]:
            what = f"time {time!r} comes again (line {line}) with a third value; two are a jump: before and after"
        faults.add(int(lines[row + 1]), column, what)


def _through(times: FloatArray, values: FloatArray, interpolation: Interpolation) -> Input:
    """`interpolate`, or a ValueError whose text says what the input has too little or too much of."""
    needed = 1 if interpolation == "previous" else 2
    if len(times) < needed:
        raise ValueError(f"has one point, and `{interpolation}` needs two; add rows, or use `previous`")
    try:
        found = interpolate(times, values, interpolation)
    except (ValueError, np.linalg.LinAlgError):
        found = None
    if found is None or not np.isfinite(found.coefficients).all():
        raise ValueError("has points too close together, or values too large, to draw a curve through them")
    return found


def apply_inputs(
    experiments: Sequence[Experiment],
    inputs: Mapping[str, Mapping[str | None, Input]],
    where: Where,
    *,
    held: Collection[str] = (),
    partial: bool = False,
    others: Collection[str] = (),
) -> list[Experiment]:
    """Give every experiment every input: its own, else that of the experiment it replicates, else that for all.

    Parameters
    ----------
    where
        The place of an input in the config: `where(name)`.
    held
        The inputs whose last value holds on after their last point (steps, say), so that they never end.
    partial
        Whether the experiments are a choice of those that the inputs are about, so that an input may have points for
        another one.
    others
        The experiments that it may have points for then.

    Raises
    ------
    DataError
        With all faults: an experiment without an input, an input for no experiment, one that begins too late or ends
        too early.
    """
    faults = PlacedFaults()
    known = dict.fromkeys(name for e in experiments for name in (replicate_of(e.name), e.name))
    known |= dict.fromkeys(others)
    mine: list[dict[str, Input]] = [{} for _ in experiments]
    for name, by in inputs.items():
        users: dict[str | None, list[Experiment]] = {}
        for experiment, own in zip(experiments, mine, strict=True):
            keys = (experiment.name, replicate_of(experiment.name), None)
            key = next((key for key in keys if key in by), "")
            if key == "":
                what = f"experiment {clip(replicate_of(experiment.name))} has no input {name}; add rows for it"
                faults.add(where(name), what)
                continue
            own[name] = by[key]
            users.setdefault(key, []).append(experiment)
        for key in by:
            if key is not None and key not in known and not partial:
                faults.unknown(where(name), key, "has points in its table, and is no experiment of the data", known)
        for key, of in users.items():
            for what in _gaps(by[key], "" if key is None else f" of experiment {clip(key)}", of, name in held):
                faults.add(where(name), what)
    faults.check()
    return [changed(e, inputs={**e.inputs, **own}) for e, own in zip(experiments, mine, strict=True)]


def _gaps(known: Input, of: str, users: Sequence[Experiment], held: bool) -> Iterator[str]:
    """Where an input is not known although an experiment needs it."""
    first = min(users, key=lambda e: e.start)
    if known.knots[0] > first.start:
        what = f"the input{of} begins at t = {float(known.knots[0])!r}, after experiment {clip(first.name)} starts"
        yield f"{what}; add a row at t = {float(first.start)!r}"
    last = max(users, key=lambda e: e.last)
    if known.knots[-1] < last.last and not held:
        what = f"the input{of} ends at t = {float(known.knots[-1])!r}, before the last measurement of experiment"
        yield f"{what} {clip(last.name)}; add a row at t = {last.last!r}"


def write_inputs(path: Path | str, experiments: Sequence[Experiment], *, time: str = "time") -> None:
    """Write the points of all inputs into one CSV, whole or not at all: a column for each input.

    `read_input` gives every input back exactly, with the same interpolation. What all experiments share is written
    once, with an empty `experiment`; so is what a replicate shares with its experiment, under the experiment's name.
    Write only where there are inputs: a table without rows is a fault to `read_input`.

    Raises
    ------
    DataError
        A name could not be read back.
    OSError
        As `atomic_write`.
    """
    names = list(dict.fromkeys(name for e in experiments for name in e.inputs))
    header = ["experiment", time, *names]
    check_names(path, header, [e.name for e in experiments])
    blocks: dict[str, dict[str, Input]] = {}
    for name in names:
        for key, known in _distinct(name, experiments):
            blocks.setdefault(key, {})[name] = known
    write_rows(path, header, (row for key, block in blocks.items() for row in _point_rows(key, block, names)))


def _distinct(name: str, experiments: Sequence[Experiment]) -> list[tuple[str, Input]]:
    """(experiment, or empty for all; the input) without what follows from the others."""
    inputs = {e.name: e.inputs[name] for e in experiments if name in e.inputs}
    first = next(iter(inputs.values()))
    if len(inputs) == len(experiments) and all(_same(first, other) for other in inputs.values()):
        return [("", first)]
    bases = {key: inputs.get(replicate_of(key)) for key in inputs}
    return [
        (key, known)
        for key, known in inputs.items()
        if replicate_of(key) == key or (base := bases[key]) is None or not _same(known, base)
    ]


def _same(a: Input, b: Input) -> bool:
    return a is b or (np.array_equal(a.knots, b.knots) and np.array_equal(a.coefficients, b.coefficients))


def _point_rows(key: str, block: Mapping[str, Input], names: Sequence[str]) -> Iterator[list[str]]:
    """The rows of one experiment: a point of an input is a knot and the constant of the polynomial there."""
    # A time that comes twice in any of them, for a jump, has two rows.
    keys = {name: list(zip(known.knots.tolist(), _again(known.knots), strict=True)) for name, known in block.items()}
    places = {key: row for row, key in enumerate(sorted({key for own in keys.values() for key in own}))}
    cells = np.full((len(places), len(names)), np.nan)
    for number, name in enumerate(names):
        if name in block:
            cells[[places[key] for key in keys[name]], number] = block[name].coefficients[:, 0]
    for (time, _), row in zip(places, cells.tolist(), strict=True):
        yield [key, number_cell(time), *map(number_cell, row)]


def _again(knots: FloatArray) -> list[bool]:
    """Of each knot [K], whether it is where the one before is: the second one of a jump."""
    return [False, *(bool(gap == 0) for gap in np.diff(knots))]
