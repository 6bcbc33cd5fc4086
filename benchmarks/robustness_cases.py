"""The problems of robustness.py that are simulated: oscillators, chaos, epidemics, some of them measured in part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

Array = NDArray[np.float64]
CONFIGS = Path(__file__).parents[1] / "configs"


OF_PETAB = ("Borghans", "Boehm", "Crauste", "Elowitz", "Sneyd", "Rahman", "Bruno", "Fujita", "Perelson")


@dataclass(frozen=True)
class Case:
    """One fit.

    Parameters
    ----------
    name
        In the table.
    config
        A config, or its file.
    data
        Its measurements, where the config names none.
    """

    name: str
    config: dict[str, Any] | Path
    data: pd.DataFrame | None = None


def log(value: float, low: float, high: float) -> dict[str, Any]:
    return {"value": value, "bounds": [low, high], "scale": "log"}


def box(low: float, high: float) -> dict[str, Any]:
    return {"value": (low + high) / 2, "bounds": [low, high]}


def simulated(rates: Callable[[float, Array], Sequence[float]], start: Sequence[float], times: Array) -> Array:
    """States [S, T]."""
    solved = solve_ivp(rates, (0.0, times[-1]), start, t_eval=times, method="LSODA", rtol=1e-10, atol=1e-10)
    states: Array = solved.y
    return states


def case(
    name: str,
    equations: Mapping[str, str],
    observables: Mapping[str, str],
    initial: Mapping[str, Any],
    parameters: Mapping[str, Any],
    noise: str,
    data: Mapping[str, Array],
) -> Case:
    model = {"equations": dict(equations), "observables": dict(observables), "initial": dict(initial)}
    return Case(name, {"model": model, "parameters": dict(parameters), "noise": noise}, pd.DataFrame(data))


def esposito_floudas() -> Case:
    """Lotka and Volterra's equations in units of their rest, ten times: W. R. Esposito and C. A. Floudas, Industrial &
    Engineering Chemistry Research 39 (2000)."""
    t = np.arange(1.0, 11.0)
    y = simulated(lambda _, y: [3 * y[0] * (1 - y[1]), y[1] * (y[0] - 1)], [1.2, 1.1], np.append(0.0, t))[:, 1:]
    y = y + 0.02 * np.random.default_rng(0).standard_normal(y.shape)
    equations = {"x": "a*x*(1 - y)", "y": "b*y*(x - 1)"}
    parameters = {"a": box(0, 10), "b": box(0, 10)}
    data = {"time": np.append(0.0, t), "x": np.append(np.nan, y[0]), "y": np.append(np.nan, y[1])}
    observed = {"x": "x", "y": "y"}
    return case("Esposito-Floudas", equations, observed, {"x": 1.2, "y": 1.1}, parameters, "gaussian", data)


def fitzhugh_nagumo() -> Case:
    t = np.linspace(0, 100, 101)
    y = simulated(lambda _, y: [y[0] - y[0] ** 3 / 3 - y[1] + 0.5, (y[0] + 0.7 - 0.8 * y[1]) / 12.5], [-1, -0.5], t)
    return case(
        "FitzHugh-Nagumo, V alone",
        {"V": "V - V^3/3 - W + current", "W": "(V + a - b*W)/tau"},
        {"V": "V"},
        {"V": "estimate", "W": "estimate"},
        {
            "a": box(0.01, 3),
            "b": box(0.01, 3),
            "tau": box(0.5, 50),
            "current": box(0, 2),
            "V_0": box(-3, 3),
            "W_0": box(-3, 3),
        },
        "gaussian",
        {"time": t, "V": y[0] + 0.05 * np.random.default_rng(1).standard_normal(101)},
    )


def lorenz(observed: str = "xyz") -> Case:
    t = np.linspace(0, 10, 201)
    y = simulated(
        lambda _, y: [10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]], [-8, 7, 27], t
    )
    y = y + 0.5 * np.random.default_rng(1).standard_normal(y.shape)
    return case(
        "Lorenz, 10 units" + ("" if len(observed) == 3 else f", {observed} alone"),
        {"x": "sigma*(y - x)", "y": "x*(rho - z) - y", "z": "x*y - beta*z"},
        {name: name for name in observed},
        dict.fromkeys("xyz", "estimate"),
        {
            "sigma": log(5, 1, 50),
            "rho": log(20, 1, 100),
            "beta": log(1, 0.1, 10),
            "x_0": box(-30, 30),
            "y_0": box(-30, 30),
            "z_0": box(0, 60),
        },
        "gaussian",
        {"time": t, **{name: y["xyz".index(name)] for name in observed}},
    )


def goodwin() -> Case:
    t = np.linspace(0, 200, 81)
    y = simulated(
        lambda _, y: [1 / (1 + y[2] ** 10) - 0.1 * y[0], y[0] - 0.1 * y[1], y[1] - 0.1 * y[2]], [0.1, 0.2, 2.5], t
    )
    y = y * np.exp(0.05 * np.random.default_rng(1).standard_normal(y.shape))
    return case(
        "Goodwin, x and z",
        {"x": "k1/(1 + z^n) - k2*x", "y": "k3*x - k4*y", "z": "k5*y - k6*z"},
        {"x": "x", "z": "z"},
        dict.fromkeys("xyz", "estimate"),
        {f"k{i}": log(0.5, 0.01, 10) for i in range(1, 7)}
        | {"n": log(6, 1, 15)}
        | {f"{s}_0": log(1, 1e-3, 100) for s in "xyz"},
        "lognormal",
        {"time": t, "x": y[0], "z": y[2]},
    )


def repressilator() -> Case:
    def rates(_: float, y: Array) -> Sequence[float]:
        m, p = y[:3], y[3:]
        found: Array = np.concatenate([-m + 216 / (1 + p[[2, 0, 1]] ** 2) + 0.2, -2 * (p - m)])
        return list(found)

    t = np.linspace(0, 30, 61)
    y = simulated(rates, [0, 0, 0, 5, 0, 15], t)[3:] + 3 * np.random.default_rng(1).standard_normal((3, 61))
    pairs = ((1, 3), (2, 1), (3, 2))
    return case(
        "repressilator, proteins",
        {f"m{i}": f"-m{i} + alpha/(1 + p{j}^n) + alpha0" for i, j in pairs}
        | {f"p{i}": f"-beta*(p{i} - m{i})" for i, _ in pairs},
        {f"p{i}": f"p{i}" for i, _ in pairs},
        {f"m{i}": 0 for i, _ in pairs} | {f"p{i}": "estimate" for i, _ in pairs},
        {"alpha": log(50, 1, 1000), "alpha0": log(1, 0.01, 10), "beta": log(1, 0.1, 10), "n": box(1, 5)}
        | {f"p{i}_0": log(10, 0.01, 100) for i, _ in pairs},
        "gaussian",
        {"time": t, **{f"p{i + 1}": y[i] for i in range(3)}},
    )


def epidemic() -> Case:
    t = np.arange(0.0, 41.0)
    y = simulated(lambda _, y: [-0.6e-3 * y[0] * y[1], 0.6e-3 * y[0] * y[1] - 0.2 * y[1]], [998, 2], t)
    return case(
        "SIR, counts of a share",
        {"S": "-beta*S*I/1000", "I": "beta*S*I/1000 - gamma*I"},
        {"cases": "rho*I"},
        {"S": 1000, "I": "estimate"},
        {
            "beta": log(1, 0.01, 100),
            "gamma": log(1, 0.01, 100),
            "rho": log(0.1, 0.01, 1),
            "I_0": log(10, 1e-3, 500),
        },
        "poisson",
        {"time": t, "cases": np.random.default_rng(0).poisson(0.4 * y[1]).astype(np.float64)},
    )


def without_values(path: Path) -> dict[str, Any]:
    """A config of the PEtab collection as a user would begin: no published values, and nothing said of the fit."""
    config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    config.pop("fit", None)
    for parameter in config["parameters"].values():
        if isinstance(parameter, dict) and "bounds" in parameter and parameter.get("estimate", True):
            parameter.pop("value", None)
    config["data"] |= {
        key: str(path.parent / config["data"][key]) for key in ("csv", "experiments") & config["data"].keys()
    }
    return config


def cases(petab: Path | None) -> list[Case]:
    """All of them; those of the PEtab collection from a folder with one config for each, where there is one."""
    found = [
        Case("lynx and hare", CONFIGS / "lynx_hare.yaml"),
        esposito_floudas(),
        fitzhugh_nagumo(),
        lorenz(),
        lorenz("x"),
        goodwin(),
        repressilator(),
        epidemic(),
    ]
    for name in OF_PETAB if petab else ():
        assert petab is not None
        for folder in sorted(petab.glob(f"{name}_*")):
            fit = folder / "fit.yaml"
            found.append(Case(name, without_values(fit if fit.exists() else folder / "problem.yaml")))
    return found
