"""Doses: tables of them, in CSV and YAML, repeated ones, and who gets them."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import odefit
from odefit.data.dose_table import read_doses, written_spreads
from odefit.data.doses import DoseRow, apply_doses, doses_from_list, write_doses
from odefit.data.experiments import Dose, Experiment
from odefit.errors import DataError
from told_faults import told

STATES = ("gut", "blood")


def read(folder: Path, content: str | bytes, **how: Any) -> list[DoseRow]:
    file = folder / "d.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_doses(file, **how)


def faults(folder: Path, content: str | bytes, **how: Any) -> list[str]:
    return told(folder, lambda: read(folder, content, **how))


def where(*keys: str | int) -> str:
    return ".".join(["c.yaml", *map(str, keys)])


def series(name: str, *times: float, start: float = 0.0) -> Experiment:
    return Experiment(name, np.array(times or (10.0,)), np.zeros((len(times) or 1, 1)), start)


# ---------------------------------------------------------------------------------------------- reading


FULL = (
    "experiment,time,state,amount,duration,every,count\n"
    "A,0,gut,320,,,\n"
    "B, 1 ,blood,-5e1,0.5,,1\n"
    ",2,gut,10,0,12,3\n"
)  # fmt: skip


def test_a_full_table(tmp_path: Path) -> None:
    found = read(tmp_path, FULL)
    assert found == [
        DoseRow("A", Dose(0.0, "gut", 320.0, 0.0)),
        DoseRow("B", Dose(1.0, "blood", -50.0, 0.5)),
        *(DoseRow(None, Dose(time, "gut", 10.0, 0.0)) for time in (2.0, 14.0, 26.0)),
    ]
    assert [row.where.rpartition(os.sep)[2] for row in found] == ["d.csv:2", "d.csv:3", *["d.csv:4"] * 3]


def test_yaml_says_the_same(tmp_path: Path) -> None:
    items: list[dict[str, Any]] = [
        {"experiment": "A", "time": 0, "state": "gut", "amount": 320},
        {"experiment": " B", "time": 1, "state": "blood", "amount": -50.0, "duration": 0.5, "count": 1},
        {"time": 2.0, "state": "gut", "amount": 10, "every": 12, "count": 3, "duration": None, "experiment": None},
    ]
    found = doses_from_list(items, where)
    assert found == read(tmp_path, FULL)
    assert [row.where for row in found] == ["c.yaml.0", "c.yaml.1", *["c.yaml.2"] * 3]
    assert all(type(row.dose.time) is float and type(row.dose.amount) is float for row in found)


def test_the_fewest_columns_and_a_default_state(tmp_path: Path) -> None:
    assert read(tmp_path, "t,amount\n0,1\n", default_state="gut") == [DoseRow(None, Dose(0.0, "gut", 1.0))]
    found = read(tmp_path, "time,state,amount\n0,,1\n1,blood,2\n", default_state="gut")
    assert [row.dose.state for row in found] == ["gut", "blood"]


def test_other_names_of_columns_and_other_columns(tmp_path: Path) -> None:
    text = "Subject;Time;amount;state;comment;Notes\n1;0;2;gut;first; \n"
    assert read(tmp_path, text, time="Time", experiment="Subject") == [DoseRow("1", Dose(0.0, "gut", 2.0))]


def test_a_rate_is_an_amount_over_a_duration(tmp_path: Path) -> None:
    found = read(tmp_path, "time,amount,state,rate,duration\n0,10,gut,4,\n1,-10,gut,4,0\n2,3,gut,0,2\n3,3,gut,,\n")
    assert [row.dose.duration for row in found] == [2.5, 2.5, 2.0, 0.0]
    assert doses_from_list([{"time": 0, "state": "gut", "amount": 10, "rate": 4}], where)[0].dose.duration == 2.5


def test_unknown_names_of_a_list_are_told_with_its_other_faults(tmp_path: Path) -> None:
    items: list[dict[str, Any]] = [
        {"time": "soon", "state": "gutt", "amount": 1},
        {"time": 0, "state": "gut", "amount": 1, "experiment": "Bb"},
    ]
    assert told(tmp_path, lambda: doses_from_list(items, where, states=["gut"], experiments=["B"])) == [
        "c.yaml.0: 'gutt' is no state; did you mean 'gut'?",
        "c.yaml.0.time: must be a finite number (got 'soon')",
        "c.yaml.1: 'Bb' is no experiment of the data; did you mean 'B'?",
    ]


def test_a_table_of_some_experiments_may_name_the_others() -> None:
    rows = doses_from_list([{"time": 0, "state": "gut", "amount": 1, "experiment": name} for name in "AB"], where)
    (found,) = apply_doses([series("B")], rows, STATES, others=["A"])
    assert len(found.doses) == 1
    with pytest.raises(DataError, match=r"c\.yaml\.0: 'A' is no experiment of the data"):
        apply_doses([series("B")], rows, STATES, others=["C"])


def test_repeated_doses_do_not_drift() -> None:
    rows = doses_from_list([{"time": 0.1, "state": "gut", "amount": 1, "every": 0.1, "count": 1000}], where)
    assert [row.dose.time for row in rows] == [0.1 + i * 0.1 for i in range(1000)]


# ---------------------------------------------------------------------------------------------- faults


def test_all_faults_of_a_file_at_once_in_its_order(tmp_path: Path) -> None:
    text = "experiment,time,state,amount,duration,every,count\n"
    text += "A,0,gut,0,-1,,\nA,,gut,1,,,\nA,0,gut,,,,\nA,0,,1,,,\nA,0,gut,inf,,,\n"
    text += "A,0,gut,1,,0,2\nA,0,gut,1,,6,\nA,0,gut,1,,,2\nA,0,gut,1,,6,2.5\nA,0,gut,1,,6,0\nA,<1,gut,ten,,x,2\n"
    text += "A,0,gut,1,,1e308,5\nA,1e308,gut,1,1e308,,\n"
    pairless = "a dose that is given several times needs `every`: the time from one to the next"
    assert faults(tmp_path, text) == [
        "d.csv:2, column amount: the amount is 0, which is no dose; write another, or remove the row",
        "d.csv:2, column duration: the duration is -1.0; it must not be negative (0: all at once)",
        "d.csv:3, column time: the time is missing; write a number, or remove the row",
        "d.csv:4, column amount: the amount is missing; write a number, or remove the row",
        "d.csv:5, column state: no state is named; write where the dose goes, or a default (data.doses.state)",
        "d.csv:6, column amount: 'inf' is infinite; write a number",
        "d.csv:7, column every: the interval is 0.0; it must be positive",
        "d.csv:8, column count: a dose with `every` needs `count`: how many times it is given in all",
        f"d.csv:9, column every: {pairless}",
        "d.csv:10, column count: the count is 2.5; write a whole number, 1 or more",
        "d.csv:11, column count: the count is 0; write a whole number, 1 or more",
        "d.csv:12, column time: '<1' is a limit, which only a measured value can be; write a number",
        "d.csv:12, column amount: 'ten' is not a number; write a number",
        "d.csv:12, column every: 'x' is not a number; write a number or leave the cell empty",
        "d.csv:13, column time: the last dose ends at no finite time; write smaller numbers",
        "d.csv:14, column time: the last dose ends at no finite time; write smaller numbers",
    ]


@pytest.mark.parametrize(
    ("content", "how", "expected"),
    [
        ("time,state,amount\n", {}, ["d.csv: has a header but no data; write one row per dose"]),
        (
            "tome,amout\n0,1\n",
            {},
            [
                "d.csv:1: no column 'time' for the time; did you mean 'tome'?",
                "d.csv:1: no column 'amount' for the amount; did you mean 'amout'?",
                "d.csv:1: no column 'state' for the state that gets it (or set data.doses.state); there is:"
                " tome, amout",
            ],
        ),
        (
            "time,amount,Duraton,counts\n0,1,2,3\n",
            {"default_state": "gut"},
            [
                "d.csv:1, column Duraton: no column that a table of doses has; did you mean 'duration'?",
                "d.csv:1, column counts: no column that a table of doses has; did you mean 'count'?",
            ],
        ),
        (
            "time,amount,state,evid,addl,weight\n0,1,gut,1,0,70\n",
            {},
            [
                "d.csv:1, column evid: no column that a table of doses has; leave only the rows that are doses, and"
                " then this column out",
                "d.csv:1, column addl: no column that a table of doses has; write a column `count`, of the doses in"
                " all: one more than `addl`",
                "d.csv:1, column weight: no column that a table of doses has; there is: time, experiment, amount,"
                " state, duration, rate, every, count",
            ],
        ),
        (
            "time,amount,state,rate,duration\n0,1,gut,-1,\n0,1,gut,2,3\n",
            {},
            [
                "d.csv:2, column rate: the rate is -1.0; it must not be negative (0: all at once)",
                "d.csv:3, column rate: a dose has a rate or a duration; leave one of the two empty",
            ],
        ),
        (
            "time,amount,state,experiment\n0,x,gut,A\n0,1,gutt,Bb\n",
            {"states": ["gut"], "experiments": ["A", "B"]},
            [
                "d.csv:2, column amount: 'x' is not a number; write a number",
                "d.csv:3: 'gutt' is no state; did you mean 'gut'?",
                "d.csv:3: 'Bb' is no experiment of the data; did you mean 'B'?",
            ],
        ),
        (
            "time,amount,state\n0,1,gut\n",
            {"experiment": "subject"},
            ["d.csv:1: no column 'subject' for the experiment; there is: time, amount, state"],
        ),
    ],
)
def test_fault(tmp_path: Path, content: str, how: dict[str, Any], expected: list[str]) -> None:
    assert faults(tmp_path, content, **how) == expected


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^c\.yaml:3  data\.doses: .*none\.csv does not exist"):
        read_doses(tmp_path / "none.csv", where="c.yaml:3  data.doses")


@pytest.mark.parametrize("count", ["100001", "1e300"])
def test_too_many_doses_are_refused_before_they_are_made(tmp_path: Path, count: str) -> None:
    what = "here the table passes 100,000 doses in all, which is the limit; repeat them less often"
    text = f"time,state,amount,every,count\n0,gut,1,,\n1,gut,1,1e-9,{count}\n"
    assert faults(tmp_path, text) == [f"d.csv:3: {what}"]
    items = [{"time": 0, "state": "gut", "amount": 1, "every": 1, "count": 60_000}] * 3
    assert told(tmp_path, lambda: doses_from_list(items, where)) == [f"c.yaml.1: {what}"]
    rows = "".join("0,gut,1\n" for _ in range(100_001))
    assert faults(tmp_path, "time,state,amount\n" + rows)[0] == (
        "d.csv: has more rows than the limit of 100,000; write fewer"
    )


def test_faults_of_yaml_name_the_key(tmp_path: Path) -> None:
    items: list[dict[str, Any]] = [
        {"time": "soon", "state": "gut", "amount": True, "every": math.nan},
        {"state": 3, "amount": 10**400},
        {"time": 0, "amount": 0, "duraton": 2},
    ]
    assert told(tmp_path, lambda: doses_from_list(items, where)) == [
        "c.yaml.0.time: must be a finite number (got 'soon')",
        "c.yaml.0.amount: must be a finite number (got True)",
        "c.yaml.0.every: must be a finite number (got nan)",
        "c.yaml.1.time: the time is missing; write a number",
        f"c.yaml.1.amount: must be a finite number (got 1{'0' * 38}…)",
        "c.yaml.1.state: must be a name (got 3)",
        "c.yaml.2.duraton: unknown key; did you mean 'duration'?",
        "c.yaml.2.state: no state is named; write where the dose goes, or a default (data.doses.state)",
        "c.yaml.2.amount: the amount is 0, which is no dose; write another, or remove the row",
    ]


# ---------------------------------------------------------------------------------------------- applying


def test_who_gets_what_sorted_by_time(tmp_path: Path) -> None:
    text = "experiment,time,state,amount\nA,5,gut,1\nA,0,gut,2\n,3,gut,3\nA#3,1,blood,4\nB,99,gut,5\n"
    data = [series("A"), series("A#2"), series("A#3"), series("B"), series("C"), series("D")]
    found = {e.name: [d.amount for d in e.doses] for e in apply_doses(data, read(tmp_path, text), STATES)}
    # B: a dose after the last measurement does no harm
    assert found == {"A": [2, 3, 1], "A#2": [2, 3, 1], "A#3": [4, 3], "B": [3, 5], "C": [3], "D": [3]}
    assert data[0].doses == ()


def test_no_rows_no_doses() -> None:
    (found,) = apply_doses([series("A")], (), STATES, "c.yaml")
    assert found.doses == ()


def test_a_dose_at_the_start_is_fine() -> None:
    rows = doses_from_list([{"time": -1, "state": "gut", "amount": 1}], where)
    (found,) = apply_doses([series("A", start=-1)], rows, STATES)
    assert found.doses == (Dose(-1.0, "gut", 1.0),)


def test_all_contradictions_with_the_data_and_the_model_at_once(tmp_path: Path) -> None:
    text = "experiment,time,state,amount,every,count\n"
    text += "A,1,Gut,1,1,5\nalpa,1,gut,1,1,5\n,-3,gut,1,1,5\nB,-2,blood,1,,\nA,1,urine,1,,\n"
    data = [series("A"), series("alpha"), series("B", start=-2)]
    assert told(tmp_path, lambda: apply_doses(data, read(tmp_path, text), STATES, "c.yaml")) == [
        "d.csv:2: 'Gut' is no state; did you mean 'gut'?",
        "d.csv:6: 'urine' is no state; there is: gut, blood",
        "d.csv:3: 'alpa' is no experiment of the data; did you mean 'alpha'?",
        "d.csv:4: the dose at t = -3.0 comes before experiment A starts (t = 0.0); move one of the two, or set "
        "data.start",
    ]


def test_a_choice_of_the_experiments_leaves_the_other_rows_alone(tmp_path: Path) -> None:
    rows = read(tmp_path, "experiment,time,state,amount\nA,0,gut,1\nB,0,gut,2\n")
    (found,) = apply_doses([series("B")], rows, STATES, partial=True)
    assert [dose.amount for dose in found.doses] == [2]


# ---------------------------------------------------------------------------------------------- writing


finite = st.floats(allow_nan=False, allow_infinity=False, width=64).map(lambda x: x / 4)
a_dose = st.builds(
    Dose,
    time=finite,
    state=st.sampled_from(STATES),
    amount=finite.filter(lambda x: x != 0),
    duration=finite.map(abs),
)
some_doses = st.lists(a_dose, max_size=4).map(lambda doses: tuple(sorted(doses, key=lambda dose: dose.time)))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(a=some_doses.filter(bool), b=some_doses, c=some_doses.filter(bool))
def test_reading_undoes_writing(tmp_path: Path, a: tuple[Dose, ...], b: tuple[Dose, ...], c: tuple[Dose, ...]) -> None:
    names = {"A": a, "B": b, "A#2": a, 'say "c,d"': c, "A#3": c}
    bare = [Experiment(name, np.array([2e308 / 2]), np.zeros((1, 1)), -1.7e308) for name in names]
    put = [Experiment(e.name, e.times, e.values, e.start, doses=names[e.name]) for e in bare]
    write_doses(tmp_path / "w.csv", put)
    got = apply_doses(bare, read_doses(tmp_path / "w.csv"), STATES)
    assert {e.name: e.doses for e in got} == names
    content = (tmp_path / "w.csv").read_bytes()
    write_doses(tmp_path / "w.csv", got)
    assert (tmp_path / "w.csv").read_bytes() == content


def test_a_replicate_shares_the_rows_of_its_experiment(tmp_path: Path) -> None:
    dose = (Dose(0.5, "gut", 320.0, 0.25),)
    put = [Experiment(n, np.array([1.0]), np.zeros((1, 1)), 0.0, doses=dose) for n in ("A", "A#2")]
    write_doses(tmp_path / "w.csv", put)
    assert (tmp_path / "w.csv").read_text() == "experiment,time,state,amount,duration\nA,0.5,gut,320.0,0.25\n"


CELLS = st.sampled_from(["A", "gut", "1", "2.5", "-1", "0", "inf", "1e308", "", "NA", '"', "3,5", "\n", "<1", "1e6"])
LINES = st.lists(st.lists(CELLS, min_size=1, max_size=6).map(",".join), max_size=8).map("\n".join)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.sampled_from([b"", b"time,state,amount\n", b"experiment,time,amount,duration,every,count\n"]),
    body=st.one_of(st.binary(max_size=200), LINES.map(str.encode)),
)
def test_no_bytes_draw_anything_but_doses_or_a_data_error(tmp_path: Path, header: bytes, body: bytes) -> None:
    try:
        found = read(tmp_path, header + body, default_state="gut")
    except DataError as error:
        assert 1 <= len(error.faults) <= 21
        assert all(fault.what and "\n" not in str(fault) for fault in error.faults)
        return
    assert 0 < len(found) <= 100_000
    for row in found:
        assert math.isfinite(row.dose.time + row.dose.duration)
        assert row.dose.amount != 0
        assert row.dose.duration >= 0


def test_a_duration_or_a_rate_may_be_a_formula(tmp_path: Path) -> None:
    """In a file, in a list, in Python; written and read back."""
    (tmp_path / "doses.csv").write_text("time,state,amount,duration,rate\n0,x,5,D1,\n1,x,6,,R + 1\n2,x,7,2,\n")
    wanted = [Dose(0, "x", 5, 0.0, "D1"), Dose(1, "x", 6, 0.0, "", "R + 1"), Dose(2, "x", 7, 2.0)]
    assert [row.dose for row in read_doses(tmp_path / "doses.csv")] == wanted
    items = [
        {"time": 0, "state": "x", "amount": 5, "duration": "D1"},
        {"time": 1, "state": "x", "amount": 6, "rate": "R + 1"},
        {"time": 2, "state": "x", "amount": 7, "duration": 2},
    ]
    assert [row.dose for row in doses_from_list(items, lambda *_: "c.yaml")] == wanted
    one = Experiment("a", np.array([0.0, 3]), np.array([[1.0], [2]]), 0.0, doses=tuple(wanted))
    write_doses(tmp_path / "again.csv", [one])
    assert [row.dose for row in read_doses(tmp_path / "again.csv")] == wanted
    assert written_spreads(tmp_path / "again.csv") == {
        ("duration", "D1"): f"{tmp_path / 'again.csv'}:2, column duration",
        ("rate", "R + 1"): f"{tmp_path / 'again.csv'}:3, column rate",
    }


def test_a_fit_finds_the_duration_of_an_infusion(tmp_path: Path) -> None:
    """The end of an infusion of a closed form, from a config without NONMEM; the run folder says it again."""
    k, D = 0.4, 3.2
    t = np.array([0.5, 1, 2, 3, 4, 5, 6.5, 8, 10])
    ramp = lambda s: (1 - np.exp(-k * np.clip(s, 0, None))) / k  # noqa: E731
    frame = pd.DataFrame({"time": t, "x": 100 / D * (ramp(t) - ramp(t - D))})
    config = {
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": 0}},
        "parameters": {"k": {"value": 0.3, "bounds": [0.1, 1]}, "D": {"value": 2.4, "bounds": [1, 5]}},
        "data": {
            "csv": str(tmp_path / "d.csv"),
            "start": 0,
            "doses": [{"time": 0, "state": "x", "amount": 100, "duration": "D"}],
        },
    }
    frame.to_csv(tmp_path / "d.csv", index=False)
    run = odefit.fit(config, out=tmp_path / "run")
    assert run.parameters.loc["D", "value"] == pytest.approx(D, rel=1e-6)
    assert odefit.load_run(tmp_path / "run").measured[0].doses[0].spread == ("duration", "D")
