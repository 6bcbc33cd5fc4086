"""Reactions of an SBML file: rate laws, and how much of each species they move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from odefit.interop.mathematics import ONE, ZERO, Name, Number, Tree, call, replaced
from odefit.interop.sbml_math import Sbml, called
from odefit.records import dataclass


@dataclass(frozen=True)
class Flow:
    """A reaction: its rate law, in amount per time, and for each species the net stoichiometry."""

    name: str
    law: Tree
    net: Mapping[str, Tree]


def reaction_flows(sbml: Sbml, declare: Callable[[Any, float | None, str | None], None], taken: set[str]) -> list[Flow]:
    """All reactions of a model.

    Parameters
    ----------
    sbml
        The file; what cannot be held is added to its faults.
    declare
        Is told of local parameters, and of stoichiometries that have a name: element, value, name.
    taken
        The names that are in use; those of local parameters are added.
    """
    flows = []
    variable = {rule.getVariable() for rule in sbml.model.getListOfRules() if not rule.isAlgebraic()}
    for reaction in sbml.model.getListOfReactions():
        name = reaction.getIdAttribute()
        if reaction.isSetFast() and reaction.getFast():
            what = "fast reactions are not supported: odefit solves ordinary differential equations"
            sbml.fault(reaction, f"the reaction '{name}' is fast; {what}")
        flows.append(Flow(name, _law(sbml, reaction, declare, taken), _net(sbml, reaction, declare, variable)))
    return flows


def _law(sbml: Sbml, reaction: Any, declare: Callable[[Any, float | None, str | None], None], taken: set[str]) -> Tree:
    law = reaction.getKineticLaw()
    if law is None or law.getMath() is None:
        sbml.fault(reaction, f"{called(reaction)} has no kinetic law")
        return ZERO
    tree = sbml.tree(law.getMath(), reaction)
    local: dict[str, Tree] = {}
    # Level 3 has local parameters, level 2 parameters of the law.
    parameters = [*law.getListOfLocalParameters()] or [*law.getListOfParameters()]
    for parameter in parameters:
        own = parameter.getIdAttribute()
        name = own if own not in taken else f"{reaction.getIdAttribute()}_{own}"
        while name in taken:
            name += "_"
        taken.add(name)
        local[own] = Name(name)
        declare(parameter, parameter.getValue() if parameter.isSetValue() else None, name)
    return replaced(tree, local)


def _net(
    sbml: Sbml, reaction: Any, declare: Callable[[Any, float | None, str | None], None], variable: set[str]
) -> dict[str, Tree]:
    net: dict[str, Tree] = {}
    for sign, references in ((-1.0, reaction.getListOfReactants()), (1.0, reaction.getListOfProducts())):
        for reference in references:
            count = _stoichiometry(sbml, reference, declare, variable)
            species = reference.getSpecies()
            net[species] = call("+", net.get(species, ZERO), call("*", Number(sign), count))
    return {species: count for species, count in net.items() if count != ZERO}


def _stoichiometry(
    sbml: Sbml, reference: Any, declare: Callable[[Any, float | None, str | None], None], variable: set[str]
) -> Tree:
    name = reference.getIdAttribute()
    value = reference.getStoichiometry() if reference.isSetStoichiometry() else None
    if reference.getLevel() < 3:
        mathematics = reference.getStoichiometryMath()
        if mathematics is not None:
            return sbml.tree(mathematics.getMath(), reference)
        denominator = reference.getDenominator()
        return Number((1.0 if value is None else value) / denominator)
    named = name and (
        name in variable
        or any(a.getSymbol() == name for a in sbml.model.getListOfInitialAssignments())
        or any(a.getVariable() == name for e in sbml.model.getListOfEvents() for a in e.getListOfEventAssignments())
    )
    if named:
        declare(reference, value, name)
        return Name(name)
    if name and value is not None:
        declare(reference, value, name)  # for formulas that name it
    if value is None:
        sbml.fault(reference, f"the stoichiometry of '{reference.getSpecies()}' has no value")
        return ONE
    return Number(value)
