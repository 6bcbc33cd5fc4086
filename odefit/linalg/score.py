"""An objective and its derivatives in score form, at one point or at many.

The objective f(u), a negative log posterior, comes with a vector z [M] and a matrix A [M, P] such that

    gradient of f = A.T @ z        Fisher information = A.T @ A

A datum with Gaussian noise of known sigma gives the ordinary row of least squares, z = r = (g - d) / sigma
and A = dg / sigma. A sigma that depends on u gives a second row, and both together have the exact gradient
of f = sum(r**2 / 2 + log(sigma)) and its expected Fisher information:

    z = [r, (1 - r**2) / sqrt(2)]        A = [dg / sigma, sqrt(2) * dsigma / sigma]

So Fisher scoring is a linear least-squares problem, min |A d + z|, which never needs A.T @ A.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.linalg.dense_matrix import DenseMatrix
from odefit.linalg.dense_stack import DenseStack
from odefit.linalg.matrix import Matrix
from odefit.linalg.stack import MatrixList, MatrixStack
from odefit.records import dataclass

MAX_ENTRY = 1e150
"""The largest entry of z and A whose square, and sums of such, do not overflow."""


@dataclass(frozen=True)
class Evaluation:
    """The objective at u [P] with its derivatives; the module's docstring says what z and A are.

    Parameters
    ----------
    value
        The negative log posterior, or inf (never NaN) where the model fails; z and A do not matter then.
    z
        [M], the scores.
    A
        [M, P], the root-curvature rows.
    weights
        [M], positive, or None where they are not known: z over them are residuals in units that do not depend on u,
        whose derivative is A over them, exactly or nearly. Searches follow curved valleys by them.
    kinked
        [M], which rows are those of absolute values of residuals; None where none is.
    """

    value: float
    z: FloatArray
    A: Matrix
    weights: FloatArray | None = None
    kinked: Mask | None = None

    @classmethod
    def failed(cls, n: int) -> Evaluation:
        """What stands for the objective of n parameters where the model fails."""
        return cls.without_derivatives(np.inf, n)

    @classmethod
    def without_derivatives(cls, value: float, n: int) -> Evaluation:
        """The value alone, at n parameters: z and A have no rows."""
        return cls(value, np.zeros(0), DenseMatrix(np.zeros((0, n))))

    @property
    def gradient(self) -> FloatArray:
        """A'z, [P]."""
        return self.A.adjoint(self.z)

    @property
    def lengths(self) -> FloatArray:
        """The lengths of the columns of A, [P]: 1 over the standard error of each parameter were all others known."""
        return self.A.lengths

    @property
    def is_finite(self) -> bool:
        """Whether the value and its derivatives are finite numbers."""
        return bool(np.isfinite(self.value) and np.isfinite(self.z).all() and self.A.is_finite)


@dataclass(frozen=True)
class Gradient:
    """The objective at u [P] with its gradient alone.

    Parameters
    ----------
    value
        As in `Evaluation`.
    gradient
        A'z, [P].
    energy
        |z|²/2, or about that: what the gradient is compared with.
    whole
        The evaluation that it is from; None where there is none.
    """

    value: float
    gradient: FloatArray
    energy: float
    whole: Evaluation | None = None

    @classmethod
    def of(cls, whole: Evaluation) -> Gradient:
        """From an evaluation."""
        return cls(whole.value, whole.gradient, float(whole.z @ whole.z) / 2, whole)


@dataclass
class Evaluations:
    """The objective at B points u [B, P] with its derivatives; see `Evaluation`.

    Parameters
    ----------
    value
        [B].
    z
        [B, M].
    A
        [B, M, P].
    weights
        [B, M], or None where those of no point are known.
    kinked
        [M], which rows are those of absolute values of residuals; None where none is.
    """

    value: FloatArray
    z: FloatArray
    A: MatrixStack
    weights: FloatArray | None = None
    kinked: Mask | None = None

    @classmethod
    def of(cls, ones: Sequence[Evaluation]) -> Evaluations:
        """From evaluations one by one, at least one; those that failed may have no rows."""
        rows = max(len(one.z) for one in ones)
        whole = [one if len(one.z) == rows else _empty(one, rows) for one in ones]
        known = all(one.weights is not None for one in whole)
        dense = [one.A.values for one in whole if isinstance(one.A, DenseMatrix)]
        return cls(
            np.array([one.value for one in whole]),
            np.stack([one.z for one in whole]),
            DenseStack(np.stack(dense)) if len(dense) == len(whole) else MatrixList([one.A for one in whole]),
            np.stack([one.weights for one in whole if one.weights is not None]) if known else None,
        )

    @classmethod
    def failed(cls, n: int, width: int) -> Evaluations:
        """What stands for the objective of `width` parameters at n points at all of which the model fails."""
        return cls(np.full(n, np.inf), np.zeros((n, 0)), DenseStack(np.zeros((n, 0, width))))

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, point: int) -> Evaluation:
        if not np.isfinite(self.value[point]):
            return Evaluation.failed(self.A[point].shape[1])
        weights = None if self.weights is None else self.weights[point]
        return Evaluation(float(self.value[point]), self.z[point], self.A[point], weights, self.kinked)

    @property
    def gradient(self) -> FloatArray:
        """A'z, [B, P]."""
        return self.A.adjoint(self.z)

    @property
    def lengths(self) -> FloatArray:
        """The lengths of the columns of A, [B, P]."""
        return self.A.lengths

    @property
    def is_usable(self) -> Mask:
        """[B], whether steps can be computed: no NaN, and no number whose square overflows (`MAX_ENTRY`)."""
        # np.maximum, for Python's max loses a NaN that comes second.
        most = np.maximum(np.abs(self.z).max(axis=1, initial=0.0), self.A.max_abs)
        return np.asarray(np.isfinite(self.value) & (most < MAX_ENTRY))

    def take(self, points: IntArray) -> Evaluations:
        """Those of some points, whose positions increase; this itself where these are all."""
        if len(points) == len(self):
            return self
        weights = None if self.weights is None else self.weights[points]
        return Evaluations(self.value[points], self.z[points], self.A.take(points), weights, self.kinked)

    def put(self, points: IntArray, other: Evaluations) -> None:
        """Replace those of some points by others of the same objective."""
        self.value[points], self.z[points] = other.value, other.z
        self.A.put(points, other.A)
        if self.weights is not None and other.weights is not None:
            self.weights[points] = other.weights


def _empty(one: Evaluation, rows: int) -> Evaluation:
    return replace(one, z=np.zeros(rows), A=DenseMatrix(np.zeros((rows, one.A.shape[1]))), weights=np.ones(rows))
