"""One measured time series: when, what, and what is special about it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from odefit.arrays import FloatArray, IntArray
from odefit.data.cell_tables import Columns, beside_tables, cell_table, end_faults, real_array
from odefit.data.cell_texts import alike
from odefit.data.dose import Dose as Dose
from odefit.errors import DataError, Fault
from odefit.records import changed, dataclass

HAIR = 1e-12
"""How much earlier "just before" is, as a share of the time: more than rounding, and less than anything else."""
UNMEASURED: Mapping[str, None] = {"sigma": None, "censored": None, "other_end": None}
"""What stands beside measurements, where there are none."""


@dataclass(frozen=True)
class Input:
    """A known function of time u(t), piecewise polynomial. From knots[k] until the next knot

        u(t) = c0 + c1 s + c2 s² + c3 s³,   s = t - knots[k].

    The first polynomial also holds before its knot, the last one to the end of all times.

    Parameters
    ----------
    knots
        [K], absolute times in their order. One that comes twice is a jump: its first polynomial holds for no time.
    coefficients
        [K, 4].
    """

    knots: FloatArray
    coefficients: FloatArray

    def piece(self, t: FloatArray | float) -> IntArray:
        """Which polynomial holds at t: at a knot, the one that begins there."""
        return np.clip(np.searchsorted(self.knots, t, side="right") - 1, 0, None)

    @property
    def steps(self) -> FloatArray:
        """The knots at which u jumps."""
        with np.errstate(all="ignore"):
            c, s = self.coefficients[:-1], np.diff(self.knots)
            ends = c[:, 0] + s * (c[:, 1] + s * (c[:, 2] + s * c[:, 3]))
        size = np.abs(self.coefficients[:, 0]).max()
        found: FloatArray = self.knots[1:][np.abs(self.coefficients[1:, 0] - ends) > 1e-9 * size]
        return found

    def __call__(self, t: FloatArray) -> FloatArray:
        """u at times t [T], [T]."""
        t = np.where(np.isposinf(t), self.knots[-1], t)  # what holds on
        k = self.piece(t)
        s, c = t - self.knots[k], self.coefficients[k]
        value: FloatArray = c[..., 0] + s * (c[..., 1] + s * (c[..., 2] + s * c[..., 3]))
        return value


@dataclass(frozen=True, init=False)
class Experiment:
    """One time series. The integration starts at `start` and is read at `times`.

    Parameters
    ----------
    name
        What it is called; `A#2` is a replicate of `A`.
    times : array_like [T]
        Increasing, none before `start`; a time may come twice, as the rows before and after what happens then
        (`side`). The last one may be infinite: the steady state after all that happens.
    values : mapping of array_like [T] by observable, or array_like [T, O]
        The measurements; NaN or None where nothing was measured. The columns of an array are in the order of the
        system's observables.
    start
        Where the integration starts; default the first time.
    sigma : as values, optional
        The measurement errors, where they are known (for noise with `sigma: column`).
    constants
        Numbers that the formulas may name (a dose, a temperature), or a measured initial value `x_0`. A text is a
        formula of parameters and of the experiment's other constants, as a cell of `data.experiments` may be; it is
        kept in `formulas`.
    censored : as values, optional
        -1 where the truth is known to lie below `values` (`<0.5` in a file), 1 where it lies above (`>100`), 0 where
        the value itself was measured; default 0.
    other_end : as values, optional
        Where a censored value is known to lie between two numbers, the one that `values` does not say (0 for a value
        between 0 and the limit of quantification); NaN where there is none.
    labels
        Words to group experiments by (`genotype="wt"`).
    doses
        What is put into its states, and when.
    inputs
        The known functions of time that act on it; those of a fit come from the config.
    observables
        The names of the columns of `values`; empty where they are those of the system.
    covariates : mapping of array_like [T], or as values, by name
        Numbers beside the measurements that formulas of observables and noise may name (`sigma: s*x_sd`), one for each
        cell, or one for each time; a text among them is a formula of parameters.
    intervals
        [T, O, 2] for observables that are an increase: from when until when each cell counts. Not for users: it follows
        from the data.
    side : array_like [T], optional
        -1 where a row was measured just before what happens at its time (a dose, an event, a step of an input), 1 where
        just after it, 0 where nothing is said of it (then `data.at_jumps` of the config says it); default 0.
    start_is_given : bool, optional
        Whether nothing may be assumed of the start; default where `start` is given.
    start_side
        The side of the sample at the start, with which later ones are compared also where it is not at hand itself. Not
        for users: it follows from the rows.
    steady_state : bool, optional
        Whether it comes to rest before its start, where the model says so (`model.steady_state`).
    formulas
        The constants that are formulas, as texts.

    Raises
    ------
    DataError
        `values` is a mapping, and what was given does not fit together.

    Examples
    --------
    >>> import odefit
    >>> one = odefit.Experiment("mary", [0, 1, 2], {"conc": [0.0, 7.1, None]}, constants={"weight": 60})
    >>> one.values.shape, one.n_measured
    ((3, 1), 2)
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
    observables: tuple[str, ...] = ()
    covariates: Mapping[str, FloatArray] = field(default_factory=dict)
    intervals: FloatArray | None = None
    side: NDArray[np.int8] | None = None
    start_is_given: bool = False
    start_side: int | None = None
    steady_state: bool = True
    formulas: Mapping[str, str] = field(default_factory=dict)
    other_end: FloatArray | None = None

    def __init__(
        self,
        name: str,
        times: ArrayLike,
        values: Columns,
        start: float | None = None,
        sigma: Columns | None = None,
        constants: Mapping[str, float | str] | None = None,
        censored: Columns | None = None,
        labels: Mapping[str, str] | None = None,
        doses: Sequence[Dose] = (),
        inputs: Mapping[str, Input] | None = None,
        observables: Sequence[str] = (),
        covariates: Mapping[str, Columns] | None = None,
        intervals: FloatArray | None = None,
        side: ArrayLike | None = None,
        start_is_given: bool | None = None,
        start_side: int | None = None,
        steady_state: bool = True,
        formulas: Mapping[str, str] | None = None,
        other_end: Columns | None = None,
    ) -> None:
        by_hand = isinstance(values, Mapping)
        names = tuple(values) if isinstance(values, Mapping) else tuple(observables)
        t = real_array(name, "times", times)
        first = float(t.flat[0]) if t.size else math.nan
        first = 0.0 if first == math.inf else first
        texts = {key: value for key, value in (constants or {}).items() if isinstance(value, str)}
        sides = None if censored is None else cell_table(name, "censored", censored, names, len(t), 0.0)
        found: dict[str, Any] = {
            "name": name,
            "times": t,
            "values": cell_table(name, "values", values, names, len(t)),
            "start": first if start is None else float(start),
            "sigma": None if sigma is None else cell_table(name, "sigma", sigma, names, len(t)),
            "constants": {key: value for key, value in (constants or {}).items() if not isinstance(value, str)},
            "censored": None if sides is None else sides.astype(np.int8, copy=False),
            "labels": {} if labels is None else labels,
            "doses": tuple(doses),
            "inputs": {} if inputs is None else inputs,
            "observables": names,
            "intervals": intervals,
            "side": None if side is None else np.asarray(side).astype(np.int8, copy=False),
            "start_is_given": start is not None if start_is_given is None else start_is_given,
            "start_side": start_side,
            "steady_state": bool(steady_state),
            "formulas": texts | dict(formulas or {}),
            "other_end": None if other_end is None else cell_table(name, "other_end", other_end, names, len(t)),
        }
        width = found["values"].shape[-1]
        found["covariates"] = {}
        for key, given in (covariates or {}).items():
            found["covariates"] |= beside_tables(name, key, given, names, len(t), width)
        for key, value in found.items():
            object.__setattr__(self, key, value)
        if by_hand:
            self.check()

    @property
    def n_measured(self) -> int:
        """Cells with a value, censored ones included."""
        return int(np.count_nonzero(~np.isnan(self.values)))

    @property
    def sides(self) -> NDArray[np.int8]:
        """[T] -1 for the rows just before what happens at their time, 1 for those just after, 0 for all others."""
        return np.zeros(len(self.times), dtype=np.int8) if self.side is None else self.side

    @property
    def reference_side(self) -> int:
        """The side of what is at the start, for whatever is compared with it: as the sample there, else just after."""
        if self.start_side is not None:
            return self.start_side
        if self.side is None or not len(self.times) or self.times[0] != self.start:
            return 0
        return int(self.side[0])

    @property
    def clock(self) -> FloatArray:
        """[T] the times at which formulas of the time and inputs are read: a hair earlier in the rows before a jump."""
        if self.side is None:
            return self.times
        t = np.asarray(self.times, dtype=np.float64)
        hair = HAIR * np.maximum(np.abs(t), self.last - self.start) if len(t) else t
        return np.where((self.side < 0) & np.isfinite(t), t - np.where(np.isfinite(hair), hair, 0.0), t)

    @property
    def ends_at_rest(self) -> bool:
        """Whether its last row is at infinite time: the steady state after all that happens."""
        return bool(len(self.times)) and math.isinf(self.times[-1])

    @property
    def last(self) -> float:
        """The last finite time; the start where there is none."""
        n = len(self.times) - self.ends_at_rest
        return float(self.times[n - 1]) if n else self.start

    @property
    def slack(self) -> float:
        """Times that differ by less are one."""
        start, last = self.start, self.last
        return 1e-12 * (last - start) + 4 * float(np.finfo(np.float64).eps) * max(abs(start), abs(last))

    @property
    def before_and_after(self) -> tuple[Experiment, Experiment]:
        """The same with every row just before what happens at its time, and just after it."""
        before, after = (np.full(len(self.times), side, dtype=np.int8) for side in (-1, 1))
        return changed(self, side=before), changed(self, side=after)

    def rows(self, rows: slice | IntArray, start: float | None = None) -> Experiment:
        """Some rows of the series, with all that belongs to them.

        Parameters
        ----------
        rows
            Which of the T rows, in increasing order.
        start
            Where the integration starts, at most the first time of these rows; default where it started before.
        """
        return changed(
            self,
            times=self.times[rows],
            values=self.values[rows],
            start=self.start if start is None else start,
            sigma=None if self.sigma is None else self.sigma[rows],
            censored=None if self.censored is None else self.censored[rows],
            other_end=None if self.other_end is None else self.other_end[rows],
            covariates={name: numbers[rows] for name, numbers in self.covariates.items()},
            intervals=None if self.intervals is None else self.intervals[rows],
            side=None if self.side is None else self.side[rows],
            start_side=self.reference_side if start is None else None,
        )

    def at(self, times: FloatArray, side: NDArray[np.int8] | None = None) -> Experiment:
        """The same experiment, to be predicted at other times: nothing is measured there, and counts go from one of
        these times to the next."""
        t = np.asarray(times, dtype=np.float64)
        blank, intervals = np.empty((len(t), self.values.shape[1])), np.empty((len(t), self.values.shape[1], 2))
        blank.fill(np.nan)
        intervals[:1, :, 0], intervals[1:, :, 0], intervals[:, :, 1] = self.start, t[:-1, None], t[:, None]
        # What is one number in the whole series is that at other times, too.
        unknown = {key: np.broadcast_to(alike(table), blank.shape) for key, table in self.covariates.items()}
        bare = {"times": t, "values": blank, **UNMEASURED, "covariates": unknown, "side": side}
        return changed(self, **bare, intervals=intervals, start_side=self.reference_side)

    def among(self, times: FloatArray) -> tuple[Experiment, IntArray]:
        """The same measurements among other times, at which nothing is measured; and where [T] its own times are."""
        more = np.setdiff1d(times, self.times)
        return self.among_rows(more, np.zeros(len(more), dtype=np.int8))

    def among_rows(self, times: FloatArray, side: NDArray[np.int8]) -> tuple[Experiment, IntArray]:
        """The same among rows at these times and sides [M], none of which it has."""
        t, sides = np.append(self.times, times), np.append(self.sides, side)
        order = np.lexsort((sides, t))
        place = np.empty(len(order), dtype=np.intp)
        place[order] = np.arange(len(order))
        t, own = t[order], place[: len(self.times)]

        def spread(table: Any, fill: float) -> Any:
            if table is None:
                return None
            wide = np.full((len(t), *table.shape[1:]), fill, dtype=table.dtype)
            wide[own] = table
            return wide

        intervals = None
        if self.intervals is not None:
            intervals = np.broadcast_to(t[:, None, None], (len(t), *self.intervals.shape[1:])).copy()
            intervals[own] = self.intervals
        wide = changed(
            self,
            times=t,
            values=spread(self.values, np.nan),
            sigma=spread(self.sigma, np.nan),
            censored=spread(self.censored, 0),
            other_end=spread(self.other_end, np.nan),
            covariates={name: spread(numbers, np.nan) for name, numbers in self.covariates.items()},
            intervals=intervals,
            side=sides[order] if sides.any() else None,
            start_side=self.reference_side,
        )
        return wide, own

    def check(self) -> None:
        """Raise DataError, with all that is wrong, unless this is an experiment that could be fitted."""
        faults = [Fault(f"experiment {self.name}", what) for what in self._faults()]
        if faults:
            raise DataError(faults=faults)

    def _faults(self) -> Iterator[str]:
        t, values = self.times, self.values
        if not isinstance(self.name, str) or not self.name.strip():
            yield f"the name must be text (got {self.name!r})"
        if t.ndim != 1 or not len(t):
            yield f"times: must be a list of one number or more (got the shape {t.shape})"
            return
        finite = t[:-1] if np.isposinf(t[-1]) else t
        if not np.isfinite(finite).all():
            bad = float(finite[~np.isfinite(finite)][0])
            what = "may come once, as the last" if bad == math.inf else "is no time; leave that measurement out"
            yield f"times: {bad!r} {what}"
        elif self.side is not None and self.side.shape != t.shape:
            yield f"side: must be one for each of {len(t)} times (got the shape {self.side.shape})"
        elif self.side is not None and not np.isin(self.side, (-1, 0, 1)).all():
            yield "side: must be -1 (just before), 1 (just after) or 0"
        elif (back := (np.diff(t) < 0) | ((np.diff(t) == 0) & (np.diff(self.sides) <= 0))).any():
            k = int(np.argmax(back))
            order = f"{float(t[k + 1])!r} comes after {float(t[k])!r}; put them in order"
            yield f"times: {order}, and what was measured again at the same time into an experiment '{self.name}#2'"
        elif not self.start <= t[0]:
            yield f"start: {self.start!r} is later than the first time, {float(t[0])!r}"
        if np.isinf(values).any():
            yield "values: one is infinite; write NaN where nothing was measured"
        beside = [(f"covariates: {name}", numbers) for name, numbers in self.covariates.items()]
        ends = ("other_end", self.other_end)
        for what, table in (("values", values), ("sigma", self.sigma), ("censored", self.censored), ends, *beside):
            if table is not None and (table.ndim != 2 or len(table) != len(t) or table.shape != values.shape):
                yield f"{what}: must be one row for each of {len(t)} times (got the shape {table.shape})"
                return
        if self.other_end is not None:
            yield from end_faults(values, self.censored, self.other_end)
        known = ~np.isnan(values)
        if self.sigma is not None:
            if (self.sigma <= 0).any():
                yield "sigma: one is not positive"
            lost = (known & np.isnan(self.sigma)).any(axis=0) & ~np.isnan(self.sigma).all(axis=0)
            if lost.any():
                yield "sigma is missing for a measured value; give all or none"
