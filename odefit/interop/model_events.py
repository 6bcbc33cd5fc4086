"""Events of a model as entries of the config: at a time where the trigger waits for one, else when it becomes true."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from odefit.interop.draft import DraftEvent
from odefit.interop.mathematics import TIME, Call, Number, Tree, call, names_in, uses_time
from odefit.interop.model import Model, ModelEvent

_TURNED = {">=": "<=", ">": "<", "<=": ">=", "<": ">"}


@dataclass(frozen=True)
class Waited:
    """What a trigger waits for: a time, and whether it has come at that time already (>=) or just after (>)."""

    time: Tree
    reached: bool


def awaited(trigger: Tree, moving: Collection[str]) -> Waited | None:
    """The time that a trigger waits for, of constants alone; None where it waits for something else."""
    if not isinstance(trigger, Call) or trigger.function not in (*_TURNED, "=="):
        return None
    function, (left, right) = trigger.function, trigger.arguments
    if right == TIME or (uses_time(right) and not uses_time(left)):
        function, left, right = _TURNED.get(function, function), right, left
    if function not in (">=", ">", "==") or uses_time(right) or not set(names_in(right)).isdisjoint(moving):
        return None
    time = _solved(left, right)
    if time is None or not set(names_in(time)).isdisjoint(moving):
        return None
    return Waited(time, function != ">")


def _solved(left: Tree, right: Tree) -> Tree | None:
    """The time at which `left`, which rises with it, is `right`."""
    if left == TIME:
        return right
    if (
        isinstance(left, Call)
        and left.function == "-"
        and left.arguments[0] == TIME
        and not uses_time(left.arguments[1])
    ):
        return call("+", right, left.arguments[1])
    return None


def drafted(model: Model, start: float | None) -> tuple[list[DraftEvent], list[str]]:
    """The events of a model, and what had to be decided.

    Parameters
    ----------
    model
        With its events.
    start
        When all experiments start; None where they differ.
    """
    moving = {*model.rates, *model.expressions}
    events, decisions = [], []
    for event in model.events:
        waited = awaited(event.trigger, moving)
        if waited is None:
            events.append(_when(event))
            continue
        time = waited.time
        if isinstance(time, Number) and start is not None and time.value <= start:
            past = time.value < start or waited.reached
            if past and not event.at_start:
                decisions.append(f"event {event.name} is left out: its trigger holds from the start on")
                continue
            time = Number(start)
        if event.delay is not None:
            time = call("+", time, event.delay)
        events.append(DraftEvent(event.changes, time=time, comment=event.name))
    return events, decisions


def _when(event: ModelEvent) -> DraftEvent:
    return DraftEvent(
        event.changes,
        when=event.trigger,
        delay=event.delay,
        priority=event.priority,
        at_start=event.at_start,
        comment=event.name,
    )
