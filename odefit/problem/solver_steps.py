"""The steps of a fixed-step solver: its answer depends on them, so a curve between the data is solved with those of the
fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from odefit.arrays import FloatArray, IntArray, distinct
from odefit.data.experiments import HAIR, Experiment
from odefit.engines.methods import METHODS
from odefit.objective.problem import FitProblem


def solver_steps(problem: FitProblem, high: float) -> FloatArray | None:
    """The elapsed times between which a fixed-step solver steps in the fit; None for an adaptive one.

    Such a solver's answer depends on its steps: other times would show another curve than the fitted one.
    """
    options = problem.engine.options
    method = METHODS[problem.engine.method_in_use]
    if not method.is_fixed_step:
        return None
    import torch

    from odefit.engines.torch_engine import equal_steps, subdivide

    grid = distinct(np.concatenate([[0.0], *(e.times - e.start for e in problem.experiments)]))
    step = options.step or (float(np.diff(grid).min()) if len(grid) > 1 else 1.0)
    if len(grid) > 1 and (options.step is not None or method.is_multistep):
        divide = equal_steps if method.is_multistep else subdivide
        grid = divide(torch.as_tensor(grid), step).numpy()
    last = max(high - min(e.start for e in problem.experiments), 0.0)
    beyond = np.arange(grid[-1] + step, last + 0.5 * step, step)
    return np.concatenate([grid, beyond])


def own_steps(experiment: Experiment, steps: FloatArray, high: float) -> FloatArray:
    """Absolute times of the steps up to `high`; the start always, or the first one after it."""
    times = experiment.start + steps
    kept: FloatArray = times[times <= high + HAIR * max(high - experiment.start, abs(high))]
    return kept if len(kept) else times[:1]


def with_steps(
    problem: FitProblem, experiments: Sequence[Experiment]
) -> tuple[tuple[Experiment, ...], list[IntArray | slice]]:
    """The experiments as they have to be solved, and which of these times, [T] each, were asked for.

    An adaptive solver may be asked for any times; for a fixed-step one its own steps in the fit stand between them.
    """
    steps = solver_steps(problem, max(e.last for e in experiments))
    if steps is None:
        return tuple(experiments), [slice(None)] * len(experiments)
    fine = [e.among(own_steps(e, steps, e.last)) for e in experiments]
    return tuple(one for one, _ in fine), [own for _, own in fine]
