"""Doses of a config whose times are dates, on the clock of the measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from odefit.config.load import LoadedConfig
from odefit.data.clock import Clock
from odefit.data.clock_cells import NotClear, looks_like_time
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
            own = item.get("experiment") or ""
            time = number_of(loaded, text, clock, own, "name the experiment of this dose")
            found.append({**item, "time": time})
        except (NotClear, UnitFault) as fault:
            faults.add(where(k, "time"), str(fault))
    faults.check()
    return found


def number_of(
    loaded: LoadedConfig, text: str, clock: Clock | None, experiment: str = "", remedy: str = "write a number"
) -> float:
    """A date of the config as a time in the unit of the model.

    Parameters
    ----------
    loaded
        The config.
    text
        The date.
    clock
        That of the measurements; None where their times are numbers.
    experiment
        Whose time it is; empty for that of all.
    remedy
        What to do where each experiment has a zero of its own.

    Raises
    ------
    NotClear, UnitFault
        It is no date, or has no zero to count from.
    """
    if not looks_like_time(text):
        raise NotClear(f"'{clip(text)}' is neither a number nor a date; write one, as 2021-03-01 08:00")
    if clock is None:
        raise NotClear(
            f"'{clip(text)}' is a date or a clock time, and the times of the data are numbers; write a number"
        )
    seconds = clock.moments([text]).seconds[0]
    if seconds is None:
        raise NotClear(f"'{clip(text)}' is on no calendar; correct it")
    number = clock.number(seconds, experiment)
    if number is None:
        what = f"'{clip(text)}' has no zero to count from, since each experiment counts from its own first row"
        raise NotClear(f"{what}; {remedy}")
    target = loaded.config.model.units.get(TIME)
    change = None if target is None else conversion(clock.unit, target)
    return number if change is None else number * change.factor
