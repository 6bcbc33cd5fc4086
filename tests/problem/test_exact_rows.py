"""Measurements that the model meets exactly: where the likelihood has no maximum, the row is named; else nothing is."""

from __future__ import annotations

import pytest

from from_text import assembled
from odefit.errors import ConfigError
from odefit.fitting.misfit import vanishing_predictions
from odefit.objective.likelihood import Likelihood

CHAIN = """
model: {equations: {x: -k*x, y: k*x}, initial: {x: 10, y: 0}}
parameters: {k: {value: 0.3, bounds: [0.01, 10], scale: log}}
"""
DATA = "time,x,y\n0,10,0\n1,7.1,2.8\n2,5.2,4.9\n3,3.4,6.3\n4,2.7,7.5\n"
ORAL = """
model: {equations: {gut: -ka*gut, blood: ka*gut - ke*blood}, observables: {c: blood/v}, initial: {gut: 0, blood: 0}}
parameters:
  ka: {value: 1, scale: log}
  ke: {value: 0.2, scale: log}
  v: {value: 20, scale: log}
data: {start: 0, doses: [{time: 2, amount: 100, state: gut}]}
"""
CURVE = "time,c\n0,0\n1,0\n2,0\n3,2.1\n4,3.2\n6,2.9\n10,1.5\n14,0.7\n"
BOTH = "noise=additive_proportional"


