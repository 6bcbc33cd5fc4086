"""Are moved starts ever worse than drawn ones? Two small systems under what data and boxes may be like.

    python benchmarks/variations.py [--only WORD ...] [--starts 10] [--seeds 0 1 2]

Predators and their prey, which oscillate, and an epidemic, which does not, each simulated with more noise, few points,
a gap, several experiments, a series that stands still, observables that are formulas, boxes of six decades, a value at
its bound and an event; a start at rest, and a dose whose lag is estimated. `drawn`: `fit.match: false`; `staged`:
odefit as it is. A line has the starts of all seeds at the best optimum (within 0.1 of the lowest that any found), CPU
seconds of all fits, and by how much the best of the staged starts of any seed lies above the best of the drawn ones.
"""

from __future__ import annotations

import argparse
import copy
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from robustness_cases import Array, box, log, simulated
from timing import describe_machine, show

import odefit

NEAR = 0.1
Problem = tuple[dict[str, Any], pd.DataFrame]


def lotka_volterra(
    n: int = 21, noise: float = 0.05, start: tuple[float, float] = (10, 5), seed: int = 1, span: float = 20
) -> Problem:
    t = np.linspace(0, span, n)
    y = simulated(lambda _, y: [0.6 * y[0] - 0.03 * y[0] * y[1], 0.02 * y[0] * y[1] - 0.8 * y[1]], start, t)
    y = y * np.exp(noise * np.random.default_rng(seed).standard_normal(y.shape))
    config = {
        "model": {
            "equations": {"x": "a*x - b*x*y", "y": "c*x*y - d*y"},
            "initial": {"x": "estimate", "y": "estimate"},
        },
        "parameters": {
            "a": log(1, 0.05, 10),
            "b": log(0.1, 1e-3, 1),
            "c": log(0.1, 1e-3, 1),
            "d": log(1, 0.05, 10),
            "x_0": log(10, 1, 100),
            "y_0": log(10, 1, 100),
        },
        "noise": "lognormal",
    }
    return config, pd.DataFrame({"time": t, "x": y[0], "y": y[1]})


def epidemic(
    n: int = 21, noise: float = 0.05, start: tuple[float, float] = (99, 1), seed: int = 1, span: float = 40
) -> Problem:
    t = np.linspace(0, span, n)
    y = simulated(lambda _, y: [-0.006 * y[0] * y[1], 0.006 * y[0] * y[1] - 0.15 * y[1]], start, t)
    y = y + noise * y.max(axis=1)[:, None] * np.random.default_rng(seed).standard_normal(y.shape)
    config = {
        "model": {"equations": {"S": "-b*S*I", "I": "b*S*I - g*I"}, "initial": {"S": "estimate", "I": "estimate"}},
        "parameters": {
            "b": log(0.1, 1e-4, 1),
            "g": log(1, 1e-2, 10),
            "S_0": log(50, 10, 1000),
            "I_0": log(10, 0.01, 100),
        },
        "noise": "gaussian",
    }
    return config, pd.DataFrame({"time": t, "S": y[0], "I": y[1]})


Make = Callable[..., Problem]


def gap(make: Make) -> Problem:
    config, data = make()
    return config, data[(data.index < 5) | (data.index > 12)]


def several(make: Make) -> Problem:
    starts = [(10.0, 5.0), (40.0, 10.0), (60.0, 30.0)] if make is lotka_volterra else [(99, 1), (50, 5), (80, 20)]
    frames = [make(start=start, seed=k)[1].assign(experiment=f"e{k}") for k, start in enumerate(starts)]
    return make()[0], pd.concat(frames, ignore_index=True)


def standing(make: Make) -> Problem:
    config, data = several(make)
    still = data["experiment"] == "e1"
    first, second = data.columns[1:3]  # nothing to eat, or no one who is ill
    data.loc[still, [first, second]] = [[1e-3, 1e-3]] if make is lotka_volterra else [[50.0, 0.0]]
    if make is lotka_volterra:
        data.loc[still, [first, second]] = [40.0, 20.0]  # where births and deaths are equal
    return config, data


def formulas(make: Make) -> Problem:
    config, data = make()
    a, b = data.columns[1:3]
    seen = {"share": f"{b}/({a} + {b})", "sum": f"{a} + {b}", "size": f"log({a} + 1)"}
    config["model"]["observables"], config["noise"] = seen, "gaussian"
    x, y = data[a], data[b]
    return config, pd.DataFrame(
        {"time": data["time"], "share": y / (x + y), "sum": x + y, "size": np.log(np.maximum(x, 0) + 1)}
    )


def wide(make: Make) -> Problem:
    config, data = make()
    for parameter in config["parameters"].values():
        middle = float(np.sqrt(np.prod(parameter["bounds"])))
        parameter["bounds"] = [middle * 1e-3, middle * 1e3]
    return config, data


