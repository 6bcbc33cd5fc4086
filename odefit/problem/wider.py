"""More to look at than was measured: states and named expressions beside the observables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from odefit import algebra as sp
from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.model.system import System, symbol
from odefit.objective.observation import Noise
from odefit.objective.problem import FitProblem


def state_quantities(system: System, states: Sequence[int]) -> dict[str, sp.Expr]:
    """Some states, by names that no user can write."""
    return {f"{name}@state": symbol(name) for name in (system.states[k] for k in states)}


def expression_quantities(system: System, names: Sequence[str] | None = None) -> dict[str, sp.Expr]:
    """Some expressions, or all that the system has, by names that no user can write."""
    return {f"{name}@expression": system.expressions[name] for name in (system.expressions if names is None else names)}


def observing(problem: FitProblem, more: Mapping[str, sp.Expr]) -> FitProblem:
    """The same problem with formulas as observables behind its own.

    Parameters
    ----------
    problem
        The fit.
    more
        Name -> formula over the symbols of the observation.
    """
    if not more:
        return problem
    observation = problem.observation
    # What is not measured has no noise that could be known.
    noise = {**observation.noise, **dict.fromkeys(more, Noise("gaussian", None))}
    extended = replace(observation.system, observables={**observation.system.observables, **more})
    return replace(problem, observation=replace(observation, system=extended, noise=noise))


def curves_and_expressions(
    problem: FitProblem, theta: FloatArray, experiments: tuple[Experiment, ...]
) -> tuple[list[FloatArray], list[FloatArray], list[FloatArray]]:
    """States [T, S], observables [T, O] and expressions [T, X] of every experiment, from one solution.

    Raises SolveError where the integration fails.
    """
    n = len(problem.observation.names)
    wide = observing(problem, expression_quantities(problem.observation.system))
    states, found = wide.curves(theta, experiments)
    return states, [g[:, :n] for g in found], [g[:, n:] for g in found]