def refused(config: str, data: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        assembled(config, *overrides, data=data)
    (fault,) = caught.value.faults
    return fault.what


def test_a_measured_zero_that_the_model_starts_from() -> None:
    what = refused(CHAIN, DATA, BOTH)
    assert what.startswith("the measurement of y in experiment 1 at t = 0 is 0, which the model says whatever its")
    assert "without limit as sigma_y goes to 0: leave the row out, or give sigma_y a number or a lower bound" in what


def test_the_likelihood_does_grow_without_limit() -> None:
    """What is refused, written as a formula with a bound so low that it is let through, falls with the bound."""
    values = []
    for a in (1e-3, 1e-6, 1e-9):
        level = [f"parameters.a={{value: {a}, bounds: [{a / 2}, 1]}}", "parameters.b=0.1"]
        problem = assembled(CHAIN, "noise={x: {sigma: 0.1}, y: {sigma: a + b*y}}", *level, data=DATA).problem
        values.append(Likelihood(problem).value(problem.table.to_search(problem.table.values)))
    assert values[0] - values[1] == pytest.approx(6.9, abs=0.1)
    assert values[1] - values[2] == pytest.approx(6.9, abs=0.1)


@pytest.mark.parametrize(
    "overrides",
    [
        ["noise={x: gaussian, y: {model: additive_proportional, sigma: 0.1}}"],
        [BOTH, "parameters.sigma_y={value: 1, bounds: [0.01, 10]}"],
        [BOTH, "parameters.sigma_y={value: 1, prior: {lognormal: [1, 1]}}"],
        ["noise={x: proportional, y: gaussian}"],  # x starts at 10: its other rows hold the share
        ["noise=gaussian"],
        ["noise=laplace"],
        [BOTH, "model.initial={x: 10, y: estimate}"],
        [BOTH, "model.initial={x: 10, y: first}"],
        [BOTH, "model.initial={x: 10, y: 0.1}"],
        ["noise={x: {model: negative_binomial}, y: {model: negative_binomial}}"],
    ],
)
def test_what_has_a_maximum_is_not_refused(overrides: list[str]) -> None:
    whole = DATA.replace(".", "") if "binomial" in overrides[0] else DATA
    assembled(CHAIN, *overrides, data=whole)


@pytest.mark.parametrize(
    ("noise", "level"),
    [
        ("{x: gaussian, y: {sigma: a + b*y}}", "a"),
        ("{x: gaussian, y: {model: student_t, sigma: sqrt(a^2 + (b*y)^2)}}", "a"),
        ("{x: gaussian, y: {model: laplace, sigma: a*exp(-t) + b*x*y}}", "a"),
        ("{x: {sigma: a + b*(10 - x)}, y: gaussian}", "a"),
    ],
)
def test_formulas_of_the_same_kind(noise: str, level: str) -> None:
    given = ["parameters.a={value: 0.1, scale: log}", "parameters.b={value: 0.1, scale: log}"]
    assert f"as {level} goes to 0" in refused(CHAIN, DATA, f"noise={noise}", *given)


def test_a_level_of_one_experiment() -> None:
    """The second experiment has nothing but the row that is met exactly: its own level is held by no other row."""
    data = "experiment,time,x\na,0,10\na,1,7\na,2,5.5\nb,0,10\n"
    config = "model: {equations: {x: -k*x}, initial: {x: 10}}\nparameters: {k: 0.3}"
    own = "parameters.s={value: 0.1, scale: log, by: experiment}"
    what = refused(config, data, "noise.x.sigma=s", own)
    assert "experiment b at t = 0" in what
    assert "as s[b] goes to 0" in what
    assembled(config, "noise.x.sigma=s", "parameters.s={value: 0.1, scale: log}", data=data)


def test_no_noise_at_all() -> None:
    what = refused(CHAIN, DATA, "noise={x: gaussian, y: proportional}")
    assert "the measurement of y in experiment 1 at t = 0 has no noise there, since the model says 0" in what


@pytest.mark.parametrize("row", ["0,0", "1,0", "2,0"])
def test_zeros_before_and_at_a_dose_of_another_state(row: str) -> None:
    rows = [line for line in CURVE.splitlines() if not line.endswith(",0") or line == row]
    what = refused(ORAL, "\n".join(rows), BOTH)
    assert f"at t = {row[0]} is 0" in what
    assembled(ORAL, BOTH, data="\n".join(line for line in CURVE.splitlines() if not line.endswith(",0")))


def test_what_may_have_changed_by_then_is_let_be() -> None:
    late = [BOTH, "data.doses=[{time: 1, amount: 100, state: gut}]"]
    assembled(ORAL, *late, data=CURVE.replace("0,0\n1,0\n", ""))  # 1 after the dose: the model says something else
    event = ["model.events=[{time: t1, set: {blood: blood + 1}}]", "parameters.t1={value: 1, bounds: [0, 3]}"]
    assembled(ORAL, BOTH, *event, data=CURVE)


ABSORBED = """
model: {equations: {gut: -ka*gut, c: ka*gut/v - ke*c}, observables: {conc: s*c}, initial: {gut: 100, c: 0}}
parameters:
  ka: {value: 1, scale: log}
  ke: {value: 0.2, scale: log}
  v: {value: 20, scale: log}
  s: {value: 1, estimate: false}
"""
FROM_ZERO = "time,conc\n0,{}\n1,3\n2,4\n4,3\n8,1\n12,1\n"


@pytest.mark.parametrize("noise", ["lognormal", "log10_normal", "log_laplace", "poisson", "negative_binomial"])
def test_a_measurement_of_what_is_nothing_whatever_the_parameters_are(noise: str) -> None:
    what = refused(ABSORBED, FROM_ZERO.format(1), f"noise={noise}")
    assert what.startswith(f"the measurement of conc in experiment 1 at t = 0 cannot be under {noise} noise, since the")
    assert "the model says 0 there whatever its parameters are: leave the row out (`data.exclude`), " in what
    assert ("additive_proportional" in what) == noise.startswith("log")


def test_several_such_measurements_are_one_line() -> None:
    rows = "experiment,time,conc\n" + "".join(f"{e},{t},2\n" for e in "abc" for t in (0, 1, 2, 4))
    what = refused(ABSORBED, rows, "noise=lognormal")
    assert "experiment a at t = 0 cannot be" in what
    assert "whatever its parameters are, as 2 more do: leave" in what


@pytest.mark.parametrize(
    ("first", "overrides"),
    [
        ("<0.1", ["noise=lognormal"]),  # certain to lie below
        ("", ["noise=lognormal"]),
        ("0", ["noise=poisson"]),
        ("1", ["noise=gaussian"]),
        ("1", ["noise=lognormal", "parameters.ca.value=1", "model.initial.c=ca"]),
        ("1", ["noise=lognormal", "parameters.b.value=1", "model.observables.conc=c + b"]),
        ("1", ["noise=poisson", "parameters.b.value=1", "model.observables.conc=c + b"]),
    ],
)
def test_what_may_be_measured_is_let_through(first: str, overrides: list[str]) -> None:
    config = ABSORBED if not any("observables" in o for o in overrides) else ABSORBED.replace("  s: ", "  b: ")
    assembled(config, *overrides, data=FROM_ZERO.format(first))


def test_a_dose_at_the_start_leaves_the_blood_empty_for_that_moment() -> None:
    dosed = ABSORBED.replace("gut: 100", "gut: 0") + "data: {doses: [{time: 0, amount: 100, state: gut}]}\n"
    assert "at t = 0 cannot be under lognormal noise" in refused(dosed, FROM_ZERO.format(1), "noise=lognormal")
    blood = dosed.replace("state: gut", "state: c")
    what = refused(blood, FROM_ZERO.format(1), "noise=lognormal")
    assert "whatever its parameters are: `data.at_jumps: after` where it was measured after the dose or event" in what
    assembled(blood, "noise=lognormal", "data.at_jumps=after", data=FROM_ZERO.format(90))


def test_a_measured_zero_of_logarithms_says_what_to_do() -> None:
    what = refused(ABSORBED, FROM_ZERO.format(0), "noise=lognormal")
    assert what.startswith("log-normal noise needs positive measurements; experiment 1 has 0 at t = 0: leave the row")
    limit = refused(ABSORBED, FROM_ZERO.format("<0"), "noise=lognormal")
    assert limit == "log-normal noise needs limits above 0; experiment 1 has the limit 0 at t = 0"


def test_of_a_limit_nothing_is_said_where_the_curve_is_zero() -> None:
    """Zero lies below any limit for certain; the solver's error there has no part in the fit."""
    problem = assembled(ABSORBED, "noise=lognormal", data=FROM_ZERO.format("<0.1")).problem
    likelihood, u = Likelihood(problem), problem.table.to_search(problem.table.values)
    assert [len(rows) for rows in likelihood.vanishing(u)] == [1]
    assert vanishing_predictions(likelihood, u) == []
