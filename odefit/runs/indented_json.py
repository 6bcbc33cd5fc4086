"""JSON with an indent, as `json.dumps(..., indent=2)` writes it.

With an indent Python's own goes through all values in Python; here the innermost lists and mappings are a call of its
compiled encoder each, and encoders are kept: `json.dumps` makes one for each call.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import cache
from json.encoder import encode_basestring
from typing import Any

STEP = "  "
_CONTAINERS = (dict, list, tuple, Mapping)
_SCALARS = frozenset((str, float, int, bool, type(None)))


def indented_json(value: Any, allow_nan: bool = False) -> str:
    """The text of a value that JSON can hold.

    Parameters
    ----------
    value
        Mappings with names as keys, lists, tuples, texts, numbers, True, False, None.
    allow_nan
        Whether `NaN` and `Infinity` may stand in it, which other programs may not read.

    Raises
    ------
    ValueError
        A number is not finite, and may not be so.
    TypeError
        JSON has no word for a value.
    """
    return _text(value, "\n", allow_nan)


def _text(value: Any, line: str, allow_nan: bool) -> str:
    """line: a line break and the blanks before what closes this value."""
    # An encoder takes longer to be asked than these two take.
    if type(value) is str:
        return encode_basestring(value)
    if type(value) is float and math.isfinite(value):
        return repr(value)
    if not _is_container(value) or not value:
        return _encode(", ", allow_nan)(value)
    inner = line + STEP
    parts = value.values() if isinstance(value, Mapping) else value
    if not any(map(_is_container, parts)):
        whole = _encode(f",{inner}", allow_nan)(value)
        return f"{whole[0]}{inner}{whole[1:-1]}{line}{whole[-1]}"
    texts = [_text(part, inner, allow_nan) for part in parts]
    if isinstance(value, Mapping):
        texts = [f"{_name(key)}: {text}" for key, text in zip(value, texts, strict=True)]
        return f"{{{inner}{f',{inner}'.join(texts)}{line}}}"
    return f"[{inner}{f',{inner}'.join(texts)}{line}]"


def _is_container(value: Any) -> bool:
    # To ask for a Mapping takes as long as to write a number.
    return type(value) not in _SCALARS and isinstance(value, _CONTAINERS)


def _name(key: Any) -> str:
    """A name in quotes; that of a number is its text."""
    return encode_basestring(key if isinstance(key, str) else json.dumps(key))


@cache
def _encode(between: str, allow_nan: bool) -> Callable[[Any], str]:
    """What writes a value in one line, with a text between its parts."""
    return json.JSONEncoder(ensure_ascii=False, allow_nan=allow_nan, separators=(between, ": ")).encode
