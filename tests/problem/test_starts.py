"""Where the clock starts when nobody says it, what is said of it, and who may say otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import odefit
from odefit.config.load import load_config
from odefit.data.experiments import Dose, Experiment
from odefit.data.given import given_data
from odefit.errors import InputError
from odefit.problem.preparation import prepare

DECAY: dict[str, Any] = {
    "model": {"equations": {"x": "-k*x"}, "initial": {"x": 10}},
    "parameters": {"k": {"value": 0.2, "bounds": [0.01, 10], "scale": "log"}},
}
LATE = pd.DataFrame({"time": [3, 4, 5, 6, 8], "x": [4.188, 2.922, 2.254, 1.636, 0.925]})


def shared(name: str = "x_start") -> dict[str, Any]:
    parameters = {**DECAY["parameters"], name: {"value": 5, "bounds": [0.1, 100], "scale": "log"}}
    return {"model": {**DECAY["model"], "initial": {"x": name}}, "parameters": parameters}


def at(times: list[float], experiment: str = "A") -> pd.DataFrame:
    return pd.DataFrame({"experiment": experiment, "time": times, "x": 1 / (1 + np.arange(len(times)))})


def told(config: dict[str, Any], data: Any, overrides: tuple[str, ...] = ()) -> tuple[list[float], list[str]]:
    """The starts, and the notes on them."""
    assembly, _ = prepare(load_config(config, overrides, given=given_data(data)))
    return [e.start for e in assembly.measured], [note for note in assembly.notes if "integration starts" in note]


def starts(config: dict[str, Any], data: Any, *overrides: str) -> list[float]:
    return told(config, data, overrides)[0]


# -- right values


@pytest.mark.parametrize("method", ["auto", "bdf", pytest.param("dopri5", marks=pytest.mark.torch)])
def test_a_number_belongs_to_zero_where_the_samples_come_later(method: str) -> None:
    result = odefit.fit(DECAY, [f"solver.method={method}"], data=LATE).result
    t, x = LATE["time"].to_numpy(), LATE["x"].to_numpy()

    from scipy.optimize import least_squares

    best = least_squares(lambda k: 10 * np.exp(-k * t) - x, [0.2], xtol=1e-14, ftol=1e-14)
    assert result.estimates["k"].value == pytest.approx(best.x[0], rel=1e-4)
    assert result.objective.rss == pytest.approx(2 * best.cost, rel=1e-4)


def test_a_shared_start_belongs_to_one_time() -> None:
    a, b = at([0, 1, 2, 4], "A"), at([2, 3, 5, 7], "B")
    a["x"], b["x"] = [10.1, 7.26, 5.598, 3.012], [5.543, 3.984, 2.276, 1.225]
    frame = pd.concat([a, b])
    result = odefit.fit(shared(), data=frame).result
    t, x = frame["time"].to_numpy(), frame["x"].to_numpy()

    from scipy.optimize import least_squares

    best = least_squares(lambda q: q[1] * np.exp(-q[0] * t) - x, [0.2, 5], xtol=1e-14, ftol=1e-14)
    assert [result.estimates[n].value for n in ("k", "x_start")] == pytest.approx(best.x, rel=1e-4)
    assert result.objective.rss == pytest.approx(2 * best.cost, rel=1e-5)


# -- the rule


@pytest.mark.parametrize(
    "times, expected",
    [
        ([0, 1, 2], 0),
        ([3, 5, 8], 0),
        ([5, 7, 10], 0),  # as late as the data are long
        ([5, 7, 9.9], 5),
        ([1900, 1910, 1920], 1900),
        ([-2, 0, 2], -2),
        ([3], 3),
    ],
)
def test_zero_if_the_data_suggest_it(times: list[float], expected: float) -> None:
    for config in (DECAY, shared(), {**DECAY, "parameters": {**DECAY["parameters"]}, "data": {"start": "auto"}}):
        found, notes = told(config, at(times))
        assert found == [expected]
        assert len(notes) == (times[0] != 0)
    assert starts(DECAY, at(times), "data.start=first") == [times[0]]
    assert starts({**DECAY, "version": 1}, at(times)) == [times[0]]
    assert told(DECAY, at(times), (f"data.start={times[0] - 1}",)) == ([times[0] - 1], [])


def test_the_sentence_says_what_was_assumed_and_the_key() -> None:
    remedy = "`data.start` says otherwise: a number, or `first` for the first measurement"
    assert told(DECAY, LATE)[1] == [
        "integration starts at t = 0, taken for the time of the initial values (the first measurement is at t = 3); "
        + remedy
    ]
    assert told(DECAY, at([1900, 1910]))[1] == [
        f"integration starts at the first measurement (t = 1900), taken for the time of the initial values; {remedy}"
    ]
    report = odefit.check(DECAY, data=LATE)
    assert "\n  x(0) = 10\n" in report
    assert "note: integration starts at t = 0" in report
    assert "\n  x(1900) = 10\n" in odefit.check(DECAY, data=at([1900, 1910]))
    config = {**DECAY, "data": {"experiments": {"A": {"start": 1}, "B": {"start": 2}}}}
    report = odefit.check(config, data=pd.concat([at([3, 5, 8], "A"), at([4, 5, 8], "B")]))
    assert "\n  x(start) = 10\n" in report
    assert "\n  A: starts at t = 1\n  B: starts at t = 2\n" in report


def test_all_experiments_have_one_clock() -> None:
    frame = pd.concat([at([0, 5, 10], "A"), at([7], "B"), at([30, 40], "C")])
    assert starts(DECAY, frame) == [0, 0, 0]
    years = pd.concat([at([1900, 1905], "A"), at([1902, 1910], "B")])
    found, (note,) = told(DECAY, years)
    assert found == [1900, 1902]
    assert "at the first measurement (of each experiment its own)" in note
    replicates = pd.DataFrame({"time": [1, 2, 3, 3, 6], "x": [5, 4, 3, 3.1, 1]})
    assert starts(DECAY, replicates) == [0, 0]
    assert starts(DECAY, replicates, "data.start=first") == [1, 1]


def test_an_estimate_of_an_experiments_own_belongs_to_its_first_measurement() -> None:
    for config in (
        {**DECAY, "model": {"equations": {"x": "-k*x"}}},
        {**shared("x_0"), "model": {"equations": {"x": "-k*x"}}},
        {**DECAY, "model": {"equations": {"x": "-k*x"}, "initial": "first"}},
    ):
        assert told(config, LATE) == ([3], [])
    fixed = {**shared("x_0"), "model": {"equations": {"x": "-k*x"}}}
    fixed["parameters"]["x_0"] = {"value": 10, "estimate": False}
    assert starts(fixed, LATE) == [0]
    given = {"model": {"equations": {"x": "-k*x"}}, "parameters": DECAY["parameters"]}
    given["data"] = {"experiments": {"A": {"x_0": 10}, "B": {"x_0": 20}}}
    assert starts(given, pd.concat([at([2, 5], "A"), at([3, 9], "B")])) == [0, 0]
    grouped = {"model": {"equations": {"x": "-k*x"}}, "parameters": {**DECAY["parameters"]}}
    grouped["parameters"]["x_0"] = {"value": 5, "by": {"both": ["A", "B"]}}
    assert starts(grouped, pd.concat([at([2, 5], "A"), at([3, 9], "B")])) == [0, 0]


def test_a_dose_before_the_first_measurement_starts_the_clock() -> None:
    doses = [{"time": 0, "state": "x", "amount": 1, "experiment": "A"}]
    doses.append({"time": -1, "state": "x", "amount": 1, "every": 2, "count": 3, "experiment": "B"})
    frame = pd.concat([at([100, 101], "A"), at([100, 102], "B"), at([100, 103], "C")])
    found, (note,) = told({**DECAY, "data": {"doses": doses}}, frame)
    assert found == [0, -1, 100]
    assert note.startswith(
        "integration starts at the first dose of each experiment or at the first measurement (t = 100)"
    )
    found, (note,) = told({**DECAY, "data": {"doses": doses[:1]}}, at([100, 101]))
    assert note.startswith(
        "integration starts at the first dose (t = 0), taken for the time of the initial values (the "
    )
    own = {"model": {"equations": {"x": "-k*x"}}, "parameters": DECAY["parameters"], "data": {"doses": doses[:1]}}
    assert starts(own, at([100, 101])) == [0]
    late = [{"time": 4, "state": "x", "amount": 1}]
    assert starts({**DECAY, "data": {"doses": late}}, LATE) == [0]
    with pytest.raises(InputError, match="comes before experiment A starts"):
        starts({**DECAY, "data": {"doses": doses[:1]}}, at([100, 101]), "data.start=first")
    with pytest.raises(InputError, match="comes before experiment A starts"):
        starts({**own, "model": {"equations": {"x": "-k*x"}, "initial": "first"}}, at([100, 101]))


def test_an_input_that_begins_later_leaves_the_clock_at_the_first_measurement(tmp_path: Path) -> None:
    config = {**DECAY, "model": {"equations": {"x": "u - k*x"}, "initial": {"x": 10}}}
    config["data"] = {"csv": "d.csv", "inputs": {"u": "u.csv"}}
    LATE.to_csv(tmp_path / "d.csv", index=False)
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    for begin, expected in ((3, 3), (0, 0), (-1, 0)):
        (tmp_path / "u.csv").write_text(f"time,u\n{begin},0.1\n8,0.2\n")
        assert prepare(load_config(tmp_path / "c.yaml"))[0].measured[0].start == expected


def test_experiments_by_hand() -> None:
    one = Experiment("a", [3, 5, 8], {"x": [4, 2, 1]})
    assert starts(DECAY, [one]) == [0]
    assert told(DECAY, [Experiment("a", [3, 5, 8], {"x": [4, 2, 1]}, start=3)]) == ([3], [])
    assert starts(DECAY, [Experiment("a", [3, 5, 8], {"x": [4, 2, 1]}, start=2)]) == [2]
    dosed = Experiment("a", [30, 31], {"x": [4, 2]}, doses=[Dose(20, "x", 3)])
    assert starts(DECAY, [dosed]) == [20]


# -- what follows


def test_a_run_folder_keeps_the_clock(tmp_path: Path) -> None:
    run = odefit.fit(DECAY, data=LATE, out=tmp_path / "run")
    again = odefit.load_run(tmp_path / "run")
    assert [e.start for e in again.measured] == [0]
    np.testing.assert_array_equal(again.predictions()["predicted"], run.predictions()["predicted"])
    assert again.predictions([0])["predicted"].tolist() == [10]
    old = odefit.fit({**DECAY, "version": 1}, data=LATE, out=tmp_path / "old")
    assert [e.start for e in odefit.load_run(tmp_path / "old").measured] == [3]
    assert odefit.load_run(tmp_path / "old").result.objective.nll == old.result.objective.nll


def test_a_simulation_and_its_fit_have_one_clock(tmp_path: Path) -> None:
    simulate = {"times": [3, 4, 5, 6, 8], "parameters": {"k": 0.3}, "noise": 0.001}
    config = {**DECAY, "data": {"simulate": simulate}}
    simulated = odefit.simulate(config, out=tmp_path / "d.csv")
    assert simulated.experiments[0].start == 0
    assert simulated.frame["x"][0] == pytest.approx(10 * np.exp(-0.9), abs=0.01)
    for result in (odefit.fit(config).result, odefit.fit(DECAY, data=simulated.frame).result):
        assert result.estimates["k"].value == pytest.approx(0.3, rel=1e-3)
    own = {**config, "model": {"equations": {"x": "-k*x"}}}
    own["data"] = {"simulate": {**simulate, "initial": {"x": 4}}}
    assert odefit.simulate(own).experiments[0].start == 3


# -- first rows that are no news


def test_a_first_row_that_is_the_initial_value_gets_a_note() -> None:
    def notes(config: dict[str, Any], data: Any) -> list[str]:
        assembly, _ = prepare(load_config(config, given=given_data(data)))
        return [note for note in assembly.notes if "the first value" in note]

    frame = at([0, 1, 2]).assign(x=[10, 7, 5])
    assert notes(DECAY, frame) == [
        "the first value of x is what it starts from (x(0) = 10): it says nothing of the parameters, and counts as a "
        "measurement without an error; to leave it out, empty its cell"
    ]
    assert notes(DECAY, frame.assign(x=[10.01, 7, 5])) == []
    assert notes(shared(), frame) == []
    assert notes(DECAY, at([3, 4, 8]).assign(x=[10, 7, 5])) == []
    doses = {"data": {"doses": [{"time": 0, "state": "x", "amount": 1}]}}
    assert len(notes({**DECAY, **doses}, frame)) == 1
    assert notes({**DECAY, "data": {**doses["data"], "at_jumps": "after"}}, frame) == []
    several = pd.concat([frame, frame.assign(experiment="B")])
    assert "the first value of x, in 2 experiments such as A, is" in notes(DECAY, several)[0]
    given = {"model": {"equations": {"x": "-k*x"}}, "parameters": DECAY["parameters"]}
    assert len(notes({**given, "data": {"experiments": {"A": {"x_0": 10}}}}, frame)) == 1
    scaled = {**DECAY, "model": {**DECAY["model"], "initial": {"x": 0}, "observables": {"c": "x/k"}}}
    assert len(notes(scaled, pd.DataFrame({"time": [0, 1, 2], "c": [0, 0.1, 0.2]}))) == 1
    relative = {**DECAY, "model": {**DECAY["model"], "observables": {"r": {"fold_change": "x"}}}}
    assert "(r(0) = 1)" in notes(relative, pd.DataFrame({"time": [0, 1, 2], "r": [1, 0.7, 0.5]}))[0]


OWN: dict[str, Any] = {"model": {"equations": {"x": "-k*x"}}, "parameters": DECAY["parameters"]}


def test_an_estimate_of_one_experiment_is_the_first_value_and_a_note_says_so() -> None:
    note = "the estimated initial values are those at the first measurement (t = 3); `data.start: 0` makes them"
    report = odefit.check(OWN, data=LATE)
    assert note in report
    assert "the estimated initial values are" not in odefit.check(OWN, data=at([1900, 1910]))
    assert "the estimated initial values are" not in odefit.check(OWN, data=at([0, 1, 2]))


def test_an_estimate_that_something_else_depends_on_has_a_time() -> None:
    """A prior, another formula, an observable that is compared with the start: not the same curves any more."""
    prior = {**OWN["parameters"], "x_0": {"value": 10, "prior": {"normal": [10, 0.01]}}}
    assert starts({**OWN, "parameters": prior}, LATE) == [0]
    scaled = {**OWN["parameters"], "x_0": {"value": 10, "bounds": [1, 100]}}
    share = {"model": {**OWN["model"], "observables": {"x": "x/x_0"}}, "parameters": scaled}
    assert starts(share, LATE) == [0]
    compared = {"model": {**OWN["model"], "observables": {"x": {"fold_change": "x"}}}, "parameters": scaled}
    assert starts(compared, LATE) == [0]
    assert starts(OWN, LATE) == [3]


def test_a_prior_of_the_value_at_zero_determines_it() -> None:
    prior = {**OWN["parameters"], "x_0": {"value": 10, "prior": {"normal": [10, 0.001]}}}
    fixed, own = (odefit.fit(config, data=LATE) for config in (DECAY, {**OWN, "parameters": prior}))
    assert own.result.estimates["k"].value == pytest.approx(fixed.result.estimates["k"].value, rel=1e-3)
