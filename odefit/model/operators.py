"""SymPy functions that stay as they are written: abs, sign, heaviside, max, min, sigmoid, sin, cos, tan, asin, ...

SymPy's own versions try to be clever with arguments that may be complex: `Abs(y*exp(sqrt(x)))` becomes
`Abs(y)*exp(re(sqrt(x)))`, then cosines of `atan2`; `Heaviside(sqrt(-x**2 - 1))` raises; and whether
a function of f is real is found out by expanding f, which may not end, as may the search for inverses.
Here every quantity is real, so these subclasses hardly do more than fold numbers. `isinstance(f, sp.Abs)` and the
class names hold as before; the derivative of a jump is zero, never a DiracDelta.

The classes define what SymPy asks of a function: `eval` gives the value where that can be said at once, and None for
"leave it as it is written"; `fdiff(i)` is the derivative with respect to the i-th argument, as a formula;
`_eval_derivative(s)` that with respect to a symbol, by the chain rule, where SymPy's own would take another way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import sympy as sp

from odefit.errors import ModelError
from odefit.model.sharing import SymbolsOf


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


class _Kept:
    """A function of a real number that stays as it is written.

    SymPy looks for inverses and periods, and asks whether the rest is zero, with an effort that grows exponentially
    with the nesting. Numbers are folded by the parser and by `put_numbers`.
    """

    args: tuple[Any, ...]
    is_real = True

    @classmethod
    def eval(cls, _arg: Any) -> Any:
        return None


class exp(sp.exp):  # type: ignore[misc]
    """e to the power x; only for a sum with a decimal number in it, else it is SymPy's own.

    SymPy writes exp(7770.0 - 1000*t) as exp(7770.0)*exp(-1000*t), of which the first is no double. Here the sum stays
    whole, in products as well.
    """

    @classmethod
    def eval(cls, arg: Any) -> Any:
        whole = arg.is_Add and arg.as_coeff_Add()[0].is_Float and not arg.has(sp.log)
        return None if whole else sp.exp(arg)

    def as_base_exp(self) -> tuple[Any, Any]:
        return self, sp.S.One

    def _eval_power(self, other: Any) -> Any:
        return exp(self.args[0] * other)

    def fdiff(self, _index: int = 1) -> Any:
        return self


class sin(_Kept, sp.sin):  # type: ignore[misc]
    """The sine."""

    def fdiff(self, _index: int = 1) -> Any:
        return cos(self.args[0])


class cos(_Kept, sp.cos):  # type: ignore[misc]
    """The cosine."""

    def fdiff(self, _index: int = 1) -> Any:
        return -sin(self.args[0])


class tan(_Kept, sp.tan):  # type: ignore[misc]
    """The tangent."""

    def fdiff(self, _index: int = 1) -> Any:
        return 1 + self**2


class asin(_Kept, sp.asin):  # type: ignore[misc]
    """The inverse sine, of a number in [-1, 1]."""

    def fdiff(self, _index: int = 1) -> Any:
        return 1 / sp.sqrt(1 - self.args[0] ** 2)


class acos(_Kept, sp.acos):  # type: ignore[misc]
    """The inverse cosine, of a number in [-1, 1]."""

    def fdiff(self, _index: int = 1) -> Any:
        return -1 / sp.sqrt(1 - self.args[0] ** 2)


class atan(_Kept, sp.atan):  # type: ignore[misc]
    """The inverse tangent."""

    def fdiff(self, _index: int = 1) -> Any:
        return 1 / (1 + self.args[0] ** 2)


class sinh(_Kept, sp.sinh):  # type: ignore[misc]
    """The hyperbolic sine."""

    def fdiff(self, _index: int = 1) -> Any:
        return cosh(self.args[0])


class cosh(_Kept, sp.cosh):  # type: ignore[misc]
    """The hyperbolic cosine."""

    is_positive = True

    def fdiff(self, _index: int = 1) -> Any:
        return sinh(self.args[0])


class tanh(_Kept, sp.tanh):  # type: ignore[misc]
    """The hyperbolic tangent."""

    def fdiff(self, _index: int = 1) -> Any:
        return 1 - self**2


class asinh(_Kept, sp.asinh):  # type: ignore[misc]
    """The inverse hyperbolic sine."""

    def fdiff(self, _index: int = 1) -> Any:
        return 1 / sp.sqrt(self.args[0] ** 2 + 1)


class acosh(_Kept, sp.acosh):  # type: ignore[misc]
    """The inverse hyperbolic cosine, of a number from 1 on."""

    def fdiff(self, _index: int = 1) -> Any:
        # Not sqrt(x**2 - 1), which has a value for x < -1, where there is no function.
        return 1 / (sp.sqrt(self.args[0] - 1) * sp.sqrt(self.args[0] + 1))


class atanh(_Kept, sp.atanh):  # type: ignore[misc]
    """The inverse hyperbolic tangent, of a number between -1 and 1."""

    def fdiff(self, _index: int = 1) -> Any:
        return 1 / (1 - self.args[0] ** 2)


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


def choose(pairs: list[tuple[Any, Any]]) -> Any:
    """A Piecewise; decided conditions fall away, and neighbours of the same value become one.

    Not left to SymPy: its own merging multiplies conditions out, which may not end.
    """
    kept: list[tuple[Any, Any]] = []
    for value, condition in pairs:
        if condition == sp.false:
            continue
        if kept and kept[-1][0] == value:
            kept[-1] = (value, sp.Or(kept[-1][1], condition))
        else:
            kept.append((value, condition))
        if kept[-1][1] == sp.true:
            break
    return kept[0][0] if len(kept) == 1 else sp.Piecewise(*kept, evaluate=False)


def put_numbers(expr: Any, numbers: Mapping[Any, float]) -> Any:
    """An expression with some symbols replaced by numbers, and constant parts folded to doubles.

    In place of `expr.xreplace`, which evaluates `sqrt(-1.5) < x` to an error and may not end over constants.
    Raises ModelError where no finite real value is left.
    """
    return number_putter(numbers)(expr)


def number_putter(numbers: Mapping[Any, float]) -> Callable[[Any], Any]:
    """`put_numbers` for several formulas, whose common parts are rebuilt once."""
    values = {s: sp.Float(value, 17) for s, value in numbers.items()}
    symbols_of, known = SymbolsOf(), dict[Any, Any]()
    return lambda expr: _with_numbers(expr, numbers, values, symbols_of, known)


def _with_numbers(
    expr: Any, numbers: Mapping[Any, float], values: Mapping[Any, Any], symbols_of: SymbolsOf, known: dict[Any, Any]
) -> Any:
    """One formula of `number_putter`, see `_put`."""
    try:
        result = _put(expr, values, symbols_of, known)
    except (ArithmeticError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError("", f"the formula {expr} has no real value ({error})") from None
    if result.has(sp.nan, sp.zoo, sp.oo, -sp.oo, sp.I):
        at = ", ".join(f"{s} = {value:.6g}" for s, value in numbers.items() if s in expr.free_symbols)
        raise ModelError("", f"the formula {expr} is not a finite real number when {at}")
    return result


def _put(expr: Any, values: Mapping[Any, Any], symbols_of: SymbolsOf, known: dict[Any, Any]) -> Any:
    """The work of `put_numbers`: a formula with numbers in place of symbols; known: the parts that are done."""
    if expr in values:
        return values[expr]
    if not expr.args or symbols_of(expr).isdisjoint(values):
        return expr
    if expr not in known:
        if isinstance(expr, sp.Piecewise):
            known[expr] = choose([tuple(_put(part, values, symbols_of, known) for part in pair) for pair in expr.args])
        else:
            known[expr] = _rebuild(expr, [_put(arg, values, symbols_of, known) for arg in expr.args])
    return known[expr]


def _rebuild(expr: Any, args: list[Any]) -> Any:
    """One node with new arguments; NaN where plain numbers give no finite real value."""
    if isinstance(expr, sp.logic.boolalg.BooleanFunction):
        return expr.func(*args)
    if any(arg is sp.nan for arg in args):
        return sp.false if isinstance(expr, sp.core.relational.Relational) else sp.nan
    plain = all(arg.is_Number for arg in args)
    if isinstance(expr, sp.core.relational.Relational):
        return expr.func(*args) if plain else expr.func(*args, evaluate=False)
    name = type(expr).__name__
    if not plain or name not in VALUES:
        return exp(*args) if name == "exp" else expr.func(*args)
    try:
        value = VALUES[name](*map(float, args))
    except (ArithmeticError, ValueError):
        value = math.nan
    return sp.Float(value, 17) if math.isfinite(value) else sp.nan


VALUES: Mapping[str, Callable[..., float]] = {
    **{name: getattr(math, name) for name in ("sin", "cos", "tan", "asin", "acos", "atan", "exp", "log")},
    **{name: getattr(math, name) for name in ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh")},
    "Pow": math.pow,
    "Abs": abs,
    "Max": max,
    "Min": min,
    "sign": lambda x: float((x > 0) - (x < 0)),
    "Heaviside": lambda x, _at_zero=1.0: float(x >= 0),
    "sigmoid": logistic,
    "Add": lambda *terms: math.fsum(terms),
    "Mul": lambda *factors: math.prod(factors),
}


def functions_of_roots(expr: Any, known: dict[Any, tuple[int, bool]]) -> tuple[int, bool]:
    """On the longest way down: functions of something with a root in it, and whether a root stands above the first."""
    if not expr.args:
        return 0, False
    if expr not in known:
        below = [functions_of_roots(arg, known) for arg in expr.args]
        level, root = max(n for n, _ in below), any(r for _, r in below)
        if expr.is_Function and root:
            level, root = level + 1, False
        known[expr] = level, root or bool(expr.is_Pow and not expr.exp.is_Integer)
    return known[expr]
