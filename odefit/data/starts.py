"""Where the integration of an experiment starts that nothing is said of: the clock of a model with initial values.

An initial value that is a number, a formula or a parameter that experiments share belongs to a time. Where the first
measurement is at that time, nothing needs to be assumed. Else it is taken to be

    the first dose, if that is earlier than the first measurement;
    else 0, if no time is negative and the first measurement comes no later than the data are long;
    else the first measurement (calendar years do not start at 0).

One that is estimated for an experiment alone is the value at its first measurement, or at an earlier dose: from there
the same curves can be reached as from any other time. But where a prior, another formula or an observable that is
compared with the start depends on it, it belongs to a time as well. One that is a first measured row belongs to that
row.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from enum import Enum

from odefit.data.experiments import Experiment, Input
from odefit.data.replicates import replicate_of


class Anchor(Enum):
    """What the initial values of a model are, as far as their time is concerned."""

    ROW = "a first measured row"
    OWN = "estimated for each experiment alone"
    TIME = "a number, a formula or a shared parameter"


def movable(experiments: Sequence[Experiment], anchor: Anchor, said: Collection[str]) -> frozenset[str]:
    """The experiments whose start is for us to find: those that neither they themselves nor a table (`said`) give."""
    if anchor is Anchor.ROW:
        return frozenset()
    return frozenset(e.name for e in experiments if not e.start_is_given and e.name not in said)


def assume_starts(
    experiments: Sequence[Experiment], free: Collection[str], anchor: Anchor, inputs: Iterable[Input]
) -> tuple[list[Experiment], str | None]:
    """The experiments with their clocks set.

    Parameters
    ----------
    experiments
        With their doses; those of `free` start at their first time, or at an earlier dose.
    free
        The names of those whose start is for us to find.
    anchor
        What their initial values are.
    inputs
        The known functions of time, before whose beginning nothing can start.

    Returns
    -------
    experiments, note
        The note says in one sentence what was assumed; None where nothing was.
    """
    chosen = [e for e in experiments if e.name in free and len(e.times) and math.isfinite(e.times[0])]
    if not chosen:
        return list(experiments), None
    first, last = min(float(e.times[0]) for e in chosen), max(e.last for e in chosen)
    firsts = _firsts(chosen)
    dosed = {e.name for e in chosen if e.start < firsts[replicate_of(e.name)]}
    from_zero = (
        anchor is Anchor.TIME
        and _zero_is_near(first, last)
        and all(known.knots[0] <= 0 for known in inputs)
        and all(e.start >= 0 for e in chosen)
    )
    moved = {e.name for e in chosen if e.name not in dosed and e.start > 0} if from_zero else set[str]()
    found = [replace(e, start=0.0) if e.name in moved else e for e in experiments]
    places = [_dosed(e.start for e in chosen if e.name in dosed)] if dosed else []
    if moved:
        places.append("at t = 0")
    elif anchor is Anchor.TIME and (late := {e.start for e in chosen if e.name not in dosed and e.start != 0}):
        where = f"t = {late.pop():g}" if len(late) == 1 else "of each experiment its own"
        places.append(f"at the first measurement ({where})")
    if not places:
        return found, _first_is_meant(first, last) if anchor is Anchor.OWN else None
    taken = ", taken for the time of the initial values" if anchor is Anchor.TIME else ""
    before = f" (the first measurement is at t = {first:g})" if (dosed or moved) and first > 0 else ""
    remedy = "`data.start` says otherwise: a number, or `first` for the first measurement"
    return found, f"integration starts {' or '.join(places)}{taken}{before}; {remedy}"


def _zero_is_near(first: float, last: float) -> bool:
    """Whether data from `first` to `last` may count from 0."""
    return 0 <= first <= last - first


def _first_is_meant(first: float, last: float) -> str | None:
    if first == 0 or not _zero_is_near(first, last):
        return None
    return (
        f"the estimated initial values are those at the first measurement (t = {first:g}); `data.start: 0` makes them "
        "those at t = 0"
    )


def _dosed(starts: Iterable[float]) -> str:
    times = set(starts)
    return f"at the first dose (t = {times.pop():g})" if len(times) == 1 else "at the first dose of each experiment"


def _firsts(experiments: Sequence[Experiment]) -> dict[str, float]:
    """The first time of each experiment and its replicates, which share a start."""
    found: dict[str, float] = {}
    for e in experiments:
        base, first = replicate_of(e.name), float(e.times[0])
        found[base] = min(first, found.get(base, first))
    return found
