"""Names that no user can write, for what differs between segments."""

from __future__ import annotations


def start_name(state: str) -> str:
    """The parameter that is the value of a state where a segment begins."""
    return f"{state}@start"
