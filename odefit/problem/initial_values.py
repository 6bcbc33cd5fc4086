"""What states start from, in terms of free parameters."""

from __future__ import annotations

from collections.abc import Mapping

from odefit import algebra as sp
from odefit.data.starts import Anchor
from odefit.model.formulas import free_names
from odefit.model.system import symbol
from odefit.problem.described import ESTIMATE, FIRST, FORMULA, GIVEN, initial_name
from odefit.problem.formula_reader import FormulaReader
from odefit.problem.substitution import close


def read_initial(reader: FormulaReader, ties: Mapping[str, sp.Expr]) -> tuple[dict[str, sp.Expr], dict[str, str]]:
    """State -> its initial value, and state -> what kind of one that is (`Described.initial_kind`)."""
    place = reader.place
    section = place.section.initial
    given = dict.fromkeys(reader.states, section) if isinstance(section, str) else dict(section)
    for name in given:
        if name not in reader.states:
            what = f"'{name}' is no state; the states are {', '.join(reader.states)}"
            reader.faults.add(place.where("initial", name), what)
    formulas: dict[str, sp.Expr] = {}
    kinds: dict[str, str] = {}
    for state in reader.states:
        formulas[state], kinds[state] = symbol(initial_name(state)), ESTIMATE
        where = place.where("initial", state)
        if initial_name(state) in place.constants:
            kinds[state] = GIVEN
            if not isinstance(section, str) and given.get(state, ESTIMATE) != ESTIMATE:
                reader.faults.add(where, f"data.experiments says what {state} starts from; remove one of the two")
        elif initial_name(state) in ties:
            kinds[state] = FORMULA
        elif given.get(state) == FIRST:
            kinds[state] = FIRST
        elif given.get(state, ESTIMATE) != ESTIMATE:
            kinds[state] = FORMULA
            formula = reader.read(given[state], {*reader.states, *reader.known}, "initial", state)
            formulas[state] = reader.timeless(formula, where, "an initial value")
    return formulas, kinds


def with_starts(
    reader: FormulaReader, ties: Mapping[str, sp.Expr], initial: Mapping[str, sp.Expr], kinds: Mapping[str, str]
) -> tuple[dict[str, sp.Expr], dict[str, sp.Expr]]:
    """Ties, and the `x_0` of states with a formula as initial value, in terms of what is neither."""
    place, starts = reader.place, dict[str, sp.Expr]()
    for state, formula in initial.items():
        name = initial_name(state)
        if kinds[state] != FORMULA or name in ties:
            continue
        if name not in place.parameters:
            starts[name] = formula
        elif name not in free_names(formula):
            reader.faults.add(
                place.loaded.where("parameters", name),
                "model.initial already says what this state starts from; remove one of the two",
            )
    reader.derived |= starts
    formulas, closed = {**ties, **starts}, dict[str, sp.Expr]()
    for name in formulas:
        circle = close(name, formulas, closed)
        if circle:
            state = next((s for s in reader.states if initial_name(s) == name), name)
            what = f"is defined by itself: {' -> '.join(circle)}; break the circle"
            reader.faults.add(place.where("initial", state), what)
            break
    return {name: closed.get(name, f) for name, f in ties.items()}, {n: closed.get(n, f) for n, f in starts.items()}


def anchor_of(reader: FormulaReader, kinds: Mapping[str, str]) -> Anchor:
    """What the initial values are: an estimated one has a time where more than the curves depends on it."""
    if FIRST in kinds.values():
        return Anchor.ROW
    place = reader.place
    sections = place.loaded.config.parameters
    for state, kind in kinds.items():
        own = sections.get(initial_name(state))
        shared = own is not None and (not own.estimate or own.by not in (None, "experiment"))
        dated = (own is not None and own.prior is not None) or initial_name(state) in reader.written
        if kind in (FORMULA, GIVEN) or shared or dated:
            return Anchor.TIME
    is_compared = any(one.kind != "formula" for one in (place.section.observables or {}).values())
    return Anchor.TIME if is_compared else Anchor.OWN
