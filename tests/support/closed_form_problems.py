"""Likelihoods of models with a closed form, as objectives for optimizers: no ODE is solved here.

The five NIST models are those of the StRD archive (https://www.itl.nist.gov/div898/strd/nls/nls_main.shtml),
with its starts and certified values; `sigma` is added by us, once for all observables or one for each.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from more_garbow_hillstrom import Problem
from odefit.linalg.dense_matrix import DenseMatrix
from odefit.linalg.score import Evaluation

Array = NDArray[np.float64]
REFERENCE = Path(__file__).parents[2] / "data" / "reference"
COMPLEX_STEP = 1e-30


def jacobian(function: Callable[[Array], Array], x: Array) -> Array:
    """d function / dx [M, P] by complex steps: exact to rounding for analytic functions."""
    columns = [function(x + 1j * COMPLEX_STEP * unit).imag / COMPLEX_STEP for unit in np.eye(len(x))]
    return np.stack(columns, axis=1)


@dataclass(frozen=True)
class SquaredResiduals:
    """f = r.r / 2."""

    residuals: Callable[[Array], Array]

    @classmethod
    def of(cls, problem: Problem) -> SquaredResiduals:
        return cls(problem.residuals)

    def value(self, u: Array) -> float:
        with np.errstate(all="ignore"):
            r = self.residuals(u)
            f = float(r @ r) / 2
        return f if np.isfinite(f) else np.inf

    def evaluate(self, u: Array) -> Evaluation:
        with np.errstate(all="ignore"):
            r = self.residuals(u)
            return Evaluation(self.value(u), r, DenseMatrix(jacobian(self.residuals, u)), np.ones_like(r))


@dataclass(frozen=True)
class Model:
    """g(x) [M] with data d [M]; `group` [M] says which sigma belongs to each datum."""

    name: str
    predict: Callable[[Array], Array]
    data: Array
    starts: Array  # [K, P]
    group: NDArray[np.intp]
    solution: Array | None = None
    rss: float | None = None

    def residuals(self, x: Array) -> Array:
        return self.predict(x) - self.data


@dataclass(frozen=True)
class EstimatedSigma:
    """u = [x, log sigma of each group]; f = sum r**2 / 2 + log sigma, in the two-row form of `base`."""

    model: Model

    @property
    def n_groups(self) -> int:
        return int(self.model.group.max()) + 1

    def value(self, u: Array) -> float:
        x, log_sigma = u[: -self.n_groups], u[-self.n_groups :][self.model.group]
        with np.errstate(all="ignore"):
            r = self.model.residuals(x) * np.exp(-log_sigma)
            f = float(r @ r) / 2 + float(log_sigma.sum())
        return f if np.isfinite(f) else np.inf

    def evaluate(self, u: Array) -> Evaluation:
        x, log_sigma = u[: -self.n_groups], u[-self.n_groups :][self.model.group]
        with np.errstate(all="ignore"):
            weight = np.exp(-log_sigma)
            r = self.model.residuals(x) * weight
            J = jacobian(self.model.residuals, x) * weight[:, None]
            which = np.eye(self.n_groups)[self.model.group]
            A = np.block([[J, np.zeros_like(which)], [np.zeros_like(J), np.sqrt(2.0) * which]])
            return Evaluation(self.value(u), np.concatenate([r, (1 - r**2) / np.sqrt(2.0)]), DenseMatrix(A))


@dataclass(frozen=True)
class ProfiledSigma:
    """u = x; every group has the sigma**2 = RSS / n that maximises its likelihood at x."""

    model: Model

    def _weights(self, r: Array) -> tuple[Array, Array]:
        n = np.bincount(self.model.group).astype(float)
        return n, np.sqrt(np.bincount(self.model.group, r**2) / n)

    def value(self, u: Array) -> float:
        with np.errstate(all="ignore"):
            n, sigma = self._weights(self.model.residuals(u))
            f = float(n @ (0.5 + np.log(sigma)))
        return f if np.isfinite(f) else np.inf

    def evaluate(self, u: Array) -> Evaluation:
        with np.errstate(all="ignore"):
            r = self.model.residuals(u)
            weight = 1 / self._weights(r)[1][self.model.group]
            A = jacobian(self.model.residuals, u) * weight[:, None]
            return Evaluation(self.value(u), r * weight, DenseMatrix(A))


def _read(name: str) -> tuple[Array, Array]:
    with (REFERENCE / f"nist_{name}.csv").open(newline="") as file:
        rows = [(float(row["x"]), float(row["y"])) for row in csv.DictReader(file)]
    x, y = np.array(rows).T
    return x, y


def _nist(name: str, g: Callable[[Array, Array], Array], table: Array, rss: float) -> Model:
    x, y = _read(name)
    return Model(f"NIST {name}", lambda b: g(b, x), y, table[:, :2].T, np.zeros(len(y), int), table[:, 2], rss)


def _gauss1(b: Array, x: Array) -> Array:
    peaks = b[2] * np.exp(-(((x - b[3]) / b[4]) ** 2)) + b[5] * np.exp(-(((x - b[6]) / b[7]) ** 2))
    return b[0] * np.exp(-b[1] * x) + peaks


def nist_models() -> tuple[Model, ...]:
    """Misra1a, BoxBOD, Rat43, MGH17 and Gauss1; columns of the tables: start 1, start 2, certified value."""
    return (
        _nist(
            "misra1a",
            lambda b, x: b[0] * (1 - np.exp(-b[1] * x)),
            np.array([[500, 250, 2.3894212918e02], [0.0001, 0.0005, 5.5015643181e-04]]),
            1.2455138894e-01,
        ),
        _nist(
            "boxbod",
            lambda b, x: b[0] * (1 - np.exp(-b[1] * x)),
            np.array([[1, 100, 2.1380940889e02], [1, 0.75, 5.4723748542e-01]]),
            1.1680088766e03,
        ),
        _nist(
            "rat43",
            lambda b, x: b[0] / (1 + np.exp(b[1] - b[2] * x)) ** (1 / b[3]),
            np.array(
                [
                    [100, 700, 6.9964151270e02],
                    [10, 5, 5.2771253025e00],
                    [1, 0.75, 7.5962938329e-01],
                    [1, 1.3, 1.2792483859e00],
                ]
            ),
            8.7864049080e03,
        ),
        _nist(
            "mgh17",
            lambda b, x: b[0] + b[1] * np.exp(-x * b[3]) + b[2] * np.exp(-x * b[4]),
            np.array(
                [
                    [50, 0.5, 3.7541005211e-01],
                    [150, 1.5, 1.9358469127e00],
                    [-100, -1, -1.4646871366e00],
                    [1, 0.01, 1.2867534640e-02],
                    [2, 0.02, 2.2122699662e-02],
                ]
            ),
            5.4648946975e-05,
        ),
        _nist(
            "gauss1",
            _gauss1,
            np.array(
                [
                    [97, 94, 9.8778210871e01],
                    [0.009, 0.0105, 1.0497276517e-02],
                    [100, 99, 1.0048990633e02],
                    [65, 63, 6.7481111276e01],
                    [20, 25, 2.3129773360e01],
                    [70, 71, 7.1994503004e01],
                    [178, 180, 1.7899805021e02],
                    [16.5, 20, 1.8389389025e01],
                ]
            ),
            1.3158222432e03,
        ),
    )


def _chain(x: Array, t: Array) -> Array:
    """A -> B -> C, both A and B observed; x = log of rate, rate, amount."""
    first, second, amount = np.exp(x)
    a = amount * np.exp(-first * t)
    b = amount * first * (np.exp(-first * t) - np.exp(-second * t)) / (second - first)
    return np.concatenate([a, b])


def _decays(x: Array, t: Array) -> Array:
    """A sum of decays; x = log amounts, then log rates."""
    amounts, rates = np.exp(x).reshape(2, -1)
    return np.exp(-t[:, None] * rates) @ amounts


def _growth(x: Array, t: Array) -> Array:
    """Logistic growth; x = log of rate, capacity, initial size."""
    rate, capacity, first = np.exp(x)
    return capacity / (1 + (capacity / first - 1) * np.exp(-rate * t))


def simulated_models(n_starts: int = 20, seed: int = 0) -> tuple[Model, ...]:
    """Four models in log parameters with simulated data, each started up to a factor 30 off."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0.25, 10, 40)
    one, two = np.zeros(40, int), np.repeat([0, 1], 40)
    cases = (
        ("logistic growth", _growth, [1.0, 10.0, 0.2], [0.3], one),
        ("chain of two, two sigmas", _chain, [1.0, 0.3, 5.0], [0.02, 0.3], two),
        ("two exponentials", _decays, [3.0, 2.0, 2.0, 0.2], [0.02], one),
        ("three exponentials", _decays, [4.0, 3.0, 2.0, 5.0, 0.8, 0.1], [1e-4], one),
    )
    models = []
    for name, function, values, sigmas, group in cases:
        truth, sigma = np.log(values), np.array(sigmas)[group]
        data = function(truth, t) + sigma * rng.normal(size=len(sigma))
        starts = truth + rng.uniform(-np.log(30), np.log(30), (n_starts, len(truth)))
        models.append(Model(name, lambda x, g=function: g(x, t), data, starts, group, truth))
    return tuple(models)
