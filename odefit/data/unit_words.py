"""Units as they stand in files: which words are some, and where a header names one, as `conc [mg/L]` or `time (h)`."""

from __future__ import annotations

import re

_WORDS = frozenset(
    re.findall(
        r"\S+",
        "g mol m l L s M V A U W J Pa IU Da h hr hrs hour hours min minute minutes sec second seconds d day days week "
        "weeks year years °C K AU a.u. OD count counts cell cells % - 1 CFU ppm bar Hz °",
    )
)
_PREFIXES = "numkpµμMGcd"
_LONGEST = 24
_IN_BRACKETS = re.compile(r"(.*\S)\s*(?:\[([^\[\]()]+)\]|\(([^\[\]()]+)\))")
_TIMES = (
    (1.0, "s sec secs second seconds"),
    (60.0, "min mins minute minutes"),
    (3600.0, "h hr hrs hour hours"),
    (86400.0, "d day days"),
    (604800.0, "week weeks wk wks"),
    (365.25 * 86400.0, "year years yr yrs"),
)
SECONDS = {word: seconds for seconds, words in _TIMES for word in words.split()}
"""Seconds of each word for a unit of time."""


def is_unit(cell: str) -> bool:
    """`mg/L`, `[h]`, `(10^6 cells)`, `%`."""
    if len(cell) > _LONGEST or not cell:
        return False
    if cell[0] + cell[-1] in ("[]", "()"):
        return True
    parts = [part.strip("0123456789²³-+^() ") or "1" for part in re.split(r"[/*·. ]", cell) if part]
    return bool(parts) and all(part in _WORDS or (part[0] in _PREFIXES and part[1:] in _WORDS) for part in parts)


def split_unit(name: str) -> tuple[str, str]:
    """The name of a column without the unit in brackets behind it, and that unit; empty where there is none."""
    found = _IN_BRACKETS.fullmatch(name) if name[-1:] in ("]", ")") else None
    unit = "" if found is None else (found[2] or found[3]).strip()
    return (found[1], unit) if found is not None and is_unit(unit) else (name, "")
