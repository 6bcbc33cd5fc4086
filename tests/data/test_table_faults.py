"""What is refused, and how it is told: file, line, column, the cell, and what to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odefit.data.experiments import Experiment
from odefit.data.tables import read_table
from odefit.errors import DataError, Fault

XY = ("x", "y")
NOT_A_NUMBER = "is not a number; write a number or leave the cell empty"


def read(folder: Path, content: str | bytes, **how: Any) -> list[Experiment]:
    file = folder / "d.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    how.setdefault("observables", XY)
    return read_table(file, **how)


WHICH = "d.csv:2, column x: '1,234' is 1234 or 1.234: write one of these in the whole file"


def faults(folder: Path, content: str | bytes, **how: Any) -> list[str]:
    """The faults that a file draws, without the folder's name."""
    with pytest.raises(DataError) as caught:
        read(folder, content, **how)
    assert caught.value.exit_code == 2
    lines = [str(fault) for fault in caught.value.faults]
    assert all("\n" not in line for line in lines)
    return [line.replace(f"{folder}{os.sep}", "") for line in lines]


def test_all_faults_of_a_file_at_once_in_its_order(tmp_path: Path) -> None:
    text = "time,x,y\n0,1,2\n1,abc,\n2,inf,1e999\n,3,3\nten,1,1\n3,1\n3,1,2,3\n"
    assert faults(tmp_path, text) == [
        f"d.csv:3, column x: 'abc' {NOT_A_NUMBER}; `data.missing: ['abc']` takes it for no value",
        "d.csv:4, column x: 'inf' is infinite; write a number or leave the cell empty",
        "d.csv:4, column y: '1e999' is infinite; write a number or leave the cell empty",
        "d.csv:5, column time: the time is missing; write a number, or remove the row",
        "d.csv:6, column time: 'ten' is not a number; write a number",
        "d.csv:7: this row has 2 cells, the header has 3; write one cell per column",
        "d.csv:8: this row has 4 cells, the header has 3; write one cell per column, and decimals with a"
        " point (3.5, not 3,5)",
    ]


def test_a_limit_is_a_number_after_a_sign_and_only_a_measurement_can_be_one(tmp_path: Path) -> None:
    text = "time,x,y,x_sigma\n<0,1,2,1\n1,<,2,1\n2,<abc,2,1\n3,1,<nan,1\n4,<0,5,1\n"
    text += "5,<-inf,> 1_0,1\n6,1,2,<0.1\n7,=<1,<<1,1\n8,1<,2,<\n"
    no_limit = "names no limit; write a number after the sign (<0.5), or leave the cell empty"
    assert faults(tmp_path, text) == [
        "d.csv:2, column time: '<0' is a limit, which only a measured value can be; write a number",
        f"d.csv:3, column x: '<' {no_limit}",
        f"d.csv:4, column x: '<abc' {no_limit}",
        f"d.csv:5, column y: '<nan' {no_limit}",
        "d.csv:7, column x: '<-inf' is infinite; write a number or leave the cell empty",
        f"d.csv:7, column y: '> 1_0' {no_limit}",
        "d.csv:8, column x_sigma: '<0.1' is a limit, which only a measured value can be; write a number or"
        " leave the cell empty",
        f"d.csv:9, column x: '=<1' {NOT_A_NUMBER}",
        f"d.csv:9, column y: '<<1' {no_limit}",
        f"d.csv:10, column x: '1<' {NOT_A_NUMBER}",
        f"d.csv:10, column x_sigma: '<' {NOT_A_NUMBER}",
    ]
    commas = "time\tobservable\tvalue\n0\tx\t<0,5\n<0,5\ty\t>= 1,5e3\n"
    assert faults(tmp_path, commas) == [
        "d.csv:3, column time: '<0,5' is a limit, which only a measured value can be; write a number",
    ]


def test_a_censored_measurement_needs_its_sigma_as_any_other(tmp_path: Path) -> None:
    assert faults(tmp_path, "time,x,y,x_sigma\n0,1,2,0.1\n1,<2,3,\n") == [
        "d.csv:3, column x_sigma: sigma is missing for a measured value; give all or none"
    ]


