"""Dates in one column and times of day in another, in plain tables and in tables of events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from odefit.config.load import load_config
from odefit.data.given import given_data
from odefit.errors import DataError, InputError
from odefit.problem.event_table import with_events
from odefit.problem.measured import read_measured
from odefit.problem.preparation import prepare

MODEL: dict[str, Any] = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}


def read(folder: Path, text: str, notes: list[str] | None = None, **data: Any) -> dict[str, list[float]]:
    (folder / "d.csv").write_text(text)
    loaded = with_events(load_config({**MODEL, "data": {"csv": str(folder / "d.csv"), **data}}))
    found = read_measured(loaded, ("x",), [] if notes is None else notes)
    return {e.name: [round(float(t), 9) for t in e.times] for e in found}


@pytest.mark.parametrize(
    "text, data, expected",
    [
        ("Date,Time,x\n2021-03-01,22:00,5\n2021-03-02,01:30,4\n", {}, [0, 3.5]),
        ("Date;Time;x\n01.03.2021;22:00:30;5\n02.03.2021;01:30:30;4\n", {}, [0, 3.5]),
        ("x,time,DATE\n5,10:00 pm,3/14/2021\n4,1:30 am,3/15/2021\n", {}, [0, 3.5]),
        ("Date,Clock,x\n2021-03-01,22:00,5\n2021-03-02,01:30,4\n", {"time": "Date"}, [0, 3.5]),
        ("Date,Clock,x\n2021-03-01,22:00,5\n2021-03-02,01:30,4\n", {"time": "Clock"}, [0, 3.5]),
        ("when,at,x\n2021-03-01,22:00,5\n2021-03-02,01:30,4\n", {"time": "at", "date": "when"}, [0, 3.5]),
        ("date,hour,x\n2021-03-01,22,5\n2021-03-02,1.5,4\n", {"time": "date"}, [0, 3.5]),
        ("date,hour,x\n2021-03-01,22,5\n2021-03-02,1.5,4\n", {"time": "hour", "date": "date"}, [0, 3.5]),
        ("day,time,x\n1,22:00,5\n2,01:30,4\n", {}, [0, 3.5]),
        ("DAT2,time,x\n21/3/1,22:00,5\n21/3/2,01:30,4\n", {}, [0, 3.5]),
        ("DAT3,time,x\n2021-31-03,22:00,5\n2021-01-04,01:30,4\n", {}, [0, 3.5]),
        ("date,time,x\n2021-03-01,0:00,5\n2021-03-02,12:00,4\n", {"time_unit": "d", "zero": "2021-02-28"}, [1, 2.5]),
        ("date,time,x\n2021-03-01,0:00:00,5\n2021-03-01,12:00:00,4\n", {"unused": ["date"]}, [0, 12]),
        ("date,time,x\n2021-03-01,0,5\n2021-03-02,24,4\n2021-03-03,48,4\n", {}, [0, 24, 48]),
    ],
)
def test_two_columns_are_one_time(tmp_path: Path, text: str, data: dict[str, Any], expected: list[float]) -> None:
    assert read(tmp_path, text, **data) == {"1": expected}


def test_both_columns_are_said_and_used(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("Date,Time,x\n2021-03-01,22:00,5\n2021-03-02,01:30,4\n")
    assembled, _ = prepare(load_config({**MODEL, "data": {"csv": str(tmp_path / "d.csv")}}))
    said = [note for note in assembled.notes if "d.csv" in note]
    assert len(said) == 1
    assert "dates in Date, times of day in Time: times in h since the first row" in said[0]


@pytest.mark.parametrize(
    "text, data, message",
    [
        ("date,hour,x\n2021-03-01,22,5\n2021-03-02,1,4\n", {"time": "hour"}, "d.csv:3, column hour begins anew"),
        ("date,day,time,x\n2021-03-01,1,22:00,5\n2021-03-02,2,1:00,4\n", {}, "`data.date` says which counts"),
        ("date,time,x\n3/4/2021,22:00,5\n4/4/2021,1:00,4\n", {}, "`data.day_first: true` or `false`"),
        ("date,time,x\n2021-03-01,22:00,5\n,1:00,4\n", {}, "d.csv:3, column date: '' is no date"),
        ("date,time,x\n2021-03-01,22:00,5\n2021-03-01,late,4\n", {}, "column time: 'late' is not a number"),
        ("time,x\n22:00:00,5\n23:00:00,4\n", {"date": "Day"}, "no column 'Day' beside time holds dates"),
        ("experiment,date,time,x\na,2021-03-01,22:00,5\nb,2021-03-02,1:00,4\n", {}, "`data.zero: first`"),
    ],
)
def test_what_is_not_clear_is_refused_with_the_key(
    tmp_path: Path, text: str, data: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, text, **data)
    assert message in str(error.value).replace(": begins", " begins")


def test_frames_have_dates_and_times_of_day_too() -> None:
    frame = pd.DataFrame(
        {"date": pd.to_datetime(["2021-03-01", "2021-03-02"]), "time": ["22:00", "01:30"], "x": [5.0, 4.0]}
    )
    config = load_config({**MODEL, "data": {}}, given=given_data(frame))
    (one,) = read_measured(config, ("x",), [])
    assert one.times.tolist() == pytest.approx([0, 3.5])


@pytest.mark.parametrize(
    "column, first, second, hours",
    [
        ("DATE", "3/14/21", "3/15/21", 24),
        ("DATE", "3/4/21", "4/4/21", 31 * 24),
        ("DATE", "3-14", "3-15", 24),
        ("DATE", "13.04.2021", "14.04.2021", 24),
        ("DATE", "5", "6", 24),
        ("DAT1", "3/4/21", "4/4/21", 24),
        ("DAT1", "3/4", "4/4", 24),
        ("DAT2", "21/4/3", "21/4/4", 24),
        ("DAT3", "21/3/4", "21/4/4", 24),
        ("DATE", "2021-04-03", "2021-04-04", 24),
    ],
)
def test_dates_of_nonmem(tmp_path: Path, column: str, first: str, second: str, hours: float) -> None:
    text = f"ID,{column},TIME,AMT,II,ADDL,DV\n7,{first},8:00,100,12,1,.\n7,{first},10:30,.,.,.,5\n"
    text += f"7,{second},9:00,.,.,.,4\n8,{first},7:00,100,.,.,.\n8,{first},8:30,.,.,.,6\n"
    notes: list[str] = []
    (tmp_path / "d.csv").write_text(text)
    loaded = with_events(load_config({**MODEL, "data": {"csv": str(tmp_path / "d.csv")}}))
    found = read_measured(loaded, ("x",), notes)
    assert [e.times.tolist() for e in found] == [[2.5, hours + 1], [1.5]]  # each subject from its first row
    assert loaded.events is not None
    assert [(row.experiment, row.dose.time) for row in loaded.events.doses] == [("7", 0), ("7", 12), ("8", 0)]
    assert any("times of day in TIME: times in h since the first row" in note for note in notes)


def test_clock_times_alone_in_a_table_of_events(tmp_path: Path) -> None:
    text = "ID,TIME,AMT,DV\n1,8:00,100,.\n1,23:30,.,5\n1,25:00,.,4\n"
    assert read(tmp_path, text) == {"1": [15.5, 17]}


def test_times_in_minutes_of_the_model_follow_dates_of_a_table_of_events(tmp_path: Path) -> None:
    text = "ID,DATE,TIME,AMT,II,ADDL,DV\n7,3/14/21,8:00,100,12,1,.\n7,3/14/21,10:30,.,.,.,5\n"
    (tmp_path / "d.csv").write_text(text)
    model = {**MODEL, "model": {**MODEL["model"], "units": {"t": "min"}}}
    loaded = with_events(load_config({**model, "data": {"csv": str(tmp_path / "d.csv")}}))
    (one,) = read_measured(loaded, ("x",), [])
    assert loaded.events is not None
    assert one.times.tolist() == [150]
    assert [row.dose.time for row in loaded.events.doses] == [0, 720]


def test_hours_of_the_day_beside_dates_are_not_taken_for_elapsed(tmp_path: Path) -> None:
    text = "ID,DATE,TIME,AMT,DV\n1,3/14/21,8,100,.\n1,3/14/21,10,.,5\n1,3/15/21,8,.,4\n"
    with pytest.raises(DataError, match="begins anew with the next DATE"):
        read(tmp_path, text)
    assert read(tmp_path, text, date="DATE") == {"1": [2, 24]}


def test_doses_and_inputs_follow_with_two_columns_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("Date,Time,x\n2021-03-01,22:00,5\n2021-03-02,01:30,4\n")
    (tmp_path / "doses.csv").write_text("Date,Time,amount\n2021-03-01,23:00,7\n")
    (tmp_path / "u.csv").write_text("date,time,u\n2021-03-01,22:00,1\n2021-03-02,02:00,2\n")
    data = {
        "csv": str(tmp_path / "d.csv"),
        "doses": {"csv": str(tmp_path / "doses.csv"), "state": "x"},
        "inputs": {"u": {"csv": str(tmp_path / "u.csv")}},
    }
    model = {**MODEL, "model": {"equations": {"x": "-k*x*u"}}, "data": data}
    assembled, _ = prepare(load_config(model))
    (one,) = assembled.problem.experiments
    assert [dose.time for dose in one.doses] == [1]
    assert one.inputs["u"](0.0) == 1
    assert one.inputs["u"](4.0) == 2


def test_doses_with_times_of_day_alone_do_not_pass_for_dates(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("Date,Time,x\n2021-03-01,22:00,5\n2021-03-02,01:30,4\n")
    (tmp_path / "doses.csv").write_text("time,amount\n23:00:00,7\n")
    doses = {"csv": str(tmp_path / "doses.csv"), "state": "x"}
    with pytest.raises(InputError, match="the times of the data are dates, and these are times of day"):
        prepare(load_config({**MODEL, "data": {"csv": str(tmp_path / "d.csv"), "doses": doses}}))
