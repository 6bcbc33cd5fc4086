"""Matrices of the score form at many points at once, and their least-squares problems: one leading axis B.

Each point's numbers are computed from its own alone, in the same order whatever B is: the answers do not depend on
which points are asked together. `DenseStack` (dense_stack.py) is one array; a `MatrixList` asks its matrices one after
the other, which costs nothing beside the work of each of them where they are in arrow form.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.linalg.matrix import HeldLeastSquares, LeastSquares, Matrix
from odefit.records import dataclass


class HeldStack(ABC):
    """`HeldLeastSquares` of B points."""

    @abstractmethod
    def solve(self, free: Mask, p: FloatArray) -> FloatArray:
        """The minimisers [B, P] over the free components, [B, P], the others being those of `p`."""

    @abstractmethod
    def slope(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The gradients at p [B, P], and how much of each component may be rounding, [B, P] each."""

    @abstractmethod
    def take(self, points: IntArray) -> HeldStack:
        """Those of some points."""


class LeastSquaresStack(ABC):
    """`LeastSquares` of B points, with one damping each."""

    @abstractmethod
    def decrease(self, p: FloatArray) -> FloatArray:
        """-m(p), [B]."""

    @abstractmethod
    def steepness(self) -> FloatArray:
        """|D A'z|, [B]."""

    @abstractmethod
    def largest_curvature(self) -> FloatArray:
        """[B], or less by at most a factor of 2."""

    @abstractmethod
    def minimiser(self, damping: FloatArray) -> FloatArray:
        """The minimisers [B, P] of m(p) + damping |p|²/2; for damping 0 the shortest ones."""

    def is_strict(self, damping: FloatArray) -> Mask:
        """[B], whether m(p) + damping |p|²/2 is known to be so convex that its minimum is the same to many digits
        however it is found."""
        return np.zeros(len(damping), dtype=bool)

    def quick_minima(
        self, damping: FloatArray, radius: FloatArray, low: FloatArray, high: FloatArray
    ) -> tuple[FloatArray, FloatArray, Mask] | None:
        """The minimisers [B, P] in boxes [B, P] around 0 and in radii [B], the dampings that they take, and which of
        them are found; None where there is no quick way to them."""
        del damping, radius, low, high
        return None

    @abstractmethod
    def held(self, damping: FloatArray) -> HeldStack:
        """The same problems when some components of p are held."""

    def strictly_held(self, damping: FloatArray) -> HeldStack:
        """`held` of problems that are strict, where there is a quicker way to their minima."""
        return self.held(damping)

    def near_minimisers(self, damping: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray | None:
        """Minimisers in boxes [B, P] around 0 of almost the same problems, whatever their rank, and lower than 0; None
        where there is no quick way to them."""
        del damping, low, high
        return None

    @abstractmethod
    def shifted(self, change: FloatArray) -> LeastSquaresStack:
        """The problems with z + change [B, M] in the place of z."""

    @abstractmethod
    def take(self, points: IntArray) -> LeastSquaresStack:
        """Those of some points, whose positions increase; the stack itself where these are all."""

    @abstractmethod
    def put(self, points: IntArray, other: Any) -> None:
        """Replace those of some points by another stack of the same kind."""


class MatrixStack(ABC):
    """A [B, M, P]; the methods are those of `Matrix` with a leading axis."""

    @abstractmethod
    def __len__(self) -> int:
        """B."""

    @abstractmethod
    def __getitem__(self, point: int) -> Matrix:
        """The matrix of one point."""

    @abstractmethod
    def times(self, d: FloatArray) -> FloatArray:
        """A d [B, M] of d [B, P]."""

    @abstractmethod
    def adjoint(self, z: FloatArray) -> FloatArray:
        """A'z [B, P] of z [B, M]."""

    @property
    @abstractmethod
    def lengths(self) -> FloatArray:
        """[B, P]."""

    @property
    @abstractmethod
    def max_abs(self) -> FloatArray:
        """[B]."""

    @abstractmethod
    def select(self, columns: IntArray) -> MatrixStack:
        """The matrices of some of the columns, whose positions increase."""

    @abstractmethod
    def take(self, points: IntArray) -> MatrixStack:
        """Those of some points, whose positions increase; the stack itself where these are all."""

    @abstractmethod
    def put(self, points: IntArray, other: Any) -> None:
        """Replace those of some points by another stack of the same kind."""

    @abstractmethod
    def least_squares(self, z: FloatArray, size: FloatArray | float = 1.0) -> LeastSquaresStack:
        """The least-squares problems for z [B, M], in p = d / size."""


@dataclass(eq=False)
class MatrixList(MatrixStack):
    """Matrices of any form, one after the other."""

    matrices: list[Matrix]

    def __len__(self) -> int:
        return len(self.matrices)

    def __getitem__(self, point: int) -> Matrix:
        return self.matrices[point]

    def times(self, d: FloatArray) -> FloatArray:
        return np.stack([a.times(row) for a, row in zip(self.matrices, d, strict=True)])

    def adjoint(self, z: FloatArray) -> FloatArray:
        return np.stack([a.adjoint(row) for a, row in zip(self.matrices, z, strict=True)])

    @property
    def lengths(self) -> FloatArray:
        return np.stack([a.lengths for a in self.matrices])

    @property
    def max_abs(self) -> FloatArray:
        return np.array([a.max_abs for a in self.matrices])

    def select(self, columns: IntArray) -> MatrixList:
        return MatrixList([a.select(columns) for a in self.matrices])

    def take(self, points: IntArray) -> MatrixList:
        return MatrixList([self.matrices[b] for b in points])

    def put(self, points: IntArray, other: MatrixList) -> None:
        for b, matrix in zip(points, other.matrices, strict=True):
            self.matrices[b] = matrix

    def least_squares(self, z: FloatArray, size: FloatArray | float = 1.0) -> LeastSquaresList:
        problems = [a.least_squares(row, size) for a, row in zip(self.matrices, z, strict=True)]
        return LeastSquaresList(list(self.matrices), list(z), size, problems)


@dataclass
class LeastSquaresList(LeastSquaresStack):
    """Problems of any form, one after the other."""

    matrices: list[Matrix]
    z: list[FloatArray]
    size: FloatArray | float
    problems: list[LeastSquares]

    def decrease(self, p: FloatArray) -> FloatArray:
        return np.array([problem.decrease(row) for problem, row in zip(self.problems, p, strict=True)])

    def steepness(self) -> FloatArray:
        return np.array([problem.steepness() for problem in self.problems])

    def largest_curvature(self) -> FloatArray:
        return np.array([problem.largest_curvature() for problem in self.problems])

    def minimiser(self, damping: FloatArray) -> FloatArray:
        return np.stack([problem.minimiser(float(d)) for problem, d in zip(self.problems, damping, strict=True)])

    def held(self, damping: FloatArray) -> _HeldList:
        return _HeldList([problem.held(float(d)) for problem, d in zip(self.problems, damping, strict=True)])

    def shifted(self, change: FloatArray) -> LeastSquaresList:
        z = [row + extra for row, extra in zip(self.z, change, strict=True)]
        problems = [a.least_squares(row, self.size) for a, row in zip(self.matrices, z, strict=True)]
        return LeastSquaresList(self.matrices, z, self.size, problems)

    def take(self, points: IntArray) -> LeastSquaresList:
        matrices, z = [self.matrices[b] for b in points], [self.z[b] for b in points]
        return LeastSquaresList(matrices, z, self.size, [self.problems[b] for b in points])

    def put(self, points: IntArray, other: LeastSquaresList) -> None:
        for k, b in enumerate(points):
            self.matrices[b], self.z[b], self.problems[b] = other.matrices[k], other.z[k], other.problems[k]


@dataclass
class _HeldList(HeldStack):
    problems: Sequence[HeldLeastSquares]

    def solve(self, free: Mask, p: FloatArray) -> FloatArray:
        # With nothing free there is nothing to be solved.
        return np.stack([q.solve(f, row) if f.any() else row for q, f, row in zip(self.problems, free, p, strict=True)])

    def slope(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        pairs = [problem.slope(row) for problem, row in zip(self.problems, p, strict=True)]
        return np.stack([slope for slope, _ in pairs]), np.stack([rounding for _, rounding in pairs])

    def take(self, points: IntArray) -> _HeldList:
        return _HeldList([self.problems[b] for b in points])


@dataclass(frozen=True)
class OneLeastSquares(LeastSquares):
    """A stack of one as a single problem."""

    stack: LeastSquaresStack

    def decrease(self, p: FloatArray) -> float:
        return float(self.stack.decrease(p[None])[0])

    def steepness(self) -> float:
        return float(self.stack.steepness()[0])

    def largest_curvature(self) -> float:
        return float(self.stack.largest_curvature()[0])

    def minimiser(self, damping: float) -> FloatArray:
        found: FloatArray = self.stack.minimiser(np.array([damping]))[0]
        return found

    def held(self, damping: float) -> HeldLeastSquares:
        return _OneHeld(self.stack.held(np.array([damping])))


@dataclass(frozen=True)
class _OneHeld(HeldLeastSquares):
    stack: HeldStack

    def solve(self, free: Mask, p: FloatArray) -> FloatArray:
        found: FloatArray = self.stack.solve(free[None], p[None])[0]
        return found

    def slope(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        slope, rounding = self.stack.slope(p[None])
        return slope[0], rounding[0]
