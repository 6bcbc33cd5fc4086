"""What `odefit design` promises beside the spread of refits to simulated data.

    python benchmarks/design.py [--data-sets 100] [--seed 0] [--choose 2]

Of each candidate, or set of them, measurements of the whole (those of the fit, and the candidate's) are simulated at
the estimates and fitted anew, from there. Promised is the standard error after the candidate, found the standard
deviation of the refits; a standard deviation of N numbers is itself known to 1/sqrt(2 N).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from timing import describe_machine, show

import odefit

PROBLEMS: Mapping[str, dict[str, Any]] = {
    "one compartment": {
        "config": {
            "model": {
                "equations": {"gut": "-ka*gut", "blood": "ka*gut - ke*blood"},
                "initial": {"gut": 100, "blood": 0},
                "observables": {"conc": "blood/V"},
            },
            "parameters": {
                "ka": {"value": 1.0, "bounds": [0.05, 20], "scale": "log"},
                "ke": {"value": 0.2, "bounds": [0.005, 5], "scale": "log"},
                "V": {"value": 30, "bounds": [1, 500], "scale": "log"},
            },
            "data": {"start": 0},
            "noise": {"conc": {"sigma": 0.1}},
        },
        "times": [0.5, 1, 2, 4, 8],
        "candidates": {"peak": [0.25, 0.5, 1, 1.5, 2, 3], "tail": [8, 12, 16, 24], "one": [12, 12.5, 13]},
        "of": "ke",
    },
    "logistic": {
        "config": {
            "model": {"equations": {"x": "r*x*(1 - x/K)"}, "initial": {"x": 1}},
            "parameters": {
                "r": {"value": 0.8, "bounds": [0.05, 5], "scale": "log"},
                "K": {"value": 20, "bounds": [2, 200], "scale": "log"},
            },
            "data": {"start": 0},
            "noise": {"x": "lognormal"},
        },
        "times": [0, 1, 2, 3, 4, 5, 6],
        "candidates": {"early": [0.5, 1.5, 2.5], "late": [8, 9, 10], "very late": [20, 21, 22]},
        "of": "K",
    },
}
SCATTER = 0.1


def simulated(config: dict[str, Any], theta: Mapping[str, float], times: list[float], seed: int) -> pd.DataFrame:
    """Measurements at these times, made at the estimates."""
    (observable,) = config["model"].get("observables", config["model"]["equations"])
    model = "lognormal" if config["noise"][observable] == "lognormal" else "gaussian"
    truth = {name: value for name, value in theta.items() if not name.startswith("sigma")}
    noise = {observable: {"model": model, "sigma": SCATTER}}
    data = {"start": 0, "simulate": {"times": times, "parameters": truth, "noise": noise, "seed": seed}}
    return odefit.simulate({**config, "data": data}).frame.drop(columns="experiment")


def main() -> None:
    """Print a row for each candidate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-sets", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--choose", type=int, default=1, help="candidates that are made together")
    given = parser.parse_args()
    rows = []
    for name, problem in PROBLEMS.items():
        config, of = problem["config"], problem["of"]
        start = {key: float(section["value"]) for key, section in config["parameters"].items()}
        run = odefit.fit(config, data=simulated(config, start, problem["times"], given.seed))
        theta = {key: float(e.value or 0) for key, e in run.result.estimates.items()}
        table = {key: {"times": " ".join(map(str, times))} for key, times in problem["candidates"].items()}
        promised = odefit.design(run, table, [of], choose=given.choose).frame
        for candidate in promised.index:
            more = [time for one in candidate.split(" + ") for time in problem["candidates"][one]]
            times = sorted([*problem["times"], *more])
            if len(set(times)) < len(times):  # which would be replicates
                continue
            again = {**config, "parameters": {k: {**s, "value": theta[k]} for k, s in config["parameters"].items()}}
            found = [
                odefit.fit(again, data=simulated(config, theta, times, 1000 + seed)).result.estimates[of].value
                for seed in range(given.data_sets)
            ]
            spread = float(np.std(np.array(found, dtype=float), ddof=1))
            error = float(promised.loc[candidate, "c"])
            rows.append((name, of, candidate, f"{error:.4g}", f"{spread:.4g}", f"{spread / error:.2f}"))
    describe_machine()
    show(f"{given.data_sets} data sets each", ("problem", "of", "candidate", "promised", "found", "ratio"), rows)


if __name__ == "__main__":
    main()
