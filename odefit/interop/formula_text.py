"""Trees as texts of odefit's formula language, with as few brackets as the value allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from odefit.interop.mathematics import CALL, COMPARISONS, TIME, Call, Name, Number, Tree, call, condition, is_condition

FUNCTIONS = frozenset(
    [
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "tanh",
        "asinh",
        "acosh",
        "atanh",
        "exp",
        "log",
        "log10",
        "log2",
        "sqrt",
        "abs",
        "sign",
        "max",
        "min",
    ]
)
"""Functions of the formula language that trees name as it does."""

_OR, _AND, _NOT, _COMPARED, _SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(9)
_REASONS: Mapping[str, str] = {
    "delay": "delays are not supported: odefit solves ordinary differential equations",
    "floor": "floor has no counterpart: write steps at known times with piecewise",
    "ceil": "ceil has no counterpart: write steps at known times with piecewise",
    "quotient": "quotients of whole numbers have no counterpart",
    "rem": "remainders have no counterpart: write steps at known times with piecewise",
    "factorial": "factorials of what is no number have no counterpart",
}


class Inexpressible(Exception):
    """A tree that odefit's language has no formula for; the message says what and why."""


def formula_text(tree: Tree, names: Mapping[str, str] | None = None) -> str:
    """The formula of a tree.

    Parameters
    ----------
    tree
        A number, or what has a number as its value; conditions become 1 and 0.
    names
        The names that are called otherwise in odefit.

    Raises
    ------
    Inexpressible
        The tree holds a function that odefit has not, or a number that is not finite.
    """
    return _Writer(names or {}).at(tree, _OR)


def condition_text(tree: Tree) -> str:
    """The same of what is true or false. Raises Inexpressible."""
    return _Writer({}).test(tree)


def number_text(value: float) -> str:
    """The fewest digits that read back as the same double; whole numbers without a point."""
    if not math.isfinite(value):
        raise Inexpressible(f"{value} is not a finite number")
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


class _Writer:
    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def at(self, tree: Tree, level: int) -> str:
        """The text, in brackets where it binds less than what stands around it."""
        text, own = self.written(tree)
        return text if own >= level else f"({text})"

    def written(self, tree: Tree) -> tuple[str, int]:
        if isinstance(tree, Number):
            return number_text(tree.value), _SIGN if tree.value < 0 or math.copysign(1, tree.value) < 0 else _ATOM
        if isinstance(tree, Name):
            return self.names.get(tree.name, tree.name), _ATOM
        if tree == TIME:
            return "t", _ATOM
        if tree.function.startswith(CALL):
            return self.network(tree), _ATOM
        write = _WRITTEN.get(tree.function)
        if write is not None:
            return write(self, *tree.arguments)
        if tree.function in COMPARISONS:
            return self.comparison(tree)
        if tree.function == "piecewise":
            return self.choice(*tree.arguments), _ATOM
        if tree.function in FUNCTIONS:
            return f"{tree.function}({', '.join(self.at(a, _OR) for a in tree.arguments)})", _ATOM
        raise Inexpressible(_REASONS.get(tree.function, f"'{tree.function}' is no function that odefit has"))

    def network(self, tree: Call) -> str:
        name, _, component = tree.function.removeprefix(CALL).partition(" ")
        arguments = ", ".join(self.at(argument, _OR) for argument in tree.arguments)
        return f"{name}({arguments})" + (f"[{component}]" if component else "")

    def sum(self, *terms: Tree) -> tuple[str, int]:
        text = self.at(terms[0], _SUM)
        for term in terms[1:]:
            positive = _opposite(term)
            text += f" + {self.at(term, _PRODUCT)}" if positive is None else f" - {self.at(positive, _PRODUCT)}"
        return text, _SUM

    def difference(self, left: Tree, right: Tree) -> tuple[str, int]:
        positive = _opposite(right)
        if positive is not None:
            return self.sum(left, positive)
        return f"{self.at(left, _SUM)} - {self.at(right, _PRODUCT)}", _SUM

    def product(self, *factors: Tree) -> tuple[str, int]:
        first, *rest = factors
        return "*".join([self.at(first, _PRODUCT), *(self.at(factor, _SIGN + 1) for factor in rest)]), _PRODUCT

    def quotient(self, left: Tree, right: Tree) -> tuple[str, int]:
        return f"{self.at(left, _PRODUCT)}/{self.at(right, _SIGN + 1)}", _PRODUCT

    def power(self, base: Tree, exponent: Tree) -> tuple[str, int]:
        return f"{self.at(base, _ATOM)}^{self.at(exponent, _ATOM)}", _POWER

    def negative(self, tree: Tree) -> tuple[str, int]:
        # As a term of a sum it needs no brackets, as a factor it does.
        return f"-{self.at(tree, _PRODUCT)}", _SUM

    def comparison(self, tree: Call) -> tuple[str, int]:
        left, right = (_as_number(side) for side in tree.arguments)
        lifted = _lifted(tree.function, left, right)
        if lifted is not None:
            return self.written(lifted)
        return f"{self.at(left, _SUM)} {tree.function} {self.at(right, _SUM)}", _COMPARED

    def joined(self, word: str, level: int, *parts: Tree) -> tuple[str, int]:
        return f" {word} ".join(self.test(part, level + 1) for part in parts), level

    def negation(self, part: Tree) -> tuple[str, int]:
        return f"not {self.test(part, _NOT)}", _NOT

    def test(self, tree: Tree, level: int = _OR) -> str:
        made = condition(tree)
        if isinstance(made, Number):
            made = Call(">" if made.value else "<", (Number(1.0), Number(0.0)))
            return "1 > 0" if made.function == ">" else "1 < 0"
        return self.at(made, level)

    def choice(self, *arguments: Tree) -> str:
        if arguments[-1] == arguments[-1] and isinstance(arguments[-1], Number) and math.isnan(arguments[-1].value):
            raise Inexpressible("a piecewise has no `otherwise`, and so has no value where no condition holds")
        parts: list[str] = []
        for value, test in zip(arguments[:-1:2], arguments[1::2], strict=True):
            parts += [self.at(value, _OR), self.test(test)]
        return f"piecewise({', '.join([*parts, self.at(arguments[-1], _OR)])})"