def test_twenty_faults_are_told_and_the_others_counted(tmp_path: Path) -> None:
    names = [f"x{i}" for i in range(30)]
    told = faults(tmp_path, f"time,{','.join(names)}\n0{',?' * 30}\n1{',?' * 30}\n", observables=names)
    assert len(told) == 21
    why = f"'?' {NOT_A_NUMBER}; `data.missing: ['?']` takes it for no value"
    assert sorted(told[:2]) == [f"d.csv:2, column {name}: {why}" for name in ("x0", "x1")]
    assert told[-1] == "d.csv: and 40 more"


def test_faults_of_one_kind_in_one_column_are_one_fault(tmp_path: Path) -> None:
    rows = "".join(f"{i},{'3 %' if i else 'inf'},{i},{'2024-03-01' if i < 3 else i}\n" for i in range(50))
    date = "'2024-03-01' is a date; write a number, such as the days since the first one"
    assert faults(tmp_path, f"when,x,y,time\n{rows}" + "1,2\n" * 4) == [
        f"d.csv:2, column time: {date}",
        "d.csv:2, column x: 'inf' is infinite; write a number or leave the cell empty",
        f"d.csv:3, column time: {date}",
        "d.csv:3, column x: '3 %' is not a number; write 3, without a unit (likewise 48 more cells of this column)",
        f"d.csv:4, column time: {date}",
        "d.csv:52: this row has 2 cells, the header has 4; write one cell per column (likewise 3 more rows)",
    ]


def test_a_state_that_was_not_measured(tmp_path: Path) -> None:
    told = "if only x is measured, write `observables: {x: x}` under model"
    one = faults(tmp_path, "time,x\n0,1\n", chosen=False)
    assert one == [f"d.csv:1: no column 'y' for the state; there is: time, x (data.columns renames); {told}"]
    (two,) = faults(tmp_path, "time,x\n0,1\n", chosen=False, observables=["y", "x", "z"])
    assert two == f"d.csv:1: no column 'y', 'z' for the states; there is: time, x (data.columns renames); {told}"
    both = faults(tmp_path, "time,a\n0,1\n", chosen=False)
    assert len(both) == 2
    assert both[0].endswith("(data.columns renames; model.observables names what was measured)")


