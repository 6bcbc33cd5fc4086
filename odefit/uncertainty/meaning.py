"""From which standard error on nothing is known of a parameter."""

from __future__ import annotations

import math

import numpy as np

from odefit.arrays import FloatArray, Mask
from odefit.linalg.matrix import Matrix
from odefit.objective.parameters import Parameter, ParameterTable

MEANINGLESS_RELATIVE_ERROR = 1e3
"""Above this multiple of its value, or of the value that it started from, an error says only that nothing is known."""
MEANINGLESS = "its standard error would be more than a thousand times its value"
HARDLY = "the data hardly depend on it, if at all"


def is_meaningless(parameter: Parameter, value: float, error: float) -> bool:
    """Whether a standard error says no more than that the parameter could be anything."""
    size = max(abs(value), abs(parameter.value))
    if parameter.role != "model" and parameter.scale != "log":
        # What starts from 0 may have an error of any size; between bounds that are known it has a size of its own.
        size = max(size, parameter.upper - parameter.lower)
    return 0 < size < math.inf and error > MEANINGLESS_RELATIVE_ERROR * size


def without_effect(table: ParameterTable, u: FloatArray, a: Matrix) -> Mask:
    """Which of the estimated parameters, [P], the data hardly depend on, whatever the others are.

    With all others known the error of a parameter would be one over the length of its column. Where the equations say
    that nothing depends on it, what stands in its column are the errors of the solver.

    Parameters
    ----------
    table
        Of the parameters.
    u
        [P], in search space.
    a
        [M, P], the root-Fisher rows there.
    """
    theta = table.to_natural(u)
    with np.errstate(divide="ignore"):
        errors = np.abs(table.transforms.derivative(u)) / a.lengths
    found = [
        is_meaningless(table.parameters[i], float(theta[i]), float(error))
        for i, error in zip(table.estimated.tolist(), errors, strict=True)
    ]
    return np.array(found, dtype=bool)
