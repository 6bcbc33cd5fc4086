"""Formulas of odefit as trees, and trees as texts of SBML's and PEtab's languages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from odefit import algebra as sp
from odefit.interop.mathematics import COMPARISONS, ONE, TIME, ZERO, Call, Name, Number, Tree, call

_RELATIONS = {
    sp.StrictLessThan: "<",
    sp.LessThan: "<=",
    sp.StrictGreaterThan: ">",
    sp.GreaterThan: ">=",
    sp.Equality: "==",
    sp.Unequality: "!=",
}
_KINDS: tuple[tuple[Any, str], ...] = (
    *((kind, name) for kind, name in _RELATIONS.items()),
    (sp.Add, "+"),
    (sp.Mul, "*"),
    (sp.Pow, "^"),
    (sp.And, "and"),
    (sp.Or, "or"),
    (sp.Not, "not"),
    (sp.Max, "max"),
    (sp.Min, "min"),
)
_FUNCTIONS = frozenset(
    "sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh exp log sign".split()  # noqa: SIM905
)


class NoCounterpart(Exception):
    """A formula that neither SBML nor PEtab can hold; the message names what it is."""


def tree_of(formula: Any, time: str) -> Tree:
    """The tree of a formula.

    Parameters
    ----------
    formula
        Of SymPy.
    time
        What it calls the time.

    Raises
    ------
    NoCounterpart
        It calls a network, or has a part that is no number.
    """
    if isinstance(formula, sp.Symbol):
        return TIME if formula.name == time else Name(formula.name)
    if formula in (sp.true, sp.false):
        return ONE if formula == sp.true else ZERO
    if isinstance(formula, sp.Expr) and formula.is_number:
        return Number(float(formula))
    if isinstance(formula, sp.Piecewise):
        return _choice(formula, time)
    name = type(formula).__name__
    parts = [tree_of(part, time) for part in formula.args]
    if isinstance(formula, sp.Heaviside):
        return call("piecewise", ONE, call(">=", parts[0], ZERO), ZERO)
    if name == "sigmoid":
        return call("/", ONE, call("+", ONE, call("exp", call("neg", parts[0]))))
    if isinstance(formula, sp.exp):
        return call("exp", parts[0])
    for kind, operator in _KINDS:
        if isinstance(formula, kind):
            return call(operator, *parts)
    if name == "Abs":
        return call("abs", parts[0])
    if name in _FUNCTIONS and len(parts) == 1:
        return call(name, parts[0])
    raise NoCounterpart(f"'{name}'" if name != "NetworkCall" else "a network")


def _choice(formula: Any, time: str) -> Tree:
    parts: list[Tree] = []
    for value, test in formula.args:
        if test == sp.true:
            return call("piecewise", *parts, tree_of(value, time)) if parts else tree_of(value, time)
        parts += [tree_of(value, time), tree_of(test, time)]
    raise NoCounterpart("a piecewise without an otherwise")


def text_of(tree: Tree) -> str:
    """The text of a tree, every operation in brackets, as the languages of libsbml and of PEtab read it alike."""
    if isinstance(tree, Number):
        text = repr(tree.value)
        return f"({text})" if text.startswith("-") else text
    if isinstance(tree, Name):
        return tree.name
    if tree == TIME:
        return "time"
    parts = [text_of(part) for part in tree.arguments]
    write = _WRITTEN.get(tree.function)
    if write is not None:
        return write(*parts)
    if tree.function in COMPARISONS:
        return f"({parts[0]} {tree.function} {parts[1]})"
    name = tree.function
    if name in _FUNCTIONS and name.startswith("a"):
        name = f"arc{name[1:]}"
    return f"{'ln' if name == 'log' else name}({', '.join(parts)})"


def renamed(tree: Tree, names: Mapping[str, Tree]) -> Tree:
    """The tree with other names or numbers in the place of names, nothing folded."""
    if isinstance(tree, Name):
        return names.get(tree.name, tree)
    if isinstance(tree, Call):
        return Call(tree.function, tuple(renamed(part, names) for part in tree.arguments))
    return tree


def _joined(operator: str) -> Callable[..., str]:
    return lambda *parts: f"({f' {operator} '.join(parts)})"


_WRITTEN: Mapping[str, Callable[..., str]] = {
    "+": _joined("+"),
    "-": _joined("-"),
    "*": _joined("*"),
    "/": _joined("/"),
    "and": _joined("&&"),
    "or": _joined("||"),
    "^": lambda base, exponent: f"pow({base}, {exponent})",
    "neg": lambda part: f"(-{part})",
    "not": lambda part: f"(!{part})",
}
