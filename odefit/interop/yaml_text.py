"""Scalars and short mappings of YAML as a person would write them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import yaml

from odefit.interop.formula_text import number_text

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?", re.ASCII)


def number(value: float) -> str:
    """A number that every reader of YAML takes for one: 1e-05 would be a text to some."""
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    return quoted(number_text(value))


def quoted(text: str, flow: bool = False) -> str:
    """A text as one scalar of YAML, in quotes only where it needs them."""
    if flow and any(c in text for c in ",[]{}:#"):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if _NUMBER.fullmatch(text):
        mantissa, e, exponent = text.partition("e")
        return text if not e or "." in mantissa else f"{mantissa}.0e{exponent}"
    dumped = yaml.safe_dump(text, default_flow_style=True, width=math.inf, allow_unicode=True)
    return str(dumped).removesuffix("\n").removesuffix("\n...")


def short_mapping(keys: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in keys.items()) + "}"


def plain_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(plain_value, value))}]"
    return number(value) if isinstance(value, float) else str(value)


def prior_text(prior: Mapping[str, object]) -> str:
    """A prior as the config has it."""
    return short_mapping({key: plain_value(value) for key, value in prior.items()})
