"""The section `steady_state`: what the system was before the start, when it came to rest.

A value may be given to whatever the equations or the initial values depend on: parameters, columns of the table of
experiments, and parameters with a formula. What depends on these has its own value then, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from odefit import algebra as sp
from odefit.model.formulas import free_names
from odefit.model.rest import rest_under
from odefit.model.switches import substitute
from odefit.model.system import Rest, Trigger, symbol
from odefit.problem.described import ESTIMATE, FIRST
from odefit.problem.formula_reader import FormulaReader, names_in
from odefit.problem.substitution import close

NEEDS_INITIAL = (ESTIMATE, FIRST)
"""Initial values that say nothing of where a state comes from before it rests."""


def read_rest(
    reader: FormulaReader,
    equations: Mapping[str, sp.Expr],
    initial: Mapping[str, sp.Expr],
    kinds: Mapping[str, str],
    triggers: Sequence[Trigger] = (),
) -> Rest | None:
    """The rest that a model section describes; faults go to the reader.

    Parameters
    ----------
    reader
        Of the model section.
    equations, initial, kinds
        State -> f, its initial value, and what that is, see `Described.initial_kind`.
    triggers
        The events by conditions.
    """
    place, section = reader.place, reader.place.section.steady_state
    if section is False:
        return None
    for state, kind in kinds.items():
        if kind in NEEDS_INITIAL:
            what = f"needs model.initial to say where {state} comes from before it rests, e.g. `{state}: 1`"
            reader.faults.add(place.where("steady_state"), what)
    derived = reader.derived
    used = names_in(equations, initial).union(*(free_names(f) for one in triggers for f in one.formulas))
    used = _dependencies(used, derived)
    values = {}
    for name, text in section.items() if isinstance(section, dict) else ():
        where = place.where("steady_state", name)
        if name in place.inputs or name in reader.states:
            what = "is an input, which keeps the value of its first point" if name in place.inputs else "is a state"
            what += "; parameters and constants may have other values before the start"
            reader.faults.add(where, f"'{name}' {what}")
        elif name not in reader.known or name not in used:
            there = sorted(used & reader.known - derived.keys())
            reader.faults.add(where, f"no equation names '{name}'; they name {', '.join(there) or 'no parameter'}")
        formula = reader.read(text, {*reader.states, *reader.known}, "steady_state", name)
        values[name] = reader.timeless(formula, where, "a value before the start")
    return rest_under(equations, initial, values, {**_derived_under(derived, values), **values}, triggers)


def _dependencies(names: set[str], derived: Mapping[str, sp.Expr]) -> set[str]:
    """All names that some names depend on."""
    found, new = set[str](), names
    while new:
        found |= new
        new = {other for name in new & derived.keys() for other in free_names(derived[name])} - found
    return found


def _derived_under(derived: Mapping[str, sp.Expr], values: Mapping[str, sp.Expr]) -> dict[str, sp.Expr]:
    """The formulas of what depends on `values`, as they are before the start."""
    own, closed = {name: formula for name, formula in derived.items() if name not in values}, dict[str, sp.Expr]()
    for name in own:
        close(name, own, closed)
    put = {symbol(name): formula for name, formula in values.items()}
    return {
        name: substitute(formula, put)
        for name, formula in closed.items()
        if not values.keys().isdisjoint(free_names(formula))
    }
