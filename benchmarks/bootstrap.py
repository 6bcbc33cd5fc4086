"""Coverage of bootstrap intervals: how often those of simulated data hold the truth.

    python benchmarks/bootstrap.py [--sets 200] [--samples 400]

Data sets are drawn from known parameters, fitted, and bootstrapped; of every kind of interval, and of Wald's, it is
counted how often they hold the truth of each parameter, at 95 %. Beside that the standard errors, as a ratio to Wald's.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd

import odefit

LOGISTIC: dict[str, Any] = {
    "model": {"equations": {"N": "r*N*(1 - N/K)"}},
    "parameters": {
        "r": {"value": 0.8, "bounds": [0.01, 10], "scale": "log"},
        "K": {"value": 60, "bounds": [1, 1000], "scale": "log"},
        "N_0": {"value": 4, "bounds": [0.01, 100], "scale": "log"},
    },
}
DECAY: dict[str, Any] = {
    "model": {"equations": {"x": "-k*x"}},
    "parameters": {
        "k": {"value": 0.3, "bounds": [0.001, 10], "scale": "log"},
        "x_0": {"value": 30, "bounds": [1, 1000], "scale": "log"},
    },
}


def logistic(rng: np.random.Generator) -> tuple[dict[str, Any], pd.DataFrame, dict[str, float]]:
    """Twelve measurements with normal noise of a twelfth of the capacity."""
    t = np.linspace(0, 12, 12)
    n = 60 / (1 + 14 * np.exp(-0.8 * t))
    truth = {"r": 0.8, "K": 60.0, "N_0": 4.0, "sigma_N": 5.0}
    return LOGISTIC, pd.DataFrame({"time": t, "N": n + 5 * rng.standard_normal(12)}), truth


def counts(rng: np.random.Generator) -> tuple[dict[str, Any], pd.DataFrame, dict[str, float]]:
    """Ten counts, Poisson."""
    t = np.linspace(0, 9, 10)
    return (
        DECAY | {"noise": "poisson"},
        pd.DataFrame({"time": t, "x": rng.poisson(30 * np.exp(-0.3 * t))}),
        {"k": 0.3, "x_0": 30.0},
    )


STUDIES = {"logistic": logistic, "counts": counts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--kind", default="parametric")
    parser.add_argument("--studies", nargs="*", default=list(STUDIES))
    chosen = parser.parse_args()
    for study in chosen.studies:
        begun = time.process_time()
        held: dict[tuple[str, str], int] = defaultdict(int)
        ratios: dict[str, list[float]] = defaultdict(list)
        used = 0
        for seed in range(chosen.sets):
            config, frame, truth = STUDIES[study](np.random.default_rng([7, seed]))
            run = odefit.fit(config, data=frame)
            if run.result.status != "converged" or not isinstance(run, odefit.Run):
                continue
            used += 1
            found = odefit.bootstrap(run, chosen.samples, kind=chosen.kind)
            for name, value in truth.items():
                one = found.summary.estimates[name]
                kinds = {**one["intervals"], "wald": one["wald_interval"]}
                for kind, ends in kinds.items():
                    held[name, kind] += ends is not None and ends[0] <= value <= ends[1]
                if one["wald_standard_error"]:
                    ratios[name].append(one["standard_error"] / one["wald_standard_error"])
        print(f"\n{study}: {used} data sets, {chosen.samples} {chosen.kind} samples each")
        print(f"{time.process_time() - begun:.0f} s of CPU")
        kinds = ("wald", "studentized", "bca", "basic", "percentile")
        print(f"{'':10}" + "".join(f"{kind:>13}" for kind in kinds) + f"{'errors/wald':>13}")
        for name in truth:
            shares = "".join(f"{100 * held[name, kind] / used:12.1f}%" for kind in kinds)
            print(f"{name:10}{shares}{np.median(ratios[name]):13.2f}")


if __name__ == "__main__":
    main()
