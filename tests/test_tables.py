"""CSV files: what is read, what is refused and how it is told, and that writing and reading are inverse."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odefit.data.experiments import Experiment
from odefit.data.files import atomic_write
from odefit.data.tables import read_table, replicate_of, write_table
from odefit.errors import DataError

XY = ("x", "y")


def read(folder: Path, content: str | bytes, **how: Any) -> list[Experiment]:
    file = folder / "d.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    how.setdefault("observables", XY)
    return read_table(file, **how)


def faults(folder: Path, content: str | bytes, **how: Any) -> list[str]:
    """The faults that a file draws, without the folder's name."""
    with pytest.raises(DataError) as caught:
        read(folder, content, **how)
    assert caught.value.exit_code == 2
    lines = [str(fault) for fault in caught.value.faults]
    assert all("\n" not in line for line in lines)
    return [line.replace(f"{folder}{os.sep}", "") for line in lines]


def plain(experiments: list[Experiment]) -> list[tuple[Any, ...]]:
    return [(e.name, e.times.tolist(), e.values.tolist(), e.start) for e in experiments]


# ---------------------------------------------------------------------------------------------- reading


def test_wide(tmp_path: Path) -> None:
    (one,) = read(tmp_path, "time,x,y,comment\n0,1,2,ok\n0.5,3,-4e2,\n")
    assert (one.name, one.start, one.sigma) == ("1", 0.0, None)
    np.testing.assert_array_equal(one.times, [0, 0.5])
    np.testing.assert_array_equal(one.values, [[1, 2], [3, -400]])
    assert one.values.dtype == np.float64


def test_wide_with_experiments_that_are_interleaved_and_irregular(tmp_path: Path) -> None:
    found = read(tmp_path, "experiment,t,y,x\nb,5,1,2\na,0,3,4\nb,6,5,6\na,9,7,8\na,9.5,9,10\n")
    assert plain(found) == [
        ("b", [5.0, 6.0], [[2.0, 1.0], [6.0, 5.0]], 5.0),
        ("a", [0.0, 9.0, 9.5], [[4.0, 3.0], [8.0, 7.0], [10.0, 9.0]], 0.0),
    ]


def test_renamed_columns_and_start(tmp_path: Path) -> None:
    text = "year,Hare,Lynx,place\n1900,30,4,bay\n1901,47.2,6.1,bay\n"
    found = read(
        tmp_path,
        text,
        observables=["lynx", "hare"],
        time="year",
        experiment="place",
        columns={"hare": "Hare", "lynx": "Lynx"},
        start=1899.5,
    )
    assert plain(found) == [("bay", [1900.0, 1901.0], [[4.0, 30.0], [6.1, 47.2]], 1899.5)]


@pytest.mark.parametrize("missing", ["", " ", "NA", "NaN", "nan", "na", "-nan"])
def test_missing_cells(tmp_path: Path, missing: str) -> None:
    (one,) = read(tmp_path, f"time,x,y\n0,{missing},2\n1,3,{missing}\n2,{missing},{missing}\n")
    np.testing.assert_array_equal(one.values, [[np.nan, 2], [3, np.nan], [np.nan, np.nan]])
    assert one.n_measured == 2


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbftime,x,y\n0,1,2\n",
        b"time;x;y\n0;1;2\n",
        b"time\tx\ty\n0\t1\t2\n",
        b"time,x,y\r\n0,1,2\r\n",
        b"time,x,y\r0,1,2\r",
        b'"time","x","y"\n"0","1","2"',
        b'time, x, "y"\n0, 1, "2"\n',
        b"\n\ntime,x,y\n\n0,1,2\n,,\n \n",
        b"# pelts; in thousands, by year\ntime,x,y\n0,1,2\n",
        b",time,x,y,,\n7,0,1,2,,\n",
        "time,x,y,Größe;cm\n0,1,2,é\n".encode(),
    ],
)
def test_dialects(tmp_path: Path, content: bytes) -> None:
    assert plain(read(tmp_path, content)) == [("1", [0.0], [[1.0, 2.0]], 0.0)]


