"""The spirals on which latent ODEs are tried: noisy series of random linear systems in the plane.

    dx/dt = A x,   A = [[-a, v], [-w, -b]],   x(0) ~ 2 N(0, I),
    a, b ~ 0.05 + 0.1 |N(0, 1)|,   v, w ~ |N(0, 1)|,

which turns clockwise; every second spiral has -w and v exchanged and turns anticlockwise. Source: the tutorial
"Neural ODEs" by M. Surtsukov (2019), which has 1,000 of them at 200 times from 0 to 5 · 6.29 with noise 0.02, after
the spirals of Chen et al. (2018), which all had the same shape.

The frequency is about sqrt(v w), the axes of the ellipse are as sqrt(v / w): some are long and thin. Where
4 v w < (a - b)² a system has two real eigenvalues, and comes to rest without turning round.
"""

from __future__ import annotations

import numpy as np

from odefit.arrays import FloatArray
from odefit.config.load import LoadedConfig
from odefit.data.experiments import Experiment
from odefit.errors import ConfigError
from odefit.problem.described import initial_name
from odefit.problem.simulation import Simulated
from odefit.records import dataclass

END = 5 * 6.29
"""The last time: five turns at frequency 1."""


@dataclass(frozen=True)
class Spirals:
    """N spirals. matrices: [N, 2, 2]; times: [T]; truth and measured (with noise): [N, T, 2]."""

    matrices: FloatArray
    times: FloatArray
    truth: FloatArray
    measured: FloatArray

    def __len__(self) -> int:
        return len(self.matrices)

    def experiments(self) -> tuple[Experiment, ...]:
        """The measurements as experiments `1`, `2`, …, which start at time 0."""
        return tuple(
            Experiment(str(number), self.times, values, start=0.0) for number, values in enumerate(self.measured, 1)
        )


def draw_spirals(series: int = 1000, times: int = 200, end: float = END, noise: float = 0.02, seed: int = 0) -> Spirals:
    """Draw spirals, the first, third, … clockwise and the others anticlockwise, at `times` times from 0 to `end`.

    noise: the standard deviation of the Gaussian noise. Raises ConfigError for numbers that make no data.
    """
    if series < 1 or times < 2 or not end > 0 or not noise >= 0:
        raise ConfigError(
            "spirals", f"need series >= 1, times >= 2, end > 0, noise >= 0 (got {series}, {times}, {end:g}, {noise:g})"
        )
    rng = np.random.default_rng(seed)
    start = 2.0 * rng.standard_normal((series, 2))
    decay = 0.05 + 0.1 * np.abs(rng.standard_normal((series, 2)))
    v, w = np.abs(rng.standard_normal((2, series)))
    clockwise = np.arange(series) % 2 == 0
    matrices = np.zeros((series, 2, 2))
    matrices[:, 0, 0], matrices[:, 1, 1] = -decay.T
    matrices[:, 0, 1] = np.where(clockwise, v, -w)
    matrices[:, 1, 0] = np.where(clockwise, -w, v)
    grid = np.linspace(0.0, end, times)
    truth = solve_linear(matrices, start, grid)
    return Spirals(matrices, grid, truth, truth + noise * rng.standard_normal(truth.shape))


def solve_linear(matrices: FloatArray, start: FloatArray, times: FloatArray) -> FloatArray:
    """x(t) = exp(A t) x(0), [N, T, S], of matrices [N, S, S] and starts [N, S] at equally spaced times from 0 [T]."""
    from scipy.linalg import expm

    step: FloatArray = expm(matrices * (times[1] - times[0]))
    x = np.empty((len(start), len(times), start.shape[1]))
    x[:, 0] = start
    for k in range(1, len(times)):
        x[:, k] = np.einsum("nij,nj->ni", step, x[:, k - 1])
    return x


def simulate_spirals(loaded: LoadedConfig) -> Simulated:
    """Run the `data.spirals` section. The truth is named as the family `linear` names it: `a_11[1]`, `x_0[1]`, ..."""
    section, names = loaded.config.data.spirals, loaded.config.model.measured
    if section is None or names is None or len(names) != 2:
        raise ConfigError(loaded.where("data"), "spirals need a `spirals` section, and two names in model.measured")
    spirals = draw_spirals(**section.model_dump())
    truth: dict[str, float] = {}
    for number, (matrix, exact) in enumerate(zip(spirals.matrices, spirals.truth, strict=True), 1):
        truth |= {f"a_{i + 1}{j + 1}[{number}]": float(matrix[i, j]) for i in range(2) for j in range(2)}
        truth |= {f"{initial_name(name)}[{number}]": float(x) for name, x in zip(names, exact[0], strict=True)}
    return Simulated(spirals.experiments(), tuple(names), truth)
