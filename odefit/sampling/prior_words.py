"""Which prior each parameter has, in words: what was given, or flat, and on which scale."""

from __future__ import annotations

import math
from collections.abc import Mapping

from odefit.objective.parameters import Parameter, ParameterTable
from odefit.objective.priors import Prior
from odefit.text import abridged

MOST_NAMED = 8
IMPROPER = "without bounds, which is no density"


def prior_words(table: ParameterTable) -> dict[str, str]:
    """Of every estimated parameter."""
    return {table.names[i]: _words(table.parameters[i]) for i in table.estimated}


def prior_sentence(words: Mapping[str, str]) -> str:
    """All of them in a line: parameters with the same words together."""
    groups: dict[str, list[str]] = {}
    for name, text in words.items():
        groups.setdefault(text if text.startswith("flat") else "as configured", []).append(name)
    return "priors: " + "; ".join(f"{abridged(names, MOST_NAMED)} {text}" for text, names in groups.items())


def improper(table: ParameterTable) -> list[str]:
    """The parameters whose prior has no finite integral."""
    return [name for name, text in prior_words(table).items() if text.endswith(IMPROPER)]


def _words(p: Parameter) -> str:
    if p.prior is not None:
        return _given(p.prior)
    what = "flat in its logarithm" if p.scale == "log" else "flat in its value"
    low, high = p.lower, p.upper
    if p.scale == "log" and low <= 0:
        low = -math.inf
    closed = math.isfinite(low) and math.isfinite(high)
    return f"{what} within its bounds" if closed else f"{what} {IMPROPER}"


def _given(prior: Prior) -> str:
    numbers = ", ".join(f"{x:g}" for x in prior.numbers)
    return f"{prior.kind}({numbers})" + (" of its logarithm" if prior.on == "log" else "")
