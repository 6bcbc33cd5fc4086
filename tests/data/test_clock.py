"""Dates, times of day and durations as times: in which unit, since when, and when it is not clear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import odefit
from odefit.config.load import load_config
from odefit.errors import DataError, InputError
from odefit.problem.measured import read_measured
from odefit.problem.preparation import prepare

MODEL: dict[str, Any] = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}


def times(folder: Path, cells: list[str], notes: list[str] | None = None, **data: Any) -> list[float]:
    text = "time,x\n" + "".join(f"{cell},{k + 1}\n" for k, cell in enumerate(cells))
    (folder / "d.csv").write_text(text)
    loaded = load_config({**MODEL, "data": {"csv": str(folder / "d.csv"), **data}})
    (one,) = read_measured(loaded, ("x",), [] if notes is None else notes)
    return [float(t) for t in one.times]


@pytest.mark.parametrize(
    "cells, data, expected",
    [
        (["2021-03-01", "2021-03-02", "2021-03-08"], {}, [0, 1, 7]),
        (["2021-03-01", "2021-03-02"], {"time_unit": "h"}, [0, 24]),
        (["2021-03-01", "2021-03-08"], {"zero": "2021-02-22", "time_unit": "week"}, [1, 2]),
        (["2021-03-01 22:00", "2021-03-02 01:30"], {}, [0, 3.5]),
        (["2021-03-01T22:00:00Z", "2021-03-01T22:00:30Z"], {"time_unit": "s"}, [0, 30]),
        (["01.03.2021", "05.03.2021"], {}, [0, 4]),
        (["1/22/20", "1/23/20", "2/1/20"], {}, [0, 1, 10]),
        (["22/1/2020", "23/1/2020"], {}, [0, 1]),
        (["3/4/2021", "4/4/2021"], {"day_first": True}, [0, 1]),
        (["3/4/2021", "4/4/2021"], {"day_first": False}, [0, 31]),
        (["4 March 2021", "5 Mar 2021"], {}, [0, 1]),
        (["0:00:00", "0:30:00", "25:00:00"], {}, [0, 0.5, 25]),
        (["0:00", "10:00"], {"clock": "h:mm"}, [0, 10]),
        (["0:00", "10:00"], {"clock": "m:ss", "time_unit": "min"}, [0, 10]),
        (["8:00 am", "1:30 PM"], {}, [8, 13.5]),
        (["23:00:00", "23:59:00", "00:30:00"], {"time_unit": "min"}, [1380, 1439, 1470]),
        (["23:00:00", "00:30:00"], {"zero": "first"}, [0, 1.5]),
        (["90 min", "2 h", "1 d 3 h"], {}, [1.5, 2, 27]),
        (["1", "2.5"], {"time_unit": "min"}, [1, 2.5]),
        (["PT0S", "PT1H30M", "P1DT2H"], {}, [0, 1.5, 26]),
        (["2021-W01", "2021-W02-3"], {}, [0, 9]),
        (["2021-01", "2021-02", "2021-03"], {}, [0, 31, 59]),
        (["2021-001", "2021-365"], {}, [0, 364]),
        (['"Mar 4, 2021"', '"March 5, 2021"'], {}, [0, 1]),
        (["4. März 2021", "5. Mai 2021"], {}, [0, 62]),
        (["30 juin 2021", "1 juil 2021"], {}, [0, 1]),
        (["2021-03-28T01:30+01:00", "2021-03-28T03:30:00+02:00"], {}, [0, 1]),
        (["2021-03-28 00:30 UTC", "2021-03-28 03:30+0200"], {}, [0, 1]),
        (["2021-03-28T01:00+01:00", "2021-03-28T02:00+01:00"], {"zero": "2021-03-28"}, [1, 2]),
        (["2021-03-28T01:00+01:00", "2021-03-28T02:00+01:00"], {"zero": "2021-03-28T00:00Z"}, [0, 1]),
    ],
)
def test_what_cells_of_time_mean(tmp_path: Path, cells: list[str], data: dict[str, Any], expected: list[float]) -> None:
    assert times(tmp_path, cells, **data) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    "cells, data, expected",
    [
        (["3/4/2021", "4/4/2021"], {}, "may be either: the day first or the month; `data.day_first: true`"),
        (["13/4/2021", "4/14/2021"], {}, "have days in two places"),
        (["10:00", "11:00"], {}, "may be hours and minutes or minutes and seconds; `data.clock: h:mm` or `m:ss`"),
        (["2021-03-01T10:00+01:00", "2021-03-01T10:00"], {}, "names no time zone"),
        (["2021-03-28T01:00+01:00", "2021-03-28T03:00+02:00"], {"zero": "2021-03-28"}, "data.zero: the times of"),
        (["2021-03", "2021-03-05"], {}, "'2021-03' is no day"),
        (["2021-02-29", "2021-366"], {}, "d.csv:2, column time: '2021-02-29'"),
        (["2021-03-01", "2021-03-02"], {"zero": "spring"}, "data.zero: 'spring' is no date"),
        (["2021-02-01", "2021-02-31"], {}, "d.csv:3, column time: '2021-02-31' is on no calendar"),
    ],
)
def test_what_is_not_clear(tmp_path: Path, cells: list[str], data: dict[str, Any], expected: str) -> None:
    with pytest.raises(DataError) as caught:
        times(tmp_path, cells, **data)
    assert expected in str(caught.value)


def test_how_times_were_read_is_said(tmp_path: Path) -> None:
    notes: list[str] = []
    times(tmp_path, ["2021-03-01", "2021-03-02"], notes)
    assert notes == [f"{tmp_path}/d.csv: dates in time: times in d since the first row (data.time_unit says otherwise)"]


def test_experiments_that_begin_on_different_days(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(
        "experiment,time,x\na,2021-03-01,1\na,2021-03-03,2\nb,2021-03-05,1\nb,2021-03-06,2\n"
    )

    def found(**data: Any) -> list[list[float]]:
        loaded = load_config({**MODEL, "data": {"csv": str(tmp_path / "d.csv"), **data}})
        return [e.times.tolist() for e in read_measured(loaded, ("x",), [])]

    with pytest.raises(DataError, match=r"the experiments begin at different dates; `data.zero: first`"):
        found()
    assert found(zero="first") == [[0, 2], [0, 1]]
    assert found(zero="2021-03-01") == [[0, 2], [4, 5]]


def test_doses_and_inputs_are_on_the_same_clock(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time,x\n2021-03-01 08:00,1\n2021-03-01 12:00,2\n2021-03-02 08:00,1\n")
    (tmp_path / "p.csv").write_text("time,amount,state\n2021-03-01 10:00,5,x\n")
    (tmp_path / "u.csv").write_text("time,u\n2021-03-01 07:00,1\n2021-03-02 09:00,3\n")
    model = {"model": {"equations": {"x": "-k*x + u"}}, "parameters": {"k": 0.5}}
    data = {"csv": str(tmp_path / "d.csv"), "doses": str(tmp_path / "p.csv"), "inputs": {"u": str(tmp_path / "u.csv")}}
    (one,) = prepare(load_config({**model, "data": data}))[0].measured
    assert one.times.tolist() == [0, 4, 24]
    assert [d.time for d in one.doses] == [2]
    assert one.inputs["u"].knots.tolist() == [-1, 25]


DATED = "time,x\n2021-03-01 08:00,10\n2021-03-01 20:00,14\n2021-03-02 08:00,19\n"
ZONED = DATED.replace("00,", "00+01:00,")


def prepared(folder: Path, text: str, model: dict[str, Any] | None = None, **data: Any) -> Any:
    (folder / "d.csv").write_text(text)
    config = {**MODEL, "model": {**MODEL["model"], **(model or {})}, "data": {"csv": str(folder / "d.csv"), **data}}
    return prepare(load_config(config))[0]


@pytest.mark.parametrize("time, expected", [("2021-03-01T10:00Z", 3), ("2021-03-01 10:00", 2)])
def test_doses_of_another_time_zone_are_on_the_clock_of_the_measurements(
    tmp_path: Path, time: str, expected: float
) -> None:
    (tmp_path / "doses.csv").write_text(f"time,amount\n{time},5\n")
    for doses in ({"csv": str(tmp_path / "doses.csv"), "state": "x"}, [{"time": time, "amount": 5, "state": "x"}]):
        assembly = prepared(tmp_path, ZONED, doses=doses)
        assert [dose.time for dose in assembly.measured[0].doses] == [expected]


def test_a_time_zone_beside_times_that_name_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "doses.csv").write_text("time,amount\n2021-03-01T10:00Z,5\n")
    with pytest.raises(InputError, match=r"doses.csv, column time: the times of the data name no time zone"):
        prepared(tmp_path, DATED, doses={"csv": str(tmp_path / "doses.csv"), "state": "x"})


@pytest.mark.parametrize("time", ["2021-03-02", ["2021-03-02 00:00"], "2 March 2021"])
def test_events_may_be_dated(tmp_path: Path, time: Any) -> None:
    assembly = prepared(tmp_path, DATED, model={"events": [{"time": time, "set": {"x": "2*x"}}]})
    (event,) = assembly.loaded.config.model.events
    assert [float(one) for one in event.times] == [16]


def test_an_event_on_the_axis_of_headers_that_are_dates(tmp_path: Path) -> None:
    text = "place,2021-03-01,2021-03-02,2021-03-03\nA,1,2,3\n"
    events = [{"time": "2021-03-02 12:00", "set": {"x": "2*x"}}]
    assembly = prepared(tmp_path, text, {"events": events}, columns={"x": "{time}"}, experiment="place")
    assert assembly.loaded.config.model.events[0].times == ["1.5"]


def test_the_start_and_what_is_left_out_may_be_dated(tmp_path: Path) -> None:
    left_out = [{"times": ["2021-03-01 20:00"], "reason": "rain"}]
    assembly = prepared(tmp_path, DATED, start="2021-03-01", exclude=left_out)
    (one,) = assembly.measured
    assert (one.start, one.times.tolist()) == (-8, [0, 24])
    assembly = prepared(tmp_path, DATED, hold_out={"after": "2021-03-01 20:00"})
    assert assembly.loaded.config.data.hold_out.after == 12


@pytest.mark.parametrize(
    "text, model, data, expected",
    [
        ("time,x\n0,1\n1,2\n", {"events": [{"time": "2021-03-02", "set": {"x": "x"}}]}, {}, "of the data are numbers"),
        (DATED, {}, {"start": "frist"}, "data.start: 'frist' is neither a number nor a date"),
        (DATED, {}, {"hold_out": {"after": "2021-02-31"}}, "'2021-02-31' is on no calendar"),
        (DATED, {"events": [{"time": "8:00 am", "set": {"x": "x"}}]}, {}, "the times of the data are dates, and these"),
    ],
)
def test_dates_of_the_config_that_mean_nothing(
    tmp_path: Path, text: str, model: dict[str, Any], data: dict[str, Any], expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        prepared(tmp_path, text, model, **data)


def test_a_formula_of_numbers_is_no_date_where_times_are_numbers(tmp_path: Path) -> None:
    assembly = prepared(tmp_path, "time,x\n0,1\n1,2\n", {"events": [{"time": "24/7/60", "set": {"x": "2*x"}}]})
    assert assembly.loaded.config.model.events[0].times == ["24/7/60"]


def test_the_unit_of_the_model_is_that_of_the_times(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time,x\n2021-03-01,1\n2021-03-02,2\n")
    model = {"model": {"equations": {"x": "-k*x"}, "units": {"t": "h"}}, "parameters": {"k": 0.5}}
    (one,) = read_measured(load_config({**model, "data": {"csv": str(tmp_path / "d.csv")}}), ("x",), [])
    assert one.times.tolist() == [0, 24]


def test_doses_of_the_config_may_be_dated(tmp_path: Path) -> None:
    def doses(table: str, written: dict[str, Any], **more: Any) -> list[list[float]]:
        (tmp_path / "d.csv").write_text(table)
        model = {"model": {**MODEL["model"], **more.pop("model", {})}, "parameters": {"k": 0.5}}
        data = {"csv": str(tmp_path / "d.csv"), "doses": [{"state": "x", "amount": 1, **written}], **more}
        measured = prepare(load_config({**model, "data": data}))[0].measured
        return [[d.time for d in e.doses] for e in measured]

    dated = "time,x\n2021-03-01 08:00,1\n2021-03-01 20:00,2\n"
    assert doses(dated, {"time": "2021-03-01 10:00", "every": 2, "count": 2}) == [[2, 4]]
    assert doses(dated, {"time": 3}) == [[3]]
    assert doses(dated, {"time": "1 March 2021 10:00"}, model={"units": {"t": "min"}}, time_unit="h") == [[120]]
    several = "experiment,time,x\na,2021-03-01,1\na,2021-03-03,2\nb,2021-03-05,1\nb,2021-03-07,2\n"
    assert doses(several, {"time": "2021-03-06", "experiment": "b"}, zero="first") == [[], [1]]
    for table, time, why in (
        ("time,x\n0,1\n1,2\n", "2021-03-01", "and the times of the data are numbers"),
        (dated, "10:00:00", "the times of the data are dates, and these are times of day"),
        (dated, "tomorrow", "is neither a number nor a date"),
        (several, "2021-03-06", "name the experiment of this dose"),
    ):
        with pytest.raises(InputError, match=why):
            doses(table, {"time": time}, **({"zero": "first"} if table is several else {}))


def test_durations_of_a_frame_are_times() -> None:
    frame = pd.DataFrame({"time": pd.to_timedelta([0, 90, 1530.5], unit="min"), "x": [1.0, 2.0, 3.0]})
    config = {"model": {"equations": {"x": "-k*x"}, "units": {"t": "h"}}, "parameters": {"k": 0.5}}
    assert odefit.load(config, data=frame).data["time"].tolist() == pytest.approx([0, 1.5, 1530.5 / 60])
