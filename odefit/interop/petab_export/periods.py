"""What holds in each experiment, from when on: its own numbers, and other ones before, where it comes to rest first."""

from __future__ import annotations

import math
from collections.abc import Mapping

from odefit.interop.mathematics import ONE, ZERO, Call, Name, Number, Tree, names_in
from odefit.interop.petab_export.problem import Period
from odefit.interop.petab_export.trees import renamed
from odefit.records import dataclass

AT_REST = "before_the_start"
"""The number that is 1 before the start and 0 afterwards, where the equations differ by more than numbers."""


@dataclass(frozen=True)
class Before:
    """What differs before the start.

    Attributes
    ----------
    values
        Id -> its value then, a formula of what the ids are afterwards.
    initial
        Id of a state -> its initial value then, a formula of the same.
    switch
        The id of `AT_REST`; empty where numbers are all that differs.
    """

    values: Mapping[str, Tree]
    initial: Mapping[str, Tree]
    switch: str = ""


def switched(rates: Mapping[str, Tree], earlier: Mapping[str, Tree], switch: str) -> dict[str, Tree]:
    """Rates [state -> formula] that are `earlier` where the switch is 1."""
    test = Call(">", (Name(switch), Number(0.5)))
    return {n: r if earlier[n] == r else Call("piecewise", (earlier[n], test, r)) for n, r in rates.items()}


def periods_of(
    start: float,
    own: Mapping[str, Tree],
    constants: Mapping[str, Tree],
    initial: Mapping[str, Tree],
    before: Before | None = None,
) -> tuple[Period, ...]:
    """The periods of an experiment.

    Parameters
    ----------
    start
        When it starts.
    own, constants
        Id -> its value in this experiment, and in all of them.
    initial
        Id of a state -> its initial value.
    before
        What differed before the start; None where it does not rest.
    """
    known = {**constants, **own}
    if before is None:
        given = {n: renamed(f, known) for n, f in initial.items() if not own.keys().isdisjoint(names_in(f))}
        return (Period(start, {**own, **given}),)
    first = {name: renamed(f, known) for name, f in {**before.values, **before.initial}.items()}
    later = {name: known.get(name, Name(name)) for name in before.values}
    if before.switch:
        first[before.switch], later[before.switch] = ONE, ZERO
    return Period(-math.inf, {**own, **first}), Period(start, later)
