"""One measured time series: when, what, and what is special about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from odefit.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class Dose:
    """`amount` of something enters a state at `time`: at once, or evenly over `duration`.

    time: absolute, of the experiment. amount: in the state's unit, may be negative (something is taken out).
    """

    time: float
    state: str
    amount: float
    duration: float = 0.0


@dataclass(frozen=True)
class Input:
    """A known function of time u(t), piecewise polynomial.

    knots: [K] increasing absolute times; coefficients: [K, 4], so that from knots[k] until the next knot

        u(t) = c0 + c1 s + c2 s² + c3 s³,   s = t - knots[k].

    The first polynomial also holds before its knot, the last one for ever after.
    """

    knots: FloatArray
    coefficients: FloatArray

    def piece(self, t: FloatArray | float) -> IntArray:
        """Which polynomial holds at t: at a knot, the one that begins there."""
        return np.clip(np.searchsorted(self.knots, t, side="right") - 1, 0, None)

    def __call__(self, t: FloatArray) -> FloatArray:
        """u at times t [T], [T]."""
        k = self.piece(t)
        s, c = t - self.knots[k], self.coefficients[k]
        value: FloatArray = c[..., 0] + s * (c[..., 1] + s * (c[..., 2] + s * c[..., 3]))
        return value


@dataclass(frozen=True)
class Experiment:
    """One time series. The integration starts at `start` and is read at `times`.

    times: [T], strictly increasing, all >= start.
    values: [T, O], one column per observable of the system; NaN = not measured.
    sigma: [T, O] measurement errors where the data file gives them, else None.
    censored: [T, O]; -1 where the truth is known to lie below `values` (`<0.5` in the file), 1 where it lies
        above (`>100`), 0 where the value itself was measured; None where all were.
    constants: parameters of the system that have a number of their own in this experiment
        (a dose, a temperature, a measured initial value).
    labels: what the experiments table says of it in words (`genotype: wt`), to group by.
    doses: what is put into its states, and when. inputs: the known functions of time that act on it.
    """

    name: str
    times: FloatArray
    values: FloatArray
    start: float
    sigma: FloatArray | None = None
    constants: Mapping[str, float] = field(default_factory=dict)
    censored: NDArray[np.int8] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    doses: tuple[Dose, ...] = ()
    inputs: Mapping[str, Input] = field(default_factory=dict)

    @property
    def n_measured(self) -> int:
        """Cells with a value, censored ones included."""
        return int(np.count_nonzero(~np.isnan(self.values)))

    def rows(self, rows: slice | IntArray, start: float | None = None) -> Experiment:
        """Some rows of the series, with all that belongs to them.

        Parameters
        ----------
        rows
            Which of the T rows, in increasing order.
        start
            Where the integration starts, at most the first time of these rows; default where it started before.
        """
        return replace(
            self,
            times=self.times[rows],
            values=self.values[rows],
            start=self.start if start is None else start,
            sigma=None if self.sigma is None else self.sigma[rows],
            censored=None if self.censored is None else self.censored[rows],
        )

    def at(self, times: FloatArray) -> Experiment:
        """The same experiment, to be predicted at other times: nothing is measured there."""
        blank = np.full((len(times), self.values.shape[1]), np.nan)
        return replace(self, times=np.asarray(times, dtype=np.float64), values=blank, sigma=None, censored=None)
