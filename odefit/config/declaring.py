"""Sections of a config, and what they are declared with: pydantic's words without pydantic.

To import pydantic and to build its validators takes longer than to fit a small model. What a config says right is read
here (`values.py`); what looks wrong is shown to pydantic, which finds the words for it (`explained.py`), and so is the
JSON Schema its work.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, ClassVar, Self

UNSET: Any = object()


class Field:
    """A key's default and limits, or limits alone inside of `Annotated`; see pydantic's `Field`."""

    __slots__ = ("_hint", "default", "default_factory", "description", "limits", "owner", "written")

    def __init__(
        self,
        default: Any = UNSET,
        /,
        *,
        default_factory: Callable[[], Any] | None = None,
        description: str | None = None,
        **limits: Any,
    ) -> None:
        self.default, self.default_factory, self.description, self.limits = (
            default,
            default_factory,
            description,
            limits,
        )
        self.owner: type[BaseModel] = BaseModel
        self.written: Any = None
        self._hint: Any = UNSET

    @property
    def is_required(self) -> bool:
        return self.default is UNSET and self.default_factory is None

    def get_default(self, *, call_default_factory: bool = True, validated_data: object = None) -> Any:
        """What the key is where a config leaves it out."""
        del call_default_factory, validated_data  # of pydantic's method
        return self.default if self.default_factory is None else self.default_factory()

    @property
    def hint(self) -> Any:
        """The annotation, which is evaluated when it is first needed: configs name few of the keys."""
        if self._hint is UNSET:
            names = vars(sys.modules[self.owner.__module__])
            self._hint = eval(self.written, names) if isinstance(self.written, str) else self.written  # noqa: S307 ours
        return self._hint

    @property
    def annotation(self) -> Any:
        """The annotation without what stands beside it in `Annotated`."""
        return self.hint.__origin__ if hasattr(self.hint, "__metadata__") else self.hint

    @property
    def metadata(self) -> list[Any]:
        return list(getattr(self.hint, "__metadata__", ()))

    def fits(self, value: Any) -> bool:
        """Whether a value of the right type keeps within the limits."""
        return all(_LIMITS[name](value, limit) for name, limit in self.limits.items())


_LIMITS: dict[str, Callable[[Any, Any], bool]] = {
    "ge": lambda value, limit: value >= limit,
    "gt": lambda value, limit: value > limit,
    "le": lambda value, limit: value <= limit,
    "lt": lambda value, limit: value < limit,
    "min_length": lambda value, limit: len(value) >= limit,
    "max_length": lambda value, limit: len(value) <= limit,
    # Python's `$` lets the end of a line pass, and pydantic's does not.
    "pattern": lambda value, limit: re.search(limit, value) is not None and "\n" not in value,
    "allow_inf_nan": lambda value, limit: limit or math.isfinite(value),
    "strict": lambda value, limit: True,  # noqa: ARG005 the type has seen to it
}


class Tag:
    """Which member of a union it is, for the `Discriminator` beside the union."""

    def __init__(self, tag: str) -> None:
        self.tag = tag


class Discriminator:
    """Which member of a union a value is meant as."""

    def __init__(self, discriminator: Callable[[Any], str]) -> None:
        self.discriminator = discriminator


class BeforeValidator:
    """What is done to a value before its type is looked at."""

    def __init__(self, func: Callable[[Any], Any], *, json_schema_input_type: Any = UNSET) -> None:
        self.func, self.json_schema_input_type = func, json_schema_input_type


class AfterValidator:
    """What is done to a value of the right type."""

    def __init__(self, func: Callable[[Any], Any]) -> None:
        self.func = func


class ValidationInfo:
    """Which key a value belongs to."""

    def __init__(self, field_name: str) -> None:
        self.field_name = field_name


class Check:
    """A method that looks at the values of some keys, or at the whole section when they were read (no names)."""

    def __init__(self, method: Any, names: tuple[str, ...], mode: str) -> None:
        self.method, self.names, self.mode = method, names, mode

    def looked_at(self, section: type[BaseModel], name: str, value: Any) -> Any:
        """The value of a key, as the method wants it. Raises ValueError."""
        takes_info = self.method.__func__.__code__.co_argcount == 3
        more = (ValidationInfo(name),) if takes_info else ()
        return self.method.__get__(None, section)(value, *more)


def field_validator(*names: str, mode: str = "after") -> Callable[[Any], Any]:
    return lambda method: Check(method, names, mode)


def model_validator(*, mode: str) -> Callable[[Any], Any]:
    return lambda method: Check(method, (), mode)


class BaseModel:
    """A mapping of the config: unknown keys are errors, values are not converted.

    `model_fields_set`: the keys that the config has.
    """

    __slots__ = ("__dict__", "model_fields_set")
    SHORT: ClassVar[tuple[tuple[type, str], ...]] = ()
    model_fields: ClassVar[dict[str, Field]] = {}
    checks: ClassVar[dict[str, Check]] = {}
    model_fields_set: set[str]

    def __init_subclass__(cls) -> None:
        own, fields, checks = dict(vars(cls)), {}, {}
        for name, written in own.get("__annotations__", {}).items():
            if "ClassVar" in str(written):
                continue
            field = own.get(name, UNSET)
            if name in own:
                delattr(cls, name)
            fields[name] = field = field if isinstance(field, Field) else Field(field)
            field.owner, field.written = cls, written
        for name, member in own.items():
            if isinstance(member, Check):
                checks[name] = member
                setattr(cls, name, member.method)
        cls.model_fields = cls.model_fields | fields
        cls.checks = cls.checks | checks

    def set_to(self, values: Mapping[str, Any], given: set[str]) -> None:
        """Give a new section its values."""
        vars(self).update(values)
        object.__setattr__(self, "model_fields_set", given)

    @classmethod
    def made(cls, values: Mapping[str, Any], given: set[str]) -> Self:
        """A section of values that were looked at; given: the keys that the config has."""
        section = object.__new__(cls)
        section.set_to(values, given)
        return section

    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> Self:
        """The section with other values of some keys, as they are."""
        update = update or {}
        return self.made({**vars(self), **update}, self.model_fields_set | set(update))

    def model_dump(
        self,
        *,
        mode: str = "python",
        exclude_unset: bool = False,
        include: Collection[str] | None = None,
        exclude: Collection[str] = (),
    ) -> dict[str, Any]:
        """The section as mappings, lists and numbers; `json`: pairs are lists as well."""
        wanted: Iterable[str] = vars(self) if include is None else [name for name in vars(self) if name in include]
        return {
            name: _dumped(getattr(self, name), mode, exclude_unset)
            for name in wanted
            if name not in exclude and not (exclude_unset and name not in self.model_fields_set)
        }

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be set: sections are values")

    def __reduce__(self) -> tuple[Any, ...]:
        return _made_again, (type(self), vars(self), self.model_fields_set)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


def _made_again(cls: type[BaseModel], values: Mapping[str, Any], given: set[str]) -> BaseModel:
    return cls.made(values, given)


def _dumped(value: Any, mode: str, exclude_unset: bool) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode=mode, exclude_unset=exclude_unset)
    if isinstance(value, dict):
        return {key: _dumped(member, mode, exclude_unset) for key, member in value.items()}
    if isinstance(value, list | tuple):
        members = [_dumped(member, mode, exclude_unset) for member in value]
        return members if mode == "json" or isinstance(value, list) else tuple(members)
    return value
