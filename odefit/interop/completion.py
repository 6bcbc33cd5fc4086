"""The last step of a draft: constants that its formulas use are parameters, and what nothing uses is left out."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace

from odefit.errors import Faults
from odefit.interop.conditions import SWITCH, Conditions
from odefit.interop.draft import Draft, DraftParameter, DraftTable
from odefit.interop.equations import Equations, substituted_at_start
from odefit.interop.mathematics import ONE, ZERO, Name, Number, Tree, call, names_in, replaced, uses_time
from odefit.interop.model import Model
from odefit.records import dataclass
from odefit.text import clip


@dataclass(frozen=True)
class _Names:
    """Everything that a name may be."""

    draft: Draft
    model: Model
    conditions: Conditions

    def used(self) -> set[str]:
        """Names that formulas of the draft depend on, through others too."""
        draft = self.draft
        trees: list[Tree] = [*draft.equations.values(), *draft.observables.values(), *draft.initial.values()]
        trees += [n.sigma for n in draft.noise.values() if n.sigma is not None]
        trees += (draft.steady_state or {}).values()
        for event in draft.events:
            trees += event.changes.values()
            trees += [t for t in (event.time, event.when, event.delay, event.priority) if t is not None]
        for table in (draft.data, draft.experiments):
            if table is not None:
                trees += [c for row in table.rows for c in row if not isinstance(c, str | float)]
        found: set[str] = set()
        waiting = [name for tree in trees for name in names_in(tree)]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += names_in(self.behind(name))
        return found

    def behind(self, name: str) -> Tree:
        for formulas in (self.draft.expressions, self.conditions.settings, self.model.values):
            if name in formulas and name not in self.draft.equations:
                return formulas[name]
        return ONE


def _without_idle_columns(draft: Draft, used: Collection[str]) -> Draft:
    """Without columns of formulas that nothing names: what set initial values that conditions set themselves, say.

    Numbers that nothing names may stay, to group experiments by.
    """
    table = draft.experiments
    if table is None:
        return draft
    special = {*used, *SPECIAL, *(f"{state}_0" for state in draft.equations), *(p.x for p in draft.plots.values())}
    kept = [
        k
        for k, name in enumerate(table.header)
        if name in special or all(isinstance(row[k], str | Number) for row in table.rows)
    ]
    rows = [[row[k] for k in kept] for row in table.rows]
    return replace(draft, experiments=DraftTable([table.header[k] for k in kept], rows))


SPECIAL = ("experiment", "start", SWITCH)
"""Columns that mean something by their names."""
IDLE = "idle"
"""The state of a model that has none."""


def completed(draft: Draft, model: Model, equations: Equations, conditions: Conditions, faults: Faults) -> Draft:
    """A draft with the constants that are used, and without what is not.

    Parameters
    ----------
    draft
        With the parameters of the parameter table alone.
    model, equations, conditions
        What the draft was made of.
    faults
        Is told of names that need a value and have none.
    """
    put: dict[str, Tree] = dict.fromkeys(equations.unit_volumes, ONE)
    draft = draft.mapped(lambda tree: replaced(tree, put)) if put else draft
    draft = _at_rest(draft, model, conditions)
    draft = _without_idle_columns(draft, _Names(draft, model, conditions).used())
    names = _Names(draft, model, conditions)
    used = names.used()
    given = {parameter.name for parameter in draft.parameters}
    draft, waiting = _with_state(
        draft, [p.name for p in draft.parameters if p.prior is not None and p.name not in used]
    )
    used.update(waiting)
    dropped = [p.name for p in draft.parameters if p.estimate and p.name not in {*used, *draft.unnamed}]
    parameters = [p for p in draft.parameters if p.name in used]
    decisions = list(draft.decisions)
    if dropped:
        decisions.append(f"left out, for nothing depends on it: {', '.join(dropped)}")
    if put:
        decisions.append(f"of size 1, and so not written: {', '.join(put)}")
    expressions, constant = _split(draft.expressions, draft.equations, used, model)
    start = draft.start or 0.0
    starts = {s: draft.initial.get(s, Name(f"{s}_0")) for s in draft.equations}
    for name in sorted(
        used - given - {*draft.equations, *expressions, *conditions.columns} - {*put}, key=_order(model)
    ):
        value = conditions.settings.get(name, constant.get(name, model.values.get(name)))
        if value is None or name in model.rates:
            continue
        value = replaced(value, put)
        if isinstance(value, Number):
            _check(value, name, model, draft, faults)
            parameters.append(DraftParameter(name, value.value, estimate=False))
        else:
            formula = substituted_at_start(value, starts, draft.expressions, start)
            parameters.append(DraftParameter(name, formula=replaced(formula, put)))
    for state, tree in draft.initial.items():
        _check(tree, state, model, draft, faults)
    initial = {
        state: substituted_at_start(tree, {s: t for s, t in starts.items() if s != state}, expressions, start)
        for state, tree in draft.initial.items()
    }
    return replace(draft, parameters=parameters, expressions=expressions, decisions=decisions, initial=initial)


def _at_rest(draft: Draft, model: Model, conditions: Conditions) -> Draft:
    """A draft whose steady state names constants of the equations alone; without the columns for others."""
    if not draft.steady_state:
        return draft
    seen = replace(draft, observables={}, noise={}, data=None, experiments=None)
    moving = _Names(seen, model, conditions).used()
    kept = {name: tree for name, tree in draft.steady_state.items() if name in moving}
    gone = {tree.name for n, tree in draft.steady_state.items() if n not in kept and isinstance(tree, Name)}
    table = draft.experiments
    if table is not None and gone:
        places = [i for i, column in enumerate(table.header) if column not in gone]
        rows = [[row[i] for i in places] for row in table.rows]
        table = replace(table, header=[table.header[i] for i in places], rows=rows)
    return replace(draft, steady_state=kept, experiments=table)


def _with_state(draft: Draft, waiting: list[str]) -> tuple[Draft, list[str]]:
    """A draft with a state that stands still, where there is none or priors wait for a place; and what it holds.

    A parameter that nothing depends on but has a prior is part of the posterior density: it starts that state.
    """
    if draft.equations and not waiting:
        return draft, waiting
    name = IDLE
    while name in {*draft.equations, *draft.expressions, *(p.name for p in draft.parameters)}:
        name += "_"
    what = (
        "the model has no states" if not draft.equations else "some parameters have a prior and nothing depends on them"
    )
    return replace(
        draft,
        equations={**draft.equations, name: ZERO},
        initial={**draft.initial, name: call("+", *map(Name, waiting))},
        decisions=[*draft.decisions, f"the state {name} stands still and is there because {what}"],
    ), waiting


def _check(value: Tree, name: str, model: Model, draft: Draft, faults: Faults) -> None:
    if isinstance(value, Number) and math.isnan(value.value):
        faults.add(model.where.get(name, draft.origin), f"'{clip(name)}' has no value, and formulas need one")


def _order(model: Model) -> _Order:
    return _Order({name: i for i, name in enumerate(model.values)})


@dataclass(frozen=True)
class _Order:
    places: Mapping[str, int]

    def __call__(self, name: str) -> tuple[int, str]:
        return self.places.get(name, len(self.places)), name


def _split(
    expressions: Mapping[str, Tree], equations: Mapping[str, Tree], used: set[str], model: Model
) -> tuple[dict[str, Tree], dict[str, Tree]]:
    """Expressions that move with the states or the time, and those that are constants of the model."""
    moving: dict[str, Tree] = {}
    waiting = dict(expressions)
    while True:
        found = {
            name: tree
            for name, tree in waiting.items()
            if uses_time(tree) or not {*equations, *moving}.isdisjoint(names_in(tree))
        }
        if not found:
            break
        moving |= found
        waiting = {name: tree for name, tree in waiting.items() if name not in found}
    kept = {n: t for n, t in expressions.items() if n in moving and (n in used or n not in model.reactions)}
    return kept, waiting
