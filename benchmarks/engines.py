"""One prediction with all its sensitivities: diffsol, torchdiffeq, SciPy and diffrax on four systems.

    python benchmarks/engines.py

    auto, diffsol bdf      odefit's compiled engines
    torchdiffeq dopri5     odefit's torch engine, which integrates the forward sensitivity equations
    SciPy LSODA            solve_ivp on the same equations, as NumPy functions made by SymPy
    diffrax                Tsit5 (Kvaerno5 where it is stiff), forward mode, compiled by JAX; where it is installed

Sensitivities are to all rate constants and, where they are unknown, to all initial values. `error` is the largest
error of any p dy/dp, as a part of the largest such number of the same state, against SciPy's DOP853 (Radau for the
stiff system) at a tolerance of 1e-11. Compilation is not counted. Every time is the shortest of some turns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import sympy as sp
from diffrax_peer import PACKAGES, sensitivities
from numpy.typing import NDArray
from timing import best_times, describe_machine, duration, missing, seconds, show, times_less

from odefit.algebra import to_sympy
from odefit.data.experiments import Experiment
from odefit.engines.base import SolverOptions
from odefit.engines.choice import make_engine
from odefit.model.catalogue import entry
from odefit.model.derivatives import derivatives
from odefit.model.formulas import parse_formula
from odefit.model.system import System

Array = NDArray[np.float64]
Solve = Callable[[], Array]
"""The sensitivities p dy/dp, [T, S, L]."""


@dataclass(frozen=True)
class Case:
    """values: every parameter of the system, initial values included. target: milliseconds, from the issue."""

    title: str
    system: System
    values: Mapping[str, float]
    times: Array
    rtol: float = 1e-6
    atol: float = 1e-8
    stiff: bool = False
    target: float | None = None

    @property
    def p(self) -> Array:
        return np.array([self.values[name] for name in self.system.parameters])

    def engine(self, method: str) -> Solve:
        """By an engine of odefit."""
        options = SolverOptions(method=method, rtol=self.rtol, atol=self.atol)
        engine = make_engine(self.system, options, self.system.parameters)
        series = Experiment("1", self.times, np.full((len(self.times), 1), np.nan), 0.0)

        def solve() -> Array:
            (found,) = engine.solve(self.p[None, :], [series], sensitivities=True)
            if found.dy is None or found.failure:
                raise RuntimeError(found.failure)
            return found.dy * self.p

        return solve

    @cached_property
    def functions(self) -> list[Callable[..., Array]]:
        """f [S], df/dy [S, S], df/dp [S, L] as functions of y, p, and y0 [S], dy0/dp [S, L] of p."""
        states, parameters = self.system.states, self.system.parameters
        rates, start = list(self.system.rhs), list(self.system.start)
        tables = [rates, derivatives(rates, states), derivatives(rates, parameters)]
        arguments = [[sp.Symbol(name, real=True) for name in names] for names in (states, parameters)]
        made = [sp.lambdify(arguments, matrix(table), cse=True) for table in tables]
        return made + [sp.lambdify(arguments, matrix(t)) for t in (start, derivatives(start, parameters))]

    def scipy(self, method: str, rtol: float, atol: float) -> Array:
        """By SciPy's solve_ivp on states and sensitivities together."""
        from scipy.integrate import solve_ivp

        n, p = len(self.system.states), self.p
        f, by_y, by_p, start, start_by_p = self.functions

        def rate(_t: float, z: Array) -> Array:
            y, dy = z[:n], z[n:].reshape(n, -1)
            return np.concatenate([f(y, p).ravel(), (by_y(y, p) @ dy + by_p(y, p) * p).ravel()])

        blank = np.zeros(n)
        z0 = np.concatenate([start(blank, p).ravel(), (start_by_p(blank, p) * p).ravel()]).astype(float)
        span = (0.0, float(self.times[-1]))
        found = solve_ivp(rate, span, z0, method=method, t_eval=self.times, rtol=rtol, atol=atol)
        if not found.success:
            raise RuntimeError(found.message)
        return np.asarray(found.y[n:].T.reshape(len(self.times), n, -1))


