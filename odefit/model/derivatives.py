"""Exact derivatives of formulas, free of DiracDelta and of 0/0 where the function itself is smooth.

A jump has derivative zero, and so has x**n with respect to n at x = 0.

Every part is differentiated once, to all names together. A long product is halved again and again,

    (L R)' = L' R + L R',

so that the derivatives of n factors to n names share their halves: n log n parts in all, where the product
rule written out has n^2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from odefit import algebra as sp
from odefit.errors import ModelError
from odefit.model import operators
from odefit.model.system import NetworkCall, symbol

MAX_FACTORS = 12
"""The most factors of a product that is differentiated as a whole; a longer one is split in two."""

Slopes = Mapping[Any, Any]
"""symbol -> derivative, without those that are zero"""


def derivatives(formulas: Sequence[sp.Expr], names: Sequence[str]) -> list[list[sp.Expr]]:
    """The Jacobian: row i, column j is d formulas[i] / d names[j]. Products may stand inside of products.

    Raises
    ------
    ModelError
        A formula calls a neural network, which has no formula, or its nesting is too deep.
    """
    symbols = [symbol(name) for name in names]
    chain = _Chain(frozenset(symbols))
    try:
        rows = [chain.slopes(sp.sympify(formula)) for formula in formulas]
    except RecursionError:
        raise ModelError("", "a formula is nested too deeply: split it up") from None
    return [[row.get(s, sp.S.Zero) for s in symbols] for row in rows]


class _Chain:
    """The chain rule; `known` holds the parts that were met before."""

    def __init__(self, symbols: frozenset[Any]) -> None:
        self.symbols = symbols
        self.known: dict[Any, Slopes] = {}

    def slopes(self, expr: Any) -> Slopes:
        if expr in self.symbols:
            return {expr: sp.S.One}
        if not expr.args:
            return {}
        if expr not in self.known:
            found = self.rule(expr)
            self.known[expr] = {s: slope for s, slope in found.items() if slope != 0}
        return self.known[expr]

    def rule(self, expr: Any) -> Slopes:
        """One node."""
        if isinstance(expr, sp.Piecewise):
            return self.piecewise(expr)
        if isinstance(expr, sp.Mul):
            return self.product(expr.args)[1]
        inner = [self.slopes(arg) for arg in expr.args if isinstance(arg, sp.Expr)]
        names = _names(inner)
        if not names:
            return {}
        if isinstance(expr, NetworkCall):
            raise ModelError("", f"the network '{expr.args[0]}' has no formula to differentiate")
        if isinstance(expr, sp.Add):
            return {s: sp.Add(*(slopes[s] for slopes in inner if s in slopes)) for s in names}
        if isinstance(expr, sp.Pow):
            return _power(expr, inner[0], inner[1])
        if isinstance(expr, sp.sign | sp.Heaviside):
            return {}
        if isinstance(expr, sp.Abs):
            sign = operators.sign(expr.args[0])
            return {s: _times(sign, slope) for s, slope in inner[0].items()}
        if isinstance(expr, sp.Max | sp.Min) and not expr.has(sp.Piecewise):
            return _extreme(expr, inner)
        # max and min among them where they hold a Piecewise, which may not stand in a condition.
        outer = [expr.fdiff(i + 1) if slopes else sp.S.Zero for i, slopes in enumerate(inner)]
        return {s: _sum_of_products(outer, [slopes.get(s, sp.S.Zero) for slopes in inner]) for s in names}

    def piecewise(self, expr: Any) -> Slopes:
        inner = [self.slopes(value) for value, _ in expr.args]
        found = {}
        for s in _names(inner):
            values = [slopes.get(s, sp.S.Zero) for slopes in inner]
            if all(value == values[0] for value in values):
                found[s] = values[0]
            else:
                pairs = [(value, condition) for value, (_, condition) in zip(values, expr.args, strict=True)]
                found[s] = sp.Piecewise(*pairs, evaluate=False)
        return found

    def product(self, factors: tuple[Any, ...]) -> tuple[Any, Slopes]:
        """A product and its derivatives, halved where it is long."""
        if len(factors) <= MAX_FACTORS:
            inner = [self.slopes(factor) for factor in factors]
            rests = [factors[:i] + factors[i + 1 :] for i in range(len(factors))]
            return sp.Mul(*factors, evaluate=False), {
                s: sp.Add(*(_times(*rest, slopes[s]) for rest, slopes in zip(rests, inner, strict=True) if s in slopes))
                for s in _names(inner)
            }
        middle = len(factors) // 2
        left, left_slopes = self.product(factors[:middle])
        right, right_slopes = self.product(factors[middle:])
        found = {}
        for s in _names((left_slopes, right_slopes)):
            halves = [(left_slopes.get(s), right), (right_slopes.get(s), left)]
            found[s] = sp.Add(*(_nested(slope, other) for slope, other in halves if slope is not None))
        return _nested(left, right), found


def _names(slopes: Sequence[Slopes]) -> list[Any]:
    """The symbols that any of them has, in the order in which they come."""
    return list(dict.fromkeys(s for some in slopes for s in some))


def _nested(a: Any, b: Any) -> Any:
    """a*b as it stands: what b has in common with other products stays one part."""
    if a is sp.S.One:
        return b
    return sp.Mul(a, b, evaluate=False)


def _times(*factors: Any) -> Any:
    """A simplified product, unless it holds one of `_nested`, which would be taken to pieces."""
    nested = any(factor.is_Mul and any(part.is_Mul for part in factor.args) for factor in factors)
    if not nested:
        return sp.Mul(*factors)
    return sp.Mul(*(factor for factor in factors if factor is not sp.S.One), evaluate=False)


def _sum_of_products(outer: Sequence[Any], inner: Sequence[Any]) -> Any:
    return sp.Add(*(_times(a, b) for a, b in zip(outer, inner, strict=True) if b != 0))


def _power(expr: Any, base_slopes: Slopes, exponent_slopes: Slopes) -> Slopes:
    base, exponent = expr.args
    by_base = exponent * sp.Pow(base, exponent - 1)
    found = {s: _times(by_base, slope) for s, slope in base_slopes.items()}
    if exponent_slopes:
        # No real power of a negative number changes smoothly with its exponent.
        by_exponent = expr * (sp.nan if base.is_Number and base.is_negative else sp.log(base))
        at_zero = None if base.is_Number or base.has(sp.Piecewise) else sp.Eq(base, 0, evaluate=False)
        for s, slope in exponent_slopes.items():
            part = _times(by_exponent, slope)
            if at_zero is not None:
                # x**n does not change with n > 0 at x = 0, where 0*log(0) would be NaN.
                part = sp.Piecewise((0, at_zero), (part, True), evaluate=False)
            found[s] = found.get(s, sp.S.Zero) + part
    return found


def _extreme(expr: Any, inner: Sequence[Slopes]) -> Slopes:
    """max and min: the derivative of the winner; the first of them at a tie."""
    wins = sp.GreaterThan if isinstance(expr, sp.Max) else sp.LessThan
    conditions = [
        sp.And(*(wins(arg, other, evaluate=False) for other in expr.args[i + 1 :])) for i, arg in enumerate(expr.args)
    ]
    return {
        s: sp.Piecewise(
            *((slopes.get(s, sp.S.Zero), wins) for slopes, wins in zip(inner, conditions, strict=True)), evaluate=False
        )
        for s in _names(inner)
    }
