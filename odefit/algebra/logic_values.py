"""True and false, as parts of formulas."""

from __future__ import annotations

from typing import Any

from odefit.algebra.nodes import Node


class Boolean(Node):
    """A condition: what is true or false."""

    __slots__ = ()
    is_Boolean = True


class BooleanAtom(Boolean):
    """True or false itself."""

    __slots__ = ("value",)
    value: bool
    is_Atom = True

    def settle(self) -> None:
        self.value, self.args = self.args[0], ()

    def rank(self) -> Any:
        """What decides which of the two comes first."""
        return self.value

    def __bool__(self) -> bool:
        return self.value

    def __eq__(self, other: object) -> bool:
        return self.value is other if isinstance(other, bool) else self is other

    def __hash__(self) -> int:
        return hash(self.value)


TRUE: Any = BooleanAtom.raw(True)
FALSE: Any = BooleanAtom.raw(False)


def truth(value: bool) -> Any:
    """The node of a truth value."""
    return TRUE if value else FALSE
