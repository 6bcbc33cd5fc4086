"""What names mean: initial values, parameters that cancel out, experiments called by numbers, and what is no ODE."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import odefit
from from_text import assembled
from odefit.errors import InputError
from odefit.model.system import symbol
from odefit.problem.interface import Problem

CONFIG = """
model: {equations: {x: -k*x, y: k*x}, initial: {x: 10, y: estimate}}
parameters: {k: {value: 0.3, bounds: [0.01, 10], scale: log}}
"""
DATA = "time,x,y\n0,10,0.5\n1,7.1,2.8\n2,5.2,4.9\n3,3.4,6.3\n"


def fault(config: str, *overrides: str, data: str = DATA) -> str:
    with pytest.raises(InputError) as caught:
        assembled(config, *overrides, data=data)
    return caught.value.faults[0].what.split("\n")[0]


@pytest.mark.parametrize(
    ("override", "without"),
    [
        ("model.initial={x: 10, y: 0.1*x_0}", "model.initial={x: 10, y: 1}"),
        ("model.equations.y=k*x*x_0/10", "model.equations.y=k*x"),
        ("model.observables={x: x*x_0/10, y: y}", "model.observables={x: x, y: y}"),
        ("noise.x.sigma=0.1*x_0", "noise.x.sigma=1"),
        ("model.events=[{time: 1.5, set: {x: x_0/2}}]", "model.events=[{time: 1.5, set: {x: 5}}]"),
    ],
)
def test_x_0_is_the_initial_value_wherever_it_stands(override: str, without: str) -> None:
    one, other = (Problem(assembled(CONFIG, o, data=DATA)) for o in (override, without))
    assert one.names == other.names
    assert one.nll(one.x0) == pytest.approx(other.nll(other.x0), rel=1e-9)


def test_x_0_in_a_derived_quantity() -> None:
    (total,) = assembled(CONFIG, "parameters.total=x_0 + y_0", data=DATA).derived
    assert total.formula == 10 + symbol("y_0")


def test_x_0_has_one_meaning() -> None:
    assert "model.initial already says" in fault(CONFIG, "parameters.x_0=5", "model.equations.y=k*x_0")
    assert (
        fault(CONFIG, "model.initial={x: y_0, y: x_0}") == "is defined by itself: x_0 -> y_0 -> x_0; break the circle"
    )


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.equations={x: -(v*k*x)/v, y: k*x}"],
        ["model.equations={x: -k*x + v - v, y: k*x}"],
        ["noise.x.sigma=(v*s)/v", "parameters.s={value: 1, scale: log}"],
        ["model.initial={x: 10*v/v, y: estimate}"],
    ],
)
def test_a_parameter_that_cancels_out_is_left_out_with_a_note(overrides: list[str]) -> None:
    found = assembled(CONFIG, *overrides, "parameters.v=2", data=DATA)
    assert "v" not in found.problem.table.names
    assert "parameters: v cancels out of every formula, has no effect, and is left out" in found.notes
    assert "appears in no formula" in fault(CONFIG, "parameters.v=2")


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("-k*x(t - tau)", "a delayed value is not available: a chain of transit states stands in for it"),
        ("k*delay(x, 2)", "a delayed value is not available"),
        ("k*x(t)", "write x alone: it means its value at the time t"),
        ("2*dx/dt", "a derivative is not available in a formula: write the formula of x, its right-hand side"),
        ("dxdt + 1", "a derivative is not available in a formula: write the formula of x"),
        ("x'*2", "a derivative is not available in a formula: write the formula of x"),
        ("diff(x, t)", "a derivative is not available in a formula: write the formula of x"),
        ("0 = x + y - 10", "an algebraic equation, 0 = …, is not available: solve it for one of its names"),
        ("0,5*x", "a decimal comma: write 0.5"),
        ("x(0)", "'x' is not a function: write x*(...) to multiply, or x_0 for what it starts from"),
        ("dt*2", "unknown symbol 'dt' (did you mean 't'?)"),
    ],
)
def test_what_is_no_ordinary_differential_equation(formula: str, words: str) -> None:
    model = {"equations": {"x": "-k*x", "y": formula}}
    with pytest.raises(InputError) as caught:
        odefit.check({"model": model, "parameters": {"k": 1, "tau": 1}, "data": {"csv": "none.csv"}})
    assert caught.value.faults[0].what.startswith(words)


@pytest.mark.parametrize(
    ("equations", "words"),
    [
        ("{'0 = x + y': 1}", "an algebraic equation, 0 = …, is not available"),
        ("{'0': x + y - 1}", "an algebraic equation, 0 = …, is not available"),
        ("{x:-k*x}", "a blank is missing after the colon: `x: -k*x`"),
        ("[x, y]", "write each equation as its state and the right-hand side: `equations: {x: -k*x, y: k*x}`"),
    ],
)
def test_equations_that_are_written_in_another_way(equations: str, words: str) -> None:
    assert words in fault(CONFIG, f"model.equations={equations}")


def test_a_number_with_a_decimal_comma() -> None:
    assert fault(CONFIG, "parameters.k.value='0,5'") == "'0,5' has a decimal comma: write 0.5"


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("{bounds: [0.01, 100], scale: log}", 1.0),
        ("{bounds: [1, 3]}", 2.0),
        ("{bounds: [1, 3], scale: logit}", 2.0),
    ],
)
def test_finite_bounds_say_where_a_search_starts(section: str, value: float) -> None:
    table = assembled(CONFIG, f"parameters.k={section}", data=DATA).problem.table
    assert table["k"].value == pytest.approx(value)
    assert "or finite bounds above 0" in fault(CONFIG, "parameters.k={bounds: [0, 3], scale: log}")
    start = assembled(CONFIG, "parameters.y_0={bounds: [1, 5]}", data=DATA).problem.table["y_0"]
    assert start.value == 3.0  # the first measurement lies outside


MANY = "experiment,time,x,y\n1.0,0,10,0.5\n1.0,1,7.1,2.8\n2.0,0,10,0.5\n2.0,2,5.2,4.9\n2.50,1,7,2\n"


def test_experiments_called_by_numbers_compare_as_numbers() -> None:
    found = assembled(
        CONFIG,
        "data.only=[1, '2.00']",
        "data.experiments={'1': {a: 3}, '2.0': {a: 4}}",
        "data.doses=[{experiment: 1.0, time: 0.5, state: x, amount: 1}]",
        "model.equations.y=a*k*x",
        "parameters.k.by={u: [1], v: ['2.0']}",
        data=MANY,
    )
    assert [(e.name, e.constants["a"], len(e.doses)) for e in found.measured] == [("1", 3, 1), ("2", 4, 0)]
    named = [odefit.Experiment("1.0", [0, 1], {"x": [10, 7], "y": [1, 2]})]
    config = {"model": {"equations": {"x": "-k*x", "y": "k*x"}}, "parameters": {"k": 1}, "data": {"only": ["1"]}}
    assert "1 experiment" in odefit.check(config, data=named)


def test_words_stay_as_they_are() -> None:
    data = MANY.replace("1.0,", "a.0,").replace("2.0,", "007,").replace("2.50,", "1e1,")
    assert [e.name for e in assembled(CONFIG, data=data).measured] == ["a.0", "007", "1e1"]


def test_experiments_of_a_config_may_be_called_by_numbers(tmp_path: Path) -> None:
    """As keys of YAML and of Python, with values of their own; a number is no name of anything else."""
    data = "experiment,time,x\n1,0,1\n1,1,2\n2,0,3\n2,1,4\n"
    text = "model: {equations: {x: -k*x}, initial: {x: w}}\nparameters: {k: 0.1}\n"
    text += "data: {csv: d.csv, experiments: {1: {w: 1}, 2.0: {w: 3}}}\n"
    (tmp_path / "d.csv").write_text(data)
    (tmp_path / "c.yaml").write_text(text)
    given = {"model": {"equations": {"x": "-k*x"}, "initial": {"x": "w"}}, "parameters": {"k": 0.1}}
    frame = pd.read_csv(tmp_path / "d.csv")
    quoted = odefit.load({**given, "data": {"experiments": {"1": {"w": 1}, "2": {"w": 3}}}}, data=frame)
    for problem in (
        odefit.load(tmp_path / "c.yaml"),
        odefit.load({**given, "data": {"experiments": {1: {"w": 1}, 2.0: {"w": 3}}}}, data=frame),
    ):
        assert problem.nll(problem.x0) == quoted.nll(quoted.x0)
    with pytest.raises(odefit.InputError, match=r"parameters\.3: '3' is no valid name"):
        odefit.load({**given, "parameters": {3: {"value": 1}}}, data=frame)
