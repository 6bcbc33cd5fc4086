"""What a result keeps of the clock of its data, so that pictures can say dates."""

from __future__ import annotations

import datetime

from odefit.config.load import LoadedConfig
from odefit.data.clock import Clock
from odefit.data.clock_cells import EPOCH, UNITS
from odefit.data.units import conversion
from odefit.model.system import TIME
from odefit.runs.results import Dates


def dates_of(loaded: LoadedConfig, clock: Clock | None) -> Dates | None:
    """The dates that times are counted from, in the unit of the model.

    Parameters
    ----------
    loaded
        The config.
    clock
        Of the measurements; None where their times are numbers.

    Returns
    -------
    Dates or None
        None where times are no points of the calendar.
    """
    if clock is None or not clock.counts_dates:
        return None
    target = loaded.config.model.units.get(TIME)
    change = None if target is None else conversion(clock.unit, target)
    seconds = UNITS[clock.unit] / (1.0 if change is None else change.factor)
    if clock.zero is not None:
        return Dates(seconds, _written(clock.zero))
    return Dates(seconds, {name: _written(zero) for name, zero in clock.zeros.items()})


def _written(seconds: float) -> str:
    return (EPOCH + datetime.timedelta(seconds=seconds)).isoformat()