def test_long(tmp_path: Path) -> None:
    text = "time,observable,value\n0,x,1\n1,x,2\n3,x,\n0,y,5\n2,y,6\n"
    ((name, times, _, start),) = plain(read(tmp_path, text))
    assert (name, times, start) == ("1", [0.0, 1.0, 2.0, 3.0], 0.0)
    (one,) = read(tmp_path, text, columns={"x": "x"})
    np.testing.assert_array_equal(one.values, [[1, 5], [2, np.nan], [np.nan, 6], [np.nan, np.nan]])


def test_long_replicates_become_experiments_of_their_own(tmp_path: Path) -> None:
    text = "dataset,name,time,value,sigma\n"
    text += (
        "A,x,1,10,.1\nA,x,2,,\nA,x,2,11,.2\nA,x,2,12,.3\nA,x,2,13,.4\nB,x,5,1,.5\nA,y,0,7,.6\nA,y,2,8,.7\n"
    )
    first, second, third, other = read(tmp_path, text, experiment="dataset")
    assert [first.name, second.name, third.name, other.name] == ["A", "A#2", "A#3", "B"]
    np.testing.assert_array_equal(first.values, [[np.nan, 7], [10, np.nan], [11, 8]])
    np.testing.assert_array_equal(second.values, [[12, np.nan]])
    np.testing.assert_array_equal(third.values, [[13, np.nan]])
    assert first.sigma is not None
    assert second.sigma is not None
    np.testing.assert_array_equal(first.sigma, [[np.nan, 0.6], [0.1, np.nan], [0.2, 0.7]])
    np.testing.assert_array_equal(second.sigma, [[0.3, np.nan]])
    assert [e.start for e in (first, second, third, other)] == [0, 0, 0, 5]


def test_replicates_do_not_collide_with_names_in_the_file(tmp_path: Path) -> None:
    text = "experiment,observable,time,value\nA#2,x,0,1\nA,x,0,2\nA,x,0,3\nA#2,x,0,4\n"
    found = read(tmp_path, text, observables=["x"])
    values = {e.name: e.values[0, 0] for e in found}
    assert values == {"A#2": 1, "A#3": 4, "A": 2, "A#4": 3}


def test_replicates_in_a_wide_file_share_the_start(tmp_path: Path) -> None:
    found = read(tmp_path, "experiment,time,x,y\nA,0,1,2\nA,1,1,2\nA#2,1,3,4\n")
    assert [(e.name, e.start) for e in found] == [("A", 0), ("A#2", 0)]


@pytest.mark.parametrize(
    ("name", "base"),
    [("A", "A"), ("A#2", "A"), ("a#b", "a#b"), ("#2", "#2"), ("A#1#3", "A#1"), ("A#²", "A#²")],
)
def test_replicate_of(name: str, base: str) -> None:
    assert replicate_of(name) == base


def test_sigma_columns(tmp_path: Path) -> None:
    (one,) = read(tmp_path, "time,X,y,X_sigma,y_sigma\n0,1,2,0.1,\n1,,3,,\n", columns={"x": "X"})
    assert one.sigma is not None
    np.testing.assert_array_equal(one.sigma, [[0.1, np.nan], [np.nan, np.nan]])


def test_a_column_called_sigma_may_be_an_observable(tmp_path: Path) -> None:
    (one,) = read(tmp_path, "time,x,x_sigma\n0,1,-2\n", observables=["x", "x_sigma"])
    assert one.sigma is None
    np.testing.assert_array_equal(one.values, [[1, -2]])


def test_a_wide_file_may_have_observables_called_name_and_value(tmp_path: Path) -> None:
    found = read(tmp_path, "time,name,value\n0,1,2\n", observables=["name", "value"])
    assert plain(found) == [("1", [0.0], [[1.0, 2.0]], 0.0)]


def test_only_and_ignore(tmp_path: Path) -> None:
    text = "experiment,time,observable,value\nA,0,x,1\nA,0,y,2\nA,1,z,3\nB,0,w,what\nA#2,0,x,4\n"
    found = read(tmp_path, text, only=["A"], ignore=["z"])
    assert [(e.name, e.n_measured) for e in found] == [("A", 2), ("A#2", 1)]


