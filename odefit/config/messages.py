"""What pydantic finds wrong with a config, as a sentence for the person who wrote it: what, and what to do."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from odefit.config.fields import OneOf, Rare, Section
from odefit.config.schema import Config
from odefit.config.synonyms import advice, meant
from odefit.text import closest, cut, did_you_mean
from odefit.unsupported import ALGEBRAIC

Keys = Sequence[str | int]

_BOUNDS = {
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
}
_WANTED = {
    "float_type": "a number",
    "float_parsing": "a number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list in brackets",
    "tuple_type": "a list in brackets",
    "string_type": "text",
}
_MAPPING = ("model_type", "dict_type", "model_attributes_type")
# What somebody means who writes one word or number where a section is expected.
_SHORT: dict[str, tuple[Any, str]] = {
    "SolverSection": (str, "method"),
    "FitSection": (str, "method"),
    "ModelSection": (str, "name"),
    "DataSection": (str, "csv"),
    "NoiseSection": ((int, float), "sigma"),
}
_DERIVATIVE = re.compile(r"d\s*\(?([A-Za-z]\w*)\)?\s*(?:\(t\))?\s*/\s*dt|([A-Za-z]\w*)(?:'|\(t\)|_dot\b)")


def sentence(item: Any, keys: tuple[str | int, ...], value: Any) -> str:
    """item: of `ValidationError.errors`; keys: as the user wrote them; value: what stands there."""
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key; {_remedy(keys)}"
    if kind == "missing" and isinstance(keys[-1], int):
        return f"number {keys[-1] + 1} of the list is missing; write {_numbers(keys)}"
    if kind == "missing":
        return "missing; this key is required"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        return _no_name(keys, value)
    if kind in ("too_short", "too_long"):
        many = f"at least {context['min_length']}" if kind == "too_short" else f"at most {context['max_length']}"
        return f"must have {many} (got {context['actual_length']})"
    if kind in _BOUNDS:
        return f"{_BOUNDS[kind].format(**context)} (got {shown(value)})"
    if kind == "literal_error":
        hint = meant(value, re.findall(r"'([^']*)'", context["expected"])) if isinstance(value, str) else None
        return f"must be one of {context['expected']} (got {shown(value)})" + (f"; write {hint}" if hint else "")
    decimal = re.fullmatch(r"\s*([+-]?[0-9]+),([0-9]+)\s*", value) if isinstance(value, str) else None
    if decimal and kind in ("float_type", "float_parsing", "int_type", "finite_number"):
        return f"{shown(value)} has a decimal comma: write {decimal[1]}.{decimal[2]}"
    if kind in _WANTED:
        return f"must be {_WANTED[kind]} (got {shown(value)})"
    if kind in _MAPPING:
        return f"must be a mapping `key: value` (got {shown(value)})" + _as_mapping(keys, value)
    message: str = item["msg"]
    return f"{message[0].lower()}{message[1:]} (got {shown(value)})"


def _numbers(keys: Keys) -> str:
    """How many numbers belong into a list, and which."""
    from odefit.config.prior_section import PriorSection  # which few configs have

    field = PriorSection.model_fields.get(str(keys[-2])) if "prior" in keys else None
    what = re.match(r"\[.*?\]", field.description or "") if field is not None else None
    shape = what[0] if what else "[low, high]"
    return f"{('two', 'three')[shape.count(',') - 1]}, as in `{shape}`"


def shown(value: Any) -> str:
    return cut(repr(value), 60, "...")


def _remedy(keys: tuple[str | int, ...]) -> str:
    """What to do about an unknown key."""
    key, known = str(keys[-1]), _fields(keys[:-1])
    before, colon, after = key.partition(":")
    if colon and before in known:
        return f"a blank is missing after the colon: `{before}: {after}`"
    elsewhere = [name for name in Config.model_fields if key in _fields((name,))] if len(keys) <= 2 else []
    if key in Config.model_fields and len(keys) == 2:
        return f"it stands at the top of the file, beside `{keys[0]}:` and not under it"
    near = closest(key, known)
    if elsewhere and near:
        return f"{did_you_mean(near)} (`{key}` belongs under {' or '.join(f'`{name}:`' for name in elsewhere)})"
    if elsewhere:
        return f"it belongs under {' or '.join(f'`{name}:`' for name in elsewhere)}"
    return advice(key, known) or f"known here: {', '.join(known)}"


def _no_name(keys: Keys, value: Any) -> str:
    """What is wrong with a key that is no name."""
    key = str(keys[-1])
    derivative = _DERIVATIVE.fullmatch(key.strip())
    if derivative and "equations" in keys:
        return f"{shown(key)} is no name; write the state's name: `{derivative[1] or derivative[2]}: …`"
    if re.match(r"\s*0(\.0*)?\s*(=|$)", key) and "equations" in keys:
        return ALGEBRAIC
    colon = re.match(r"([A-Za-z]\w*):(?=\S)", key)
    if colon and value is None:
        return f"a blank is missing after the colon: `{colon[1]}: {key[colon.end() :]}`"
    if value is None and any(sign in key for sign in "()*/"):
        return f"{shown(key)} is the rest of a formula: one with a comma needs quotes inside of braces {{ }}"
    return f"{shown(key)} is no valid name: a letter or _, then letters, digits or _"


def _as_mapping(keys: Keys, value: Any) -> str:
    """How to write as a mapping what is none, where that is clear."""
    if isinstance(value, list) and value and isinstance(value[0], dict) and value[0]:
        first = next(iter(value[0]))
        named = value[0][first] if first in ("name", "id") else first
        return f"; write its entries without dashes: `{named}: …`"
    if keys and keys[-1] == "equations":
        return "; write each equation as its state and the right-hand side: `equations: {x: -k*x, y: k*x}`"
    section = next(_sections(keys), None)
    name = "" if section is None else section.__name__
    if name == "PriorSection" and isinstance(value, list):
        return "; write `{normal: [mean, standard deviation]}`"
    kind, field = _SHORT.get(name, ((), ""))
    if section is None or not isinstance(value, kind) or isinstance(value, bool):
        return ""
    # `noise: {sd: 0.1}` is read as the noise of an observable called sd.
    before = f"{keys[-2]}: " if len(keys) > 1 and meant(str(keys[-1]), [field]) == field else ""
    options = _choices(section, field)
    return f"; write `{before}{{{field}: {(options and meant(value, options)) or value}}}`"


def _choices(section: type[Section], field: str) -> list[str]:
    """The words that may stand at a key, where these are listed."""
    info = section.model_fields[field]
    tables = [name for part in info.metadata if isinstance(part, OneOf) for name in part.names()]
    return tables or [option for option in typing.get_args(info.annotation) if isinstance(option, str)]


# -- the schema at a place


def _fields(keys: Keys) -> list[str]:
    """The keys that the section at `keys` may have."""
    section = next(_sections(keys), None)
    return list(section.model_fields) if section else []


def _sections(keys: Keys) -> Iterator[type[Section]]:
    """The sections that may stand at `keys`, found along the annotations of the schema."""
    found: list[Any] = [Config]
    for key in keys:
        found = [below for annotation in found for below in _below(annotation, key)]
    for member in found:
        if isinstance(member, type) and issubclass(member, Section):
            yield member


def _below(annotation: Any, key: str | int) -> Iterator[Any]:
    """What the annotation of a section, mapping or list says of one of its members."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        field = annotation.model_fields.get(str(key))
        if field is not None:
            yield from _members(field.annotation)
        return
    parts = typing.get_args(annotation)
    if typing.get_origin(annotation) in (dict, list) and parts:
        yield from _members(parts[-1])


def _members(annotation: Any) -> Iterator[Any]:
    """The annotation, or those that it is a union of, without what pydantic is told beside them."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for part in typing.get_args(annotation):
            yield from _members(part)
    elif typing.get_origin(annotation) is typing.Annotated:
        first, *beside = typing.get_args(annotation)
        rare = [part.section for part in beside if isinstance(part, Rare)]
        yield from rare or _members(first)
    else:
        yield annotation
