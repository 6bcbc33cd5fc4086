"""Formulas as one graph of operations, in which equal parts are one node, and their derivatives in the same graph.

A node is a number; its operation and the nodes that it is made of stand in `Graph.operations`. The derivative of a
node is a row of slopes, {leaf: node}, without those that are zero: the chain rule, once for each node,

    d f(a, b) = f_a da + f_b db,

so that it takes as many operations as there are nodes times leaves below them, whatever the depth. Where a formula has
no slope (sqrt at 0, asin at 1, a jump) it is 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Slopes = dict[int, int]

COMPARISONS = ("<", "<=", "==")
CONDITIONS = (*COMPARISONS, "and", "or", "not")


class Graph:
    """Operations on doubles.

    Attributes
    ----------
    operations
        Of each node: what it is, and its nodes; ("number", value) and ("leaf", array, index) have none.
    """

    def __init__(self) -> None:
        self.operations: list[tuple[Any, ...]] = []
        self._nodes: dict[tuple[Any, ...], int] = {}
        self._slopes: dict[int, Slopes] = {}
        self.zero, self.one = self.number(0.0), self.number(1.0)

    def node(self, *operation: Any) -> int:
        """The node of an operation."""
        found = self._nodes.get(operation)
        if found is None:
            found = self._nodes[operation] = len(self.operations)
            self.operations.append(operation)
        return found

    def number(self, value: float) -> int:
        """A constant."""
        return self.node("number", value + 0.0)  # no negative zero

    def leaf(self, array: str, index: int = 0) -> int:
        """What is given: an entry of an array."""
        return self.node("leaf", array, index)

    def value(self, a: int) -> float | None:
        """The value of a constant."""
        operation = self.operations[a]
        return float(operation[1]) if operation[0] == "number" else None

    def add(self, a: int, b: int) -> int:
        """a + b."""
        if a == self.zero:
            return b
        if b == self.zero:
            return a
        if self.operations[b][0] == "neg":
            return self.subtract(a, self.operations[b][1])
        if self.operations[a][0] == "neg":
            return self.subtract(b, self.operations[a][1])
        return self.node("+", *sorted((a, b)))

    def subtract(self, a: int, b: int) -> int:
        """a - b."""
        if b == self.zero:
            return a
        return self.negative(b) if a == self.zero else self.node("-", a, b)

    def multiply(self, a: int, b: int) -> int:
        """a * b; 0 * b is b's to be zero."""
        for x, y in ((a, b), (b, a)):
            if x == self.one:
                return y
            if self.value(x) == -1:
                return self.negative(y)
            if self.operations[x][0] == "neg":
                return self.negative(self.multiply(self.operations[x][1], y))
        left, right = self.value(a), self.value(b)
        if left is not None and right is not None:
            return self.number(left * right)
        return self.node("*", *sorted((a, b)))

    def divide(self, a: int, b: int) -> int:
        """a / b."""
        return a if b == self.one else self.node("/", a, b)

    def negative(self, a: int) -> int:
        """-a."""
        value = self.value(a)
        if value is not None:
            return self.number(-value)
        return self.operations[a][1] if self.operations[a][0] == "neg" else self.node("neg", a)

    def call(self, name: str, *arguments: int) -> int:
        """A function of the library of mathematics."""
        return self.node("call", name, *arguments)

    def compare(self, how: str, a: int, b: int) -> int:
        """A condition: one of COMPARISONS, false where a or b is not a number."""
        return self.node(how, a, b)

    def select(self, condition: int, a: int, b: int) -> int:
        """a where the condition holds, else b."""
        return a if a == b else self.node("select", condition, a, b)

    def unless_zero(self, a: int, b: int) -> int:
        """b where a is not 0, else 0."""
        return self.select(self.compare("==", a, self.zero), self.zero, b)

    def slopes(self, a: int) -> Slopes:
        """The derivatives of a node to the leaves."""
        found = self._slopes.get(a)
        if found is None:
            for node in self.below([a]):  # inner ones first, so that nothing is nested
                if node not in self._slopes:
                    self._slopes[node] = self._derive(node)
            found = self._slopes[a]
        return found

    def below(self, nodes: Iterable[int]) -> list[int]:
        """All nodes that some are made of, and these themselves, inner ones first."""
        found: set[int] = set()
        waiting = list(nodes)
        while waiting:
            node = waiting.pop()
            if node not in found:
                found.add(node)
                waiting += self.inner(node)
        return sorted(found)

    def inner(self, a: int) -> tuple[int, ...]:
        """The nodes that one is made of directly."""
        operation = self.operations[a]
        if operation[0] in ("number", "leaf"):
            return ()
        return operation[2:] if operation[0] == "call" else operation[1:]

    def _derive(self, a: int) -> Slopes:
        kind = self.operations[a][0]
        inner = self.inner(a)
        if kind == "leaf":
            return {a: self.one}
        if kind == "number" or kind in CONDITIONS:
            return {}
        if kind == "select":
            return self._chosen(*inner)
        rows = [self._slopes[b] for b in inner]
        if not any(rows):
            return {}
        slopes: Slopes = {}
        for row, partial in zip(rows, self.partials(a, [bool(row) for row in rows]), strict=True):
            if partial != self.zero:
                for leaf, slope in row.items():
                    slopes[leaf] = self.add(slopes.get(leaf, self.zero), self.multiply(partial, slope))
        return slopes

    def _chosen(self, condition: int, a: int, b: int) -> Slopes:
        left, right = self._slopes[a], self._slopes[b]
        return {
            leaf: self.select(condition, left.get(leaf, self.zero), right.get(leaf, self.zero))
            for leaf in dict.fromkeys((*left, *right))
        }

    def partials(self, a: int, moves: Sequence[bool]) -> list[int]:
        """df/db for each node b of an operation a = f(b, ...); moves: which of them have slopes."""
        kind, inner = self.operations[a][0], self.inner(a)
        if kind == "+":
            return [self.one, self.one]
        if kind == "-":
            return [self.one, self.number(-1.0)]
        if kind == "neg":
            return [self.number(-1.0)]
        if kind == "*":
            return [inner[1], inner[0]]
        if kind == "/":
            above = self.divide(self.one, inner[1])
            return [above, self.negative(self.multiply(a, above)) if moves[1] else self.zero]
        name = self.operations[a][1]
        if name == "pow":
            return self._power(a, inner[0], inner[1], moves[1])
        return [_slope(self, name, inner[0], a)]

    def _power(self, a: int, x: int, e: int, exponent_moves: bool) -> list[int]:
        """x^e: at x = 0 it has no slope for e < 1, and does not change with e."""
        is_zero = self.compare("==", x, self.zero)
        by_base = self.multiply(e, self.call("pow", x, self.subtract(e, self.one)))
        value = self.value(e)
        if value is None:
            steep = self.node("and", is_zero, self.compare("<", e, self.one))
            by_base = self.select(steep, self.zero, by_base)
        elif value < 1:
            by_base = self.select(is_zero, self.zero, by_base)
        if not exponent_moves:
            return [by_base, self.zero]
        return [by_base, self.select(is_zero, self.zero, self.multiply(a, self.call("log", x)))]


