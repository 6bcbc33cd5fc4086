"""CSV files: what is read, what is refused and how it is told, and that writing and reading are inverse."""

from __future__ import annotations

import math
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odefit.data.experiments import Experiment
from odefit.data.tables import read_table, replicate_of, write_table
from odefit.errors import DataError

XY = ("x", "y")


def read(folder: Path, content: str | bytes, **how: Any) -> list[Experiment]:
    file = folder / "d.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    how.setdefault("observables", XY)
    return read_table(file, **how)


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
    text += "A,x,1,10,.1\nA,x,2,,\nA,x,2,11,.2\nA,x,2,12,.3\nA,x,2,13,.4\nB,x,5,1,.5\nA,y,0,7,.6\nA,y,2,8,.7\n"
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


# ---------------------------------------------------------------------------------------------- the order of rows

LONG = """\
experiment,time,observable,value,sigma
A,0,x,1,.1
A,0,y,2,.2
A,1,x,3,.3
A,1,y,<4,.4
A,1,x,5,.5
A,1,y,6,.6
A,2,x,7,.7
B,0,x,8,.8
B,0,y,9,.9
A,1,x,10,1
"""
WIDE = """\
experiment,time,x,y,x_sigma,y_sigma
A,0,1,2,.1,.2
A,1,3,<4,.3,.4
A,1,5,6,.5,.6
A,2,7,,.7,
B,0,8,9,.8,.9
A,1,10,,1,
"""


def all_of(experiments: list[Experiment]) -> list[Any]:
    columns = [(e.name, e.start, e.times, e.values, e.sigma, e.censored) for e in experiments]
    return [[part.tolist() if isinstance(part, np.ndarray) else part for part in row] for row in columns]


def test_a_value_that_comes_again_is_a_replicate_in_both_layouts(tmp_path: Path) -> None:
    wide, long = list[str](), list[str]()
    found = read(tmp_path, WIDE, notes=wide)
    assert repr(all_of(found)) == repr(all_of(read(tmp_path, LONG, notes=long)))
    assert [e.name for e in found] == ["A", "A#2", "A#3", "B"]
    np.testing.assert_array_equal(found[0].values, [[1, 2], [3, 4], [7, np.nan]])
    np.testing.assert_array_equal(found[1].values, [[5, 6]])
    np.testing.assert_array_equal(found[2].values, [[10, np.nan]])
    assert [e.start for e in found] == [0, 0, 0, 0]
    assert wide == [
        f"{tmp_path / 'd.csv'}:7: time 1.0 after 2.0: the rows were put in the order of time",
        f"{tmp_path / 'd.csv'}: values that come again at the same time are read as replicates: A#2, A#3",
    ]
    assert long[1:] == wide[1:]


@pytest.mark.parametrize("text", [WIDE, LONG])
def test_the_order_of_the_rows_changes_nothing_but_which_replicate_is_the_second(tmp_path: Path, text: str) -> None:
    header, *rows = text.splitlines()

    def cells(experiments: list[Experiment]) -> set[str]:
        """All measurements, with nothing said of the replicate."""
        return {
            repr((replicate_of(e.name), e.start, t, column, values[column], sigma[column], signs[column]))
            for e in experiments
            if e.sigma is not None and e.censored is not None
            for t, values, sigma, signs in zip(e.times, e.values, e.sigma, e.censored, strict=True)
            for column in range(2)
            if not np.isnan(values[column])
        }

    whole = read(tmp_path, text)
    for seed in range(20):
        mixed = np.random.default_rng(seed).permutation(rows).tolist()
        found = read(tmp_path, "\n".join([header, *mixed]))
        assert cells(found) == cells(whole)
        assert sorted(e.name for e in found) == ["A", "A#2", "A#3", "B"]
        assert all((np.diff(e.times) > 0).all() for e in found)


def test_series_one_below_the_other_without_a_name_are_replicates(tmp_path: Path) -> None:
    notes = list[str]()
    found = read(tmp_path, "time,x,y\n" + "0,1,2\n1,3,4\n2,5,6\n" * 3, notes=notes)
    assert plain(found) == [(name, [0, 1, 2], [[1, 2], [3, 4], [5, 6]], 0) for name in ("1", "1#2", "1#3")]
    assert notes == [
        f"{tmp_path / 'd.csv'}: times come again, and no column names the experiments: read as 3 replicates of one"
        " (data.experiment names the column that tells experiments apart)"
    ]


def test_rows_in_order_draw_no_note(tmp_path: Path) -> None:
    notes = list[str]()
    read(tmp_path, "experiment,time,x,y\nb,0,1,2\na,0,3,4\nb,1,5,6\na,0.5,7,8\n", notes=notes)
    read(tmp_path, "time,observable,value\n0,x,1\n1,x,2\n0,y,5\n2,y,6\n", notes=notes)
    assert not notes


