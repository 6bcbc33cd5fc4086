"""Makes data/robertson.csv: Robertson's reaction over nine decades of time, with relative noise of 5 %.

Solved by SciPy's Radau, so that a fit by odefit is judged on data that odefit had no part in. Run from anywhere:

    python benchmarks/robertson_data.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

RATES = (0.04, 3e7, 1e4)  # k1: A -> B, k2: 2 B -> B + C, k3: B + C -> A + C
NOISE = 0.05
SEED = 1966
PATH = Path(__file__).parents[1] / "data" / "robertson.csv"


def derivative(_t: float, y: NDArray[np.float64]) -> list[float]:
    """dy/dt [3] of A, B, C."""
    k1, k2, k3 = RATES
    a, b, c = y
    return [-k1 * a + k3 * b * c, k1 * a - k2 * b * b - k3 * b * c, k2 * b * b]


def exact(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """A, B, C at the times, [T, 3], from 1, 0, 0 at t = 0."""
    solution = solve_ivp(
        derivative, (0.0, times[-1]), [1.0, 0.0, 0.0], method="Radau", t_eval=times, rtol=1e-10, atol=1e-18
    )
    if not solution.success:
        raise RuntimeError(solution.message)
    return np.asarray(solution.y.T)


def text() -> str:
    """The file: three times per decade from 1e-5 to 1e4, every value times exp(NOISE z), z standard normal."""
    times = np.logspace(-5, 4, 28)
    noise = np.random.default_rng(SEED).standard_normal((len(times), 3))
    rows = np.column_stack([times, exact(times) * np.exp(NOISE * noise)])
    return "\n".join(["time,A,B,C", *(",".join(f"{value:.5g}" for value in row) for row in rows)]) + "\n"


def main() -> None:
    PATH.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"wrote {PATH}\n")


if __name__ == "__main__":
    main()
