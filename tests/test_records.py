"""`odefit.records` beside the standard library's data classes: the same text made into classes by both."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from odefit import records
from odefit.data.experiments import Experiment

TEXT = """
@dataclass(frozen=True)
class Base:
    "A base."
    first: int
    second: str = "two"
    third: list = field(default_factory=list, kw_only=True)
    hidden: float = field(default=0.5, compare=False, repr=False)

@dataclass(frozen=True)
class Derived(Base):
    _second: int = 4
    made: int = field(init=False)
    counted: list = field(init=False, default_factory=list)

    def __post_init__(self):
        object.__setattr__(self, "made", self.first + self._second)

class Plain(Base):
    pass

@dataclass(frozen=True)
class Empty:
    pass

@dataclass(frozen=True)
class One:
    value: object

@dataclass(eq=False)
class Mutable:
    value: int

@dataclass(frozen=True, repr=False)
class Shown:
    value: int
    def __repr__(self):
        return "shown"
    def __hash__(self):
        return 7

@dataclass(frozen=True, init=False)
class Own:
    value: int
    def __init__(self, text):
        object.__setattr__(self, "value", len(text))

@dataclass(frozen=True)
class Wrapped:
    inside: object = None
"""


def made(dataclass: Callable[..., Any]) -> SimpleNamespace:
    names: dict[str, Any] = {"dataclass": dataclass, "field": dataclasses.field, "__name__": __name__}
    exec(TEXT, names)  # noqa: S102 the text above
    return SimpleNamespace(**{name: value for name, value in names.items() if isinstance(value, type)})


OURS, THEIRS = made(records.dataclass), made(dataclasses.dataclass)
VALUES: list[Callable[[SimpleNamespace], Any]] = [
    lambda c: c.Base(1),
    lambda c: c.Base(1, "b", 2.5, third=[1]),
    lambda c: c.Base(first=2, hidden=3.0),
    lambda c: c.Derived(1),
    lambda c: c.Derived(1, "b", 0.1, 5, third=[2]),
    lambda c: c.Plain(3),
    lambda c: c.Empty(),
    lambda c: c.One((1, 2)),
    lambda c: c.Mutable(3),
    lambda c: c.Shown(3),
    lambda c: c.Own("abc"),
    lambda c: c.Wrapped(c.Wrapped(c.One(1))),
    lambda c: dataclasses.replace(c.Derived(1), first=7),
    lambda c: dataclasses.asdict(c.Wrapped(c.Base(1))),
    lambda c: copy.copy(c.Derived(1)),
    lambda c: [f.name for f in dataclasses.fields(c.Derived)],
    lambda c: c.Derived.__match_args__,
    lambda c: [str(p) for p in inspect.signature(c.Wrapped).parameters.values()],
    lambda c: list(inspect.signature(c.Derived).parameters),
]
ERRORS: list[Callable[[SimpleNamespace], Any]] = [
    lambda c: c.Base(),
    lambda c: c.Base(1, third=[], fourth=1),
    lambda c: c.Base(1, "a", 0.5, []),
    lambda c: setattr(c.Base(1), "first", 2),
    lambda c: delattr(c.Base(1), "first"),
    lambda c: setattr(c.Base(1), "new", 2),
    lambda c: setattr(c.Derived(1), "made", 2),
    lambda c: setattr(c.Plain(1), "first", 2),
    lambda c: hash(c.Base(1)) and hash(c.One([])),
    lambda c: dataclasses.replace(c.Derived(1), made=7),
]


@pytest.mark.parametrize("value", VALUES)
def test_values_are_those_of_the_standard_library(value: Callable[[SimpleNamespace], Any]) -> None:
    ours, theirs = value(OURS), value(THEIRS)
    if "Mutable" not in str(ours):  # whose text has no more than its address
        assert repr(ours) == repr(theirs)
    assert getattr(ours, "__dict__", None) == getattr(theirs, "__dict__", None) or "Wrapped" in repr(ours)


@pytest.mark.parametrize("wrong", ERRORS)
def test_errors_are_those_of_the_standard_library(wrong: Callable[[SimpleNamespace], Any]) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError)) as theirs:
        wrong(THEIRS)
    with pytest.raises(type(theirs.value)) as ours:
        wrong(OURS)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize("c", [OURS, THEIRS])
def test_values_are_equal_by_their_compared_fields(c: SimpleNamespace) -> None:
    assert c.Base(1, hidden=1.0) == c.Base(1, hidden=2.0) != c.Base(2)
    assert c.Base(1) != c.Plain(1)
    assert c.Base(1).__eq__(1) is NotImplemented
    assert hash(c.One("a")) == hash(c.One("a")) != hash(c.One("b"))
    assert c.Empty() == c.Empty()
    assert hash(c.Shown(1)) == 7
    assert c.Mutable(1) != c.Mutable(1)
    plain = c.Plain(1)
    plain.own = 3  # no field, and no frozen class
    assert plain.own == 3
    del plain.own
    assert not hasattr(plain, "own")


@records.dataclass(frozen=True)
class Kept:
    """One of a module, as pickles need."""

    value: int
    values: tuple[int, ...] = ()


def test_a_value_read_from_bytes_is_equal_in_a_class_without_values() -> None:
    # The bytes of Kept(1, (2,)), written without making one: what another process sends.
    other = object.__new__(Kept)
    object.__setattr__(other, "value", 1)
    object.__setattr__(other, "values", (2,))
    read = pickle.loads(pickle.dumps(other))  # noqa: S301 bytes of our own
    assert read == other
    assert read == Kept(1, (2,))
    assert repr(read) == "Kept(value=1, values=(2,))"


def test_a_changed_record_is_a_copy_with_other_values():
    one = Experiment("a", [0.0, 1.0], {"x": [1.0, 2.0]})
    other = records.changed(one, name="b")
    assert (one.name, other.name, type(other)) == ("a", "b", Experiment)
    assert other.values is one.values
    with pytest.raises(dataclasses.FrozenInstanceError):
        other.name = "c"  # type: ignore[misc]


def test_fields_are_looked_at_with_the_first_value() -> None:
    fresh = made(records.dataclass)
    assert not isinstance(vars(fresh.Derived)["__dataclass_fields__"], dict)
    fresh.Derived(1)
    assert [*vars(fresh.Derived)["__dataclass_fields__"]] == [*vars(THEIRS.Derived)["__dataclass_fields__"]]
    assert not isinstance(vars(fresh.One)["__dataclass_fields__"], dict)


def test_threads_may_make_first_values_together() -> None:
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            fresh = made(records.dataclass)
            values = list(pool.map(lambda k, cls=fresh.Derived: cls(k), range(8)))  # type: ignore[misc]
            assert [value.made for value in values] == [k + 4 for k in range(8)]
