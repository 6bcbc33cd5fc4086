"""`odefit check`: everything that a fit would need, and what is bound to what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from odefit.config.load import load_config
from odefit.model.system import System
from odefit.objective.likelihood import Likelihood
from odefit.objective.parameters import Parameter
from odefit.objective.problem import Problem
from odefit.runs.assembly import Assembly
from odefit.runs.fitting import prepare


def check(config: Path | str, overrides: Sequence[str] = ()) -> str:
    """A report of the assembled problem. Raises what `fit` would raise for the same input."""
    assembly, truth = prepare(load_config(config, overrides))
    problem, described = assembly.problem, assembly.described
    lines = [f"{config}: fine", "", "Equations", *_equations(described.system), "", "Measured"]
    lines += _measured(assembly)
    lines += ["", "Parameters", *_parameters(problem)]
    if truth is not None:
        lines += ["", "The data are simulated, so the truth is known."]
    lines += ["", f"Solver: {_solver(assembly)}"]
    lines += _start(assembly)
    return "\n".join(lines)


def _equations(system: System) -> list[str]:
    lines = [f"  d{state}/dt = {_text(f)}" for state, f in system.equations.items()]
    return lines + [f"  {state}(start) = {_text(f)}" for state, f in system.initial.items()]


def _text(formula: object) -> str:
    text = str(formula).replace("**", "^")
    return text if len(text) <= 200 else text[:197] + "..."


def _measured(assembly: Assembly) -> list[str]:
    observation, experiments = assembly.problem.observation, assembly.problem.experiments
    counts = [
        sum(int(np.count_nonzero(~np.isnan(e.values[:, k]))) for e in experiments)
        for k in range(len(observation.names))
    ]
    lines = []
    for (name, g), count in zip(assembly.described.system.observables.items(), counts, strict=True):
        noise = observation.noise[name]
        sigma = "from the data" if noise.sigma is None else _text(noise.sigma)
        lines.append(f"  {name} = {_text(g)}: {count} values, {noise.model} noise, sigma = {sigma}")
    first, last = min(e.times[0] for e in experiments), max(e.times[-1] for e in experiments)
    lines.append(f"  {len(experiments)} experiment{'s' if len(experiments) > 1 else ''}, t = {first:g} to {last:g}")
    return lines


def _parameters(problem: Problem, most: int = 40) -> list[str]:
    rows = list(problem.table)
    width = max((len(p.name) for p in rows), default=0)
    lines = [f"  {p.name:<{width}}  {_parameter(p)}" for p in rows[:most]]
    return lines + ([f"  … and {len(rows) - most} more"] if len(rows) > most else [])


def _parameter(p: Parameter) -> str:
    if not p.estimate:
        return f"fixed at {p.value:g}" + (f" {p.unit}" if p.unit else "")
    text = f"estimated from {p.value:g}, {p.scale} scale"
    if np.isfinite(p.lower) or np.isfinite(p.upper):
        text += f", bounds {p.lower:g} to {p.upper:g}"
    if p.prior:
        text += f", {p.prior.kind} prior ({p.prior.a:g}, {p.prior.b:g})"
    return text + (f" {p.unit}" if p.unit else "")


def _solver(assembly: Assembly) -> str:
    options = assembly.problem.engine.options
    kind = type(assembly.problem.engine).__name__.removesuffix("Engine").lower()
    detail = f"step {options.step:g}" if options.step else f"rtol {options.rtol:g}, atol {options.atol:g}"
    return f"{options.method} ({kind}), {detail}"


def _start(assembly: Assembly) -> list[str]:
    """Whether the model can be solved at the start of the search, and which parameters change nothing there."""
    likelihood = Likelihood(assembly.problem)
    table = assembly.problem.table
    u = table.search(table.values)
    value = likelihood.value(u)
    if not np.isfinite(value):
        return [f"warning: the model fails at its starting values: {likelihood.failure}"]
    if assembly.networks is not None or not len(u):
        return []
    evaluation = likelihood.evaluate(u)
    if not evaluation.is_finite:
        return [f"warning: the model cannot be differentiated at its starting values: {likelihood.failure}"]
    silent = np.flatnonzero(~evaluation.A.any(axis=0))
    return [f"warning: {table.estimated_names[k]} has no effect on what is measured" for k in silent]
