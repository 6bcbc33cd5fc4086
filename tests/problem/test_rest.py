"""The steady state before the start, by experiment: values from columns, switched by a column, found once."""

from __future__ import annotations

import numpy as np
import pytest

from from_text import assembled
from odefit.data.experiments import Experiment
from odefit.engines.segments.steady_state import SteadyState
from odefit.errors import ConfigError, DataError, SolveError
from odefit.objective.likelihood import Likelihood
from odefit.problem.interface import Problem

CONFIG = """
model:
  equations: {x: supply - d*x}
  initial: {x: 1}
  steady_state: {signal: before}
parameters:
  supply: k*gain
  gain: signal + 1
  k: {value: 2, scale: log}
  d: {value: 0.5, scale: log}
  signal: {value: 4, estimate: false}
data:
  start: 0
  experiments:
    A: {before: 0, steady_state: true}
    B: {before: 3, steady_state: true}
    C: {before: 9, steady_state: false}
    D: {before: 0}
noise: {x: {sigma: 0.1}}
solver: {rtol: 1e-9, atol: 1e-11}
"""
DATA = "experiment,time,x\n" + "".join(f"{e},{t},1\n" for e in "ABCD" for t in (0, 1.5))


def expected(k: float = 2, d: float = 0.5) -> np.ndarray:
    """x(0) and x(1.5) of the four experiments."""
    start = np.array([k / d, 4 * k / d, 1, k / d])
    end = 5 * k / d + (start - 5 * k / d) * np.exp(-1.5 * d)
    return np.stack([start, end], axis=1).ravel()


def test_each_experiment_rests_under_its_own_values_or_not_at_all() -> None:
    found = Problem(assembled(CONFIG, data=DATA)).simulate([2, 0.5])
    np.testing.assert_allclose(found["x"], expected(), rtol=1e-7)


def test_derivatives_by_the_implicit_function_theorem() -> None:
    problem = Problem(assembled(CONFIG, data=DATA))
    h = 1e-5
    columns = [(expected(2 + h) - expected(2 - h)) / (2 * h), (expected(2, 0.5 + h) - expected(2, 0.5 - h)) / (2 * h)]
    np.testing.assert_allclose(problem.jacobian([2, 0.5]), np.stack(columns, axis=1) / 0.1, rtol=1e-5, atol=1e-6)


def test_equal_experiments_come_to_rest_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found, names = SteadyState.find, list[str]()

    def counted(self: SteadyState, before: object, experiment: Experiment, *rest: object) -> object:
        names.append(experiment.name)
        return found(self, before, experiment, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(SteadyState, "find", counted)
    likelihood = Likelihood(assembled(CONFIG, data=DATA).problem)
    names.clear()
    assert np.isfinite(likelihood.value(np.log([2, 0.5])))
    assert names == ["A", "B"]


@pytest.mark.parametrize("method", ["auto", "dopri5"])
def test_an_experiment_that_finds_no_rest_is_named(method: str) -> None:
    grows = "model.equations.x=piecewise(1, signal > 2, supply - d*x)"
    problem = Problem(assembled(CONFIG, grows, f"solver.method={method}", data=DATA))
    with pytest.raises(SolveError, match="experiment B: no steady state was reached before the start"):
        problem.simulate([2, 0.5])


def test_a_column_in_words() -> None:
    words = {"A": "yes", "B": "Yes", "C": "no", "D": "1"}
    cells = ", ".join(
        f"{e}: {{before: {b}, steady_state: '{words[e]}'}}" for e, b in zip("ABCD", (0, 3, 9, 0), strict=True)
    )
    found = Problem(assembled(CONFIG, f"data.experiments={{{cells}}}", data=DATA)).simulate([2, 0.5])
    np.testing.assert_allclose(found["x"], expected(), rtol=1e-7)


@pytest.mark.parametrize(
    ("overrides", "place", "what"),
    [
        (
            ["data.experiments.B={before: 3, steady_state: maybe}"],
            "data.experiments.B.steady_state",
            "neither yes nor no",
        ),
        (["model.steady_state=false"], "data.experiments.A.steady_state", "the model has no steady state"),
        (
            ["model.steady_state={nothing: 1}"],
            "model.steady_state.nothing",
            "no equation names 'nothing'; they name d, k",
        ),
        (["model.steady_state={signal: x}"], "model.steady_state.signal", "cannot depend on 'x'"),
        (["model.initial={x: estimate}"], "model.steady_state", "needs model.initial to say where x comes from"),
    ],
)
def test_what_is_refused(overrides: list[str], place: str, what: str) -> None:
    with pytest.raises((ConfigError, DataError)) as caught:
        assembled(CONFIG, *overrides, data=DATA)
    assert len(caught.value.faults) == 1
    assert place in str(caught.value) or "--set" in str(caught.value)
    assert what in str(caught.value)


def test_a_rest_from_an_initial_value_of_the_table() -> None:
    """A total that nothing changes comes from the column."""
    config = """
    model: {equations: {a: b - k*a, b: k*a - b}, initial: {b: 0}, steady_state: true, observables: {a: a}}
    parameters: {k: {value: 3, scale: log}}
    data: {start: 0, experiments: {A: {a_0: 2}, B: {a_0: 6}}}
    noise: {a: {sigma: 0.1}}
    """
    found = Problem(assembled(config, data="experiment,time,a\nA,1,1\nB,1,1\n")).simulate([3])
    np.testing.assert_allclose(found["a"], [0.5, 1.5], rtol=1e-9)


def test_in_python_an_experiment_says_so_itself() -> None:
    one = Experiment("A", [0.0, 1.0], {"x": [1.0, 1.0]}, steady_state=False)
    assert not one.at(np.array([0.5])).steady_state
    assert not one.rows(slice(0, 1)).steady_state
