"""pydantic's import without the types that describe its schemas to type checkers.

`pydantic_core.core_schema` makes a typed dictionary for each of 80 kinds of schema, which nothing asks for in a
process: two thirds of its time to import, a seventh of NumPy's.
"""

from __future__ import annotations

import sys
import typing
from typing import Any


class _Plain(dict[str, Any]):
    """In place of `TypedDict`: its classes are dictionaries, and their annotations are not looked at."""

    def __init_subclass__(cls, total: bool = True) -> None:
        del total


def leave_out_types() -> None:
    """Import that part of pydantic with plain classes in their place, unless it is there already."""
    if "pydantic_core" in sys.modules:
        return
    import typing_extensions

    places: tuple[Any, ...] = (typing, typing_extensions)
    kept = [place.TypedDict for place in places]
    for place in places:
        place.TypedDict = _Plain
    try:
        import pydantic_core  # noqa: F401 for the sake of its import
    finally:
        for place, given in zip(places, kept, strict=True):
            place.TypedDict = given
