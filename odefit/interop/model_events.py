"""Events of a model as entries of the config: at a time where the trigger waits for one, else when it becomes true."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from odefit.interop.draft import DraftEvent
from odefit.interop.mathematics import TIME, Call, Number, Tree, call, condition, names_in, replaced, uses_time
from odefit.interop.model import Model, ModelEvent
from odefit.records import dataclass

_TURNED = {">=": "<=", ">": "<", "<=": ">=", "<": ">"}

MAX_CHAIN = 8
"""Constants that are formulas of constants, and so on, as far as priorities are worked out."""


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
    known = [awaited(event.trigger, moving) for event in model.events]
    events, decisions = [], []
    for event, waited in zip(model.events, known, strict=True):
        others = [e for e, w in zip(model.events, known, strict=True) if w and waited and w.time == waited.time]
        alone = not any(_touches(other, event) for other in others if other is not event)
        time = None if waited is None else waited.time
        if waited is not None and isinstance(time, Number) and start is not None and time.value <= start:
            past = time.value < start or waited.reached
            if past and not event.at_start:
                decisions.append(f"event {event.name} is left out: its trigger holds from the start on")
                continue
            time = Number(start)
        plain = event.delay is None and event.priority is None and (alone or not event.values_at_trigger)
        if time is not None and plain:
            events.append(DraftEvent(event.changes, time=time, comment=event.name))
        else:
            events.append(_when(event, len(model.events) > 1))
    return events, decisions


def order_is_drawn(one: ModelEvent, other: ModelEvent, constants: Mapping[str, Tree]) -> bool:
    """Whether SBML leaves to chance which of two events comes first, and this matters.

    They have one priority, be it by the values of constants, and

    - come at the same time, and what one sets the other sets or computes from; or
    - are not persistent, and each sets what the other waits for, so that it may keep it from coming.
    """
    if one.priority is None or other.priority is None:
        return False
    first, second = (_worked_out(priority, constants) for priority in (one.priority, other.priority))
    if first != second:
        return False
    if one.trigger == other.trigger and one.delay == other.delay:
        return _matters_to(one, other) or _matters_to(other, one)
    is_race = not set(names_in(one.trigger)).isdisjoint(other.changes)
    is_race = is_race and not set(names_in(other.trigger)).isdisjoint(one.changes)
    return is_race and not one.persistent and not other.persistent


def _worked_out(tree: Tree, constants: Mapping[str, Tree]) -> Tree:
    """With the values of constants, which may be formulas of others."""
    for _ in range(MAX_CHAIN):
        if constants.keys().isdisjoint(names_in(tree)):
            break
        tree = replaced(tree, constants)
    return tree


def _matters_to(event: ModelEvent, other: ModelEvent) -> bool:
    """Whether one event sets what another sets too, or computes from at its turn."""
    used = () if event.values_at_trigger else (name for value in event.changes.values() for name in names_in(value))
    return not {*event.changes, *used}.isdisjoint(other.changes)


def _touches(other: ModelEvent, event: ModelEvent) -> bool:
    """Whether one event sets what another that comes at the same time sets or looks at."""
    names = {*event.changes, *(name for value in event.changes.values() for name in names_in(value))}
    return not names.isdisjoint(other.changes)


def _sided(tree: Tree) -> Tree:
    """A condition with `x < y or x > y` in the place of `x != y`: events look for where a comparison changes."""
    if not isinstance(tree, Call):
        return tree
    arguments = tuple(_sided(argument) for argument in tree.arguments)
    if tree.function == "!=":
        return call("or", call("<", *arguments), call(">", *arguments))
    return call(tree.function, *arguments)


def _when(event: ModelEvent, several: bool) -> DraftEvent:
    """values: those of the time when the trigger fires matter where something may come between."""
    early = event.values_at_trigger and (several or event.delay is not None)
    return DraftEvent(
        event.changes,
        when=_sided(condition(event.trigger)),
        delay=event.delay,
        priority=event.priority,
        at_start=event.at_start,
        early_values=early and any(not isinstance(value, Number) for value in event.changes.values()),
        persistent=event.persistent or (event.delay is None and not several),
        comment=event.name,
    )
