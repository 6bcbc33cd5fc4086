"""The events and doses of a model section, as formulas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from odefit import algebra as sp
from odefit.config.load import LoadedConfig
from odefit.errors import ModelError
from odefit.model.conditions import condition_of
from odefit.model.system import Dosing, Event, Spread, Trigger
from odefit.problem.formula_reader import FormulaReader
from odefit.text import clip

if TYPE_CHECKING:
    from odefit.config.event_section import EventSection

MAX_EVENTS = 10_000
"""The most events at all their times: an integration starts again at each, and this many take seconds per solve."""
CODES = {"rate": "RATE -1", "duration": "RATE -2"}
"""Of tables of events."""


def read_events(reader: FormulaReader) -> tuple[tuple[Event, ...], tuple[Trigger, ...]]:
    """The events of the section: one for each of their times, and those that come by conditions."""
    place, names = reader.place, {*reader.states, *reader.known}
    found, triggers = list[Event](), list[Trigger]()
    sections = place.section.events
    number = sum(len(section.times) or 1 for section in sections)
    if number > MAX_EVENTS:
        reader.faults.add(place.where("events"), f"at most {MAX_EVENTS:,} in all (got {number:,}); remove some")
        return (), ()
    for k, section in enumerate(sections):
        changes = {}
        for state, text in section.set.items():
            if state not in reader.states:
                what = f"'{state}' is no state; the states are {', '.join(reader.states)}"
                reader.faults.add(place.where("events", k, "set", state), what)
            changes[state] = reader.read(text, names, "events", k, "set", state)
        if section.time is None:
            triggers.append(_trigger(reader, k, section, changes))
            continue
        for text in section.times:
            where = place.where("events", k, "time")
            time = reader.timeless(reader.read(text, names, "events", k, "time"), where, "the time of an event")
            found.append(Event(time, changes))
    return tuple(found), tuple(triggers)


def _trigger(reader: FormulaReader, k: int, section: EventSection, changes: Mapping[str, sp.Expr]) -> Trigger:
    """The k-th event of the section, which comes by a condition; changes: what it sets."""
    names = {*reader.states, *reader.known, *reader.place.inputs}
    assert section.when is not None
    when = reader.read(section.when, names, "events", k, "when")
    try:
        condition_of(when)
    except ValueError as error:
        reader.faults.add(reader.place.where("events", k, "when"), str(error))
    delay = None if section.delay is None else reader.read(section.delay, names, "events", k, "delay")
    priority = sp.S.Zero if section.priority is None else reader.read(section.priority, names, "events", k, "priority")
    early = section.values == "trigger"
    return Trigger(when, changes, delay, section.at_start, priority, section.persistent, early)


def read_dosing(reader: FormulaReader) -> Dosing:
    """Lag and fraction of doses, and how long infusions take that do not say it in numbers."""
    section, loaded = reader.place.loaded.config.data.doses, reader.place.loaded

    def read(text: str, where: str, what: str) -> sp.Expr:
        formula = reader.formula(text, {*reader.states, *reader.known}, where)
        return reader.timeless(formula, where, what)

    formulas = {}
    for key in ("lag", "fraction") if section is not None else ():
        formulas[key] = read(getattr(section, key), loaded.where("data", "doses", key), f"the {key} of doses")
    spreads = []
    for (kind, text), where in _spreads(loaded).items():
        if loaded.events is not None and text.isidentifier() and text not in {*reader.states, *reader.known}:
            code, remedy = CODES[kind], f"`data.doses: {{{kind}: …}}` names another formula"
            raise ModelError(where, f"{code}: declare the {kind} {clip(text)} under `parameters`, or {remedy}")
        spreads.append(Spread(kind, text, read(text, where, f"the {kind} of a dose")))
    return Dosing((), **formulas, spreads=tuple(spreads))


def _spreads(loaded: LoadedConfig) -> dict[tuple[str, str], str]:
    """(`duration` or `rate`, formula) -> its place: how long infusions take, or at which rate they enter; a file of
    doses is looked at for them."""
    section = loaded.config.data.doses
    if loaded.events is not None:
        return {row.dose.spread: row.where for row in loaded.events.doses if row.dose.spread is not None}
    if section is None:
        return {}
    if section.csv is not None:
        columns = {str(role): column for role, column in section.columns.items()}
        from odefit.data.dose_table import written_spreads

        return written_spreads(loaded.folder / section.csv, columns, section.time)
    found: dict[tuple[str, str], str] = {}
    keys = ("table",) if isinstance(loaded.source.data["data"]["doses"], dict) else ()
    for k, dose in enumerate(section.table or ()):
        for kind, value in (("duration", dose.duration), ("rate", dose.rate)):
            if isinstance(value, str):
                found.setdefault((kind, value), loaded.where("data", "doses", *keys, k, kind))
    return found
