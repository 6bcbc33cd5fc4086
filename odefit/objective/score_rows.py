"""From the moments of measurements at B points to values [B] and the rows of the score form, z [B, M] and A [B, M, P].

Every sum runs over the cells of one point, and everything else is done cell by cell: what comes out for a point does
not depend on the others. Families whose functions look at all cells together take the points one after the other.
"""

from __future__ import annotations

from dataclasses import field, fields
from typing import Any

import numpy as np

from odefit.arrays import FloatArray, IntArray
from odefit.objective.jacobian import LocalRows
from odefit.objective.measurements import DataBlock, ObservableData
from odefit.objective.noise.family import Family, Tail
from odefit.objective.noise.interval import limited, two_rows
from odefit.objective.observation import Moments
from odefit.records import dataclass


@dataclass
class ScoreRows:
    """The sum of -ln p, [B], and the rows as they grow, part by part.

    Attributes
    ----------
    total
        [B].
    z, weights
        Of each part, [B, M].
    parts
        What becomes A.
    kinked
        Which parts are those of absolute values.
    """

    total: FloatArray
    z: list[FloatArray] = field(default_factory=list)
    weights: list[FloatArray] = field(default_factory=list)
    parts: list[LocalRows] = field(default_factory=list)
    kinked: list[bool] = field(default_factory=list)

    def add(
        self, z: FloatArray, slopes: FloatArray, root: FloatArray, experiment: IntArray, kinked: bool = False
    ) -> None:
        """Rows with slopes [B, M, K] times root [B, M], which belong to experiments [M]."""
        weights = root
        if root.shape != z.shape:
            weights = np.empty(z.shape)
            weights[...] = root
        self.z.append(z)
        self.parts.append(LocalRows(slopes * root[..., None], experiment))
        self.weights.append(weights)
        self.kinked.append(kinked)

    def measure(self, data: ObservableData, observed: Moments, given: FloatArray | None, expected: bool) -> None:
        """Add the measured cells of one observable.

        Parameters
        ----------
        data, observed
            The cells and their moments.
        given
            [B], numbers that replace an estimated scale, which gets no rows then; or None.
        expected
            Whether A'A is to be the expected information.
        """
        family, part = data.family, data.measured
        d, m = part.values, part.of(observed.m)
        s = data.narrow_scale(part, observed) if given is None else data.in_units(given)
        self.total = self.total + _counted(family.nll(d, m, s), part).sum(axis=-1) + data.constant
        if observed.dm is not None:
            z, root = (family.location if expected else family.search_location)(d, m, s)
            slopes = part.of(observed.dm, axis=1)
            self.add(_shared(z, part), slopes, _shared(root, part), part.experiment, not family.is_smooth)
        if observed.ds is not None and given is None:
            z, root = family.scale(d, m, s)
            self.add(_shared(z, part), part.of(observed.ds, axis=1), _shared(root, part), part.experiment)

    def censor(self, data: ObservableData, part: DataBlock, observed: Moments, derivatives: bool) -> None:
        """Add the censored cells of one observable."""
        m = part.of(observed.m)
        tail = tail_of(data.family, part, m, data.scale(part, observed))
        self.total = self.total + _counted(tail.f, part).sum(axis=-1)
        if not derivatives:
            return
        for z, of_m, of_s in [tail.row()] if tail.within is None else two_rows(tail, observed.ds is not None):
            slopes = [
                part.of(slope, axis=1) * factor[..., None]
                for slope, factor in ((observed.dm, of_m), (observed.ds, of_s))
                if slope is not None
            ]
            if slopes:
                root = _shared(np.ones_like(z), part)
                self.add(_shared(z, part), sum(slopes[1:], start=slopes[0]), root, part.experiment)


def tail_of(family: Family, part: DataBlock, m: FloatArray, s: FloatArray) -> Tail:
    """The censored cells of a block at B points, [B, M] each."""
    if not family.is_count:
        return limited(family, part.side, part.values, part.far, m, s)
    none = part.far is None
    ends = np.full(len(part.rows), np.nan) if part.far is None else part.far
    each_point = _points(m, part.values, ends, m, s)
    tails = [limited(family, part.side, c, None if none else far, *point) for c, far, *point in each_point]
    each = [[getattr(tail, entry.name) for tail in tails] for entry in fields(Tail)]
    parts: list[Any] = [None if some[0] is None else np.stack(some) for some in each]
    return Tail(*parts)


def _points(like: FloatArray, *arrays: FloatArray) -> zip[tuple[FloatArray, ...]]:
    """The rows of arrays that broadcast to [B, M]."""
    return zip(*(np.broadcast_to(array, like.shape) for array in arrays), strict=True)


def _counted(terms: FloatArray, part: DataBlock) -> FloatArray:
    """Terms of a sum over the cells, each as often as its cell counts; a cell that does not count may be anything."""
    return terms if part.weight is None else np.where(part.weight > 0, part.weight * terms, 0.0)


def _shared(rows: FloatArray, part: DataBlock) -> FloatArray:
    """z, or the factor of A, of cells that count w times: both times sqrt(w), so that A'z and A'A count w times."""
    return rows if part.weight is None else np.where(part.weight > 0, np.sqrt(part.weight) * rows, 0.0)
