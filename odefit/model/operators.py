"""SymPy functions that stay as they are written: abs, sign, heaviside, max, min, sigmoid.

SymPy's own versions try to be clever with arguments that may be complex: `Abs(y*exp(sqrt(x)))` becomes
`Abs(y)*exp(re(sqrt(x)))`, then cosines of `atan2`, and `Heaviside(sqrt(-x**2 - 1))` raises. Here every
quantity is real, so these subclasses only fold numbers. `isinstance(f, sp.Abs)` and the class names hold
as before; the derivative of a jump is zero, never a DiracDelta.
"""

from __future__ import annotations

import math
from typing import Any

import sympy as sp


class Abs(sp.Abs):  # type: ignore[misc]
    """|x|, with derivative sign(x)."""

    @classmethod
    def eval(cls, arg: Any) -> Any:
        return abs(arg) if arg.is_Number else None

    def fdiff(self, _index: int = 1) -> Any:
        return sign(self.args[0])

    def _eval_derivative(self, s: Any) -> Any:
        return sign(self.args[0]) * self.args[0].diff(s)


class sign(sp.sign):  # type: ignore[misc]
    """-1, 0 or 1, with derivative 0."""

    @classmethod
    def eval(cls, arg: Any) -> Any:
        return sp.Integer(bool(arg > 0) - bool(arg < 0)) if arg.is_Number and arg is not sp.S.NaN else None

    def fdiff(self, _index: int = 1) -> Any:
        return sp.S.Zero

    def _eval_derivative(self, _s: Any) -> Any:
        return sp.S.Zero


class Heaviside(sp.Heaviside):  # type: ignore[misc]
    """0 for x < 0 and 1 for x >= 0 (1 at the jump, as DiffSL has it), with derivative 0."""

    def __new__(cls, arg: Any, H0: Any = sp.S.One, **options: Any) -> Any:
        return sp.Function.__new__(cls, arg, H0, **options)

    @classmethod
    def eval(cls, arg: Any, _at_zero: Any = sp.S.One) -> Any:
        return sp.Integer(bool(arg >= 0)) if arg.is_Number and arg is not sp.S.NaN else None

    def fdiff(self, _index: int = 1) -> Any:
        return sp.S.Zero

    def _eval_derivative(self, _s: Any) -> Any:
        return sp.S.Zero


class _Extreme:
    """What max and min share: arguments in the given order, compared only when all are numbers."""

    args: tuple[Any, ...]
    _best: Any

    def __new__(cls, *args: Any, **_options: Any) -> Any:
        values = tuple(sp.sympify(arg) for arg in args)
        if len(values) == 1:
            return values[0]
        if all(value.is_Number for value in values):
            return cls._best(*values)
        return sp.Expr.__new__(cls, *values)

    def fdiff(self, index: int = 1) -> Any:
        """1 where this argument is the extreme one (at a tie: the first), else 0."""
        mine = self.args[index - 1]
        others = [arg for i, arg in enumerate(self.args) if i != index - 1]
        rest = type(self)(*others)
        wins = mine - rest if isinstance(self, Max) else rest - mine
        return Heaviside(wins) if index == 1 else 1 - Heaviside(-wins)

    def _eval_derivative(self, s: Any) -> Any:
        return sp.Add(*(self.fdiff(i + 1) * arg.diff(s) for i, arg in enumerate(self.args)))


class Max(_Extreme, sp.Max):  # type: ignore[misc]
    """The largest argument."""

    _best = sp.Max


class Min(_Extreme, sp.Min):  # type: ignore[misc]
    """The smallest argument."""

    _best = sp.Min


class sigmoid(sp.Function):  # type: ignore[misc]
    """1 / (1 + exp(-x)), kept whole so that neither it nor its derivative overflows."""

    nargs = 1
    is_real = True

    @classmethod
    def eval(cls, arg: Any) -> Any:
        return sp.Float(logistic(float(arg)), 17) if arg.is_Number else None

    def fdiff(self, _index: int = 1) -> Any:
        return self * (1 - self)

    def _eval_evalf(self, prec: int) -> Any:
        return (1 / (1 + sp.exp(-self.args[0])))._eval_evalf(prec)


def logistic(x: float) -> float:
    """1 / (1 + exp(-x)) without overflow."""
    e = math.exp(-abs(x))
    return (1.0 if x >= 0 else e) / (1.0 + e)
