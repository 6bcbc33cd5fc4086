"""Files whose columns are called otherwise, flags and limits in them, what is left out, and what nothing reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from odefit.data.csv_cells import MissingCells
from odefit.data.dose_table import read_doses
from odefit.data.experiment_table import read_conditions
from odefit.data.experiments import Experiment
from odefit.data.table_form import Exclusion, Limits, TableForm
from odefit.data.tables import read_table
from odefit.errors import ConfigError, DataError

MODEL: dict[str, Any] = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}


def read(folder: Path, content: str, observables: tuple[str, ...] = ("x",), **how: Any) -> list[Experiment]:
    form = TableForm(**{key: how.pop(key) for key in TableForm.__dataclass_fields__ if key in how})
    file = folder / "d.csv"
    file.write_text(content)
    return read_table(file, observables=observables, form=form, **how)


def config(folder: Path, content: str, **data: Any) -> dict[str, Any]:
    (folder / "d.csv").write_text(content)
    return {**MODEL, "data": {"csv": str(folder / "d.csv"), **data}}


def notes(text: str) -> list[str]:
    return [line.partition("d.csv: ")[2] for line in text.splitlines() if line.startswith("note: ") and "d.csv" in line]


# ---------------------------------------------------------------------------------------------- names


def test_a_name_in_another_case_counts_where_it_means_one_column(tmp_path: Path) -> None:
    (one,) = read(tmp_path, "TIME,X,Experiment\n0,1,a\n1,2,a\n")
    assert (one.name, one.times.tolist(), one.values[:, 0].tolist()) == ("a", [0, 1], [1, 2])
    (one,) = read(tmp_path, "time,X,x\n0,1,5\n1,2,6\n")
    assert one.values[:, 0].tolist() == [5, 6]
    with pytest.raises(DataError, match="no column 'ab'"):
        read(tmp_path, "time,AB,Ab\n0,1,5\n", observables=("ab",))


def test_a_letter_in_another_case_is_another_quantity(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'time'"):
        read(tmp_path, "T,x\n300,1\n310,2\n")


def test_a_long_file_under_other_names(tmp_path: Path) -> None:
    text = "when,what,result,sd\n0,x,1,.1\n1,x,2,.2\n0,y,5,.3\n"
    how: dict[str, Any] = {"observables": ("x", "y"), "time": "when"}
    (one,) = read(tmp_path, text, **how, observable="what", value="result", sigma="sd")
    np.testing.assert_array_equal(one.values, [[1, 5], [2, np.nan]])
    np.testing.assert_array_equal(one.sigma, [[0.1, 0.3], [0.2, np.nan]])
    (one,) = read(tmp_path, text, **how, observable="what", value="result", sigma={"x": "sd", "y": "sd"})
    np.testing.assert_array_equal(one.sigma, [[0.1, 0.3], [0.2, np.nan]])


def test_a_value_column_alone_is_that_of_the_only_observable(tmp_path: Path) -> None:
    (one,) = read(tmp_path, "time,OD600\n0,1\n1,2\n", value="od600")
    assert one.values[:, 0].tolist() == [1, 2]
    with pytest.raises(DataError, match=r"data.value names one column for several observables"):
        read(tmp_path, "time,OD600\n0,1\n1,2\n", observables=("x", "y"), value="od600")


def test_sigmas_of_a_wide_file_by_name(tmp_path: Path) -> None:
    (one,) = read(tmp_path, "time,x,x_sd,y\n0,1,.1,3\n1,2,.2,4\n", observables=("x", "y"), sigma={"x": "x_sd"})
    np.testing.assert_array_equal(one.sigma, [[0.1, np.nan], [0.2, np.nan]])


@pytest.mark.parametrize(
    "form, expected",
    [
        ({"sigma": {"x": "sd"}}, "no column 'sd' for data.sigma.x"),
        ({"sigma": {"z": "x"}}, "data.sigma: 'z' is no observable"),
        ({"censored": "flag"}, "no column 'flag' for data.censored"),
        ({"observable": "kind"}, "no column 'kind' for the observables"),
        ({"limits": {"z": Limits(1)}}, "data.limit: 'z' is no observable"),
        ({"exclude": [Exclusion(lines=[(9, 9)])]}, "no measurement is excluded by this"),
        ({"exclude": [Exclusion(experiments=["b"])]}, "'b' is no experiment"),
        ({"exclude": [Exclusion(observables=["b"])]}, "'b' is no observable"),
    ],
)
def test_a_name_that_is_not_there(tmp_path: Path, form: dict[str, Any], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        read(tmp_path, "time,x\n0,1\n1,2\n", **form)


def test_doses_and_experiments_under_other_names(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("Subject,Hours,AMT,Where,ADDL\na,0,5,gut,2\n")
    names = {"amount": "amt", "state": "where"}
    with pytest.raises(DataError, match=r"column ADDL: no column that a table of doses has"):
        read_doses(tmp_path / "p.csv", time="hours", experiment="subject", columns=names)
    (tmp_path / "p.csv").write_text("Subject,Hours,AMT,Where\na,0,5,gut\n")
    (row,) = read_doses(tmp_path / "p.csv", time="hours", experiment="subject", columns=names)
    assert (row.experiment, row.dose.time, row.dose.amount, row.dose.state) == ("a", 0, 5, "gut")
    with pytest.raises(DataError, match=r"no column 'RATE' for what data.doses.columns calls rate"):
        read_doses(tmp_path / "p.csv", time="hours", experiment="subject", columns={**names, "rate": "RATE"})
    (tmp_path / "e.csv").write_text("ID,WT (kg)\na,70\n")
    found = read_conditions(tmp_path / "e.csv", experiment="id", columns={"weight": "WT (kg)"})
    assert found.constants == {"weight": {"a": 70.0}}
    with pytest.raises(DataError, match=r"no column 'HT' for height \(data.experiments.columns\)"):
        read_conditions(tmp_path / "e.csv", experiment="id", columns={"height": "HT"})


# ---------------------------------------------------------------------------------------------- limits


def test_flags_say_which_values_are_limits(tmp_path: Path) -> None:
    (one,) = read(tmp_path, "time,x,cens\n0,5,0\n1,2,1\n2,9,-1\n3,4,\n", censored="CENS")
    assert one.censored is not None
    assert (one.values[:, 0].tolist(), one.censored[:, 0].tolist()) == ([5, 2, 9, 4], [0, -1, 1, 0])
    text = "time,observable,value,cens\n0,x,5,no\n1,x,2,yes\n0,y,3,left\n"
    (one,) = read(tmp_path, text, observables=("x", "y"), censored="cens")
    assert one.censored is not None
    assert one.censored.tolist() == [[0, -1], [-1, 0]]
    with pytest.raises(DataError, match=r"d.csv:3, column cens: 'maybe' is no flag"):
        read(tmp_path, "time,x,cens\n0,5,0\n1,2,maybe\n", censored="cens")


def test_a_limit_of_detection(tmp_path: Path) -> None:
    text = "time,x,y\n0,5,1\n1,1.9,1\n2,2,1\n3,BLQ,1\n4,nd,1\n5,150,1\n6,,1\n7,<3,0.5\n"
    told: list[str] = []
    (one,) = read(tmp_path, text, observables=("x", "y"), limits={"x": Limits(2, 100)}, notes=told)
    assert one.censored is not None
    np.testing.assert_array_equal(one.values[:, 0], [5, 2, 2, 2, 2, 100, np.nan, 3])
    assert one.censored[:, 0].tolist() == [0, -1, 0, -1, -1, 1, 0, -1]
    assert one.values[:, 1].tolist() == [1] * 7 + [0.5]
    assert told == [f"{tmp_path}/d.csv: x: 3 values below 2 and 1 value above 100, read as limits (data.limit)"]


def test_a_limit_in_a_long_file_is_that_of_its_observable(tmp_path: Path) -> None:
    text = "time,observable,value\n0,x,1\n0,y,1\n1,x,BLQ\n1,y,4\n"
    (one,) = read(tmp_path, text, observables=("x", "y"), limits={"x": Limits(2)})
    assert one.censored is not None
    assert (one.values.tolist(), one.censored.tolist()) == ([[2, 1], [2, 4]], [[-1, 0], [-1, 0]])


def test_a_word_for_a_limit_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"d.csv:3, column x: says that the value lies below a limit.*data.limit"):
        read(tmp_path, "time,x\n0,5\n1,BLQ\n")
    (one,) = read(tmp_path, "time,x\n0,5\n1,ND\n", missing=MissingCells.of(["nd"]))
    np.testing.assert_array_equal(one.values[:, 0], [5, np.nan])


def test_words_and_numbers_that_mean_not_measured(tmp_path: Path) -> None:
    missing = MissingCells.of(["?????", ".", "-999"])
    (one,) = read(tmp_path, "time,x\n0,5\n1,?????\n2,-999.0\n3,.\n4,-9\n", missing=missing)
    np.testing.assert_array_equal(one.values[:, 0], [5, np.nan, np.nan, np.nan, -9])
    (one,) = read(tmp_path, "time,x\n0,5\n1,-999\n", missing=missing)
    np.testing.assert_array_equal(one.values[:, 0], [5, np.nan])
    with pytest.raises(DataError, match=r"d.csv:3, column time: the time is missing"):
        read(tmp_path, "time,x\n0,5\n-999,1\n", missing=missing)
    frame = pd.DataFrame({"time": [0, 1, 2], "x": [5.0, -999, 3]})
    (one,) = read_table(frame, observables=["x"], form=TableForm(missing=missing))
    np.testing.assert_array_equal(one.values[:, 0], [5, np.nan, 3])


# ---------------------------------------------------------------------------------------------- left out


@pytest.mark.parametrize(
    "exclusion, left",
    [
        (Exclusion(lines=[(3, 4)]), [("a", [0], [[1, 5]]), ("b", [0, 1], [[4, 8], [5, 9]])]),
        (Exclusion(times=[1]), [("a", [0, 2], [[1, 5], [3, 7]]), ("b", [0], [[4, 8]])]),
        (Exclusion(experiments=["a"]), [("b", [0, 1], [[4, 8], [5, 9]])]),
        (Exclusion(after=1), [("a", [0, 1], [[1, 5], [2, 6]]), ("b", [0, 1], [[4, 8], [5, 9]])]),
        (Exclusion(before=1, experiments=["b"]), [("a", [0, 1, 2], [[1, 5], [2, 6], [3, 7]]), ("b", [1], [[5, 9]])]),
    ],
)
def test_rows_that_are_excluded(tmp_path: Path, exclusion: Exclusion, left: list[Any]) -> None:
    text = "experiment,time,x,y\na,0,1,5\na,1,2,6\na,2,3,7\nb,0,4,8\nb,1,5,9\n"
    found = read(tmp_path, text, observables=("x", "y"), exclude=[exclusion])
    assert [(e.name, e.times.tolist(), e.values.tolist()) for e in found] == left


def test_an_observable_that_is_excluded_leaves_the_others(tmp_path: Path) -> None:
    exclude = [Exclusion(times=[1], observables=["x"])]
    (one,) = read(tmp_path, "time,x,y\n0,1,5\n1,2,6\n", observables=("x", "y"), exclude=exclude)
    np.testing.assert_array_equal(one.values, [[1, 5], [np.nan, 6]])
    text = "time,observable,value\n0,x,1\n0,y,5\n1,x,2\n1,y,6\n"
    (one,) = read(tmp_path, text, observables=("x", "y"), exclude=exclude)
    np.testing.assert_array_equal(one.values, [[1, 5], [np.nan, 6]])


def test_what_is_excluded_is_kept_with_its_reason(tmp_path: Path) -> None:
    text = "time,x\n" + "".join(f"{t},{2 * 0.6**t + 0.01 * (-1) ** t}\n" for t in range(6)) + "6,90\n"
    exclude = [{"rows": [8], "reason": "pipette dropped"}]
    run = odefit.fit(config(tmp_path, text, exclude=exclude), out=tmp_path / "run")
    said = "excluded by data.exclude: 1 measurement, x at 6 of 1 (line 8): pipette dropped"
    assert said in run.result.notes
    assert said in odefit.load_run(tmp_path / "run").result.notes
    table = pd.read_csv(tmp_path / "run" / "excluded.csv")
    assert table.to_dict("records") == [
        {"line": 8, "experiment": 1, "time": 6.0, "observable": "x", "value": 90.0, "reason": "pipette dropped"}
    ]
    assert "90" not in (tmp_path / "run" / "data.csv").read_text()


def test_rows_that_are_no_lines(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'first' is no line"):
        odefit.check(config(tmp_path, "time,x\n0,1\n1,2\n2,1\n", exclude=[{"rows": ["first"]}]))
    with pytest.raises(ConfigError, match="name what is left out"):
        odefit.check(config(tmp_path, "time,x\n0,1\n1,2\n2,1\n", exclude=[{"reason": "why not"}]))


# ---------------------------------------------------------------------------------------------- not used


def test_every_column_that_nothing_reads_is_named(tmp_path: Path) -> None:
    text = "time,x,x_sd,EVID,CENS,AMT,ID,weather,remark\n0,2,.1,0,0,0,1,wet,a\n1,1.3,.1,0,0,0,1,dry,b\n"
    text += "2,0.7,.1,0,0,0,1,,\n"
    told = notes(odefit.check(config(tmp_path, text)))
    assert [note.partition(" is named")[0] for note in told[:5]] == [
        f"column '{name}'" for name in ("x_sd", "EVID", "CENS", "AMT", "ID")
    ]
    assert all("NOT used" in note and "`data.unused:" in note for note in told[:5])
    assert told[5:] == ["weather, remark are not used"]
    quiet = odefit.check(config(tmp_path, text, unused=["x_sd", "EVID", "CENS", "AMT", "ID", "weather", "remark"]))
    assert notes(quiet) == []


def test_sigmas_that_no_noise_uses_are_named(tmp_path: Path) -> None:
    text = "time,x,x_sigma\n0,2,.1\n1,1.3,.1\n2,0.7,.1\n"
    (told,) = notes(odefit.check(config(tmp_path, text)))
    assert told.startswith(
        "column 'x_sigma' holds standard deviations of x, and is NOT used; `noise: {x: {sigma: column}}`"
    )
    used = config(tmp_path, text) | {"noise": {"x": {"sigma": "column"}}}
    assert notes(odefit.check(used)) == []


def test_columns_that_inputs_and_formulas_read_are_used(tmp_path: Path) -> None:
    text = "time,x,u,scale\n0,2,1,1\n1,1.3,1,1\n2,0.7,1,1\n"
    path = str(tmp_path / "d.csv")
    model = {"equations": {"x": "-k*x + u"}, "observables": {"x": "scale*x"}}
    (tmp_path / "d.csv").write_text(text)
    data = {"csv": path, "inputs": {"u": {"csv": path}}}
    assert notes(odefit.check({"model": model, "parameters": {"k": 0.5, "x_0": 2}, "data": data})) == []
