"""Doses in columns of the file of measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import odefit
from odefit.config.load import load_config
from odefit.data.given import given_data
from odefit.errors import InputError
from odefit.problem.preparation import prepare

MODEL: dict[str, Any] = {
    "model": {
        "equations": {"gut": "-ka*gut", "blood": "ka*gut - k*blood"},
        "initial": {"gut": 0, "blood": 0},
        "observables": {"conc": "blood"},
    },
    "parameters": {"ka": 0.5, "k": {"value": 0.2, "bounds": [0.01, 2]}},
}


def assembled(folder: Path, text: str, doses: dict[str, Any], **data: Any) -> Any:
    (folder / "d.csv").write_text(text)
    return prepare(load_config({**MODEL, "data": {"csv": str(folder / "d.csv"), "doses": doses, **data}}))[0]


def given(assembly: Any) -> dict[str, list[tuple[float, str, float, float]]]:
    return {e.name: [(d.time, d.state, d.amount, d.duration) for d in e.doses] for e in assembly.measured}


@pytest.mark.parametrize(
    "text, doses, expected",
    [
        (
            "time,dose,conc\n0,100,\n1,,3\n4,,5\n12,50,\n14,0,6\n",
            {"columns": {"amount": "dose"}, "state": "gut"},
            {"1": [(0, "gut", 100, 0), (12, "gut", 50, 0)]},
        ),
        (
            "experiment,time,dose,over,into,conc\na,0,100,2,blood,\na,1,,,,3\nb,0,70,,gut,\nb,2,,,,5\n",
            {"columns": {"amount": "dose", "duration": "over", "state": "into"}},
            {"a": [(0, "blood", 100, 2)], "b": [(0, "gut", 70, 0)]},
        ),
        (
            "time,conc,dose,rate,every,count\n0,,100,50,12,2\n1,3,,,,\n",
            {"columns": {"amount": "Dose", "rate": "rate", "every": "every", "count": "count"}, "state": "blood"},
            {"1": [(0, "blood", 100, 2), (12, "blood", 100, 2)]},
        ),
        (
            "time,observable,value,dose\n0,dose,,100\n1,conc,3,\n2,conc,4,\n",
            {"columns": {"amount": "dose"}, "state": "gut"},
            {"1": [(0, "gut", 100, 0)]},
        ),
    ],
)
def test_a_row_with_an_amount_is_a_dose(
    tmp_path: Path, text: str, doses: dict[str, Any], expected: dict[str, Any]
) -> None:
    more = {"ignore": ["dose"], "start": 0} if "observable" in text else {}
    assembly = assembled(tmp_path, text, doses, **more)
    assert given(assembly) == expected
    assert not [note for note in assembly.notes if "not used" in note or "NOT used" in note]


def test_dates_and_units_are_those_of_the_file(tmp_path: Path) -> None:
    pytest.importorskip("pint")
    text = "Date,Time,conc [mg/L],dose [mg]\n2021-03-01,8:00,,2\n2021-03-01,9:00,3,\n2021-03-01,20:00,4,1\n"
    units = {**MODEL, "model": {**MODEL["model"], "units": {"t": "h", "gut": "ug", "conc": "mg/L"}}}
    (tmp_path / "d.csv").write_text(text)
    doses = {"columns": {"amount": "dose"}, "state": "gut"}
    loaded = load_config({**units, "data": {"csv": str(tmp_path / "d.csv"), "doses": doses, "at_jumps": "before"}})
    assert given(prepare(loaded)[0]) == {"1": [(0, "gut", pytest.approx(2000), 0), (12, "gut", pytest.approx(1000), 0)]}


def test_columns_of_frames_and_of_several_files(tmp_path: Path) -> None:
    frame = pd.DataFrame({"time": [0, 1, 2], "dose": [9.0, None, None], "conc": [None, 1.0, 2.0]})
    doses = {"columns": {"amount": "dose"}, "state": "gut"}
    loaded = load_config({**MODEL, "data": {"doses": doses}}, given=given_data(frame))
    assert given(prepare(loaded)[0]) == {"1": [(0, "gut", 9, 0)]}
    for name, amount in (("r1", 100), ("r2", 200)):
        (tmp_path / f"{name}.csv").write_text(f"time,dose,conc\n0,{amount},\n1,,3\n2,,4\n")
    loaded = load_config({**MODEL, "data": {"csv": str(tmp_path / "r*.csv"), "doses": doses}})
    assert {name: own[0][2] for name, own in given(prepare(loaded)[0]).items()} == {"r1": 100, "r2": 200}


def test_a_run_folder_has_them(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time,dose,conc\n0,100,\n1,,30\n4,,50\n12,50,\n14,0,60\n")
    doses = {"columns": {"amount": "dose"}, "state": "gut"}
    config = {**MODEL, "data": {"csv": str(tmp_path / "d.csv"), "doses": doses}, "fit": {"starts": 1}}
    run = odefit.fit(config, out=tmp_path / "run")
    again = odefit.load_run(tmp_path / "run")
    assert again.result.objective.nll == run.result.objective.nll


@pytest.mark.parametrize(
    "text, doses, message",
    [
        (
            "time,dose,conc\n0,5,1\n1,5,2\n2,5,3\n",
            {"columns": {"amount": "dose"}, "state": "gut"},
            "would be a dose each",
        ),
        ("time,dose,conc\n0,5,1\n0,5,2\n2,,3\n", {"columns": {"amount": "dose"}, "state": "gut"}, "in line 2 already"),
        ("time,conc\n0,5\n1,5\n", {"columns": {"amount": "dose"}, "state": "gut"}, "no column 'dose' for the amount"),
        ("time,dose,conc\n0,5,1\n1,,2\n", {"columns": {"amount": "dose"}}, "says not where doses go"),
        ("time,dose,conc\n0,x,1\n1,,2\n", {"columns": {"amount": "dose"}, "state": "gut"}, "column dose: 'x' is not a"),
        (
            "time,dose,conc\n0,5,1\n1,,2\n",
            {"columns": {"amount": "dose"}, "state": "gut", "time": "t"},
            "data.time names",
        ),
        ("time,dose,conc\n0,5,1\n1,,2\n", {"state": "gut"}, "or `columns: {amount: …}` of the file of measurements"),
        (
            "time,dose,conc\n0,5,\n1,,2\n\n0,,1\n1,,2\n",
            {"columns": {"amount": "dose"}, "state": "gut"},
            "data.experiment",
        ),
    ],
)
def test_what_is_not_a_dose_is_refused(tmp_path: Path, text: str, doses: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        assembled(tmp_path, text, doses)
    assert message in str(error.value)
