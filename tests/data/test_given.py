"""Data in memory are read by the rules of a CSV file, and with its messages."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from odefit.data.experiments import Input
from odefit.data.frames import FrameSheet
from odefit.data.given import arrange_given, given_data
from odefit.data.table_form import Exclusion, TableForm
from odefit.data.tables import read_table
from odefit.problem.preparation import prepare

CHAIN = {"equations": {"x": "-k*x", "y": "k*x - y"}, "observables": {"x": "x", "y": "y"}}
MODEL: dict[str, Any] = {"model": CHAIN, "parameters": {"k": 1}}

TABLES = {
    "wide": "time,x,y\n0,1,2\n1,3,\n2,5,6\n",
    "experiments": "experiment,time,x,y\nb,0,1,2\na,0,3,4\nb,1,5,6\na,2,7,8\n",
    "numbered experiments": "experiment,time,x,y\n2,0,1,2\n1,0,3,4\n2,1,5,6\n",
    "order": "t,x,y\n2,1,2\n0,3,4\n1,5,6\n",
    "replicates": "time,x,y\n0,1,2\n0,3,4\n1,5,6\n1,7,\n",
    "sigma": "time,x,x_sigma,y\n0,1,0.1,2\n1,3,0.2,4\n",
    "limits": "time,x,y\n0,1,2\n1,<0.5,>100\n2,3,4\n",
    "long": "experiment,time,observable,value\na,0,x,1\na,0,y,2\na,1,x,3\nb,1,y,4\nb,2,x,5\n",
    "long with sigma": "time,name,value,sigma\n0,x,1,0.1\n1,y,2,0.2\n0,x,3,0.3\n",
    "other columns": "time,who,x,y,remark\n0,me,1,2,good\n1,you,3,4,\n",
    "blank rows": "time,x,y\n0,1,2\n,,\n1,3,4\n",
}
FAULTS = {
    "no column": "time,x\n0,1\n",
    "no time": "when,x,y\n0,1,2\n",
    "a word": "time,x,y\n0,1,2\n1,high,3\n",
    "a date": "time,x,y\n2020-01-05,1,2\n6,3,4\n",
    "infinite": "time,x,y\n0,1,2\n1,inf,3\n",
    "no time in a row": "time,x,y\n0,1,2\n,3,4\n",
    "a sigma of zero": "time,x,x_sigma,y\n0,1,0.1,2\n1,3,0,4\n",
    "a missing sigma": "time,x,x_sigma,y\n0,1,0.1,2\n1,3,,4\n",
    "never measured": "time,x,y\n0,1,\n1,3,\n",
    "an empty experiment": "experiment,time,x,y\na,0,1,2\nb,0,,\n",
    "no name": "experiment,time,x,y\na,0,1,2\n,1,3,4\n",
    "an unknown label": "time,observable,value\n0,x,1\n1,z,2\n2,y,3\n",
    "twice the same column": "time,x,x,y\n0,1,1,2\n",
    "no rows": "time,x,y\n",
}


def frame(text: str) -> pd.DataFrame:
    """As pandas reads it, but for columns of one name, which it would rename."""
    read = pd.read_csv(io.StringIO(text), skip_blank_lines=False)
    read.columns = pd.Index(text.splitlines()[0].split(","))
    return read


def experiments(tmp_path: Path, text: str) -> tuple[list[odefit.Experiment], list[str]]:
    (tmp_path / "data.csv").write_text(text)
    notes: list[str] = []
    return read_table(tmp_path / "data.csv", observables=("x", "y"), notes=notes), notes


def assert_same(one: odefit.Experiment, other: odefit.Experiment) -> None:
    assert one.name == other.name
    assert one.start == other.start
    for key in ("times", "values", "sigma", "censored"):
        a, b = getattr(one, key), getattr(other, key)
        assert (a is None) == (b is None), key
        if a is not None:
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", TABLES)
def test_a_frame_is_read_as_a_file_is(tmp_path: Path, name: str) -> None:
    expected, notes = experiments(tmp_path, TABLES[name])
    told: list[str] = []
    found = read_table(frame(TABLES[name]), observables=("x", "y"), notes=told)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)
    assert [note.split(": ")[-1] for note in told] == [note.split(": ")[-1] for note in notes]


@pytest.mark.parametrize("name", FAULTS)
def test_the_faults_of_a_frame_are_those_of_a_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(odefit.DataError) as file:
        experiments(tmp_path, FAULTS[name])
    with pytest.raises(odefit.DataError) as memory:
        read_table(frame(FAULTS[name]), observables=("x", "y"))
    assert [f.what for f in memory.value.faults] == [f.what for f in file.value.faults]
    for own, other in zip(memory.value.faults, file.value.faults, strict=True):
        where = other.where.replace(str(tmp_path / "data.csv"), "data")
        if (line := where.removeprefix("data:").split(",")[0]).isdigit():
            # The header is line 1 of a file, and the first row is row 0 of a frame.
            where = where.replace(f"data:{line}", f"data: row {int(line) - 2}" if int(line) > 1 else "data")
        assert own.where == where


def test_rows_are_called_by_their_index() -> None:
    data = pd.DataFrame({"time": [0.0, 1.0], "x": [1.0, np.inf], "y": [1.0, 2.0]}, index=["first", "second"])
    with pytest.raises(odefit.DataError, match=r"data: row second, column x: 'inf' is infinite"):
        read_table(data, observables=("x", "y"))


@pytest.mark.parametrize("index", [None, [10, 11, 12, 13], [3, 2, 1, 0]])
def test_rows_are_excluded_by_their_index(index: list[int] | None) -> None:
    data = pd.DataFrame({"time": [0.0, 1.0, 2.0, 3.0], "x": [1.0, 2.0, 3.0, 4.0], "y": 1.0}, index=index)
    label = int(data.index[1])
    notes: list[str] = []
    form = TableForm(exclude=[Exclusion(lines=[(label, label)], observables=["x"], reason="spilt")])
    (one,) = read_table(data, observables=("x", "y"), form=form, notes=notes)
    assert np.isnan(one.values[:, 0]).tolist() == [False, True, False, False]
    assert notes == [f"data: 1 measurement excluded, x at 1 of 1 (row {label}): spilt"]


def test_rows_with_names_are_not_excluded_by_a_number() -> None:
    data = pd.DataFrame({"time": [0.0, 1.0], "x": [1.0, 2.0], "y": 1.0}, index=["first", "second"])
    form = TableForm(exclude=[Exclusion(lines=[(1, 1)])])
    with pytest.raises(odefit.DataError, match=r"called by its index, such as 'first', .*`frame.reset_index\(\)`"):
        read_table(data, observables=("x", "y"), form=form)


def test_named_levels_of_the_index_are_columns() -> None:
    data = pd.DataFrame({"experiment": ["a", "a", "b"], "time": [0, 1, 0], "x": [1, 2, 3], "y": [4, 5, 6]})
    plain = read_table(data, observables=("x", "y"))
    for indexed in (data.set_index("time"), data.set_index(["experiment", "time"])):
        found = read_table(indexed, observables=("x", "y"))
        for one, other in zip(found, plain, strict=True):
            assert_same(one, other)


def test_columns_of_all_kinds() -> None:
    data = pd.DataFrame(
        {
            "experiment": pd.Categorical(["a", "a", "b"]),
            "time": pd.array([0, 1, 0], dtype="Int64"),
            "x": pd.array([1.5, None, 2.5], dtype="Float64"),
            "y": [1, None, "<2"],
        }
    )
    a, b = read_table(data, observables=("x", "y"))
    np.testing.assert_array_equal(a.values, [[1.5, 1], [np.nan, np.nan]])
    np.testing.assert_array_equal(b.values, [[2.5, 2]])
    assert b.censored is not None
    assert b.censored.tolist() == [[0, -1]]
    dates = pd.DataFrame({"time": pd.to_datetime(["2020-01-05", "2020-01-06"]), "x": [1, 2], "y": [1, 2]})
    (one,) = read_table(dates, observables=("x", "y"))
    assert one.times.tolist() == [0, 1]  # days
    with pytest.raises(odefit.DataError, match="more than one level"):
        FrameSheet(pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])))


def test_a_frame_is_left_as_it_was() -> None:
    data = frame(TABLES["order"])
    before = data.copy()
    found = read_table(data, observables=("x", "y"))
    found[0].values[:] = 7.0
    found[0].times[:] = 7.0
    pd.testing.assert_frame_equal(data, before)


def test_the_section_data_says_how_a_frame_is_read() -> None:
    data = pd.DataFrame({"hour": [0, 1, 0, 1], "who": list("aabb"), "X": [1, 2, 3, 4], "y": [1, 2, 3, 4]})
    section = {"time": "hour", "experiment": "who", "columns": {"x": "X"}, "only": ["b"]}
    problem = odefit.load(MODEL | {"data": section}, data=data)
    assert problem.data["experiment"].unique().tolist() == ["b"]
    assert problem.data["value"].tolist() == [3, 4, 3, 4]
    with pytest.raises(odefit.DataError, match=r"data\.only names the experiment 'c'"):
        odefit.load(MODEL | {"data": section | {"only": ["c"]}}, data=data)


def test_given_data_take_the_place_of_those_of_the_config(tmp_path: Path) -> None:
    data = pd.DataFrame({"time": [0, 1], "x": [1, 2], "y": [3, 4]})
    for section in ({"csv": "nowhere.csv"}, {"simulate": {"times": [0, 1]}}, None):
        assert len(odefit.load(MODEL | {"data": section}, data=data).data) == 4
    (tmp_path / "c.yaml").write_text("model: {equations: {x: -k*x}}\nparameters: {k: 1}\ndata: {csv: no.csv}\n")
    assert len(odefit.load(tmp_path / "c.yaml", data=data).data) == 2
    assert "x: 2 values" in odefit.check(tmp_path / "c.yaml", data=data)


# -- experiments made by hand


def test_experiments_are_what_a_file_says() -> None:
    text = "experiment,time,x,y,x_sigma\na,0,1,2,0.1\na,1,<3,,0.2\nb,0.5,5,6,0.3\n"
    by_hand = [
        odefit.Experiment(
            "a",
            [0, 1],
            {"y": [2, None], "x": [1, 3]},
            sigma={"x": [0.1, 0.2], "y": [np.nan, np.nan]},
            censored={"x": [0, -1]},
        ),
        odefit.Experiment("b", [0.5], {"x": [5], "y": [6]}, sigma={"x": [0.3], "y": [np.nan]}),
    ]
    expected = read_table(frame(text), observables=("x", "y"))
    found = arrange_given(given_data(by_hand).content, observables=("x", "y"))  # type: ignore[arg-type]
    for one, other in zip(found, expected, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.sigma, other.sigma)
    assert found[0].censored.tolist() == expected[0].censored.tolist()


def test_an_experiment_says_its_conditions_as_the_config_would() -> None:
    config = {
        "model": {"equations": {"gut": "-ka*gut", "blood": "ka*gut - k/w*blood"}, "observables": {"blood": "blood"}},
        "parameters": {"ka": {"value": 1, "by": "kind"}, "k": 1},
        "noise": {"blood": {"sigma": 0.1}},
    }
    dose = odefit.Dose(0.0, "gut", 5.0)
    by_hand = [
        odefit.Experiment(
            name, [1, 2], {"blood": [1, 2]}, start=0, doses=[dose], labels={"kind": kind},
            constants={"w": w, "gut_0": 0, "blood_0": 0},
        )
        for name, w, kind in (("a", 2.0, "slow"), ("b", 3.0, "fast"))
    ]  # fmt: skip
    table = pd.DataFrame({"experiment": ["a", "a", "b", "b"], "time": [1, 2, 1, 2], "blood": [1, 2, 1, 2]})
    rows = {
        n: {"w": w, "kind": k, "gut_0": 0, "blood_0": 0, "start": 0} for n, w, k in (("a", 2, "slow"), ("b", 3, "fast"))
    }
    doses = [{"time": 0, "state": "gut", "amount": 5}]
    one = odefit.load(config, data=by_hand)
    other = odefit.load(config | {"data": {"experiments": rows, "doses": doses}}, data=table)
    assert one.names == other.names == ("ka[slow]", "ka[fast]", "k")
    assert one.nll(one.x0) == other.nll(one.x0)
    for key, value in (("experiments", rows), ("doses", doses)):
        with pytest.raises(odefit.ConfigError, match=rf"data.{key}: the experiments that were given bring theirs"):
            odefit.load(config | {"data": {key: value}}, data=by_hand)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a", [0, np.nan], {"x": [1, 2]}), "experiment a: times: nan is no time"),
        (("a", [0, 2, 1], {"x": [1, 2, 3]}), "1.0 comes after 2.0; put them in order"),
        (("a", [0, 1, 1], {"x": [1, 2, 3]}), "into an experiment 'a#2'"),
        (("a", [], {"x": []}), "one number or more"),
        (("a", [[0, 1]], {"x": [1]}), "one number or more"),
        (("a", [0, 1], {"x": [1, 2, 3]}), r"values: x has the shape \(3,\); needed is one for each of 2 times"),
        (("a", [0, 1], {"x": ["low", "high"]}), "values of x: must be numbers"),
        (("a", "ab", {"x": [1, 2]}), "times: must be numbers"),
        (("a", [0, 1], {"x": [1, np.inf]}), "one is infinite"),
        (("a", [0, 1], {"x": [1, 2]}, 0.5), "start: 0.5 is later than the first time, 0.0"),
        (("a", [0, 1], {"x": [1, 2]}, 0, {"x": [0.1, 0]}), "sigma: one is not positive"),
        (("a", [0, 1], {"x": [1, 2]}, 0, {"x": [0.1, np.nan]}), "sigma is missing for a measured value"),
        (("a", [0, 1], {"x": [1, 2]}, 0, {"y": [0.1, 0.1]}), "'y' is none of the observables x"),
        ((" ", [0, 1], {"x": [1, 2]}), "the name must be text"),
    ],
)
def test_an_experiment_that_is_none(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(odefit.DataError, match=message):
        odefit.Experiment(*arguments)


def one(name: str = "a", **values: Any) -> odefit.Experiment:
    return odefit.Experiment(name, [0, 1], values or {"x": [1, 2], "y": [3, 4]})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([one(), one()], "two experiments are called 'a'; call a replicate 'a#2'"),
        ([one(x=[1, 2], z=[1, 2])], "experiment a: 'z' is no observable; there is: y"),
        ([one(x=[1, 2])], "the observable y is never measured"),
        ([one(), one("b", x=[None, None])], "experiment b has no measurement"),
        ([odefit.Experiment("a", [0, 1], np.ones((2, 3)))], "has 3 columns, and the observables are x, y"),
        (
            [odefit.Experiment("a", [0, 1], np.ones((3, 2)))],
            "data: experiment a: values: must be one row for each of 2",
        ),
        ([], "must be a pandas DataFrame or a list of odefit.Experiment"),
        ({"x": [1]}, r"\(got dict\); pandas\.DataFrame\(data\) makes one of columns or rows$"),
        ([{"time": 0, "x": 1}], r"\(got list\); pandas\.DataFrame\(data\) makes one"),
        (np.zeros(2, dtype=[("time", float), ("x", float)]), r"\(got ndarray\); pandas\.DataFrame\(data\) makes one"),
        (np.zeros((2, 2)), r"\(got ndarray\)$"),
        ({"a": pd.DataFrame(), "b": pd.DataFrame()}, r"\(got dict\); pandas\.concat makes one"),
        ([pd.DataFrame()], r"\(got list\); pandas\.concat makes one"),
        (SimpleNamespace(to_pandas=None), r"; data\.to_pandas\(\) makes one"),
        ("data.csv", r"\(got str\); the path of a file stands in the config, as data\.csv"),
        ([one(), 3], "got list"),
        (
            [odefit.Experiment("a", [0, 1], {"x": [1, 2]}, inputs={"u": Input(np.zeros(1), np.zeros((1, 4)))})],
            "name them in data.inputs",
        ),
    ],
)
def test_experiments_that_do_not_fit(data: Any, message: str) -> None:
    with pytest.raises(odefit.DataError, match=message):
        odefit.load(MODEL, data=data)


def test_a_single_experiment_and_a_choice_of_them() -> None:
    assert len(odefit.load(MODEL, data=one()).data) == 4  # type: ignore[arg-type]
    some = [one(), one("a#2"), one("b")]
    chosen = odefit.load(MODEL | {"data": {"only": ["a"]}}, data=some)
    assert chosen.data["experiment"].unique().tolist() == ["a", "a#2"]
    with pytest.raises(odefit.DataError, match=r"data\.only names the experiment 'c'"):
        odefit.load(MODEL | {"data": {"only": ["c"]}}, data=some)
    with pytest.raises(odefit.DataError, match=r"measured at 0\.0, before data\.start 1\.0"):
        odefit.load(MODEL | {"data": {"start": 1.0}}, data=some)


def test_an_experiment_need_not_have_measured_all() -> None:
    starts = {"x_0": 1, "y_0": 1}
    problem = odefit.load(MODEL | {"parameters": {"k": 1, **starts}}, data=[one(x=[1, 2]), one("b", y=[3, 4])])
    assert problem.data[["experiment", "observable"]].drop_duplicates().to_numpy().tolist() == [["a", "x"], ["b", "y"]]


def test_a_replicate_starts_where_its_experiment_does() -> None:
    late = odefit.Experiment("a#2", [1, 2], {"x": [1, 2], "y": [1, 2]})
    from odefit.config.load import load_config

    assembly, _ = prepare(load_config(MODEL, (), given_data([one(), late])))
    assert [e.start for e in assembly.measured] == [0, 0]
