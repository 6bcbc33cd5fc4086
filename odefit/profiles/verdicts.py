"""What a profile means, in words."""

from __future__ import annotations

from collections.abc import Sequence

from odefit.profiles.lanes import End, Lane
from odefit.profiles.records import Verdict

OPEN = (End.BOUND, End.FLAT, End.FAILED)
FLAT = 0.01
"""Log-likelihood units by which the profile of a quantity rises that is not determined at all."""


def verdict_of(down: Lane, up: Lane) -> Verdict:
    """By how the ways down and up have ended."""
    if End.UNFINISHED in (down.end, up.end):
        return Verdict.UNFINISHED
    is_open = [lane.end in OPEN for lane in (down, up)]
    if not any(is_open):
        return Verdict.DETERMINED
    rise = max(site.value - lane.base for lane in (down, up) for site in lane.sites)
    return Verdict.NOT_AT_ALL if all(is_open) and rise < FLAT else Verdict.PRACTICALLY_NOT


def sentence(
    verdict: Verdict, low: float | None, high: float | None, reached: Sequence[float], ends: Sequence[str]
) -> str:
    """The verdict as a sentence.

    Parameters
    ----------
    verdict
        See `verdict_of`.
    low, high
        The ends of the interval; None where it is open.
    reached
        [2], how far the profile was followed down and up.
    ends
        [2], why it ended there.
    """
    if verdict == Verdict.DETERMINED:
        return f"{verdict}"
    if verdict == Verdict.UNFINISHED:
        return "not followed to its end yet"
    sides = [
        f"open {side} ({_why(value, end)})"
        for side, end, value, known in zip(("below", "above"), ends, reached, (low, high), strict=True)
        if known is None
    ]
    return f"{verdict}: {', '.join(sides)}"


def _why(value: float, end: str) -> str:
    if end == End.BOUND:
        return f"allowed as far as its bound {value:.4g}"
    if end == End.FAILED:
        return f"the model cannot be solved beyond {value:.4g}"
    return f"followed as far as {value:.4g}"
