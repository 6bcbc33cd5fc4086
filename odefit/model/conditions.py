"""Conditions as the signs of gaps: `x < 1 and t > 5` holds where 1 - x > 0 and t - 5 > 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from odefit import algebra as sp
from odefit.records import dataclass

_ABOVE = {sp.StrictGreaterThan: True, sp.GreaterThan: False}
_BELOW = {sp.StrictLessThan: True, sp.LessThan: False}


@dataclass(frozen=True)
class Gap:
    """A comparison: it holds where `formula` is above 0, or `strict` is False and it is 0."""

    formula: Any
    strict: bool

    def holds(self, value: float) -> bool:
        """Whether it does where its formula has a value."""
        return value > 0 or (value == 0 and not self.strict)


@dataclass(frozen=True)
class Condition:
    """Comparisons, joined by and, or, not.

    Attributes
    ----------
    gaps
        The comparisons, each once.
    tree
        A truth; ("gap", number of one of them); or "and", "or", "not" with its parts.
    """

    gaps: tuple[Gap, ...]
    tree: Any

    def holds(self, each: Sequence[bool]) -> bool:
        """Whether it does, by whether each of its comparisons does."""
        return _holds(self.tree, each)


def condition_of(formula: Any) -> Condition:
    """The condition of a formula that is 1 where it holds and 0 where it does not.

    Raises
    ------
    ValueError
        It is no condition, or one by `==` or `!=`, which hold at single moments.
    """
    gaps: dict[Gap, int] = {}
    tree = _tree(_boolean(sp.sympify(formula)), gaps)
    return Condition(tuple(gaps), tree)


def _boolean(formula: Any) -> Any:
    if formula.is_number and formula in (0, 1):
        return sp.true if formula == 1 else sp.false
    if formula.is_Piecewise and len(formula.args) == 2:
        (first, condition), (second, otherwise) = formula.args
        if otherwise == sp.true and {first, second} == {sp.S.Zero, sp.S.One}:
            return condition if first == 1 else sp.Not(condition)
    raise ValueError("must be a condition, such as x < 1")


def _tree(condition: Any, gaps: dict[Gap, int]) -> Any:
    if condition in (sp.true, sp.false):
        return condition == sp.true
    for joint, word in ((sp.And, "and"), (sp.Or, "or"), (sp.Not, "not")):
        if isinstance(condition, joint):
            return (word, *(_tree(part, gaps) for part in condition.args))
    for kind, strict in _ABOVE.items():
        if isinstance(condition, kind):
            return ("gap", gaps.setdefault(Gap(condition.lhs - condition.rhs, strict), len(gaps)))
    for kind, strict in _BELOW.items():
        if isinstance(condition, kind):
            return ("gap", gaps.setdefault(Gap(condition.rhs - condition.lhs, strict), len(gaps)))
    raise ValueError("compares by == or !=, which hold at single moments; write <, <=, > or >=")


def _holds(tree: Any, each: Sequence[bool]) -> bool:
    if isinstance(tree, bool):
        return tree
    word, *parts = tree
    if word == "and":
        return all(_holds(part, each) for part in parts)
    if word == "or":
        return any(_holds(part, each) for part in parts)
    if word == "not":
        return not _holds(parts[0], each)
    return bool(each[parts[0]])
