"""The table of experiments: numbers and words, from CSV and YAML alike, and onto the experiments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odefit.data.applied_conditions import apply_conditions
from odefit.data.experiment_table import Conditions, conditions_from_mapping, read_conditions
from odefit.data.experiments import Experiment
from odefit.errors import DataError
from told_faults import told


def read(folder: Path, content: str | bytes, **how: Any) -> Conditions:
    file = folder / "e.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_conditions(file, **how)


def faults(folder: Path, content: str | bytes, **how: Any) -> list[str]:
    return told(folder, lambda: read(folder, content, **how))


def where(*keys: str) -> str:
    return ".".join(["c.yaml", *keys])


def series(name: str, *times: float, start: float | None = None) -> Experiment:
    values = np.zeros((len(times), 1))
    return Experiment(name, np.array(times), values, times[0] if start is None else start)


# ---------------------------------------------------------------------------------------------- reading


TABLE = "experiment,temperature,genotype,start,x_0\nA,20,wt,-1,\nB,3.5e1,mutant,,2\n"


def test_numbers_words_and_starts(tmp_path: Path) -> None:
    found = read(tmp_path, TABLE)
    assert found.experiments == ("A", "B")
    assert found.constants == {"temperature": {"A": 20.0, "B": 35.0}, "x_0": {"B": 2.0}}
    assert found.labels == {"genotype": {"A": "wt", "B": "mutant"}}
    assert found.starts == {"A": -1.0}
    assert found.where("B").endswith("e.csv:3")
    assert found.where("B", "x_0").endswith("e.csv:3, column x_0")


def test_yaml_says_the_same(tmp_path: Path) -> None:
    mapping: Mapping[str, Mapping[str, float | str]] = {
        "A": {"temperature": 20, "genotype": "wt", "start": -1},
        "B": {"temperature": 35.0, "genotype": " mutant ", "x_0": 2},
    }
    found = conditions_from_mapping(mapping, where)
    assert found == read(tmp_path, TABLE)
    assert all(type(number) is float for numbers in found.constants.values() for number in numbers.values())
    assert found.where("B", "x_0") == "c.yaml.B.x_0"


def test_a_number_in_quotes_is_a_word_in_yaml() -> None:
    assert conditions_from_mapping({"A": {"batch": "7"}}, where).labels == {"batch": {"A": "7"}}


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfexperiment,dose\nA,5\n",
        b"experiment;dose\r\nA;5\r\n",
        b"# who got what\n\nexperiment\tdose\n A \t 5 \n\n",
        b'dose, "experiment"\n5, "A"\n ,\n',
        b"experiment,dose,notes,\nA,5,,x\n",
        b"experiment,dose,notes\nA,5,NA\n",
    ],
)
def test_dialects_and_columns_that_do_not_count(tmp_path: Path, content: bytes) -> None:
    found = read(tmp_path, content)
    assert (found.experiments, found.constants, found.labels) == (("A",), {"dose": {"A": 5.0}}, {})


def test_another_name_of_the_column_of_experiments(tmp_path: Path) -> None:
    assert read(tmp_path, "Subject,Wt\n1,79.6\n2,72.4\n", experiment="Subject").constants == {
        "Wt": {"1": 79.6, "2": 72.4}
    }


@pytest.mark.parametrize("missing", ["", "NA", "nan", "-nan", " "])
def test_missing_cells(tmp_path: Path, missing: str) -> None:
    found = read(tmp_path, f"experiment,dose,group\nA,{missing},x\nB,1,{missing}\n")
    assert found.constants == {"dose": {"B": 1.0}}
    assert found.labels == {"group": {"A": "x"}}


# ---------------------------------------------------------------------------------------------- faults


def test_all_faults_of_a_file_at_once_in_its_order(tmp_path: Path) -> None:
    text = "experiment,dose,2x,t,group,start,heat\n"
    text += "A,1,1,1,wt,0,inf\nB,high,1,1,wt,soon,1\nA,2,1,1,wt,0,1\n,3,1,1,wt,0,1\nC,4,1,1,5,0,1\nD,5,1\n"
    assert faults(tmp_path, text) == [
        "e.csv:1, column 2x: '2x' is no name for formulas; use a letter or _, then letters, digits or _ (at most 128)",
        "e.csv:1, column t: 't' is the time; give the column another name",
        "e.csv:2, column heat: the number is inf; write a finite one, or leave the cell empty",
        "e.csv:3, column dose: 'high' is not a number, and other cells of this column are (1 for experiment A);"
        " write numbers only, or words only",
        "e.csv:3, column start: 'soon' is not a number; write the time at which the experiment starts",
        "e.csv:4, column experiment: experiment 'A' has a row already (line 2); keep one of them",
        "e.csv:5, column experiment: the cell is empty; write a name in every row",
        "e.csv:6, column group: '5' is a number, and other cells of this column are words ('wt' for experiment A);"
        " write words only, or numbers only",
        "e.csv:7: this row has 3 cells, the header has 7; write one cell per column",
    ]


@pytest.mark.parametrize(
    ("content", "how", "expected"),
    [
        ("experiment,dose\n", {}, "e.csv: has a header but no data; write one row per experiment"),
        (
            "experimnt,dose\nA,1\n",
            {},
            "e.csv:1: no column 'experiment' for the experiment; did you mean 'experimnt'? (the table of"
            " experiments has one row for each)",
        ),
        ("experiment,a,a\nA,1,2\n", {}, "e.csv:1: two columns are called 'a'; give each column a name of its own"),
        ("experiment;a\nA;3,5\nB;3.5\n", {}, "e.csv:2, column a: '3,5' has a decimal comma; write 3.5"),
        ("experiment,k a\nA,1\n", {}, "e.csv:1, column k a: 'k a' is no name for formulas; use a letter or _, then"),
        ("experiment,größe\nA,klein\n", {}, "e.csv:1, column größe: 'größe' is no name for formulas; use a letter"),
        ("subject,experiment\nA,x\n", {"experiment": "subject"}, "e.csv:1, column experiment: 'experiment' is what"),
        ("experiment,and\nA,1\n", {}, "e.csv:1, column and: 'and' is a word of the formula language; give"),
        (b"experiment,a\nA,\xe9\n", {}, "e.csv:2: the byte 0xe9 is not UTF-8 (é in Latin-1); save it as UTF-8"),
    ],
)
def test_fault(tmp_path: Path, content: str | bytes, how: dict[str, Any], expected: str) -> None:
    (one,) = faults(tmp_path, content, **how)
    assert one.startswith(expected)


def test_no_file(tmp_path: Path) -> None:
    (tmp_path / "subjects.csv").write_text(TABLE)
    with pytest.raises(DataError, match=r"^c\.yaml:3  data\.experiments: .*subject\.csv does not exist; did you mean"):
        read_conditions(tmp_path / "subject.csv", where="c.yaml:3  data.experiments")


def test_a_table_beyond_the_limit_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odefit.data.experiment_table.MAX_CELLS", 20)
    assert faults(tmp_path, "experiment,a\n" + "".join(f"e{i},1\n" for i in range(11))) == [
        "e.csv: has more rows than the limit of 10; write fewer"
    ]


def test_faults_of_yaml_name_the_cell(tmp_path: Path) -> None:
    mapping: dict[str, Any] = {
        "A": {"dose": math.inf, "on": True, "group": "wt", "a b": 1, "none": None, "list": [1]},
        "B": {"dose": math.nan, "group": 3, "start": "soon", "many": 10**400},
    }
    assert told(tmp_path, lambda: conditions_from_mapping(mapping, where)) == [
        "c.yaml.A.on: must be a number or a word",
        "c.yaml.A.list: must be a number or a word",
        "c.yaml.A.dose: the number is inf; write a finite one, or leave the cell empty",
        "c.yaml.B.dose: the number is nan; write a finite one, or leave the cell empty",
        "c.yaml.A.group: 'wt' is not a number, and other cells of this column are (3 for experiment B);"
        " write numbers only, or words only",
        "c.yaml.A.a b: 'a b' is no name for formulas; use a letter or _, then letters, digits or _ (at most 128)",
        "c.yaml.B.start: 'soon' is not a number; write the time at which the experiment starts",
        "c.yaml.B.many: the number is inf; write a finite one, or leave the cell empty",
    ]


def test_a_column_of_wrong_names_only_is_told_once(tmp_path: Path) -> None:
    bad: dict[str, Any] = {name: {"a-b": "x"} for name in "ABC"}
    assert len(told(tmp_path, lambda: conditions_from_mapping(bad, where))) == 1


# ---------------------------------------------------------------------------------------------- applying


def test_applied_to_experiments_and_their_replicates(tmp_path: Path) -> None:
    conditions = read(tmp_path, "experiment,dose,group,start\nA,1,x,-1\nA#3,3,y,\nB,2,x,\n")
    data = [series("B", 1, 2), series("A", 0, 1), series("A#2", 1, 2), series("A#3", 4, 5, start=4)]
    found = apply_conditions(data, conditions, "c.yaml")
    assert [(e.name, e.constants, e.labels, e.start) for e in found] == [
        ("B", {"dose": 2.0}, {"group": "x"}, 1.0),
        ("A", {"dose": 1.0}, {"group": "x"}, -1.0),
        ("A#2", {"dose": 1.0}, {"group": "x"}, -1.0),
        ("A#3", {"dose": 3.0}, {"group": "y"}, 4.0),
    ]
    assert data[0].constants == {}
    np.testing.assert_array_equal(found[0].times, data[0].times)


def test_constants_and_labels_that_were_there_stay_unless_the_table_says_otherwise() -> None:
    one = Experiment("A", np.array([0.0]), np.array([[1.0]]), 0.0, constants={"a": 1, "b": 2}, labels={"g": "x"})
    conditions = conditions_from_mapping({"A": {"b": 3, "h": "y"}}, where)
    (found,) = apply_conditions([one], conditions)
    assert found.constants == {"a": 1, "b": 3}
    assert found.labels == {"g": "x", "h": "y"}


def test_an_empty_cell_is_a_fault_unless_its_column_is_optional(tmp_path: Path) -> None:
    conditions = read(tmp_path, "experiment,dose,x_0\nA,1,\nB,,5\n")
    data = [series("A", 0), series("B", 0)]
    assert told(tmp_path, lambda: apply_conditions(data, conditions, "c.yaml", {"x_0"})) == [
        "e.csv:3, column dose: the cell of experiment B is empty; write its number"
    ]
    a, b = apply_conditions(data, conditions, "c.yaml", {"x_0", "dose"})
    assert (a.constants, b.constants) == ({"dose": 1.0}, {"x_0": 5.0})


def test_all_contradictions_with_the_data_at_once(tmp_path: Path) -> None:
    conditions = read(tmp_path, "experiment,start\nalpa,0\nB,2.5\nzzz,0\n")
    data = [series("alpha", 0), series("alpha#2", 0), series("B", 1, 3), series("B#2", 2), series("C", 1)]
    assert told(tmp_path, lambda: apply_conditions(data, conditions, "c.yaml:7  data.experiments")) == [
        "e.csv:2: 'alpa' is no experiment of the data; did you mean 'alpha'?",
        "e.csv:4: 'zzz' is no experiment of the data; there is: alpha, B, C, alpha#2, B#2",
        "c.yaml:7  data.experiments: experiment alpha of the data has no row; write one",
        "e.csv:3, column start: experiment B is measured at t = 1.0, before this start (2.5); start it earlier",
        "e.csv:3, column start: experiment B#2 is measured at t = 2.0, before this start (2.5); start it earlier",
        "c.yaml:7  data.experiments: experiment C of the data has no row; write one",
    ]


def test_a_choice_of_the_experiments_leaves_the_other_rows_alone() -> None:
    conditions = conditions_from_mapping({"A": {"dose": 1}, "B": {"dose": 2}, "C": {}}, where)
    with pytest.raises(DataError, match="'A' is no experiment of the data"):
        apply_conditions([series("B", 0)], conditions)
    (found,) = apply_conditions([series("B", 0)], conditions, partial=True)
    assert found.constants == {"dose": 2.0}


def test_an_experiment_may_start_with_its_first_measurement() -> None:
    (found,) = apply_conditions([series("A", 2, 3, start=0)], conditions_from_mapping({"A": {"start": 2}}, where))
    assert found.start == 2.0


def test_twenty_faults_are_told_and_the_others_counted() -> None:
    conditions = conditions_from_mapping({"A": {"dose": 1}}, where)
    with pytest.raises(DataError) as caught:
        apply_conditions([series(f"B{i}", 0) for i in range(50)], conditions, "c.yaml", partial=True)
    assert len(caught.value.faults) == 21
    assert str(caught.value.faults[-1]) == "c.yaml: and 30 more"


CELLS = st.sampled_from(["A", "B", "A#2", "1", "2.5", "inf", "1e999", "", "NA", '"', "3,5", "\n", "start", "é", "<1"])
LINES = st.lists(st.lists(CELLS, min_size=1, max_size=4).map(",".join), max_size=8).map("\n".join)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.sampled_from([b"", b"experiment,a,start\n", b"experiment;a;b\n", b"a,experiment,a b\n"]),
    body=st.one_of(st.binary(max_size=200), LINES.map(str.encode)),
)
def test_no_bytes_draw_anything_but_a_table_or_a_data_error(tmp_path: Path, header: bytes, body: bytes) -> None:
    try:
        found = read(tmp_path, header + body)
    except DataError as error:
        assert 1 <= len(error.faults) <= 21
        assert all(fault.what and "\n" not in str(fault) for fault in error.faults)
        return
    assert len(set(found.experiments)) == len(found.experiments) > 0
    assert all(math.isfinite(number) for numbers in found.constants.values() for number in numbers.values())
    assert not set(found.constants) & set(found.labels)
