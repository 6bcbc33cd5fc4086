"""Which parameters make a likelihood jump, and that it does jump there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import odefit
from from_text import assembled
from odefit.fitting.nonsmooth import (
    NonsmoothParameters,
    kinks_met,
    nonsmooth_parameters,
    parameters_at_measurements,
)
from odefit.fitting.one_sided import OneSided
from odefit.objective.likelihood import Likelihood
from odefit.objective.problem import FitProblem
from odefit.optimizers.base import SearchOutcome
from odefit.status import Ending, Reason


def problem_of(model: str, parameters: str, data: str = "") -> FitProblem:
    config = f"model: {{initial: {{x: 1}}, {model}}}\nparameters: {{{parameters}}}\ndata: {{{data}}}\n"
    return assembled(config + "noise: {sigma: 0.1}\n", data="time,x\n0,1\n1,0.8\n2,0.7\n3,0.6\n").problem


EVENT = "equations: {x: -k*x}, events: [{time: tau, set: {x: x/2}}]"
SWITCH = "equations: {x: 'piecewise(-k*x, t < tau, 0)'}"
DOSE = "doses: {{lag: tau, table: [{{time: 1, state: x, amount: 1{}}}]}}"


@pytest.mark.parametrize(
    ("model", "parameters", "data", "expected"),
    [
        (EVENT, "k: 0.5, tau: 1.5", "", NonsmoothParameters(("tau",), ())),
        (EVENT, "k: 0.5, tau: {value: 1.5, estimate: false}", "", NonsmoothParameters((), ())),
        (EVENT.replace("tau", "1.5"), "k: 0.5", "", NonsmoothParameters((), ())),
        (SWITCH, "k: 0.5, tau: 1.5", "", NonsmoothParameters((), ("tau",))),
        ("equations: {x: -k*x}", "k: 0.5, tau: 0.5", DOSE.format(""), NonsmoothParameters(("tau",), ())),
        ("equations: {x: -k*x}", "k: 0.5, tau: 0.5", DOSE.format(", duration: 1"), NonsmoothParameters((), ("tau",))),
    ],
)
def test_who_moves_what(model: str, parameters: str, data: str, expected: NonsmoothParameters) -> None:
    problem = problem_of(model, parameters, data)
    found = nonsmooth_parameters(problem)
    assert found == expected
    if "tau" not in problem.table.estimated_names:
        return
    # The likelihood on both sides of the measurement at t = 2, far and near.
    likelihood, position = Likelihood(problem), problem.table.estimated_names.index("tau")
    u = problem.table.to_search(problem.table.values)
    at = 1.0 if data else 2.0

    def step(width: float) -> float:
        low, high = u.copy(), u.copy()
        low[position], high[position] = at - width, at + width
        return abs(likelihood.value(high) - likelihood.value(low))

    assert (step(1e-6) > 1e-2) == bool(found.jumps)


def test_what_is_said_of_them() -> None:
    assert NonsmoothParameters((), ()).sentence is None
    assert NonsmoothParameters(("tau", "lag"), ("s",)).sentence == (
        "The likelihood jumps where tau or lag passes the time of a measurement, and a search may end there: "
        "try more starts (fit.starts), or bounds of tau or lag between two measurements."
    )
    assert "has a kink where s passes" in str(NonsmoothParameters((), ("s",)).sentence)


def test_a_time_that_ends_on_a_measurement_has_no_interval_though_the_fit_converged() -> None:
    t = np.arange(11.0)
    noise = 0.002 * np.random.default_rng(0).standard_normal(11)
    x = 2 * np.exp(-0.3 * t) + 5 * (t >= 4) * np.exp(-0.3 * np.maximum(t - 3.997, 0)) + noise
    model = {"equations": {"x": "-k*x"}, "events": [{"time": "tau", "set": {"x": "x + 5"}}]}
    parameters = {"k": 0.2, "tau": {"value": 3.9, "bounds": [1, 9]}}
    run = odefit.fit({"model": model, "parameters": parameters}, data=[odefit.Experiment("a", t, {"x": x})])
    assert run.result.status == "converged"
    tau, k = run.result.estimates["tau"], run.result.estimates["k"]
    assert tau.value == pytest.approx(4, abs=0.01)
    assert (tau.standard_error, tau.interval) == (None, None)
    assert k.standard_error is not None
    assert [text for text in run.result.warnings if "try more starts (fit.starts), or bounds of tau" in text]
    assert any(text.startswith("The likelihood jumps where tau passes") for text in run.result.warnings)
    assert any(text.startswith("tau has no interval") for text in run.result.warnings)


def test_an_optimum_at_a_kink_is_found_and_certified_and_has_a_profile() -> None:
    """A line with a bend, whose measurement at the bend lies above it: the least squares have a kink there.

    For each time of the bend they are linear, so that a grid of times with NumPy knows the minimum.
    """
    t = np.arange(11.0)
    x = 1 + np.minimum(t, 5) + 0.3 * (t == 5) + 0.02 * np.random.default_rng(1).standard_normal(11)
    model = {"equations": {"x": "piecewise(a, t < tau, b)"}}
    parameters = {"a": {"value": 0.8, "bounds": [0, 5]}, "b": {"value": 0.1, "bounds": [-2, 2]}}
    parameters["tau"] = {"value": 4.3, "bounds": [1, 9]}
    config = {"model": model, "parameters": parameters, "fit": {"starts": 3}}
    run = odefit.fit(config, data=[odefit.Experiment("a", t, {"x": x})])

    def squares(tau: float) -> float:
        lines = np.column_stack([np.ones(11), np.minimum(t, tau), np.maximum(t - tau, 0)])
        return float(np.square(x - lines @ np.linalg.lstsq(lines, x, rcond=None)[0]).sum())

    times = np.linspace(1, 9, 801)
    below = [tau for tau in times if 11 / 2 * np.log(squares(tau) / squares(5)) <= 1.92]
    assert times[np.argmin([squares(tau) for tau in times])] == pytest.approx(5)
    assert run.result.status == "converged"
    assert run.result.starts.at_best == 3
    assert "on either side of its kink, where tau passes" in run.result.message
    assert run.result.estimates["tau"].value == pytest.approx(5, abs=1e-4)
    assert run.result.objective.rss == pytest.approx(squares(5), rel=1e-4)
    of_tau = [text for text in run.result.warnings if "tau" in text]
    assert [text.endswith("odefit profile goes across") for text in of_tau] == [True]
    found = odefit.profile(run, ["tau"]).frame.loc["tau"]
    assert found["low"] <= below[0]


@pytest.mark.parametrize("place", [-np.inf, -1.0, 2.0, 2.5])
def test_a_kink_outside_of_the_bounds_is_left_alone(place: float) -> None:
    def nothing(*_: object) -> Any:
        raise AssertionError

    stuck = SearchOutcome(np.array([1.9]), 0.0, Ending(Reason.NOT_CERTIFIED), 1, 1, (0.0,), np.zeros(1))
    one_sided = OneSided(nothing, nothing, (np.array([-1.0]), np.array([2.0])), np.ones(1))
    assert one_sided(stuck, 0, place) == (stuck, None)


def test_where_a_switch_is_at_a_kink() -> None:
    """Times that follow from a formula, and those that make the likelihood jump, are left alone."""
    for tau, model, found in (
        (2 + 1e-4, SWITCH, {"tau": 2.0}),
        (2.3, SWITCH, {}),
        (2.0, EVENT, {}),
        (1.0, SWITCH.replace("tau", "2*tau"), {}),
    ):
        problem = problem_of(model, f"k: 0.5, tau: {tau}")
        assert kinks_met(problem, problem.table.values) == found


@pytest.mark.parametrize(("tau", "found"), [(2.0, ("tau",)), (2.0 + 1e-4, ("tau",)), (2.3, ())])
def test_who_lies_on_a_measurement(tau: float, found: tuple[str, ...]) -> None:
    for model in (EVENT, SWITCH):
        problem = problem_of(model, f"k: 0.5, tau: {tau}")
        met = parameters_at_measurements(problem, problem.table.values)
        assert met.jumps + met.kinks == found
    problem = problem_of("equations: {x: -k*x}", f"k: 0.5, tau: {tau - 1}", DOSE.format(""))
    assert parameters_at_measurements(problem, problem.table.values).jumps == found
