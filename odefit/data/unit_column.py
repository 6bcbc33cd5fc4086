"""A column that says the unit of each row: rows are converted unit by unit, or refused by name and row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from odefit.arrays import Mask
from odefit.data.columns import Columns
from odefit.data.csv_cells import MISSING
from odefit.data.layouts import Layout
from odefit.data.table_units import Converter, observed, put
from odefit.data.units import Conversion, UnitFault, conversion, plain
from odefit.text import clip


def in_model_units_by_row(columns: Columns, layout: Layout, names: Mapping[str, str], converter: Converter) -> Columns:
    """Measurements, their standard deviations and limits in the units of the model, each row from its own unit.

    Parameters
    ----------
    columns, layout
        What was read, and which column is what.
    names
        Observable -> its column or label.
    converter
        Of this table.
    """
    if layout.unit is None:
        return columns
    numbers, ends = dict(columns.numbers), dict(columns.ends)
    for k, (name, at, sigma, rows) in enumerate(observed(columns, layout, names)):
        interval = layout.intervals[k if layout.observable is None else 0] if layout.intervals else None
        for change, own in rows_by_unit(columns, layout.unit, at, name, rows, converter):
            for index in (at, *(index for index in (layout.lloq, interval) if index in numbers)):
                numbers[index] = put(numbers[index], change.values(numbers[index]), own)
            if at in ends:
                ends[at] = put(ends[at], change.values(ends[at]), own)
            if sigma is not None and name not in converter.form.shares:
                numbers[sigma] = put(numbers[sigma], change.differences(numbers[sigma]), own)
            if converter.form.deviations.get(name) in layout.covariates:
                what = f"is in the unit of {clip(name)}, which differs from row to row; name it as `data.sigma`, with "
                converter.faults.add(0, converter.form.deviations[name], f"{what}`noise: {{sigma: column}}`", "sd")
    return replace(columns, numbers=numbers, ends=ends)


def rows_by_unit(
    columns: Columns, unit_at: int, at: int, name: str, rows: Mask | None, converter: Converter
) -> Iterator[tuple[Conversion, Mask]]:
    """The conversions of one observable, each with its rows [R].

    Parameters
    ----------
    columns
        The table.
    unit_at, at
        The columns of units and of values.
    name
        The observable.
    rows
        [R], its rows; None for all.
    converter
        Of this table; takes what is wrong, and what was done.
    """
    labels, header, faults = columns.labels[unit_at], converter.sheet.header, converter.faults
    measured = ~np.isnan(columns.numbers[at]) if at not in columns.censored else np.ones(len(columns.lines), dtype=bool)
    here = measured if rows is None else measured & rows
    target, column = converter.form.model.get(name), header.names[unit_at]
    found: dict[str, Mask] = {}
    for code, word in enumerate(labels.names):
        own = here & (labels.codes == code)
        if own.any():
            key = "" if word.lower() in MISSING or word == "." else plain(word)
            found[key] = found.get(key, np.zeros(len(own), dtype=bool)) | own
    if not found or set(found) == {""}:
        return
    first = {unit: int(columns.lines[np.flatnonzero(own)[0]]) for unit, own in found.items()}
    said = converter.form.said.get(name)
    if "" in found:
        others = ", ".join(clip(unit) for unit in found if unit)
        faults.add(first[""], column, f"says no unit, and other rows of {clip(name)} are in {others}", "no unit")
        return
    if len(found) > 1 and (target is None or said is not None):
        one, other = list(found)[:2]
        what = f"{clip(name)} is in {clip(other)} here, and in {clip(one)} in line {first[one]}"
        remedy = f"`model.units: {{{name}: {one}}}` says which it is to be in"
        faults.add(first[other], column, f"{what}; {'`data.units` cannot say both' if said else remedy}", "units")
        return
    if said is not None:
        return
    for unit, own in found.items():
        converter.sources.setdefault(name, target if len(found) > 1 and target else unit)
        if target is None:
            continue
        try:
            change = conversion(unit, target)
        except UnitFault as fault:
            faults.add(first[unit], column, f"{clip(name)}: {fault}", f"unit {unit}")
            continue
        if change is not None:
            converter.done.append((name, unit, target))
            yield change, own
