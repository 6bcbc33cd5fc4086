"""Experiments as flat arrays, made once for each set of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, IntArray, address
from odefit.data.experiments import Experiment
from odefit.engines.base import offsets_of, times_faults
from odefit.engines.experiment_sets import ExperimentSets
from odefit.engines.failure import Failure
from odefit.records import dataclass

MAX_SETS = 64
"""Sets of experiments that are remembered."""


@dataclass(frozen=True)
class Times:
    """The times of E experiments, one after the other.

    Attributes
    ----------
    start
        [E] where each begins.
    first
        [E + 1] the times of experiment e are `times[first[e]:first[e + 1]]`.
    faults
        Experiment -> why nothing can be integrated over its times.
    offset
        [E] what was subtracted from all times of an experiment.
    """

    start: FloatArray
    first: IntArray
    times: FloatArray
    lengths: IntArray
    faults: dict[int, Failure]
    offset: FloatArray

    @cached_property
    def addresses(self) -> tuple[int, ...]:
        """Of `start`, `first` and `times`."""
        return tuple(map(address, (self.start, self.first, self.times)))


class TimesOf:
    """The `Times` of sets of experiments, by their identity.

    Parameters
    ----------
    is_shifted
        Whether formulas do not know the time: then integration begins at 0, where times are told apart best.
    """

    def __init__(self, is_shifted: bool) -> None:
        self.is_shifted = is_shifted
        self._known = ExperimentSets[Times](MAX_SETS)

    def __call__(self, experiments: Sequence[Experiment]) -> Times:
        return self._known.find(experiments, lambda: self._made(experiments))

    def _made(self, experiments: Sequence[Experiment]) -> Times:
        lengths = [len(e.times) for e in experiments]
        start, first = np.array([e.start for e in experiments], dtype=np.float64), offsets_of(lengths)
        offset = start if self.is_shifted else np.zeros_like(start)
        times = np.concatenate([*(e.times for e in experiments), np.empty(0)])
        with np.errstate(invalid="ignore"):  # what is not finite is a fault
            shifted = times - np.repeat(offset, lengths)
            begins = start - offset
        return Times(
            start=begins,
            first=first,
            times=shifted,
            lengths=np.array(lengths, dtype=np.intp),
            faults=times_faults(times, start, first),
            offset=offset,
        )
