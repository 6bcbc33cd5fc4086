"""The rounds of a race with a solver that is no more exact than the default: which start is ahead shows long before the
eighth digit, and steps of order five with a hundredth of the precision are two and a half times as long."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray
from odefit.engines.tolerances import scaled_atol
from odefit.fitting.entrant import is_unfinished
from odefit.fitting.search_work import together
from odefit.fitting.solver_accuracy import problem_at
from odefit.fitting.tightening import continued
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.start_pool import StartOutcome
from odefit.problem.assembly import Assembly

LOOSE = 1e-6
"""The relative tolerance of a race, where the config's is smaller."""

LOOSE_SLOPES = 1e-4
"""The same of the sensitivities: they choose the way, and the values say whether it was one. So they follow the steps
that the states take, and a gradient takes half as long."""

NEAR = 10.0
"""Log-likelihood units above the best within which ends are told apart by what the config's own solver says."""


def loosened(assembly: Assembly) -> Assembly | None:
    """The same with a less exact solver; None where it is not more exact than the default, or has a fixed step."""
    options = assembly.problem.engine.options
    if options.rtol >= LOOSE or options.step is not None:
        return None
    factor = LOOSE / options.rtol
    of_slopes, floor = options.sensitivity_rtol or options.rtol, options.sensitivity_atol
    looser = replace(
        options,
        rtol=LOOSE,
        atol=scaled_atol(options, factor),
        sensitivity_rtol=max(of_slopes, LOOSE_SLOPES),
        sensitivity_atol=None if floor is None else factor * floor,
    )
    return replace(assembly, problem=problem_at(assembly, looser))


def ended_exactly(
    results: list[StartOutcome], exactly: Callable[[FloatArray], Iterable[StartOutcome]]
) -> list[StartOutcome]:
    """The results, those that have come to their ends searched on from there with the config's own solver: by
    `exactly`, from points [n, P'] numbered from 0. Those that are out of steps or time are not there yet."""
    ended = [r for r in results if r.outcome is not None and math.isfinite(r.value) and not is_unfinished(r.outcome)]
    if not ended:
        return results
    places = np.stack([r.outcome.u for r in ended if r.outcome is not None])
    later = [replace(r, number=ended[r.number].number) for r in exactly(places)]
    return continued(results, [r for r in later if math.isfinite(r.value)])


def valued_exactly(results: list[StartOutcome], objective: ProfileLikelihood) -> list[StartOutcome]:
    """The results, the ends near the best one with their values by the objective; unless it has none there."""
    best = min((r.value for r in results), default=math.inf)
    near = [k for k, r in enumerate(results) if r.outcome is not None and r.value <= best + NEAR]
    found, step = list(results), together(objective)
    for first in range(0, len(near), step):
        some = near[first : first + step]
        points = np.stack([o.u for k in some if (o := results[k].outcome) is not None])
        for k, value in zip(some, objective.values(points).tolist(), strict=True):
            outcome = results[k].outcome
            if outcome is not None and math.isfinite(value):
                ended = replace(outcome, value=value, history=(*outcome.history[:-1], value))
                found[k] = replace(results[k], outcome=ended)
    return found
