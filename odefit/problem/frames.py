"""Measurements and solutions as pandas frames, and the times that a user asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.data.side_column import AT_JUMP, side_words
from odefit.model.system import System
from odefit.objective.problem import FitProblem
from odefit.text import suggest

if TYPE_CHECKING:
    import pandas as pd

SIDES = {-1: "below", 0: None, 1: "above"}
"""What a censored measurement is called in a frame."""


def wanted_times(
    experiments: Sequence[Experiment], times: ArrayLike | Mapping[str, ArrayLike] | None
) -> tuple[Experiment, ...]:
    """The experiments at the times that are asked for, or at their own; inf: at rest. Raises ValueError."""
    if times is None:
        return tuple(experiments)
    if isinstance(times, Mapping):
        known = {e.name: e for e in experiments}
        for name in times:
            if name not in known:
                raise ValueError(f"times: '{name}' is no experiment; {suggest(str(name), known)}")
        found = tuple(_at(e, times[e.name]) if e.name in times else e for e in experiments)
    else:
        found = tuple(_at(e, times) for e in experiments)
    if any(e.ends_at_rest for e in found) and not any(e.ends_at_rest for e in experiments):
        raise ValueError("times: inf is for data that have a row at infinite time; take a late time in its place")
    return found


def _at(experiment: Experiment, times: ArrayLike) -> Experiment:
    """At increasing times; of one that comes twice the first is just before what happens then."""
    array = np.atleast_1d(np.asarray(times, dtype=np.float64))
    finite = array[:-1] if array.ndim == 1 and array.size and array[-1] == np.inf else array
    if array.ndim != 1 or not array.size or not np.isfinite(finite).all() or (np.diff(finite) < 0).any():
        raise ValueError("times: must be numbers, each later than the one before, of which the last may be inf")
    twice = array[1:] == array[:-1]
    if (twice[1:] & twice[:-1]).any():
        raise ValueError("times: one may come twice, for before and after a dose or an event, and not more often")
    if array[0] < experiment.start:
        raise ValueError(f"times: {array[0]:g} comes before experiment {experiment.name} starts ({experiment.start:g})")
    side = np.zeros(len(array), dtype=np.int8)
    side[:-1][twice], side[1:][twice] = -1, 1
    return experiment.at(array, side if twice.any() else None)


def measured_frame(problem: FitProblem) -> pd.DataFrame:
    """One row for each measurement that a problem sees: observable by observable, those that are limits behind."""
    import pandas as pd

    parts = []
    values = np.concatenate([e.values for e in problem.experiments])
    ends = None
    if any(e.other_end is not None for e in problem.experiments):
        each = [np.full(e.values.shape, np.nan) if e.other_end is None else e.other_end for e in problem.experiments]
        ends = np.concatenate(each)
    experiments = np.array([e.name for e in problem.experiments], dtype=object)
    for column, (name, data) in enumerate(zip(problem.observation.names, problem.data, strict=True)):
        for part in data.blocks:
            parts.append(
                pd.DataFrame(
                    {
                        "experiment": experiments[problem.owner[part.rows]],
                        "time": problem.times[part.rows],
                        "observable": name,
                        "value": values[part.rows, column],
                        "censored": [SIDES[int(side)] for side in part.side],
                        **({} if ends is None else {"other_end": ends[part.rows, column]}),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def solution_frame(
    system: System,
    experiments: Sequence[Experiment],
    states: Sequence[FloatArray],
    observables: Sequence[FloatArray],
    expressions: Sequence[FloatArray],
) -> pd.DataFrame:
    """The wide layout: experiment, time, every observable, and the states [T, S] and expressions [T, X] that no
    observable is named like."""
    import pandas as pd

    owner = np.repeat(np.array([e.name for e in experiments], dtype=object), [len(e.times) for e in experiments])
    y, g, x = np.concatenate(states), np.concatenate(observables), np.concatenate(expressions)
    columns = {"experiment": owner, "time": np.concatenate([e.times for e in experiments])}
    columns |= {name: g[:, k] for k, name in enumerate(system.observables)}
    columns |= {name: y[:, k] for k, name in enumerate(system.states) if name not in system.observables}
    columns |= {name: x[:, k] for k, name in enumerate(system.expressions) if name not in system.observables}
    if any(e.sides.any() for e in experiments):
        columns |= {AT_JUMP: np.array([word for e in experiments for word in side_words(e)], dtype=object)}
    return pd.DataFrame(columns)
