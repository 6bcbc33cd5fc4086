"""Experiments with their periods, as a table of constants and initial values, and as events.

    what a condition sets             what becomes of it
    a constant, from the start on     a column of the table with its name, or a parameter where all have the same
    a constant, before the start      a column `<name>_before`, named by `model.steady_state`
    a state, at the first time        a column `<state>_0`, or `model.initial` where all have the same
    a state, after rest before        an event at the start
    a state, at a later time          an event at that time
    a constant, at a later time       the constant is a state that stands still, and an event sets it

The last is decided before the equations are made: see `later_targets`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field

from odefit.errors import Faults
from odefit.interop.draft import DraftEvent
from odefit.interop.equations import substituted_at_start
from odefit.interop.mathematics import Name, Number, Tree, call, names_in, replaced
from odefit.interop.model import Model
from odefit.interop.petab_problem import Period, PetabExperiment
from odefit.records import dataclass
from odefit.text import clip, suggest

NEVER = 1e30
"""The time of an event for an experiment that does not have it."""
SWITCH = "steady_state"
"""The column that says which experiments come from rest."""


@dataclass
class Conditions:
    """What the experiments say of the model.

    Attributes
    ----------
    columns
        Name: what each experiment has for it, by experiment.
    settings
        Constants that all experiments set to the same value.
    initial
        State: what it starts from in all experiments; those with a column are not in it.
    steady_state
        Constant: what it was before the start; None where nothing comes to rest first.
    events
        What happens at the start and later.
    start
        Where all experiments start; None: see the column.
    """

    columns: dict[str, dict[str, Tree | str]] = field(default_factory=dict)
    settings: dict[str, Tree] = field(default_factory=dict)
    initial: dict[str, Tree] = field(default_factory=dict)
    steady_state: dict[str, Tree] | None = None
    events: list[DraftEvent] = field(default_factory=list)
    start: float | None = 0.0


def later_targets(experiments: Collection[PetabExperiment]) -> frozenset[str]:
    """Names that some condition changes after the start of an experiment."""
    return frozenset(name for e in experiments for period in e.from_start[1:] for name in period.changes)


def conditions_of(
    model: Model, experiments: Sequence[PetabExperiment], unknowns: Collection[str], faults: Faults
) -> Conditions:
    """The table and the events of some experiments.

    Parameters
    ----------
    model
        What they are experiments with.
    experiments
        Those that are measured.
    unknowns
        Names of the parameter table, which no condition may set.
    faults
        Is told of what the conditions set and the model does not have.
    """
    return _Maker(model, experiments, unknowns, faults).made()


class _Maker:
    def __init__(
        self, model: Model, experiments: Sequence[PetabExperiment], unknowns: Collection[str], faults: Faults
    ) -> None:
        self.model, self.experiments, self.unknowns, self.faults = model, experiments, unknowns, faults
        self.found = Conditions()
        self.taken = {*model.values, *model.rates, *model.expressions}
        self.states = {*model.rates}
        self.starts = {e.name: e.from_start[0].time if e.from_start else 0.0 for e in experiments}

    def made(self) -> Conditions:
        self._check_targets()
        self._starts()
        before, during = self._constants()
        self._initial(before, during)
        self._resets()
        return self.found

    def new_name(self, name: str) -> str:
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def _check_targets(self) -> None:
        known = dict.fromkeys([*self.model.values, *self.model.rates, *self.model.amounts])
        for experiment, period in ((e, period) for e in self.experiments for period in e.periods):
            for name in period.changes:
                if name in known:
                    continue
                if name in self.unknowns:
                    what = f"sets '{clip(name)}', which has a row in the parameter table: it cannot have both"
                elif name in self.model.expressions:
                    what = f"sets '{clip(name)}', which a rule of the model computes: it cannot be set"
                else:
                    what = f"sets '{clip(name)}', which the model does not have; {suggest(name, known)}"
                self.faults.add(experiment.place(period, name), what)

    def _starts(self) -> None:
        distinct = set(self.starts.values())
        self.found.start = distinct.pop() if len(distinct) == 1 else None
        if self.found.start is None:
            self.found.columns["start"] = {name: Number(time) for name, time in self.starts.items()}
        resting = [e for e in self.experiments if e.before is not None]
        if resting:
            self.found.steady_state = {}
            if len(resting) < len(self.experiments):
                self.found.columns[SWITCH] = {e.name: "no" if e.before is None else "yes" for e in self.experiments}

    # -- constants

    def _constants(self) -> tuple[dict[str, dict[str, Tree]], dict[str, dict[str, Tree]]]:
        """Experiment: constant: its value before the start, and from the start on."""
        targets = [
            name
            for name in dict.fromkeys(n for e in self.experiments for p in self._first(e) for n in p.changes)
            if name in self.model.values and name not in self.states
        ]
        own = {name: self.model.values[name] for name in targets}
        before: dict[str, dict[str, Tree]] = {}
        during: dict[str, dict[str, Tree]] = {}
        for e in self.experiments:
            rest = own if e.before is None else own | _set(e.before, targets, own)
            kept = own if e.taken_back or e.before is None else rest
            during[e.name] = kept | (_set(e.from_start[0], targets, kept) if e.from_start else {})
            before[e.name] = during[e.name] if e.before is None else rest
        for name in targets:
            self._column(name, {e.name: during[e.name][name] for e in self.experiments})
            if any(before[e][name] != during[e][name] for e in before):
                called = self.new_name(f"{name}_before")
                assert self.found.steady_state is not None
                self.found.steady_state[name] = Name(called)
                self._column(called, {e.name: before[e.name][name] for e in self.experiments})
        return before, during

    def _first(self, experiment: PetabExperiment) -> list[Period]:
        """The periods that say what holds before the start and from there on."""
        return [*([experiment.before] if experiment.before else []), *experiment.from_start[:1]]

    def _column(self, name: str, cells: Mapping[str, Tree]) -> None:
        """A column, or one setting where all experiments have the same."""
        empty = {e for e, cell in cells.items() if isinstance(cell, Number) and math.isnan(cell.value)}
        for experiment in self.experiments:
            if experiment.name in empty:
                where = experiment.periods[0].where if experiment.periods else self.model.where.get(name, "")
                what = f"experiment {clip(experiment.name)}: no condition says what '{clip(name)}' is at its start"
                self.faults.add(where, what)
        cells = {e: Number(0.0) if e in empty else cell for e, cell in cells.items()}
        if len(set(cells.values())) > 1:
            self.found.columns[name] = dict(cells)
        elif name.endswith("_before") and self.found.steady_state and Name(name) in self.found.steady_state.values():
            target = next(key for key, value in self.found.steady_state.items() if value == Name(name))
            self.found.steady_state[target] = next(iter(cells.values()))
        else:
            self.found.settings[name] = next(iter(cells.values()))

    # -- states

    def _initial(self, before: Mapping[str, Mapping[str, Tree]], during: Mapping[str, Mapping[str, Tree]]) -> None:
        """What the states start from; the constants in it are those of the time before the start."""
        conditions = {e.name: self._first(e)[:1] for e in self.experiments}
        assigned = {name for periods in conditions.values() for period in periods for name in period.changes}
        for state, own in self.model.values.items():
            if state not in self.states:
                continue
            species = next((s for s, (amount, _) in self.model.amounts.items() if amount == state), state)
            moved = before != during and any(b != during[e] for e, b in before.items())
            touched = moved and bool(set(self._parts(own)) & set(next(iter(before.values()), {})))
            if species not in assigned and not touched:
                self.found.initial[state] = own
                continue
            cells = {}
            for e in self.experiments:
                change = next((p.changes[species] for p in conditions[e.name] if species in p.changes), None)
                cells[e.name] = self._at_start(own if change is None else self._as_state(species, change), e, before)
            if len(set(cells.values())) == 1:
                self.found.initial[state] = next(iter(cells.values()))
            else:
                self.found.columns[f"{state}_0"] = dict(cells)

    def _parts(self, tree: Tree, depth: int = 0) -> Collection[str]:
        """Names that a value at the start depends on, through others too."""
        found: set[str] = set()
        for name in names_in(tree):
            found.add(name)
            if name in self.model.values and depth < 50:
                found.update(self._parts(self.model.values[name], depth + 1))
        return found

    def _as_state(self, species: str, value: Tree) -> Tree:
        """A value of a species as one of its state."""
        if species not in self.model.amounts:
            return value
        return call("*", value, Name(self.model.amounts[species][1]))

    def _at_start(self, tree: Tree, e: PetabExperiment, before: Mapping[str, Mapping[str, Tree]]) -> Tree:
        formulas = {name: value for name, value in self.model.values.items() if not isinstance(value, Number)}
        states = {name: self.model.values[name] for name in self.states}
        values = {**formulas, **states, **before[e.name]}
        return substituted_at_start(tree, values, self.model.expressions, self.starts[e.name])

    # -- events

    def _resets(self) -> None:
        """What conditions set at the start of an experiment that comes from rest, and at later times."""
        changes: dict[tuple[tuple[str, Tree], ...], dict[str, list[float]]] = {}
        for e in self.experiments:
            first = [] if e.before is None else [*e.from_start[:1]]
            for period in (*first, *e.from_start[1:]):
                own = {
                    self.model.amounts.get(name, (name, ""))[0]: self._as_state_after(name, value, period)
                    for name, value in period.changes.items()
                    if name in self.states or name in self.model.amounts
                }
                if own:
                    changes.setdefault(tuple(own.items()), {}).setdefault(e.name, []).append(period.time)
        for number, (made, times) in enumerate(self._merged(changes), 1):
            for occurrence in range(max(map(len, times.values()))):
                at = {e.name: (times.get(e.name, [])[occurrence:] or [NEVER])[0] for e in self.experiments}
                self.found.events.append(DraftEvent(dict(made), self._time(at, number)))

    def _as_state_after(self, name: str, value: Tree, period: Period) -> Tree:
        if name not in self.model.amounts:
            return value
        compartment = self.model.amounts[name][1]
        return call("*", value, period.changes.get(compartment, Name(compartment)))

    def _time(self, at: Mapping[str, float], number: int) -> Tree:
        if len(set(at.values())) == 1:
            return Number(next(iter(at.values())))
        name = self.new_name(f"change_{number}_time")
        self.found.columns[name] = {experiment: Number(time) for experiment, time in at.items()}
        return Name(name)

    def _merged(
        self, changes: Mapping[tuple[tuple[str, Tree], ...], Mapping[str, list[float]]]
    ) -> list[tuple[tuple[tuple[str, Tree], ...], Mapping[str, list[float]]]]:
        """Changes of the same states to values that no state has a part in, as one with a column for each state."""
        groups: dict[tuple[str, ...], list[tuple[tuple[tuple[str, Tree], ...], Mapping[str, list[float]]]]] = {}
        merged: list[tuple[tuple[tuple[str, Tree], ...], Mapping[str, list[float]]]] = []
        for made, times in changes.items():
            moving = any(set(names_in(value)) & {*self.states, *self.model.expressions} for _, value in made)
            once = all(len(own) == 1 for own in times.values())
            if moving or not once:
                merged.append((made, times))
            else:
                groups.setdefault(tuple(name for name, _ in made), []).append((made, times))
        for states, members in groups.items():
            experiments = [name for _, times in members for name in times]
            if len(members) == 1 or len(set(experiments)) < len(experiments):
                merged += members
                continue
            merged.append((self._one(states, members), {k: v for _, times in members for k, v in times.items()}))
        return merged

    def _one(
        self,
        states: tuple[str, ...],
        members: Sequence[tuple[tuple[tuple[str, Tree], ...], Mapping[str, list[float]]]],
    ) -> tuple[tuple[str, Tree], ...]:
        made: list[tuple[str, Tree]] = []
        for i, state in enumerate(states):
            values = {name: change[i][1] for change, times in members for name in times}
            if len(set(values.values())) == 1:
                made.append((state, next(iter(values.values()))))
                continue
            column = self.new_name(f"{state}_after")
            self.found.columns[column] = {e.name: values.get(e.name, Number(0.0)) for e in self.experiments}
            made.append((state, Name(column)))
        return tuple(made)


def _set(period: Period, targets: Sequence[str], values: Mapping[str, Tree]) -> dict[str, Tree]:
    """What a period sets, in terms of what does not change: values that it names are those just before."""
    return {name: replaced(period.changes[name], values) for name in targets if name in period.changes}