# ---------------------------------------------------------------------------------------------- faults


def test_all_faults_of_a_file_at_once_in_its_order(tmp_path: Path) -> None:
    text = "time,x,y\n0,1,2\n1,abc,\n2,inf,1e999\n,3,3\nten,1,1\n3,1\n3,1,2,3\n2,1,1\n1.5,1,1\n"
    assert faults(tmp_path, text) == [
        "d.csv:3, column x: 'abc' is not a number; write a number or leave the cell empty",
        "d.csv:4, column x: 'inf' is infinite; write a number or leave the cell empty",
        "d.csv:4, column y: '1e999' is infinite; write a number or leave the cell empty",
        "d.csv:5, column time: the time is missing; write a number, or remove the row",
        "d.csv:6, column time: 'ten' is not a number; write a number",
        "d.csv:7: this row has 2 cells, the header has 3; write one cell per column",
        "d.csv:8: this row has 4 cells, the header has 3; write one cell per column, and decimals with a"
        " point (3.5, not 3,5)",
        "d.csv:9, column time: time 2.0 comes again (line 4); name a replicate as an experiment, such as A#2",
        "d.csv:10, column time: time 1.5 after 2.0 (line 9); sort the rows, or name the experiments",
    ]


def test_twenty_faults_are_told_and_the_others_counted(tmp_path: Path) -> None:
    # the faults of the order (found last) stand where the file has them
    told = faults(tmp_path, "time,x,y\n5,1,1\n4,1,1\n" + "".join(f"{i},?,?\n" for i in range(100, 150)))
    assert len(told) == 21
    assert told[0].startswith("d.csv:3, column time: time 4.0 after 5.0")
    assert sorted(told[1:3]) == [
        "d.csv:4, column x: '?' is not a number; write a number or leave the cell empty",
        "d.csv:4, column y: '?' is not a number; write a number or leave the cell empty",
    ]
    assert told[-1] == "d.csv: and 81 more"


