"""Sections of a config as models of pydantic: for what is wrong with a value, and for the JSON Schema."""

from __future__ import annotations

import functools
import types
import typing
from typing import Annotated, Any, ClassVar, Union

import pydantic
from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from odefit.config import declaring


class Model(BaseModel):
    """What a section of the config has in common with the others."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True, hide_input_in_errors=True)
    SHORT: ClassVar[tuple[tuple[type, str], ...]] = ()

    @pydantic.model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        for kind, key in cls.SHORT:
            if isinstance(value, kind) and not isinstance(value, bool):
                return {key: value}
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The section's own schema, or that of the key for which a short form stands."""
        reference = handler(core_schema)
        if cls.SHORT:
            section = handler.resolve_ref_schema(reference)
            whole = {key: section.pop(key) for key in list(section) if key not in ("title", "description")}
            keys = dict.fromkeys(key for _, key in cls.SHORT)
            section["anyOf"] = [whole, *(_of_a_value(whole["properties"][key]) for key in keys)]
        return reference


def _of_a_value(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a key, as one of a value that stands alone."""
    kept = {key: part for key, part in schema.items() if key not in ("title", "default")}
    if "anyOf" in kept:
        kept["anyOf"] = [part for part in kept["anyOf"] if part != {"type": "null"}]
    return kept


def validated(cls: Any, value: Any) -> Any:
    """A section, by pydantic. Raises pydantic's ValidationError."""
    return _section(model_of(cls).model_validate(_plain(value)))


@functools.cache
def model_of(cls: Any) -> type[BaseModel]:
    """The section of a class as a model of pydantic."""
    members: dict[str, Any] = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    members["SHORT"] = cls.SHORT
    members["section"] = cls
    hints: dict[str, Any] = {"section": ClassVar[Any]}
    for base in reversed([base for base in cls.__mro__ if getattr(base, "model_fields", None)]):
        for name, member in vars(base).items():
            if isinstance(member, property | types.FunctionType | classmethod) and not name.startswith("__"):
                members[name] = member
    for name, check in cls.checks.items():
        decorator: Any
        if check.names:
            decorator = pydantic.field_validator(*check.names, mode=check.mode)
        else:
            decorator = pydantic.model_validator(mode=check.mode)
        members[name] = decorator(check.method)
    for name, field in cls.model_fields.items():
        hints[name] = _hint(field.hint)
        members[name] = _field(field)
    model: type[BaseModel] = types.new_class(
        cls.__name__, (Model,), exec_body=lambda space: space.update(members, __annotations__=hints)
    )
    return model


def _hint(hint: Any) -> Any:
    """A type in the terms of pydantic."""
    if hasattr(hint, "__metadata__"):
        return Annotated[(_hint(hint.__origin__), *map(_beside, hint.__metadata__))]
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return Union[tuple(map(_hint, parts))]  # noqa: UP007 of as many as there are
    if origin in (dict, list, tuple):
        return origin[tuple(map(_hint, parts))]
    if isinstance(hint, type) and issubclass(hint, declaring.BaseModel):
        section: Any = hint
        return model_of(section)
    return hint


def _beside(what: Any) -> Any:
    """What stands beside a type in `Annotated`, in the terms of pydantic."""
    match what:
        case declaring.Field():
            return _field(what)
        case declaring.Tag():
            return pydantic.Tag(what.tag)
        case declaring.Discriminator():
            return pydantic.Discriminator(what.discriminator)
        case declaring.BeforeValidator():
            read = what.json_schema_input_type
            more = {} if read is declaring.UNSET else {"json_schema_input_type": read}
            return pydantic.BeforeValidator(what.func, **more)
        case declaring.AfterValidator():
            return pydantic.AfterValidator(what.func)
    return what


def _field(field: Any) -> Any:
    default = {} if field.is_required else {"default": field.default}
    if field.default_factory:
        default = {"default_factory": _hint(field.default_factory)}  # which may be a section
    said = {} if field.description is None else {"description": field.description}
    return pydantic.Field(**default, **said, **field.limits)


def _section(value: Any) -> Any:
    """What pydantic has read, as sections."""
    if isinstance(value, Model):
        values = {name: _section(getattr(value, name)) for name in type(value).model_fields}
        return type(value).section.made(values, set(value.model_fields_set))  # type: ignore[attr-defined]
    if isinstance(value, dict):
        return {key: _section(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_section, value))
    return value


def _plain(value: Any) -> Any:
    """A value in which sections are mappings again."""
    if isinstance(value, declaring.BaseModel):
        return {name: _plain(getattr(value, name)) for name in value.model_fields_set}
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    return [_plain(member) for member in value] if isinstance(value, list) else value
