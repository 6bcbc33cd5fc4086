"""Experiments from a CSV file.

Two layouts. *Wide*: one row per time, one column per observable,

    time, hare, lynx [, experiment] [, hare_sigma, lynx_sigma]

*Long*: one row per measurement,

    [experiment,] time, observable, value [, sigma]

A file is long when its header has a column `value` and a column `observable` (or `name`), and is not wide,
that is, not every observable that is asked for has a column of its own. Other columns are left alone. An
empty cell, `NA` or `NaN` means: not measured. A value `<0.5` or `>100` is a censored measurement: the truth is
known to lie below, or above, that limit (`<=` and `>=` say the same). A column `at_jump` says `before` or `after` of
rows at the time of a dose, an event or a step of an input.

Rows may come in any order. A value that comes again at the same time of the same experiment is a replicate: the
second replicates of experiment `A` make an experiment `A#2` of their own, the third ones `A#3`. That is a
convention for all files: `A#2` shares with `A` whatever belongs to `A` (where it starts, its initial values);
`replicate_of` tells which experiment that is.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from odefit.data.arrangement import arrange
from odefit.data.blank_lines import split_at_blanks
from odefit.data.chosen_rows import Chosen, choose_cells
from odefit.data.clock import on_clock
from odefit.data.columns import Columns, Header, Request
from odefit.data.covariates import CovariateUse
from odefit.data.error_list import FaultList
from odefit.data.experiments import Experiment
from odefit.data.grid.opening import open_table
from odefit.data.interval_ends import with_end_numbers
from odefit.data.layouts import OBSERVABLE, ONLY, TIME, Layout, find_layout
from odefit.data.merged_files import check_once
from odefit.data.pivot import Table
from odefit.data.replicates import Repeats, replicate_of
from odefit.data.sheets import Sheet
from odefit.data.table_beside import Beside
from odefit.data.table_form import PLAIN, TableForm
from odefit.data.table_units import Converter, check_said, in_model_units
from odefit.data.table_writing import write_table
from odefit.data.unit_column import in_model_units_by_row
from odefit.data.unit_form import TIME as UNIT_OF_TIME
from odefit.data.untold_experiments import check_goes_on, check_told_apart
from odefit.text import clip, plain_label, suggest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ONLY", "read_table", "replicate_of", "write_table"]


def read_table(
    source: Path | str | pd.DataFrame | Sheet,
    *,
    observables: Sequence[str],
    time: str | None = None,
    experiment: str | None = None,
    columns: Mapping[str, str] | None = None,
    only: Collection[str] | None = None,
    ignore: Collection[str] = (),
    start: float | None = None,
    where: str = "",
    left_out: set[str] | None = None,
    chosen: bool = True,
    notes: list[str] | None = None,
    use: CovariateUse | None = None,
    known: set[str] | None = None,
    repeats: list[Repeats] | None = None,
    form: TableForm = PLAIN,
    beside: Beside | None = None,
) -> list[Experiment]:
    """Read the experiments of a CSV file, or of a pandas frame with such columns, in the order in which they appear.

    An experiment, or an observable, without a single measurement is a fault: nothing could be fitted there.

    Parameters
    ----------
    observables
        The columns O of `Experiment.values` [T, O], in this order.
    time
        The time column; default `time`, else `t`.
    experiment
        The column that names the experiment; default `experiment` where there is one. A file without one is a single
        experiment, called `1`.
    columns
        Observable -> its column (wide) or its label in the observable column (long).
    only
        Names of the experiments to read; default all of them.
    ignore
        Labels of the observable column to leave out (long); any other unknown label is a fault.
    start
        Where integration starts, for every experiment; default its first time.
    where
        The place in the config that names the file, for faults of the file as a whole.
    left_out
        Gets the names of the experiments that `only` leaves out.
    chosen
        Whether the config says what was measured; else the observables are the states, all of them.
    notes
        Takes a sentence for what was done to the rows beside reading them: sorted, or split into replicates.
    use
        Which other columns noise formulas may name.
    known
        Gets the names of all columns.
    repeats
        Takes the replicates that were made of values that came again at the same time, instead of a note on them.
    form
        What else the config says of columns and cells.
    beside
        Takes what the file has beside measurements: unused columns, what was excluded.

    Raises
    ------
    DataError
        With the faults of the file, the first 20 of them spelled out.
    """
    names = {name: (columns or {}).get(name, name) for name in observables}
    table_sheet = _opened(source, names.values(), (time, experiment), form, where)
    header = table_sheet.header
    faults = FaultList(header.path, header.where)
    use = use or CovariateUse()
    layout = _layout(header, names, columns or {}, (time, experiment), only is not None, chosen, use, form, faults)
    clock, timed, blanks = form.counted, "", ""
    if clock is None:
        table_sheet, clock, timed = on_clock(table_sheet, layout.time, layout.experiment, form.clock)
    layout = layout if clock is None else replace(layout, clock=clock.columns)
    sheet, others = _read_rows(table_sheet, layout, only, ignore, form, faults)
    if not ignore and isinstance(source, Path | str):
        sheet, layout, blanks = split_at_blanks(sheet, layout, header.place())
    named = _named(sheet, layout)
    sheet = with_end_numbers(sheet, layout, header, faults)
    converter = Converter(table_sheet, form.units, faults)
    check_said(form.units, {*names, *form.units.elsewhere, UNIT_OF_TIME}, faults, names)
    sheet = in_model_units(sheet, layout, names, converter, None if clock is None else clock.unit)
    sheet = in_model_units_by_row(sheet, layout, names, converter)
    picked = choose_cells(sheet, layout, names, form, header, faults)
    sheet = picked.sheet
    if form.merged:
        check_once(sheet, layout, names, header, faults)
    if left_out is not None:
        left_out |= others | (named - _named(sheet, layout))
    if beside is not None:
        beside.take(header, layout, tuple(names), picked)
        beside.clock, beside.units = clock, converter.sources
    if known is not None:
        known |= {*header.names, *layout.covariates}
    check_goes_on(table_sheet, sheet, layout, form.clock.unused, faults)
    table = arrange(sheet, layout, names, header, faults, use)
    if table.repeats is not None and layout.experiment is None:
        check_told_apart(table_sheet, sheet, layout, names, form.clock.unused, faults)
    if repeats is not None and table.repeats is not None:
        repeats.append(table.repeats)
    if notes is not None:
        notes += _notes(table_sheet, (timed, blanks), converter, form, picked, table, repeats is None)
    return _measured(table, tuple(names), start, faults)


def _layout(
    header: Header,
    names: Mapping[str, str],
    columns: Mapping[str, str],
    given: tuple[str | None, str | None],
    needs_experiments: bool,
    chosen: bool,
    use: CovariateUse,
    form: TableForm,
    faults: FaultList,
) -> Layout:
    """Where everything stands; given: the columns of the times and of the experiments. Raises DataError."""
    for unknown in columns.keys() - names.keys():
        faults.add(0, "", f"data.columns: '{clip(unknown)}' is no observable; {suggest(unknown, names)}")
    if not names:
        faults.add(0, "", "cannot be read without an observable; name one under model.observables")
    layout = find_layout(header, names, *given, faults, chosen=chosen, use=use, form=form)
    if needs_experiments and layout.experiment is None:
        faults.add(header.line, "", "no column names the experiments of data.only; set data.experiment")
    faults.check()
    return layout


def _named(sheet: Columns, layout: Layout) -> set[str]:
    """The experiments that a column names."""
    return set() if layout.experiment is None else set(sheet.labels[layout.experiment].names)


def _notes(
    sheet: Sheet,
    early: tuple[str, str],
    converter: Converter,
    form: TableForm,
    picked: Chosen,
    table: Table,
    tells_repeats: bool,
) -> list[str]:
    """What was done to the rows, in the order in which it was done."""
    again = table.repeats.note(table.repeats.names) if table.repeats is not None and tells_repeats else None
    first = (*getattr(sheet, "notes", ()), *filter(None, early), *converter.notes, *converter.limit_notes(form.limits))
    return [*first, *picked.notes, *table.notes, *([] if again is None else [again])]


def _measured(table: Table, names: tuple[str, ...], start: float | None, faults: FaultList) -> list[Experiment]:
    """The experiments, each with something measured. Raises DataError."""
    if not faults.count:  # a faulty cell counts as missing, and would draw a second fault here
        _check_measured(table, names, faults)
    found = _experiments(table, start, faults)
    faults.check()
    return found


def _opened(
    source: Path | str | pd.DataFrame | Sheet,
    values: Iterable[str],
    given: tuple[str | None, str | None],
    form: TableForm,
    where: str,
) -> Sheet:
    """The table, with its header read; given: as for `_layout`."""
    if isinstance(source, str | Path):
        time, experiment = given
        wanted = [*([time] if time else TIME), *values, experiment or "experiment", *OBSERVABLE, "value"]
        return open_table(Path(source), wanted, form.file, where)
    if hasattr(source, "header"):
        return cast(Sheet, source)
    from odefit.data.frames import FrameSheet

    return FrameSheet(cast("pd.DataFrame", source))


def _read_rows(
    source: Sheet,
    layout: Layout,
    only: Collection[str] | None,
    ignore: Collection[str],
    form: TableForm,
    faults: FaultList,
) -> tuple[Columns, set[str]]:
    """The rows that count, and the experiments that `only` leaves out.

    That there are no rows, or none of an experiment that is wanted, is a fault.
    """
    keep = _Filter(layout, None if only is None else frozenset(only), frozenset(ignore))
    request = Request(
        layout.numbers,
        layout.labels,
        required={layout.time: "time"},
        blank=layout.blank,
        keep=keep if keep.only is not None or keep.ignore else None,
        censorable=layout.values,
        wordy=layout.beside,
        endless=[layout.time],
        missing=form.missing,
    )
    sheet = source.read(request, faults)
    for name in sorted(keep.unseen):
        faults.add(0, "", f"data.only names the experiment '{clip(name)}'; {suggest(name, keep.seen)}")
    if not sheet.lines.size and not faults.count:
        faults.add(0, "", "has a header but no data; write one row per time")
    return sheet, {name for name in keep.seen if not keep.wants(name)}


class _Filter:
    """Says which rows count, by experiment and by observable, and remembers the experiments it saw."""

    def __init__(self, layout: Layout, only: frozenset[str] | None, ignore: frozenset[str]) -> None:
        self.layout = layout
        self.only = only
        self.ignore = ignore
        self.seen: dict[str, None] = {}

    def __call__(self, row: Sequence[str] | Mapping[int, str]) -> bool:
        if self.only is not None and self.layout.experiment is not None:
            name = plain_label(row[self.layout.experiment])
            self.seen[name] = None
            if not self.wants(name):
                return False
        return self.layout.observable is None or row[self.layout.observable].strip() not in self.ignore

    def wants(self, experiment: str) -> bool:
        return self.only is None or experiment in self.only or replicate_of(experiment) in self.only

    @property
    def unseen(self) -> frozenset[str]:
        return (self.only or frozenset()) - self.seen.keys() - set(map(replicate_of, self.seen))


def _check_measured(table: Table, observables: tuple[str, ...], faults: FaultList) -> None:
    measured = ~np.isnan(table.values)
    if not measured.any():
        faults.add(0, "", "has no measurement at all; every value is missing")
        return
    for number, name in enumerate(observables):
        if not measured[:, number].any():
            faults.add(0, "", f"the observable {name} is never measured; leave it out of model.observables")
    counts = np.bincount(table.codes, weights=measured.any(axis=1), minlength=len(table.names))
    for name, count in zip(table.names, counts, strict=True):
        if not count:
            what = f"experiment {clip(name)} has no measurement; remove it, or choose others (data.only)"
            faults.add(0, "", what)


def _experiments(table: Table, start: float | None, faults: FaultList) -> list[Experiment]:
    """Cut the table into experiments; replicates start where their experiment starts."""
    bounds = np.searchsorted(table.codes, np.arange(len(table.names) + 1))
    starts: dict[str, float] = {}
    for name, low, high in zip(table.names, bounds[:-1], bounds[1:], strict=True):
        if low == high:
            continue
        first, finite = float(table.times[low]), table.times[low:high][np.isfinite(table.times[low:high])]
        if not len(finite):  # at infinite time alone: its start is free, as that of any steady state
            starts.setdefault(replicate_of(name), math.inf)
            continue
        starts[replicate_of(name)] = min(first, starts.get(replicate_of(name), first))
        if start is not None and first < start:
            what = f"experiment {clip(name)} is measured at {first!r}, before data.start {start!r}"
            faults.add(int(table.lines[low]), "", what)
        begin, last = first if start is None else start, float(finite[-1])
        if math.isinf(last - begin):
            what = f"experiment {clip(name)} lasts from {begin!r} to {last!r}, longer than numbers go; use another unit"
            faults.add(int(table.lines[high - 1]), "", what)
    return [
        Experiment(
            name=name,
            times=table.times[low:high],
            values=table.values[low:high],
            start=_finite_start(starts[replicate_of(name)]) if start is None else float(start),
            sigma=None if table.sigma is None else table.sigma[low:high],
            censored=None if table.censored is None else table.censored[low:high],
            other_end=None if table.ends is None else table.ends[low:high],
            covariates={name: numbers[low:high] for name, numbers in table.covariates.items()},
            side=None if table.side is None else table.side[low:high],
            start_is_given=start is not None,
        )
        for name, low, high in zip(table.names, bounds[:-1], bounds[1:], strict=True)
        if low < high
    ]


def _finite_start(first: float) -> float:
    """Where what is measured at infinite time alone starts, of which nothing is said."""
    return first if math.isfinite(first) else 0.0
