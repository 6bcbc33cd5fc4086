"""Replicates are solved once: the same experiment but for what was measured, with the same parameters."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.data.experiments import Experiment


def distinct(p: FloatArray, experiments: Sequence[Experiment]) -> tuple[IntArray, IntArray]:
    """Which members differ.

    Parameters
    ----------
    p
        [M, L], the parameters of each member.
    experiments
        [M]

    Returns
    -------
    first, of
        [D], the members to be solved, and [M], which of these each member is.
    """
    known: dict[Hashable, int] = {}
    firsts, of = list[int](), list[int]()
    for m, experiment in enumerate(experiments):
        key = (p[m].tobytes(), _way(experiment))
        if key not in known:
            known[key] = len(firsts)
            firsts.append(m)
        of.append(known[key])
    return np.array(firsts, dtype=np.intp), np.array(of, dtype=np.intp)


def _way(experiment: Experiment) -> Hashable:
    """All that a solution sees of an experiment."""
    inputs = [(n, u.knots.tobytes(), u.coefficients.tobytes()) for n, u in sorted(experiment.inputs.items())]
    times, sides = np.asarray(experiment.times, dtype=np.float64).tobytes(), experiment.sides.tobytes()
    at_start = (experiment.start, experiment.steady_state, experiment.start_is_given, experiment.start_side)
    return (*at_start, times, sides, experiment.doses, *inputs)
