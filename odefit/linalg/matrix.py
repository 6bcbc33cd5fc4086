"""What everything asks of the matrix A of the score form, whatever form it is kept in.

`DenseMatrix` holds all entries. `ArrowMatrix` holds those of many experiments with parameters of their own, at a cost
linear in the experiments. Nothing outside this folder needs to know which one it has: a third form is one class here,
and one line where A is made (objective/jacobian.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask

EPS = float(np.finfo(np.float64).eps)
"""The relative rounding error of float64."""


class HeldLeastSquares(ABC):
    """m(p) + damping |p|²/2 for one damping, to be minimised while some components of p are held."""

    @abstractmethod
    def solve(self, free: Mask, p: FloatArray) -> FloatArray:
        """The minimiser over the free components.

        Parameters
        ----------
        free
            [P], at least one of them True.
        p
            [P], the values of the others.

        Returns
        -------
        FloatArray
            [P], with the components of `p` where they are held.
        """

    @abstractmethod
    def slope(self, p: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The gradient at p [P], and how much of each component may be rounding, [P] each."""


class LeastSquares(ABC):
    """The quadratic function m of p [P] for one right-hand side z [M] and scale D = diag(size):

        m(p) = |A D p + z|²/2 - |z|²/2.

    A is decomposed once; every damping is cheap then.
    """

    @abstractmethod
    def decrease(self, p: FloatArray) -> float:
        """-m(p)."""

    @abstractmethod
    def steepness(self) -> float:
        """|D A'z|, the length of the gradient at p = 0."""

    @abstractmethod
    def largest_curvature(self) -> float:
        """The largest curvature of the problem, or less by at most a factor of 2."""

    @abstractmethod
    def minimiser(self, damping: float) -> FloatArray:
        """The minimiser [P] of m(p) + damping |p|²/2; for damping 0 the shortest one."""

    @abstractmethod
    def held(self, damping: float) -> HeldLeastSquares:
        """The same problem when some components of p are held."""


class Inverse(ABC):
    """The inverse of A'A over some of the columns, as far as there is one.

    With the singular values of the chosen columns, scaled to length one, A D = U S V', it is D V S^-2 V' D over those
    values that are not rounding. It is zero for columns that were not chosen. `null` means the directions that were
    left out, as unit vectors of the scaled columns.
    """

    @property
    @abstractmethod
    def diagonal(self) -> FloatArray:
        """[P], not below zero but for rounding."""

    @abstractmethod
    def part(self, columns: IntArray) -> FloatArray:
        """The entries [k, k] of k columns."""

    @property
    @abstractmethod
    def participation(self) -> FloatArray:
        """How much of each column lies in null directions, [P], from 0 to 1."""

    @abstractmethod
    def partners(self, column: int) -> FloatArray:
        """How the columns move together with this one in null directions, [P]: a column of a projection."""

    @abstractmethod
    def null_parts(self, slopes: FloatArray, columns: IntArray) -> FloatArray:
        """How much of linear functions lies in null directions.

        Parameters
        ----------
        slopes
            [T, k], of T functions of k columns.
        columns
            [k].

        Returns
        -------
        FloatArray
            [T], from 0 to 1: the share of the length of the slopes, in units of columns of length one.
        """

    @abstractmethod
    def quadratic(self, g: FloatArray) -> float:
        """g' (A'A)^-1 g of g [P]."""

    @property
    def shared(self) -> IntArray:
        """The columns that all rows may touch, in increasing order: for A in arrow form those of no block."""
        return np.arange(len(self.diagonal))

    def variances(self, slopes: FloatArray, columns: IntArray) -> FloatArray:
        """s' (A'A)^-1 s [T] of each row s of `slopes` [T, k] over k columns."""
        return np.asarray(np.einsum("ti,ij,tj->t", slopes, self.part(columns), slopes))


class Matrix(ABC):
    """A [M, P]."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """(M, P)."""

    @abstractmethod
    def times(self, d: FloatArray) -> FloatArray:
        """A d [M] of d [P]."""

    @abstractmethod
    def adjoint(self, z: FloatArray) -> FloatArray:
        """A'z [P] of z [M]."""

    @property
    @abstractmethod
    def lengths(self) -> FloatArray:
        """The Euclidean lengths of the columns, [P]."""

    @property
    @abstractmethod
    def max_abs(self) -> float:
        """max |A|; NaN where an entry is NaN, 0 where there is no entry."""

    @property
    @abstractmethod
    def is_finite(self) -> bool:
        """Whether every entry is a finite number."""

    @abstractmethod
    def select(self, columns: IntArray) -> Matrix:
        """The matrix of some of the columns, whose positions [k] increase."""

    @abstractmethod
    def scale_rows(self, factor: FloatArray) -> Matrix:
        """The matrix with each row times its factor, [M]."""

    @abstractmethod
    def least_squares(self, z: FloatArray, size: FloatArray | float = 1.0) -> LeastSquares:
        """The least-squares problem for z [M], in p = d / size with size [P]; all of it finite."""

    @abstractmethod
    def inverse(self, chosen: Mask, tolerance: float) -> Inverse:
        """The inverse of A'A over some columns.

        Parameters
        ----------
        chosen
            [P], the columns to be inverted, none of which is zero.
        tolerance
            Singular values of these columns, scaled to length one, below this share of the largest are taken for zero.
        """

    @abstractmethod
    def dense(self) -> FloatArray:
        """All entries, [M, P], for small problems. Raises FitError where they would not fit into memory."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> FloatArray:
        """NumPy's functions get all entries."""
        del copy
        return self.dense() if dtype is None else self.dense().astype(dtype)