def test_decimal_commas_between_semicolons(tmp_path: Path) -> None:
    text = "\ufefftime;x;y;x_sigma;comment\n0;3,069;<0,5;1e-1;see p. 3\n1,5;,5;-1,5e3;,25;a,b\n2;;7;;\n"
    (one,) = read(tmp_path, text)
    assert one.times.tolist() == [0, 1.5, 2]
    np.testing.assert_array_equal(one.values, [[3.069, 0.5], [0.5, -1500], [np.nan, 7]])
    assert one.censored is not None
    assert one.censored.tolist() == [[0, -1], [0, 0], [0, 0]]
    assert one.sigma is not None
    np.testing.assert_array_equal(one.sigma[:, 0], [0.1, 0.25, np.nan])
    rows = "".join(f"{i},5;{i};{i},25\n" for i in range(100_000))  # more than one block
    (one,) = read(tmp_path, "time;x;y\n" + rows)
    np.testing.assert_array_equal(one.times, np.arange(100_000) + 0.5)
    np.testing.assert_array_equal(one.values[:, 1], np.arange(100_000) + 0.25)
    with pytest.raises(DataError, match=r"d.csv:2, column time: '0,5' has a decimal comma, and '3.5' .line 100002. a"):
        read(tmp_path, "time;x;y\n" + rows + "100000,5;3.5;1\n")


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


# ---------------------------------------------------------------------------------------------- censored


def test_censored_cells_wide(tmp_path: Path) -> None:
    text = "experiment,time,x,y\na,0,<0.5,2\na,1, < 0.5 ,>100\na,2,3,> -1e2\nb,0,<=0.25,>= 7\nb,1,≤1,\n"
    a, b = read(tmp_path, text)
    np.testing.assert_array_equal(a.values, [[0.5, 2], [0.5, 100], [3, -100]])
    np.testing.assert_array_equal(b.values, [[0.25, 7], [1, np.nan]])
    assert a.censored is not None
    assert b.censored is not None
    assert a.censored.dtype == np.int8
    np.testing.assert_array_equal(a.censored, [[-1, 0], [-1, 1], [0, 1]])
    np.testing.assert_array_equal(b.censored, [[-1, 1], [-1, 0]])
    assert (a.n_measured, b.n_measured) == (6, 3)


def test_a_file_without_censored_cells_says_so(tmp_path: Path) -> None:
    assert read(tmp_path, "time,x,y\n0,1,\n1,,2\n")[0].censored is None
    (one,) = read(tmp_path, "time,x,y,z\n0,1,2,<3\n")  # a column that nobody asked for
    assert one.censored is None


def test_censored_cells_of_interleaved_experiments_stay_with_their_rows(tmp_path: Path) -> None:
    b, a = read(tmp_path, "experiment,time,x,y\nb,0,1,<2\na,0,3,>4\nb,1,<5,6\na,1,7,8\n")
    assert a.censored is not None
    assert b.censored is not None
    np.testing.assert_array_equal(b.censored, [[0, -1], [-1, 0]])
    np.testing.assert_array_equal(a.censored, [[0, 1], [0, 0]])


def test_censored_cells_long_with_replicates_and_sigma(tmp_path: Path) -> None:
    text = "experiment,observable,time,value,sigma\n"
    text += "A,x,0,<1,.1\nA,x,2,5,.2\nA,x,2,>6,.3\nA,x,2,<0.5,.4\nA,y,1,<2,.5\nA,y,2,,\nB,y,0,3,.6\nB,x,0,4,.7\n"
    found = {e.name: e for e in read(tmp_path, text)}
    assert list(found) == ["A", "A#2", "A#3", "B"]
    np.testing.assert_array_equal(found["A"].values, [[1, np.nan], [np.nan, 2], [5, np.nan]])
    signs = {name: None if e.censored is None else e.censored.tolist() for name, e in found.items()}
    assert signs == {"A": [[-1, 0], [0, -1], [0, 0]], "A#2": [[1, 0]], "A#3": [[-1, 0]], "B": [[0, 0]]}
    assert found["A#3"].sigma is not None
    np.testing.assert_array_equal(found["A#3"].sigma, [[0.4, np.nan]])


def test_censored_cells_are_found_where_most_blocks_of_rows_have_none(tmp_path: Path) -> None:
    rows = [f"{i},{'<' if i in (7, 190_000) else ''}{i % 7}\n" for i in range(200_000)]
    (one,) = read(tmp_path, "time,x\n" + "".join(rows), observables=["x"])
    assert one.censored is not None
    assert np.flatnonzero(one.censored[:, 0]).tolist() == [7, 190_000]
    np.testing.assert_array_equal(one.values[:, 0], np.arange(200_000) % 7)


