"""The functions of real numbers that formulas may hold, besides those of `arithmetic`.

Each stays as it is written, but that numbers are folded. The derivative of a jump is zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

from odefit.algebra.arithmetic import Function, sqrt
from odefit.algebra.nodes import Expr, Node
from odefit.algebra.numbers import ONE, ZERO, Integer, sympify


class sin(Function):
    """The sine."""

    __slots__ = ()
    double = staticmethod(math.sin)

    def fdiff(self, _index: int = 1) -> Any:
        return cos(self.args[0])


class cos(Function):
    """The cosine."""

    __slots__ = ()
    double = staticmethod(math.cos)

    def fdiff(self, _index: int = 1) -> Any:
        return -sin(self.args[0])


class tan(Function):
    """The tangent."""

    __slots__ = ()
    double = staticmethod(math.tan)

    def fdiff(self, _index: int = 1) -> Any:
        return 1 + self**2


class asin(Function):
    """The inverse sine, of a number in [-1, 1]."""

    __slots__ = ()
    double = staticmethod(math.asin)

    def fdiff(self, _index: int = 1) -> Any:
        return 1 / sqrt(1 - self.args[0] ** 2)


class acos(Function):
    """The inverse cosine, of a number in [-1, 1]."""

    __slots__ = ()
    double = staticmethod(math.acos)

    def fdiff(self, _index: int = 1) -> Any:
        return -1 / sqrt(1 - self.args[0] ** 2)


class atan(Function):
    """The inverse tangent."""

    __slots__ = ()
    double = staticmethod(math.atan)

    def fdiff(self, _index: int = 1) -> Any:
        return 1 / (1 + self.args[0] ** 2)


class sinh(Function):
    """The hyperbolic sine."""

    __slots__ = ()
    double = staticmethod(math.sinh)

    def fdiff(self, _index: int = 1) -> Any:
        return cosh(self.args[0])


class cosh(Function):
    """The hyperbolic cosine."""

    __slots__ = ()
    double = staticmethod(math.cosh)

    def fdiff(self, _index: int = 1) -> Any:
        return sinh(self.args[0])


class tanh(Function):
    """The hyperbolic tangent."""

    __slots__ = ()
    double = staticmethod(math.tanh)

    def fdiff(self, _index: int = 1) -> Any:
        return 1 - self**2


class asinh(Function):
    """The inverse hyperbolic sine."""

    __slots__ = ()
    double = staticmethod(math.asinh)

    def fdiff(self, _index: int = 1) -> Any:
        return 1 / sqrt(self.args[0] ** 2 + 1)


class acosh(Function):
    """The inverse hyperbolic cosine, of a number from 1 on."""

    __slots__ = ()
    double = staticmethod(math.acosh)

    def fdiff(self, _index: int = 1) -> Any:
        # Not sqrt(x**2 - 1), which has a value for x < -1, where there is no function.
        return 1 / (sqrt(self.args[0] - 1) * sqrt(self.args[0] + 1))


class atanh(Function):
    """The inverse hyperbolic tangent, of a number between -1 and 1."""

    __slots__ = ()
    double = staticmethod(math.atanh)

    def fdiff(self, _index: int = 1) -> Any:
        return 1 / (1 - self.args[0] ** 2)


def logistic(x: float) -> float:
    """1 / (1 + exp(-x)) without overflow."""
    e = math.exp(-abs(x))
    return (1.0 if x >= 0 else e) / (1.0 + e)


class sigmoid(Function):
    """1 / (1 + exp(-x)), kept whole so that neither it nor its derivative overflows."""

    __slots__ = ()
    double = staticmethod(logistic)

    def fdiff(self, _index: int = 1) -> Any:
        return self * (1 - self)


class sign(Function):
    """-1, 0 or 1."""

    __slots__ = ()

    @classmethod
    def eval(cls, *args: Any) -> Any:
        (arg,) = args
        return Integer((arg.value > 0) - (arg.value < 0)) if _is_number(arg) else None

    def fdiff(self, _index: int = 1) -> Any:
        return ZERO


class Heaviside(Function):
    """0 for x < 0 and 1 for x >= 0; its second argument is the value at the jump, 1."""

    __slots__ = ()

    def __new__(cls, arg: Any, at_zero: Any = ONE, **options: Any) -> Any:
        """Make it, or what it simplifies to."""
        return Function.__new__(cls, arg, at_zero, **options)

    @classmethod
    def eval(cls, *args: Any) -> Any:
        return Integer(int(args[0].value >= 0)) if _is_number(args[0]) else None

    def fdiff(self, _index: int = 1) -> Any:
        return ZERO


class _Extreme(Function):
    """What max and min share: arguments in the given order, compared only when all are numbers."""

    __slots__ = ()
    best: ClassVar[Callable[..., Any]]

    def __new__(cls, *args: Any, **_options: Any) -> Any:
        """Make it, or what it simplifies to."""
        nodes = tuple(sympify(arg) for arg in args)
        if len(nodes) == 1:
            return nodes[0]
        return cls.best(nodes, key=float) if all(map(_is_number, nodes)) else cls.raw(*nodes)

    def fdiff(self, index: int = 1) -> Any:
        """1 where this argument is the extreme one (at a tie: the first), else 0."""
        mine = self.args[index - 1]
        others = [arg for i, arg in enumerate(self.args) if i != index - 1]
        rest = type(self)(*others)
        wins = mine - rest if isinstance(self, Max) else rest - mine
        return Heaviside(wins) if index == 1 else 1 - Heaviside(-wins)


class Max(_Extreme):
    """The largest argument."""

    __slots__ = ()
    best = staticmethod(max)


class Min(_Extreme):
    """The smallest argument."""

    __slots__ = ()
    best = staticmethod(min)


class Unknown(Function):
    """A function of which only the name is known."""

    __slots__ = ()

    @staticmethod
    def named(name: str) -> Any:
        """The class of the functions of this name."""
        known = Node.kinds.get(name)
        return known if known is not None and issubclass(known, Expr) else type(name, (Unknown,), {"__slots__": ()})


def _is_number(arg: Any) -> bool:
    return bool(arg.is_Number and arg.value == arg.value)
