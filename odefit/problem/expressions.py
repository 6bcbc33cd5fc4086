"""Named formulas: the expressions of a model, and the parameters that follow from others."""

from __future__ import annotations

from odefit import algebra as sp
from odefit.errors import Faults
from odefit.model.formulas import free_names
from odefit.model.system import TIME
from odefit.problem.described import initial_name
from odefit.problem.equations import ModelSource
from odefit.problem.formula_reader import FormulaReader
from odefit.problem.substitution import close, find_circle

_INSTEAD = "write it under model.expressions, whose formulas may name states, inputs and the time"


def check_names(place: ModelSource, states: tuple[str, ...], declared: tuple[str, ...], faults: Faults) -> None:
    """An expression with the name of something else is a fault.

    Parameters
    ----------
    place
        The section.
    states, declared
        Its states, and the names of its parameters.
    faults
        Takes the faults.
    """
    meanings = dict.fromkeys(map(initial_name, states), "an initial value")
    meanings |= dict.fromkeys(place.section.networks, "a network") | dict.fromkeys(declared, "a parameter")
    meanings |= dict.fromkeys(place.constants, "a column of data.experiments")
    meanings |= dict.fromkeys(place.inputs, "an input") | dict.fromkeys(states, "a state") | {TIME: "the time"}
    for name in place.section.expressions:
        if name in meanings:
            faults.add(
                place.where("expressions", name),
                f"'{name}' is also the name of {meanings[name]}; an expression needs its own",
            )


def read_named(reader: FormulaReader) -> tuple[dict[str, sp.Expr], dict[str, sp.Expr]]:
    """The parameters with a formula in terms of those without one, and the expressions in terms of no other expression.

    From here on the reader puts expressions into the formulas that name them.
    """
    place, loaded = reader.place, reader.place.loaded
    check_names(place, reader.states, reader.declared, reader.faults)
    names = {*reader.known, *reader.states, *place.inputs}
    formulas = {name: reader.read(text, names, "expressions", name) for name, text in place.section.expressions.items()}
    places = {name: place.where("expressions", name) for name in formulas}
    tied = dict[str, sp.Expr]()
    for name, section in loaded.config.parameters.items() if place.keys == ("model",) else ():
        if section.formula is not None:
            places[name] = loaded.where("parameters", name)
            tied[name] = reader.formula(section.formula, {*reader.known, *reader.states}, places[name])
    everything = formulas | tied
    depends = {name: free_names(formula) & everything.keys() for name, formula in everything.items()}
    clean = set[str]()
    for name in everything:
        circle = find_circle(name, depends, clean)
        if circle and circle[0] == name:
            way = " -> ".join(circle)
            reader.faults.add(places[name], f"is defined by itself: {way}; break the circle")
    if reader.faults.found:
        return {}, dict.fromkeys(formulas, sp.S.Zero)
    expressions, closed = dict[str, sp.Expr](), dict[str, sp.Expr]()
    for name in formulas:
        close(name, formulas, expressions)
    reader.put_expressions(expressions)
    for name, formula in tied.items():
        # What another parameter cannot depend on is said of that one.
        reader.timeless(formula, places[name], "a parameter", _INSTEAD)
        for other in sorted(free_names(formula) & expressions.keys()):
            reader.timeless(expressions[other], places[name], f"a parameter, by way of '{other}',")
        reader.derived[name] = reader.put(formula)
    for name in tied:
        close(name, reader.derived, closed)
    return {name: closed[name] for name in tied}, {name: expressions[name] for name in formulas}