@pytest.mark.parametrize(
    ("content", "how", "told"),
    [
        (b"", {}, "d.csv: is empty; its first line must name the columns"),
        (b"\n \n", {}, "d.csv: is empty; its first line must name the columns"),
        (b"time,x,y\n", {}, "d.csv: has a header but no data; write one row per time"),
        (
            b"0,1,2\n",
            {},
            "d.csv:1: this line holds numbers; the first line must name the columns, or `data.header: [time, …]`",
        ),
        (
            b"a,0,1,2\n",
            {},
            "d.csv:1: this line holds numbers; the first line must name the columns, or `data.header: [time, …]`",
        ),
        (b"time,x,y\n0,,\n1,NA,nan\n", {}, "d.csv: has no measurement at all; every value is missing"),
        (
            b"time,x,y\n0,1,\n",
            {},
            "d.csv: the observable y is never measured; leave it out of model.observables",
        ),
        (
            b"experiment,time,x,y\na,0,1,2\nb,0,,\n",
            {},
            "d.csv: experiment b has no measurement; remove it, or choose others (data.only)",
        ),
        (
            "time,x,y\n0,1,2\n".encode("utf-16-le"),
            {},
            "d.csv: looks like UTF-16 text without its mark; `data.encoding: utf-16-le` reads it",
        ),
        (
            b"time,x,y\n0,\xe9,2\n",
            {},
            f"d.csv:2, column x: 'é' {NOT_A_NUMBER}; `data.missing: ['é']` takes it for no value",
        ),
        (b"PK\x03\x04rest", {}, "d.csv: is a zip archive or an Excel workbook, and damaged; export the sheet as CSV"),
        (b"time\tx\ty\n0\t1,234\t2\n", {}, WHICH),
        (
            b'time,x,y\n0,"1,234",2\n',
            {},
            "d.csv:2, column x: '1,234' has a comma; write 1.234 or 1234, whichever it means",
        ),
        (
            b"time;x;y\n0;3;2.5\n1;4;2\n2;3,5;2\n",
            {},
            "d.csv:4, column x: '3,5' has a decimal comma, and '2.5' (line 2) a decimal point; write points in the"
            " whole file",
        ),
        (
            b"time;x;y\n0;1.104,8;2\n",
            {},
            "d.csv:2, column x: '1.104,8' has a separator of thousands; write the number without it, and a decimal"
            " point",
        ),
        (
            b"time,x,y\n2024-03-01,1,2\n3,1,2\n",
            {},
            "d.csv:2, column time: '2024-03-01' is a date; write a number, such as the days since the first one",
        ),
        (
            b"time,x,y\n12:30,1,2\n3,1,2\n",
            {},
            "d.csv:2, column time: '12:30' is a time of day; write a number, such as the hours since the first one",
        ),
        (b"time,x,y\n0,30%,2\n", {}, "d.csv:2, column x: '30%' is not a number; write 30, without a unit"),
        (b"time,x,y\n0,1e3 mg/l,2\n", {}, "d.csv:2, column x: '1e3 mg/l' is not a number; write 1e3, without a unit"),
        (
            b"time,x,y\n0,1_000,2\n",
            {},
            f"d.csv:2, column x: '1_000' {NOT_A_NUMBER}",
        ),
        (
            "time,x,y\n0,１,2\n".encode(),
            {},
            f"d.csv:2, column x: '１' {NOT_A_NUMBER}",
        ),
        (
            b'time,x,y\n0,"1,2\n1,2,3\n',
            {},
            "d.csv:2: this line cannot be split into cells (unexpected end of data); is a quote missing?",
        ),
        (
            b'time,x,y\n0,1,2\n1,"1\n",2\n',
            {},
            "d.csv:3: a quoted cell goes on in the next line; is a quote missing?",
        ),
        (
            b"time,x,y\n0,1," + b"9" * 1_000_000 + b"\n",
            {},
            "d.csv:2: this line cannot be split into cells (field larger than field limit (131072));"
            " is a quote missing?",
        ),
        (
            b"x" * 1_500_000,
            {},
            "d.csv:1: this line is longer than 1 MB; the first line must name the columns",
        ),
        (
            b"time,x,y,x\n0,1,2,3\n",
            {},
            "d.csv:1: two columns are called 'x'; give each column a name of its own",
        ),
        (
            b"tme,x,y\n0,1,2\n",
            {},
            "d.csv:1: no column 'time' for the time; did you mean 'tme'? (data.time names the time column)",
        ),
        (
            b"time,xx,y\n0,1,2\n",
            {},
            "d.csv:1: no column 'x' for the observable x; did you mean 'xx'? (data.columns renames;"
            " or leave it out of model.observables)",
        ),
        (
            b"time,x,y\n0,1,2\n",
            {"columns": {"z": "x"}},
            "d.csv: data.columns: 'z' is no observable; there is: x, y",
        ),
        (
            b"time,x,y\n0,1,2\n",
            {"columns": {"y": "x"}},
            "d.csv:1, column x: two roles ask for this column; each needs its own",
        ),
        (
            b"time,x,y\n0,1,2\n",
            {"experiment": "place"},
            "d.csv:1: no column 'place' for the experiment; there is: time, x, y (data.experiment names that column)",
        ),
        (
            b"time,x,y\n0,1,2\n",
            {"only": ["a"]},
            "d.csv:1: no column names the experiments of data.only; set data.experiment",
        ),
        (
            b"experiment,time,x,y\nalpha,0,1,2\n",
            {"only": ["alpa", "alpha"]},
            "d.csv: data.only names the experiment 'alpa'; did you mean 'alpha'?",
        ),
        (
            b"experiment,time,x,y\n,0,1,2\n",
            {},
            "d.csv:2, column experiment: the cell is empty; write a name in every row",
        ),
        (
            b"experiment,time,x,y\na,0,1,2\na\x00b,0,1,2\n",
            {},
            "d.csv: is not text (it holds NUL bytes); save it as CSV in UTF-8",
        ),
        (
            b"experiment,time,x,y\na,0,1,2\na\x1bb,0,1,2\n",
            {},
            r"d.csv:3, column experiment: 'a\x1bb' holds a character that cannot be printed; remove it",
        ),
        (
            b"time,x,y\n0,1,2\n",
            {"start": 0.5},
            "d.csv:2: experiment 1 is measured at 0.0, before data.start 0.5",
        ),
        (
            b"time,x,y,x_sigma\n0,1,2,0.1\n1,2,3,\n",
            {},
            "d.csv:3, column x_sigma: sigma is missing for a measured value; give all or none",
        ),
        (b"time,x,y,x_sigma\n0,1,2,0\n", {}, "d.csv:2, column x_sigma: sigma is 0.0; it must be positive"),
        (
            b"time,observable,value\n0,x,1\n0,y,1\n1,xx,1\n",
            {},
            "d.csv:4, column observable: 'xx' is no observable; did you mean 'x'?"
            " (data.columns renames, data.ignore leaves out)",
        ),
    ],
)
def test_fault(tmp_path: Path, content: bytes, how: dict[str, Any], told: str) -> None:
    assert faults(tmp_path, content, **how) == [told]


