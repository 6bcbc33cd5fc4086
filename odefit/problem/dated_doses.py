"""Doses of a config whose times are dates, on the clock of the measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from odefit.config.load import LoadedConfig
from odefit.data.clock import Clock
from odefit.data.clock_cells import NotClear, parse_moments
from odefit.data.doses import Where
from odefit.data.units import UnitFault, conversion
from odefit.errors import Faults
from odefit.model.system import TIME
from odefit.text import clip


def on_data_clock(
    loaded: LoadedConfig, items: Sequence[Mapping[str, Any]], clock: Clock | None, where: Where
) -> list[dict[str, Any]]:
    """Doses with numbers for times; clock: that of the measurements, None where their times are numbers.

    Raises
    ------
    ConfigError
        A time is no date, or has no zero to count from.
    """
    faults, found = Faults(), list[dict[str, Any]]()
    for k, item in enumerate(items):
        text = item.get("time")
        if not isinstance(text, str):
            found.append(dict(item))
            continue
        try:
            found.append({**item, "time": _number(loaded, text, item.get("experiment") or "", clock)})
        except (NotClear, UnitFault) as fault:
            faults.add(where(k, "time"), str(fault))
    faults.check()
    return found


def _number(loaded: LoadedConfig, text: str, experiment: str, clock: Clock | None) -> float:
    """The time in the unit of the model. Raises NotClear or UnitFault."""
    if clock is None:
        raise NotClear(
            f"'{clip(text)}' is a date or a clock time, and the times of the data are numbers; write a number"
        )
    moments = parse_moments([text], clock.form.day_first, clock.form.clock)
    seconds = moments.seconds[0]
    if seconds is None:
        raise NotClear(f"'{clip(text)}' is neither a number nor a date; write one, as 2021-03-01 08:00")
    if moments.are_dates != clock.counts_dates:
        kinds = ("dates", "times of day") if clock.counts_dates else ("times of day", "dates")
        raise NotClear(
            f"the times of the data are {kinds[0]}, and '{clip(text)}' is of the {kinds[1]}; write it as they are"
        )
    number = clock.number(seconds, experiment)
    if number is None:
        what = f"'{clip(text)}' has no zero to count from, since each experiment counts from its own first row"
        raise NotClear(f"{what}; name the experiment of this dose")
    target = loaded.config.model.units.get(TIME)
    change = None if target is None else conversion(clock.unit, target)
    return number if change is None else number * change.factor
