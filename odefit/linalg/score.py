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

from odefit.arrays import FloatArray
from odefit.linalg.arrow_matrix import BlockRows, Rows, adjoint, column_lengths


@dataclass(frozen=True)
class Evaluation:
    """The objective at u [P] with its derivatives; see the module's docstring for z [M] and A [M, P].

    A: a matrix, or (where many experiments have parameters of their own) its arrow form, see arrow_matrix.py.
    value: negative log posterior, or inf (never NaN) where the model fails; z and A do not matter then.
    """

    value: float
    z: FloatArray
    A: Rows

    @classmethod
    def failed(cls, n: int) -> Evaluation:
        """What stands for the objective of n parameters where the model fails."""
        return cls(np.inf, np.zeros(0), np.zeros((0, n)))

    @property
    def gradient(self) -> FloatArray:
        """[P]"""
        return adjoint(self.A, self.z)

    @property
    def lengths(self) -> FloatArray:
        """Of the columns of A, [P]: 1 over the standard error of each parameter were all others known."""
        return column_lengths(self.A)

    @property
    def is_finite(self) -> bool:
        finite = self.A.is_finite if isinstance(self.A, BlockRows) else np.isfinite(self.A).all()
        return bool(np.isfinite(self.value) and np.isfinite(self.z).all() and finite)
