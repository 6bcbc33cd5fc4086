"""From a YAML file to a checked `Config`, with every fault of the file reported at once."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from odefit.config.fields import Section
from odefit.config.schema import Config
from odefit.config.source import Source, apply_overrides, read_yaml
from odefit.config.tree import one_line
from odefit.errors import ConfigError, Fault

MAX_FAULTS = 50
MAX_KEY = 60


@dataclass(frozen=True)
class LoadedConfig:
    """A config, and where it came from: for relative paths and for errors found later.

    `folder` is what relative paths in the config start from.
    """

    config: Config
    source: Source
    path: Path

    @property
    def folder(self) -> Path:
        return self.path.parent

    def where(self, *keys: str | int) -> str:
        """`configs/x.yaml:14  fit.starts`, for the error that names these keys."""
        return place(self.source, keys)


def load_config(path: Path | str, overrides: Sequence[str] = ()) -> LoadedConfig:
    """Read, override (`fit.starts=50`) and check a config. Raises ConfigError with all its faults."""
    path = Path(path)
    source = apply_overrides(read_yaml(path), list(overrides))
    return LoadedConfig(validate(source), source, path)


def validate(source: Source) -> Config:
    try:
        return Config.model_validate(source.data)
    except ValidationError as error:
        raise ConfigError(faults=_faults(error, source)) from None


def place(source: Source, keys: tuple[str | int, ...]) -> str:
    """Where a key stands, and its name: once is enough where an override names it already."""
    where = source.where(keys)
    return where if where.startswith("--set") else f"{where}  {dotted(keys)}".rstrip()


def dotted(keys: Sequence[str | int]) -> str:
    return one_line(".".join(_key(key) for key in keys))


def _key(key: str | int) -> str:
    text = str(key)
    return text if len(text) <= MAX_KEY else text[: MAX_KEY - 1] + "…"


def _faults(error: ValidationError, source: Source) -> list[Fault]:
    faults: dict[Fault, None] = {}
    items = error.errors(include_url=False, include_context=True)
    for done, item in enumerate(items):
        if len(faults) == MAX_FAULTS:
            faults[Fault(source.name, f"and about {len(items) - done} more")] = None
            break
        keys = _keys(item["loc"], source.data, item["type"] == "missing")
        sentence = _sentence(item, keys, _value_at(source.data, keys))
        faults[Fault(place(source, keys), one_line(sentence))] = None
    return list(faults)


def _keys(loc: tuple[str | int, ...], data: Any, is_missing: bool) -> tuple[str | int, ...]:
    """The part of pydantic's location that the user wrote: it adds the tags of unions."""
    keys: list[str | int] = []
    for part in loc[:-1] if is_missing else loc:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            continue
        keys.append(part)
    return (*keys, loc[-1]) if is_missing else tuple(keys)


def _value_at(data: Any, keys: Sequence[str | int]) -> Any:
    for key in keys:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _sentence(item: Any, keys: tuple[str | int, ...], value: Any) -> str:
    kind, context = item["type"], item.get("ctx", {})
    bounds = {
        "greater_than": "must be greater than {gt:g}",
        "greater_than_equal": "must be at least {ge:g}",
        "less_than": "must be less than {lt:g}",
        "less_than_equal": "must be at most {le:g}",
    }
    if kind == "extra_forbidden":
        known = _known_keys(keys[:-1])
        close = difflib.get_close_matches(str(keys[-1]), known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(known)}"
        return f"unknown key; {hint}"
    if kind == "missing":
        return "missing; this key is required"
    if kind in bounds:
        return f"{bounds[kind].format(**context)} (got {_shown(value)})"
    if kind == "literal_error":
        return f"must be one of {context['expected']} (got {_shown(value)})"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch" and any(sign in str(keys[-1]) for sign in "()*/"):
        return f"{_shown(keys[-1])} is the rest of a formula: one with a comma needs quotes inside of braces {{ }}"
    if kind in ("too_short", "too_long"):
        limits = item["ctx"]
        many = f"at least {limits['min_length']}" if kind == "too_short" else f"at most {limits['max_length']}"
        return f"must have {many} (got {limits['actual_length']})"
    if kind == "string_pattern_mismatch":
        return f"{_shown(keys[-1])} is no valid name: a letter, then letters, digits or _"
    if kind in ("float_type", "int_type", "float_parsing", "int_from_float"):
        wanted = "a whole number" if kind.startswith("int") else "a number"
        return f"must be {wanted} (got {_shown(value)})"
    if kind == "finite_number":
        return f"must be a finite number (got {_shown(value)})"
    if kind == "bool_type":
        return f"must be true or false (got {_shown(value)})"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"must be a mapping `key: value` (got {_shown(value)})"
    if kind in ("list_type", "tuple_type"):
        return f"must be a list in brackets (got {_shown(value)})"
    if kind == "string_type":
        return f"must be text (got {_shown(value)})"
    message: str = item["msg"]
    return f"{message[0].lower()}{message[1:]} (got {_shown(value)})"


def _known_keys(keys: Sequence[str | int]) -> list[str]:
    """The keys that the section at `keys` may have, found along the annotations of the schema."""
    annotation: Any = Config
    for key in keys:
        section = _section(annotation)
        if section is not None:
            field = section.model_fields.get(str(key))
            annotation = field.annotation if field else None
        else:
            annotation = next((a[1] for a in map(typing.get_args, _members(annotation)) if len(a) == 2), None)
    section = _section(annotation)
    return list(section.model_fields) if section else []


def _members(annotation: Any) -> tuple[Any, ...]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def _section(annotation: Any) -> type[Section] | None:
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, Section):
            return member
    return None
