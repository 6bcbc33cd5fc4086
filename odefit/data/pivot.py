"""A table of measurements sorted by experiment and time, and how rows of single measurements become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

import numpy as np

from odefit.arrays import FloatArray
from odefit.data.csv_cells import IntArray, SignArray
from odefit.data.replicates import Repeats, split_replicates
from odefit.records import dataclass


@dataclass(frozen=True)
class Table:
    """Rows [R] sorted by experiment, then time, then side.

    Parameters
    ----------
    names, codes
        The experiments, and which of them each row [R] belongs to.
    lines
        [R], of the file.
    times
        [R].
    values, sigma, censored, covariates, ends
        [R, O], as in `Experiment`, ends being `other_end`.
    side
        [R], as in `Experiment`.
    notes
        What was done to the rows of the file, a sentence each, but for `repeats`.
    repeats
        What came again at the same time, if anything did.
    """

    names: tuple[str, ...]
    codes: IntArray
    lines: IntArray
    times: FloatArray
    values: FloatArray
    sigma: FloatArray | None
    censored: SignArray | None
    side: SignArray | None = None
    notes: tuple[str, ...] = ()
    covariates: Mapping[str, FloatArray] = field(default_factory=dict)
    repeats: Repeats | None = None
    ends: FloatArray | None = None


@dataclass(frozen=True)
class LongRows:
    """The rows [R] of a long file: one measurement, or none, in each."""

    codes: IntArray
    lines: IntArray
    observable: IntArray
    times: FloatArray
    values: FloatArray
    sigma: FloatArray | None
    censored: SignArray | None
    side: SignArray | None
    covariates: Mapping[str, FloatArray]
    ends: FloatArray | None = None

    @property
    def sides(self) -> SignArray:
        return np.zeros(len(self.times), dtype=np.int8) if self.side is None else self.side


def melted(table: Table) -> LongRows:
    """The rows of a wide table as a long file has them: one for each cell."""
    width = table.values.shape[1]
    return LongRows(
        codes=np.repeat(table.codes, width),
        lines=np.repeat(table.lines, width),
        observable=np.tile(np.arange(width, dtype=np.int64), len(table.times)),
        times=np.repeat(table.times, width),
        values=table.values.ravel(),
        sigma=None if table.sigma is None else table.sigma.ravel(),
        censored=None if table.censored is None else table.censored.ravel(),
        side=None if table.side is None else np.repeat(table.side, width),
        covariates={name: numbers.ravel() for name, numbers in table.covariates.items()},
        ends=None if table.ends is None else table.ends.ravel(),
    )


def pivot(experiments: tuple[str, ...], long: LongRows, width: int, notes: tuple[str, ...]) -> Table:
    """One row per experiment, time and side, one column per observable; replicates are experiments of their own."""
    keys = (long.observable, long.times, long.sides)
    experiments, codes = split_replicates(experiments, long.codes, keys, np.isnan(long.values))
    order = np.lexsort((long.sides, long.times, codes))
    codes, lines, times, side = codes[order], long.lines[order], long.times[order], long.sides[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (codes[1:] != codes[:-1]) | (times[1:] != times[:-1]) | (side[1:] != side[:-1])
    measured = ~np.isnan(long.values[order])
    source = order[measured]  # where each cell of the table comes from
    cell = ((np.cumsum(first) - 1)[measured], long.observable[source])
    shape = (int(first.sum()), width)
    values = np.full(shape, np.nan)
    values[cell] = long.values[source]
    sigma = censored = None
    if long.sigma is not None:
        sigma = np.full(shape, np.nan)
        sigma[cell] = long.sigma[source]
    if long.censored is not None:
        censored = np.zeros(shape, dtype=np.int8)
        censored[cell] = long.censored[source]
    ends = None
    if long.ends is not None:
        ends = np.full(shape, np.nan)
        ends[cell] = long.ends[source]
    covariates = {name: np.full(shape, np.nan) for name in long.covariates}
    for name, numbers in long.covariates.items():
        covariates[name][cell] = numbers[source]
    own = None if long.side is None else side[first]
    found = (experiments, codes[first], lines[first], times[first], values, sigma, censored, own, notes, covariates)
    return Table(*found, ends=ends)
