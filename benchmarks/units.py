"""The same problem in other units: whether a fit, and the work that it takes, depend on how states are written.

python benchmarks/units.py [--methods auto bdf dopri5] [--build FOLDER]

Each state is written in units that make its numbers 1, 1e-3, 1e-6, 1e-9 or 1e-12 times as large, all states alike and
mixed; parameters follow. Each version is fitted from the same start, and compared with the first one: the estimates,
the iterations of the search, and the steps (dopri5: the evaluations of the right-hand side) of one solution at the
optimum. --build: another build's folder (a `git worktree` of an earlier commit).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp
from timing import show

FACTORS = (1.0, 1e-3, 1e-6, 1e-9, 1e-12)


@dataclass(frozen=True)
class Unit:
    """A problem whose states may be written in other units.

    truth, start: parameters in the first units. powers: of each parameter the powers of the states' units in its own.
    measured: the observables, formulas of one state (and, as in `blood/V`, of a parameter that has no unit of states).
    """

    equations: Mapping[str, str]
    initial: Mapping[str, float | str]
    truth: Mapping[str, float]
    start: Mapping[str, float]
    powers: Mapping[str, Mapping[str, int]]
    measured: Sequence[str]
    times: Sequence[float]
    noise: str = "gaussian"
    scatter: float = 0.03
    doses: Sequence[float] = field(default_factory=tuple)

    def numbers(self, values: Mapping[str, float], units: Mapping[str, float]) -> dict[str, float]:
        """Parameters in these units."""
        return {name: value * self._unit(name, units) for name, value in values.items()}

    def _unit(self, name: str, units: Mapping[str, float]) -> float:
        return float(np.prod([units[state] ** power for state, power in self.powers.get(name, {}).items()]))

    def data(self) -> np.ndarray[Any, Any]:
        """Measurements in the first units, [T, O]: by SciPy, with noise."""
        names, end = tuple(self.equations), self.times[-1]
        symbols = (*names, *self.truth)
        rates = sp.lambdify(
            symbols, [sp.sympify(f, {n: sp.Symbol(n) for n in symbols}) for f in self.equations.values()]
        )

        def field_(_: float, y: Any) -> Any:
            return rates(*y, *self.truth.values())

        y = np.array([self.truth[v] if isinstance(v, str) else v for v in self.initial.values()], dtype=float)
        stops = [t for t in self.doses if t > 0]
        found, begin = np.empty((len(self.times), len(y))), 0.0
        for stop in [*stops, end]:
            inside = [k for k, t in enumerate(self.times) if begin <= t < stop or t == stop == end]
            wanted = [*(self.times[k] for k in inside), stop]
            solved = solve_ivp(field_, (begin, stop), y, "LSODA", np.unique(wanted), rtol=1e-11, atol=1e-14)
            found[inside] = solved.y.T[: len(inside)]
            y, begin = solved.y[:, -1].copy(), stop
            y[0] += DOSE
        rng = np.random.default_rng(1)
        columns = [found[:, names.index(name)] for name in self.measured]
        scatter = [rng.standard_normal(len(self.times)) for _ in columns]
        if self.noise == "lognormal":
            return np.stack([c * np.exp(self.scatter * s) for c, s in zip(columns, scatter, strict=True)], axis=1)
        return np.stack([c + self.scatter * c.max() * s for c, s in zip(columns, scatter, strict=True)], axis=1)

    def config(self, units: Mapping[str, float], method: str) -> dict[str, Any]:
        """The config in these units."""
        start = self.numbers(self.start, units)
        initial = {s: v if isinstance(v, str) else v * units[s] for s, v in self.initial.items()}
        parameters = {n: {"value": v, "bounds": [v / 1e3, v * 1e3], "scale": "log"} for n, v in start.items()}
        return {
            "model": {
                "equations": dict(self.equations),
                "initial": initial,
                "observables": {name: name for name in self.measured},
            },
            "parameters": parameters,
            "noise": self.noise,
            "data": {"start": 0},
            "solver": {"method": method},
        }


DOSE = 100.0
PROBLEMS = {
    "Lotka-Volterra": Unit(
        {"x": "a*x - b*x*y", "y": "d*x*y - g*y"},
        {"x": 1.0, "y": 0.5},
        {"a": 1.0, "b": 1.5, "d": 1.2, "g": 0.8},
        {"a": 0.9, "b": 1.3, "d": 1.0, "g": 0.9},
        {"b": {"y": -1}, "d": {"x": -1}},
        ("x", "y"),
        np.arange(0.0, 21.0).tolist(),
    ),
    "enzyme, product measured": Unit(
        {"s": "-k1*s*e + km*c", "e": "-r*k1*s*e + r*(km + k2)*c", "c": "q*k1*s*e - q*(km + k2)*c", "p": "v*k2*c"},
        {"s": 5.0, "e": 0.01, "c": 0.0, "p": 0.0},
        {"k1": 20.0, "k2": 30.0, "km": 10.0, "r": 1.0, "q": 1.0, "v": 1.0},
        {"k1": 14.0, "k2": 40.0, "km": 10.0, "r": 1.0, "q": 1.0, "v": 1.0},
        {
            "k1": {"e": -1},
            "k2": {"s": 1, "c": -1},
            "km": {"s": 1, "c": -1},
            "r": {"e": 1, "s": -1},
            "q": {"c": 1, "s": -1},
            "v": {"p": 1, "s": -1},
        },
        ("p",),
        np.linspace(0.5, 30.0, 25).tolist(),
    ),
    "epidemic": Unit(
        {"S": "-b*S*I", "I": "w*b*S*I - g*I", "R": "z*g*I"},
        {"S": 1.0, "I": "i0", "R": 0.0},
        {"b": 0.9, "g": 0.3, "i0": 1e-5, "w": 1.0, "z": 1.0},
        {"b": 1.1, "g": 0.4, "i0": 3e-5, "w": 1.0, "z": 1.0},
        {"b": {"I": -1}, "i0": {"I": 1}, "w": {"I": 1, "S": -1}, "z": {"R": 1, "I": -1}},
        ("I",),
        np.arange(2.0, 60.0, 2.0).tolist(),
        noise="lognormal",
        scatter=0.1,
    ),
    "doses": Unit(
        {"gut": "-ka*gut", "blood": "f*ka*gut - ke*blood", "tissue": "h*k12*blood - k21*tissue"},
        {"gut": DOSE, "blood": 0.0, "tissue": 0.0},
        {"ka": 1.2, "ke": 0.25, "k12": 0.3, "k21": 0.1, "f": 1.0, "h": 1.0},
        {"ka": 2.0, "ke": 0.2, "k12": 0.2, "k21": 0.15, "f": 1.0, "h": 1.0},
        {"f": {"blood": 1, "gut": -1}, "h": {"tissue": 1, "blood": -1}},
        ("blood", "tissue"),
        [0.5, 1.0, 2.0, 4.0, 8.0, 11.5, 12.5, 13.0, 14.0, 18.0, 23.5, 25.0, 30.0, 40.0, 60.0],
        noise="lognormal",
        scatter=0.1,
        doses=(12.0, 24.0),
    ),
}
CONVERSIONS = ("r", "q", "v", "w", "z", "f", "h", "km")
"""Parameters that are not fitted."""


def choices(states: Sequence[str]) -> Iterator[tuple[str, dict[str, float]]]:
    """Units of the states, with a name: all alike, and mixed."""
    for factor in FACTORS:
        yield f"{factor:g}", dict.fromkeys(states, factor)
    for turn in (1, 2, 4):
        mixed = {s: FACTORS[(turn * (k + 1)) % len(FACTORS)] for k, s in enumerate(states)}
        yield ", ".join(f"{mixed[s]:g}" for s in states), mixed


@dataclass(frozen=True)
class Fitted:
    """The estimates in the first units, the objective less the logarithms of units, and the work."""

    status: str
    values: dict[str, float]
    iterations: int
    steps: int


def fit(problem: Unit, units: Mapping[str, float], method: str) -> Fitted:
    import odefit

    config = problem.config(units, method)
    for name in CONVERSIONS:
        if name in config["parameters"]:
            config["parameters"][name] = {"value": config["parameters"][name]["value"], "estimate": False}
    values = problem.data() * np.array([units[name] for name in problem.measured])
    data = odefit.Experiment(
        "1",
        problem.times,
        dict(zip(problem.measured, values.T, strict=True)),
        doses=[odefit.Dose(t, next(iter(problem.equations)), DOSE * units["gut"]) for t in problem.doses],
    )
    run = odefit.fit(config, data=[data])
    back = problem.numbers(dict.fromkeys(problem.start, 1.0), units)
    fitted = {n: run.result.estimates[n].value / back[n] for n in problem.start if n not in CONVERSIONS}
    return Fitted(str(run.result.status), fitted, int(run.history["iteration"].iloc[-1]), _steps(run))


def _steps(run: Any) -> int:
    """Of one solution: steps, or evaluations of the right-hand side."""
    problem = run.assembly.problem
    engine, p = problem.engine, problem.binding.local(run.theta)[:, : problem.n_system]
    counted = [0]

    def count() -> None:
        counted[0] += 1

    if (steps := engine.count_steps(p, problem.experiments)) is not None:
        return steps
    engine.watch(count)
    engine.solve(p, problem.experiments)
    engine.watch(None)
    return counted[0]


def main() -> None:
    parser = argparse.ArgumentParser(description="The same problems in other units.")
    parser.add_argument("--methods", nargs="+", default=["auto", "bdf", "dopri5"])
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS))
    parser.add_argument("--build", type=Path)
    arguments = parser.parse_args()
    if arguments.build:
        sys.path.insert(0, str(arguments.build.resolve()))
    rows = []
    for name in arguments.problems:
        problem = PROBLEMS[name]
        for method in arguments.methods:
            first: Fitted | None = None
            for units, factors in choices(tuple(problem.equations)):
                try:
                    found = fit(problem, factors, method)
                except Exception as error:
                    rows.append([name, method, units, type(error).__name__, "", "", ""])
                    continue
                first = first or found
                off = max(abs(found.values[n] / first.values[n] - 1) for n in found.values)
                work = found.steps / first.steps if first.steps else float("nan")
                rows.append(
                    [name, method, units, found.status, f"{off:.1g}", found.iterations, f"{found.steps} ({work:.2f})"]
                )
    show(
        "The same problem in other units",
        ["problem", "method", "units of the states", "status", "estimates off by", "iterations", "steps"],
        rows,
    )


if __name__ == "__main__":
    main()
