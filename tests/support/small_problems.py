"""Small systems and problems, put together by hand: what `runs.assembly` makes of a config, without a config."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from odefit.data.experiments import Experiment
from odefit.engines.base import SolverOptions
from odefit.model.formulas import free_names, parse_formula
from odefit.model.system import Network, System
from odefit.objective.observation import Noise, Observation
from odefit.objective.parameters import Binding, Parameter, ParameterTable
from odefit.objective.problem import FitProblem

Array = NDArray[np.float64]


def make_system(
    equations: Mapping[str, str],
    initial: Mapping[str, str | float],
    parameters: Sequence[str],
    observables: Mapping[str, str] | None = None,
    networks: Mapping[str, Network] | None = None,
) -> System:
    """A system from texts; observables: default every state."""
    names = {*equations, *parameters}

    def read(texts: Mapping[str, Any]) -> dict[str, Any]:
        return {key: parse_formula(str(text), names, networks=networks) for key, text in texts.items()}

    observed = observables or {state: state for state in equations}
    return System(
        "test", tuple(equations), tuple(parameters), read(equations), read(initial), read(observed), networks or {}
    )


def series(
    name: str,
    times: Sequence[float] | Array,
    values: Any = None,
    start: float | None = None,
    sigma: Any = None,
    n: int = 1,
) -> Experiment:
    """An experiment; values: [T, O] or [T], default nothing measured of n observables."""
    t = np.asarray(times, dtype=np.float64)
    given = np.full((len(t), n), np.nan) if values is None else np.asarray(values, dtype=np.float64).reshape(len(t), -1)
    errors = None if sigma is None else np.broadcast_to(np.asarray(sigma, dtype=np.float64), given.shape).copy()
    return Experiment(name, t, given, float(t[0]) if start is None else start, errors)


def make_problem(
    system: System,
    experiments: Sequence[Experiment],
    table: Sequence[Parameter],
    noise: Mapping[str, str | tuple[str, str | None] | None],
    options: SolverOptions | None = None,
    bound: Mapping[str, Sequence[str | float]] | None = None,
    engine: str = "torch",
) -> FitProblem:
    """A problem.

    noise: per observable the formula of sigma (None: from the data), or (model, formula). bound: symbol -> what it
    stands for in each experiment, a parameter's name or a number; default the parameter of its own name.
    """
    options = options or SolverOptions(method="rk4", step=0.05)
    by_name = {p.name: p for p in table}
    names = {*system.states, *system.parameters, *by_name, *(bound or {})}
    models: dict[str, Noise] = {}
    for name, given in noise.items():
        model, text = given if isinstance(given, tuple) else ("gaussian", given)
        models[name] = Noise(model, None if text is None else parse_formula(text, names))
    extra = [n for m in models.values() if m.sigma is not None for n in sorted(free_names(m.sigma))]
    known = {*system.states, "t", *system.parameters}
    symbols = (*system.parameters, *(n for n in dict.fromkeys(extra) if n not in known))
    positions = {name: i for i, name in enumerate(by_name)}
    index = np.full((len(experiments), len(symbols)), -1, dtype=np.intp)
    constant = np.zeros(index.shape)
    moving = set()
    for column, symbol in enumerate(symbols):
        targets = (bound or {}).get(symbol, [symbol] * len(experiments))
        for row, target in enumerate(targets):
            if isinstance(target, str):
                index[row, column] = positions[target]
                if by_name[target].estimate:
                    moving.add(symbol)
            else:
                constant[row, column] = target
    in_states = set().union(*(free_names(f) for f in (*system.rhs, *system.start)))
    sensitive = tuple(s for s in system.parameters if s in moving and s in in_states)
    observed = tuple(s for s in symbols if s in moving and s not in sensitive)
    return FitProblem(
        tuple(experiments),
        ParameterTable(tuple(table)),
        Binding(symbols, index, constant),
        Observation(system, models, symbols, (*sensitive, *observed)),
        make_engine(engine, system, options, sensitive),
    )


def make_engine(kind: str, system: System, options: SolverOptions, sensitive: Sequence[str] = ()) -> Any:
    """`torch`, or `compiled`; a test that asks for one that is not installed is skipped."""
    if kind == "torch":
        pytest.importorskip("torch")
        from odefit.engines.torch_engine import TorchEngine

        return TorchEngine(system, options, sensitive)
    pytest.importorskip("pydiffsol")
    from odefit.engines.diffsol.diffsol_engine import DiffsolEngine

    return DiffsolEngine(system, options, sensitive)


def central_differences(function: Callable[[Array], Any], x: Array, step: float = 1e-5) -> Array:
    """d function / dx, the derivatives along the last axis: fourth order, so that a step of 1e-3 gives 1e-11."""
    columns = []
    for unit in np.eye(len(x)):
        near = np.asarray(function(x + step * unit)) - np.asarray(function(x - step * unit))
        far = np.asarray(function(x + 2 * step * unit)) - np.asarray(function(x - 2 * step * unit))
        columns.append((8 * near - far) / (12 * step))
    return np.stack(columns, axis=-1)