def _unit_disc(g: Graph, x: int) -> int:
    """1 - x^2, exact near its ends."""
    return g.multiply(g.subtract(g.one, x), g.add(g.one, x))


def _slope(g: Graph, name: str, x: int, y: int) -> int:
    """dy/dx of a function y of x."""
    match name:
        case "exp":
            return y
        case "log":
            return g.divide(g.one, x)
        case "sqrt":
            return g.unless_zero(x, g.divide(g.number(0.5), y))
        case "sin" | "cos":
            return g.call("cos", x) if name == "sin" else g.negative(g.call("sin", x))
        case "tan":
            return g.add(g.one, g.multiply(y, y))
        case "sinh" | "cosh":
            return g.call("cosh" if name == "sinh" else "sinh", x)
        case "tanh":
            return _unit_disc(g, y)
        case "asinh" | "atan":
            square = g.add(g.one, g.multiply(x, x))
            return g.divide(g.one, g.call("sqrt", square) if name == "asinh" else square)
        case "acosh":
            below = g.multiply(g.call("sqrt", g.subtract(x, g.one)), g.call("sqrt", g.add(x, g.one)))
            return g.unless_zero(below, g.divide(g.one, below))
        case "atanh":
            return g.divide(g.one, _unit_disc(g, x))
        case "asin" | "acos":
            below = g.call("sqrt", _unit_disc(g, x))
            slope = g.unless_zero(below, g.divide(g.one, below))
            return slope if name == "asin" else g.negative(slope)
    raise ValueError(name)
