"""What a config says right, as the values of its sections. What looks wrong, or is unheard of, is doubtful."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from typing import Any, Literal, TypeVar, Union

from odefit.config.declaring import AfterValidator, BaseModel, BeforeValidator, Check, Discriminator, Field, Tag

Section = TypeVar("Section", bound=BaseModel)
_UNIONS = (Union, types.UnionType)


class DoubtfulError(Exception):
    """A value that is wrong, or at least not seen here to be right."""


def read(cls: type[Section], value: object) -> Section:
    """A section of what stands in a config. Raises pydantic's ValidationError, which is a ValueError."""
    try:
        return section_of(cls, value)
    except DoubtfulError:
        from odefit.config.explained import validated

        section: Section = validated(cls, value)
        return section


def section_of(cls: type[Section], value: Any) -> Section:
    """A section of a class of `declared.BaseModel`. Raises DoubtfulError."""
    if type(value) is cls:
        return value
    value = _looked_at_before(cls, value)
    if type(value) is not dict:
        for kind, key in cls.SHORT:
            if isinstance(value, kind) and not isinstance(value, bool):
                value = {key: value}
                break
        else:
            raise DoubtfulError
    fields = cls.model_fields
    if not value.keys() <= fields.keys():
        raise DoubtfulError
    checks = [check for check in cls.checks.values() if check.names]
    values = {}
    for name, field in fields.items():
        if name in value:
            values[name] = _of_key(cls, name, field, value[name], checks)
        elif field.is_required:
            raise DoubtfulError
        else:
            values[name] = field.get_default()
    section = cls.made(values, set(value))
    try:
        for check in cls.checks.values():
            if not check.names and check.mode == "after":
                check.method(section)
    except ValueError:
        raise DoubtfulError from None
    return section


def _looked_at_before(cls: type[BaseModel], value: Any) -> Any:
    """What stands at a section, as its checks want it that come before its keys are read, the last one first."""
    try:
        for check in reversed(cls.checks.values()):
            if not check.names and check.mode == "before":
                value = check.method.__get__(None, cls)(value)
    except (ValueError, TypeError):
        raise DoubtfulError from None
    return value


def _of_key(cls: type[BaseModel], name: str, field: Field, value: Any, checks: Sequence[Check]) -> Any:
    of_it = [check for check in checks if name in check.names]
    try:
        for check in of_it:
            if check.mode == "before":
                value = check.looked_at(cls, name, value)
        value = _of_type(field.hint, value, (field,))
        for check in of_it:
            if check.mode == "after":
                value = check.looked_at(cls, name, value)
    except (ValueError, TypeError, OverflowError):  # of the wrong type, which a check does not see to
        raise DoubtfulError from None
    return value


def _of_type(hint: Any, value: Any, beside: Sequence[Any] = ()) -> Any:
    """The value of a type; beside: what stands beside the type in `Annotated`, from the inside out."""
    if hasattr(hint, "__metadata__"):
        return _of_type(hint.__origin__, value, (*hint.__metadata__, *beside))
    for what in reversed(beside):
        if isinstance(what, BeforeValidator):
            value = what.func(value)
    if hint is Any:
        return value
    origin = typing.get_origin(hint)
    if origin in _UNIONS:
        value = _of_union(typing.get_args(hint), value, beside)
        if value is None:
            return None
    elif (plain := next((what for what in beside if hasattr(what, "names")), None)) is not None:
        if value not in plain.names():
            raise DoubtfulError
    else:
        value = _of_kind(hint, origin, value, beside)
    for what in beside:
        if isinstance(what, Field):
            if not what.fits(value):
                raise DoubtfulError
        elif isinstance(what, AfterValidator):
            value = what.func(value)
    return value


def _of_union(members: Sequence[Any], value: Any, beside: Sequence[Any]) -> Any:
    """The value of one of several types: of that which a tag names, or of the first that it can be."""
    if value is None and type(None) in members:
        return None
    by_tag = next((what for what in beside if isinstance(what, Discriminator)), None)
    if by_tag is not None:
        tag = by_tag.discriminator(value)
        members = [member for member in members if any(_is_tag(what, tag) for what in member.__metadata__)]
    for member in members:
        try:
            return _of_type(member, value)
        except DoubtfulError:
            continue
    raise DoubtfulError


def _is_tag(what: Any, tag: Any) -> bool:
    return isinstance(what, Tag) and what.tag == tag


def _of_kind(hint: Any, origin: Any, value: Any, beside: Sequence[Any]) -> Any:
    """The value of a type that is no union. A whole number is a number; nothing else is taken for what it is not."""
    kind = type(value)
    if hint in (str, bool, int):
        if kind is hint:
            return value
    elif hint is float:
        if kind is float:
            return value
        if kind is int:
            return float(value)
    elif hint is None or hint is type(None):
        if value is None:
            return value
    elif origin is Literal:
        if any(value == option and kind is type(option) for option in typing.get_args(hint)):
            return value
    elif origin is dict and kind is dict:
        of_key, of_member = typing.get_args(hint)
        return {_of_type(of_key, key): _of_type(of_member, member) for key, member in value.items()}
    elif origin is list and kind is list:
        (of_member,) = typing.get_args(hint)
        return [_of_type(of_member, member) for member in value]
    elif origin is tuple and (kind is tuple or (kind is list and _takes_lists(beside))):
        return tuple(_of_type(of, member) for of, member in zip(typing.get_args(hint), value, strict=True))
    elif isinstance(hint, type) and issubclass(hint, BaseModel):
        return section_of(hint, value)
    raise DoubtfulError


def _takes_lists(beside: Sequence[Any]) -> bool:
    return any(isinstance(what, Field) and what.limits.get("strict") is False for what in beside)
