"""The numbers of formulas: whole numbers and fractions are exact, all others doubles; and what is no finite number."""

from __future__ import annotations

import math
from typing import Any

from odefit.algebra.logic_values import truth
from odefit.algebra.nodes import Expr, Node, Symbol

_MOST_BITS = 1024
"""Binary digits up to which powers of exact numbers stay exact."""


class Number(Expr):
    """What has a value: `float(number)`."""

    __slots__ = ("value",)
    value: Any
    is_Number = is_Atom = True
    is_number = True
    free_symbols = frozenset()

    def settle(self) -> None:
        self.value, self.args = self.args[0], ()

    def rank(self) -> Any:
        """What decides which of two numbers comes first."""
        return float(self)

    @property
    def is_negative(self) -> bool:
        """Whether it is below 0."""
        return bool(self.value < 0)

    @property
    def is_positive(self) -> bool:
        """Whether it is above 0."""
        return bool(self.value > 0)

    @property
    def is_zero(self) -> bool:
        """Whether it is 0."""
        return bool(self.value == 0)

    @property
    def is_finite(self) -> bool:
        """Whether it is a number in the strict sense."""
        return math.isfinite(self.value)

    def as_coeff_Mul(self, rational: bool = False) -> tuple[Any, Any]:
        return (ONE, self) if rational and not self.is_Rational else (self, ONE)

    def as_base_exp(self) -> tuple[Any, Any]:
        return self, ONE

    def evalf(self, _digits: int = 17) -> Any:
        """The number as a double."""
        return Float(float(self))

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __bool__(self) -> bool:
        return bool(self.value != 0)

    def __abs__(self) -> Any:
        return negated(self) if self.value < 0 else self

    def __lt__(self, other: Any) -> Any:
        return self.value < _value(other)

    def __le__(self, other: Any) -> Any:
        return self.value <= _value(other)

    def __gt__(self, other: Any) -> Any:
        return self.value > _value(other)

    def __ge__(self, other: Any) -> Any:
        return self.value >= _value(other)

    def __eq__(self, other: object) -> bool:
        if self is other or isinstance(other, Node):
            return self is other
        if isinstance(other, (int, float)) and not isinstance(other, bool):
            # An exact number and a double are different formulas, but for 0.
            return bool(self.value == other) and (isinstance(other, int) or not self.is_Rational or other == 0)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.value)


class Rational(Number):
    """p / q, exact, in lowest terms; whole ones are `Integer`."""

    __slots__ = ("p", "q")
    p: int
    q: int
    is_Rational = True
    is_integer = False

    def __new__(cls, p: Any, q: int = 1) -> Any:
        """Make it from two whole numbers."""
        p, q = int(p), int(q)
        if q == 0:
            return NAN
        common = math.gcd(p, q) * (1 if q > 0 else -1)
        p, q = p // common, q // common
        return Integer(p) if q == 1 else Rational.raw(p, q)

    def settle(self) -> None:
        (self.p, self.q), self.args = self.args, ()
        self.value = _Fraction(self.p, self.q)


class _Fraction:
    """As much of a fraction as comparing and rounding take."""

    __slots__ = ("p", "q")

    def __init__(self, p: int, q: int) -> None:
        self.p, self.q = p, q

    def __float__(self) -> float:
        return self.p / self.q

    def __int__(self) -> int:
        return int(self.p / self.q)

    def __lt__(self, other: Any) -> bool:
        return float(self) < float(other)

    def __le__(self, other: Any) -> bool:
        return float(self) <= float(other)

    def __gt__(self, other: Any) -> bool:
        return float(self) > float(other)

    def __ge__(self, other: Any) -> bool:
        return float(self) >= float(other)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Fraction) and (self.p, self.q) == (other.p, other.q)

    def __hash__(self) -> int:
        return hash((self.p, self.q))


class Integer(Rational):
    """A whole number."""

    __slots__ = ()
    is_Integer = is_integer = True

    def __new__(cls, p: Any) -> Any:
        """Make it."""
        return Integer.raw(int(p))

    def settle(self) -> None:
        (self.p,), self.args = self.args, ()
        self.q, self.value = 1, self.p

    def __index__(self) -> int:
        return self.p

    def __mod__(self, other: Any) -> Any:
        return Integer(self.p % int(other))


