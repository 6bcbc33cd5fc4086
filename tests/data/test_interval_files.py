"""Intervals in files: LIMIT of tables of events, columns, cells, the config; units, layouts, refusals, the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from odefit.config.load import load_config
from odefit.data.experiments import Experiment
from odefit.data.given import given_data
from odefit.data.tables import read_table, write_table
from odefit.errors import InputError
from odefit.problem.event_table import with_events
from odefit.problem.measured import read_measured

MODEL: dict[str, Any] = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}
Row = tuple[float, float, int, float]


def config(data: dict[str, Any], units: dict[str, str] | None = None) -> dict[str, Any]:
    return {**MODEL, "model": {**MODEL["model"], "units": units or {}}, "data": data}


def rows(one: Experiment) -> list[Row | tuple[float, float]]:
    """Time and value, and of limits the side and the other end."""
    ends = np.full(one.values.shape, np.nan) if one.other_end is None else one.other_end
    signs = np.zeros(one.values.shape, int) if one.censored is None else one.censored
    found: list[Row | tuple[float, float]] = []
    for t, (x,), (sign,), (end,) in zip(one.times, one.values, signs, ends, strict=True):
        found.append((float(t), float(x), int(sign), -1.0 if np.isnan(end) else float(end)) if sign else (t, float(x)))
    return found


def read(folder: Path, text: str, units: dict[str, str] | None = None, **data: Any) -> list[Row | tuple[float, float]]:
    (folder / "d.csv").write_text(text)
    loaded = with_events(load_config(config({"csv": str(folder / "d.csv"), **data}, units)))
    (one,) = read_measured(loaded, ("x",), [])
    return rows(one)


EVENTS = "ID,TIME,DV,AMT,CENS,LIMIT\n1,0,.,100,.,.\n1,1,6,.,0,.\n1,2,0.5,.,1,{}\n1,3,0.5,.,1,{}\n"


@pytest.mark.parametrize(
    "cells, data, last",
    [
        (("0", "0.1"), {}, [(2, 0.5, -1, 0), (3, 0.5, -1, 0.1)]),
        ((".", "-inf"), {}, [(2, 0.5, -1, -1), (3, 0.5, -1, -1)]),
        ((".", "0.1"), {"limit": {"x": {"least": 0}}}, [(2, 0.5, -1, 0), (3, 0.5, -1, 0.1)]),
        (("0", "0.1"), {"unused": ["LIMIT"]}, [(2, 0.5, -1, -1), (3, 0.5, -1, -1)]),
    ],
)
def test_limit_of_a_table_of_events(tmp_path: Path, cells: tuple[str, str], data: dict[str, Any], last: Any) -> None:
    assert read(tmp_path, EVENTS.format(*cells), **data) == [(1, 6), *last]


def test_above_a_limit_and_no_more_than_another(tmp_path: Path) -> None:
    text = "ID,TIME,DV,AMT,CENS,LIMIT\n1,0,.,100,.,.\n1,1,6,.,-1,9\n1,2,3,.,0,.\n"
    assert read(tmp_path, text) == [(1, 6, 1, 9), (2, 3)]


@pytest.mark.parametrize(
    "text, data, expected",
    [
        ("time,x\n0,6\n1,0.1..0.5\n2,<0.5\n", {}, [(0, 6), (1, 0.5, -1, 0.1), (2, 0.5, -1, -1)]),
        ("time;x\n0;6\n1;0,1..0,5\n2; 0 .. 0,5\n", {}, [(0, 6), (1, 0.5, -1, 0.1), (2, 0.5, -1, 0)]),
        ("time,x\n0,>6..9\n1,4\n", {}, [(0, 6, 1, 9), (1, 4)]),
        ("time,x,to\n0,6,7\n1,4,\n2,1,1.5\n", {"interval": {"x": "to"}}, [(0, 7, -1, 6), (1, 4), (2, 1.5, -1, 1)]),
        ("time,x,from\n0,6,5\n1,4,\n2,1,1\n", {"interval": "from"}, [(0, 6, -1, 5), (1, 4), (2, 1)]),
        ("time,x,to\n0,0,2\n1,2,5\n2,4,\n", {"interval": "to"}, [(0, 2, -1, 0), (1, 5, -1, 2), (2, 4)]),
        (
            "time,x,c,low\n0,6,0,\n1,0.5,1,0.1\n2,0.5,1,\n",
            {"censored": "c", "interval": "low"},
            [(0, 6), (1, 0.5, -1, 0.1), (2, 0.5, -1, -1)],
        ),
        (
            "time,x\n0,6\n1,BLQ\n2,0.2\n",
            {"limit": {"x": {"below": 0.5, "least": 0}}},
            [(0, 6), (1, 0.5, -1, 0), (2, 0.5, -1, 0)],
        ),
        ("time,x\n0,<6\n1,3\n", {"limit": {"x": {"least": 0}}}, [(0, 6, -1, 0), (1, 3)]),
        ("time,x\n0,600\n1,3\n", {"limit": {"x": {"above": 100, "most": 500}}}, [(0, 100, 1, 500), (1, 3)]),
        (
            "time,observable,value,low\n0,x,6,\n1,x,0.5,0.1\n1,y,5,4\n",
            {"interval": "low", "ignore": ["y"]},
            [(0, 6), (1, 0.5, -1, 0.1)],
        ),
        ("x,time\n0.1..0.5,1\n6,0\n", {}, [(0, 6), (1, 0.5, -1, 0.1)]),
    ],
)
def test_intervals_in_plain_tables(tmp_path: Path, text: str, data: dict[str, Any], expected: Any) -> None:
    assert read(tmp_path, text, **data) == expected


def test_replicates_and_several_observables_keep_their_own(tmp_path: Path) -> None:
    text = "time,x,y\n0,6,1..2\n0,5..6,3\n1,0.1..0.5,\n"
    (tmp_path / "d.csv").write_text(text)
    found = read_table(tmp_path / "d.csv", observables=["x", "y"])
    assert [e.name for e in found] == ["1", "1#2"]
    ends = [np.nan_to_num(e.other_end, nan=-1).tolist() if e.other_end is not None else None for e in found]
    assert ends == [[[-1, 1], [0.1, -1]], [[5, -1]]]


def test_the_other_end_is_converted_as_its_value_is(tmp_path: Path) -> None:
    pytest.importorskip("pint")
    units = {"x": "ug/L"}
    expected = [(0, 6000), (1, 500, -1, 100)]
    for text, data in (
        ("time,x [mg/L]\n0,6\n1,0.1..0.5\n", {}),
        ("time,x [mg/L],low\n0,6,\n1,0.5,0.1\n", {"interval": {"x": "low"}}),
    ):
        found = read(tmp_path, text, units, **data)
        np.testing.assert_allclose(found[1], expected[1])


def test_a_check_counts_them_apart_from_limits() -> None:
    frame = pd.DataFrame({"time": [0.0, 1.0, 2.0, 3.0], "x": ["6", "0.1..0.5", "0.2..0.3", "<0.5"]})
    said = odefit.check(config({}), data=frame)
    assert "  2 values known only to lie between two numbers\n  1 value known only to lie below or above" in said


def test_frames_have_intervals_too() -> None:
    frame = pd.DataFrame({"time": [0.0, 1.0, 2.0], "x": ["6", "0.1..0.5", "<0.5"]})
    (one,) = read_measured(load_config(config({}), given=given_data(frame)), ("x",), [])
    assert rows(one) == [(0, 6), (1, 0.5, -1, 0.1), (2, 0.5, -1, -1)]


@pytest.mark.parametrize(
    "text, data, message",
    [
        ("time,x,c,low\n0,6,0,5\n1,0.5,1,0.1\n", {"censored": "c", "interval": "low"}, "d.csv:2, column low: beside a"),
        ("time,x,c,low\n0,6,0,\n1,0.5,1,0.7\n", {"censored": "c", "interval": "low"}, "lies below 0.5, and low is 0.7"),
        ("time,x,low\n0,6,5\n1,4,no\n", {"interval": "low"}, "'no' is no limit"),
        ("time,x\n0,6\n1,0.5..0.1\n", {}, "write 0.1..0.5"),
        ("time,x\n0,6\n1,<0.5\n", {"limit": {"x": {"least": 0.7}}}, "`data.limit` says least: 0.7"),
        ("time,x\n0,6\n1,3\n", {"limit": {"x": {"below": 1, "least": 2}}}, "least: must be less than below"),
        ("time,x\n0,6\n1,3\n", {"interval": {"y": "x"}}, "data.interval: 'y' is no observable"),
        ("time,x\n0..1,6\n1,3\n", {}, "'0..1' is not a number"),
        (EVENTS.format("0.7", "."), {}, "column LIMIT: the truth lies below 0.5"),
        ("ID,TIME,DV,AMT,CENS,LIMIT\n1,0,.,9,.,.\n1,1,6,.,0,0\n", {}, "a truncated one (nlmixr2)"),
    ],
)
def test_what_contradicts_itself_is_refused_by_row(
    tmp_path: Path, text: str, data: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, text, **data)
    assert message in str(error.value)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    one = Experiment(
        "a",
        [0, 1, 2, 3],
        {"x": [6, 0.5, 0.25, 9], "y": [1, 2, np.nan, 4]},
        censored={"x": [0, -1, 1, 1]},
        other_end={"x": [np.nan, 0.1, 0.75, np.nan]},
    )
    write_table(tmp_path / "d.csv", [one], ["x", "y"])
    assert ">0.25..0.75" in (tmp_path / "d.csv").read_text()
    (found,) = read_table(tmp_path / "d.csv", observables=["x", "y"])
    for name in ("times", "values", "censored", "other_end"):
        np.testing.assert_array_equal(getattr(found, name), getattr(one, name))


def test_a_run_folder_has_the_intervals(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time,x\n0.5,7.6\n1,6.2\n2,3.9\n3,2.1\n4,0.2..1\n6,0.1..1\n")
    made = {
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": 10}},
        "parameters": {"k": {"value": 0.3, "bounds": [0.01, 5], "scale": "log"}},
        "data": {"csv": str(tmp_path / "d.csv"), "start": 0},
        "fit": {"starts": 1},
    }
    run = odefit.fit(made, out=tmp_path / "run")
    again = odefit.load_run(tmp_path / "run")
    assert again.result.objective.nll == run.result.objective.nll
    table = pd.read_csv(tmp_path / "run" / "predictions.csv")
    assert table["other_end"].dropna().tolist() == [0.2, 0.1]
    assert table["censored"].dropna().tolist() == ["below", "below"]
