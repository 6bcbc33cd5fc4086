"""Formulas as nodes that are shared: of equal nodes there is one, so that equality is identity.

A formula is a graph, and whatever is worked out for a node is worked out once, however often it stands in the formula.
Operators (`x + 1`) and texts (`str(x)`) are added to these classes by `arithmetic` and `text`: a node knows its
parts, and nothing of what may be built of it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakValueDictionary

_LIVING: WeakValueDictionary[tuple[Any, ...], Any] = WeakValueDictionary()
_LOCK = threading.Lock()
_NONE: frozenset[Any] = frozenset()

_CLASSES = (
    *("Zero", "One", "Half", "Infinity", "NaN", "NegativeOne", "NegativeInfinity", "Integer", "Rational", "Float"),
    *("Symbol", "Pow", "Mul", "Add", "Abs", "Equality", "Unequality", "StrictGreaterThan", "StrictLessThan"),
    *("GreaterThan", "LessThan"),
)
"""The order in which kinds of parts stand in a sum or product; all others come after them, by their names."""
_RANKS = {name: rank for rank, name in enumerate(_CLASSES)}


if TYPE_CHECKING:

    class _Open(Any):  # type: ignore[misc]
        """Formulas are built of whatever their text holds: which attributes a part has is known when it is there."""
else:
    _Open = object


class Node(_Open):
    """A part of a formula.

    Attributes
    ----------
    args : tuple
        Its own parts; of a leaf, none.
    """

    __slots__ = ("__weakref__", "_free", "_key", "args")

    args: tuple[Any, ...]
    _key: tuple[Any, ...]
    _free: frozenset[Any] | None
    kinds: ClassVar[dict[str, type[Node]]] = {}
    """Every class of nodes by its name."""

    is_Number = is_Integer = is_Rational = is_Float = is_Symbol = is_Add = is_Mul = is_Pow = False
    is_Piecewise = is_Function = is_Relational = is_Boolean = is_Atom = False
    is_number: Any = False
    is_negative: Any = None
    is_positive: Any = None
    is_zero: Any = None
    is_integer: Any = None
    is_finite: Any = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        Node.kinds.setdefault(cls.__name__, cls)

    @classmethod
    def raw(cls, *args: Any) -> Any:
        """The node with these parts as they are, without any simplification."""
        key = (cls, *args)
        found = _LIVING.get(key)
        if found is None:
            with _LOCK:
                found = _LIVING.get(key)
                if found is None:
                    found = object.__new__(cls)
                    found._key, found.args = key, args
                    found._free = None
                    found.settle()
                    _LIVING[key] = found
        return found

    def settle(self) -> None:
        """What a kind of leaf keeps besides its parts."""

    @property
    def func(self) -> Callable[..., Any]:
        """What builds such a node from its parts."""
        return type(self)

    @property
    def free_symbols(self) -> frozenset[Any]:
        """The symbols in it."""
        free: frozenset[Any] | None = self._free
        if free is None:
            free = _NONE
            for arg in self.args:
                more = arg.free_symbols
                # Mostly one part has all symbols that there are: its set serves for the whole.
                free = more if free <= more else free if more <= free else free | more
            self._free = free
        return free

    def __eq__(self, other: object) -> bool:
        return self is other if isinstance(other, Node) else NotImplemented

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __reduce__(self) -> Any:
        return _revived, self._key

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, _memo: Any) -> Any:
        return self

    # -- looking through it

    def has(self, *patterns: Any) -> bool:
        """Whether any of these nodes, or a node of these classes, is in it."""
        kinds = tuple(pattern for pattern in patterns if isinstance(pattern, type))
        return any(isinstance(node, kinds) or node in patterns for node in preorder_traversal(self))

    def atoms(self, *kinds: type) -> set[Any]:
        """The nodes of these classes in it; without any, its leaves."""
        return {node for node in preorder_traversal(self) if (isinstance(node, kinds) if kinds else not node.args)}

    def xreplace(self, parts: Mapping[Any, Any]) -> Any:
        """The formula with other nodes in place of some."""
        return _replaced(self, lambda node: parts.get(node), {})

    def replace(self, query: Any, build: Callable[..., Any]) -> Any:
        """The formula with nodes replaced, inner ones first.

        Parameters
        ----------
        query
            A class, whose nodes become `build(*parts)`; or a predicate, and what it holds of becomes `build(node)`.
        build
            See there.
        """
        return _rebuilt(self, query, build, {})


class Expr(Node):
    """A number, or what becomes one."""

    __slots__ = ()

    @property
    def is_number(self) -> bool:
        """Whether it holds no symbol and can be worked out."""
        return bool(self.args) and all(arg.is_number for arg in self.args)


class Symbol(Expr):
    """A name that stands for a real number. Symbols of equal names are equal."""

    __slots__ = ("name",)
    name: str
    is_Symbol = is_Atom = True
    is_number = False

    def __new__(cls, name: str, **assumptions: Any) -> Any:
        """Make it; whatever is assumed of it, it is real."""
        del assumptions
        return cls.raw(str(name))

    def settle(self) -> None:
        self.name, self.args = self.args[0], ()
        self._free = None

    @property
    def free_symbols(self) -> frozenset[Any]:
        return frozenset((self,))

    def rank(self) -> Any:
        """What decides which of two symbols comes first."""
        return self.name


class Str(Node):
    """A word in a formula, such as the name of a network."""

    __slots__ = ("name",)
    name: str
    is_Atom = True

    def __new__(cls, name: str) -> Any:
        return cls.raw(str(name))

    def settle(self) -> None:
        self.name, self.args = self.args[0], ()

    def rank(self) -> Any:
        """What decides which of two words comes first."""
        return self.name


def _revived(kind: type[Node], *args: Any) -> Any:
    return kind.raw(*args)


def preorder_traversal(formula: Any) -> Iterator[Any]:
    """Every node of a formula once, outer ones before what is in them."""
    seen: set[int] = set()
    waiting: list[Any] = [formula]
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            waiting.extend(reversed(node.args))


def _replaced(node: Any, given: Callable[[Any], Any], known: dict[Any, Any]) -> Any:
    if (put := given(node)) is not None:
        return put
    if not node.args:
        return node
    if node not in known:
        args = [_replaced(arg, given, known) for arg in node.args]
        changed = any(new is not old for new, old in zip(args, node.args, strict=True))
        known[node] = node.func(*args) if changed else node
    return known[node]


def _rebuilt(node: Any, query: Any, build: Callable[..., Any], known: dict[Any, Any]) -> Any:
    if node not in known:
        args = [_rebuilt(arg, query, build, known) for arg in node.args]
        changed = any(new is not old for new, old in zip(args, node.args, strict=True))
        new = node.func(*args) if changed else node
        if isinstance(query, type):
            parts = new.args
            known[node] = build(*parts) if isinstance(new, query) else new
        else:
            known[node] = build(new) if query(new) else new
    return known[node]


def _compare(a: Any, b: Any) -> int:
    """-1, 0 or 1 as a comes before b, is b, or comes after it; the same in every process."""
    while a is not b:
        first, second = type(a).__name__, type(b).__name__
        if first != second:
            ranks = _RANKS.get(first, len(_RANKS)), _RANKS.get(second, len(_RANKS))
            return -1 if (*ranks[:1], first) < (*ranks[1:], second) else 1
        if a.is_Atom:
            return -1 if a.rank() < b.rank() else 1
        if len(a.args) != len(b.args):
            return -1 if len(a.args) < len(b.args) else 1
        # Equal parts are one and the same: one pair of different parts decides.
        a, b = next((x, y) for x, y in zip(a.args, b.args, strict=True) if x is not y)
    return 0


_order = functools.cmp_to_key(_compare)


def ordered(nodes: Iterable[Any]) -> list[Any]:
    """Parts in the order in which they stand in a sum or product."""
    return sorted(nodes, key=_order)
