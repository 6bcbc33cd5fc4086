"""Doses, events at times and events by conditions, as events of SBML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from odefit import algebra as sp
from odefit.data.experiments import Experiment
from odefit.interop.mathematics import TIME, Call, Name, Number, Tree, call, condition
from odefit.interop.petab_export.names import Identifiers
from odefit.interop.petab_export.problem import ModelEvent
from odefit.model.system import System
from odefit.records import dataclass

ToTree = Callable[[Any], Tree]


@dataclass(frozen=True)
class Entry:
    """What enters one state at one time: an amount in each experiment, 0 where none does.

    Attributes
    ----------
    id
        Of the amount, where that is not the same in all experiments.
    rate
        Of the rate of an infusion.
    """

    state: str
    time: float
    duration: float
    amounts: tuple[float, ...]
    id: str
    rate: str

    @property
    def is_shared(self) -> bool:
        return len(set(self.amounts)) == 1

    @property
    def amount(self) -> Tree:
        return Number(self.amounts[0]) if self.is_shared else Name(self.id)


@dataclass(frozen=True)
class Doses:
    """The doses of all experiments."""

    entries: tuple[Entry, ...]

    @property
    def constants(self) -> dict[str, float]:
        """Amounts that the experiments set."""
        return {entry.id: entry.amounts[0] for entry in self.entries if not entry.is_shared}

    @property
    def levels(self) -> dict[str, float]:
        """Rates of infusions, which events set."""
        return {entry.rate: 0.0 for entry in self.entries if entry.duration > 0}

    def own(self, experiment: int) -> Iterator[tuple[str, Tree]]:
        """The amounts of one experiment."""
        for entry in self.entries:
            if not entry.is_shared:
                yield entry.id, Number(entry.amounts[experiment])

    def with_infusions(self, rates: Mapping[str, Tree], states: Mapping[str, str]) -> dict[str, Tree]:
        """The rates of the states with what is infused."""
        whole = dict(rates)
        for entry in self.entries:
            if entry.duration > 0:
                whole[states[entry.state]] = call("+", whole[states[entry.state]], Name(entry.rate))
        return whole


def doses_of(system: System, experiments: Sequence[Experiment], identifiers: Identifiers) -> Doses:
    """The doses, those of all experiments at one time into one state together."""
    keys = dict.fromkeys((d.time, d.state, d.duration) for e in experiments for d in e.doses)
    if system.dosing is None:
        return Doses(())
    entries: list[Entry] = []
    for time, state, duration in sorted(keys):
        amounts = tuple(
            sum(d.amount for d in e.doses if (d.time, d.state, d.duration) == (time, state, duration))
            for e in experiments
        )
        id_ = identifiers.new(f"dose_{state}_{len(entries) + 1}")
        rate = identifiers.new(f"infusion_{state}_{len(entries) + 1}") if duration > 0 else ""
        entries.append(Entry(state, float(time), float(duration), amounts, id_, rate))
    return Doses(tuple(entries))


def model_events(
    system: System,
    doses: Doses,
    states: Mapping[str, str],
    starts: Sequence[float],
    tree: ToTree,
    identifiers: Identifiers,
) -> tuple[ModelEvent, ...]:
    """All that happens on the way.

    Parameters
    ----------
    system
        Its events, triggers and dosing.
    doses
        Of all experiments.
    states
        Their ids.
    starts
        When the experiments start.
    tree
        Makes trees, with ids, of formulas.
    identifiers
        Gives the events theirs.
    """
    found = [event for entry in doses.entries for event in _dose(system, entry, states, tree, identifiers)]
    for one in system.events:
        time = tree(one.time)
        at_start = isinstance(time, Number) and time.value in starts
        changes = {states[state]: tree(value) for state, value in one.changes.items()}
        found.append(ModelEvent(identifiers.new("event"), Call(">=", (TIME, time)), changes, at_start))
    for trigger in system.triggers:
        found.append(
            ModelEvent(
                identifiers.new("event"),
                condition(tree(trigger.when)),
                {states[state]: tree(value) for state, value in trigger.changes.items()},
                trigger.at_start,
                None if trigger.delay is None else tree(trigger.delay),
                None if trigger.priority == sp.S.Zero else tree(trigger.priority),
                trigger.persistent,
                trigger.early_values,
            )
        )
    return tuple(found)


def _dose(
    system: System, entry: Entry, states: Mapping[str, str], tree: ToTree, identifiers: Identifiers
) -> Iterator[ModelEvent]:
    assert system.dosing is not None
    begin = call("+", Number(entry.time), tree(system.dosing.lag))
    amount = call("*", tree(system.dosing.fraction), entry.amount)
    name = identifiers.new(f"{entry.id}_enters")
    if not entry.duration:
        state = states[entry.state]
        changes = {state: call("+", Name(state), amount)}
        yield ModelEvent(name, Call(">=", (TIME, begin)), changes, at_start=True)
        return
    rate = call("/", amount, Number(entry.duration))
    yield ModelEvent(name, Call(">=", (TIME, begin)), {entry.rate: rate}, at_start=True)
    end = call("+", begin, Number(entry.duration))
    yield ModelEvent(identifiers.new(f"{entry.id}_ends"), Call(">=", (TIME, end)), {entry.rate: Number(0.0)})
