"""Predictions and pictures of data with dates: dates as arguments, and in the table."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import odefit
from commands import run
from odefit.errors import InputError
from odefit.prediction.times import parse_times
from odefit.runs.dated import date_of, in_numbers, is_date, time_of
from odefit.runs.results import Dates

DAYS = Dates(86400.0, "2021-03-01T00:00:00")
OWN = Dates(3600.0, {"a": "2021-03-01T06:00:00"})
CONFIG: dict[str, Any] = {
    "model": {"equations": {"x": "-k*x"}, "initial": {"x": 10}},
    "parameters": {"k": {"value": 0.3, "bounds": [0.01, 5]}},
    "fit": {"starts": 1},
}


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dated")
    (folder / "d.csv").write_text(
        "time,x\n2021-03-01,10\n2021-03-02,7.1\n2021-03-03,5.2\n2021-03-04,3.6\n2021-03-05,2.5\n"
    )
    odefit.fit({**CONFIG, "data": {"csv": str(folder / "d.csv")}}, out=folder / "run")
    return folder / "run"


def test_dates_are_numbers_and_numbers_dates() -> None:
    assert time_of(DAYS, "2021-03-03 12:00", "t") == 2.5
    assert time_of(DAYS, datetime.date(2021, 3, 3), "t") == 2
    assert date_of(DAYS, 2.5, "any") == "2021-03-03 12:00:00"
    assert date_of(DAYS, 2, "any") == "2021-03-03"
    assert date_of(OWN, 1.5, "a#2") == "2021-03-01 07:30:00"
    assert date_of(OWN, 1.5, "b") == ""
    assert date_of(DAYS, 1e300, "any") == ""
    assert not is_date("20210301")
    np.testing.assert_array_equal(in_numbers(["2021-03-02", 3, "4"], DAYS), [1, 3, 4])


@pytest.mark.parametrize(
    "dates, when, message",
    [
        (None, "2021-03-01", "the times of these data are numbers"),
        (OWN, "2021-03-01", "counts from its own first row"),
        (DAYS, "3/4/2021", "here write it as 2021-03-01"),
        (DAYS, "08:00", "is no date"),
    ],
)
def test_what_is_no_date_of_the_run_is_refused(dates: Dates | None, when: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        time_of(dates, when, "--times")


def test_ranges_of_times_may_have_dates_and_clock_times() -> None:
    found = parse_times("2021-03-01 06:00:2021-03-02:0.25,2021-03-04", lambda text: time_of(DAYS, text, "--times"))
    np.testing.assert_allclose(found, [0.25, 0.5, 0.75, 1, 3])


def test_predictions_take_dates_and_have_them(dated: Path, tmp_path: Path) -> None:
    found = odefit.predict(dated, ["2021-03-02", "2021-03-06 12:00"])
    assert found.frame["time"].tolist() == [1, 5.5]
    assert found.frame["date"].tolist() == ["2021-03-02", "2021-03-06 12:00:00"]
    days = odefit.predict(dated, [datetime.date(2021, 3, 2), datetime.date(2021, 3, 6)])
    assert days.frame["time"].tolist() == [1, 5]
    plain = odefit.predict(dated, [1.0, 5.5])
    assert plain.frame["predicted"].tolist() == found.frame["predicted"].tolist()


def test_commands_take_dates(dated: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.csv"
    run("predict", str(dated), "--times", "2021-03-01:2021-03-03:1", "--out", str(out), "--no-plots")
    days = ["2021-03-01", "2021-03-02", "2021-03-03"]
    assert [line.split(",")[2] for line in out.read_text().splitlines()] == ["date", *days]
    args = ("plot", str(dated), "--kind", "time_series", "--out", str(tmp_path))
    run(*args, "--time-range", "2021-03-01", "2021-03-20")
    assert "are no two times" in run(*args, "--time-range", "soon", "later", code=2)[1]
