"""Sums of the stages of a Runge-Kutta method, and Tsitouras' interpolant.

lowering.py makes machine code of this text; with NumPy arrays it also runs as it stands.
"""

from __future__ import annotations

from odefit.arrays import FloatArray


def shares(x: float, b: FloatArray) -> None:
    """b_i(x) of Tsitouras' interpolant, 0 <= x <= 1, without the width."""
    x2 = x * x
    b[0] = -1.0530884977290216 * x * (x - 1.3299890189751412) * (x2 - 1.4364028541716351 * x + 0.7139816917074209)
    b[1] = 0.1017 * x2 * (x2 - 2.1966568338249754 * x + 1.2949852507374631)
    b[2] = 2.490627285651252793 * x2 * (x2 - 2.38535645472061657 * x + 1.57803468208092486)
    b[3] = -16.54810288924490272 * (x - 1.21712927295533244) * (x - 0.61620406037800089) * x2
    b[4] = 47.37952196281928122 * (x - 1.203071208372362603) * (x - 0.658047292653547382) * x2
    b[5] = -34.87065786149660974 * (x - 1.2) * (x - 0.666666666666666667) * x2
    b[6] = 2.5 * (x - 1.0) * (x - 0.6) * x2


def combine(states: int, count: int, h: float, factors: FloatArray, k: FloatArray, out: FloatArray) -> None:
    """out += h times the sum of rows of k [count, S] by their factors."""
    for j in range(count):
        if factors[j] != 0.0:
            row = k[j * states :]
            out[:states] = out[:states] + (h * factors[j]) * row[:states]


def clear(length: int, a: FloatArray) -> None:
    """Zeros."""
    for i in range(length):
        a[i] = 0.0


def spread(states: int, count: int, h: float, factors: FloatArray, given: FloatArray, bars: FloatArray) -> None:
    """To each of the rows of bars [count, S] add h times its factor times what is given [S]."""
    for i in range(count):
        bar = bars[i * states :]
        bar[:states] = bar[:states] + (h * factors[i]) * given[:states]