def test_censored_cells_are_written_with_their_signs(tmp_path: Path) -> None:
    values = np.array([[0.5, np.nan], [1e-300, -3.0]])
    signs = np.array([[-1, 1], [1, 0]], dtype=np.int8)  # of what was not measured, nothing is known
    one = Experiment("1", np.array([0.0, 1.0]), values, 0.0, np.full((2, 2), 0.25), censored=signs)
    write_table(tmp_path / "c.csv", [one], XY)
    assert (tmp_path / "c.csv").read_text().splitlines() == [
        "time,x,y,x_sigma,y_sigma",
        "0.0,<0.5,,0.25,0.25",
        "1.0,>1e-300,-3.0,0.25,0.25",
    ]
    (back,) = read_table(tmp_path / "c.csv", observables=XY)
    assert back.censored is not None
    np.testing.assert_array_equal(back.censored, [[-1, 0], [1, 0]])
    np.testing.assert_array_equal(back.values, values)


def test_only_and_ignore(tmp_path: Path) -> None:
    text = "experiment,time,observable,value\nA,0,x,1\nA,0,y,2\nA,1,z,3\nB,0,w,what\nA#2,0,x,4\n"
    found = read(tmp_path, text, only=["A"], ignore=["z"])
    assert [(e.name, e.n_measured) for e in found] == [("A", 2), ("A#2", 1)]


# ---------------------------------------------------------------------------------------------- size


@pytest.mark.parametrize("layout", ["wide", "long", "censored"])
def test_memory_stays_near_the_size_of_the_file(tmp_path: Path, layout: str) -> None:
    """Lists of strings would take 15 times the file; the limit is 10. (A million rows: 2 s, 3 times.)"""
    file = tmp_path / "big.csv"
    with open(file, "w") as stream:
        if layout == "censored":
            stream.write("time,x,y\n")
            stream.writelines(f"{i},{'<' * (i % 3 == 0)}{i % 7},\n" for i in range(100_000))
        elif layout == "wide":
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
    code = "import sys, odefit.data.tables, odefit.data.experiment_table, odefit.data.doses, odefit.data.inputs"
    code += "; print([m for m in ('torch', 'pandas', 'scipy', 'sympy') if m in sys.modules])"
    root = Path(__file__).parents[2]
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
moment = st.floats(-1e300, 1e300)  # the span of an experiment must be a number too
label = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8).filter(lambda s: "#" not in s)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Experiment], list[str]]:
    observables = draw(
        st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), min_size=1, max_size=3, unique=True)
    )
    names = draw(st.one_of(st.just(["1"]), st.lists(label, min_size=1, max_size=3, unique=True)))
    with_sigma, with_signs = draw(st.booleans()), draw(st.booleans())
    experiments = []
    for name in names:
        times = np.array(sorted(draw(st.sets(moment, min_size=1, max_size=5))))
        shape = (len(times), len(observables))
        values = np.array(draw(st.lists(finite, min_size=math.prod(shape), max_size=math.prod(shape)))).reshape(shape)
        missing = np.array(draw(st.lists(st.booleans(), min_size=values.size, max_size=values.size))).reshape(shape)
        missing[0] = False  # something is measured in every experiment, of every observable
        sigma = np.where(missing, np.nan, np.abs(values) / 3 + 1e-3) if with_sigma else None
        signs = np.array(draw(st.lists(st.sampled_from([0, 0, -1, 1]), min_size=values.size, max_size=values.size)))
        censored = np.where(missing, 0, signs.reshape(shape)).astype(np.int8) if with_signs else None
        values = np.where(missing, np.nan, values)
        experiments.append(Experiment(name, times, values, float(times[0]), sigma, censored=censored))
    if not any(e.censored is not None and e.censored.any() for e in experiments):
        experiments = [replace(e, censored=None) for e in experiments]
    return experiments, observables


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
        np.testing.assert_array_equal(got.times, put.times)
        assert got.values[~np.isnan(got.values)].tobytes() == put.values[~np.isnan(put.values)].tobytes()
        np.testing.assert_array_equal(got.values, put.values)
        assert (got.sigma is None) == (put.sigma is None)
        if got.sigma is not None and put.sigma is not None:
            np.testing.assert_array_equal(got.sigma, put.sigma)
        assert (got.censored is None) == (put.censored is None)
        if got.censored is not None and put.censored is not None:
            np.testing.assert_array_equal(got.censored, put.censored)
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
def test_names_that_could_not_be_read_back(tmp_path: Path, names: list[str], observables: list[str], told: str) -> None:
    experiments = [Experiment(name, np.array([0.0]), np.array([[1.0]]), 0.0) for name in names]
    with pytest.raises(DataError, match=told):
        write_table(tmp_path / "w.csv", experiments, observables)
    assert not list(tmp_path.iterdir())


def test_an_infinite_number_is_not_written(tmp_path: Path) -> None:
    bad = Experiment("1", np.array([0.0]), np.array([[np.inf]]), 0.0)
    with pytest.raises(DataError, match="experiment 1 holds an infinite number"):
        write_table(tmp_path / "w.csv", [bad], ["x"])
