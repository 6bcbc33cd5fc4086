"""A table of measurements in the units of the model: what was read is converted, column by column.

Where a column's unit comes from: `data.units`, else a row of units or brackets in the header. Numbers of the config are
in the units of the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.data.columns import Columns
from odefit.data.error_list import FaultList
from odefit.data.layouts import Layout
from odefit.data.sheets import Sheet
from odefit.data.table_form import Limits
from odefit.data.unit_form import TIME, UnitForm
from odefit.data.unit_words import split_unit
from odefit.data.units import Conversion, UnitFault, UnknownUnit, conversion, plain
from odefit.records import dataclass
from odefit.text import clip, suggest


def header_unit(sheet: Sheet, at: int) -> str:
    """The unit of a column, as its file says it; empty where it says none."""
    units: Mapping[str, str] = getattr(sheet, "units", {})  # of a row below the header
    return units.get(sheet.header.names[at]) or bracket_unit(sheet, at)


def bracket_unit(sheet: Sheet, at: int) -> str:
    """The unit in brackets behind a name; empty where they hold the name of another column, as in `sd[A]` beside A."""
    unit = split_unit(sheet.header.names[at])[1]
    others = (split_unit(name)[0] for k, name in enumerate(sheet.header.names) if k != at)
    return "" if unit and unit in others else unit


@dataclass
class Converter:
    """Finds conversions, and remembers what is to be said of them.

    Parameters
    ----------
    sheet
        The table.
    form
        What the config says.
    faults
        Takes units of which one does not become the other.
    """

    sheet: Sheet
    form: UnitForm
    faults: FaultList
    sources: dict[str, str] = field(default_factory=dict)
    done: list[tuple[str, str, str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def source(self, name: str, at: int | None) -> str:
        """The unit of what is called so, in a column; empty where none is known."""
        if name in self.form.said or at is None:
            return self.form.said.get(name, "")
        own, below = bracket_unit(self.sheet, at), header_unit(self.sheet, at)
        if own and name in self.form.model and plain(own) != plain(below):
            what = f"the header says {clip(own)}, the row of units {clip(below)}; `data.units` says which it is"
            self.faults.add(self.sheet.header.line, self.sheet.header.names[at], what)
        return below

    def of(self, name: str, at: int | None, target: str | None = None, source: str | None = None) -> Conversion | None:
        """From the unit of a column to that of the model.

        Parameters
        ----------
        name
            What the column holds, as the config calls it.
        at
            Its position; None where it has none.
        target
            The unit of the model; default: that of `name`.
        source
            The unit of the column; default: as the config or the file says.
        """
        target = self.form.model.get(name) if target is None else target
        source = self.source(name, at) if source is None else source
        if source:
            self.sources.setdefault(name, source)
        if not source or not target:
            return None
        try:
            found = conversion(source, target)
        except UnknownUnit as fault:
            if name in self.form.said:
                self._tell(name, at, str(fault))
            else:
                self.unknown.append(f"{clip(name)} ({fault})")
            return None
        except UnitFault as fault:
            self._tell(name, at, f"{clip(name)}: {fault}")
            return None
        if found is not None:
            self.done.append((name, source, target))
        return found

    def _tell(self, name: str, at: int | None, what: str) -> None:
        header = self.sheet.header
        if name in self.form.said:
            self.faults.add(0, "", f"{self.form.where}: {what}")
        else:
            self.faults.add(header.line, "" if at is None else header.names[at], what)

    @property
    def notes(self) -> list[str]:
        """What was done, and what could not be."""
        place, found = self.sheet.header.place(), []
        if self.done:
            done = [f"{clip(name)} from {clip(source)} to {clip(target)}" for name, source, target in self.done]
            found.append(f"{place}: {', '.join(dict.fromkeys(done))} (data.units says otherwise)")
        if self.unknown:
            found.append(f"{place}: not converted: {', '.join(dict.fromkeys(self.unknown))}")
        return found

    def limit_notes(self, limits: Mapping[str, Limits]) -> list[str]:
        """What limits of the config, which are in units of the model, are in those of the file, where these differ."""
        said: dict[tuple[str, str, str], list[str]] = {}
        for name, source, target in dict.fromkeys(self.done):
            back = conversion(target, source)
            if name not in limits or back is None:
                continue
            for key, number in limits[name].numbers.items():
                own = float(back.values(np.array(number)))
                said.setdefault((name, key, f"{number:g} {clip(target)}"), []).append(f"{own:g} {clip(source)}")
        shown = [
            f"{clip(name)} {key} {number} ({' or '.join(own)} in the file)" for (name, key, number), own in said.items()
        ]
        place = self.sheet.header.place()
        return [f"{place}: data.limit is in the units of the model: {', '.join(shown)}"] if shown else []


def in_model_units(
    columns: Columns, layout: Layout, names: Mapping[str, str], converter: Converter, clock_unit: str | None
) -> Columns:
    """Times, measurements, their standard deviations and limits in the units of the model.

    Parameters
    ----------
    columns, layout
        What was read, and which column is what.
    names
        Observable -> its column or label.
    converter
        Those of this table.
    clock_unit
        That of the times, where they were dates.
    """
    numbers = dict(columns.numbers)
    time = converter.of(TIME, layout.time, source=clock_unit)
    if time is not None:
        numbers[layout.time] = time.values(numbers[layout.time])
    ends = dict(columns.ends)
    for k, (name, at, sigma, rows) in enumerate(observed(columns, layout, names)):
        if layout.unit is not None:
            continue  # row by row (unit_column.py)
        found = converter.of(name, at)
        if found is not None:
            interval = layout.intervals[k if layout.observable is None else 0] if layout.intervals else None
            for index in (at, *(index for index in (layout.lloq, interval) if index in numbers)):
                numbers[index] = put(numbers[index], found.values(numbers[index]), rows)
            if at in ends:
                ends[at] = put(ends[at], found.values(ends[at]), rows)
        if sigma is None:
            continue
        error = _of_sigma(converter, name, sigma, found)
        if error is not None:
            numbers[sigma] = put(numbers[sigma], error.differences(numbers[sigma]), rows)
    if layout.unit is not None:
        return replace(columns, numbers=numbers)
    return replace(columns, numbers=with_columns_beside(numbers, columns, layout, names, converter), ends=ends)


def _of_sigma(converter: Converter, name: str, at: int, found: Conversion | None) -> Conversion | None:
    """Of standard deviations; found: that of their observable, whose unit they have unless their header says another.

    Those of logarithms are shares, whatever the unit of the observable.
    """
    unit = converter.form.model.get(name)
    if name in converter.form.shares:
        found, unit = None, None if unit is None else "1"
    return converter.of(f"sigma of {name}", at, unit) if header_unit(converter.sheet, at) else found


def with_columns_beside(
    numbers: Mapping[int, FloatArray],
    columns: Columns,
    layout: Layout,
    names: Mapping[str, str],
    converter: Converter,
) -> dict[int, FloatArray]:
    """Columns that formulas name beside an observable: in its unit where their header says the one of its own column.

    Parameters
    ----------
    numbers
        Columns that are converted already.
    columns, layout, names, converter
        As of `in_model_units`.
    """
    found, done = dict(numbers), dict[int, tuple[str, Conversion | None]]()
    for k, (name, at, _, rows) in enumerate(observed(columns, layout, names)):
        for beside, places in layout.covariates.items():
            place = places[k]
            if place is None:
                continue
            change = _of_column_beside(converter, name, at, beside, place)
            if rows is None and place in done:
                other, before = done[place]
                if before != change:
                    what = f"stands beside {clip(other)} and {clip(name)}, whose units change differently; give each a"
                    converter.faults.add(0, converter.sheet.header.names[place], f"{what} column of its own")
                continue
            done[place] = name, change
            if change is not None:
                found[place] = put(found[place], change.differences(found[place]), rows)
    return found


def _of_column_beside(converter: Converter, name: str, at: int, beside: str, place: int) -> Conversion | None:
    header = converter.sheet.header.names[place]
    own = "" if header == f"{beside}[{name}]" else header_unit(converter.sheet, place)
    if not own and converter.form.deviations.get(name) != beside:
        return None
    unit = converter.source(name, at)
    return converter.of(name, at) if not own or plain(own) == plain(unit) else None


def put(old: FloatArray, new: FloatArray, rows: Mask | None) -> FloatArray:
    return new if rows is None else np.where(rows, new, old)


def observed(
    columns: Columns, layout: Layout, names: Mapping[str, str]
) -> Iterator[tuple[str, int, int | None, Mask | None]]:
    """Each observable, the columns of its values and errors, and its rows [R] there; None for all."""
    if layout.observable is None:
        sigmas = layout.sigmas or (None,) * len(names)
        yield from zip(names, layout.values, sigmas, [None] * len(names), strict=True)
        return
    labels = columns.labels[layout.observable]
    sigma = layout.sigmas[0] if layout.sigmas else None
    for name, label in names.items():
        if label in labels.names:
            yield name, layout.values[0], sigma, labels.codes == labels.names.index(label)


def check_said(form: UnitForm, known: set[str], faults: FaultList, columns: Mapping[str, str] | None = None) -> None:
    """A unit of what is in no column is a fault. columns: what is read -> the column that it is read from."""
    own = {column: name for name, column in (columns or {}).items()}
    for name in sorted(form.said.keys() - known):
        if name in own:
            what = f"'{clip(name)}' is the column of {clip(own[name])}: write the unit of {clip(own[name])}"
        else:
            what = f"'{clip(name)}' is no column of this table; {suggest(name, sorted(known))}"
        faults.add(0, "", f"{form.where}: {what}")
