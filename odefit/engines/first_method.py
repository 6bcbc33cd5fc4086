"""With which of its two methods `auto` begins, found out once.

Where equations are stiff, each member would begin with steps of the explicit method until that is known anew: up to a
third of a short solution. So the values where a search starts are solved when the problem is put together, and what is
found is an option of the solver from then on: it depends on the config alone, not on what was solved before, and goes
wherever the problem goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, SolverOptions
from odefit.engines.methods import AUTO


def settled_engine(
    make: Callable[[SolverOptions], Engine], options: SolverOptions, p: FloatArray, experiments: Sequence[Experiment]
) -> Engine:
    """An engine whose `auto` begins with the stiff method if that is where most of these members end.

    Parameters
    ----------
    make
        Makes an engine.
    options
        How to integrate.
    p, experiments
        [M, L] and [M], the members that are tried.
    """
    engine = make(options)
    if options.method != AUTO or not engine.is_compiled:
        return engine
    engine.solve(p, experiments)
    if not engine.is_found_stiff:
        return engine.reset_copy()
    stiff = 0
    for own, experiment in zip(p, experiments, strict=True):
        engine = engine.reset_copy()
        engine.solve(own[None], [experiment])
        stiff += engine.is_found_stiff
    return make(replace(options, begins_stiff=True)) if 2 * stiff > len(experiments) else engine.reset_copy()
