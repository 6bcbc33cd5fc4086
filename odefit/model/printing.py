"""SymPy formulas as Python source for arrays or tensors: short, double precision, few calls.

The text names only `a0, a1, ...` (arguments), `x0, x1, ...` (shared parts) and the functions of the
namespace with which it is compiled, so no name of the user's can clash with anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp

from odefit.errors import ModelError

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


class Application(sp.Function):  # type: ignore[misc]
    """`Application(name, *arguments)`: a whole network at some inputs, every component of it."""

    is_real = True


class Component(sp.Function):  # type: ignore[misc]
    """`Component(application, k)`: one output of a network."""

    is_real = True


class Guarded(sp.Function):  # type: ignore[misc]
    """`Guarded(x, safe, condition)`: x where the condition holds, else a number that does no harm."""

    is_real = True


class Printer:
    """What both arrays and tensors share; `doprint` is what `sympy.lambdify` calls."""

    def doprint(self, expr: Any) -> str:
        if isinstance(expr, sp.Symbol):
            return str(expr.name)
        if isinstance(expr, sp.logic.boolalg.BooleanAtom):
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
        )

    def sides(self, expr: Any, operator: str) -> str:
        return f" {operator} ".join(self.doprint(arg) for arg in expr.args)

    def add(self, expr: Any) -> str:
        """Positive terms first: a leading minus sign would cost an operation of its own."""
        added: list[str] = []
        subtracted: list[str] = []
        for term in expr.args:
            coefficient, rest = term.as_coeff_Mul()
            if coefficient.is_negative and (added or len(expr.args) > 1):
                subtracted.append(self.doprint(-coefficient * rest))
            else:
                added.append(self.doprint(term))
        if not added:
            return f"(-({' + '.join(subtracted)}))"
        return f"({' - '.join([' + '.join(added), *subtracted])})"

    def mul(self, expr: Any) -> str:
        coefficient, rest = expr.as_coeff_Mul()
        above: list[str] = []
        below: list[str] = []
        for factor in sp.Mul.make_args(rest):
            base, exponent = factor.as_base_exp() if isinstance(factor, sp.Pow) else (factor, sp.S.One)
            if exponent.is_Rational and exponent < 0:
                below.append(self.doprint(sp.Pow(base, -exponent)))
            else:
                above.append(self.doprint(factor))
        sign = "-" if coefficient == -1 else ""
        if coefficient not in (1, -1) or not above:
            above.insert(0, _literal(abs(float(coefficient)) if sign else float(coefficient)))
        text = " * ".join(above)
        if below:
            text += f" / ({' * '.join(below)})"
        return f"({sign}{text})"

    def pow(self, expr: Any) -> str:
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
        pairs = list(expr.args)
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
        return f"{name}({text}, {number})"


class TorchPrinter(Printer):
    """Tensors: `torch.where` must be told the dtype of two plain numbers, and 1/x has a call of its own.

    The text may name one more argument, `like`: a tensor whose dtype and device numbers take on.
    """

    def methods(self) -> Sequence[tuple[Any, Any]]:
        return (
            *super().methods(),
            (Application, self.application),
            (Component, lambda e: f"{self.doprint(e.args[0])}[..., {int(e.args[1])}]"),
            (Guarded, self.guarded),
        )

    def where(self, condition: str, yes: str, no: str, plain: bool) -> str:
        if plain:
            return f"where({condition}, like.new_full((), {yes}), like.new_full((), {no}))"
        return super().where(condition, yes, no, plain)

    def application(self, expr: Any) -> str:
        name, *arguments = expr.args
        inputs = ", ".join(self.doprint(arg) for arg in arguments)
        return f"network_{name.name}(like, {inputs})"

    def guarded(self, expr: Any) -> str:
        value, safe, condition = (self.doprint(arg) for arg in expr.args)
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

    def mul(self, expr: Any) -> str:
        coefficient, rest = expr.as_coeff_Mul()
        if coefficient == -1 and not isinstance(rest, sp.Mul):
            return f"(-{self.doprint(rest)})"
        return super().mul(expr)

    def clip(self, name: str, text: str, number: str) -> str:
        return f"clamp({text}, {'min' if name == 'maximum' else 'max'}={number})"


def _double(number: Any) -> float:
    try:
        return float(number)
    except TypeError:  # not real
        return float("nan")


def _literal(value: float) -> str:
    text = repr(value) if value - value == 0 else "nan" if value != value else "inf" if value > 0 else "-inf"
    return f"({text})" if text.startswith("-") else text
