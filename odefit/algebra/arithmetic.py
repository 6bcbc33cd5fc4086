"""Sums, products, powers, exp, log and |x|, simplified as far as is certain at a glance.

Numbers are folded, like terms and equal bases are collected (x + x is 2*x, x*x**2 is x**3, x/x is 1, x**n*x**n is
x**(2*n)), a number times a sum becomes a sum, products and powers are taken to whole powers factor by factor. Nothing
is expanded, factored or assumed beyond that every quantity is real. The work is linear in the parts of the node, but
for their sorting.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from odefit.algebra.nodes import Expr, Node, Symbol, ordered
from odefit.algebra.numbers import (
    HALF,
    INFINITY,
    NAN,
    NEGATIVE_INFINITY,
    NEGATIVE_ONE,
    ONE,
    ZERO,
    Float,
    plus,
    power,
    sympify,
    times,
)

MAX_ROUNDS = 5
"""The most times that a product is gone through again because a power in it came apart."""


class Add(Expr):
    """A sum, its number first; `evaluate=False` leaves it as it is written."""

    __slots__ = ()
    is_Add = True

    def __new__(cls, *args: Any, evaluate: bool = True) -> Any:
        """Make it, or what it simplifies to."""
        terms = [sympify(arg) for arg in args]
        return _sum(terms) if evaluate else _as_written(cls, terms, ZERO)

    @staticmethod
    def make_args(node: Any) -> tuple[Any, ...]:
        """The terms of a sum; anything else is a sum of one term."""
        return node.args if isinstance(node, Add) else (node,)


class Mul(Expr):
    """A product, its number first; `evaluate=False` leaves it as it is written."""

    __slots__ = ()
    is_Mul = True

    def __new__(cls, *args: Any, evaluate: bool = True) -> Any:
        """Make it, or what it simplifies to."""
        factors = [sympify(arg) for arg in args]
        return _product(factors) if evaluate else _as_written(cls, factors, ONE)

    @staticmethod
    def make_args(node: Any) -> tuple[Any, ...]:
        """The factors of a product; anything else is a product of one factor."""
        return node.args if isinstance(node, Mul) else (node,)

    def as_coeff_Mul(self, rational: bool = False) -> tuple[Any, Any]:
        first = self.args[0]
        if not first.is_Number or (rational and not first.is_Rational):
            return ONE, self
        return first, self.args[1] if len(self.args) == 2 else Mul.raw(*self.args[1:])


class Pow(Expr):
    """base**exp."""

    __slots__ = ()
    is_Pow = True

    def __new__(cls, base: Any, exponent: Any, evaluate: bool = True) -> Any:
        """Make it, or what it simplifies to."""
        base, exponent = sympify(base), sympify(exponent)
        return _power(base, exponent) if evaluate else Pow.raw(base, exponent)

    @property
    def base(self) -> Any:
        """What is raised."""
        return self.args[0]

    @property
    def exp(self) -> Any:
        """The exponent."""
        return self.args[1]

    def as_base_exp(self) -> tuple[Any, Any]:
        return self.args[0], self.args[1]


class Function(Expr):
    """A function of the language.

    A subclass says in `eval` to what it simplifies at once (None: it stays as it is written), and in `fdiff(i)` its
    derivative with respect to its i-th argument, as a formula. `double` is its value for a double.
    """

    __slots__ = ()
    is_Function = True
    double: Any = None

    def __new__(cls, *args: Any, evaluate: bool = True) -> Any:
        """Make it, or what it simplifies to."""
        nodes = [sympify(arg) for arg in args]
        found = cls.eval(*nodes) if evaluate else None
        return cls.raw(*nodes) if found is None else found

    @classmethod
    def eval(cls, *args: Any) -> Any:
        """What it simplifies to at once, or None: the value of a number."""
        if cls.double is None or not all(arg.is_Number for arg in args):
            return None
        try:
            return Float(cls.double(*map(float, args)))
        except (ArithmeticError, ValueError):
            return NAN

    def fdiff(self, _index: int = 1) -> Any:
        """The derivative with respect to one of its arguments, which count from 1."""
        raise NotImplementedError(f"{type(self).__name__} has no derivative")


class exp(Function):
    """e to the power x.

    exp(7770.0 - 1000*t) stays whole, in products as well: exp(7770.0) alone is no double.
    """

    __slots__ = ()
    double = staticmethod(math.exp)

    @classmethod
    def eval(cls, *args: Any) -> Any:
        (arg,) = args
        if arg.is_Number:
            return ONE if arg is ZERO else ZERO if arg is NEGATIVE_INFINITY else super().eval(arg)
        if isinstance(arg, log):
            return arg.args[0]
        if arg.is_Mul:
            coefficient, rest = arg.as_coeff_Mul()
            return Pow(rest.args[0], coefficient) if isinstance(rest, log) else None
        if arg.is_Add and not _stays_whole(arg):
            logs = [term for term in arg.args if isinstance(cls.eval(term), Expr) and not term.is_Number]
            if logs:
                rest = Add(*(term for term in arg.args if term not in logs))
                return Mul(*(cls.eval(term) for term in logs), exp(rest))
        return None

    def fdiff(self, _index: int = 1) -> Any:
        return self

    def as_base_exp(self) -> tuple[Any, Any]:
        return (self, ONE) if _stays_whole(self.args[0]) else (E, self.args[0])


class log(Function):
    """The natural logarithm."""

    __slots__ = ()
    double = staticmethod(math.log)

    @classmethod
    def eval(cls, *args: Any) -> Any:
        (arg,) = args
        if arg is ONE:
            return ZERO
        if arg is INFINITY:
            return INFINITY
        return arg.args[0] if isinstance(arg, exp) else super().eval(arg)

    def fdiff(self, _index: int = 1) -> Any:
        return Pow(self.args[0], NEGATIVE_ONE)


class Abs(Function):
    """|x|; what its derivative is, `operators` knows."""

    __slots__ = ()

    @classmethod
    def eval(cls, *args: Any) -> Any:
        (arg,) = args
        return abs(arg) if arg.is_Number else None


E: Any = Symbol("e, of which exp is a power")
"""The base under which exponentials meet in products; it stands in no formula."""


def sqrt(x: Any) -> Any:
    """The square root."""
    return Pow(x, HALF)


def _stays_whole(arg: Any) -> bool:
    return bool(arg.is_Add and arg.args[0].is_Float and not arg.has(log))


def _as_written(kind: Any, parts: Sequence[Any], nothing: Any) -> Any:
    return kind.raw(*parts) if len(parts) > 1 else parts[0] if parts else nothing


def _scaled(coefficient: Any, rest: Any) -> Any:
    """coefficient * rest, of which the first is a number and the second has none in front."""
    if coefficient is ONE:
        return rest
    if rest is ONE:
        return coefficient
    return Mul.raw(coefficient, *rest.args) if rest.is_Mul else Mul.raw(coefficient, rest)


def _sum(waiting: list[Any]) -> Any:
    number: Any = ZERO
    terms: dict[Any, Any] = {}
    waiting.reverse()
    while waiting:
        term = waiting.pop()
        if term.is_Number:
            number = plus(number, term)
        elif term.is_Add:
            waiting.extend(reversed(term.args))
        else:
            coefficient, rest = term.as_coeff_Mul()
            before = terms.get(rest)
            terms[rest] = coefficient if before is None else plus(before, coefficient)
    if number is NAN:
        return NAN
    found = ordered(_scaled(c, rest) for rest, c in terms.items() if c.value != 0)
    if any(term.is_Add for term in found):
        return _sum([number, *found])
    if number.value != 0:
        found.insert(0, number)
    return _as_written(Add, found, ZERO)


def _product(waiting: list[Any], rounds: int = MAX_ROUNDS) -> Any:
    number: Any = ONE
    # Of each base and each exponent but for its number: the numbers, and the factor as it was.
    powers: dict[tuple[Any, Any], list[tuple[Any, Any]]] = {}
    waiting.reverse()
    while waiting:
        factor = waiting.pop()
        if factor.is_Number:
            number = times(number, factor)
        elif factor.is_Mul:
            waiting.extend(reversed(factor.args))
        else:
            base, exponent = factor.as_base_exp()
            coefficient, rest = exponent.as_coeff_Mul()
            powers.setdefault((base, rest), []).append((coefficient, factor))
    if number is NAN:
        return NAN
    found, again = [], False
    for (base, rest), parts in powers.items():
        if len(parts) == 1:
            found.append(parts[0][1])
            continue
        exponent = Mul(Add(*(coefficient for coefficient, _ in parts)), rest)
        factor = exp(exponent) if base is E else Pow(base, exponent)
        again = again or factor.is_Number or factor.is_Mul or factor.as_base_exp()[0] is not base
        found.append(factor)
    if again and rounds:
        return _product([number, *found], rounds - 1)
    if number.value == 0:
        return NAN if any(factor is NAN for factor in found) else ZERO
    if len(found) == 1 and found[0].is_Add and number is not ONE and number.is_finite:
        return Add(*(_times_number(number, term) for term in found[0].args))
    found = ordered(found)
    if number is not ONE:
        found.insert(0, number)
    return _as_written(Mul, found, ONE)


def _times_number(number: Any, term: Any) -> Any:
    coefficient, rest = term.as_coeff_Mul()
    product = times(number, coefficient)
    return product if rest is ONE else _scaled(product, rest)


def _power(base: Any, exponent: Any) -> Any:
    if exponent is ZERO or base is ONE:
        return ONE
    if exponent is ONE or (exponent.is_Float and exponent.value == 1):
        return base
    if base.is_Number and exponent.is_Number:
        return power(base, exponent)
    if base is NAN or exponent is NAN:
        return NAN
    if isinstance(base, exp):
        return exp(Mul(base.args[0], exponent))
    if base.is_Pow:
        inner = base.args[1]
        if exponent.is_Integer:
            return Pow(base.args[0], Mul(inner, exponent))
        if inner.is_Number or exponent.is_Number:
            # Where the power of a power is real, it is this one (elsewhere this may be real, where that is not).
            even = not inner.is_Number or (inner.is_Integer and inner.p % 2 == 0)
            return Pow(Abs(base.args[0]) if even else base.args[0], Mul(inner, exponent))
    if base.is_Mul:
        if exponent.is_Integer:
            return Mul(*(Pow(factor, exponent) for factor in base.args))
        coefficient, rest = base.as_coeff_Mul()
        if coefficient is not ONE and exponent.is_Number:
            if coefficient.is_positive:
                return Mul(power(coefficient, exponent), Pow(rest, exponent))
            if all(map(_is_never_negative, Mul.make_args(rest))):
                return NAN
    if exponent.is_Integer and exponent.p % 2 == 0 and isinstance(base, Abs):
        return Pow(base.args[0], exponent)
    return Pow.raw(base, exponent)


def _is_never_negative(node: Any) -> bool:
    even = node.is_Pow and node.args[1].is_Integer and node.args[1].p % 2 == 0
    return bool(even or isinstance(node, (Abs, exp)))


def _operator(build: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """An operator of formulas; anything foreign has its own way with them."""

    def operate(a: Any, b: Any) -> Any:
        return build(a, b) if isinstance(b, (Node, int, float)) or hasattr(b, "__index__") else NotImplemented

    return operate


def _evalf(node: Any) -> Any:
    """What its parts come to when they are built once more, as a double where that is a number."""
    found = node.func(*(arg.evalf() if isinstance(arg, Expr) else arg for arg in node.args)) if node.args else node
    return Float(float(found)) if found.is_Number else found


def _install(methods: Mapping[str, Any]) -> None:
    for name, method in methods.items():
        setattr(Expr, name, method)


# Sums are made of formulas, and formulas know nothing of sums: so they are given their operators here.
_install(
    {
        "__add__": _operator(lambda a, b: Add(a, b)),
        "__radd__": _operator(lambda a, b: Add(b, a)),
        "__sub__": _operator(lambda a, b: Add(a, Mul(NEGATIVE_ONE, b))),
        "__rsub__": _operator(lambda a, b: Add(b, Mul(NEGATIVE_ONE, a))),
        "__mul__": _operator(lambda a, b: Mul(a, b)),
        "__rmul__": _operator(lambda a, b: Mul(b, a)),
        "__truediv__": _operator(lambda a, b: Mul(a, Pow(b, NEGATIVE_ONE))),
        "__rtruediv__": _operator(lambda a, b: Mul(b, Pow(a, NEGATIVE_ONE))),
        "__pow__": _operator(lambda a, b: Pow(a, b)),
        "__rpow__": _operator(lambda a, b: Pow(b, a)),
        "__neg__": lambda a: Mul(NEGATIVE_ONE, a),
        "__pos__": lambda a: a,
        "as_coeff_Mul": lambda a, **_: (ONE, a),
        "as_base_exp": lambda a: (a, ONE),
        "evalf": lambda a, *_: _evalf(a),
    }
)