_WRITTEN: Mapping[str, Callable[..., tuple[str, int]]] = {
    "+": _Writer.sum,
    "-": _Writer.difference,
    "*": _Writer.product,
    "/": _Writer.quotient,
    "^": _Writer.power,
    "neg": _Writer.negative,
    "and": lambda writer, *parts: writer.joined("and", _AND, *parts),
    "or": lambda writer, *parts: writer.joined("or", _OR, *parts),
    "not": _Writer.negation,
}


def _opposite(tree: Tree) -> Tree | None:
    """The tree without its minus; None where it has none."""
    if isinstance(tree, Number) and tree.value < 0:
        return Number(-tree.value)
    if isinstance(tree, Call) and tree.function == "neg":
        return tree.arguments[0]
    if isinstance(tree, Call) and tree.function == "*":
        first = _opposite(tree.arguments[0])
        return None if first is None else call("*", first, *tree.arguments[1:])
    return None


def _as_number(tree: Tree) -> Tree:
    """A side of a comparison: what is true or false there is 1 or 0."""
    return Call("piecewise", (Number(1.0), tree, Number(0.0))) if is_condition(tree) else tree


def _lifted(function: str, left: Tree, right: Tree) -> Tree | None:
    """A comparison with a choice in it, as a choice of comparisons: the language has none of the former."""
    for sides, other, swapped in ((left, right, False), (right, left, True)):
        found = _first_choice(sides)
        if found is None:
            continue
        value, test, *rest = found.arguments
        remaining = rest[0] if len(rest) == 1 else Call("piecewise", tuple(rest))
        made = []
        for branch in (value, remaining):
            side = _put(sides, found, branch)
            made.append(call(function, other, side) if swapped else call(function, side, other))
        no = call("not", condition(test))
        return call("or", call("and", condition(test), made[0]), call("and", no, made[1]))
    return None


def _first_choice(tree: Tree) -> Call | None:
    if not isinstance(tree, Call):
        return None
    if tree.function == "piecewise":
        return tree
    return next((found for a in tree.arguments if (found := _first_choice(a)) is not None), None)


def _put(tree: Tree, part: Tree, value: Tree) -> Tree:
    if tree == part:
        return value
    if isinstance(tree, Call):
        return call(tree.function, *(_put(argument, part, value) for argument in tree.arguments))
    return tree
