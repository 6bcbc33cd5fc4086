"""Least squares with a matrix in arrow form: the same minima as with all its entries, at a cost linear in the blocks.

How they are found stands in arrow_qr.py. A component that is held leaves its block, whose singular values are computed
anew.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.linalg.arrow_qr import Elimination, Reduced
from odefit.linalg.matrix import EPS, HeldLeastSquares, LeastSquares
from odefit.records import dataclass


@dataclass(frozen=True)
class ArrowLeastSquares(LeastSquares):
    """The problem [A D | z] in few rows. The methods are those of `LeastSquares`, where they are documented."""

    reduced: Reduced

    @cached_property
    def elimination(self) -> Elimination:
        """With all components free."""
        return Elimination(self.reduced)

    def decrease(self, p: FloatArray) -> float:
        r = self.reduced
        blocks, rest = r.times(p)
        slope = float((blocks * r.z).sum() + rest @ r.rest_z)
        return -slope - float((blocks * blocks).sum() + rest @ rest) / 2

    def steepness(self) -> float:
        slope = self.reduced.adjoint(self.reduced.z, self.reduced.rest_z)
        return float(np.sqrt(slope @ slope))

    def largest_curvature(self) -> float:
        return self.reduced.norm**2

    def minimiser(self, damping: float) -> FloatArray:
        return self.elimination.solve(damping)

    def held(self, damping: float) -> HeldLeastSquares:
        return _Held(self, damping)


@dataclass(frozen=True)
class _Held(HeldLeastSquares):
    problem: ArrowLeastSquares
    damping: float

    def solve(self, free: Mask, p: FloatArray) -> FloatArray:
        return Elimination(self.problem.reduced, free, p, self.problem.elimination).solve(self.damping)

    def slope(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        r = self.problem.reduced
        blocks, rest = r.times(p)
        slope = r.adjoint(blocks + r.z, rest + r.rest_z) + self.damping * p
        # What is left of a block may be rounding itself, where its parts cancel: so the sizes of the parts count.
        blocks, rest = r.absolute.times(np.abs(p))
        sizes = r.absolute.adjoint(blocks + r.absolute.z, rest + r.absolute.rest_z) + self.damping * np.abs(p)
        n = r.own.shape[1] + len(r.rest) + len(r.z) + len(p)
        return slope, n * EPS * sizes
