"""Formulas in the places of a config where networks are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from odefit.model.formula_text import is_sum

Replace = Callable[[str, int, Sequence[str]], str]
"""Network, output, arguments as they stand in the call -> what takes its place."""


def replaced(text: str, networks: Mapping[str, int], replace: Replace) -> str:
    """A formula with something else for each call of a network. networks: name -> its outputs."""
    names = "|".join(sorted(map(re.escape, networks), key=len, reverse=True))
    pattern = re.compile(rf"(?<![A-Za-z0-9_])({names})\s*\(")
    found, rest = "", text
    while match := pattern.search(rest):
        end = _closing(rest, match.end() - 1)
        arguments = [replaced(a, networks, replace) for a in _split(rest[match.end() : end])]
        component = re.match(r"\s*\[\s*(\d+)\s*\]", rest[end + 1 :])
        number = int(component[1]) if component else 0
        before, rest = rest[: match.start()], rest[end + 1 + (component.end() if component else 0) :]
        text = replace(match[1], number, arguments)
        found += before
        alone = _stands_alone(text, found.rstrip()[-1:], rest.lstrip()[:1])
        found += text if alone else f"({text})"
    return found + rest


def _closing(text: str, opening: int) -> int:
    """Where the bracket at `opening` is closed."""
    depth = 0
    for k in range(opening, len(text)):
        depth += (text[k] in "([") - (text[k] in ")]")
        if not depth:
            return k
    return len(text)


def _split(text: str) -> list[str]:
    """Arguments, at the commas outside of brackets."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def _stands_alone(text: str, before: str, after: str) -> bool:
    """Whether a formula needs no brackets between two characters, either of which may be none."""
    if re.fullmatch(r"\w+", text):
        return True
    if after == "^" or before in ("/", "^"):
        return False
    return not is_sum(text) or (before in ("", "(", ",", "+", "=") and after in ("", ")", ",", "+", "-"))


def in_brackets(text: str) -> str:
    """A text that may take the place of a name."""
    return text if re.fullmatch(r"[A-Za-z_]\w*|\d+(\.\d+)?", text) else f"({text})"


def everywhere(section: Any, change: Callable[[str], str]) -> Any:
    """A part of a config with all its texts changed."""
    if isinstance(section, str):
        return change(section)
    if isinstance(section, Mapping):
        return {key: everywhere(value, change) for key, value in section.items()}
    return [everywhere(value, change) for value in section] if isinstance(section, list) else section
