"""`check --gradients`: right gradients are found right, wrong ones wrong, and coarse solvers coarse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from from_text import assembled
from odefit.arrays import FloatArray
from odefit.data.experiments import Experiment
from odefit.diagnostics.gradient_check import check_gradients, report_lines, ridders
from odefit.engines.base import Solutions
from odefit.errors import ConfigError, SolveError
from odefit.fitting.solver_accuracy import solver_effect
from odefit.problem.assembly import Assembly

MODEL = """
model:
  equations: {x: a*x - b*x*y, y: b*x*y - c*y}
  initial: {x: 10, y: 5}
parameters:
  a: {value: 0.56, scale: log, bounds: [0.1, 2]}
  b: {value: 0.0281, scale: log}
  c: 0.8
data:
  simulate: {parameters: {a: 0.55, b: 0.028, c: 0.8}, times: {stop: 20, count: 21}, noise: 0.5}
noise: {sigma: 0.5}
"""


def problem_of(*overrides: str, text: str = MODEL, data: str | None = None) -> Assembly:
    return assembled(text, *overrides, data=data)


class Tampered:
    """An engine whose sensitivities to one parameter are off by a factor, and whose states may have an offset."""

    def __init__(self, engine: Any, column: int = 0, factor: float = 1.0) -> None:
        self.engine, self.column, self.factor = engine, column, factor

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def reset_copy(self) -> Tampered:
        return self

    def solve(self, p: FloatArray, experiments: Sequence[Experiment], sensitivities: bool = False) -> Solutions:
        found: Solutions = self.engine.solve(p, experiments, sensitivities)
        if found.dy is not None:
            found.dy[:, :, self.column] *= self.factor
        return found


@pytest.mark.parametrize(
    "function, exact",
    [(math.exp, 1.0), (lambda h: math.sin(3 * h), 3.0), (lambda h: (1 + h) ** 5, 5.0), (lambda h: abs(h + 1), 1.0)],
)
def test_differences_tell_their_own_error(function: Any, exact: float) -> None:
    value, error = ridders(function, 0.1)
    assert value == pytest.approx(exact, rel=1e-9)
    assert abs(value - exact) <= max(10 * error, 1e-13)


def test_differences_of_a_noisy_function_know_that_they_are_rough() -> None:
    rng = np.random.default_rng(0)
    value, error = ridders(lambda h: math.sin(h) + 1e-4 * rng.standard_normal(), 0.1)
    assert error > 1e-5
    assert value == pytest.approx(1.0, abs=20 * error)


def test_differences_leave_out_steps_at_which_there_is_no_function() -> None:
    value, error = ridders(lambda h: math.log(0.02 + h) if h > -0.02 else math.inf, 0.1)
    assert value == pytest.approx(50.0, abs=5 * error)
    assert error < 1.0
    assert math.isnan(ridders(lambda _: math.inf, 0.1)[0])


@pytest.mark.parametrize(
    "solver", ["{method: auto}", "{method: bdf}", pytest.param("{method: rk4, step: 0.5}", marks=pytest.mark.torch)]
)
def test_a_right_gradient_agrees(solver: str) -> None:
    report = check_gradients(problem_of(f"solver={solver}"), points=2)
    assert report.is_right
    assert [c.where for c in report.comparisons] == ["the starting values", "random point 1"]
    assert all(c.off < 5e-4 and not c.unknown for c in report.comparisons)
    text = "\n".join(report_lines(report))
    assert text.count("agrees to 1e-") == 2


@pytest.mark.torch
@pytest.mark.parametrize("loss", ["mse", "nll"])
def test_a_training_is_checked_by_autograd_too(loss: str) -> None:
    report = check_gradients(problem_of("fit.method=adam", f"fit.loss={loss}"), points=1)
    assert [c.kind for c in report.comparisons] == ["sensitivities", "autograd"]
    assert report.is_right


def test_a_wrong_gradient_is_told_with_both_numbers() -> None:
    assembly = problem_of()
    engine = Tampered(assembly.problem.engine, column=1, factor=1.01)
    wrong = replace(assembly, problem=replace(assembly.problem, engine=engine))
    report = check_gradients(wrong, points=2)
    assert not report.is_right
    for c in report.comparisons:
        (found,) = c.wrong
        assert found.name == "b"
        assert found.gradient == pytest.approx(1.01 * found.difference, rel=1e-3)
    assert "differs in 1 of 3" in report_lines(report)[1]
    assert f"b: {report.comparisons[0].wrong[0].gradient:.6g} by sensitivities" in report_lines(report)[2]


@pytest.mark.torch
def test_a_network_is_checked_along_random_directions() -> None:
    text = """
