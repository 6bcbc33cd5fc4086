"""Test functions with known minima: J. J. Moré, B. S. Garbow, K. E. Hillstrom, "Testing Unconstrained
Optimization Software", ACM Transactions on Mathematical Software 7(1), 1981, pages 17-41.

Each problem is a vector of residuals r(x), written so that it also takes complex x; the Jacobian is then
exact to rounding by the complex step dr/dx_j = Im r(x + i h e_j) / h. `minima` are the sums of squares
that the paper lists (the global one first, and local ones where it names them), to its six digits.
Numbers and names of the problems are the paper's; those of variable dimension have one chosen here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """Residuals r(x) [M], the published start [P], the known minima of r.r, and where the global one lies."""

    name: str
    residuals: Callable[[Array], Array]
    start: Array
    minima: tuple[float, ...]
    solution: Array | None = None
    far_starts: tuple[float, ...] = ()  # multiples of the start from which the paper's own codes get there

    def jacobian(self, x: Array) -> Array:
        """dr/dx [M, P] by complex steps."""
        h = 1e-30
        columns = [self.residuals(x + 1j * h * unit).imag / h for unit in np.eye(len(x))]
        return np.stack(columns, axis=1)


def _abs(x: Array) -> Array:
    """|x| that lets a complex step through."""
    return np.where(np.real(x) < 0, -x, x)


def rosenbrock(x: Array) -> Array:
    return np.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def freudenstein_roth(x: Array) -> Array:
    a, b = x
    return np.stack([-13 + a + ((5 - b) * b - 2) * b, -29 + a + ((b + 1) * b - 14) * b])


def powell_badly_scaled(x: Array) -> Array:
    return np.stack([1e4 * x[0] * x[1] - 1, np.exp(-x[0]) + np.exp(-x[1]) - 1.0001])


def brown_badly_scaled(x: Array) -> Array:
    return np.stack([x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2])


def beale(x: Array) -> Array:
    return np.stack([y - x[0] * (1 - x[1] ** i) for i, y in ((1, 1.5), (2, 2.25), (3, 2.625))])


def jennrich_sampson(x: Array) -> Array:
    i = np.arange(1, 11)
    return 2 + 2 * i - (np.exp(i * x[0]) + np.exp(i * x[1]))


def helical_valley(x: Array) -> Array:
    theta = np.arctan(x[1] / x[0]) / (2 * np.pi) + (0.5 if np.real(x[0]) < 0 else 0.0)
    return np.stack([10 * (x[2] - 10 * theta), 10 * (np.sqrt(x[0] ** 2 + x[1] ** 2) - 1), x[2]])


_BARD = np.array([0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39])


def bard(x: Array) -> Array:
    u = np.arange(1.0, 16.0)
    v = 16 - u
    return _BARD - (x[0] + u / (v * x[1] + np.minimum(u, v) * x[2]))


_GAUSSIAN = np.array([0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989])
_GAUSSIAN = np.concatenate([_GAUSSIAN, _GAUSSIAN[-2::-1]])


def gaussian(x: Array) -> Array:
    t = (8 - np.arange(1, 16)) / 2
    return x[0] * np.exp(-x[1] * (t - x[2]) ** 2 / 2) - _GAUSSIAN


_MEYER = np.array(
    [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872]
)


def meyer(x: Array) -> Array:
    t = 45 + 5 * np.arange(1, 17)
    return x[0] * np.exp(x[1] / (t + x[2])) - _MEYER


def gulf(x: Array) -> Array:
    t = np.arange(1, 100) / 100
    y = 25 + (-50 * np.log(t)) ** (2 / 3)
    return np.exp(-(_abs(y - x[1]) ** x[2]) / x[0]) - t


def box(x: Array) -> Array:
    t = np.arange(1, 11) / 10
    return np.exp(-t * x[0]) - np.exp(-t * x[1]) - x[2] * (np.exp(-t) - np.exp(-10 * t))


def powell_singular(x: Array) -> Array:
    a, b, c, d = x
    return np.stack([a + 10 * b, np.sqrt(5) * (c - d), (b - 2 * c) ** 2, np.sqrt(10) * (a - d) ** 2])


def wood(x: Array) -> Array:
    a, b, c, d = x
    return np.stack(
        [
            10 * (b - a**2),
            1 - a,
            np.sqrt(90) * (d - c**2),
            1 - c,
            np.sqrt(10) * (b + d - 2),
            (b - d) / np.sqrt(10),
        ]
    )


_KOWALIK = np.array([0.1957, 0.1947, 0.1735, 0.16, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246])
_KOWALIK_U = np.array([4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])


def kowalik_osborne(x: Array) -> Array:
    u = _KOWALIK_U
    return _KOWALIK - x[0] * (u**2 + u * x[1]) / (u**2 + u * x[2] + x[3])


def brown_dennis(x: Array) -> Array:
    t = np.arange(1, 21) / 5
    return (x[0] + t * x[1] - np.exp(t)) ** 2 + (x[2] + x[3] * np.sin(t) - np.cos(t)) ** 2


# fmt: off
_OSBORNE1 = np.array([
    0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751, 0.718, 0.685, 0.658, 0.628,
    0.603, 0.580, 0.558, 0.538, 0.522, 0.506, 0.490, 0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420,
    0.414, 0.411, 0.406,
])
# fmt: on


def osborne_1(x: Array) -> Array:
    t = 10 * np.arange(33)
    return _OSBORNE1 - (x[0] + x[1] * np.exp(-t * x[3]) + x[2] * np.exp(-t * x[4]))


def biggs_exp6(x: Array) -> Array:
    t = np.arange(1, 14) / 10
    y = np.exp(-t) - 5 * np.exp(-10 * t) + 3 * np.exp(-4 * t)
    return x[2] * np.exp(-t * x[0]) - x[3] * np.exp(-t * x[1]) + x[5] * np.exp(-t * x[4]) - y


# fmt: off
_OSBORNE2 = np.array([
    1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746, 0.679, 0.608, 0.655, 0.616,
    0.606, 0.602, 0.626, 0.651, 0.724, 0.649, 0.649, 0.694, 0.644, 0.624, 0.661, 0.612, 0.558, 0.533, 0.495,
    0.500, 0.423, 0.395, 0.375, 0.372, 0.391, 0.396, 0.405, 0.428, 0.429, 0.523, 0.562, 0.607, 0.653, 0.672,
    0.708, 0.633, 0.668, 0.645, 0.632, 0.591, 0.559, 0.597, 0.625, 0.739, 0.710, 0.729, 0.720, 0.636, 0.581,
    0.428, 0.292, 0.162, 0.098, 0.054,
])
# fmt: on


def osborne_2(x: Array) -> Array:
    t = np.arange(65) / 10
    model = x[0] * np.exp(-t * x[4])
    for amplitude, width, centre in ((1, 5, 8), (2, 6, 9), (3, 7, 10)):
        model = model + x[amplitude] * np.exp(-((t - x[centre]) ** 2) * x[width])
    return _OSBORNE2 - model


def watson(x: Array) -> Array:
    t = np.arange(1, 30)[:, None] / 29
    j = np.arange(len(x))
    slope = (j[1:] * t ** (j[1:] - 1)) @ x[1:]
    return np.concatenate([slope - ((t**j) @ x) ** 2 - 1, [x[0], x[1] - x[0] ** 2 - 1]])


def penalty_1(x: Array) -> Array:
    return np.concatenate([np.sqrt(1e-5) * (x - 1), [x @ x - 0.25]])


def variably_dimensioned(x: Array) -> Array:
    total = np.arange(1, len(x) + 1) @ (x - 1)
    return np.concatenate([x - 1, [total, total**2]])


def trigonometric(x: Array) -> Array:
    i = np.arange(1, len(x) + 1)
    return len(x) - np.cos(x).sum() + i * (1 - np.cos(x)) - np.sin(x)


def brown_almost_linear(x: Array) -> Array:
    return np.concatenate([x[:-1] + x.sum() - (len(x) + 1), [x.prod() - 1]])


def discrete_boundary_value(x: Array) -> Array:
    h = 1 / (len(x) + 1)
    t = h * np.arange(1, len(x) + 1)
    padded = np.concatenate([[0], x, [0]])
    return 2 * x - padded[:-2] - padded[2:] + h**2 * (x + t + 1) ** 3 / 2


def broyden_tridiagonal(x: Array) -> Array:
    padded = np.concatenate([[0], x, [0]])
    return (3 - 2 * x) * x - padded[:-2] - 2 * padded[2:] + 1


def linear_full_rank(x: Array) -> Array:
    m, n = 20, len(x)
    total = 2 * x.sum() / m + 1
    return np.concatenate([x - total, np.full(m - n, -1.0) * total])


def linear_rank_1(x: Array) -> Array:
    return np.arange(1, 21) * (np.arange(1, len(x) + 1) @ x) - 1


def linear_rank_1_zeros(x: Array) -> Array:
    middle = np.arange(19) * (np.arange(2, len(x)) @ x[1:-1]) - 1
    return np.concatenate([middle, [-1.0 + 0 * x[0]]])


def chebyquad(x: Array) -> Array:
    n = len(x)
    before, now = np.ones_like(x), 2 * x - 1
    rows = []
    for i in range(1, n + 1):
        integral = -1 / (i**2 - 1) if i % 2 == 0 else 0.0
        rows.append(now.mean() - integral)
        before, now = now, 2 * (2 * x - 1) * now - before
    return np.stack(rows)


def _grid(n: int) -> Array:
    t = np.arange(1, n + 1) / (n + 1)
    return t * (t - 1)


def _v(*numbers: float) -> Array:
    return np.array(numbers, dtype=float)


_M, _N = 20, 5
PROBLEMS: tuple[Problem, ...] = (
    Problem("1 Rosenbrock", rosenbrock, _v(-1.2, 1), (0.0,), _v(1, 1), (10, 100)),
    Problem("2 Freudenstein-Roth", freudenstein_roth, _v(0.5, -2), (0.0, 48.9842), _v(5, 4), (10, 100)),
    Problem("3 Powell badly scaled", powell_badly_scaled, _v(0, 1), (0.0,), _v(1.098159e-5, 9.106146)),
    Problem("4 Brown badly scaled", brown_badly_scaled, _v(1, 1), (0.0,), _v(1e6, 2e-6)),
    Problem("5 Beale", beale, _v(1, 1), (0.0,), _v(3, 0.5)),
    Problem("6 Jennrich-Sampson", jennrich_sampson, _v(0.3, 0.4), (124.362,), _v(0.2578252, 0.2578252)),
    Problem("7 helical valley", helical_valley, _v(-1, 0, 0), (0.0,), _v(1, 0, 0), (10, 100)),
    Problem("8 Bard", bard, _v(1, 1, 1), (8.21487e-3, 17.4286), None, (10,)),
    Problem("9 Gaussian", gaussian, _v(0.4, 1, 0), (1.12793e-8,)),
    Problem("10 Meyer", meyer, _v(0.02, 4000, 250), (87.9458,)),
    Problem("11 Gulf", gulf, _v(5, 2.5, 0.15), (0.0,), _v(50, 25, 1.5)),
    Problem("12 box", box, _v(0, 10, 20), (0.0,)),
    Problem("13 Powell singular", powell_singular, _v(3, -1, 0, 1), (0.0,), np.zeros(4), (10, 100)),
    Problem("14 Wood", wood, _v(-3, -1, -3, -1), (0.0,), np.ones(4), (10,)),
    Problem("15 Kowalik-Osborne", kowalik_osborne, _v(0.25, 0.39, 0.415, 0.39), (3.07505e-4, 1.02734e-3)),
    Problem("16 Brown-Dennis", brown_dennis, _v(25, 5, -5, -1), (85822.2,), None, (10, 100)),
    Problem("17 Osborne 1", osborne_1, _v(0.5, 1.5, -1, 0.01, 0.02), (5.46489e-5,)),
    Problem("18 Biggs EXP6", biggs_exp6, _v(1, 2, 1, 1, 1, 1), (0.0, 5.65565e-3)),
    Problem(
        "19 Osborne 2",
        osborne_2,
        _v(1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5),
        (4.01377e-2,),
    ),
    Problem("20 Watson 6", watson, np.zeros(6), (2.28767e-3,)),
    Problem("20 Watson 9", watson, np.zeros(9), (1.39976e-6,)),
    Problem("20 Watson 12", watson, np.zeros(12), (4.72238e-10,)),
    Problem("23 penalty I", penalty_1, np.arange(1.0, 11.0), (7.08765e-5,)),
    Problem("25 variably dimensioned", variably_dimensioned, 1 - np.arange(1, 11) / 10, (0.0,), np.ones(10), (10,)),
    Problem("26 trigonometric", trigonometric, np.full(10, 0.1), (0.0, 2.79506e-5)),
    Problem("27 Brown almost linear", brown_almost_linear, np.full(10, 0.5), (0.0, 1.0), None, (10,)),
    Problem("28 discrete boundary value", discrete_boundary_value, _grid(10), (0.0,), None, (10,)),
    Problem("30 Broyden tridiagonal", broyden_tridiagonal, np.full(10, -1.0), (0.0,), None, (10,)),
    Problem("32 linear, full rank", linear_full_rank, np.ones(_N), (float(_M - _N),), -np.ones(_N), (10,)),
    Problem("33 linear, rank 1", linear_rank_1, np.ones(_N), (_M * (_M - 1) / (2 * (2 * _M + 1)),), None, (10,)),
    Problem(
        "34 linear, rank 1 with zeros",
        linear_rank_1_zeros,
        np.ones(_N),
        ((_M**2 + 3 * _M - 6) / (2 * (2 * _M - 3)),),
        None,
        (10,),
    ),
    Problem("35 Chebyquad 8", chebyquad, np.arange(1, 9) / 9, (3.51687e-3,)),
)
