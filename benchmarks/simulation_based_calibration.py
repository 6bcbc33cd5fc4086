"""Simulation-based calibration of `odefit.sample`: truths are drawn from the prior, data from the truths.

Then it is counted where each truth stands among draws of its posterior.

    python benchmarks/simulation_based_calibration.py [--sets 200]

If prior, likelihood, Jacobians and sampler are right, the rank of the truth among independent draws is uniform. The
ranks of each parameter are put into ten bins, and compared with that by chi-square.

References
----------
S. Talts, M. Betancourt, D. Simpson, A. Vehtari and A. Gelman, "Validating Bayesian Inference Algorithms with
Simulation-Based Calibration" (2018).
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from scipy import stats

import odefit

CONFIG = {
    "model": {"equations": {"x": "-k*x"}},
    "parameters": {
        "k": {"value": 0.3, "scale": "log", "bounds": [0.05, 2]},  # flat in ln k
        "x_0": {"value": 10, "scale": "linear", "bounds": [0.1, 40], "prior": {"normal": [10, 2]}},
        "sigma_x": {"value": 0.5, "prior": {"lognormal": [0.5, 0.3]}},
    },
    "noise": "gaussian",
}
TIMES = np.linspace(0, 6, 8)
BINS, KEPT = 10, 99


def prior(rng: np.random.Generator) -> dict[str, float]:
    """A truth; x_0 is cut off at its bounds, which are far out."""
    k = float(np.exp(rng.uniform(np.log(0.05), np.log(2))))
    return {"k": k, "x_0": float(rng.normal(10, 2)), "sigma_x": float(0.5 * np.exp(0.3 * rng.standard_normal()))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=200)
    chosen = parser.parse_args()
    ranks: dict[str, list[int]] = {name: [] for name in ("k", "x_0", "sigma_x")}
    begun, left_out = time.process_time(), 0
    for seed in range(chosen.sets):
        rng = np.random.default_rng([11, seed])
        truth = prior(rng)
        x = truth["x_0"] * np.exp(-truth["k"] * TIMES) + truth["sigma_x"] * rng.standard_normal(len(TIMES))
        run = odefit.fit(CONFIG, data=pd.DataFrame({"time": TIMES, "x": x}))
        if not isinstance(run, odefit.Run) or run.result.status == "failed":
            left_out += 1
            continue
        found = odefit.sample(run, 60, chains=8, warm_up=80, seed=seed)
        for k, name in enumerate(found.table.names):
            draws = found.table.values[:, :, k].ravel()
            thinned = draws[np.linspace(0, len(draws) - 1, KEPT).astype(int)]
            ranks[name].append(int((thinned < truth[name]).sum()))
    print(f"{chosen.sets - left_out} data sets, {time.process_time() - begun:.0f} s of CPU")
    for name, own in ranks.items():
        counts = np.bincount(np.array(own) * BINS // (KEPT + 1), minlength=BINS)
        print(f"{name:10} p = {stats.chisquare(counts).pvalue:.2f}   {' '.join(map(str, counts))}")


if __name__ == "__main__":
    main()
