"""The events of a model section that come by conditions."""

from __future__ import annotations

from collections.abc import Mapping

from odefit import algebra as sp
from odefit.config.model_section import EventSection
from odefit.model.conditions import condition_of
from odefit.model.system import Trigger
from odefit.problem.formula_reader import FormulaReader


def read_trigger(reader: FormulaReader, k: int, section: EventSection, changes: Mapping[str, sp.Expr]) -> Trigger:
    """The k-th event of the section, which has a condition; changes: what it sets."""
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