@pytest.mark.parametrize(
    ("content", "how", "told"),
    [
        (b"", {}, "d.csv: is empty; its first line must name the columns"),
        (b"\n \n", {}, "d.csv: is empty; its first line must name the columns"),
        (b"time,x,y\n", {}, "d.csv: has a header but no data; write one row per time"),
        (b"0,1,2\n", {}, "d.csv:1: this line holds numbers; the first line must name the columns"),
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
            "time,x,y\n0,1,2\n".encode("utf-16"),
            {},
            "d.csv: is UTF-16 text; save it as UTF-8 (in Excel: 'CSV UTF-8')",
        ),
        (
            "time,x,y\n0,1,2\n".encode("utf-16-le"),
            {},
            "d.csv: is not text (it holds NUL bytes); save it as CSV in UTF-8",
        ),
        (b"time,x,y\n0,\xe9,2\n", {}, "d.csv:2: the byte 0xe9 is not UTF-8 (é in Latin-1); save it as UTF-8"),
        (b"PK\x03\x04rest", {}, "d.csv: is a zip archive or an Excel workbook; export the sheet as CSV"),
        (b"time;x;y\n0;3,5;2\n", {}, "d.csv:2, column x: '3,5' has a decimal comma; write 3.5"),
        (
            b"time,x,y\n0,1_000,2\n",
            {},
            "d.csv:2, column x: '1_000' is not a number; write a number or leave the cell empty",
        ),
        (
            "time,x,y\n0,１,2\n".encode(),
            {},
            "d.csv:2, column x: '１' is not a number; write a number or leave the cell empty",
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
            "d.csv:2: this line cannot be split into cells (field larger than field limit (131072)); is a quote missing?",
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
            b"Time,x,y\n0,1,2\n",
            {},
            "d.csv:1: no column 'time' for the time; did you mean 'Time'? (data.time names the time column)",
        ),
        (
            b"time,X,y\n0,1,2\n",
            {},
            "d.csv:1: no column 'x' for the observable x; did you mean 'X'? (data.columns renames;"
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
        (
            b"time,observable,value\n0,x,1\n2,y,1\n1,y,1\n",
            {},
            "d.csv:4, column time: time 1.0 after 2.0 (line 3) of the same observable; sort the rows, or name"
            " the second series in the experiment column",
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
        "x\0y": "cannot be read: embedded null byte",
        "x" * 5000: "cannot be read: file name too long",
    }
    for name, told in cases.items():
        with pytest.raises(DataError) as caught:
            read_table(tmp_path / name, observables=XY)
        assert caught.value.faults[0].what == told
    with pytest.raises(
        DataError, match=r"^c\.yaml:3  data\.csv: .*lynx_har\.csv does not exist; did you mean"
    ):
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
    ["0", "1", "2.5", "-1e9", "1e308", "x", "y", "A", "A#2", "", "NA", '"', '"1"', "3,5", "\n", "\r"]
)
LINES = st.lists(st.lists(CELLS, min_size=1, max_size=5).map(",".join), max_size=12).map("\n".join)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
        assert 1 <= len(error.faults) <= 21
        assert all(fault.what and "\n" not in str(fault) for fault in error.faults)
        return
    assert found
    assert len({experiment.name for experiment in found}) == len(found)
    for experiment in found:
        assert np.isfinite(experiment.times).all()
        assert (np.diff(experiment.times) > 0).all()
        assert experiment.start <= experiment.times[0]
        assert experiment.values.shape == (len(experiment.times), 2)
        assert not np.isinf(experiment.values).any()
        assert experiment.n_measured > 0


# ---------------------------------------------------------------------------------------------- size


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_memory_stays_near_the_size_of_the_file(tmp_path: Path, layout: str) -> None:
    """Lists of strings would take 15 times the file; the limit is 10. (A million rows: 2 s, 3 times.)"""
    file = tmp_path / "big.csv"
    with open(file, "w") as stream:
        if layout == "wide":
            stream.write("time,x,y\n")
            stream.writelines(f"{i},{i % 7},\n" for i in range(100_000))
        else:
            stream.write("experiment,time,observable,value\n")
            stream.writelines(f"e{i // 1000},{i // 2},{'xy'[i % 2]},{i % 7}\n" for i in range(100_000))
    tracemalloc.start()
    try:
        found = read_table(file, observables=XY if layout == "long" else ["x"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(experiment.n_measured for experiment in found) == 100_000
    assert peak < 10 * file.stat().st_size + 20_000_000  # one block of cells as text


def test_no_heavy_imports() -> None:
    code = (
        "import sys, odefit.data.tables; print([m for m in ('torch', 'pandas', 'scipy') if m in sys.modules])"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------------------------------------- writing


def test_write_is_plain_and_exact(tmp_path: Path) -> None:
    values = np.array([[1.0, np.nan], [0.1 + 0.2, -0.0]])
    one = Experiment("1", np.array([0.0, 1e-17]), values, 0.0)
    write_table(tmp_path / "a.csv", [one], XY)
    assert (tmp_path / "a.csv").read_bytes() == b"time,x,y\n0.0,1.0,\n1e-17,0.30000000000000004,-0.0\n"
    sigma = np.array([[np.nan, np.nan], [np.nan, 0.5]])
    two = Experiment('say "a,b"', one.times, values, 0.0, sigma)
    write_table(tmp_path / "b.csv", [one, two], XY)
    assert (tmp_path / "b.csv").read_text().splitlines() == [
        "time,x,y,y_sigma,experiment",
        "0.0,1.0,,,1",
        "1e-17,0.30000000000000004,-0.0,,1",
        '0.0,1.0,,,"say ""a,b"""',
        '1e-17,0.30000000000000004,-0.0,0.5,"say ""a,b"""',
    ]


finite = st.floats(allow_nan=False, allow_infinity=False)
label = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8).filter(
    lambda s: "#" not in s
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Experiment], list[str]]:
    observables = draw(
        st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), min_size=1, max_size=3, unique=True)
    )
    names = draw(st.one_of(st.just(["1"]), st.lists(label, min_size=1, max_size=3, unique=True)))
    with_sigma = draw(st.booleans())
    experiments = []
    for name in names:
        times = np.array(sorted(draw(st.sets(finite, min_size=1, max_size=5))))
        shape = (len(times), len(observables))
        values = np.array(
            draw(st.lists(finite, min_size=math.prod(shape), max_size=math.prod(shape)))
        ).reshape(shape)
        missing = np.array(draw(st.lists(st.booleans(), min_size=values.size, max_size=values.size))).reshape(
            shape
        )
        missing[0] = False  # something is measured in every experiment, of every observable
        sigma = np.where(missing, np.nan, np.abs(values) / 3 + 1e-3) if with_sigma else None
        experiments.append(Experiment(name, times, np.where(missing, np.nan, values), float(times[0]), sigma))
    return experiments, observables


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables())
def test_reading_undoes_writing(tmp_path: Path, table: tuple[list[Experiment], list[str]]) -> None:
    experiments, observables = table
    reserved = {"time", "experiment", *(f"{name}_sigma" for name in observables)}
    if reserved & set(observables):
        return
    write_table(tmp_path / "w.csv", experiments, observables)
    content = (tmp_path / "w.csv").read_bytes()
    found = read_table(tmp_path / "w.csv", observables=observables)
    assert [e.name for e in found] == [e.name for e in experiments]
    for got, put in zip(found, experiments, strict=True):
        assert got.start == put.start
        assert got.times.tobytes() == (put.times + 0.0).tobytes() or np.array_equal(got.times, put.times)
        assert got.values[~np.isnan(got.values)].tobytes() == put.values[~np.isnan(put.values)].tobytes()
        np.testing.assert_array_equal(got.values, put.values)
        assert (got.sigma is None) == (put.sigma is None)
        if got.sigma is not None and put.sigma is not None:
            np.testing.assert_array_equal(got.sigma, put.sigma)
    write_table(tmp_path / "w.csv", found, observables)
    assert (tmp_path / "w.csv").read_bytes() == content


