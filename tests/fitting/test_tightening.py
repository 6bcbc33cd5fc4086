"""Where the solver limits a fit: smaller tolerances by themselves, or a verdict that says so."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odefit
from commands import run as command
from from_text import assembled
from odefit.fitting.run import Run
from odefit.fitting.stepped_over import contradiction

TIMES = np.arange(9.0)
NOISE = 0.04 * np.random.default_rng(8).standard_normal((2, 9))
K, STARTS = 1.7, (8.0, 5.0)
EMPTIES = {"equations": {"x": "-k*x/(Km + x)"}}
PARAMETERS = {
    "k": {"value": 1.5, "bounds": [0.01, 10], "scale": "log"},
    "x_0": {"value": 7, "bounds": [0.1, 100], "scale": "log"},
    "Km": {"value": 1e-5, "estimate": False},
}


def experiment(which: int = 0) -> odefit.Experiment:
    """A substrate that runs empty at a constant rate (Km is next to nothing), measured with noise."""
    x = np.maximum(STARTS[which] - K * TIMES, 0) + NOISE[which]
    return odefit.Experiment("ab"[which], TIMES, {"x": x})


def fit(model: dict[str, Any] = EMPTIES, data: Sequence[odefit.Experiment] = (), **sections: Any) -> Run:
    config = {"model": model, "parameters": PARAMETERS, **sections}
    run = odefit.fit(config, data=list(data) or [experiment()])
    assert isinstance(run, Run)
    return run


def estimate(run: Run, name: str) -> float:
    value = run.result.estimates[name].value
    assert value is not None
    return value


def closed_form() -> tuple[float, float, float]:
    """k, x_0 and the sum of squares of the straight lines through the data before and after the substrate ends."""
    from scipy.optimize import least_squares

    x = experiment().values[:, 0]
    found = least_squares(lambda q: np.maximum(q[1] - q[0] * TIMES, 0) - x, [K, STARTS[0]], xtol=1e-14, ftol=1e-14)
    return float(found.x[0]), float(found.x[1]), float(2 * found.cost)


def test_a_substrate_that_runs_empty_is_fitted_right() -> None:
    k, x_0, rss = closed_form()
    run = fit()
    assert run.result.status == "converged", run.result.message
    assert estimate(run, "k") == pytest.approx(k, rel=1e-3)
    assert estimate(run, "x_0") == pytest.approx(x_0, rel=1e-3)
    assert run.result.objective.rss == pytest.approx(rss, rel=1e-2)
    assert run.result.tolerances_divided_by > 1
    assert "evaluations more than the" in run.result.message


def test_starts_that_are_searched_again_are_announced(tmp_path: Path) -> None:
    x = experiment().values[:, 0]
    rows = [f"{t:g},{v:.12g}" for t, v in zip(TIMES, x, strict=True)]
    (tmp_path / "data.csv").write_text("\n".join(["time,x", *rows, ""]))
    config = {"model": EMPTIES, "parameters": PARAMETERS, "data": {"csv": "data.csv"}}
    (tmp_path / "fit.yaml").write_text(json.dumps(config | {"fit": {"starts": 3, "workers": 1}}))
    told = command("fit", str(tmp_path / "fit.yaml"), "--out", str(tmp_path / "run"), "--no-plots")
    lines = "\n".join(told).splitlines()
    again = [line for line in lines if "go on with its tolerances / " in line]
    assert again
    assert all(line.startswith("note: the solver limits this fit: at a tenth of its tolerances") for line in again)
    # Each pass over the starts ends with a line of its own, and each but the first is announced.
    assert sum(line.startswith("start 3/3") for line in lines) == 1 + len(again)


VOLUMES = {
    "equations": {"A": "-k*B0*A + wide*back*C/narrow", "C": "narrow*k*B0*A/wide - back*C"},
    "initial": {"A": 1, "C": 0},
    "observables": {"A": "A"},
}


def test_what_the_data_do_not_depend_on_is_no_fault_of_the_solver() -> None:
    """With C at 0 first only wide*C/narrow matters, so that neither volume does; and only the product k*B0 does."""
    k, back = 0.08, 0.05
    times = np.linspace(0, 60, 13)
    exact = (back + k * np.exp(-(k + back) * times)) / (k + back)
    data = odefit.Experiment("a", times, {"A": exact + 0.02 * np.random.default_rng(3).standard_normal(13)})
    free = {"bounds": [1e-3, 1e2], "scale": "log"}
    values = {"wide": 1.4, "narrow": 0.45, "k": 0.03, "B0": 1.0, "back": 0.03}
    config = {
        "model": VOLUMES,
        "parameters": {name: {"value": value, **free} for name, value in values.items()},
        "solver": {"rtol": 1e-8},
        "fit": {"starts": 4, "seed": 0, "workers": 1},
    }
    found = odefit.fit(config, data=[data])
    assert isinstance(found, Run)
    assert found.result.status == "converged", found.result.message
    reasons = {name: found.result.estimates[name].reason or "" for name in values}
    assert reasons["wide"] == reasons["narrow"] == "the data hardly depend on it, if at all"
    assert reasons["k"].endswith("only in combination with B0")
    assert estimate(found, "k") * estimate(found, "B0") == pytest.approx(k, rel=0.2)


def test_so_are_two_of_them_from_several_starts() -> None:
    run = fit(data=[experiment(0), experiment(1)], fit={"starts": 4, "seed": 1, "workers": 1})
    assert run.result.status == "converged", run.result.message
    assert run.result.starts.at_best == run.result.starts.finished == 4
    assert estimate(run, "k") == pytest.approx(K, rel=0.05)


def test_tolerances_of_the_config_are_kept_and_the_verdict_names_them() -> None:
    run = fit(solver={"rtol": 1e-6})
    assert run.result.status == "stopped"
    assert run.result.tolerances_divided_by == 1
    assert "--set solver.rtol=1e-07" in run.result.message
    assert run.result.starts.at_best == 0


def test_a_well_that_no_tolerance_finds_is_not_converged() -> None:
    # The rate ends within 1e-5 of zero, and no denominator has a zero of its own.
    run = fit({"equations": {"x": "-k*x^2/(Km^2 + x^2)"}})
    assert run.result.status == "stopped"
    assert "x passes through zero at t = " in run.result.message
    assert "write max(x, 0)" in run.result.message


def test_what_the_message_says_helps() -> None:
    run = fit({"equations": {"x": "-k*max(x, 0)^2/(Km^2 + max(x, 0)^2)"}})
    assert run.result.status == "converged"
    assert estimate(run, "k") == pytest.approx(closed_form()[0], rel=1e-3)


def test_a_root_of_a_state_that_runs_empty_says_what_to_write() -> None:
    x = np.maximum(np.sqrt(8) - 0.6 * TIMES, 0) ** 2 + NOISE[0]
    data = [odefit.Experiment("a", TIMES, {"x": x})]
    parameters = {name: PARAMETERS[name] for name in ("k", "x_0")}
    failed = fit({"equations": {"x": "-k*sqrt(x)"}}, data, parameters=parameters)
    assert failed.result.status == "failed"
    assert "where x falls below zero sqrt(x) is no number: write max(x, 0) in it" in failed.result.message
    run = fit({"equations": {"x": "-k*sqrt(max(x, 0))"}}, data, parameters=parameters)
    assert run.result.status == "converged"
    assert estimate(run, "k") == pytest.approx(1.2, rel=0.03)


def test_a_stored_run_is_solved_as_exactly_as_it_was_fitted(tmp_path: Path) -> None:
    run = fit()
    run.save(tmp_path / "run")
    again = odefit.load_run(tmp_path / "run")
    assert isinstance(again, Run)
    assert again.assembly.problem.engine.options == run.assembly.problem.engine.options
    there, here = (r.predictions([0.5, 4.5, 8.0], intervals=False)["predicted"] for r in (again, run))
    assert there.to_numpy() == pytest.approx(here.to_numpy(), rel=1e-9)


def test_folds_are_scored_as_exactly_as_the_fit() -> None:
    """As by a config that asks for the tolerances to which the fit has come."""
    times = np.linspace(0, 6, 25)
    lorenz = {
        "model": {
            "equations": {"x": "s*(y - x)", "y": "x*(r - z) - y", "z": "x*y - b*z"},
            "initial": {"x": 1, "y": 1, "z": 1},
        },
        "parameters": {"s": 9, "r": 27, "b": 2.6},
        "data": {
            "simulate": {
                "parameters": {"s": 10, "r": 28, "b": 2.7},
                "times": times.tolist(),
                "experiments": 3,
                "noise": 0.01,
                "seed": 3,
            }
        },
        "solver": {"method": "tsit45"},
        "fit": {"folds": 3},
    }
    run = odefit.fit(lorenz)
    factor = run.result.tolerances_divided_by
    assert factor > 1
    same = odefit.fit(lorenz | {"solver": {"method": "tsit45", "rtol": 1e-6 / factor}})
    assert run.result.cross_validation is not None
    assert same.result.cross_validation is not None
    assert run.result.cross_validation.nll == pytest.approx(same.result.cross_validation.nll, rel=1e-7)


def test_states_that_change_their_sign_for_good_reason_are_no_contradiction() -> None:
    # A fast oscillator, whose zeros fall between any times that are looked at, and a branch that leaves a saddle.
    text = """
        model:
          equations: {x: w*v, v: -w*x, z: (z - 1)/(1 + x^2)}
          initial: {x: 1, v: 0, z: 0.5}
        parameters: {w: 300}
        """
    assembly = assembled(textwrap.dedent(text), data="time,x,v,z\n0,1,0,0.5\n1,0,0.9,0.2\n2,1,0,-2\n")
    assert contradiction(assembly.problem, assembly.problem.table.values) is None


RATES = {"Hill 2": "x^2/(1e-8 + x^2)", "Hill 3": "x^3/(1e-9 + x^3)", "Hill 4": "x^4/(1e-8 + x^4)", "MM": "x/(1e-6 + x)"}


@pytest.mark.parametrize("rate", RATES.values(), ids=list(RATES))
@pytest.mark.parametrize("k", [0.67, 0.95, 0.97, 1.05, 1.3])
def test_a_state_that_falls_through_its_zero_is_found_wherever_the_steps_lie(rate: str, k: float) -> None:
    # At x = 0 the equation says dx/dt = 0, so that no solution comes to a negative x.
    text = f"model: {{equations: {{x: -{k}*{rate}}}, initial: {{x: 7.2}}}}\n"
    problem = assembled(text, data="time,x\n" + "".join(f"{t},1\n" for t in range(13))).problem
    theta = problem.table.values
    fell = float(problem.states(theta, problem.experiments)[0][:, 0].min()) < -0.1
    found = contradiction(problem, theta)
    assert (found is not None) == fell
    assert found is None or "write max(x, 0) for x in the equation of x" in found.remedy


@pytest.mark.parametrize("rate", RATES.values(), ids=list(RATES))
@pytest.mark.parametrize("which", [0, 1])
def test_a_fit_of_what_runs_empty_is_right_or_says_that_it_is_not(rate: str, which: int) -> None:
    parameters = {name: PARAMETERS[name] for name in ("k", "x_0")}
    run = fit({"equations": {"x": f"-k*{rate}"}}, [experiment(which)], parameters=parameters)
    if run.result.status == "converged":
        assert estimate(run, "k") == pytest.approx(K, rel=0.05)
    else:
        assert run.result.status == "stopped"
        said = [run.result.message, *run.result.warnings]
        assert any("write max(x, 0) for x in the equation of x" in words for words in said), said


HARMLESS = {
    "damped oscillator": "{equations: {x: v, v: -4*x - 0.3*v}, initial: {x: 1, v: 0}, observables: {x: x}}",
    "exponential decay": "{equations: {x: -3*x}, initial: {x: 5}}",
    "a fast decay and a slow one": "{equations: {x: -900*x, y: x - 0.1*y}, initial: {x: 1, y: 0}, observables: {x: x}}",
    "Lotka-Volterra": "{equations: {x: x - 0.9*x*y, y: 0.8*x*y - 2*y}, initial: {x: 6, y: 0.1}, observables: {x: x}}",
    "driven through zero": "{equations: {x: 2*cos(3*t) - 0.5*x}, initial: {x: 0.2}}",
    "falls below zero": "{equations: {x: -1 - 0.1*x}, initial: {x: 3}}",
}


@pytest.mark.parametrize("model", HARMLESS.values(), ids=list(HARMLESS))
def test_what_its_equations_allow_is_no_contradiction(model: str) -> None:
    assembly = assembled(f"model: {model}\n", data="time,x\n" + "".join(f"{t},1\n" for t in range(13)))
    assert contradiction(assembly.problem, assembly.problem.table.values) is None


@pytest.mark.torch
def test_a_pole_on_the_way_is_a_contradiction() -> None:
    # y = 1 / (1 - t) solves dy/dt = y / (1 - t), and has no part beyond t = 1; a step of 0.4 takes no notice of that.
    text = "model: {equations: {y: y/(1 - z), z: c}, initial: {y: 1, z: 0}}\nparameters: {c: 1}\n"
    text += "solver: {method: euler, step: 0.4}\n"
    assembly = assembled(text, data="time,y,z\n0,1,0\n0.8,5,0.8\n2.4,1,2.4\n")
    found = contradiction(assembly.problem, assembly.problem.table.values)
    assert found is not None
    assert found.state == "y"
