"""What columns of times are called."""

from __future__ import annotations

import re
from collections.abc import Collection

from odefit.text import clip, closest, suggest

TIMES = (
    r"time|t|zeit|uhrzeit|temps|heure|tiempo|hora|tempo|ora|clock"
    r"|(time|t)[ _.\-(\[].*|.*[ _.]time|hours?|hrs?|h|days?|d|minutes?|mins?"
    r"|seconds?|secs?|s|weeks?|months?|years?|yr|date([ _.]?time)?|datum|timestamp"
)
UNIT = re.compile(r"\s*[\[(][^\[\]()]*[\])]\s*$")


def is_called(name: str, pattern: str) -> bool:
    """Whether a column, with or without the unit in its name, is called as a pattern says."""
    return any(re.fullmatch(pattern, each.strip(), re.IGNORECASE) for each in (name, bare(name)))


def bare(name: str) -> str:
    """A column's name without the unit in brackets behind it."""
    return UNIT.sub("", name) or name


def suggest_time(word: str, names: Collection[str], key: str) -> str:
    """`did you mean 'time'?`; else which column may be that of the times, and how to say so; else what there is.

    Parameters
    ----------
    word
        The column that is not there.
    names
        Those that are.
    key
        What names it in the config, with a place for the name: `data: {{time: {}}}`.
    """
    likely = [name for name in names if is_called(name, TIMES)]
    if not likely or closest(word, names) is not None:
        return suggest(word, names)
    written = [clip(name) if re.fullmatch(r"[^\W\d]\w*", name) else f"'{clip(name)}'" for name in likely[:2]]
    return " or ".join(f"`{key.format(name)}`" for name in written) + " may be it"
