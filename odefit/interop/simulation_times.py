"""When to look at a model that comes without data: long enough to see it move, in round numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping

from odefit.interop.draft import Times
from odefit.interop.equations import substituted_at_start
from odefit.interop.mathematics import COMPARISONS, TIME, Call, Number, Tree
from odefit.interop.model import Model

TURNOVERS = 10.0
"""How many times over the typical state could be filled or emptied."""
DEFAULT_STOP, COUNT = 100.0, 101


def sensible_times(model: Model) -> Times:
    """From 0 on, past the last time that an event or a switch waits for."""
    known = [time for tree in _trees(model) for time in _awaited(tree) if math.isfinite(time) and time > 0]
    turnover = [span for span in _turnovers(model) if math.isfinite(span) and span > 0]
    stop = max([*(1.5 * time for time in known), TURNOVERS * statistics.median(turnover) if turnover else 0.0])
    return Times(0.0, _rounded(stop) if stop > 0 else DEFAULT_STOP, COUNT)


def _trees(model: Model) -> Iterator[Tree]:
    yield from model.rates.values()
    yield from model.expressions.values()
    for event in model.events:
        yield event.trigger


def _awaited(tree: Tree) -> Iterator[float]:
    """Numbers that the time is compared with."""
    if not isinstance(tree, Call):
        return
    if tree.function in COMPARISONS and TIME in tree.arguments:
        yield from (a.value for a in tree.arguments if isinstance(a, Number))
    for argument in tree.arguments:
        yield from _awaited(argument)


def _turnovers(model: Model) -> Iterator[float]:
    """Of each state that moves at the start: its size (or the typical one where it is 0) over its rate."""
    values: Mapping[str, Tree] = model.values
    sizes: dict[str, float] = {}
    rates: dict[str, float] = {}
    for state, tree in model.rates.items():
        for known, formula in ((sizes, values[state]), (rates, tree)):
            try:
                found = substituted_at_start(formula, values, model.expressions, 0.0)
            except RecursionError:
                continue
            if isinstance(found, Number):
                known[state] = abs(found.value)
    typical = statistics.median([size for size in sizes.values() if size > 0] or [1.0])
    for state, rate in rates.items():
        if rate > 0 and state in sizes:
            yield (sizes[state] or typical) / rate


def _rounded(time: float) -> float:
    """The next number of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(time))
    return next((step * power for step in (1.0, 2.0, 5.0) if step * power >= time), 10.0 * power)