model: {name: mlp, states: [x, y], hidden: [4], activation: tanh, initial: first}
data: {simulate: {model: {name: van_der_pol}, parameters: {mu: 1}, initial: {x: 1, y: 0.5}, times: {stop: 2, count: 8}}}
noise: {sigma: 1}
fit: {method: adam}
"""
    assembly = problem_of(text=text)
    before = {name: q.clone() for name, q in assembly.networks.state_dict().items()} if assembly.networks else {}
    report = check_gradients(assembly, points=1)
    assert report.is_right
    assert report.comparisons[0].derivatives[0].name.startswith("the weights")
    assert all((q == before[name]).all() for name, q in assembly.networks.state_dict().items())  # type: ignore[union-attr]


def test_random_points_are_the_same_for_the_same_seed() -> None:
    assembly = problem_of()
    reports = [check_gradients(assembly, points=2, seed=seed) for seed in (1, 1, 2)]
    assert reports[0] == reports[1]
    assert reports[0] != reports[2]


def test_points_where_the_model_fails_are_replaced() -> None:
    text = MODEL.replace("x: a*x - b*x*y", "x: a*x - b*x*y + 1e-9*sqrt(c - 0.79)")
    report = check_gradients(problem_of(text=text), points=3)
    assert report.failures > 0
    assert "more points left out" in "\n".join(report_lines(report))


def test_a_model_that_fails_everywhere_cannot_be_checked() -> None:
    text = MODEL.replace("x: a*x - b*x*y", "x: sqrt(-a)*b").partition("data:")[0]
    table = "time,x,y\n0,1,1\n1,2,2\n"
    with pytest.raises(SolveError, match="fails at every point"):
        check_gradients(problem_of(text=text, data=table))


def test_nothing_to_check_without_parameters() -> None:
    fixed = [f"parameters.{name}.estimate=false" for name in "ab"]
    with pytest.raises(ConfigError, match="nothing is estimated"):
        check_gradients(problem_of(*fixed, "parameters.c={value: 0.8, estimate: false}"))


@pytest.mark.torch
def test_a_coarse_solver_is_told() -> None:
    exact, coarse = problem_of("solver.rtol=1e-7"), problem_of("solver.method=euler", "solver.step=0.5")
    theta = exact.problem.table.values
    fine, found = solver_effect(exact, theta), solver_effect(coarse, theta)
    assert fine is not None
    assert not fine.limits
    assert found is not None
    assert found.limits
    assert "at a tenth of its step the objective moves by" in found.account
    assert "--set solver.step=0.05" in found.remedy
    # The sizes of Euler's errors at h, h/2 and h/10 are as 1 to 1/2 to 1/10.
    report = check_gradients(coarse, points=1)
    half, tenth = (each.change for each in report.changes)
    assert 0.3 < half / tenth < 0.8
    assert "too much" in report_lines(report)[-1]


def test_a_loose_tolerance_is_told() -> None:
    loose = problem_of("solver.method=tsit45", "solver.rtol=0.01", "solver.atol=0.1")
    found = solver_effect(loose, loose.problem.table.values)
    assert found is not None
    assert found.limits
    assert "--set solver.rtol=0.001 --set solver.atol=0.01" in found.remedy


def test_a_fit_that_failed_is_not_warned_about_its_solver() -> None:
    assembly = problem_of()
    theta = assembly.problem.table.values.copy()
    theta[assembly.problem.table.index["a"]] = np.nan
    assert solver_effect(assembly, theta) is None


@pytest.mark.torch
def test_a_model_that_only_the_loose_solver_solves_is_not_believed() -> None:
    # Euler's steps of 0.5 jump over the pole of dx/dt = x² at t = 1.
    text = "model: {equations: {x: k*x^2}, initial: {x: 1}}\nparameters: {k: 1}\n"
    text += "noise: {sigma: 1}\nsolver: {method: euler, step: 0.5}\n"
    assembly = problem_of(text=text, data="time,x\n0,1\n2,10\n")
    found = solver_effect(assembly, assembly.problem.table.values)
    assert found is not None
    assert found.limits
    assert "do not trust this fit" in found.account or "the objective moves by" in found.account
