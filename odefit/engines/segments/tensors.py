"""Members on their ways in tensors, all together: what `solve_batch` does with an engine of torch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from odefit.arrays import FloatArray
from odefit.data.dataset import Batch, collate
from odefit.data.experiments import Experiment
from odefit.engines.failure import solve_error
from odefit.engines.segments.march import march_all
from odefit.engines.segments.march_torch import TensorMarch, stacked
from odefit.engines.segments.plan import Plan
from odefit.engines.segments.saltation import EventSensitivities, EventValues, SegmentStarts
from odefit.engines.segments.steady_state import SharedRests, SteadyState

Start = tuple[FloatArray, FloatArray]
Starts = Callable[[EventSensitivities, Experiment, EventValues, Start, SharedRests | None], SegmentStarts]
"""Where the segments of an experiment start, from its initial values and their derivatives."""


def solve_tensors(plan: Plan, p: Tensor, batch: Batch, steady: SteadyState | None, starts: Starts) -> Tensor:
    """States at the batch's times, [E, T, S]. Raises SolveError, which names the experiment."""
    marches = _marched(plan, p, batch, steady, starts)
    while plan.makes_room(one.failure for one in marches):
        marches = _marched(plan, p, batch, steady, starts)
    for experiment, one in zip(batch.experiments, marches, strict=True):
        if one.failure is not None:
            raise solve_error(experiment.name, one.failure)
    return stacked(marches, batch.times.shape[1])


def _marched(plan: Plan, p: Tensor, batch: Batch, steady: SteadyState | None, starts: Starts) -> list[TensorMarch]:
    values = p.detach().to("cpu", torch.float64).numpy()
    derived = plan.sensitivities(plan.segment_system.whole.parameters)
    (y, dy), events = derived.initial(values), derived.event_values(values)
    rests = None if steady is None else steady.shared(derived.names)
    marches = []
    for e, experiment in enumerate(batch.experiments):
        rest = None
        if rests is not None and experiment.steady_state:
            rest = functools.partial(rests.weight_shift, values[e], experiment)
        begun = starts(derived, experiment, events[e], (y[e], dy[e]), rests)
        marches.append(TensorMarch(p[e], derived, events[e], begun, rest))

    def solve(rows: list[Tensor], parts: list[Experiment]) -> Sequence[Tensor]:
        together = collate(list(enumerate(parts)), dtype=p.dtype, device=p.device)
        return plan.base.solve_batch(torch.stack(rows), together).unbind(0)

    march_all(marches, solve)
    return marches
