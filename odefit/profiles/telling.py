"""Profiles for people: a table, and what to beware of."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from odefit.profiles.records import Profile, Profiles
from odefit.terminal import number, plain_table


def lines(found: Profiles) -> Iterator[str | Table]:
    """All that is said of profiles."""
    head = ("quantity", "estimate", f"{100 * found.level:.4g} % interval", "")
    yield plain_table(head, [[p.name, number(p.estimate), interval_text(p), p.sentence] for p in found])
    yield from found.remarks


def interval_text(profile: Profile) -> str:
    """`0.1 … 0.3`; an open end is empty: `0.1 …`."""
    if profile.low is None and profile.high is None:
        return "–"
    ends = ["" if end is None else number(end) for end in (profile.low, profile.high)]
    return f"{ends[0]} … {ends[1]}".strip()
