"""What values that are drawn anew are known as, where some of an observable are known by limits or intervals only.

limits      A value beyond the limit of its cell is known to be beyond it, and before its other end where it has one.
            Any other is seen. A measured cell has the limit of the censored ones, where they have one and the same.
classes     Intervals that touch one another, as `0..2`, `2..5`, `>5`: a value is known by the class that it falls into.
            Beside them all it is seen where measurements lie there; else classes as wide as the outermost one follow.
intervals   Other intervals, as of rounded readings: a value is known by an interval as wide as that of its cell, one of
            those that follow it without a gap.

All numbers are on the scale of the noise, on which the widths of intervals are compared, too.
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.objective.measurements import DataBlock, ObservableData
from odefit.records import dataclass


@dataclass(frozen=True)
class Known:
    """What is known of n x M values.

    Parameters
    ----------
    side
        [n, M], 0 where a value is seen; else as of `DataBlock`.
    limit, far
        [n, M], as `values` and `far` of `DataBlock`; of no meaning where a value is seen.
    """

    side: FloatArray
    limit: FloatArray
    far: FloatArray


def known(data: ObservableData, d: FloatArray) -> Known:
    """What is known of values d [n, M] of an observable with censored cells; the measured of its M cells come first."""
    part = data.censored
    assert part is not None
    far = np.full(len(part.rows), np.nan) if part.far is None else part.far
    if len(data.rows) and _are_limits(part, far):
        return _by_limits(part, far, np.ones(len(far), dtype=bool), d)
    order = _classes(part, far)
    if order is None:
        return _by_intervals(part, far, d)
    return _by_classes(part.values[order], far[order], part.side[order], data.values, d)


def _ends(limit: FloatArray, far: FloatArray, side: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The lower and the upper ends of intervals; infinite where there is none."""
    other = np.where(np.isnan(far), side * np.inf, far)
    return np.where(side < 0, other, limit), np.where(side < 0, limit, other)


def _shared(values: FloatArray) -> float:
    """The one number that all are; NaN where there is none."""
    return float(values[0]) if len(values) and (values == values[0]).all() else np.nan


def _are_limits(part: DataBlock, far: FloatArray) -> bool:
    """Whether what lies beyond the limits of a side has one and the same other end."""
    ends = (far[(part.side == side) & ~np.isnan(far)] for side in (-1, 1))
    return all(len(np.unique(end)) < 2 for end in ends)


def _by_limits(part: DataBlock, far: FloatArray, which: Mask, d: FloatArray) -> Known:
    """which: the censored cells that have limits."""
    n = d.shape[1] - len(which)
    side, limit, other = np.zeros(d.shape), np.full(d.shape, np.nan), np.full(d.shape, np.nan)
    for sign in (-1.0, 1.0):
        own = which & (part.side == sign)
        limits, ends = np.full((2, d.shape[1]), np.nan)
        limits[:] = _shared(part.values[own])
        limits[n:][own] = part.values[own]
        ends[:] = _shared(far[own])
        ends[n:][own] = far[own]
        for found, own_side in ((side, sign), (limit, limits), (other, ends)):
            np.copyto(found, own_side, where=sign * (d - limits) > 0)
    return Known(side, limit, other)


def _classes(part: DataBlock, far: FloatArray) -> IntArray | None:
    """One cell of each class, in their order; None where the intervals do not touch one another."""
    ends = np.column_stack(_ends(part.values, far, part.side))
    ends, order = np.unique(ends, axis=0, return_index=True)
    touching = len(order) > 1 and (ends[:-1, 1] == ends[1:, 0]).all()
    return order if touching else None


def _by_classes(limit: FloatArray, far: FloatArray, side: FloatArray, seen: FloatArray, d: FloatArray) -> Known:
    """limit, far, side: [C], of the classes in their order. seen: the measured values."""
    low, high = _ends(limit, far, side)
    # The end that is a limit does not belong to a class, which tells for counts.
    above = np.where(side > 0, d[..., None] > low, d[..., None] >= low)
    k = np.maximum(above.sum(axis=-1) - 1, 0)
    seen_there = ((d < low[0]) & (seen < low[0]).any()) | ((d > high[-1]) & (seen > high[-1]).any())
    return Known(np.where(seen_there, 0.0, side[k]), *_moved(d, limit[k], far[k], side[k]))


def _by_intervals(part: DataBlock, far: FloatArray, d: FloatArray) -> Known:
    are_wide = ~np.isnan(far)
    found = _by_limits(part, far, ~are_wide, d)
    wide, n = np.flatnonzero(are_wide), d.shape[1] - len(far)
    cells = n + wide
    found.side[:, cells] = part.side[wide]
    found.limit[:, cells], found.far[:, cells] = _moved(d[:, cells], part.values[wide], far[wide], part.side[wide])
    return found


def _moved(d: FloatArray, limit: FloatArray, far: FloatArray, side: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Limits and other ends moved by whole widths of their intervals, so that values d lie between them."""
    low, high = _ends(limit, far, side)
    wide = np.isfinite(high - low)
    width = np.where(wide, high - low, 1.0)
    steps = np.where(wide, d - low, 0.5) / width
    moved = np.where(side > 0, np.ceil(steps) - 1, np.floor(steps)) * width
    return limit + moved, far + moved
