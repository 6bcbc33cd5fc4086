"""Formulas as Python source for arrays or tensors: short, double precision, few calls.

The text names only `a0, a1, ...` (arguments), `x0, x1, ...` (shared parts) and the functions of the
namespace with which it is compiled, so no name of the user's can clash with anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from odefit import algebra as sp
from odefit.errors import ModelError
from odefit.model.sharing import Groups, shared_parts, split_product, split_sum
from odefit.records import dataclass

_SAME = (
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
    *("exp", "log", "sign", "sigmoid"),
)
_NAMED = {name: name for name in _SAME} | {"Abs": "abs"}
_RELATIONS = {
    sp.StrictLessThan: "<",
    sp.LessThan: "<=",
    sp.StrictGreaterThan: ">",
    sp.GreaterThan: ">=",
    sp.Equality: "==",
    sp.Unequality: "!=",
}


class Application(sp.Function):
    """`Application(name, *arguments)`: a whole network at some inputs, every component of it."""


class Component(sp.Function):
    """`Component(application, k)`: one output of a network."""


class Guarded(sp.Function):
    """`Guarded(x, safe, condition)`: x where the condition holds, else a number that does no harm."""


@dataclass(frozen=True)
class Definition:
    """What a name stands for."""

    expr: Any


class Printer:
    """What both arrays and tensors share.

    `add`, `mul`, `pow`, `piecewise` and `extreme` take a formula of that kind and return its text, in parentheses where
    it has an operator outermost.

    Parameters
    ----------
    names
        How the text calls each argument.
    """

    def __init__(self, names: Mapping[Any, str]) -> None:
        self.names = dict(names)
        self.groups: Groups = {}

    def share(self, formulas: Sequence[Any]) -> tuple[list[tuple[str, Definition]], list[Any]]:
        """The shared parts with their names, inner ones first, and the formulas as they are."""
        parts, self.groups = shared_parts(formulas)
        self.names |= {part: f"x{i}" for i, part in enumerate(parts)}
        return [(self.names[part], Definition(part)) for part in parts], list(formulas)

    def doprint(self, expr: Any) -> str:
        """The text of a formula: its name where it has one."""
        if isinstance(expr, Definition):
            return self.node(expr.expr)
        return self.names[expr] if expr in self.names else self.node(expr)

    def node(self, expr: Any) -> str:
        """The text of an expression whose parts may have names, but not itself."""
        if isinstance(expr, sp.Symbol):
            return str(expr.name)
        if isinstance(expr, sp.BooleanAtom):
            return str(bool(expr))
        if isinstance(expr, sp.Expr) and expr.is_number:
            # Every number is a double, parts such as sqrt(2) included.
            return _literal(_double(expr))
        for kind, method in self.methods():
            if isinstance(expr, kind):
                return str(method(expr))
        name = _NAMED.get(type(expr).__name__)
        if name is None or len(expr.args) != 1:
            raise ModelError("", f"'{expr}' cannot be computed numerically here")
        return f"{name}({self.doprint(expr.args[0])})"

    def methods(self) -> Sequence[tuple[Any, Any]]:
        """Kinds of formulas, each with what prints it; the first that fits counts."""
        return (
            (sp.Add, self.add),
            (sp.Mul, self.mul),
            (sp.Pow, self.pow),
            (tuple(_RELATIONS), lambda e: f"({self.sides(e, _RELATIONS[type(e)])})"),
            (sp.And, lambda e: f"({self.sides(e, '&')})"),
            (sp.Or, lambda e: f"({self.sides(e, '|')})"),
            (sp.Not, lambda e: f"logical_not({self.doprint(e.args[0])})"),
            (sp.Piecewise, self.piecewise),
            (sp.Heaviside, lambda e: f"heaviside({self.doprint(e.args[0])})"),
            ((sp.Max, sp.Min), self.extreme),
            (Application, self.application),
            (Component, lambda e: f"{self.doprint(e.args[0])}[..., {int(e.args[1])}]"),
        )

    def application(self, expr: Any) -> str:
        """The call of a whole network."""
        name, *arguments = expr.args
        inputs = ", ".join(self.doprint(arg) for arg in arguments)
        return f"network_{name.name}(like, {inputs})"

    def sides(self, expr: Any, operator: str) -> str:
        """The arguments with an operator between them."""
        return f" {operator} ".join(self.doprint(arg) for arg in expr.args)

    def add(self, expr: Any) -> str:
        """Added terms first: a leading minus sign would cost an operation of its own."""
        added, subtracted = (list(map(self.doprint, terms)) for terms in split_sum(expr))
        if not added:
            return f"(-({' + '.join(subtracted)}))"
        return f"({' - '.join([' + '.join(added), *subtracted])})"

    def mul(self, expr: Any) -> str:
        """One division at most, for it costs more than a product."""
        coefficient, factors, divisors = split_product(expr, self.groups)
        above = list(map(self.doprint, factors))
        if coefficient not in (1, -1) or not above:
            above.insert(0, _literal(_double(coefficient)))
            coefficient = sp.S.One
        text = " * ".join(above)
        if len(divisors) == 1:
            text += f" / {self.doprint(divisors[0])}"
        elif divisors:
            text += f" / ({' * '.join(map(self.doprint, divisors))})"
        return f"({'-' if coefficient == -1 else ''}{text})"

    def pow(self, expr: Any) -> str:
        """Roots, squares, cubes and fourth powers by calls of their own, which are quicker than a power."""
        base, exponent = expr.as_base_exp() if expr.is_Pow else (expr, sp.S.One)
        inner = self.doprint(base)
        if exponent == sp.Rational(1, 2):
            return f"sqrt({inner})"
        if exponent == sp.Rational(-1, 2):
            return f"(1.0 / sqrt({inner}))"
        if exponent in (2, 3, 4):
            return f"{ {2: 'square', 3: 'cube', 4: 'fourth'}[int(exponent)] }({inner})"
        if exponent == -1:
            return f"(1.0 / {inner})"
        if exponent in (-2, -3, -4):
            return f"(1.0 / {self.doprint(sp.Pow(base, -exponent))})"
        return f"({inner} ** {self.doprint(exponent)})"

    def piecewise(self, expr: Any) -> str:
        """Nested choices, the first condition outermost."""
        pairs = [pair for pair in expr.args if pair.cond != sp.false]
        # Without an "otherwise" there may be no value at all.
        otherwise = pairs.pop().expr if pairs[-1].cond == sp.true else sp.nan
        text = self.doprint(otherwise)
        plain = bool(otherwise.is_number)
        for pair in reversed(pairs):
            plain = plain and bool(pair.expr.is_number)
            text = self.where(self.doprint(pair.cond), self.doprint(pair.expr), text, plain)
            plain = False
        return text

    def where(self, condition: str, yes: str, no: str, plain: bool) -> str:
        """`plain`: both values are literal numbers (which concerns tensors only)."""
        del plain
        return f"where({condition}, {yes}, {no})"

    def extreme(self, expr: Any) -> str:
        """Two arguments at a time; the numbers among them are one bound."""
        name = "maximum" if isinstance(expr, sp.Max) else "minimum"
        numbers = [float(arg) for arg in expr.args if arg.is_number]
        parts = [self.doprint(arg) for arg in expr.args if not arg.is_number]
        text = parts[0]
        for part in parts[1:]:
            text = f"{name}({text}, {part})"
        if numbers:
            number = max(numbers) if name == "maximum" else min(numbers)
            text = self.clip(name, text, _literal(number))
        return text

    def clip(self, name: str, text: str, number: str) -> str:
        """The maximum or minimum (`name`) of a formula and a number."""
        return f"{name}({text}, {number})"


class TorchPrinter(Printer):
    """Tensors: `torch.where` must be told the dtype of two plain numbers, and 1/x has a call of its own.

    The text may name one more argument, `like`: a tensor whose dtype and device numbers take on. Methods that `Printer`
    has as well do the same as there, in calls of torch.
    """

    def methods(self) -> Sequence[tuple[Any, Any]]:
        return (
            *super().methods(),
            (Guarded, self.guarded),
        )

    def where(self, condition: str, yes: str, no: str, plain: bool) -> str:
        if plain:
            return f"where({condition}, like.new_full((), {yes}), like.new_full((), {no}))"
        return super().where(condition, yes, no, plain)

    def guarded(self, expr: Any) -> str:
        """A choice, unless its condition is decided."""
        value, safe, condition = (self.doprint(arg) for arg in expr.args)
        if condition in ("True", "False"):
            return value if condition == "True" else safe
        return f"where({condition}, {value}, {safe})"

    def pow(self, expr: Any) -> str:
        base, exponent = expr.as_base_exp()
        if exponent == -1:
            return f"reciprocal({self.doprint(base)})"
        if exponent == sp.Rational(-1, 2):
            return f"rsqrt({self.doprint(base)})"
        if exponent in (-2, -3, -4):
            return f"reciprocal({self.doprint(sp.Pow(base, -exponent))})"
        return super().pow(expr)

    def clip(self, name: str, text: str, number: str) -> str:
        return f"clamp({text}, {'min' if name == 'maximum' else 'max'}={number})"


def _double(number: Any) -> float:
    """The value of a formula without symbols; NaN where that is not real."""
    try:
        return float(number)
    except TypeError:
        return float("nan")


def _literal(value: float) -> str:
    """A number as text, with every digit that it has."""
    text = repr(value) if value - value == 0 else "nan" if value != value else "inf" if value > 0 else "-inf"
    return f"({text})" if text.startswith("-") else text
