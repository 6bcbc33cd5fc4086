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
        (["2021-03-01T10:00+01:00", "2021-03-01T10:00+02:00"], {}, "several time zones"),
        (["2021-03-01", "2021-03-02"], {"zero": "spring"}, "data.zero: 'spring' is no date"),
        (["2021-02-01", "2021-02-31"], {}, "d.csv:3, column time: '2021-02-31' is a date"),
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
        (dated, "10:00:00", "the times of the data are dates, and '10:00:00' is of the times of day"),
        (dated, "tomorrow", "is neither a number nor a date"),
        (several, "2021-03-06", "name the experiment of this dose"),
    ):
        with pytest.raises(InputError, match=why):
            doses(table, {"time": time}, **({"zero": "first"} if table is several else {}))


def test_durations_of_a_frame_are_times() -> None:
    frame = pd.DataFrame({"time": pd.to_timedelta([0, 90, 1530.5], unit="min"), "x": [1.0, 2.0, 3.0]})
    config = {"model": {"equations": {"x": "-k*x"}, "units": {"t": "h"}}, "parameters": {"k": 0.5}}
    assert odefit.load(config, data=frame).data["time"].tolist() == pytest.approx([0, 1.5, 1530.5 / 60])
