"""The numbers of Runge-Kutta methods of s stages as flat arrays, for what goes through the stages in a loop.

The times of the stages [s], the weights of the end of a step [s], of the stages [s * s], and of the error [s].
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

from odefit.arrays import FloatArray
from odefit.engines.kernel import rosenbrock, tsitouras


def _row(method: ModuleType, letters: str, s: int) -> FloatArray:
    """[s] what a method calls `letters` 1 to s, 0 where it has no such number."""
    return np.array([getattr(method, f"{letters}{j}", 0.0) for j in range(1, s + 1)])


def _square(method: ModuleType, letters: str, s: int) -> FloatArray:
    """[s, s] the same of numbers with two indices."""
    return np.array([_row(method, f"{letters}{i}", s) for i in range(1, s + 1)])


def _tsitouras() -> FloatArray:
    c, a, b = _row(tsitouras, "C", 7), _square(tsitouras, "A", 7), _row(tsitouras, "B", 7)
    c[5:], a[6] = 1.0, b
    return np.concatenate([c, b, a.ravel(), _row(tsitouras, "E", 7)])


def _rodas5p() -> FloatArray:
    t, d = _row(rosenbrock, "STIFF_T", 8), _row(rosenbrock, "STIFF_D", 8)
    a, c = np.vstack([_square(rosenbrock, "STIFF_A", 8), np.zeros(8)]), _square(rosenbrock, "STIFF_C", 8)
    t[5:], d[0] = 1.0, rosenbrock.GAMMA
    for i in range(6, 9):
        a[i] = a[i - 1]
        a[i, i - 1] = 1.0
    return np.concatenate([t, d, a.ravel(), c.ravel()])


CLASSICAL = np.concatenate([[0, 0.5, 0.5, 1], [1 / 6, 1 / 3, 1 / 3, 1 / 6], np.diag([0.5, 0.5, 1.0], -1).ravel()])
TSITOURAS = _tsitouras()
RODAS5P = _rodas5p()
"""The times of the 8 stages [8], their shares of df/dt [8], and those of stages in states [9, 8], the last row for the
end of a step, and in rates [8, 8]."""
