"""Whether what was read from a JSON file has the shape that it was written with.

A shape is written like the value itself: a type (`float` is any finite number), None, an Enum (one of its values), a
tuple of shapes of which one fits, a list of one shape (any number of items) or of several (exactly these), and a
mapping with a shape for each key that must be there; the key `str` stands for any name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import EnumMeta
from typing import Any


def misfit(value: object, shape: Any, place: str = "") -> str | None:
    """Which part does not fit, by its keys with dots, and why; None where all does.

    Parameters
    ----------
    value
        As `json.loads` gives it.
    shape
        As the head of this file has it.
    place
        The keys that lead to the value.
    """
    if isinstance(shape, tuple):
        found = [misfit(value, one, place) for one in shape]
        return None if None in found else found[-1]
    if isinstance(shape, Mapping):
        return _misfit_in_mapping(value, shape, place)
    if isinstance(shape, list):
        return _misfit_in_list(value, shape, place)
    return None if _is_one(value, shape) else f"{place or 'the file'} is not what stands there"


def _misfit_in_mapping(value: object, shape: Mapping[Any, Any], place: str) -> str | None:
    if not isinstance(value, Mapping):
        return f"{place or 'the file'} holds no names"
    missing = next((key for key in shape if key is not str and key not in value), None)
    if missing is not None:
        return f"{_below(place, missing)} is missing"
    parts = ((key, shape.get(key, shape.get(str, object))) for key in value)
    return next((bad for key, one in parts if (bad := misfit(value[key], one, _below(place, key)))), None)


def _misfit_in_list(value: object, shape: list[Any], place: str) -> str | None:
    if not isinstance(value, list) or (len(shape) > 1 and len(value) != len(shape)):
        return f"{place or 'the file'} is not the list that stands there"
    shapes = shape if len(shape) > 1 else shape * len(value)
    parts = enumerate(zip(value, shapes, strict=True))
    return next((bad for k, (item, one) in parts if (bad := misfit(item, one, _below(place, k)))), None)


def _is_one(value: object, shape: Any) -> bool:
    if shape is None:
        return value is None
    if isinstance(shape, EnumMeta):
        return value in shape.__members__.values()
    if shape is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if shape is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, shape)


def _below(place: str, key: object) -> str:
    return f"{place}.{key}" if place else str(key)
