"""First rows that are no news: what a fixed initial value says already."""

from __future__ import annotations

import math
from collections.abc import Sequence

from odefit import algebra as sp
from odefit.data.experiments import Experiment
from odefit.model.formulas import free_names
from odefit.model.system import symbol
from odefit.problem.described import FORMULA, GIVEN, Described, initial_name
from odefit.text import clip


def first_row_notes(described: Described, experiments: Sequence[Experiment]) -> list[str]:
    """A sentence for each observable whose first value is the one that its model starts from.

    It fits whatever the parameters are. It counts, as published fits count it; so it makes an estimated noise level
    smaller, and the user may want to leave it out.
    """
    notes = list[str]()
    for column, name in enumerate(described.system.observables):
        equal = []
        for e in experiments:
            if described.system.rest is not None and e.steady_state:
                continue
            if not len(e.times) or e.times[0] != e.start or e.sides[0] > 0:
                continue
            start = _at_start(described, e, name)
            if start is not None and math.isclose(start, e.values[0, column], rel_tol=1e-12):
                equal.append((e, start))
        if not equal:
            continue
        e, start = equal[0]
        where = f", in {len(equal)} experiments such as {clip(e.name)}," if len(equal) > 1 else ""
        notes.append(
            f"the first value of {name}{where} is what it starts from ({name}({e.start:g}) = {start:g}): it says "
            "nothing of the parameters, and counts as a measurement without an error; to leave it out, empty its cell"
        )
    return notes


def _at_start(described: Described, experiment: Experiment, observable: str) -> float | None:
    """What an observable starts from, where its states start from numbers; a ratio to the start is 1 there."""
    system = described.system
    if system.compared.get(observable) == "fold_change":
        return 1.0
    formula = system.observables[observable]
    states = free_names(formula) & {*system.states}
    known = {s: v for s in states if (v := _number(described, experiment, s)) is not None}
    start = sp.sympify(formula.xreplace({symbol(s): sp.Float(value) for s, value in known.items()}))
    return float(start) if known and start.is_number else None


def _number(described: Described, experiment: Experiment, state: str) -> float | None:
    """The initial value of a state where it is a number."""
    kind, formula = described.initial_kind[state], described.system.initial[state]
    if kind == FORMULA and formula.is_number:
        return float(formula)
    return experiment.constants.get(initial_name(state)) if kind == GIVEN else None
