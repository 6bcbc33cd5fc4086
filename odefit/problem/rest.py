"""The steady state before the start: which parameters have other values then."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from odefit.problem.described import FORMULA
from odefit.problem.formula_reader import FormulaReader, names_in


def read_rest(
    reader: FormulaReader, equations: Mapping[str, sp.Expr], kinds: Mapping[str, str], ties: Mapping[str, sp.Expr]
) -> dict[str, sp.Expr] | None:
    """Parameter -> the formula that it has before the start; None where the config asks for no steady state."""
    place, faults = reader.place, reader.faults
    section = place.section.steady_state
    if section is False:
        return None
    if reader.networks:
        faults.add(place.where("steady_state"), "needs equations; a network has no known steady state")
    for state, kind in kinds.items():
        if kind != FORMULA:
            what = f"needs model.initial to say where {state} comes from before it rests, e.g. `{state}: 1`"
            faults.add(place.where("steady_state"), what)
    rest, used = {}, names_in(equations)
    for name, text in section.items() if isinstance(section, dict) else ():
        where = place.where("steady_state", name)
        if name in place.inputs or name in reader.states:
            is_input = name in place.inputs
            what = "is an input, which keeps the value of its first point" if is_input else "is a state"
            faults.add(where, f"'{name}' {what}; parameters and constants may have other values before the start")
        elif name not in reader.known or name not in used:
            named = ", ".join(sorted(used & reader.known)) or "no parameter"
            faults.add(where, f"no equation names '{name}'; they name {named}")
        elif name in ties:
            faults.add(where, "has a formula in `parameters`; give its value before the start to what that names")
        formula = reader.read(text, {*reader.states, *reader.known}, "steady_state", name)
        rest[name] = reader.timeless(formula, where, "a value before the start")
    return rest
