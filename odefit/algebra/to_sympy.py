"""The way to SymPy, for what simplifies in earnest; it is imported here, and nowhere else."""

from __future__ import annotations

from typing import Any

from odefit.algebra.nodes import Node

_AS_WRITTEN = ("Piecewise", "StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan", "Equality", "Unequality")


def to_sympy(node: Any) -> Any:
    """The same formula as SymPy has it, every symbol real."""
    return _converted(node, {})


def _converted(node: Any, known: dict[Any, Any]) -> Any:
    if node not in known:
        known[node] = _one(node, known)
    return known[node]


def _one(node: Any, known: dict[Any, Any]) -> Any:
    import sympy

    name = type(node).__name__
    if node.is_Symbol:
        return sympy.Symbol(node.name, real=True)
    if name == "Str":
        return sympy.Symbol(node.name)
    if node.is_Number:
        if node.is_Rational:
            return sympy.Rational(node.p, node.q)
        return sympy.Float(node.value, 17) if node.is_Float else sympy.sympify(node.value)
    if node.is_Atom:
        return sympy.true if node.value else sympy.false
    args = [_converted(arg, known) for arg in node.args]
    if name == "ExprCondPair":
        return tuple(args)
    if name == "sigmoid":
        return 1 / (1 + sympy.exp(-args[0]))
    kind = getattr(sympy, name, None) or sympy.Function(name)
    return kind(*args, evaluate=False) if name in _AS_WRITTEN else kind(*args)


def _sympy_(self: Any) -> Any:
    return to_sympy(self)


# By this name SymPy asks: a formula of ours may stand wherever SymPy takes one.
Node._sympy_ = _sympy_