def at_bounds(make: Make) -> Problem:
    config, data = make()
    first = next(iter(config["parameters"]))
    truth = {"a": 0.6, "b": 0.006}[first]
    config["parameters"][first]["bounds"][0] = 1.1 * truth
    return config, data


def with_event(make: Make) -> Problem:
    """The first state is halved at half of the time."""
    config, data = make()
    first, second = data.columns[1:3]
    config["model"]["events"] = [{"time": float(data["time"][10]), "set": {first: f"{first}/2"}}]
    early, late = data[:11], make(n=11, start=(data[first][10] / 2, data[second][10]), seed=2, span=data["time"][10])[1]
    late = late.assign(time=np.linspace(data["time"][10], data["time"][20], 11))
    return config, pd.concat([early, late[1:]], ignore_index=True)


def few(make: Make) -> Problem:
    return make(n=6)


def noisy(make: Make) -> Problem:
    return make(noise=0.3)


def dose_with_lag(_: Make) -> Problem:
    t = np.linspace(0, 24, 19)
    y = np.where(t > 1.5, 10 * (np.exp(-0.2 * (t - 1.5)) - np.exp(-1.2 * (t - 1.5))), 0.0)
    y = y + 0.2 * np.random.default_rng(1).standard_normal(len(t))
    config = {
        "model": {
            "equations": {"gut": "-ka*gut", "x": "ka*gut/V - k*x"},
            "initial": {"gut": 0, "x": 0},
            "observables": {"x": "x"},
        },
        "data": {"doses": {"table": [{"state": "gut", "time": 0, "amount": 100}], "lag": "late"}},
        "parameters": {
            "ka": log(0.3, 0.01, 100),
            "k": log(1, 0.001, 10),
            "V": log(10, 0.1, 1000),
            "late": box(0, 5),
        },
        "noise": "gaussian",
    }
    return config, pd.DataFrame({"time": t, "x": y})


def at_rest(_: Make) -> Problem:
    """A signal that was absent until everything had come to rest."""
    t = np.linspace(0, 10, 21)
    y = simulated(lambda _, y: [2 * 3 - 0.5 * y[0], 0.5 * y[0] - 1.5 * y[1]], [4.0, 4 / 3], t)
    y = y + 0.1 * np.random.default_rng(1).standard_normal(y.shape)
    config = {
        "model": {
            "equations": {"x": "k*signal - d*x", "z": "d*x - e*z"},
            "initial": {"x": 0, "z": 0},
            "steady_state": {"signal": 1},
        },
        "parameters": {"signal": 3, "k": log(1, 1e-3, 1e3), "d": log(1, 1e-3, 1e3), "e": log(1, 1e-3, 1e3)},
        "noise": "gaussian",
    }
    return config, pd.DataFrame({"time": t, "x": y[0], "z": y[1]})


VARIATIONS: dict[str, Callable[[Make], Problem]] = {
    "as it is": lambda make: make(),
    "noise of 30 %": noisy,
    "six points": few,
    "a gap": gap,
    "three experiments": several,
    "one of them stands still": standing,
    "formulas": formulas,
    "six decades": wide,
    "a value at its bound": at_bounds,
    "an event": with_event,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    describe_machine()
    problems = {f"{make.__name__}, {name}": (make, vary) for name, vary in VARIATIONS.items() for make in MAKES}
    problems["a start at rest"] = (lotka_volterra, at_rest)
    problems["a dose with a lag"] = (lotka_volterra, dose_with_lag)
    rows = []
    for name, (make, vary) in problems.items():
        if options.only and not any(word in name for word in options.only):
            continue
        config, data = vary(make)
        found = {how: fits(config, data, options, match) for how, match in (("drawn", False), ("staged", None))}
        best = min(float(values.min()) for values, _ in found.values())
        hits = [f"{int((v <= best + NEAR).sum())} of {v.size}, {cpu:.2g} s" for v, cpu in found.values()]
        worse = (found["staged"][0].min(axis=1) - found["drawn"][0].min(axis=1)).max()
        rows.append((name, *hits, f"{worse:.2g}"))
        print(rows[-1], flush=True)
    show("Starts", ("problem", "drawn", "staged", "worse by"), rows)


MAKES: tuple[Make, ...] = (lotka_volterra, epidemic)


def fits(
    config: dict[str, Any], data: pd.DataFrame, options: argparse.Namespace, match: bool | None
) -> tuple[Array, float]:
    """Objectives where starts ended [seeds, starts], and the CPU seconds."""
    begun = cpu_seconds()
    values = []
    for seed in options.seeds:
        fit = {"method": "least_squares", "starts": options.starts, "seed": seed, "workers": 1}
        fit |= {} if match is None else {"match": match}
        run = odefit.fit({**copy.deepcopy(config), "fit": fit}, data=data)
        values.append(run.frame("starts")["objective"].to_numpy(dtype=np.float64))
    return np.nan_to_num(np.array(values), nan=np.inf), cpu_seconds() - begun


def cpu_seconds() -> float:
    return sum(os.times()[:4])


if __name__ == "__main__":
    main()
