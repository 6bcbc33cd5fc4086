"""Replicates are solved once, and what comes out is what each would be alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from from_text import assembled
from odefit.data.experiments import Experiment
from odefit.engines.base import Engine, Solutions
from odefit.objective.likelihood import Likelihood
from odefit.objective.problem import FitProblem
from small_problems import Array

CONFIG = """
model:
  equations: {x: -k*x + feed, z: x - z}
  initial: {x: 2, z: 0}
  observables: {x: x, z: z}
parameters:
  k: {value: 0.7, bounds: [0.01, 10]}
  feed: {value: 0.3, bounds: [0.01, 10]}
"""


class Counting:
    """An engine that remembers how many members each call had."""

    def __init__(self, engine: Engine, calls: list[int]) -> None:
        self._engine, self._calls = engine, calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def solve(self, p: Array, experiments: Sequence[Experiment], *more: Any, **named: Any) -> Solutions:
        self._calls.append(len(p))
        return self._engine.solve(p, experiments, *more, **named)


def table(times: dict[str, list[float]], repeats: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {"experiment": name, "time": t, "x": rng.normal(1, 0.1), "z": rng.normal(1, 0.1)}
        for name, own in times.items()
        for t in own
        for _ in range(repeats)
    ]
    return pd.DataFrame(rows)


def problem_of(text: str, data: pd.DataFrame) -> FitProblem:
    return assembled(text, "fit.starts=1", data=data.to_csv(index=False)).problem


def alone(problem: FitProblem) -> FitProblem:
    """The same with each experiment solved by itself."""
    apart = replace(problem)
    vars(apart)["together"] = None
    return apart


def test_three_replicates_are_one_solution_with_the_same_numbers() -> None:
    problem, calls = problem_of(CONFIG, table({"a": [0.5, 1.0, 2.0]})), list[int]()
    assert len(problem.experiments) == 3
    counted = Likelihood(replace(problem, engine=Counting(problem.engine, calls)))  # type: ignore[arg-type]
    u = problem.table.to_search(problem.table.values)
    found, theirs = counted.evaluate(u), Likelihood(alone(problem)).evaluate(u)
    assert calls == [1]
    assert found.value == theirs.value
    np.testing.assert_array_equal(found.gradient, theirs.gradient)
    points = np.stack([u, u + 0.1, u - 0.2])
    np.testing.assert_array_equal(counted.values(points), Likelihood(alone(problem)).values(points))
    assert calls == [1, 3]


def test_replicates_at_other_times_are_read_from_one_solution() -> None:
    data = table({"a": [0.5, 1.0, 2.0]}, 2)
    data = pd.concat([data, table({"a": [1.0, 3.0]}, 1)])
    problem = problem_of(CONFIG, data)
    plan = problem.together
    assert plan is not None
    assert len(plan.experiments) == 1
    assert len(problem.experiments) == 3
    u = problem.table.to_search(problem.table.values)
    found, theirs = Likelihood(problem).evaluate(u), Likelihood(alone(problem)).evaluate(u)
    assert found.value == pytest.approx(theirs.value, rel=1e-6)
    np.testing.assert_allclose(found.gradient, theirs.gradient, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "text",
    [
        CONFIG.replace("{x: 2, z: 0}", "first"),
        CONFIG + "solver: {method: rk4, step: 0.01}\n",
    ],
)
def test_what_differs_is_solved_apart(text: str) -> None:
    """A measured start of its own; steps that follow the times."""
    data = pd.concat([table({"a": [0.0, 1.0, 2.0]}, 1), table({"a": [0.0, 1.0]}, 1).assign(x=1.5, z=0.5)])
    plan = problem_of(text, data).together
    assert plan is None


def test_experiments_with_values_of_their_own_stay_apart_among_replicates_of_others() -> None:
    own = CONFIG.replace("[0.01, 10]}\n  feed", "[0.01, 10], by: experiment}\n  feed")
    data = pd.concat([table({"b": [1.0, 2.0]}, 1), table({"a": [0.5, 1.0]}, 2), table({"c": [1.0, 2.0]}, 1)])
    plan = problem_of(own, data).together
    assert plan is not None
    assert plan.group.tolist() == [0, 1, 1, 2]
    assert plan.first.tolist() == [0, 1, 3]
    assert problem_of(own, table({"a": [0.5, 1.0], "b": [0.5, 1.0]}, 1)).together is None


def test_a_failure_is_that_of_every_replicate() -> None:
    text = CONFIG.replace("-k*x + feed", "k*x^2 + feed")
    problem = problem_of(text, table({"a": [0.5, 2.0]}))
    u = problem.table.to_search(np.array([9.0, *problem.table.values[1:]]))
    likelihood = Likelihood(problem)
    assert likelihood.value(u) == np.inf
    assert likelihood.failure is not None
    assert likelihood.failure.startswith("experiment a:")


def test_another_engine_finds_what_is_known_of_the_data() -> None:
    problem = assembled(CONFIG, data="experiment,time,x,z\na,0,2,0\na,1,1,1\nb,0,2,0\nb,1,1.2,0.9\n").problem
    assert problem.together is not None
    known = problem.data, problem.together, problem.owner, problem.n_measured
    other = problem.solved_by(problem.engine.reset_copy())
    assert other.engine is not problem.engine
    for mine, theirs in zip((other.data, other.together, other.owner, other.n_measured), known, strict=True):
        assert mine is theirs
    u = problem.table.to_search(problem.table.values)
    assert Likelihood(other).value(u) == Likelihood(problem).value(u)
