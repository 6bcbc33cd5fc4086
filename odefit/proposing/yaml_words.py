"""Values as a person would write them into a config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml


def flow(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """`{a: 1, b: [2, 3]}`."""
    text: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10_000)
    return text.strip()


def scalar(value: object) -> str:
    """One value, in quotes where it needs them."""
    text: str = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=10_000)
    return text.strip()[1:-1]


def number(value: float) -> str:
    """As YAML reads it as a number: 1.0e-06, not 1e-06."""
    text = f"{value:.6g}"
    mantissa, sign, exponent = text.partition("e")
    return text if not sign or "." in mantissa else f"{mantissa}.0e{exponent}"
