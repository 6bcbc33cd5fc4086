"""Times of a config that are dates, as numbers on the clock of the measurements: events, the start, what is left out.

A formula of an event may be a date (`2021-03-02`), which is no subtraction; doses are in `dated_doses`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from odefit.config.data_section import WORDS_OF_START
from odefit.config.load import LoadedConfig
from odefit.data.clock import Clock, on_clock
from odefit.data.clock_cells import NotClear
from odefit.data.columns import Positions
from odefit.data.frames import FrameSheet
from odefit.data.layouts import TIME, usual_time
from odefit.data.nonmem.table import EventTable
from odefit.data.sheets import Sheet
from odefit.data.units import UnitFault
from odefit.errors import Faults
from odefit.problem.data_file import open_data
from odefit.problem.dated_doses import number_of
from odefit.problem.event_table import with_events
from odefit.problem.spread_columns import spread_data
from odefit.problem.table_form import table_form
from odefit.runs.dated import is_date

if TYPE_CHECKING:
    from odefit.config.counted_section import ExcludeSection, HoldOutSection
    from odefit.config.event_section import EventSection

Change = Callable[[Any, Sequence[str | int]], Any]
"""A time as the config has it, and its keys, become what counts instead."""
_SURELY = re.compile(r"\d{4}-\d\d-\d\d|.*:")
"""Texts that are dates even where the times of the data are numbers; `24/7/60` is a formula there."""


def with_numbers_for_dates(loaded: LoadedConfig) -> LoadedConfig:
    """The config with numbers in place of dates.

    Raises
    ------
    ConfigError
        A date that is none, or that has nothing to count from.
    DataError
        The measurements cannot be read.
    """
    found = list[str]()

    def note(value: Any, keys: Sequence[str | int]) -> Any:
        found.extend([value] if _may_be_date(value, keys) else [])
        return value

    _changed(loaded, note)
    if not found:
        return loaded
    clock = _clock(_without_times(loaded))
    faults = Faults()

    def change(value: Any, keys: Sequence[str | int]) -> Any:
        if not _may_be_date(value, keys) or (clock is None and _is_formula(keys) and not _SURELY.match(value)):
            return value
        try:
            return number_of(loaded, value, clock)
        except (NotClear, UnitFault) as fault:
            faults.add(loaded.where(*keys), str(fault))
            return value

    changed = _changed(loaded, change)
    faults.check()
    return changed


def _is_formula(keys: Sequence[str | int]) -> bool:
    return keys[0] == "model"


def _may_be_date(value: Any, keys: Sequence[str | int]) -> bool:
    """Whether a time is no number, no word of the config and no formula."""
    if not isinstance(value, str):
        return False
    return is_date(value) if _is_formula(keys) else value not in WORDS_OF_START


def _changed(loaded: LoadedConfig, change: Change) -> LoadedConfig:
    """The config with each time that may be a date changed."""
    model, data = loaded.config.model, loaded.config.data

    def each(value: Any, *keys: Any) -> Any:
        return [change(one, keys) for one in value] if isinstance(value, list) else change(value, keys)

    events = [
        event.model_copy(update={"time": _formulas(each(event.time, "model", "events", k, "time"))})
        for k, event in enumerate(model.events)
    ]
    exclude = [
        one.model_copy(
            update={key: each(getattr(one, key), "data", "exclude", k, key) for key in ("times", "after", "before")}
        )
        for k, one in enumerate(data.exclude)
    ]
    held = data.hold_out
    if held is not None:
        held = held.model_copy(update={"after": each(held.after, "data", "hold_out", "after")})
    return _with(loaded, events, exclude, held, each(data.start, "data", "start"))


def _without_times(loaded: LoadedConfig) -> LoadedConfig:
    """The config without what may have dates."""
    return _with(loaded, [], [], None, "auto")


def _with(
    loaded: LoadedConfig,
    events: Sequence[EventSection],
    exclude: Sequence[ExcludeSection],
    hold_out: HoldOutSection | None,
    start: float | str,
) -> LoadedConfig:
    model, data = loaded.config.model, loaded.config.data
    own = {"exclude": exclude, "hold_out": hold_out, "start": start}
    own = {key: value for key, value in own.items() if key in data.model_fields_set}
    parts: dict[str, Any] = {"data": data.model_copy(update=own)}
    parts |= {"model": model.model_copy(update={"events": events})} if model.events else {}
    return replace(loaded, config=loaded.config.model_copy(update=parts))


def _formulas(time: Any) -> Any:
    """The times of an event are formulas."""
    if isinstance(time, list):
        return list(map(_formulas, time))
    return repr(time) if isinstance(time, float) else time


def _clock(loaded: LoadedConfig) -> Clock | None:
    """That of the measurements; None where their times are numbers. Raises DataError."""
    data, content = loaded.config.data, None if loaded.given is None else loaded.given.content
    if isinstance(content, tuple) or (content is None and data.csv is None):
        return None
    events: EventTable | None = with_events(loaded).events
    if events is not None:
        return events.clock
    sheet: Sheet
    spread = spread_data(loaded, list(data.columns))
    if spread is not None:
        sheet, name = spread.grid, spread.grid.header.names[0]
    else:
        sheet = FrameSheet(content) if content is not None else open_data(loaded, [data.time] if data.time else TIME)
        name = data.time or ""
    position = Positions({name: k for k, name in enumerate(sheet.header.names) if name})
    time = position.get(name or usual_time(position))
    if time is None:
        return None  # which whoever reads the table tells of
    experiment = position.get(data.experiment or "experiment")
    return on_clock(sheet, time, experiment, table_form(loaded).clock)[1]
