"""Formulas as texts: the terms that libraries are made of, and names that are changed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence


def product_text(names: Sequence[str]) -> str:
    """Names multiplied with each other, each once: `x^2*y` of x, x, y; `1` of none."""
    return "*".join(n if k == 1 else f"{n}^{k}" for n, k in Counter(names).items()) or "1"


def saturating_text(name: str, constant: str, factor: str | None = None) -> str:
    """Michaelis and Menten's `x/(K + x)`, or `y*x/(K + x)` with a factor."""
    return f"{name}/({constant} + {name})" if factor is None else f"{factor}*{name}/({constant} + {name})"


def renamed(text: str, names: Mapping[str, str]) -> str:
    """A formula with other texts for some names, all at once."""
    if not names:
        return text
    pattern = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    return re.sub(rf"(?<![A-Za-z0-9_])({pattern})(?![A-Za-z0-9_(])", lambda m: names[m[1]], text)


def is_sum(text: str) -> bool:
    """Whether a text begins with a minus, or has a + or - between two parts outside of brackets."""
    depth = 0
    for k, sign in enumerate(text):
        depth += (sign in "([") - (sign in ")]")
        if depth == 0 and sign in "+-" and k and text[:k].rstrip()[-1:] not in ("e", "E", "*", "/", "^", ""):
            return True
    return text.startswith("-")
