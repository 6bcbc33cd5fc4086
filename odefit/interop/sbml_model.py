"""The model of an SBML file: species, compartments, reactions and rules as states, expressions and constants.

A species means its concentration in formulas, unless it says `hasOnlySubstanceUnits`. In a compartment of constant size
the concentration is the state; in one that changes the amount is, and the concentration an expression. What events
change and nothing else does is a state that stands still in between.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from odefit.errors import ConfigError
from odefit.interop.mathematics import ZERO, Call, Name, Number, Tree, call, functions_in
from odefit.interop.model import Model, ModelEvent
from odefit.interop.model_events import awaited, order_is_drawn
from odefit.interop.sbml_math import MAX_NODES, Sbml, called
from odefit.interop.sbml_reactions import Flow, reaction_flows

AMOUNT = "_amount"


def sbml_model(sbml: Sbml, changed: Collection[str] = ()) -> Model:
    """The equations of an SBML file.

    Parameters
    ----------
    sbml
        The file, as `read_sbml` gives it.
    changed
        Names that something besides the file changes on the way: conditions that set in later.

    Raises
    ------
    ConfigError
        What odefit cannot hold: delays, algebraic rules, fast reactions, each with its line.
    """
    builder = _Builder(sbml, frozenset(changed))
    model = builder.built()
    if sbml.nodes > MAX_NODES:
        sbml.fault(sbml.model, f"the formulas have more than {MAX_NODES:,} pieces")
    if sbml.faults:
        raise ConfigError(faults=tuple(dict.fromkeys(sbml.faults)))
    return model


class _Builder:
    def __init__(self, sbml: Sbml, changed: frozenset[str]) -> None:
        self.sbml, self.model = sbml, sbml.model
        self.rates: dict[str, Tree] = {}
        self.expressions: dict[str, Tree] = {}
        self.values: dict[str, Tree] = {}
        self.unset: set[str] = set()
        self.amounts: dict[str, tuple[str, str]] = {}
        self.notes: dict[str, str] = {}
        self.where: dict[str, str] = {}
        self.decisions: list[str] = []
        self.assigned = {a.getVariable() for event in self._events() for a in event.getListOfEventAssignments()}
        self.changed = self.assigned | changed
        self.taken = {
            element.getIdAttribute()
            for elements in (
                self.model.getListOfSpecies(),
                self.model.getListOfParameters(),
                self.model.getListOfCompartments(),
                self.model.getListOfReactions(),
            )
            for element in elements
        }
        for reaction in self.model.getListOfReactions():
            references = [*reaction.getListOfReactants(), *reaction.getListOfProducts()]
            self.taken.update(reference.getIdAttribute() for reference in references)

    def _events(self) -> Iterator[Any]:
        yield from self.model.getListOfEvents()

    def built(self) -> Model:
        self._initial_assignments()
        self._rules()
        for compartment in self.model.getListOfCompartments():
            self._compartment(compartment)
        for parameter in self.model.getListOfParameters():
            self._constant(parameter, parameter.getValue() if parameter.isSetValue() else None)
        flows = reaction_flows(self.sbml, self._constant, self.taken)
        for species in self.model.getListOfSpecies():
            self._species(species, flows)
        for name in self.changed & self.values.keys() - self.rates.keys() - self.expressions.keys():
            self.rates[name] = ZERO  # stands still between the events
        for flow in flows:
            self.expressions[flow.name] = flow.law
        self._rates_of()
        self._delays()
        given = [event for event in self._events() if _has_math(event.getTrigger())]
        events = [self._event(event, number) for number, event in enumerate(given, 1)]
        constants = {n: v for n, v in self.values.items() if n not in self.rates and n not in self.expressions}
        moving = {*self.rates, *self.expressions}
        for k, event in enumerate(events):
            if "==" in functions_in(event.trigger) and awaited(event.trigger, moving) is None:
                what = f"event {event.name} waits for ==, which holds in single moments"
                self.sbml.fault(given[k], f"{what}: write <, <=, > or >=")
            rival = next((other for other in events[:k] if order_is_drawn(other, event, constants)), None)
            if rival is not None:
                what = f"events {rival.name} and {event.name} have one priority and change what the other depends on"
                self.sbml.fault(given[k], f"{what}: SBML draws their order by lot; give them different priorities")
        return Model(
            name=self.model.getName() or self.model.getIdAttribute(),
            rates=self.rates,
            expressions=self.expressions,
            values=self.values,
            unset=frozenset(self.unset),
            events=tuple(event for event in events if event.changes),
            amounts=self.amounts,
            notes=self.notes,
            decisions=tuple(self.decisions),
            compartments=tuple(c.getIdAttribute() for c in self.model.getListOfCompartments()),
            reactions=tuple(flow.name for flow in flows),
            where=self.where,
        )

    # -- constants, rules

    def _initial_assignments(self) -> None:
        self.initial = {
            assignment.getSymbol(): self.sbml.tree(assignment.getMath(), assignment)
            for assignment in self.model.getListOfInitialAssignments()
            if _has_math(assignment)
        }

    def _rules(self) -> None:
        for rule in self.model.getListOfRules():
            if not _has_math(rule):
                continue
            if rule.isAlgebraic():
                what = "algebraic rules are not supported: odefit solves ordinary differential equations"
                self.sbml.fault(rule, f"{what}; solve the rule for one of its variables")
                continue
            tree = self.sbml.tree(rule.getMath(), rule)
            if rule.isRate():
                self.rates[rule.getVariable()] = tree
            else:
                self.expressions[rule.getVariable()] = tree

    def _describe(self, element: Any) -> str:
        name: str = element.getIdAttribute()
        if element.getName() and element.getName() != name:
            self.notes[name] = element.getName()
        self.where[name] = self.sbml.where(element)
        return name

    def _constant(self, element: Any, value: float | None, name: str | None = None) -> None:
        """A name with a value of its own, unless a rule gives it one."""
        name = self._describe(element) if name is None else name
        if name in self.expressions:
            return
        if name in self.initial:
            self.values[name] = self.initial[name]
        elif value is not None:
            self.values[name] = Number(value)
        else:
            self.values[name] = Number(float("nan"))
            self.unset.add(name)

    def _compartment(self, compartment: Any) -> None:
        name = compartment.getIdAttribute()
        size = compartment.getSize() if compartment.isSetSize() else None
        if size is None and compartment.getSpatialDimensions() and name not in {*self.initial, *self.expressions}:
            size = 1.0
            self.decisions.append(f"compartment {name} has no size in the file: taken for 1")
        self._constant(compartment, size)

    # -- species

    def _species(self, species: Any, flows: list[Flow]) -> None:
        name, compartment = self._describe(species), species.getCompartment()
        concentration = not species.getHasOnlySubstanceUnits() and self._has_size(compartment)
        self._start(species, name, compartment, concentration)
        if name in self.expressions or name in self.rates:
            return
        moving = [] if species.getBoundaryCondition() or species.getConstant() else flows
        terms = [(flow, flow.net[name]) for flow in moving if name in flow.net]
        factor = self._conversion(species)
        varies = compartment in self.changed or compartment in {**self.expressions, **self.rates}
        if not concentration:
            if terms:
                self.rates[name] = _total(terms, factor)
        elif varies:
            self._held_as_amount(name, compartment, _total(terms, factor))
        elif terms:
            self.rates[name] = call("/", _total(terms, factor), Name(compartment))

    def _has_size(self, compartment: str) -> bool:
        return bool(self.model.getCompartment(compartment).getSpatialDimensions())

    def _held_as_amount(self, name: str, compartment: str, rate: Tree) -> None:
        state = name + AMOUNT
        while state in self.taken:
            state += "_"
        self.taken.add(state)
        self.rates[state] = rate
        self.values[state] = call("*", self.values.pop(name), Name(compartment))
        if name in self.unset:
            self.unset.remove(name)
            self.unset.add(state)
        self.expressions[name] = call("/", Name(state), Name(compartment))
        self.amounts[name] = (state, compartment)
        self.decisions.append(f"{compartment} changes its size, so the state is the amount {state}, and {name} follows")

    def _start(self, species: Any, name: str, compartment: str, concentration: bool) -> None:
        """What it starts from, in the unit that formulas mean."""
        if name in self.expressions:
            return
        if name in self.initial:
            self.values[name] = self.initial[name]
        elif species.isSetInitialConcentration():
            given = Number(species.getInitialConcentration())
            self.values[name] = given if concentration else call("*", given, Name(compartment))
        elif species.isSetInitialAmount():
            given = Number(species.getInitialAmount())
            self.values[name] = call("/", given, Name(compartment)) if concentration and given != ZERO else given
        else:
            self.values[name] = Number(float("nan"))
            self.unset.add(name)

    def _conversion(self, species: Any) -> Tree | None:
        for element in (species, self.model):
            if element.isSetConversionFactor():
                return Name(element.getConversionFactor())
        return None

    # -- what needs all of it

    def _rates_of(self) -> None:
        """rateOf(x), which SBML's level 3 has, as the derivative of x."""
        for trees in (self.rates, self.expressions, self.values):
            for name, tree in trees.items():
                if "rate_of" in functions_in(tree):
                    trees[name] = self._without_rates(tree, 0)

    def _without_rates(self, tree: Tree, depth: int) -> Tree:
        if not isinstance(tree, Call) or depth > 100:
            return tree
        if tree.function == "rate_of" and isinstance(tree.arguments[0], Name):
            name = tree.arguments[0].name
            if name in self.rates:
                return self._without_rates(self.rates[name], depth + 1)
            if name in self.expressions:
                self.sbml.fault(self.model, f"rateOf({name}) is the rate of what a rule computes: write it out")
            return ZERO
        return call(tree.function, *(self._without_rates(argument, depth + 1) for argument in tree.arguments))

    def _delays(self) -> None:
        places: list[tuple[Any, str, Tree]] = [
            *((rule, rule.getVariable(), self._of(rule.getVariable())) for rule in self.model.getListOfRules()),
            *((r, r.getIdAttribute(), self._of(r.getIdAttribute())) for r in self.model.getListOfReactions()),
        ]
        for element, _, tree in places:
            if "delay" in functions_in(tree):
                what = "delays are not supported: odefit solves ordinary differential equations"
                self.sbml.fault(element, f"{called(element)} has a delay; {what}")

    def _of(self, name: str) -> Tree:
        return self.expressions.get(name) or self.rates.get(name) or ZERO

    # -- events

    def _event(self, event: Any, number: int) -> ModelEvent:
        trigger = event.getTrigger()
        given = {a.getVariable(): self._tree(a) for a in event.getListOfEventAssignments() if a.getMath() is not None}
        delay = self._tree(event.getDelay()) if _has_math(event.getDelay()) else None
        return ModelEvent(
            name=event.getIdAttribute() or f"event {number}",
            where=self.sbml.where(event),
            trigger=self._tree(trigger),
            changes=self._changes(given),
            delay=None if delay == ZERO else delay,
            priority=self._tree(event.getPriority()) if _has_math(event.getPriority()) else None,
            at_start=not trigger.getInitialValue(),
            persistent=trigger.getPersistent(),
            values_at_trigger=event.getUseValuesFromTriggerTime(),
        )

    def _tree(self, element: Any) -> Tree:
        return self._without_rates(self.sbml.tree(element.getMath(), element), 0)

    def _changes(self, given: dict[str, Tree]) -> dict[str, Tree]:
        """Assignments in terms of the states: amounts stay where a compartment changes its size."""
        changes: dict[str, Tree] = {}
        for name, value in given.items():  # in the order of the file
            if name in self.amounts:
                state, compartment = self.amounts[name]
                changes[state] = call("*", value, Name(compartment))  # as it is just before
            else:
                changes[name] = value
        for compartment in given.keys() & {c.getIdAttribute() for c in self.model.getListOfCompartments()}:
            for species in self.model.getListOfSpecies():
                name = species.getIdAttribute()
                diluted = name in self.rates and name not in self.amounts and not species.getHasOnlySubstanceUnits()
                if species.getCompartment() == compartment and diluted:
                    amount = call("*", given.get(name, Name(name)), Name(compartment))
                    changes[name] = call("/", amount, given[compartment])
        return changes


def _has_math(element: Any) -> bool:
    """Level 3, version 2 lets elements be without mathematics, which then say nothing."""
    return element is not None and element.getMath() is not None


def _total(terms: list[tuple[Flow, Tree]], factor: Tree | None) -> Tree:
    """The sum of stoichiometry times rate law."""
    total: Tree = ZERO
    for flow, count in terms:
        if isinstance(count, Number) and count.value < 0:
            total = call("-", total, call("*", Number(-count.value), Name(flow.name)))
        else:
            total = call("+", total, call("*", count, Name(flow.name)))
    return total if factor is None else call("*", factor, total)
