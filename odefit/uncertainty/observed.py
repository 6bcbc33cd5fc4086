"""The observed information: the second derivatives of the objective at the optimum.

Of plain least squares the expected information A'A is the usual choice. Elsewhere it may say more than the data at hand
do: the weights of a likelihood depend on what is predicted, or on how far off the measurements are (Efron & Hinkley
1978, Biometrika 65:457). The second derivatives are differences of exact gradients,

    H_k = (g(u + h_k e_k) - g(u - h_k e_k)) / 2 h_k,

where h_k is a share of the error that u_k would have if all others were known. They are taken in the directions that
the data determine, as the singular values of A tell; what these leave open stays open.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from odefit.arrays import FloatArray, IntArray, Mask
from odefit.linalg.dense_matrix import DenseMatrix

STEP = 0.1
"""Of the differences, as a share of a standard error."""
MAX_PARAMETERS = 100
"""With more of them the gradients would take too long."""

Gradients = Callable[[FloatArray], FloatArray]
"""[B, P], at points [B, P]."""


def observed_rows(
    gradients: Gradients,
    u: FloatArray,
    expected: FloatArray,
    free: Mask,
    box: tuple[FloatArray, FloatArray],
    tolerance: float,
) -> DenseMatrix | None:
    """Rows R [k, P] such that R'R is the observed information.

    Parameters
    ----------
    gradients
        Of the objective at points [B, P]; not finite where the model fails.
    u
        [P], the optimum.
    expected
        A [M, P] with the expected information A'A.
    free
        [P], which of the parameters can move; the columns of others are those of A.
    box
        The bounds of u, [P] each.
    tolerance
        Singular values of A with columns of length one below this share of the largest are no information.

    Returns
    -------
    DenseMatrix or None
        None where there is no such matrix: the objective has no minimum here in all directions that A determines, the
        differences cannot be taken, or nothing is determined.
    """
    lengths = np.linalg.norm(expected, axis=0)
    moving = np.flatnonzero(free & (lengths > 0))
    if not len(moving):
        return None
    unit = 1 / lengths[moving]
    steps = np.minimum(STEP * unit, np.minimum(box[1] - u, u - box[0])[moving] / 2)
    if not (steps > 0).all():
        return None
    scaled = _differences(gradients, u, moving, steps) * np.outer(unit, unit)
    if not np.isfinite(scaled).all():
        return None
    _, s, directions = np.linalg.svd(expected[:, moving] * unit, full_matrices=False)
    directions = directions[s > tolerance * s[0]]
    within = directions @ ((scaled + scaled.T) / 2) @ directions.T
    # Where the two halves differ the differences are no better than that.
    doubt = float(np.abs(scaled - scaled.T).max(initial=0.0)) / 2
    values, vectors = np.linalg.eigh(within)
    if values[0] <= max(doubt, tolerance):
        return None
    rows = np.zeros((len(values), len(u)))
    rows[:, moving] = (np.sqrt(values)[:, None] * vectors.T) @ directions / unit
    return DenseMatrix(rows)


def _differences(gradients: Gradients, u: FloatArray, moving: IntArray, steps: FloatArray) -> FloatArray:
    """[k, k], central differences of the gradient."""
    changes = np.zeros((len(moving), len(u)))
    changes[np.arange(len(moving)), moving] = steps
    found = gradients(np.concatenate([u + changes, u - changes]))[:, moving]
    apart: FloatArray = found[: len(moving)] - found[len(moving) :]
    return apart / (2 * steps[:, None])