def matrix(table: Sequence[object]) -> sp.Matrix:
    """Formulas, or rows of formulas, as a matrix of SymPy."""
    return sp.Matrix([[to_sympy(f) for f in row] if isinstance(row, list) else [to_sympy(row)] for row in table])


def built_in(name: str, free_start: bool) -> tuple[System, dict[str, float]]:
    """A system of the catalogue with its nominal values; free_start: with its initial values as parameters."""
    found = entry(name)
    initial = {f"{s}_0": found.initial[s] for s in found.equations} if free_start else {}
    start = {s: f"{s}_0" if free_start else repr(found.initial[s]) for s in found.equations}
    values = {**found.parameters, **initial}
    return read(found.equations, start, tuple(values)), values


def ring(n: int = 30) -> tuple[System, dict[str, float]]:
    """x_i' = k_i x_(i+1) - k_(i+n) x_i, 2 n rate constants."""
    equations = {f"x{i}": f"k{i}*x{(i + 1) % n} - k{i + n}*x{i}" for i in range(n)}
    values = {f"k{i}": 0.5 + 0.05 * (i % 7) if i < n else 0.8 + 0.03 * (i % 5) for i in range(2 * n)}
    start = {f"x{i}": repr(1 + 0.5 * np.sin(i).item()) for i in range(n)}
    return read(equations, start, tuple(values)), values


def read(equations: Mapping[str, str], start: Mapping[str, str], parameters: tuple[str, ...]) -> System:
    names = {*equations, *parameters}
    rates = {state: parse_formula(text, names) for state, text in equations.items()}
    initial = {state: parse_formula(text, names) for state, text in start.items()}
    return System("benchmark", tuple(equations), parameters, rates, initial, {})


def cases() -> list[Case]:
    return [
        Case("Lotka-Volterra, 100 times to 9.9", *built_in("lotka_volterra", True), np.arange(100) * 0.1),
        Case("Lorenz, 200 times to 9.95", *built_in("lorenz", True), np.arange(200) * 0.05),
        Case("ring, 50 times to 3", *ring(), np.linspace(0, 3, 50), rtol=1e-6, atol=1e-6, target=50.0),
        Case(
            "Robertson, 28 times to 1e4",
            *built_in("robertson", False),
            np.logspace(-5, 4, 28),
            rtol=1e-6,
            atol=1e-12,
            stiff=True,
        ),
    ]


def main() -> None:
    describe_machine("torch", "torchdiffeq", *PACKAGES)
    for case in cases():
        compare(case)


def compare(case: Case) -> None:
    exact = case.scipy("Radau" if case.stiff else "DOP853", 1e-11, 1e-16 if case.stiff else 1e-12)
    solvers: dict[str, Solve] = {"auto": case.engine("auto"), "diffsol bdf": case.engine("bdf")}
    if not case.stiff:  # an explicit method crawls on it
        solvers["torchdiffeq dopri5"] = case.engine("dopri5")
    solvers["SciPy LSODA"] = partial(case.scipy, "LSODA", case.rtol, case.atol)
    if not missing("diffrax"):
        made = sensitivities(case.system, case.p, case.times, case.rtol, case.atol, case.stiff)
        solvers["diffrax"] = made
        print(f"\n(diffrax: {seconds(made):.1f} s to compile and for the first solution, not counted below)")
    errors = {name: error(solve(), exact) for name, solve in solvers.items()}  # and the first solve is the slowest
    slow = max(seconds(solve) for solve in solvers.values())
    best = best_times(solvers, rounds=20 if slow < 0.3 else 3)
    base = best["auto"]
    rows = [[name, duration(t), times_less(t / base), f"{errors[name]:.0e}"] for name, t in best.items()]
    n, k = len(case.system.states), len(case.system.parameters)
    target = "" if case.target is None else f"; target <= {case.target:g} ms"
    title = f"{case.title}: {n} states, {k} parameters, rtol {case.rtol:g}, atol {case.atol:g}{target}"
    show(title, ("", "time", "times auto", "error"), rows)


def error(found: Array, exact: Array) -> float:
    """The largest error of each state's sensitivities, relative to the largest of them."""
    size = np.abs(exact).max(axis=(0, 2))
    return float((np.abs(found - exact).max(axis=(0, 2)) / size).max())


if __name__ == "__main__":
    main()