@pytest.mark.parametrize(
    ("names", "observables", "told"),
    [
        (["a", "a"], ["x"], "two experiments would be called 'a'; rename one"),
        (["a", " b"], ["x"], "the experiment name ' b' cannot be written as CSV; rename it"),
        (["a\nb"], ["x"], "the experiment name"),
        (["1"], ["time"], "two columns would be called 'time'; rename one"),
        (["a"], ["experiment"], "two columns would be called 'experiment'; rename one"),
    ],
)
def test_names_that_could_not_be_read_back(
    tmp_path: Path, names: list[str], observables: list[str], told: str
) -> None:
    experiments = [Experiment(name, np.array([0.0]), np.array([[1.0]]), 0.0) for name in names]
    with pytest.raises(DataError, match=told):
        write_table(tmp_path / "w.csv", experiments, observables)
    assert not list(tmp_path.iterdir())


def test_an_infinite_number_is_not_written(tmp_path: Path) -> None:
    bad = Experiment("1", np.array([0.0]), np.array([[np.inf]]), 0.0)
    with pytest.raises(DataError, match="experiment 1 holds an infinite number"):
        write_table(tmp_path / "w.csv", [bad], ["x"])


def test_atomic_write_replaces_and_keeps_permissions(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    atomic_write(file, "old ä\n")
    assert file.read_bytes() == "old ä\n".encode()
    os.chmod(file, 0o640)
    link = tmp_path / "link"
    link.symlink_to(file)
    atomic_write(link, b"new\r\n")
    assert link.is_symlink()
    assert file.read_bytes() == b"new\r\n"
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "link"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    file = tmp_path / "a.txt"
    atomic_write(file, "old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)):
        atomic_write(file, "new")
    monkeypatch.undo()
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_atomic_write_refuses_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        atomic_write(tmp_path, "x")
    with pytest.raises(FileNotFoundError):
        atomic_write(tmp_path / "none" / "x", "x")
    with pytest.raises(OSError, match="null byte"):
        atomic_write(tmp_path / "a\0b", "x")
    with pytest.raises(OSError, match="not a regular file"):
        atomic_write(os.devnull, "x")
    assert not Path(os.devnull).is_file()
    assert not list(tmp_path.iterdir())
