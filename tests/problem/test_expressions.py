"""Named formulas of a model: what they mean, where they may stand, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from odefit.model.formulas import parse_formula
from odefit.model.functions import numpy_function
from odefit.model.substitution import replacing
from odefit.model.system import symbol
from small_problems import central_differences

TIMES = np.linspace(0.0, 6.0, 7)
TIGHT = {"rtol": 1e-10, "atol": 1e-12}
PARAMETERS = {
    "k1": {"value": 0.8, "bounds": [0.01, 5], "scale": "log"},
    "k2": {"value": 0.4, "bounds": [0.01, 5], "scale": "log"},
    "s": {"value": 0.1, "bounds": [0.001, 1], "scale": "log"},
    "twice": "2*kd",
}
NAMED = {
    "equations": {"A": "-v1", "B": "v1 - v2"},
    "expressions": {"v2": "k2*B/(1 + ratio)", "ratio": "B/total", "total": "A + B", "v1": "k1*A", "kd": "k1/k2"},
    "initial": {"A": 2, "B": "kd"},
    "observables": {"A": "A", "ratio": "ratio"},
    "events": [{"time": "kd + 1.5", "set": {"A": "A + total"}}],
}
INLINE = {
    "equations": {"A": "-k1*A", "B": "k1*A - k2*B/(1 + B/(A + B))"},
    "initial": {"A": 2, "B": "k1/k2"},
    "observables": {"A": "A", "ratio": "B/(A + B)"},
    "events": [{"time": "k1/k2 + 1.5", "set": {"A": "2*A + B"}}],
}


def config(model: dict[str, Any], noise: str, method: str = "auto") -> dict[str, Any]:
    return {
        "model": model,
        "parameters": PARAMETERS if "expressions" in model else PARAMETERS | {"twice": "2*k1/k2"},
        "noise": {"A": {"sigma": 0.1}, "ratio": {"sigma": noise}},
        "solver": TIGHT | {"method": method},
    }


def measured() -> list[odefit.Experiment]:
    return [odefit.Experiment("a", TIMES, {"A": 2 * np.exp(-0.5 * TIMES), "ratio": 0.5 + 0.05 * TIMES})]


@pytest.mark.quick
@pytest.mark.parametrize("method", ["auto", pytest.param("dopri5", marks=pytest.mark.torch)])
def test_expressions_mean_what_they_stand_for(method: str) -> None:
    """In equations, initial values, observables, events, noise and parameters, in any order."""
    named = odefit.load(config(NAMED, "s*(0.1 + ratio + total)", method), data=measured())
    inline = odefit.load(config(INLINE, "s*(0.1 + B/(A + B) + A + B)", method), data=measured())
    x = named.x0 * 1.1
    assert named.names == inline.names == ("k1", "k2", "s")
    assert named.nll(x) == pytest.approx(inline.nll(x), rel=1e-8)
    assert named.gradient(x) == pytest.approx(inline.gradient(x), rel=1e-5)
    assert named.gradient(x) == pytest.approx(central_differences(named.nll, x), rel=1e-5)


def test_tables_and_frames_have_the_expressions(tmp_path: Path) -> None:
    """expressions.csv, `expression_values` with its intervals, and `simulate`; the closed form of A is exponential."""
    data = config(NAMED, "s*(0.1 + ratio)") | {"fit": {"starts": 1}}
    run = odefit.fit(data, data=measured(), out=tmp_path / "run")
    table = pd.read_csv(tmp_path / "run" / "expressions.csv", dtype={"experiment": str})
    assert list(table.columns) == ["experiment", "time", "expression", "value"]
    assert set(table["expression"]) == set(NAMED["expressions"])  # type: ignore[arg-type]
    k1, k2 = (run.result.estimates[name].value for name in ("k1", "k2"))
    v1 = table[table["expression"] == "v1"]["value"].to_numpy()
    assert v1[:2] == pytest.approx(k1 * 2 * np.exp(-k1 * TIMES[:2]), rel=1e-6)
    again = odefit.load_run(tmp_path / "run").expression_values([0.0, 1.0])
    kd = again[again["expression"] == "kd"].iloc[0]
    assert kd["value"] == pytest.approx(k1 / k2)
    reported = run.result.estimates["twice"]
    assert (kd["low"] + kd["high"]) / 2 == pytest.approx(reported.value / 2, rel=1e-6)
    assert kd["high"] - kd["value"] == pytest.approx(2.0 * reported.standard_error / 2, rel=0.25)
    figure = odefit.plot(run, "time_series", states=["total", "A"])
    axes = figure.axes[0] if len(figure.axes) == 1 else next(ax for ax in figure.axes if "total" in ax.get_ylabel())
    drawn = axes.lines[0].get_xydata()
    assert drawn[0] == pytest.approx([0.0, 2 + k1 / k2])
    frame = odefit.load(data, data=measured()).simulate([k1, k2, 0.1], [1.0])
    assert frame["total"][0] == pytest.approx(frame["A"][0] + frame["B"][0])


def test_a_parameter_that_only_an_expression_names_keeps_its_value() -> None:
    """It changes nothing that is measured, and the expression has it."""
    model = {"equations": {"x": "-k*x"}, "expressions": {"mass": "w*x"}, "initial": {"x": 1}}
    parameters = {"k": 0.5, "w": {"value": 3, "estimate": False}}
    data = [odefit.Experiment("a", [0, 1, 2], {"x": [1, 0.6, 0.4]})]
    problem = odefit.load({"model": model, "parameters": parameters, "noise": {"sigma": 0.1}}, data=data)
    assert problem.names == ("k",)
    assert problem.simulate([0.5], [1.0])["mass"][0] == pytest.approx(3 * np.exp(-0.5), rel=1e-5)


def test_expressions_of_a_built_in_system_and_of_inputs(tmp_path: Path) -> None:
    """They name its states and parameters; an input that only an expression names is one that is used."""
    (tmp_path / "u.csv").write_text("time,u\n0,1\n4,3\n")
    model = {"name": "lotka_volterra", "expressions": {"both": "x + u*y"}, "observables": {"both": "both"}}
    parameters = {name: {"value": 1, "bounds": [0.1, 10]} for name in ("alpha", "beta", "gamma", "delta")}
    text = {"model": model | {"initial": {"x": 1, "y": 2}}, "parameters": parameters, "noise": {"sigma": 1}}
    text["data"] = {"inputs": {"u": {"csv": str(tmp_path / "u.csv")}}}
    problem = odefit.load(text, data=[odefit.Experiment("a", [0, 2], {"both": [3, 3]})])
    frame = problem.simulate(problem.x0, [0.0, 2.0])
    assert frame["both"].to_numpy() == pytest.approx((frame["x"] + [1, 2] * frame["y"]).to_numpy())


REFUSED = {
    "a circle": ({"a": "b + 1", "b": "2*c", "c": "a"}, "is defined by itself: a -> b -> c -> a; break the circle"),
    "itself": ({"a": "a + 1"}, "is defined by itself: a -> a; break the circle"),
    "a state": ({"x": "2*k"}, "'x' is also the name of a state; an expression needs its own"),
    "a parameter": ({"k": "2*x"}, "'k' is also the name of a parameter; an expression needs its own"),
    "an initial value": ({"x_0": "k"}, "'x_0' is also the name of an initial value; an expression needs its own"),
    "the time": ({"t": "k"}, "'t' is also the name of the time; an expression needs its own"),
    "unknown": ({"a": "2*nothing"}, "unknown symbol 'nothing'"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_an_expression_is_refused_with_a_line_each(kind: str) -> None:
    expressions, message = REFUSED[kind]
    model = {"equations": {"x": "-k*x"}, "expressions": expressions, "initial": {"x": 1}}
    with pytest.raises(odefit.OdefitError) as caught:
        odefit.load({"model": model, "parameters": {"k": 1}}, data=[odefit.Experiment("a", [0, 1], {"x": [1, 1]})])
    assert message in str(caught.value)
    assert all("model.expressions." in fault.where for fault in caught.value.faults)


def test_what_is_needed_before_the_start_names_no_state_by_way_of_an_expression() -> None:
    """Initial values, times of events and parameters."""
    model = {
        "equations": {"x": "-k*x"},
        "expressions": {"double": "2*x", "late": "t + 1"},
        "initial": {"x": "double"},
        "events": [{"time": "late", "set": {"x": "double"}}],
    }
    with pytest.raises(odefit.OdefitError) as caught:
        odefit.load(
            {"model": model, "parameters": {"k": 1, "m": "double"}},
            data=[odefit.Experiment("a", [0, 1], {"x": [1, 1]})],
        )
    text = str(caught.value)
    assert "an initial value cannot depend on 'x', which is not known before the start" in text
    assert "the time of an event cannot depend on 't', which is not known before the start" in text
    assert "a parameter, by way of 'double', cannot depend on 'x', which is not known before the start" in text


def test_a_parameter_that_changes_with_the_time_is_told_where_it_belongs() -> None:
    config = {
        "model": {"equations": {"x": "-b*x"}, "initial": {"x": 1}},
        "parameters": {"k": 1, "late": 0.5, "b": "piecewise(k, t < late, 2*k)"},
    }
    data = [odefit.Experiment("a", [0, 1], {"x": [1, 1]})]
    with pytest.raises(odefit.OdefitError) as caught:
        odefit.load(config, data=data)
    (fault,) = caught.value.faults
    assert "a parameter cannot depend on 't'" in fault.what
    assert "write it under model.expressions" in fault.what
    config["model"]["expressions"] = {"b": config["parameters"].pop("b")}
    odefit.load(config, data=data)


def test_circles_through_parameters_are_found() -> None:
    model = {"equations": {"x": "-k*x"}, "expressions": {"a": "2*m"}, "initial": {"x": 1}}
    with pytest.raises(odefit.OdefitError, match="is defined by itself: a -> m -> a"):
        odefit.load({"model": model, "parameters": {"k": 1, "m": "a"}}, data=measured())


@pytest.mark.parametrize("method", ["auto", pytest.param("dopri5", marks=pytest.mark.torch)])
def test_expressions_forty_deep_that_each_name_the_one_before_four_times(method: str) -> None:
    """Written out they would be 4^40 terms; shared, a few hundred operations. The value is that of a loop."""
    depth = 40
    expressions = {
        f"e{i}": f"e{i - 1}*k/(1 + e{i - 1}^2) + x*e{i - 1}/(2 + e{i - 1})" if i else "x + k" for i in range(depth)
    }
    model = {"equations": {"x": f"-e{depth - 1}"}, "expressions": expressions, "initial": {"x": 1}}
    text = {"model": model, "parameters": {"k": 0.5}, "noise": {"sigma": 0.1}, "solver": {"method": method}}
    problem = odefit.load(text, data=[odefit.Experiment("a", [0, 1, 2], {"x": [1, 0.8, 0.7]})])
    frame = problem.simulate(problem.x0, [0.0, 1.0])
    for x, last in zip(frame["x"], frame[f"e{depth - 1}"], strict=True):
        e = x + 0.5
        for _ in range(depth - 1):
            e = e * 0.5 / (1 + e * e) + x * e / (2 + e)
        assert last == pytest.approx(e, rel=1e-12)
    slope = central_differences(problem.nll, problem.x0, 1e-4)
    assert problem.gradient(problem.x0) == pytest.approx(slope, rel=1e-3)


@pytest.mark.torch
def test_a_chain_of_hundreds_of_states_that_repeat_one_expression_loads_and_evaluates() -> None:
    """One step is named in every equation, as in models of signalling; names and formulas may be long."""
    n, step = 300, "a_step_that_every_reaction_of_the_cascade_has_in_common_and_that_is_called_by_its_full_name"
    equations = {f"s{i}": f"{step}*(s{i - 1} - s{i})" if i else f"-{step}*s0" for i in range(n)}
    model: dict[str, Any] = {"equations": equations, "expressions": {step: "k/(1 + s0)"}}
    model["initial"] = {name: "1" if name == "s0" else "0" for name in equations}
    model["observables"] = {"total": " + ".join(["s0*1.0000000", *(f"s{i}*1.0000000" for i in range(1, n))] * 4)}
    assert len(model["observables"]["total"]) > 10_000
    text = {"model": model, "parameters": {"k": 0.5}, "noise": {"sigma": 0.1}, "solver": {"method": "dopri5"}}
    problem = odefit.load(text, data=[odefit.Experiment("a", [0, 0.5], {"total": [4, 4]})])
    # Nothing leaves the chain before its end.
    assert problem.simulate(problem.x0)["total"].to_numpy() == pytest.approx([4, 4], rel=1e-5)


def test_a_part_that_several_formulas_share_is_computed_once() -> None:
    """Each name of it gives the same object, and the values are right."""
    names = ("x", "k", "shared")
    put = replacing({symbol("shared"): parse_formula("exp(-k*x)/(1 + x)", names)})
    formulas = [put(parse_formula(text, names)) for text in ("shared*x", "k - shared", "shared/(2 + shared)")]
    values = numpy_function(formulas, ("x", "k"))(1.0, 2.0)
    part = np.exp(-2.0) / 2
    assert values == pytest.approx([part, 2 - part, part / (2 + part)])