class Float(Number):
    """A double; `digits` is taken for the sake of callers that know of longer ones."""

    __slots__ = ()
    is_Float = True

    def __new__(cls, value: Any, digits: int = 17) -> Any:
        """Make it."""
        del digits
        value = float(value)
        return Float.raw(value + 0.0) if math.isfinite(value) else special(value)


class Special(Number):
    """NaN and the two infinities."""

    __slots__ = ()

    def __new__(cls, value: Any) -> Any:
        """Make it."""
        return special(float(value))

    def __reduce__(self) -> Any:
        return special, (self.value,)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return object.__hash__(self)


def special(value: float) -> Any:
    """The node of a number that is not finite."""
    return NAN if value != value else INFINITY if value > 0 else NEGATIVE_INFINITY


ZERO: Any = Integer(0)
ONE: Any = Integer(1)
NEGATIVE_ONE: Any = Integer(-1)
HALF: Any = Rational(1, 2)
NAN: Any = Special.raw(math.nan)
INFINITY: Any = Special.raw(math.inf)
NEGATIVE_INFINITY: Any = Special.raw(-math.inf)


def plus(a: Any, b: Any) -> Any:
    """The sum of two numbers."""
    if a.is_Integer and b.is_Integer:
        return Integer.raw(a.p + b.p)
    if a.is_Rational and b.is_Rational:
        return Rational(a.p * b.q + b.p * a.q, a.q * b.q)
    return Float(float(a) + float(b))


def times(a: Any, b: Any) -> Any:
    """Their product; 0 times anything finite is 0."""
    if a.is_Integer and b.is_Integer:
        return Integer.raw(a.p * b.p)
    if a.is_Rational and b.is_Rational:
        return Rational(a.p * b.p, a.q * b.q)
    return Float(float(a) * float(b))


def negated(a: Any) -> Any:
    """The number with the other sign."""
    return Rational(-a.p, a.q) if a.is_Rational else Float(-float(a))


def power(a: Any, b: Any) -> Any:
    """One number to the power of another; NaN where that is not real."""
    if a.is_Rational and b.is_Integer:
        if a.p == 0 and b.p < 0:
            return NAN
        if abs(b.p) * max(a.p.bit_length(), a.q.bit_length()) <= _MOST_BITS:
            p, q = (a.p, a.q) if b.p >= 0 else (a.q, a.p)
            return Rational(p ** abs(b.p), q ** abs(b.p))
    try:
        return Float(math.pow(float(a), float(b)))
    except OverflowError:
        return NAN if float(a) < 0 else INFINITY
    except ValueError:
        return NAN


def sympify(value: Any) -> Any:
    """A node of what may be one, a plain number, a truth value, or a formula of SymPy."""
    if isinstance(value, Node):
        return value
    if isinstance(value, bool):
        return truth(value)
    if isinstance(value, int):
        return Integer(value)
    if isinstance(value, float):
        return Float(value)
    if hasattr(value, "func") and hasattr(value, "args"):
        return _from_sympy(value)
    if hasattr(value, "__index__"):
        return Integer(value.__index__())
    if hasattr(value, "__float__"):
        return Float(float(value))
    raise TypeError(f"{type(value).__name__} is no part of a formula")


def _value(other: Any) -> Any:
    node = sympify(other)
    return node.value if node.is_Number else NotImplemented


def _from_sympy(formula: Any) -> Any:
    """A formula of SymPy as our own; it needs no SymPy, only what such a formula says of itself."""
    name = type(formula).__name__
    if name == "Str":
        return Node.kinds["Str"](formula.name)
    if getattr(formula, "is_Symbol", False):
        return Symbol(formula.name)
    if name in ("BooleanTrue", "BooleanFalse"):
        return truth(name == "BooleanTrue")
    if getattr(formula, "is_Rational", False):
        return Rational(int(formula.p), int(formula.q))
    if not formula.args:
        try:
            return Float(float(formula))
        except TypeError:
            return NAN  # what is not real
    kind: Any = Node.kinds.get(name) or Node.kinds["Unknown"].named(name)
    args = [_from_sympy(arg) for arg in formula.args]
    return kind(*args, evaluate=False) if name == "Piecewise" else kind(*args)
