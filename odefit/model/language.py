"""The functions and constants of the formula language (formulas.py): one line each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from odefit import algebra as sp
from odefit.model import operators
from odefit.records import dataclass

DIGITS = 17
"""Enough decimal digits for every double to come back as itself."""


@dataclass(frozen=True)
class Function:
    """A function of the language.

    Parameters
    ----------
    build
        Makes the formula from those of its arguments.
    value
        Its value for plain numbers.
    arity
        The number of arguments; 0 stands for two or more.
    """

    build: Callable[..., Any]
    value: Callable[..., float]
    arity: int = 1


def _log_base(base: float) -> Callable[[Any], Any]:
    scale = sp.Float(1 / math.log(base), DIGITS)
    return lambda x: scale * sp.log(x)


FUNCTIONS: Mapping[str, Function] = {
    "sin": Function(operators.sin, math.sin),
    "cos": Function(operators.cos, math.cos),
    "tan": Function(operators.tan, math.tan),
    "asin": Function(operators.asin, math.asin),
    "acos": Function(operators.acos, math.acos),
    "atan": Function(operators.atan, math.atan),
    "sinh": Function(operators.sinh, math.sinh),
    "cosh": Function(operators.cosh, math.cosh),
    "tanh": Function(operators.tanh, math.tanh),
    "asinh": Function(operators.asinh, math.asinh),
    "acosh": Function(operators.acosh, math.acosh),
    "atanh": Function(operators.atanh, math.atanh),
    "exp": Function(operators.exp, math.exp),
    "log": Function(sp.log, math.log),
    "log10": Function(_log_base(10), math.log10),
    "log2": Function(_log_base(2), math.log2),
    "sqrt": Function(sp.sqrt, math.sqrt),
    "abs": Function(operators.Abs, abs),
    "sign": Function(operators.sign, lambda x: float((x > 0) - (x < 0))),
    "heaviside": Function(operators.Heaviside, lambda x: float(x >= 0)),
    "sigmoid": Function(operators.sigmoid, operators.logistic),
    "max": Function(operators.Max, max, arity=0),
    "min": Function(operators.Min, min, arity=0),
}
"""The functions by their names."""
ALIASES: Mapping[str, str] = {
    "ln": "log",
    **{f"arc{name}": f"a{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
}
"""Other names for some of them."""
CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e}
"""The constants; a parameter that is declared under such a name wins."""
