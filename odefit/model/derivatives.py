"""Exact derivatives of formulas, free of DiracDelta and of 0/0 where the function itself is smooth.

SymPy's own `diff` writes x**n as n*x**n/x, which is 0/0 at x = 0, differentiates jumps to DiracDelta, and
leaves Derivative objects. Here a jump has derivative zero, and so has x**n with respect to n at x = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp

from odefit.errors import ModelError
from odefit.model import operators
from odefit.model.system import NetworkCall, symbol


def derivatives(formulas: Sequence[sp.Expr], names: Sequence[str]) -> list[list[sp.Expr]]:
    """The Jacobian: row i, column j is d formulas[i] / d names[j].

    Raises ModelError for a neural network, which has no formula.
    """
    symbols = [symbol(name) for name in names]
    memory: list[dict[Any, Any]] = [{} for _ in names]
    return [
        [_derivative(sp.sympify(formula), s, known) for s, known in zip(symbols, memory, strict=True)]
        for formula in formulas
    ]


def _derivative(expr: Any, s: sp.Symbol, known: dict[Any, Any]) -> Any:
    if expr == s:
        return sp.S.One
    if s not in expr.free_symbols:
        return sp.S.Zero
    if expr not in known:
        known[expr] = _rule(expr, s, known)
    return known[expr]


def _rule(expr: Any, s: sp.Symbol, known: dict[Any, Any]) -> Any:
    """The chain rule for one node; `known` holds the parts that were met before."""
    if isinstance(expr, NetworkCall):
        raise ModelError("", f"the network '{expr.args[0]}' has no formula to differentiate")
    if isinstance(expr, sp.Piecewise):
        pairs = [(_derivative(value, s, known), condition) for value, condition in expr.args]
        if all(value == pairs[0][0] for value, _ in pairs):
            return pairs[0][0]
        return sp.Piecewise(*pairs, evaluate=False)
    inner = [_derivative(arg, s, known) for arg in expr.args]
    if isinstance(expr, sp.Add):
        return sp.Add(*inner)
    if isinstance(expr, sp.Mul):
        return sp.Add(*(sp.Mul(*expr.args[:i], d, *expr.args[i + 1 :]) for i, d in enumerate(inner) if d != 0))
    if isinstance(expr, sp.Pow):
        return _power(expr, inner[0], inner[1])
    if isinstance(expr, sp.sign | sp.Heaviside):
        return sp.S.Zero
    if isinstance(expr, sp.Abs):
        return operators.sign(expr.args[0]) * inner[0]
    if isinstance(expr, sp.Max | sp.Min):
        return _extreme(expr, inner)
    return sp.Add(*(expr.fdiff(i + 1) * d for i, d in enumerate(inner) if d != 0))


def _power(expr: Any, base_change: Any, exponent_change: Any) -> Any:
    base, exponent = expr.args
    total = sp.S.Zero
    if base_change != 0:
        total += exponent * sp.Pow(base, exponent - 1) * base_change
    if exponent_change != 0:
        # No real power of a negative number changes smoothly with its exponent.
        log = sp.nan if base.is_Number and base.is_negative else sp.log(base)
        slope = expr * log * exponent_change
        if not base.is_Number and not base.has(sp.Piecewise):
            # x**n does not change with n > 0 at x = 0, where 0*log(0) would be NaN.
            at_zero = sp.Eq(base, 0, evaluate=False)
            slope = sp.Piecewise((0, at_zero), (slope, True), evaluate=False)
        total += slope
    return total


def _extreme(expr: Any, inner: list[Any]) -> Any:
    """max and min: the derivative of the winner; the first of them at a tie."""
    if expr.has(sp.Piecewise):
        # SymPy tries to solve conditions that hold a Piecewise, which can take for ever.
        return sp.Add(*(expr.fdiff(i + 1) * d for i, d in enumerate(inner)))
    wins = sp.GreaterThan if isinstance(expr, sp.Max) else sp.LessThan
    pairs = [
        (inner[i], sp.And(*(wins(arg, other, evaluate=False) for other in expr.args[i + 1 :])))
        for i, arg in enumerate(expr.args)
    ]
    return sp.Piecewise(*pairs, evaluate=False)
