"""The kernel beside diffsol: one value and one solution with all sensitivities, chains, and many small experiments.

    python benchmarks/kernel.py [--quick]

Each line solves the same system by `auto` of both engines at rtol 1e-6, atol 1e-8, in turns; times are CPU time, the
shortest of some turns. `error` is the largest error of any p dy/dp, as a part of the largest such number of the same
state, against the kernel at a tolerance of 1e-11. `value` is the solution alone. `ready` and `again` are the seconds
until formulas are machine code: for the first time, and from the cache.

The second table is of the gradient of one number, a sum over all states at all times with random weights: the solution
and the way back through it, beside all sensitivities; errors are parts of the largest p dg/dp. The third is of problems
with such equations, five states of which are measured twelve times in each of two experiments: the likelihood with its
gradient, as a sampler asks for it, and 60 steps of L-BFGS, back and by sensitivities.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from timing import describe_machine, show

import odefit
from odefit.api import assembled
from odefit.compilation import program_cache
from odefit.config.fit_methods import METHODS
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, Solutions, SolverOptions
from odefit.engines.diffsol.diffsol_engine import DiffsolEngine
from odefit.engines.first_method import settled_engine
from odefit.engines.kernel import kernel_engine
from odefit.engines.kernel.kernel_engine import KernelEngine
from odefit.engines.kernel.program import KernelProgram
from odefit.fitting.local_search import LocalSearch
from odefit.model.formulas import parse_formula
from odefit.model.system import System
from odefit.objective.likelihood import Likelihood
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood
from odefit.objective.slopes import values_and_gradients

Array = NDArray[np.float64]
SIGNAL = "0.05*exp(-t/40)"
DIMERS = {
    "a": f"{SIGNAL}*(-2*k1*a^2 - k2*a*b) + 2*k7*d + k8*e",
    "b": f"{SIGNAL}*(-2*k3*b^2 - k2*a*b) + 2*k9*h + k8*e",
    "c": f"{SIGNAL}*k1*a^2 - k4*c",
    "g": f"{SIGNAL}*k2*a*b - k5*g",
    "f": f"{SIGNAL}*k3*b^2 - k6*f",
    "d": "k4*c - k7*d",
    "e": "k5*g - k8*e",
    "h": "k6*f - k9*h",
}


def system_of(rates: Mapping[str, str], start: Mapping[str, str], parameters: Sequence[str]) -> System:
    """A system from text."""
    names = {*rates, *parameters}
    return System(
        "benchmark",
        tuple(rates),
        tuple(parameters),
        {name: parse_formula(text, names) for name, text in rates.items()},
        {name: parse_formula(text, names) for name, text in start.items()},
        {},
    )


def chain(states: int, rates: int) -> System:
    """Mass action between neighbours and others."""
    names = [f"x{i}" for i in range(states)]
    terms: dict[str, list[str]] = {name: [] for name in names}
    for j in range(rates):
        source, target = j % states, (7 * j + 1) % states
        target = (target + 1) % states if source == target else target
        terms[names[source]].append(f"-k{j}*{names[source]}")
        terms[names[target]].append(f"k{j}*{names[source]}")
    equations = {name: " + ".join(own) or "0" for name, own in terms.items()}
    return system_of(equations, dict.fromkeys(names, "1"), [f"k{j}" for j in range(rates)])


def single(title: str, system: System, p: Sequence[float], times: Array) -> tuple[str, System, Array, list[Experiment]]:
    """One experiment."""
    return title, system, np.array([p]), [Experiment("e", times, np.full((len(times), 1), np.nan), 0.0)]


def cases(quick: bool) -> list[tuple[str, System, Array, list[Experiment]]]:
    """Title, system, parameters of the members, experiments."""
    lotka = system_of(
        {"x": "a*x - b*x*y", "y": "c*x*y - d*y"}, {"x": "x0", "y": "y0"}, ("a", "b", "c", "d", "x0", "y0")
    )
    lorenz = system_of(
        {"x": "s*(y - x)", "y": "x*(r - z) - y", "z": "x*y - b*z"},
        {"x": "x0", "y": "y0", "z": "z0"},
        ("s", "r", "b", "x0", "y0", "z0"),
    )
    robertson = system_of(
        {"A": "-k1*A + k3*B*C", "B": "k1*A - k2*B^2 - k3*B*C", "C": "k2*B^2"},
        {"A": "1", "B": "0", "C": "0"},
        ("k1", "k2", "k3"),
    )
    dimers = system_of(DIMERS, {name: {"a": "100", "b": "90"}.get(name, "0") for name in DIMERS}, _k(9))
    logistic = system_of({"x": "r*x*(1 - x/K)"}, {"x": "x0"}, ("r", "K", "x0"))
    rows = np.linspace(0, 10, 100)
    many = 100 if quick else 1000
    found = [
        single("Lotka-Volterra, 100 times, 6", lotka, (0.5, 0.02, 0.01, 0.8, 30, 4), np.linspace(0, 20, 100)),
        single("Lorenz, 200 times, 6", lorenz, (10, 28, 8 / 3, 1, 1, 1), np.linspace(0, 2, 200)),
        single("Robertson, 28 times, 3", robertson, (0.04, 3e7, 1e4), np.logspace(-5, 5, 28)),
        single(
            "dimers of Boehm's size, stiff, 48 times, 9",
            dimers,
            (0.01, 0.02, 0.005, 3000.0, 500.0, 20000.0, 0.05, 0.02, 0.01),
            np.linspace(0, 240, 48),
        ),
    ]
    for states, rates in ((10, 18), (30, 60)) if quick else ((10, 18), (30, 60), (30, 300), (100, 100), (100, 198)):
        p = 0.1 + np.arange(rates) % 7 * 0.1
        found.append(single(f"chain, {states} states, {rates} rates", chain(states, rates), p, np.linspace(0, 10, 50)))
    p = np.array([0.8, 9.0, 0.5]) * np.random.default_rng(0).uniform(0.8, 1.2, (many, 3))
    experiments = [Experiment(f"e{i}", rows, np.full((100, 1), np.nan), 0.0) for i in range(many)]
    found.append((f"logistic, {many:,} experiments of 100 rows", logistic, p, experiments))
    return found


def gradient_alone(title: str, system: System, p: Array, experiments: Sequence[Experiment]) -> list[object]:
    """A row of the second table."""
    options = SolverOptions(rtol=1e-6, atol=1e-8)
    made = partial(KernelEngine, system, sensitive=system.parameters)
    kernel, diffsol = settled_engine(made, options, p, experiments), DiffsolEngine(system, options, system.parameters)
    exact = made(SolverOptions(kernel.method_in_use, 1e-10, 1e-13))
    worth = np.random.default_rng(0).normal(size=(sum(len(e.times) for e in experiments), len(system.states)))

    def back() -> Array:
        kernel.solve(p, experiments)
        return kernel.pull(p, experiments, worth)

    def ahead(engine: Engine) -> Array:
        return Engine.pull(engine, p, experiments, worth)

    size, wanted = np.abs(p), ahead(exact) * np.abs(p)
    ways = [back, partial(ahead, kernel)]
    if not kernel.options.begins_stiff:  # else these are too large for it
        ways.append(partial(ahead, diffsol))
    errors = [np.abs(way() * size - wanted).max() / np.abs(wanted).max() for way in ways]
    took = [1e6 * t for t in shortest(ways, 0.3)]
    none = [np.nan] * (3 - len(ways))
    return [title, *map(_short, [*took, *none, took[0] / took[-1], *errors, *none])]


def problem_of(system: System) -> FitProblem:
    """Two experiments, with noise around 1."""
    rng, times = np.random.default_rng(0), np.linspace(0, 5, 12)
    measured = system.states[:5]
    config = {
        "model": {
            "equations": {name: str(rate) for name, rate in zip(system.states, system.rhs, strict=True)},
            "initial": dict.fromkeys(system.states, 1),
            "observables": {name: name for name in measured},
        },
        "parameters": {
            name: {"value": 0.1 + i % 7 * 0.1, "bounds": [1e-3, 10], "scale": "log"}
            for i, name in enumerate(system.parameters)
        },
    }
    data = [
        odefit.Experiment(name, times.tolist(), {state: (1 + 0.1 * rng.normal(size=12)).tolist() for state in measured})
        for name in ("a", "b")
    ]
    return assembled(config, data=data).problem


def searched(states: int, rates: int) -> list[object]:
    """A row of the third table."""
    likelihood = Likelihood(problem_of(chain(states, rates)))
    profile, table = ProfileLikelihood(likelihood), likelihood.problem.table
    u = table.to_search(table.values)[None]
    search = LocalSearch(profile, METHODS["lbfgs"], 60)
    tasks = [partial(values_and_gradients, likelihood, u), partial(search, u[:, profile.free])]
    took, least = [], kernel_engine.MIN_PULLED
    for kernel_engine.MIN_PULLED in (0, 10**9):
        for task in tasks:
            task()
        took.append(shortest(tasks, 0.3))
    kernel_engine.MIN_PULLED = least
    (gradient, lbfgs), (gradient_by, lbfgs_by) = took
    figures = (1e3 * gradient, 1e3 * gradient_by, gradient / gradient_by, 1e3 * lbfgs, 1e3 * lbfgs_by, lbfgs / lbfgs_by)
    return [f"chain, {states} states, {rates} rates", u.shape[1], *map(_short, figures)]


def _stiff(p: Array) -> Array:
    """Every tenth rate ten thousand times as fast."""
    found = p.copy()
    found[:, ::10] *= 1e4
    return found


def _k(n: int) -> list[str]:
    return [f"k{i + 1}" for i in range(n)]


def shortest(tasks: Sequence[Callable[[], object]], seconds: float) -> list[float]:
    """The CPU time of each task, in turns."""
    best = [np.inf] * len(tasks)
    end = time.perf_counter() + seconds * len(tasks)
    while time.perf_counter() < end or not np.isfinite(best).all():
        for i, task in enumerate(tasks):
            begun, turns = time.process_time(), 0
            while time.process_time() - begun < 0.02:
                task()
                turns += 1
            best[i] = min(best[i], (time.process_time() - begun) / turns)
    return best


def compilation(system: System) -> tuple[float, float]:
    """Seconds for the first time, and from the cache."""
    found = []
    for _ in range(2):
        program_cache.clear_memory()
        begun = time.process_time()
        KernelProgram(system, system.parameters)
        found.append(time.process_time() - begun)
    return found[0], found[1]


def error(found: Solutions, exact: Solutions, p: Array) -> float:
    """The largest, see above."""
    assert found.dy is not None
    assert exact.dy is not None
    size = np.abs(p).max(axis=0)
    largest = np.abs(exact.dy * size).max(axis=(0, 2))
    worst = np.abs((found.dy - exact.dy) * size).max(axis=(0, 2))
    return float(np.max(worst[largest > 0] / largest[largest > 0]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="smaller chains, fewer experiments")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as place:
        os.environ["ODEFIT_CACHE"] = place
        rows = []
        for title, system, p, experiments in cases(quick):
            first, again = compilation(system)
            options = SolverOptions(rtol=1e-6, atol=1e-8)
            made = [partial(one, system, sensitive=system.parameters) for one in (KernelEngine, DiffsolEngine)]
            engines: list[Engine] = [settled_engine(one, options, p[:1], experiments[:1]) for one in made]
            found = [engine.solve(p, experiments, True) for engine in engines]
            tight = SolverOptions(engines[0].method_in_use, 1e-11, 1e-14)
            exact = KernelEngine(system, tight, system.parameters).solve(p, experiments, True)
            errors = [error(each, exact, p) for each in found]
            tasks = [partial(engine.solve, p, experiments, slopes) for slopes in (True, False) for engine in engines]
            took = [1e6 * t / len(p) for t in shortest(tasks, 0.3)]
            rows.append([title, *took[:2], took[0] / took[1], *errors, *took[2:], took[2] / took[3], first, again])
        describe_machine("pydiffsol", "llvmlite")
        header = ("microseconds of CPU per experiment", "kernel", "diffsol", "ratio", "error", "error", "value")
        show(
            "The kernel",
            (*header, "value", "ratio", "ready", "again"),
            [[row[0], *map(_short, row[1:])] for row in rows],
        )
        chains = [case for case in cases(quick) if "chain" in case[0]]
        chains += [(f"stiff {title}", system, _stiff(p), e) for title, system, p, e in chains]
        back = [gradient_alone(*case) for case in chains]
        header = ("us of CPU for a gradient", "back", "kernel", "diffsol", "ratio", *["error"] * 3)
        show("The gradient alone", header, back)
        header = ("ms of CPU", "parameters", "gradient", "by sensitivities", "ratio", "L-BFGS", "the same", "ratio")
        sizes = ((10, 30), (30, 60)) if quick else ((10, 30), (30, 60), (30, 300), (100, 198))
        show("A search and a sampler", header, [searched(*size) for size in sizes])


def _short(value: float) -> str:
    return f"{value:.3g}"


if __name__ == "__main__":
    main()
