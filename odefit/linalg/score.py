"""An objective and its derivatives at one point, in score form.

The objective f(u), a negative log posterior, comes with a vector z [M] and a matrix A [M, P] such that

    gradient of f = A.T @ z        Fisher information = A.T @ A

A datum with Gaussian noise of known sigma gives the ordinary row of least squares, z = r = (g - d) / sigma
and A = dg / sigma. A sigma that depends on u gives a second row, and both together have the exact gradient
of f = sum(r**2 / 2 + log(sigma)) and its expected Fisher information:

    z = [r, (1 - r**2) / sqrt(2)]        A = [dg / sigma, sqrt(2) * dsigma / sigma]

So Fisher scoring is a linear least-squares problem, min |A d + z|, which never needs A.T @ A.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.linalg.dense_matrix import DenseMatrix
from odefit.linalg.matrix import Matrix


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
