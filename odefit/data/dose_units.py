"""Doses of a file in the units of the model: times, amounts of each state, and rates, which are of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from odefit.data.columns import Columns
from odefit.data.table_units import Converter
from odefit.data.unit_form import TIME

TIMES = ("duration", "every")
ROLES = ("time", "amount", "rate", *TIMES)
"""What doses have in units, as `data.doses.units` calls it."""


def doses_in_model_units(
    columns: Columns, position: Mapping[str, int], states: Sequence[str | None], converter: Converter, time_unit: str
) -> Columns:
    """Doses as they were read, in the units of the model.

    Parameters
    ----------
    columns
        What was read.
    position
        A word of ROLES -> its column.
    states
        [R], where each row goes; None where it goes nowhere.
    converter
        What converts the columns of this table.
    time_unit
        That of times of which the file says nothing; empty where it is not known.
    """
    numbers, model = dict(columns.numbers), converter.form.model
    source = converter.source("time", position.get("time")) or time_unit
    to = model.get(TIME, "")
    for role in (role for role in ("time", *TIMES) if role in position):
        own = converter.source(role, position[role]) or source
        found = converter.of(role, position[role], to, own)
        if found is not None:
            at = position[role]
            numbers[at] = found.values(numbers[at]) if role == "time" else found.differences(numbers[at])
    clock = converter.of("time", None, to, source)
    amount = converter.source("amount", position.get("amount"))
    rate = converter.source("rate", position["rate"]) if "rate" in position else ""
    for state in dict.fromkeys(name for name in states if name):
        rows = np.array([name == state for name in states], dtype=bool)
        unit = model.get(state, "")
        found = converter.of("amount", position.get("amount"), unit, amount)
        factor = 1.0 if found is None else found.factor
        if found is not None:
            at = position["amount"]
            numbers[at] = np.where(rows, numbers[at] * factor, numbers[at])
        if "rate" not in position:
            continue
        at, per = position["rate"], factor / (1.0 if clock is None else clock.factor)
        if rate:
            own_rate = converter.of("rate", at, f"({unit})/({to})" if unit and to else "", rate)
            per = 1.0 if own_rate is None else own_rate.factor
        # The codes of a rate that is estimated have no unit.
        numbers[at] = np.where(rows & (numbers[at] > 0), numbers[at] * per, numbers[at])
    return replace(columns, numbers=numbers)
