"""Formulas put into formulas, so that what several of them share stays one part.

An expression that is named ten times is one node with ten parents; it is rebuilt, differentiated, printed and
compiled once (sharing.py). A walk that took it as often as it is named would take 2^n steps for n expressions that
each name the one before twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from odefit import algebra as sp
from odefit.model import operators


def replacing(parts: Mapping[Any, Any]) -> Callable[[Any], Any]:
    """A function that puts formulas in place of symbols.

    Parameters
    ----------
    parts
        Symbol -> what stands for it from now on.

    Returns
    -------
    callable
        It takes a formula and returns the new one. Parts that it has met before, in any formula, are not rebuilt again.
    """
    known: dict[Any, Any] = dict(parts)

    def put(expr: Any) -> Any:
        if not expr.args:
            return known.get(expr, expr)
        if expr not in known:
            args = [put(arg) for arg in expr.args]
            same = all(new is old for new, old in zip(args, expr.args, strict=True))
            known[expr] = expr if same else _rebuilt(expr, args)
        return known[expr]

    return lambda formula: put(sp.sympify(formula)) if parts else formula


def _rebuilt(expr: Any, args: list[Any]) -> Any:
    """One node with new arguments; conditions are decided for numbers alone."""
    if isinstance(expr, sp.Piecewise):
        return operators.choose([tuple(pair.args) for pair in args])
    if isinstance(expr, sp.Relational):
        decided = all(arg.is_Number for arg in args)
        return expr.func(*args) if decided else expr.func(*args, evaluate=False)
    return operators.exp(*args) if isinstance(expr, sp.exp) else expr.func(*args)
