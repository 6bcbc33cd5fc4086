"""What is done with formulas as a whole: cases chosen, numbers put in, roots counted; and their functions by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from odefit import algebra as sp
from odefit.algebra import (
    Abs,
    Heaviside,
    Max,
    Min,
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atanh,
    cos,
    cosh,
    exp,
    logistic,
    sigmoid,
    sign,
    sin,
    sinh,
    tan,
    tanh,
)
from odefit.errors import ModelError

__all__ = [
    "VALUES",
    "Abs",
    "Heaviside",
    "Max",
    "Min",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "choose",
    "cos",
    "cosh",
    "exp",
    "functions_of_roots",
    "logistic",
    "put_numbers",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "tan",
    "tanh",
]


def choose(pairs: list[tuple[Any, Any]]) -> Any:
    """A Piecewise; decided conditions fall away, and neighbours of the same value become one."""
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

    Raises ModelError where no finite real value is left.
    """
    return number_putter(numbers)(expr)


def number_putter(numbers: Mapping[Any, float]) -> Callable[[Any], Any]:
    """`put_numbers` for several formulas, whose common parts are rebuilt once."""
    values, known = {s: sp.Float(value) for s, value in numbers.items()}, dict[Any, Any]()
    return lambda expr: _with_numbers(sp.sympify(expr), numbers, values, known)


def _with_numbers(expr: Any, numbers: Mapping[Any, float], values: Mapping[Any, Any], known: dict[Any, Any]) -> Any:
    """One formula of `number_putter`, see `_put`."""
    try:
        result = _put(expr, values, known)
    except (ArithmeticError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError("", f"the formula {expr} has no real value ({error})") from None
    if result.has(sp.nan, sp.oo, -sp.oo):
        at = ", ".join(f"{s} = {value:.6g}" for s, value in numbers.items() if s in expr.free_symbols)
        raise ModelError("", f"the formula {expr} is not a finite real number when {at}")
    return result


def _put(expr: Any, values: Mapping[Any, Any], known: dict[Any, Any]) -> Any:
    """The work of `put_numbers`: a formula with numbers in place of symbols; known: the parts that are done."""
    if expr in values:
        return values[expr]
    if not expr.args or expr.free_symbols.isdisjoint(values):
        return expr
    if expr not in known:
        if isinstance(expr, sp.Piecewise):
            known[expr] = choose([tuple(_put(part, values, known) for part in pair) for pair in expr.args])
        else:
            known[expr] = _rebuild(expr, [_put(arg, values, known) for arg in expr.args])
    return known[expr]


def _rebuild(expr: Any, args: list[Any]) -> Any:
    """One node with new arguments; NaN where plain numbers give no finite real value."""
    if isinstance(expr, sp.BooleanFunction):
        return expr.func(*args)
    if any(arg is sp.nan for arg in args):
        return sp.false if isinstance(expr, sp.Relational) else sp.nan
    plain = all(arg.is_Number for arg in args)
    if isinstance(expr, sp.Relational):
        return expr.func(*args) if plain else expr.func(*args, evaluate=False)
    name = type(expr).__name__
    if not plain or name not in VALUES:
        return expr.func(*args)
    try:
        value = VALUES[name](*map(float, args))
    except (ArithmeticError, ValueError):
        value = math.nan
    return sp.Float(value) if math.isfinite(value) else sp.nan


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
