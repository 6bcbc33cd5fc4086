"""Conditions: comparisons of formulas, and, or, not, and formulas by cases.

Two numbers are compared at once; any other comparison stays as it is written, whatever is asked of it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from odefit.algebra.logic_values import FALSE, TRUE, Boolean, truth
from odefit.algebra.nodes import Expr, Node
from odefit.algebra.numbers import NAN, sympify


class Relational(Boolean):
    """A comparison of `lhs` with `rhs`."""

    __slots__ = ()
    is_Relational = True
    holds: ClassVar[Callable[[Any, Any], bool]]
    opposite: ClassVar[str]

    def __new__(cls, lhs: Any, rhs: Any, evaluate: bool = True) -> Any:
        """Make it, or what it is decided to be."""
        lhs, rhs = sympify(lhs), sympify(rhs)
        if evaluate and lhs.is_Number and rhs.is_Number and NAN not in (lhs, rhs):
            return truth(bool(cls.holds(float(lhs), float(rhs))))
        return cls.raw(lhs, rhs)

    @property
    def lhs(self) -> Any:
        """The left side."""
        return self.args[0]

    @property
    def rhs(self) -> Any:
        """The right side."""
        return self.args[1]

    @property
    def negated(self) -> Any:
        """The comparison that holds where this one does not (numbers given)."""
        kind: Any = Node.kinds[self.opposite]
        return kind(*self.args)

    def __bool__(self) -> bool:
        raise TypeError(f"whether {self} holds is not known")


class StrictLessThan(Relational):
    """lhs < rhs."""

    __slots__ = ()
    holds, opposite = operator.lt, "GreaterThan"


class LessThan(Relational):
    """lhs <= rhs."""

    __slots__ = ()
    holds, opposite = operator.le, "StrictGreaterThan"


class StrictGreaterThan(Relational):
    """lhs > rhs."""

    __slots__ = ()
    holds, opposite = operator.gt, "LessThan"


class GreaterThan(Relational):
    """lhs >= rhs."""

    __slots__ = ()
    holds, opposite = operator.ge, "StrictLessThan"


class Equality(Relational):
    """lhs == rhs."""

    __slots__ = ()
    holds, opposite = operator.eq, "Unequality"


class Unequality(Relational):
    """lhs != rhs."""

    __slots__ = ()
    holds, opposite = operator.ne, "Equality"


class BooleanFunction(Boolean):
    """and, or, not."""

    __slots__ = ()


class _Joined(BooleanFunction):
    """What and & or share: nested ones become one, each condition stands once, and what decides it decides it."""

    __slots__ = ()
    neutral: ClassVar[Any]
    deciding: ClassVar[Any]

    def __new__(cls, *args: Any, evaluate: bool = True) -> Any:
        """Make it, or what it simplifies to."""
        del evaluate
        found: dict[Any, None] = {}
        for arg in map(sympify, args):
            for part in arg.args if isinstance(arg, cls) else (arg,):
                if part is cls.deciding:
                    return cls.deciding
                if part is not cls.neutral:
                    found[part] = None
        if any(Not(part) in found for part in found):
            return cls.deciding
        parts = tuple(found)
        return cls.raw(*parts) if len(parts) > 1 else parts[0] if parts else cls.neutral


class And(_Joined):
    """All of several conditions."""

    __slots__ = ()
    neutral, deciding = TRUE, FALSE


class Or(_Joined):
    """Any of several conditions."""

    __slots__ = ()
    neutral, deciding = FALSE, TRUE


class Not(BooleanFunction):
    """The contrary."""

    __slots__ = ()

    def __new__(cls, condition: Any) -> Any:
        """Make it, or what it simplifies to."""
        condition = sympify(condition)
        if condition in (TRUE, FALSE):
            return truth(condition is FALSE)
        if isinstance(condition, Relational):
            return condition.negated
        return condition.args[0] if isinstance(condition, Not) else cls.raw(condition)


class ExprCondPair(Node):
    """A value and the condition under which it is taken."""

    __slots__ = ()

    def __new__(cls, expr: Any, cond: Any) -> Any:
        """Make it."""
        return cls.raw(sympify(expr), sympify(cond))

    @property
    def expr(self) -> Any:
        """The value."""
        return self.args[0]

    @property
    def cond(self) -> Any:
        """The condition."""
        return self.args[1]

    @property
    def is_number(self) -> bool:
        """Whether value and condition hold no symbol."""
        return not self.free_symbols

    def __iter__(self) -> Iterator[Any]:
        return iter(self.args)

    def __getitem__(self, index: int) -> Any:
        return self.args[index]


class Piecewise(Expr):
    """The value of the first pair whose condition holds; NaN where none does."""

    __slots__ = ()
    is_Piecewise = True

    def __new__(cls, *pairs: Any, evaluate: bool = True) -> Any:
        """Make it, of (value, condition); without `evaluate` as it is written, else without what is decided."""
        made = [pair if isinstance(pair, ExprCondPair) else ExprCondPair(*pair) for pair in pairs]
        if not evaluate:
            return cls.raw(*made)
        kept: list[Any] = []
        for pair in made:
            if pair.cond is not FALSE:
                kept.append(pair)
            if pair.cond is TRUE:
                break
        if not kept:
            return NAN
        return kept[0].expr if kept[0].cond is TRUE else cls.raw(*kept)


_OPERATORS: Mapping[str, type[Relational]] = {
    "__lt__": StrictLessThan,
    "__le__": LessThan,
    "__gt__": StrictGreaterThan,
    "__ge__": GreaterThan,
}


def _comparing(kind: Any) -> Callable[[Any, Any], Any]:
    return lambda a, b: kind(a, b)


# As for sums: formulas know nothing of comparisons.
for _name, _kind in _OPERATORS.items():
    setattr(Expr, _name, _comparing(_kind))
