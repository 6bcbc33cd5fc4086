"""How well do the data of configs/neural_van_der_pol.yaml determine a vector field, whatever learns it?

    OMP_NUM_THREADS=1 python benchmarks/field_information.py [--data 1 2 3] [--series 30] [--train [KEY=VALUE ...]]

For data sets of other seeds: the error of predictions from 200 fresh initial values, as in windows.py, of

- cubic equations with all 20 coefficients, fitted to the same series beside their initial values: what is expected of
  any unbiased fit of them (Cramér and Rao, to first order), and what the noise of this data set makes of it;
- with --train, the network of the config, and where it puts the state of rest, which is at (0, 0).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from odefit.arrays import FloatArray
from odefit.config.load import load_config
from odefit.problem.simulation import simulate_data

CONFIG = Path(__file__).parents[1] / "configs" / "neural_van_der_pol.yaml"
POWERS = [(i, j) for i in range(4) for j in range(4 - i)]
SIZES = np.array([2.0**-i * 10.0**-j for i, j in POWERS] * 2)
"""Of a coefficient whose term is of size one on the orbit."""
MU, STOP, COUNT, STEPS, FRESH = 0.2, 30.0, 100, 4, 987_654
TERMS = {(0, (1, 0)): MU, (0, (3, 0)): -MU / 3, (0, (0, 1)): -MU, (1, (1, 0)): 1 / MU}
TRUTH = np.array([TERMS.get((row, power), 0.0) for row in (0, 1) for power in POWERS]) / SIZES
"""The equations of Van der Pol, in these sizes."""


def series(seed: int, count: int, noise: float | None = None) -> FloatArray:
    """The simulated series, [E, T, S]."""
    changes = [f"data.simulate.{key}" for key in (f"experiments={count}", f"seed={seed}")]
    changes += [] if noise is None else [f"data.simulate.noise={noise}"]
    return np.array([e.values for e in simulate_data(load_config(CONFIG, changes)).experiments])


def marched(field: Callable[[FloatArray], FloatArray], y: FloatArray) -> FloatArray:
    """Solutions [M, T, S] from y [M, S], by Runge-Kutta steps."""
    h, path = STOP / (COUNT - 1) / STEPS, [y]
    for _ in range(COUNT - 1):
        for _ in range(STEPS):
            k1 = field(y)
            k2 = field(y + h / 2 * k1)
            k3 = field(y + h / 2 * k2)
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + field(y + h * k3))
        path.append(y)
    return np.stack(path, axis=1)


def solved(c: FloatArray, y: FloatArray) -> FloatArray:
    """Solutions [M, T, S] of cubic equations with coefficients c [M, 20] from y [M, S]."""

    def field(y: FloatArray) -> FloatArray:
        terms = np.stack([y[:, 0] ** i * y[:, 1] ** j for i, j in POWERS], axis=1)
        return np.stack([(part * terms).sum(axis=1) for part in np.split(c * SIZES, 2, axis=1)], axis=1)

    return marched(field, y)


def slopes(start: FloatArray, step: float = 1e-5) -> FloatArray:
    """The derivatives of solutions of the true equations to coefficients and initial values, [E, T, S, 20 + 2]."""
    moved = []
    for q in np.eye(len(TRUTH) + 2):
        for sign in (1, -1):
            c = np.tile(TRUTH + sign * step * q[:-2], (len(start), 1))
            moved.append(solved(c, start + sign * step * q[-2:]))
    return np.stack([(up - down) / (2 * step) for up, down in zip(moved[::2], moved[1::2], strict=True)], axis=-1)


@dataclass(frozen=True)
class Fitted:
    """covariance: [20, 20], of noise of variance one. coefficients: [20], of these data."""

    covariance: FloatArray
    coefficients: FloatArray


def fitted(data: FloatArray, start: FloatArray) -> Fitted:
    """Cubic equations fitted to series, their initial values free: Gauss-Newton steps from the truth."""
    j, c, y = slopes(start), TRUTH.copy(), start.copy()
    for _ in range(3):
        left = data - solved(np.tile(c, (len(y), 1)), y)
        matrix, right, own = np.zeros((len(c), len(c))), np.zeros(len(c)), []
        for rows, r in zip(j, left, strict=True):
            of_c, of_y = np.split(rows.reshape(r.size, -1), [len(c)], axis=1)
            q = np.linalg.lstsq(of_y, np.column_stack([of_c, r.ravel()]), rcond=None)[0]
            of_c = of_c - of_y @ q[:, :-1]
            matrix += of_c.T @ of_c
            right += of_c.T @ (r.ravel() - of_y @ q[:, -1])
            own.append(q)
        step = np.linalg.solve(matrix, right)
        c, y = c + step, y + np.array([q[:, -1] - q[:, :-1] @ step for q in own])
    return Fitted(np.linalg.inv(matrix), c)


def trained(changes: Sequence[str], fresh: FloatArray, truth: FloatArray) -> str:
    """The network of the config, changed like this."""
    import torch
    from scipy.optimize import fsolve

    from odefit.fitting.network_training import train
    from odefit.problem.preparation import prepare
    from odefit.runs.progress import Silent

    assembly, _ = prepare(load_config(CONFIG, changes))
    begun = time.process_time()
    train(assembly, Silent())
    seconds = time.process_time() - begun
    assert assembly.networks is not None
    (network,) = assembly.networks.values()

    def field(y: FloatArray) -> FloatArray:
        with torch.no_grad():
            return np.asarray(network(torch.as_tensor(y)))

    errors = np.square(marched(field, fresh) - truth).mean(axis=(1, 2))
    rest = fsolve(lambda y: field(y[None])[0], np.zeros(2))
    at = f"{rest[0]:+.4f}, {rest[1]:+.4f}"
    return f"; network {errors.mean():.5f} (median series {np.median(errors):.5f}), at rest {at}, {seconds:.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=int, nargs="*", default=[1, 2, 3, 4, 5, 6, 7, 8])
    parser.add_argument("--series", type=int, default=30)
    parser.add_argument("--train", nargs="*", help="changes of the config, such as fit.seed=1")
    asked = parser.parse_args()
    fresh = series(FRESH, 200, 0)[:, 0]
    truth, of_fresh = solved(np.tile(TRUTH, (len(fresh), 1)), fresh), slopes(fresh)[..., :-2]
    for seed in asked.data:
        found = fitted(series(seed, asked.series), series(seed, asked.series, 0)[:, 0])
        expected = 0.01 * np.einsum("etip,pq,etiq->eti", of_fresh, found.covariance, of_fresh).mean()
        reached = np.square(solved(np.tile(found.coefficients, (len(fresh), 1)), fresh) - truth).mean()
        line = f"data {seed}, {asked.series} series: cubic equations {expected:.5f} expected, {reached:.5f} here"
        if asked.train is not None:
            of_data = [f"data.simulate.seed={seed}", f"data.simulate.experiments={asked.series}"]
            line += trained([*of_data, *asked.train], fresh, truth)
        print(line, flush=True)


if __name__ == "__main__":
    main()
