"""COPASI's multi-start on a problem of odefit, through basico (`pip install copasi-basico`)."""

from __future__ import annotations

import re
import tempfile
from typing import Any

import numpy as np
import pandas as pd

from odefit.fitting.starting_points import starting_points
from odefit.model.switches import is_interrupted
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood


def copasi_values(objective: ProfileLikelihood, n: int, seed: int) -> list[float]:
    """What its Levenberg-Marquardt finds from each of the drawn starts, by odefit's objective; none where the problem
    is more than one experiment in which nothing happens on the way."""
    import basico

    problem = objective.full.problem
    if not _is_simple(problem):
        return []
    index, symbols = problem.binding.index[0], problem.binding.symbols
    table = problem.table
    free = [int(table.estimated[k]) for k in objective.free]
    _build(basico, problem, {symbols[k] for k in range(problem.n_system)} | _of_observables(problem))
    names = {i: [s for s, position in zip(symbols, index, strict=True) if position == i] for i in free}
    lower, upper = (table.to_natural(objective.complete(b[objective.free])) for b in table.search_bounds())
    values = []
    with tempfile.TemporaryDirectory() as folder:  # for a file of the data, which COPASI reads
        basico.add_experiment("e", _frame(problem), data_dir=folder)
        for u in starting_points(objective, n, seed):
            natural = table.to_natural(objective.complete(u))
            items = [
                {
                    "name": f"Values[{name}].InitialValue",
                    "lower": float(lower[i]),
                    "upper": float(upper[i]),
                    "start": float(natural[i]),
                }
                for i in free
                for name in names[i]
            ]
            basico.set_fit_parameters(items)
            solution = basico.run_parameter_estimation(
                method=basico.PE.LEVENBERG_MARQUARDT, update_model=False, randomize_start_values=False
            )
            reached = natural.copy()
            found = dict(zip((item["name"] for item in items), solution["sol"], strict=True))
            for i in free:
                reached[i] = found[f"Values[{names[i][0]}].InitialValue"]
            values.append(objective.value(table.to_search(reached)[objective.free]))
    return values


def _is_simple(problem: FitProblem) -> bool:
    system, index = problem.engine.system, problem.binding.index
    estimated = problem.table.estimated
    once = all((index[0] == i).sum() == 1 for i in estimated)
    of_measured = all(set(d.rows) <= set(range(len(problem.times))) and d.censored is None for d in problem.data)
    apart = not (is_interrupted(system) or system.compared or system.inputs)
    autonomous = all("t" not in {s.name for s in formula.free_symbols} for formula in system.formulas)
    return (
        len(problem.experiments) == 1
        and (autonomous or problem.experiments[0].start == 0)
        and system.is_mechanistic
        and once
        and of_measured
        and apart
    )


def _of_observables(problem: FitProblem) -> set[str]:
    known = {*problem.binding.symbols}
    return {s.name for g in problem.observation.system.predicted.values() for s in g.free_symbols} & known


def _quantities(formula: Any) -> str:
    """A formula as COPASI reads it: every name is a global quantity, but those of functions and constants."""
    text = re.sub(r"\b([A-Za-z_]\w*)\b(?!\s*\()", r"Values[\1]", str(formula).replace("**", "^"))
    return text.replace("Values[pi]", "PI").replace("Values[E]", "EXPONENTIALE")


def _build(basico: Any, problem: FitProblem, parameters: set[str]) -> None:
    """The model in COPASI: every state, parameter and observable is a global quantity."""
    system = problem.engine.system
    basico.new_model(name="case", notes="")
    local = problem.binding.local(problem.table.values)[0]
    for name, value in zip(problem.binding.symbols, local.tolist(), strict=True):
        if name in parameters:
            basico.add_parameter(name, initial_value=value)
    basico.add_parameter("t", type="ode", initial_value=0.0, expression="1")
    for state in system.states:
        basico.add_parameter(state, type="ode", initial_value=1.0, expression="0")
    for state in system.states:
        basico.set_parameters(state, expression=_quantities(system.equations[state]), exact=True)
        start = re.sub(r"(Values\[\w+\])", r"\1.InitialValue", _quantities(system.initial[state]))
        basico.set_parameters(state, initial_expression=start, exact=True)
    for name, g in problem.observation.system.predicted.items():
        text = _quantities(g)
        is_log = problem.observation.noise[name].is_log
        basico.add_parameter(f"seen_{name}", type="assignment", expression=f"log({text})" if is_log else text)


def _frame(problem: FitProblem) -> pd.DataFrame:
    """The measurements on the scale of their noise, one row for each time."""
    columns = {"Time": problem.times - problem.experiments[0].start}  # it begins at 0
    for name, data in zip(problem.observation.names, problem.data, strict=True):
        column = np.full(len(problem.times), np.nan)
        column[data.rows] = data.values
        columns[f"Values[seen_{name}]"] = column
    return pd.DataFrame(columns).dropna(how="all", subset=list(columns)[1:])
