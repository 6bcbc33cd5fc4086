"""What people who know only the pages get wrong first, and what they are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import odefit
from commands import run
from odefit.config.load import load_config
from odefit.errors import InputError
from odefit.problem.preparation import prepare

GROWTH: dict[str, Any] = {
    "model": {"equations": {"x": "r*x*(1 - x/K)"}},
    "parameters": {"r": {"value": 0.5, "scale": "log"}, "K": {"value": 10, "scale": "log"}},
}
ORAL: dict[str, Any] = {
    "model": {
        "equations": {"gut": "-ka*gut", "blood": "ka*gut - CL*(WT/70)^0.75/V*blood"},
        "initial": {"gut": 0, "blood": 0},
        "observables": {"cp": "blood/V"},
    },
    "parameters": {"ka": 1, "CL": 2, "V": 30},
}
EVENTS = (
    "ID,TIME,AMT,EVID,CMT,DV,WT\n1,0,100,1,1,.,60\n1,1,0,0,2,2,60\n1,5,0,0,2,1,60\n2,0,100,1,1,.,80\n2,2,0,0,2,2,80\n"
)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def told(config: dict[str, Any], table: str, **data: Any) -> str:
    Path("d.csv").write_text(table)
    with pytest.raises(InputError) as caught:
        prepare(load_config({**config, "data": {"csv": "d.csv", **data}}))
    return "\n".join(str(fault) for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("header", "data", "expected"),
    [
        (
            "date,x",
            {},
            "for the time; `data: {time: date}` may be it (data.time names the time column)",
        ),
        ("Datum,x", {"time": "wek"}, "no column 'wek' for the time; `data: {time: Datum}` may be it"),
        ("elapsed time [h],x", {}, "`data: {time: 'elapsed time [h]'}` may be it"),
        ("day,x", {"columns": {"x": "day"}}, "no column 'time' for the time; there is: x"),
    ],
)
def test_a_column_of_times_with_another_name_is_proposed(header: str, data: dict[str, Any], expected: str) -> None:
    assert expected in told(GROWTH, f"{header}\n1,2\n2,3\n3,5\n", **data)


def test_a_column_of_times_is_proposed_for_inputs_doses_and_wells(tmp_path: Path) -> None:
    Path("u.csv").write_text("hour,u\n0,1\n9,2\n")
    driven = {**GROWTH, "model": {"equations": {"x": "r*x*(1 - x/K) + u"}}}
    assert "for the time; `time: hour` may be it" in told(
        driven, "time,x\n1,2\n2,3\n3,5\n", inputs={"u": {"csv": "u.csv"}}
    )
    Path("u.csv").write_text("hour,amount\n0,1\n")
    assert "for the time; `time: hour` may be it" in told(
        GROWTH, "time,x\n1,2\n2,3\n3,5\n", doses={"csv": "u.csv", "state": "x"}
    )
    assert "`data: {time: hours}` may be it" in told(GROWTH, "hours,A1,A2\n1,2,2\n2,3,3\n", wells="x")


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (("2024-04-29", "2024-04-31", "2024-05-02"), "d.csv:3, column time: '2024-04-31' is on no calendar"),
        (("2023-W51", "2023-W54", "2023-W53"), "'2023-W54' is on no calendar: correct it (likewise 1 more row)"),
    ],
)
def test_a_date_that_is_none_is_no_number_either(cells: tuple[str, ...], expected: str) -> None:
    table = "time,x\n" + "".join(f"{cell},{k + 1}\n" for k, cell in enumerate(cells))
    assert expected in told(GROWTH, table)


def test_a_label_that_changes_within_the_only_experiment_may_tell_experiments_apart() -> None:
    grouped = {**GROWTH, "parameters": {**GROWTH["parameters"], "r": {"value": 0.5, "by": "light"}}}
    table = "time,light,x\n0,sun,1\n1,sun,2\n2,sun,3\n0,shade,1\n1,shade,1.4\n2,shade,2\n"
    assert "`data.experiment: light` makes each of its values an experiment; else" in told(grouped, table)
    own = table.replace("light", "pot,light").replace("sun", "a,sun").replace("0,shade", "0,b,shade")
    own = own.replace("1,shade", "1,b,dark").replace("2,shade", "2,b,shade")
    said = told(grouped, own, experiment="pot")
    assert "changes within experiment b" in said
    assert "data.experiment" not in said


def test_an_increase_is_no_function() -> None:
    config = {"model": {"equations": {"x": "r*x"}, "observables": {"c": "increase(x)"}}, "parameters": {"r": 1}}
    assert "a kind of observable: write `{increase: formula}` in its place" in told(config, "time,c\n1,2\n")


def test_a_count_at_the_start_is_told_where_to_start() -> None:
    config = {
        "model": {"equations": {"x": "r*x"}, "initial": {"x": 1}, "observables": {"c": {"increase": "x"}}},
        "parameters": {"r": 1},
    }
    assert "`data: {start: -7}` for one as long as the next" in told(config, "time,c\n0,2\n7,3\n14,5\n")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            "ID,HOURS,AMT,EVID,CMT,DV,WT",
            "has ID and EVID, as a table of events, and no column TIME; `data: {time:",
        ),
        ("ID,TIME,AMT,EVID,CMT,CONC,WT", "and no column DV; `data.value` names it; there is: CONC, WT"),
    ],
)
def test_a_table_of_events_that_lacks_a_column_is_known_as_one(header: str, expected: str) -> None:
    """Else formulas with columns of subjects are said to be wrong."""
    table = EVENTS.replace(EVENTS.partition("\n")[0], header)
    assert told(ORAL, table) == f"d.csv:1: {told(ORAL, table).partition(': ')[2]}"
    assert expected in told(ORAL, table)


def test_doses_of_a_table_of_events_go_into_a_state_that_there_is() -> None:
    assert "data.doses.state: 'gutt' is no state; did you mean 'gut'?" in told(ORAL, EVENTS, doses={"state": "gutt"})


def test_what_was_noted_beside_is_no_state_of_the_proposed_model() -> None:
    t = np.arange(0.0, 12)
    rows = [f"{a:g},{10 / (1 + 9 * np.exp(-0.8 * a)):.2f},{20 + 0.3 * np.sin(5 * a):.1f}" for a in t]
    Path("mine.csv").write_text("time,mass,temperature\n" + "\n".join(rows) + "\n")
    said, _ = run("init", "mine.csv")
    assert "model: logistic" in said
    assert yaml.safe_load(Path("mine.yaml").read_text())["data"]["unused"] == ["temperature"]


def test_what_swings_around_nothing_is_no_number_of_animals() -> None:
    t = np.arange(0.0, 12, 0.25)
    rows = [f"{a:g},{np.cos(2 * a):.3f},{-2 * np.sin(2 * a):.3f}" for a in t]
    Path("mine.csv").write_text("time,x,v\n" + "\n".join(rows) + "\n")
    said, _ = run("init", "mine.csv")
    assert "model: linear" in said


def test_groups_of_parameters_are_no_other_conditions() -> None:
    t = np.arange(6.0)
    noise = np.random.default_rng(1).normal(0, 0.05, (2, 6))
    config = {"model": {"equations": {"x": "-k*x"}, "initial": {"x": 5}}, "parameters": {"k": 0.5}}
    frame = {"time": [*t, *t], "experiment": ["a"] * 6 + ["b"] * 6, "kind": ["p"] * 6 + ["q"] * 6, "w": [2.0] * 12}
    frame["x"] = [*(5 * np.exp(-0.4 * t) + noise[0]), *(5 * np.exp(-0.7 * t) + noise[1])]
    pandas = pytest.importorskip("pandas")
    runs = [
        odefit.fit({**config, "model": {**config["model"], "equations": {"x": f"-k*x{more}"}}, "parameters": one},
                   data=pandas.DataFrame(frame))
        for one, more in (({"k": 0.5}, ""), ({"k": {"value": 0.5, "by": "kind"}}, "*w/2"))
    ]  # fmt: skip
    assert not [note for note in odefit.compare(*runs).notes if "conditions" in note]


@pytest.mark.parametrize(
    ("table", "data"),
    [
        ("ID,EVID,TIME,c1,c2\n1,0,0,5,5.1\n1,0,1,3,3.1\n", {"columns": {"c": ["c1", "c2"]}}),
        ("ID,EVID,TIME,c1,c2\n1,0,0,5,5.1\n1,0,1,3,3.1\n", {"columns": {"c": "c{n}"}}),
        ("ID,EVID,TIME,observable,value\n1,0,0,c,5\n1,0,1,c,3\n", {}),
    ],
    ids=["replicates", "pattern", "long"],
)
def test_measurements_that_are_found_make_no_table_of_events(table: str, data: dict[str, Any]) -> None:
    config = {
        "model": {"equations": {"x": "-r*x"}, "initial": {"x": "estimate"}, "observables": {"c": "x"}},
        "parameters": {"r": 1},
    }
    Path("d.csv").write_text(table)
    problem = prepare(load_config({**config, "data": {"csv": "d.csv", **data}}))[0].problem
    assert problem.n_measured == (2 if "value" in table else 4)
