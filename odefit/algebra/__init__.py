"""A small algebra for formulas: numbers, symbols, sums, products, powers, functions, conditions and cases.

Names and behaviour are those of SymPy where they serve here, so that both can be used side by side; the whole is
there in milliseconds, works in time linear in what is shared, and takes every quantity as real.
"""

from __future__ import annotations

from typing import Any

from odefit.algebra.arithmetic import Abs, Add, Function, Mul, Pow, exp, log, sqrt
from odefit.algebra.expansion import expand, expand_mul
from odefit.algebra.functions import (
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
    logistic,
    sigmoid,
    sign,
    sin,
    sinh,
    tan,
    tanh,
)
from odefit.algebra.logic import (
    And,
    BooleanFunction,
    Equality,
    ExprCondPair,
    GreaterThan,
    LessThan,
    Not,
    Or,
    Piecewise,
    Relational,
    StrictGreaterThan,
    StrictLessThan,
    Unequality,
)
from odefit.algebra.logic_values import FALSE, TRUE, Boolean, BooleanAtom
from odefit.algebra.nodes import Expr, Node, Str, Symbol, preorder_traversal
from odefit.algebra.numbers import (
    HALF,
    INFINITY,
    NAN,
    NEGATIVE_ONE,
    ONE,
    ZERO,
    Float,
    Integer,
    Number,
    Rational,
    sympify,
)
from odefit.algebra.text import text
from odefit.algebra.to_sympy import to_sympy

Basic = Node
Eq, Ne = Equality, Unequality
true, false = TRUE, FALSE
nan: Any = NAN
oo: Any = INFINITY


class S:
    """The commonest numbers."""

    Zero: Any = ZERO
    One: Any = ONE
    Half: Any = HALF
    NegativeOne: Any = NEGATIVE_ONE
    NaN: Any = NAN


__all__ = [
    "Abs",
    "Add",
    "And",
    "Basic",
    "Boolean",
    "BooleanAtom",
    "BooleanFunction",
    "Eq",
    "Equality",
    "Expr",
    "ExprCondPair",
    "Float",
    "Function",
    "GreaterThan",
    "Heaviside",
    "Integer",
    "LessThan",
    "Max",
    "Min",
    "Mul",
    "Ne",
    "Node",
    "Not",
    "Number",
    "Or",
    "Piecewise",
    "Pow",
    "Rational",
    "Relational",
    "S",
    "Str",
    "StrictGreaterThan",
    "StrictLessThan",
    "Symbol",
    "Unequality",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cos",
    "cosh",
    "exp",
    "expand",
    "expand_mul",
    "false",
    "log",
    "logistic",
    "nan",
    "oo",
    "preorder_traversal",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "sympify",
    "tan",
    "tanh",
    "text",
    "to_sympy",
    "true",
]
