"""Conditions of events that name nothing, so that they hold always or never: `when: 1 < 2`."""

from __future__ import annotations

from odefit.config.load import LoadedConfig
from odefit.model.conditions import condition_of
from odefit.problem.described import Described
from odefit.text import clip


def constant_condition_notes(loaded: LoadedConfig, described: Described) -> list[str]:
    """A sentence for each event that comes at the start alone, or never."""
    notes = list[str]()
    given = [(k, one) for k, one in enumerate(loaded.config.model.events) if one.when is not None]
    for (k, section), trigger in zip(given, described.system.triggers, strict=False):
        condition = condition_of(trigger.when)
        if condition.gaps:
            continue
        always = condition.holds([])
        when = f"{loaded.where('model', 'events', k, 'when')}: `{clip(str(section.when))}`"
        comes = "so it comes at the start alone" if section.at_start else "so it never comes: see at_start"
        notes.append(f"{when} {f'always holds, {comes}' if always else 'never holds, so it never comes'}")
    return notes