def test_no_file(tmp_path: Path) -> None:
    (tmp_path / "lynx_hare.csv").write_text("time,x,y\n0,1,2\n")
    cases = {
        "lynx_har.csv": "does not exist; did you mean 'lynx_hare.csv'?",
        "qqq": "does not exist; there is: lynx_hare.csv",
        "none/x.csv": f"does not exist; nor does the folder {tmp_path / 'none'}",
        "lynx_hare.csv/x.csv": f"does not exist; nor does the folder {tmp_path / 'lynx_hare.csv'}",
        ".": "is a directory; name a CSV file in it",
        "x" * 5000: "cannot be read: file name too long",
    }
    for name, told in cases.items():
        with pytest.raises(DataError) as caught:
            read_table(tmp_path / name, observables=XY)
        assert caught.value.faults[0].what == told
    with pytest.raises(DataError, match=r"cannot be read: .*null"):  # Python's own words, which change
        read_table(tmp_path / "x\0y", observables=XY)
    with pytest.raises(DataError, match=r"^c\.yaml:3  data\.csv: .*lynx_har\.csv does not exist; did"):
        read_table(tmp_path / "lynx_har.csv", observables=XY, where="c.yaml:3  data.csv")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="is not a regular file; copy the data into one"):
        read_table(tmp_path / "pipe", observables=XY)


HEADERS = st.sampled_from(
    [
        b"",
        b"time,x,y\n",
        b"time;x;y\n",
        b"experiment,time,x,y,x_sigma\n",
        b"time,observable,value,sigma\n",
        b"experiment\ttime\tname\tvalue\n",
    ]
)
CELLS = st.sampled_from(
    ["0", "1", "2.5", "-1e9", "1e308", "x", "y", "A", "A#2", "", "NA", '"', '"1"', "3,5", "\n", "\r", "<1", "> 2", "<"],
)
LINES = st.lists(st.lists(CELLS, min_size=1, max_size=5).map(",".join), max_size=12).map("\n".join)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=HEADERS,
    body=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode), LINES.map(str.encode)),
    only=st.sampled_from([None, ["A"]]),
)
def test_no_bytes_draw_anything_but_a_table_or_a_data_error(
    tmp_path: Path, header: bytes, body: bytes, only: list[str] | None
) -> None:
    try:
        found = read(tmp_path, header + body, only=only, ignore=["B"] if only else [])
    except DataError as error:
        told: tuple[Fault, ...] = error.faults
        found = []
    if not found:
        assert 1 <= len(told) <= 21
        assert all(fault.what and "\n" not in str(fault) for fault in told)
    assert len({experiment.name for experiment in found}) == len(found)
    for experiment in found:
        assert np.isfinite(experiment.times).all()
        assert (np.diff(experiment.times) > 0).all()
        assert experiment.start <= experiment.times[0]
        assert experiment.values.shape == (len(experiment.times), 2)
        assert not np.isinf(experiment.values).any()
        assert experiment.n_measured > 0
        if experiment.censored is not None:
            assert experiment.censored.shape == experiment.values.shape
            assert not np.isnan(experiment.values[experiment.censored != 0]).any()
