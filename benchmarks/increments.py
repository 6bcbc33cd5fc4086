"""Counts per interval beside their running sum: the same epidemic, the same solver, the same search.

    python benchmarks/increments.py

    sum          what was counted so far, compared with the state C
    increments   what was counted since the sample before, compared with its growth: `{increase: C}`
    resets       the way without: events that set C to 0 just after each sample

An evaluation is that of the likelihood with its gradient. The fits differ in what they fit, and so in their steps.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from timing import best_times, describe_machine, duration, show

import odefit

PEOPLE = 1e5
ROUNDS = 7
METHODS = ("tsit45", "bdf", "dopri5")


def config(kind: str, days: int, method: str) -> dict[str, Any]:
    """The epidemic, with what is measured of it."""
    new = f"beta*S*I/{PEOPLE:g}"
    model: dict[str, Any] = {
        "equations": {"S": f"-{new}", "I": f"{new} - gamma*I", "C": new},
        "initial": {"S": f"{PEOPLE:g} - i0", "I": "i0", "C": 0},
        "observables": {"cases": {"increase": "C"} if kind == "increments" else "C"},
    }
    if kind == "resets":
        model["events"] = [{"time": [day + 1e-6 for day in range(1, days)], "set": {"C": 0}}]
    return {
        "model": model,
        "parameters": {
            "beta": {"value": 0.5, "bounds": [0.01, 5], "scale": "log"},
            "gamma": {"value": 0.25, "bounds": [0.01, 5], "scale": "log"},
            "i0": {"value": 8, "bounds": [0.1, 1000], "scale": "log"},
        },
        "data": {"start": 0},
        "noise": "gaussian",
        "solver": {"method": method},
    }


def main() -> None:
    describe_machine("torch", "torchdiffeq")
    rows = []
    for days in (20, 100):
        for method in METHODS:
            rows += compared(days, method)
    show("Counts per interval", ("days", "method", "", "evaluation", "times the sum's", "fit", "times"), rows)


def compared(days: int, method: str) -> list[list[Any]]:
    """One row of the table for each way."""
    kinds = ("sum", "increments") if method == "dopri5" else ("sum", "increments", "resets")
    evaluations, fits = {}, {}
    for kind in kinds:
        data = [measured(kind, days)]
        problem = odefit.load(config(kind, days, method), data=data)
        x = problem.x0 * 1.01
        problem.gradient(x)  # compiles
        evaluations[kind] = partial(problem.gradient, x)
        fits[kind] = partial(odefit.fit, config(kind, days, method), data=data)
    each = best_times(evaluations, ROUNDS * 5)
    whole = best_times(fits, 2 if method == "dopri5" else ROUNDS)
    return [
        [
            *(days, method, kind, duration(each[kind]), f"{each[kind] / each['sum']:.2f}"),
            *(duration(whole[kind]), f"{whole[kind] / whole['sum']:.2f}"),
        ]
        for kind in kinds
    ]


def measured(kind: str, days: int) -> odefit.Experiment:
    """Made up from the running sum at rates that are not those of the start, with noise."""
    truth = {"beta": 0.6, "gamma": 0.3, "i0": 5}
    times = np.arange(1.0, days + 1)
    blank = odefit.Experiment("town", times, {"cases": np.ones(days)})
    exact = odefit.load(config("sum", days, "tsit45"), data=[blank])
    x = [truth.get(name, 1.0) for name in exact.names]
    total = exact.simulate(x)["cases"].to_numpy()
    values = total if kind == "sum" else np.diff(total, prepend=0.0)
    rng = np.random.default_rng(1)
    return odefit.Experiment("town", times, {"cases": values + rng.normal(0, 0.03 * values.max(), days)})


if __name__ == "__main__":
    main()
