"""Inputs: points from a CSV, the curves through them, who gets which, and the exact way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.interpolate import CubicSpline

from odefit.data.experiments import Experiment, Input
from odefit.data.inputs import Interpolation, apply_inputs, interpolate, read_input, write_inputs
from odefit.errors import DataError
from told_faults import told

Inputs = dict[str, dict[str | None, Input]]
KINDS: tuple[Interpolation, ...] = ("linear", "previous", "cubic")


def read(folder: Path, content: str | bytes, column: str = "u", **how: Any) -> dict[str | None, Input]:
    file = folder / "u.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    how.setdefault("name", "u")
    return read_input(file, column, **how)


def faults(folder: Path, content: str | bytes, **how: Any) -> list[str]:
    return told(folder, lambda: read(folder, content, **how))


def where(name: str) -> str:
    return f"c.yaml:9  data.inputs.{name}"


def series(name: str, *times: float, start: float = 0.0) -> Experiment:
    return Experiment(name, np.array(times or (10.0,)), np.zeros((len(times) or 1, 1)), start)


def same(a: Input, b: Input) -> bool:
    return a.knots.tobytes() == b.knots.tobytes() and np.array_equal(a.coefficients, b.coefficients)


# ---------------------------------------------------------------------------------------------- curves


POINTS = np.array([0.0, 1.0, 2.5, 3.0, 7.0]), np.array([1.0, -2.0, 4.0, 4.5, 0.1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_curve_meets_its_points_and_stays_after_the_last(kind: Interpolation) -> None:
    u = interpolate(*POINTS, kind)
    np.testing.assert_array_equal(u(POINTS[0]), POINTS[1])
    np.testing.assert_array_equal(u(np.array([7.0, 8.0, 1e9])), [0.1, 0.1, 0.1])
    np.testing.assert_array_equal(u.knots, POINTS[0])
    np.testing.assert_array_equal(u.coefficients[:, 0], POINTS[1])


def test_linear_and_previous_between_the_points() -> None:
    t = np.array([0.25, 0.999, 1.75, 2.75, 5.0])
    np.testing.assert_allclose(interpolate(*POINTS, "linear")(t), np.interp(t, *POINTS), rtol=1e-14)
    np.testing.assert_array_equal(interpolate(*POINTS, "previous")(t), [1, 1, -2, 4, 4.5])


def test_cubic_is_the_not_a_knot_spline_with_two_continuous_derivatives() -> None:
    u = interpolate(*POINTS, "cubic")
    t = np.linspace(0, 7, 101)
    np.testing.assert_allclose(u(t), CubicSpline(*POINTS)(t), rtol=1e-13, atol=1e-13)
    h = np.diff(u.knots)
    c0, c1, c2, c3 = u.coefficients.T
    for k in range(3):  # at the knots 1, 2, 3: value, slope and curvature from the left are those from the right
        s = h[k]
        np.testing.assert_allclose(c0[k] + s * (c1[k] + s * (c2[k] + s * c3[k])), c0[k + 1], rtol=1e-12)
        np.testing.assert_allclose(c1[k] + s * (2 * c2[k] + 3 * s * c3[k]), c1[k + 1], rtol=1e-12)
        np.testing.assert_allclose(2 * c2[k] + 6 * s * c3[k], 2 * c2[k + 1], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose([c3[0], c3[2]], [c3[1], c3[3]], rtol=1e-12)  # not a knot


def test_a_cubic_reproduces_cubics_parabolas_and_lines() -> None:
    for degree, n in ((3, 4), (3, 9), (2, 3), (1, 2)):
        exact = np.polynomial.Polynomial([1.0, -2.0, 0.5, 0.25][: degree + 1])
        t = np.linspace(-1, 2, n) ** 3
        u = interpolate(t, exact(t), "cubic")
        grid = np.linspace(t[0], t[-1], 50)
        np.testing.assert_allclose(u(grid), exact(grid), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("kind", "order"), [("linear", 2), ("previous", 1), ("cubic", 4)])
def test_the_error_shrinks_at_its_order(kind: Interpolation, order: int) -> None:
    def error(n: int) -> float:
        t, grid = np.linspace(0, 2, n), np.linspace(0, 2, 1001)
        return float(np.abs(interpolate(t, np.sin(3 * t), kind)(grid) - np.sin(3 * grid)).max())

    assert np.log2(error(81) / error(161)) == pytest.approx(order, abs=0.25)


JUMP = np.array([0.0, 1.0, 2.0, 2.0, 3.0, 5.0]), np.array([1.0, 3.0, 4.0, -1.0, -2.0, 2.0])


@pytest.mark.parametrize("kind", KINDS)
def test_two_points_at_one_time_are_a_jump(kind: Interpolation) -> None:
    u = interpolate(*JUMP, kind)
    before, after = (interpolate(*(part[own] for part in JUMP), kind) for own in (slice(0, 3), slice(3, 6)))
    early, late = np.linspace(0, 2, 41)[:-1], np.linspace(2, 6, 41)
    np.testing.assert_array_equal(u(early), before(early))
    np.testing.assert_array_equal(u(late), after(late))
    assert u(np.array([2.0])) == -1.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_jump_at_the_first_or_the_last_time(kind: Interpolation) -> None:
    u = interpolate(np.array([0.0, 0.0, 1.0, 1.0]), np.array([5.0, 1.0, 3.0, 9.0]), kind)
    middle = 1.0 if kind == "previous" else 2.0
    np.testing.assert_array_equal(u(np.array([0.0, 0.5, 1.0, 2.0])), [1.0, middle, 9.0, 9.0])


# ---------------------------------------------------------------------------------------------- reading


def test_a_jump_is_read_and_written_and_rows_that_say_the_same_are_one(tmp_path: Path) -> None:
    found = read(tmp_path, "time,u,v\n0,1,0\n0,1,\n2,3,4\n2,3,\n2,-1,\n2,-1,\n5,2,1\n")
    np.testing.assert_array_equal(found[None].knots, [0, 2, 2, 5])
    np.testing.assert_array_equal(found[None].coefficients[:, :2], [[1, 1], [3, 0], [-1, 1], [2, 0]])
    v = read(tmp_path, "time,v\n0,0\n2,4\n5,1\n", "v", name="v")[None]
    inputs = {"u": found[None], "v": v}
    write_inputs(tmp_path / "w.csv", [Experiment("A", np.array([1.0]), np.zeros((1, 1)), 0.0, inputs=inputs)])
    assert (tmp_path / "w.csv").read_text().splitlines() == [
        "experiment,time,u,v",
        ",0.0,1.0,0.0",
        ",2.0,3.0,4.0",
        ",2.0,-1.0,",
        ",5.0,2.0,1.0",
    ]
    for name, known in inputs.items():
        assert same(read_input(tmp_path / "w.csv", name, name=name)[None], known)


def test_one_input_for_all(tmp_path: Path) -> None:
    found = read(tmp_path, "time,v,u\n0,9,1\n1,9,\n2,9,3\n3,9,NA\n")
    assert list(found) == [None]
    np.testing.assert_array_equal(found[None].knots, [0, 2])
    np.testing.assert_array_equal(found[None].coefficients, [[1, 1, 0, 0], [3, 0, 0, 0]])


def test_one_for_each_experiment_interleaved_and_one_for_all_others(tmp_path: Path) -> None:
    text = "experiment,t,u\nb,0,1\n,0,7\na,5,3\nb,1,2\na,6,4\n,9,8\nc,1,\n"
    found = read(tmp_path, text, interpolation="previous")
    points = {key: (u.knots.tolist(), u.coefficients[:, 0].tolist()) for key, u in found.items()}
    assert points == {"b": ([0, 1], [1, 2]), None: ([0, 9], [7, 8]), "a": ([5, 6], [3, 4])}


@pytest.mark.parametrize(
    ("content", "how"),
    [
        (b"\xef\xbb\xbftime;T in C\r\n0;1\r\n2;5\r\n", {}),
        (b"# a log\nhour\tT in C\n0\t1\n2\t5\n\n", {"time": "hour"}),
        (b"place,hour,T in C\n,0,1\n,2,5\n", {"time": "hour", "experiment": "place"}),
    ],
)
def test_dialects_and_other_names(tmp_path: Path, content: bytes, how: dict[str, Any]) -> None:
    found = read(tmp_path, content, "T in C", **how)
    assert list(found) == [None]
    assert same(found[None], interpolate(np.array([0.0, 2.0]), np.array([1.0, 5.0]), "linear"))


def test_a_single_point_makes_a_step(tmp_path: Path) -> None:
    found = read(tmp_path, "time,u\n0,5\n", interpolation="previous")
    np.testing.assert_array_equal(found[None](np.array([0.0, 1.0])), [5, 5])


# ---------------------------------------------------------------------------------------------- faults


def test_all_faults_of_a_file_at_once_in_its_order(tmp_path: Path) -> None:
    text = "experiment,time,u\na,0,1\na,0,2\na,0,3\nb,5,1\nb,4,1\na,1,<2\n,ten,1\na,,5\na,3,inf\n"
    assert faults(tmp_path, text) == [
        "u.csv:4, column time: time 0.0 comes again (line 3) with a third value; two are a jump: before and after",
        "u.csv:6, column time: time 4.0 after 5.0 (line 5) of the same input; sort the rows",
        "u.csv:7, column u: '<2' is a limit, which only a measured value can be; write a number or leave the"
        " cell empty",
        "u.csv:8, column time: 'ten' is not a number; write a number",
        "u.csv:9, column time: the time is missing; write a number, or remove the row",
        "u.csv:10, column u: 'inf' is infinite; write a number or leave the cell empty",
    ]


@pytest.mark.parametrize(
    ("content", "how", "expected"),
    [
        ("time,u\n", {}, ["u.csv: has a header but no data; write one row per point"]),
        ("time,u\n0,\n1,NA\n", {}, ["u.csv, column u: has no number at all; the input u needs some"]),
        (
            "time,uu\n0,1\n",
            {},
            ["u.csv:1: no column 'u' for the input u; did you mean 'uu'?"],
        ),
        (
            "tme,u\n0,1\n",
            {"experiment": "place"},
            [
                "u.csv:1: no column 'time' for the time; did you mean 'tme'?",
                "u.csv:1: no column 'place' for the experiment; there is: tme, u",
            ],
        ),
        ("time,u\n0,1\n1,2\n", {"time": "u"}, ["u.csv:1, column u: two roles ask for this column; each needs its own"]),
        (
            "experiment,time,u\na,0,1\na,1,2\nb,0,1\n,3,1\n",
            {},
            [
                "u.csv:4, column u: the input u of experiment b has one point, and `linear` needs two; add rows, or"
                " use `previous`",
                "u.csv:5, column u: the input u has one point, and `linear` needs two; add rows, or use `previous`",
            ],
        ),
        (
            "time,u\n0,-1e308\n1e-300,1e308\n",
            {},
            [
                "u.csv:2, column u: the input u has points too close together, or values too large, to draw a curve"
                " through them"
            ],
        ),
        (
            "time,u\n0,-1e308\n1e-300,1e308\n1,2\n2,3\n",
            {"interpolation": "cubic"},
            [
                "u.csv:2, column u: the input u has points too close together, or values too large, to draw a curve"
                " through them"
            ],
        ),
    ],
)
def test_fault(tmp_path: Path, content: str, how: dict[str, Any], expected: list[str]) -> None:
    assert faults(tmp_path, content, **how) == expected


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^c\.yaml:3  data\.inputs\.u: .*none\.csv does not exist"):
        read_input(tmp_path / "none.csv", "u", name="u", where="c.yaml:3  data.inputs.u")


# ---------------------------------------------------------------------------------------------- applying


def curve(*times: float, kind: Interpolation = "linear") -> Input:
    t = np.array(times)
    return interpolate(t, t**2, kind)


def test_who_gets_which() -> None:
    a, other, third, v = curve(0, 10), curve(-1, 20), curve(0, 30), curve(-5, 50)
    data = [series(name) for name in ("A", "A#2", "A#3", "B")]
    found = apply_inputs(data, {"u": {"A": a, None: other, "A#3": third}, "v": {None: v}}, where)
    assert [e.inputs["u"] for e in found] == [a, a, third, other]
    assert all(e.inputs["v"] is v for e in found)
    assert data[0].inputs == {}


def test_all_contradictions_with_the_data_at_once() -> None:
    data = [series("alpha", 5, 10), series("alpha#2", 12, start=-1), series("B", 3), series("C", 4)]
    inputs: Inputs = {
        "u": {"alpha": curve(0, 11), "alpa": curve(0, 50), "B": curve(1, 2.5)},
        "v": {None: curve(-0.5, 11.5)},
    }
    u, v = where("u"), where("v")
    assert told(Path("."), lambda: apply_inputs(data, inputs, where)) == [
        f"{u}: experiment C has no input u; add rows for it",
        f"{u}: 'alpa' has points in its table, and is no experiment of the data; did you mean 'alpha'?",
        f"{u}: the input of experiment alpha begins at t = 0.0, after experiment alpha#2 starts; add a row at t = -1.0",
        f"{u}: the input of experiment alpha ends at t = 11.0, before the last measurement of experiment alpha#2;"
        " add a row at t = 12.0",
        f"{u}: the input of experiment B begins at t = 1.0, after experiment B starts; add a row at t = 0.0",
        f"{u}: the input of experiment B ends at t = 2.5, before the last measurement of experiment B;"
        " add a row at t = 3.0",
        f"{v}: the input begins at t = -0.5, after experiment alpha#2 starts; add a row at t = -1.0",
        f"{v}: the input ends at t = 11.5, before the last measurement of experiment alpha#2; add a row at t = 12.0",
    ]


def test_an_input_may_end_early_where_its_last_value_holds_on() -> None:
    inputs: Inputs = {"u": {None: curve(0, 2, kind="previous")}}
    with pytest.raises(DataError, match=r"ends at t = 2\.0"):
        apply_inputs([series("A")], inputs, where)
    (found,) = apply_inputs([series("A")], inputs, where, held={"u"})
    assert found.inputs["u"](np.array([9.0]))[0] == 4


def test_a_choice_of_the_experiments_leaves_the_other_points_alone() -> None:
    inputs: Inputs = {"u": {"A": curve(0, 1), "B": curve(0, 10)}}
    (found,) = apply_inputs([series("B")], inputs, where, partial=True)
    assert found.inputs["u"] is inputs["u"]["B"]


def test_an_input_that_was_there_stays() -> None:
    (one,) = apply_inputs([series("A")], {"u": {None: curve(0, 10)}}, where)
    (two,) = apply_inputs([one], {"v": {None: curve(0, 10)}}, where)
    assert set(two.inputs) == {"u", "v"}


# ---------------------------------------------------------------------------------------------- writing


number = st.floats(-1e6, 1e6, allow_subnormal=False)


@st.composite
def curves(draw: st.DrawFn) -> tuple[tuple[float, ...], tuple[float, ...]]:
    n = draw(st.integers(2, 6))
    gaps = draw(st.lists(st.floats(1e-3, 1e3), min_size=n, max_size=n))
    return tuple(np.cumsum(gaps).tolist()), tuple(draw(st.lists(number, min_size=n, max_size=n)))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    points=st.lists(curves(), min_size=2, max_size=4),
    picks=st.lists(st.integers(0, 3), min_size=8, max_size=8),
    kinds=st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)),
)
def test_reading_undoes_writing(
    tmp_path: Path,
    points: list[tuple[tuple[float, ...], tuple[float, ...]]],
    picks: list[int],
    kinds: tuple[Interpolation, Interpolation],
) -> None:
    names = ("A", "A#2", "B", 'say "c,d"')
    kind = dict(zip(("u", "v"), kinds, strict=True))
    bare = [Experiment(name, np.array([0.0]), np.zeros((1, 1)), 1e9) for name in names]
    put = []
    for row, e in enumerate(bare):
        chosen = {name: points[picks[4 * i + row] % len(points)] for i, name in enumerate(kind)}
        inputs = {name: interpolate(np.array(t), np.array(x), kind[name]) for name, (t, x) in chosen.items()}
        put.append(Experiment(e.name, e.times, e.values, e.start, inputs=inputs))
    file = tmp_path / "w.csv"
    write_inputs(file, put)
    found = {name: read_input(file, name, name=name, interpolation=kind[name]) for name in kind}
    got = apply_inputs(bare, found, where, held=kind)
    for a, b in zip(got, put, strict=True):
        assert list(a.inputs) == ["u", "v"]
        assert all(same(a.inputs[name], b.inputs[name]) for name in kind)
    content = file.read_bytes()
    write_inputs(file, got)
    assert file.read_bytes() == content


def test_what_all_share_is_written_once(tmp_path: Path) -> None:
    u, v, w = curve(0, 1), curve(0, 3), curve(0.5, 3)
    mine = {"A": v, "A#2": v, "B": w}
    data = [Experiment(n, np.array([1.0]), np.zeros((1, 1)), 0.0, inputs={"u": u, "v": mine[n]}) for n in mine]
    write_inputs(tmp_path / "w.csv", data, time="hour")
    assert (tmp_path / "w.csv").read_text().splitlines() == [
        "experiment,hour,u,v",
        ",0.0,0.0,",
        ",1.0,1.0,",
        "A,0.0,,0.0",
        "A,3.0,,9.0",
        "B,0.5,,0.25",
        "B,3.0,,9.0",
    ]


def test_what_one_experiment_lacks_is_not_written_for_all(tmp_path: Path) -> None:
    u = {"u": curve(0, 1)}
    data = [Experiment(n, np.array([1.0]), np.zeros((1, 1)), 0.0, inputs=u if n != "C" else {}) for n in "ABC"]
    write_inputs(tmp_path / "w.csv", data)
    assert set(read_input(tmp_path / "w.csv", "u", name="u")) == {"A", "B"}


def test_a_name_that_could_not_be_read_back(tmp_path: Path) -> None:
    data = [Experiment("A", np.array([1.0]), np.zeros((1, 1)), 0.0, inputs={"time": curve(0, 1)})]
    with pytest.raises(DataError, match="two columns would be called 'time'; rename one"):
        write_inputs(tmp_path / "w.csv", data)
    assert not list(tmp_path.iterdir())


CELLS = st.sampled_from(["A", "1", "2.5", "-1e9", "0", "inf", "1e308", "", "NA", '"', "3,5", "\n", "<1", "1e-320"])
LINES = st.lists(st.lists(CELLS, min_size=2, max_size=3).map(",".join), max_size=8).map("\n".join)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.sampled_from([b"", b"time,u\n", b"experiment,time,u\n"]),
    body=st.one_of(st.binary(max_size=200), LINES.map(str.encode)),
    kind=st.sampled_from(KINDS),
)
def test_no_bytes_draw_anything_but_an_input_or_a_data_error(
    tmp_path: Path, header: bytes, body: bytes, kind: Interpolation
) -> None:
    try:
        found = read(tmp_path, header + body, interpolation=kind)
    except DataError as error:
        assert 1 <= len(error.faults) <= 21
        assert all(fault.what and "\n" not in str(fault) for fault in error.faults)
        return
    assert found
    for u in found.values():
        assert (np.diff(u.knots) >= 0).all()
        assert np.isfinite(u.coefficients).all()
