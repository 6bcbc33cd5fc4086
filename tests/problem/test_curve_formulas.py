"""Quantities of whole curves: values and errors from closed forms, gradients from closed forms and from differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad

import odefit
from odefit.api import assembled
from odefit.problem.assembly import Assembly
from odefit.problem.quantities import named_quantities, quantities_of
from odefit.problem.trajectories import Path

Array = NDArray[np.float64]
TIMES = np.array([0.25, 0.5, 1, 2, 4, 6, 9, 12, 24])
LOG = {"bounds": [0.01, 50], "scale": "log"}
TIGHT = {"rtol": 1e-10, "atol": 1e-12}

ONE_COMPARTMENT: dict[str, Any] = {
    "model": {
        "equations": {"gut": "-ka*gut", "blood": "ka*gut - ke*blood"},
        "initial": {"gut": 0, "blood": 0},
        "observables": {"conc": "blood/V"},
        "expressions": {"cleared": "ke*blood"},
    },
    "parameters": {"ka": {"value": 1, **LOG}, "ke": {"value": 0.3, **LOG}, "V": {"value": 2, **LOG}},
    "data": {"doses": [{"time": 0, "state": "gut", "amount": 10}]},
    "noise": {"conc": {"sigma": 0.05}},
    "solver": TIGHT,
    "derived": {
        "Cmax": {"formula": "max(conc)", "unit": "mg/l"},
        "Tmax": "argmax(conc)",
        "AUC": "integral(conc)",
        "CL": "10/integral(conc, 0, 200)",
        "late_half": "half_time(conc, 30, 60)",
        "out": "integral(cleared, 0, 200)",
        "up": "time_to(conc, 1)",
        "at6": "value(conc, 6)*V",
        "average": "mean(conc, 0, 12)",
        "trough": "min(conc, 1, 24)",
        "late_peak": "max(conc, 4, 24)",
    },
}


def conc(t: float, ka: float, ke: float, v: float) -> float:
    return 10 * ka / (v * (ka - ke)) * (math.exp(-ke * t) - math.exp(-ka * t))


@pytest.fixture(scope="module")
def fitted() -> odefit.Run:
    values = [conc(t, 1.1, 0.2, 3.0) for t in TIMES] + 0.05 * np.random.default_rng(1).standard_normal(9)
    run = odefit.fit(ONE_COMPARTMENT, data=pd.DataFrame({"time": TIMES, "conc": values}))
    assert isinstance(run, odefit.Run)
    return run


@pytest.mark.quick
def test_one_compartment_has_the_values_of_its_closed_form(fitted: odefit.Run) -> None:
    e = {name: float(one.value or 0) for name, one in fitted.result.estimates.items()}
    p = e["ka"], e["ke"], e["V"]
    peak = math.log(p[0] / p[1]) / (p[0] - p[1])
    expected = {
        "Cmax": conc(peak, *p),
        "Tmax": peak,
        "AUC": quad(conc, 0, 24, args=p, epsabs=1e-13)[0],
        "CL": 10 / (10 / (p[1] * p[2])),
        "late_half": math.log(2) / p[1],
        "out": 10.0,
        "at6": conc(6, *p) * p[2],
        "average": quad(conc, 0, 12, args=p, epsabs=1e-13)[0] / 12,
        "trough": conc(24, *p),
        "late_peak": conc(4, *p),
    }
    for name, value in expected.items():
        assert e[name] == pytest.approx(value, rel=1e-8), name
    assert conc(e["up"], *p) == pytest.approx(1, rel=1e-8)
    assert fitted.result.estimates["Cmax"].unit == "mg/l"
    assert fitted.result.estimates["Cmax"].formula == "max(conc)"


def test_errors_are_those_of_the_delta_method(fitted: odefit.Run) -> None:
    """The terminal half-time is ln 2/ke: its error and its interval are those of the formula."""
    e, cov = fitted.result.estimates, fitted.covariance
    ke = float(e["ke"].value or 0)
    error = math.log(2) / ke**2 * math.sqrt(cov.loc["ke", "ke"])
    assert e["late_half"].standard_error == pytest.approx(error, rel=1e-5)
    assert e["late_half"].interval is not None
    assert e["ke"].interval is not None
    assert e["late_half"].interval[0] == pytest.approx(math.log(2) / e["ke"].interval[1], rel=1e-5)
    # All that comes out is the dose, whatever the parameters are.
    assert e["out"].standard_error == pytest.approx(0, abs=1e-8)


def differences(assembly: Assembly, name: str, spread: float = 0.1) -> tuple[Array, Array]:
    """Gradients of a quantity at three points, and those of central differences of its values."""
    (quantity,) = named_quantities(assembly, [name])
    table = assembly.problem.table
    u = table.to_search(table.values) + spread * np.random.default_rng(2).standard_normal((3, len(table.estimated)))
    steps = 1e-4 * np.eye(u.shape[1])
    sides = [[quantity.evaluations(u + sign * step).values for sign in (1, -1)] for step in steps]
    return quantity.evaluations(u).gradients, np.stack([(a - b) / 2e-4 for a, b in sides], axis=1)


@pytest.mark.parametrize("name", list(ONE_COMPARTMENT["derived"]))
def test_gradients_are_those_of_differences(fitted: odefit.Run, name: str) -> None:
    exact, rough = differences(fitted.assembly, name)
    # A value of 10 that is right to 13 digits, such as `out`, has differences of 1e-8 where the gradient is 0.
    np.testing.assert_allclose(exact, rough, rtol=1e-5, atol=1e-6 * max(1e-2, np.abs(rough).max()))


def built(model: dict, parameters: dict, derived: dict, data: Any = None, **more: Any) -> Assembly:
    config = {"model": model, "parameters": parameters, "derived": derived, "solver": TIGHT, **more}
    names = list(model.get("observables", model["equations"]))
    if data is None:
        data = [odefit.Experiment("a", [0.0, 5, 10], {name: [1.0, 2.0, 1.0] for name in names})]
    return assembled(config, data=data)


def values(assembly: Assembly) -> dict[str, float]:
    u = assembly.problem.table.to_search(assembly.problem.table.values)[None]
    return {q.name: float(q.evaluations(u).values[0]) for q in quantities_of(assembly)}


DECAY = {"equations": {"x": "-k*x"}, "initial": {"x": "x_start"}}
RATES = {"k": {"value": 0.5, **LOG}, "x_start": {"value": 4, **LOG}}


def test_exponential_decay_and_growth() -> None:
    assembly = built(
        {"equations": {"x": "-k*x", "y": "k*y"}, "initial": {"x": "x_start", "y": 1}},
        RATES,
        {"half": "half_time(x)", "twice": "doubling_time(y)", "to1": "time_to(x, 1)", "area": "integral(x, 1, 3)"},
    )
    found = values(assembly)
    assert found["half"] == pytest.approx(math.log(2) / 0.5, rel=1e-8)
    assert found["twice"] == pytest.approx(math.log(2) / 0.5, rel=1e-8)
    assert found["to1"] == pytest.approx(math.log(4) / 0.5, rel=1e-8)
    assert found["area"] == pytest.approx(4 / 0.5 * (math.exp(-0.5) - math.exp(-1.5)), rel=1e-9)
    for name in ("half", "twice", "to1", "area"):
        exact, rough = differences(assembly, name)
        np.testing.assert_allclose(exact, rough, rtol=1e-5, atol=1e-7)


def test_jumps_divide_the_time() -> None:
    """Boluses straight into what is measured: the peak is the value just after the second one."""
    doses = [odefit.Dose(2, "x", 5), odefit.Dose(4, "x", 1)]
    derived = {"peak": "max(x)", "when": "time_of_max(x)", "area": "integral(x)", "low": "min(x, 0, 4)"}
    data = [odefit.Experiment("a", [0.0, 5, 10], {"x": [4.0, 2, 1]}, doses=doses)]
    assembly = built(DECAY, RATES, derived | {"up": "time_to(x, 6)"}, data=data)
    found = values(assembly)
    before = 4 * math.exp(-1)
    assert found["peak"] == pytest.approx(before + 5, rel=1e-8)
    assert (found["when"], found["up"]) == (2, 2)
    assert found["low"] == pytest.approx(before, rel=1e-8)
    after = (before + 5) * math.exp(-1)
    areas = [4 * (1 - math.exp(-1)), (before + 5) * (1 - math.exp(-1)), (after + 1) * (1 - math.exp(-3))]
    assert found["area"] == pytest.approx(sum(areas) / 0.5, rel=1e-8)
    for name in ("peak", "area", "low"):
        exact, rough = differences(assembly, name)
        np.testing.assert_allclose(exact, rough, rtol=1e-5, atol=1e-6)


def test_infusions_are_part_of_the_slope() -> None:
    """An infusion at rate r from 0 to 4: it rises all the while, and the peak stands at its end."""
    measured = {"x": [0.0, 2, 1], "y": [0.0, 1, 1]}
    data = [odefit.Experiment("a", [0.0, 5, 10], measured, doses=[odefit.Dose(0, "x", 8, 4)])]
    model = {"equations": {"x": "-k*x", "y": "x - y"}, "initial": {"x": 0, "y": 0}}
    derived = {"peak": "max(x)", "when": "time_of_max(x)", "then": "time_of_max(y)"}
    assembly = built(model, {"k": RATES["k"]}, derived, data=data)
    found = values(assembly)
    assert found["peak"] == pytest.approx(2 / 0.5 * (1 - math.exp(-2)), rel=1e-6)
    assert found["when"] == pytest.approx(4, abs=1e-9)
    for name in ("peak", "then"):
        exact, rough = differences(assembly, name)
        np.testing.assert_allclose(exact, rough, rtol=1e-3, atol=1e-5)


def test_a_jump_that_moves_has_a_value_and_no_error() -> None:
    model = {**DECAY, "events": [{"time": "tau", "set": {"x": "x + 5"}}]}
    parameters = {**RATES, "tau": {"value": 3, "bounds": [1, 6]}}
    assembly = built(model, parameters, {"peak": "max(x)", "early": "max(x, 0, 1)", "area": "integral(x)"})
    u = assembly.problem.table.to_search(assembly.problem.table.values)[None]
    found = {q.name: q.evaluations(u) for q in quantities_of(assembly)[3:]}
    assert found["peak"].values[0] == pytest.approx(4 * math.exp(-1.5) + 5, rel=1e-7)
    assert not found["peak"].ok[0]
    assert not found["area"].ok[0]
    assert found["early"].ok[0]


def test_a_curve_that_only_bends_where_a_dose_arrives_has_errors() -> None:
    """Nothing but 0 comes before the lag, and little just after it: beside that a bend looks like a jump."""
    parameters = {**ONE_COMPARTMENT["parameters"], "lag": {"value": 0.4, "bounds": [0.26, 0.74]}}
    doses = {"state": "gut", "lag": "lag", "table": [{"time": 0, "amount": 10}]}
    wanted = {"area": "integral(conc, 0, 200)", "top": "max(conc)"}
    config = ONE_COMPARTMENT | {"parameters": parameters, "data": {"doses": doses, "start": 0}, "derived": wanted}
    assembly = assembled(config, data=pd.DataFrame({"time": TIMES, "conc": np.ones(9)}))
    u = assembly.problem.table.to_search(assembly.problem.table.values)[None]
    area, top = quantities_of(assembly)[-2:]
    assert area.evaluations(u).values[0] == pytest.approx(10 / (0.3 * 2), rel=1e-6)
    assert area.evaluations(u).ok[0]
    assert top.evaluations(u).ok[0]


@pytest.mark.parametrize("unit", [1e-9, 1.0, 2.0**36])
def test_jumps_that_follow_from_states_have_the_same_values_in_any_unit(
    unit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """x grows from 1 to 8 and falls to 2, again and again: two solutions do not have these jumps at the very same time,
    and rates near 1e-12 are not moved by 1e-7 to see whether the jumps move."""
    looked = []
    jumps = Path.jumps
    monkeypatch.setattr(Path, "jumps", lambda path, u: [looked.append(u[0, 0]), jumps(path, u)][1])
    model = {"equations": {"x": "r*x"}, "initial": {"x": 1}, "events": [{"when": "x > 8", "set": {"x": "x/4"}}]}
    r = 0.30886 / unit
    parameters = {"r": {"value": r, "bounds": [0.8 * r, 1.2 * r]}}
    wanted = {"top": "max(x)", "low": f"min(x, {8 * unit}, {19 * unit})", "area": f"integral(x, 0, {19 * unit})"}
    config = {"model": model, "parameters": parameters, "noise": {"x": {"sigma": 0.05}}, "derived": wanted}
    times = np.arange(20.0) * unit
    assembly = assembled(config, data=pd.DataFrame({"time": times, "x": np.ones(20)}))
    u = assembly.problem.table.to_search(assembly.problem.table.values)[None]
    found = {q.name: q.evaluations(u) for q in quantities_of(assembly)[1:]}
    last = 2 * math.exp(r * 19 * unit - math.log(8) - 2 * math.log(4))
    assert found["top"].values[0] == pytest.approx(8, rel=3e-5)
    assert found["low"].values[0] == pytest.approx(2, rel=3e-5)
    assert found["area"].values[0] == pytest.approx((7 + 6 + 6 + last - 2) / r, rel=1e-5)
    assert not any(one.ok[0] for one in found.values())
    np.testing.assert_allclose(looked, r, rtol=1e-5)


def test_a_report_says_why_there_is_no_value_or_no_error() -> None:
    t = np.arange(0.0, 8)
    events = [{"time": "tau", "set": {"x": "x + 5"}}]
    x = np.where(t < 3.5, 4 * np.exp(-0.5 * t), 4 * np.exp(-0.5 * t) + 5 * np.exp(-0.5 * (t - 3.5)))
    config = {
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": 4}, "events": events},
        "parameters": {"k": RATES["k"], "tau": {"value": 3.4, "bounds": [3.1, 3.9]}},
        "noise": {"x": {"sigma": 0.1}},
        "derived": {"never": "time_to(x, 100)", "peak": "max(x, 2, 7)"},
    }
    run = odefit.fit(config, data=pd.DataFrame({"time": t, "x": x}))
    never, peak = (run.result.estimates[name] for name in ("never", "peak"))
    assert (never.value, never.reason) == (None, "the curve does not get there in these times")
    assert peak.value == pytest.approx(4 * math.exp(-0.5 * 3.5) + 5, rel=1e-3)
    assert peak.standard_error is None
    assert peak.reason == "a jump that moves with the parameters decides on it, so it has no derivatives"


def test_each_experiment_has_its_own() -> None:
    data = [
        odefit.Experiment(name, [0, 2, 5], {"x": [3.0, 2, 1]}, constants={"w": w}) for name, w in (("a", 1), ("b", 2))
    ] + [odefit.Experiment("b#2", [0, 2], {"x": [3.0, 2]}, constants={"w": 2})]
    model = {"equations": {"x": "-k*w*x"}, "initial": {"x": "x_start"}}
    found = values(built(model, RATES, {"half": "half_time(x, 0, 9)*w"}, data=data))
    assert list(found)[-2:] == ["half[a]", "half[b]"]
    assert found["half[a]"] == pytest.approx(math.log(2) / 0.5)
    assert found["half[b]"] == pytest.approx(math.log(2) / 0.5)


@pytest.mark.parametrize(
    ("formula", "what"),
    [
        ("max(y)", "max: 'y' is no curve; there is: x"),
        ("max(y, k)", "unknown symbol 'y'"),
        ("integral(y)", "integral: 'y' is no curve; there is: x"),
        ("max(x, 1)", "max: write max(curve[, from, to])"),
        ("time_to(x)", "time_to: write time_to(curve, level[, from, to])"),
        ("value(x, k)", "value: 'k' is no number; a level and times are written as numbers"),
        ("max(x, 5, 2)", "max: the range of times must be finite, and rise"),
        ("max(x, -1, 2)", "max: -1 comes before experiment a starts (0)"),
        ("2*k", "names no curve: write a formula of parameters as a parameter"),
        ("max(x)/q", "unknown symbol 'q', in max(x)/q"),
        ("max(x)*t", "'t' has no value beside a curve; at a time, it is value(curve, time)"),
        ("max(max(x))", "max takes two arguments or more (got 1), in max(max(x))"),
    ],
)
def test_what_means_nothing_is_refused(formula: str, what: str) -> None:
    with pytest.raises(odefit.ConfigError) as found:
        built(DECAY, RATES, {"q1": formula})
    assert what in str(found.value)
    assert "derived.q1" in str(found.value)
    assert "curve__" not in str(found.value)


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(
        odefit.ConfigError, match="'k' is also the name of a parameter; a derived quantity needs its own"
    ):
        built(DECAY, RATES, {"k": "max(x)"})


def test_what_compares_two_times_is_no_curve() -> None:
    model = {**DECAY, "observables": {"x": "x", "grown": {"increase": "x"}}}
    data = [odefit.Experiment("a", [0.0, 5, 10], {"x": [1.0, 2.0, 1.0], "grown": [None, 1, 1]})]
    with pytest.raises(odefit.ConfigError, match="max: grown compares two times, so that it is no curve"):
        built(model, RATES, {"m": "max(grown)"}, data=data)


def test_areas_of_long_times_see_what_is_over_early() -> None:
    data = [odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})]
    spans = (1e2, 1e4, 1e6, 1e8)
    config = {
        "model": {"equations": {"x": "-k*x"}},
        "parameters": {"k": {"value": 0.5, "scale": "log"}},
        "derived": {f"A{n}": f"integral(x, 0, {span:g})" for n, span in enumerate(spans)},
    }
    found = odefit.fit(config, data=data).result.estimates
    x_0, k = found["x_0"].value, found["k"].value
    assert x_0 is not None
    assert k is not None
    for n in range(len(spans)):
        assert found[f"A{n}"].value == pytest.approx(x_0 / k, rel=1e-4)
