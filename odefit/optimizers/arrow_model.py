"""The quadratic model of A in arrow form: many experiments with parameters of their own, at a cost linear in them.

The same model with the same minima as that of a matrix (local_model.py); how they are found is told in
linalg/arrow_qr.py. A variable on a bound leaves its block, of which the singular values are computed anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.linalg.arrow_matrix import BlockRows
from odefit.linalg.arrow_qr import Elimination, Reduced, reduce
from odefit.linalg.score import Evaluation
from odefit.optimizers.local_model import EPS, BoxModel, Pinned, norm


@dataclass(frozen=True)
class ArrowModel(BoxModel):
    """The model at one point; reduced: [A D | z] in few rows."""

    reduced: Reduced
    low: FloatArray
    high: FloatArray

    @classmethod
    def at(cls, u: FloatArray, here: Evaluation, size: FloatArray, lower: FloatArray, upper: FloatArray) -> ArrowModel:
        """Raises TypeError where A is a matrix: that is what `LocalModel` is for."""
        if not isinstance(here.A, BlockRows):
            raise TypeError("the arrow form of A is needed")
        return cls(reduce(here.A, here.z, size), (lower - u) / size, (upper - u) / size)

    @cached_property
    def _free(self) -> Elimination:
        return Elimination(self.reduced)

    def decrease(self, p: FloatArray) -> float:
        r = self.reduced
        blocks, rest = r.times(p)
        slope = float((blocks * r.z).sum() + rest @ r.rest_z)
        return -slope - float((blocks * blocks).sum() + rest @ rest) / 2

    def steepness(self) -> float:
        return norm(self.reduced.adjoint(self.reduced.z, self.reduced.rest_z))

    def unbounded(self, damping: float) -> FloatArray:
        return self._free.solve(damping)

    def pinned(self, damping: float) -> Pinned:
        return _Pinned(self, damping)


@dataclass(frozen=True)
class _Pinned(Pinned):
    model: ArrowModel
    damping: float

    def solve(self, free: Mask, p: FloatArray) -> FloatArray:
        return Elimination(self.model.reduced, free, p, self.model._free).solve(self.damping)

    def slope(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        r = self.model.reduced
        blocks, rest = r.times(p)
        slope = r.adjoint(blocks + r.z, rest + r.rest_z) + self.damping * p
        # What is left of a block may be rounding itself, where its parts cancel: so the sizes of the parts count.
        blocks, rest = r.absolute.times(np.abs(p))
        sizes = r.absolute.adjoint(blocks + r.absolute.z, rest + r.absolute.rest_z) + self.damping * np.abs(p)
        n = r.own.shape[1] + len(r.rest) + len(r.z) + len(p)
        return slope, n * EPS * sizes
