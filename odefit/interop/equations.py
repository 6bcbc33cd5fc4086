"""Rate laws and volumes, as a person would write the equations.

Rate laws are amounts per time, equations are mostly of concentrations: each term is divided by the volume, and where
the law has it as a factor, the two cancel. A long law that several equations need is an expression under the name of
its reaction; any other stands where it is used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from odefit.interop.formula_text import Inexpressible, formula_text
from odefit.interop.mathematics import ONE, ZERO, Call, Name, Number, Tree, call, names_in, replaced
from odefit.interop.model import Model
from odefit.records import dataclass

LONG = 40
"""The length in characters from which a law that is used twice has a name."""


@dataclass(frozen=True)
class Equations:
    """The derivatives of the states, the expressions that they and others use, and compartments written as 1."""

    rates: Mapping[str, Tree]
    expressions: Mapping[str, Tree]
    unit_volumes: tuple[str, ...]


def readable(model: Model, others: Collection[Tree], kept: Collection[str]) -> Equations:
    """The equations of a model, simplified.

    Parameters
    ----------
    model
        As its file has it.
    others
        Formulas outside of the model: of observables, conditions.
    kept
        Constants that something outside of the model changes.
    """
    ones = tuple(
        name
        for name in model.compartments
        if model.values.get(name) == ONE and name not in kept and name not in model.rates
    )
    put: dict[str, Tree] = dict.fromkeys(ones, ONE)
    rates = {name: replaced(tree, put) for name, tree in model.rates.items()}
    expressions = {name: replaced(tree, put) for name, tree in model.expressions.items()}
    laws = {name: expressions.pop(name) for name in model.reactions}
    elsewhere = set(_names(*others, *expressions.values(), *model.values.values(), *_event_trees(model)))
    elsewhere.update(name for law in laws.values() for name in names_in(law) if name in laws)
    uses = Counter(name for tree in rates.values() for name in set(names_in(tree)) if name in laws)
    for name, law in laws.items():
        if name in elsewhere:
            expressions[name] = law
        elif uses[name] > 1 and _is_long(law):
            volume = _common_volume(name, rates)
            reduced = None if volume is None else divided(law, volume)
            if volume is None or reduced is None:
                expressions[name] = law
            else:
                expressions[name] = reduced
                put[name] = call("*", Name(volume), Name(name))
        else:
            put[name] = law
    return Equations({name: _equation(tree, put) for name, tree in rates.items()}, expressions, ones)


def divided(tree: Tree, volume: str) -> Tree | None:
    """The tree divided by a volume that is a factor of it; None where it is none."""
    if tree == Name(volume):
        return ONE
    if not isinstance(tree, Call):
        return None
    parts = tree.arguments
    match tree.function:
        case "+" | "-":
            quotients = [divided(part, volume) for part in parts]
            found = [quotient for quotient in quotients if quotient is not None]
            return call(tree.function, *found) if len(found) == len(parts) else None
        case "neg" | "/":
            quotient = divided(parts[0], volume)
            return None if quotient is None else call(tree.function, quotient, *parts[1:])
        case "*":
            for i, part in enumerate(parts):
                quotient = divided(part, volume)
                if quotient is not None:
                    return call("*", *parts[:i], quotient, *parts[i + 1 :])
    return None


def _equation(rate: Tree, put: Mapping[str, Tree]) -> Tree:
    """A rate with laws in the place of names, each term divided by the volume for itself."""
    total, volume = _parted(rate)
    total = replaced(total, put)
    if volume is None:
        return total
    short: Tree = ZERO
    rest: Tree = ZERO
    for sign, term in _terms(total):
        quotient = divided(term, volume)
        if quotient is None:
            rest = call(sign, rest, term)
        else:
            short = call(sign, short, quotient)
    if rest == ZERO:
        return short
    return call("+", short, call("/", rest, Name(volume)))


def _parted(rate: Tree) -> tuple[Tree, str | None]:
    """The flow of an amount, and the volume by which a rate divides it."""
    if isinstance(rate, Call) and rate.function == "neg":
        total, volume = _parted(rate.arguments[0])
        return call("neg", total), volume
    if isinstance(rate, Call) and rate.function == "/" and isinstance(rate.arguments[1], Name):
        return rate.arguments[0], rate.arguments[1].name
    return rate, None


def _terms(tree: Tree, sign: str = "+") -> list[tuple[str, Tree]]:
    """The terms of a sum, with their signs."""
    if isinstance(tree, Call) and tree.function in ("+", "-", "neg"):
        other = "-" if sign == "+" else "+"
        signs = [sign] * len(tree.arguments) if tree.function == "+" else [sign, other][-len(tree.arguments) :]
        return [term for own, part in zip(signs, tree.arguments, strict=True) for term in _terms(part, own)]
    return [] if tree == ZERO else [(sign, tree)]


def _common_volume(name: str, rates: Mapping[str, Tree]) -> str | None:
    """The volume by which every rate that has this law divides it; None where it is not one for all."""
    found = {_parted(tree)[1] for tree in rates.values() if name in names_in(tree)}
    return found.pop() if len(found) == 1 else None


def _is_long(law: Tree) -> bool:
    try:
        return len(formula_text(law)) > LONG
    except Inexpressible:
        return True  # which is said where the expression is written


def _names(*trees: Tree) -> Collection[str]:
    return {name for tree in trees for name in names_in(tree)}


def _event_trees(model: Model) -> list[Tree]:
    found: list[Tree] = []
    for event in model.events:
        found += [event.trigger, *event.changes.values()]
        found += [tree for tree in (event.delay, event.priority) if tree is not None]
    return found


def substituted_at_start(
    tree: Tree, values: Mapping[str, Tree], expressions: Mapping[str, Tree], start: float, depth: int = 0
) -> Tree:
    """A formula as it stands at the start: states and expressions by what they begin with, the time by a number.

    Parameters
    ----------
    tree
        The formula.
    values
        State: what it starts from.
    expressions
        Name: a formula of states.
    start
        The time.

    Raises
    ------
    RecursionError
        Initial values depend on each other in a circle.
    """
    from odefit.interop.mathematics import at_time

    if depth > 200:
        raise RecursionError("initial values depend on each other in a circle")
    known = {name: values.get(name, expressions.get(name)) for name in set(names_in(tree))}
    put = {
        name: substituted_at_start(value, values, expressions, start, depth + 1)
        for name, value in known.items()
        if value is not None
    }
    return at_time(replaced(tree, put), Number(start))
