"""One measured time series: when, what, and what is special about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Experiment:
    """One time series. The integration starts at `start` and is read at `times`.

    times: [T], strictly increasing, all >= start.
    values: [T, O], one column per observable of the system; NaN = not measured.
    sigma: [T, O] measurement errors where the data file gives them, else None.
    constants: parameters of the system that have a number of their own in this experiment
        (a dose, a temperature, a measured initial value).
    """

    name: str
    times: FloatArray
    values: FloatArray
    start: float
    sigma: FloatArray | None = None
    constants: Mapping[str, float] = field(default_factory=dict)

    @property
    def n_measured(self) -> int:
        return int(np.count_nonzero(~np.isnan(self.values)))

    def at(self, times: FloatArray) -> Experiment:
        """The same experiment, to be predicted at other times: nothing is measured there."""
        blank = np.full((len(times), self.values.shape[1]), np.nan)
        return replace(self, times=np.asarray(times, dtype=np.float64), values=blank, sigma=None)
