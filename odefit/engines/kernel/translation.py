"""Formulas into the graph: whitelisted functions only, by the name of their class.

What the compiled engines promise of formulas holds here as it does in diffsol/diffsl.py: a choice is a true choice,
so that a NaN in the branch that is not taken does no harm; a comparison with NaN is false; max, min and steps of NaN
are NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from odefit.compilation import mathematics
from odefit.engines.diffsol.capped import cap_denominators
from odefit.engines.kernel.graph import Graph
from odefit.errors import ModelError

MAX_POWER = 8
"""Whole powers up to here are products."""


class Translator:
    """Puts formulas into a graph.

    Parameters
    ----------
    leaves
        Name of each symbol -> its node.
    where
        What the formulas are, for messages.
    """

    def __init__(self, graph: Graph, leaves: Mapping[str, int], where: str) -> None:
        self.graph, self.leaves, self.where = graph, leaves, where
        self._known: dict[Any, int] = {}

    def __call__(self, formula: Any) -> int:
        """The node of a whole formula. Raises ModelError for what cannot be compiled."""
        try:
            return self.node(cap_denominators(formula))
        except RecursionError:
            raise self.refusal("a formula is nested too deeply to compile") from None

    def refusal(self, what: str) -> ModelError:
        """The error for a formula that cannot be compiled."""
        return ModelError(f"model ({self.where})", f"{what}; use a torch method, such as `solver.method: dopri5`")

    def node(self, expr: Any) -> int:
        """The node of a part."""
        found = self._known.get(expr)
        if found is None:
            found = self._known[expr] = self._new(expr)
        return found

    def _new(self, expr: Any) -> int:
        kind = type(expr).__name__
        if kind == "Symbol":
            if expr.name not in self.leaves:
                raise self.refusal(f"'{expr}' has no value here")
            return self.leaves[expr.name]
        if not expr.args and expr.is_number:
            return self.graph.number(self._float(expr))
        rule = RULES.get(kind)
        if rule is not None:
            return rule(self, expr)
        if kind in FUNCTIONS and len(expr.args) == 1:
            return FUNCTIONS[kind](self.graph, self.node(expr.args[0]))
        if kind == "NetworkCall":
            raise self.refusal(f"the compiled engine cannot call the network '{expr.args[0]}'")
        raise self.refusal(f"the compiled engine has no function '{kind}'")

    def _float(self, expr: Any) -> float:
        try:
            value = float(expr)
        except (TypeError, OverflowError):
            value = math.nan
        if not math.isfinite(value):
            raise self.refusal(f"'{expr}' is not a finite real number")
        return value

    def sum(self, expr: Any) -> int:
        """Terms, one after the other."""
        total = self.graph.zero
        for term in expr.args:
            total = self.graph.add(total, self.node(term))
        return total

    def product(self, expr: Any) -> int:
        """Factors, those with a negative exponent in one divisor."""
        above, below = self.graph.one, self.graph.one
        for factor in expr.args:
            exponent = factor.args[1] if type(factor).__name__ == "Pow" else None
            if exponent is not None and exponent.is_number and float(exponent) < 0:
                below = self.graph.multiply(below, self._power(self.node(factor.args[0]), -float(exponent)))
            else:
                above = self.graph.multiply(above, self.node(factor))
        return self.graph.divide(above, below)

    def power(self, expr: Any) -> int:
        """base^exponent."""
        base, exponent = expr.args
        if exponent.is_number:
            value = self._float(exponent)
            power = self._power(self.node(base), abs(value))
            return self.graph.divide(self.graph.one, power) if value < 0 else power
        if base.is_number and (value := self._float(base)) > 0:
            return self.graph.call("exp", self.graph.multiply(self.node(exponent), self.graph.number(math.log(value))))
        return self.graph.call("pow", self.node(base), self.node(exponent))

    def _power(self, x: int, exponent: float) -> int:
        """x to a positive number."""
        if exponent == 0.5:
            return self.graph.call("sqrt", x)
        if exponent != int(exponent) or exponent > MAX_POWER:
            return self.graph.call("pow", x, self.graph.number(exponent))
        power, square, left = self.graph.one, x, int(exponent)
        while left:
            if left & 1:
                power = self.graph.multiply(power, square)
            left >>= 1
            if left:
                square = self.graph.multiply(square, square)
        return power

    def extreme(self, expr: Any) -> int:
        """max or min: the first of the best; NaN where any is."""
        g, how = self.graph, type(expr).__name__
        best = self.node(expr.args[0])
        for argument in expr.args[1:]:
            other = self.node(argument)
            low, high = (best, other) if how == "Max" else (other, best)
            wins, loses = g.compare("<=", high, low), g.compare("<=", low, high)
            best = g.select(wins, best, g.select(loses, other, g.add(best, other)))
        return best

    def step(self, expr: Any) -> int:
        """0 below zero, 1 above; 1/2 at zero, or what is said."""
        at_zero = self.node(expr.args[1]) if len(expr.args) > 1 else self.graph.number(0.5)
        return _by_sign(self.graph, self.node(expr.args[0]), self.graph.zero, at_zero, self.graph.one)

    def choice(self, expr: Any) -> int:
        """The first branch whose condition holds; the last one must hold always."""
        pairs = list(expr.args)
        last, condition = pairs.pop()
        if not (type(condition).__name__ == "BooleanAtom" and condition):
            raise self.refusal(f"'{expr}' needs a value for all other cases")
        value = self.node(last)
        for branch, condition in reversed(pairs):
            value = self.graph.select(self.truth(condition), self.node(branch), value)
        return value

    def truth(self, condition: Any) -> int:
        """The node of a condition."""
        g, kind = self.graph, type(condition).__name__
        if kind == "BooleanAtom":
            return g.compare("==", g.one, g.one if condition else g.zero)
        if kind in ("And", "Or"):
            first, *others = map(self.truth, condition.args)
            for other in others:
                first = g.node(kind.lower(), first, other)
            return first
        if kind == "Not":
            return g.node("not", self.truth(condition.args[0]))
        if kind not in COMPARED:
            raise self.refusal(f"the compiled engine cannot decide '{condition}'")
        a, b = (self.node(side) for side in condition.args)
        how = COMPARED[kind]
        if how == "!=":
            return g.node("not", g.compare("==", a, b))
        return g.compare(how[0] + how[1:].rstrip("r"), *((b, a) if how.endswith("r") else (a, b)))


# What a comparison is by its class; with an r, the other way round.
COMPARED = {
    "StrictLessThan": "<",
    "LessThan": "<=",
    "StrictGreaterThan": "<r",
    "GreaterThan": "<=r",
    "Equality": "==",
    "Unequality": "!=",
}

RULES: Mapping[str, Callable[[Translator, Any], int]] = {
    "Add": Translator.sum,
    "Mul": Translator.product,
    "Pow": Translator.power,
    "Max": Translator.extreme,
    "Min": Translator.extreme,
    "Heaviside": Translator.step,
    "Piecewise": Translator.choice,
}


def _by_sign(g: Graph, x: int, below: int, at: int, above: int) -> int:
    otherwise = g.select(g.compare("<", x, g.zero), below, g.select(g.compare("==", x, g.zero), at, x))
    return g.select(g.compare("<", g.zero, x), above, otherwise)


def _sign(g: Graph, x: int) -> int:
    return _by_sign(g, x, g.number(-1.0), g.zero, g.one)


def _size(g: Graph, x: int) -> int:
    return g.select(g.compare("<", x, g.zero), g.negative(x), x)


def _sigmoid(g: Graph, x: int) -> int:
    """1 / (1 + exp(-x)), of the exponential that does not overflow."""
    small = g.call("exp", g.negative(_size(g, x)))
    return g.divide(g.select(g.compare("<", x, g.zero), small, g.one), g.add(g.one, small))


def _capped(name: str, most: float, value: float) -> Callable[[Graph, int], int]:
    def function(g: Graph, x: int) -> int:
        return g.select(g.compare("<", g.number(most), x), g.number(value), g.call(name, x))

    return function


def _capped_cosh(g: Graph, x: int) -> int:
    return _capped("cosh", 300.0, math.cosh(300.0))(g, _size(g, x))


def _named(name: str) -> Callable[[Graph, int], int]:
    return lambda g, x: g.call(name, x)


FUNCTIONS: Mapping[str, Callable[[Graph, int], int]] = {
    **{name: _named(name) for name in mathematics.FUNCTIONS},
    "Abs": _size,
    "sign": _sign,
    "sigmoid": _sigmoid,
    "_Capped": _capped("exp", 300.0, 1e130),
    "_CappedLow": _capped("exp", 120.0, math.exp(120.0)),
    "_CappedCosh": _capped_cosh,
}
"""Functions of one argument by the name of their class."""
