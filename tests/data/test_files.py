"""Files as people have them: a corpus of quirks and of any two together, workbooks, and what must be refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from field_files import field_cases, two_readers
from file_corpus import (
    Case,
    all_cases,
    is_right,
    limit_cases,
    outcome,
    refused_cases,
    several_cases,
    side_cases,
    text_cases,
)
from fuzz_workbooks import Error, Pages, ods_parts, xlsx_parts, zipped
from messy_files import messy_cases
from odefit.config.load import load_config
from odefit.data.csv_cells import MissingCells
from odefit.data.given import given_data
from odefit.data.grid.opening import open_table
from odefit.data.grid.table_file import FileForm
from odefit.data.table_form import TableForm
from odefit.data.tables import read_table
from odefit.errors import DataError, InputError
from odefit.problem.event_table import with_events
from odefit.problem.measured import read_measured
from odefit.problem.preparation import prepare

CASES = all_cases()
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACK = "http://schemas.openxmlformats.org/package/2006"


def xlsx(path: Path, **sheets: list[list[object]]) -> None:
    """A workbook of the least that makes one."""

    def cell(value: object) -> str:
        if isinstance(value, str) and value.startswith("="):
            return f"<c><f>{value[1:]}</f><v>7</v></c>"
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
        return "<c/>" if value is None else f"<c><v>{value}</v></c>"

    names = list(sheets)
    listed = "".join(f'<sheet name="{n}" sheetId="{k}" r:id="r{k}"/>' for k, n in enumerate(names, 1))
    targets = [f'Type="{REL}/worksheet" Target="worksheets/s{k}.xml"' for k in range(1, len(names) + 1)]
    ties = "".join(f'<Relationship Id="r{k}" {target}/>' for k, target in enumerate(targets, 1))
    book_text = f'<workbook xmlns="{MAIN}" xmlns:r="{REL}"><sheets>{listed}</sheets></workbook>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("[Content_Types].xml", f'{HEAD}<Types xmlns="{PACK}/content-types"/>')
        root = f'<Relationship Id="a" Type="{REL}/officeDocument" Target="xl/workbook.xml"/>'
        for name, inner in (("_rels/.rels", root), ("xl/_rels/workbook.xml.rels", ties)):
            book.writestr(name, f'{HEAD}<Relationships xmlns="{PACK}/relationships">{inner}</Relationships>')
        book.writestr("xl/workbook.xml", HEAD + book_text)
        for k, rows in enumerate(sheets.values(), 1):
            body = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
            text = f'{HEAD}<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData></worksheet>'
            book.writestr(f"xl/worksheets/s{k}.xml", text)


TABLE: list[list[object]] = [["time", "x"], [0, 10], [1, 6.25], [2, 3.5]]


def test_the_corpus_is_large_enough() -> None:
    assert len(CASES) >= 200
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("part", range(4))
def test_quirks_of_text_files_alone_and_two_together(part: int, tmp_path: Path) -> None:
    wrong = [(c.name, found) for c in list(text_cases())[part::4] if not is_right(c, found := outcome(c, tmp_path))]
    assert not wrong


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.name) for case in [*refused_cases(), *limit_cases(), *several_cases(), *side_cases()]],
)
def test_files_that_must_be_refused_or_read_by_a_key(case: Case, tmp_path: Path) -> None:
    found = outcome(case, tmp_path)
    assert is_right(case, found), found


def test_how_a_file_was_understood_is_said(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("Logger 7\n\nt  x\nh  mg/L\n0  1,5\n1  2,5\n")
    notes: list[str] = []
    model = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}
    loaded = load_config({**model, "data": {"csv": str(tmp_path / "d.csv")}})
    (one,) = read_measured(loaded, ("x",), notes)
    assert one.values[:, 0].tolist() == [1.5, 2.5]
    assert [note.partition("d.csv: ")[2] for note in notes] == [
        "1 line above the header (line 3) left alone, line 4 read as units, cells parted by blanks, decimals with "
        "commas"
    ]


def test_keys_decide_where_a_file_does_not(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("time;x\n0;1,234\n1;2,345\n")
    with pytest.raises(DataError, match=r"'1,234' is 1234 or 1.234"):
        read_table(path, observables=["x"])
    path.write_text("time|x\n0|1\n1|2\n")
    assert open_table(path, ["time"], FileForm(separator="bar")).header.names == ("time", "x")
    with pytest.raises(DataError, match=r"is no table: it has no rows of numbers"):
        open_table(path, ["time"], FileForm(separator="tab"))
    path.write_bytes("время,x\n0,1\n1,2\n".encode("cp1251"))
    assert open_table(path, ["x"], FileForm(encoding="cp1251")).header.names == ("время", "x")


SAID = {"header": 1, "separator": "comma", "decimal": ".", "encoding": "utf-8", "sheet": "Data"}


@pytest.mark.parametrize("key", SAID)
@pytest.mark.parametrize("name", ["d.csv", "d.xlsx", "d.ods", "d.parquet"])
def test_keys_without_meaning_for_a_file_are_refused_by_name(name: str, key: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "d.csv":
        path.write_text("time,x\n0,10\n1,6.25\n2,3.5\n")
    elif name == "d.parquet":
        pytest.importorskip("pyarrow")
        pd.DataFrame(TABLE[1:], columns=TABLE[0]).to_parquet(path)
    else:
        pytest.importorskip("python_calamine")
        parts = xlsx_parts if name == "d.xlsx" else ods_parts
        path.write_bytes(zipped(parts([Pages("Data", TABLE)])))
    model = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 1}}
    loaded = load_config({**model, "data": {"csv": str(path), key: SAID[key]}})
    meant = {"d.csv": set(SAID) - {"sheet"}, "d.parquet": set()}.get(name, {"header", "sheet"})
    if key in meant:
        (one,) = read_measured(loaded, ("x",), [])
        assert one.values[:, 0].tolist() == [10, 6.25, 3.5]
        return
    with pytest.raises(InputError, match=rf"data.{key} has no meaning there; leave it out"):
        read_measured(loaded, ("x",), [])


def test_a_key_is_about_those_of_several_files_that_it_means_something_for(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    (tmp_path / "a.csv").write_text("time,x\n0,10\n1,6.25\n2,3.5\n")
    xlsx(tmp_path / "b.xlsx", Data=TABLE, Other=TABLE)
    model = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 1}}
    data = {"csv": [str(tmp_path / "a.csv"), str(tmp_path / "b.xlsx")], "sheet": "Data", "separator": "comma"}
    assert len(read_measured(load_config({**model, "data": data}), ("x",), [])) == 2


# ---------------------------------------------------------------------------------------------- workbooks


def test_a_workbook_of_one_sheet(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    xlsx(tmp_path / "d.xlsx", Data=TABLE, Empty=[])
    (one,) = read_table(tmp_path / "d.xlsx", observables=["x"])
    assert (one.times.tolist(), one.values[:, 0].tolist()) == ([0, 1, 2], [10, 6.25, 3.5])


def test_a_workbook_with_a_preamble_units_and_a_formula(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    rows: list[list[object]] = [["Plate reader", 7], [], ["time", "x"], ["h", "mg/L"], [0, 10], [1, "=3+4"]]
    xlsx(tmp_path / "d.xlsx", Data=rows)
    (one,) = read_table(tmp_path / "d.xlsx", observables=["x"])
    assert one.values[:, 0].tolist() == [10, 7]


def test_cells_whose_formula_failed_are_named(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    rows = [["time", "x"], [0, 10.0], [1, Error("#N/A")], [2, Error("#DIV/0!")], [3, 3.5]]
    for refs, places in ((True, "#N/A in B3, #DIV/0! in B4"), (False, "#N/A, #DIV/0!")):
        (tmp_path / "d.xlsx").write_bytes(zipped(xlsx_parts([Pages("Data", rows)], refs=refs)))
        notes: list[str] = []
        (one,) = read_table(tmp_path / "d.xlsx", observables=["x"], notes=notes)
        assert one.values[np.isfinite(one.values)].tolist() == [10, 3.5]
        assert [note.partition("sheet Data: ")[2] for note in notes] == [
            f"2 cells with an error ({places}) read as empty"
        ]


@pytest.mark.parametrize("stored", [None, 0.0])
@pytest.mark.parametrize("name", ["d.xlsx", "d.ods"])
def test_cells_whose_formula_failed_are_named_in_any_sheet(name: str, stored: float | None, tmp_path: Path) -> None:
    """Whatever number is stored with them: some programs write 0."""
    pytest.importorskip("python_calamine")
    rows = [["time", "x"], [0, 10.0], [1, Error("#N/A", stored)], [2, Error("#DIV/0!", stored)], [3, 3.5]]
    other = [["time", "x"], [0, Error("#REF!")], [1, 2.0], [2, 1.5], [3, 1.0]]
    parts = xlsx_parts if name == "d.xlsx" else ods_parts
    (tmp_path / name).write_bytes(zipped(parts([Pages("Other", other), Pages("Data", rows)])))
    for sheet, places, values in (
        ("Data", "2 cells with an error (#N/A in B3, #DIV/0! in B4)", [10, 3.5]),
        ("Other", "1 cell with an error (#REF! in B2)", [2, 1.5, 1]),
    ):
        notes: list[str] = []
        form = TableForm(file=FileForm(sheet=sheet))
        (one,) = read_table(tmp_path / name, observables=["x"], notes=notes, form=form)
        assert one.values[np.isfinite(one.values)].tolist() == values
        assert [note.partition(f"sheet {sheet}: ")[2] for note in notes] == [f"{places} read as empty"]


def test_which_sheet_is_read(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    path = tmp_path / "d.xlsx"
    xlsx(path, First=TABLE, Second=[["time", "x"], [0, 1], [5, 2]])
    with pytest.raises(DataError, match=r"has 2 sheets with cells \(First, Second\); data.sheet names the one"):
        open_table(path, ["time"])
    for sheet in ("Second", 2):
        assert open_table(path, ["time"], FileForm(sheet=sheet)).header.place(3) == f"{path}, sheet Second, row 3"
    for sheet in ("Third", 3):
        with pytest.raises(DataError, match=r"has no sheet .*\(data.sheet\); there is: First, Second"):
            open_table(path, ["time"], FileForm(sheet=sheet))


def test_a_workbook_is_read_as_a_csv_with_the_same_cells(tmp_path: Path) -> None:
    """Columns of numbers, of numbers with words or limits among them, of names; blank rows, numbers for none."""
    pytest.importorskip("python_calamine")
    rows: list[list[object]] = [["time", "x", "y", "z", "experiment"]]
    rows += [[0, 10, -999, ">100", "a"], [1, 6.25, 2, 7, "a"], ["", "", "", "", ""], [0.5, 1e-300, 3, "ND", 2]]
    xlsx(tmp_path / "d.xlsx", Data=rows)
    (tmp_path / "d.csv").write_text("\n".join(",".join(map(str, row)) for row in rows))
    form = TableForm(missing=MissingCells.of(["-999", "ND"]))
    names = ["x", "y", "z"]
    book, text = (read_table(tmp_path / f"d.{kind}", observables=names, form=form) for kind in ("xlsx", "csv"))
    assert len(book) == 2
    for one, other in zip(book, text, strict=True):
        assert (one.name, one.times.tolist()) == (other.name, other.times.tolist())
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.censored, other.censored)
    times = TableForm(missing=MissingCells.of(["1"]))
    for kind in ("xlsx", "csv"):
        with pytest.raises(DataError, match="the time is missing"):
            read_table(tmp_path / f"d.{kind}", observables=["x"], form=times)


def test_a_fault_in_a_workbook_names_its_row(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    xlsx(tmp_path / "d.xlsx", Data=[*TABLE, [3, "n.a."]])
    with pytest.raises(DataError, match=r"d.xlsx, sheet Data, row 5, column x: 'n.a.' is not a number"):
        read_table(tmp_path / "d.xlsx", observables=["x"])


def test_archives_that_are_no_workbooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "d.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "time,x\n0,1\n")
    with pytest.raises(DataError, match="is a zip archive and no workbook; unpack it first"):
        open_table(path, ["time"])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.bin", b"")
    with pytest.raises(DataError, match=r"is a binary workbook \(.xlsb\); save it as .xlsx"):
        open_table(path, ["time"])
    monkeypatch.setattr("odefit.data.grid.workbook_parts.MAX_UNPACKED", 100)
    xlsx(path, Data=TABLE)
    with pytest.raises(DataError, match="unpacks to more than"):
        open_table(path, ["time"])


def test_a_value_far_from_the_table_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers hold the rectangle of all values in memory; a cell that is formatted and blank is no value."""
    pytest.importorskip("python_calamine")
    path = tmp_path / "d.xlsx"
    parts = xlsx_parts([Pages("Data", [["time", "x"], [0.0, 10.0], [1.0, 6.0]])])
    sheet, end = parts["xl/worksheets/s1.xml"], "</sheetData>"
    monkeypatch.setattr("odefit.data.grid.workbook_parts.MAX_CELLS", 5_000)
    for cell, is_far in (("<v>3</v>", True), ("<is><t>a</t></is>", True), ("<v></v>", False), ("", False)):
        row = f'<row r="200"><c r="AA200" s="0">{cell}</c></row>'
        path.write_bytes(zipped({**parts, "xl/worksheets/s1.xml": sheet.replace(end, row + end)}))
        if is_far:
            with pytest.raises(DataError, match=r"a value far from the others, in the cell AA200: more than 5,000"):
                open_table(path, ["time"])
        else:
            assert read_table(path, observables=["x"])[0].values[:, 0].tolist() == [10, 6]


def test_rows_of_a_file_with_a_preamble_are_its_lines(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("Logger 7\n\ntime;x\n0;10\n1;99\n2;3\n")
    model = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}
    loaded = load_config({**model, "data": {"csv": str(tmp_path / "d.csv"), "exclude": [{"rows": ["5"]}]}})
    (one,) = read_measured(loaded, ("x",), [])
    assert one.values[:, 0].tolist() == [10, 3]


def test_several_tables_of_events_keep_their_subjects(tmp_path: Path) -> None:
    for name, subject in (("a", 1), ("b", 2)):
        (tmp_path / f"{name}.csv").write_text(f"ID,TIME,DV,AMT\n{subject},0,.,100\n{subject},1,{subject}5,.\n")
    model = {"model": {"equations": {"x": "-k*x"}, "initial": {"x": 0}}, "parameters": {"k": 0.5}}
    loaded = with_events(load_config({**model, "data": {"csv": [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]}}))
    assert {e.name: e.values[:, 0].tolist() for e in read_measured(loaded, ("x",), [])} == {"1": [15], "2": [25]}
    assert [(row.experiment, row.dose.amount) for row in loaded.events.doses] == [("1", 100), ("2", 100)]


@pytest.mark.parametrize("pattern", ["{well} [mg/L]", "* [mg/L]", "[AB]? [mg/L]", "[A-B][12]*"])
def test_brackets_of_a_pattern_are_sets_or_units(pattern: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"time": [0, 1, 2], "A1 [mg/L]": [10, 6, 3.5], "B2 [mg/L]": [12, 9, 7.5]})
    frame.to_csv(tmp_path / "d.csv", index=False)
    config = {"model": {"equations": {"x": "-k*x"}, "observables": {"OD": "x"}}, "parameters": {"k": 0.5}}
    loaded = load_config({**config, "data": {"csv": str(tmp_path / "d.csv"), "columns": {"OD": pattern}}})
    found = {e.name[:2]: e.values[:, 0].tolist() for e in read_measured(loaded, ("OD",), [])}
    assert found == {"A1": [10, 6, 3.5], "B2": [12, 9, 7.5]}


def test_what_a_header_says_is_a_constant_of_its_experiment(tmp_path: Path) -> None:
    frame = pd.DataFrame({"time": [0, 1, 2], "0 uM": [10, 6, 3.5], "500 uM": [12, 9, 7.5]})
    frame.to_csv(tmp_path / "d.csv", index=False)
    config = {
        "model": {"equations": {"x": "-k*x/(1 + S/Ki)"}},
        "parameters": {"k": 0.5, "Ki": 100},
        "data": {"csv": str(tmp_path / "d.csv"), "columns": {"x": "{S} uM"}},
    }
    for data in (None, given_data(frame)):
        assembly = prepare(load_config(config, given=data))[0]
        assert {e.name: e.constants["S"] for e in assembly.measured} == {"0": 0, "500": 500}
        assert [e.values[:, 0].tolist() for e in assembly.measured] == [[10, 6, 3.5], [12, 9, 7.5]]


@pytest.mark.parametrize("part", range(4))
def test_files_of_many_houses(part: int, tmp_path: Path) -> None:
    cases = [*messy_cases(), *field_cases(), *two_readers()][part::4]
    wrong = [(c.name, found) for c in cases if not is_right(c, found := outcome(c, tmp_path))]
    assert not wrong


def test_files_of_the_same_experiments_are_put_together_where_the_config_says_so(tmp_path: Path) -> None:
    (tmp_path / "prey.csv").write_text("experiment,time,x\na,0,10\na,1,6\nb,0,12\n")
    (tmp_path / "more.csv").write_text("y,experiment,time\n5,a,0\n4,b,2\n")
    model = {"model": {"equations": {"x": "-k*x", "y": "-k*y"}}, "parameters": {"k": 0.5}}
    files = [str(tmp_path / "prey.csv"), str(tmp_path / "more.csv")]
    found = read_measured(load_config({**model, "data": {"csv": files, "merge": True}}), ("x", "y"), [])
    assert [(e.name, e.times.tolist()) for e in found] == [("a", [0, 1]), ("b", [0, 2])]
    np.testing.assert_array_equal(found[0].values, [[10, 5], [6, np.nan]])
    np.testing.assert_array_equal(found[1].values, [[12, np.nan], [np.nan, 4]])
    (tmp_path / "more.csv").write_text("x,experiment,time\n7,b,2\n")
    with pytest.raises(DataError, match=r"the experiment 'b' is in .*`data.merge: true` where it is one"):
        read_measured(load_config({**model, "data": {"csv": files}}), ("x",), [])


def test_a_layout_may_have_wells_that_were_not_measured(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time,Cycle,A1,A2\n0,1,10,12\n1,2,6,7\n")
    (tmp_path / "layout.csv").write_text("well,S\nA1,0\nA2,2\nH12,\n")
    experiments = {"csv": str(tmp_path / "layout.csv"), "experiment": "well"}
    data = {"csv": str(tmp_path / "d.csv"), "wells": "x", "experiments": experiments}
    model = {"model": {"equations": {"x": "-k*S*x"}}, "parameters": {"k": 0.5}}
    measured = prepare(load_config({**model, "data": data}))[0].measured
    assert [(e.name, e.constants["S"]) for e in measured] == [("A1", 0), ("A2", 2)]
    (tmp_path / "layout.csv").write_text("well,S\nA1,0\nA2,2\nA3x,\n")
    with pytest.raises(InputError, match="'A3x' is no experiment of the data"):
        prepare(load_config({**model, "data": data}))


def test_wells_and_another_column_of_the_same_observable_are_refused() -> None:
    data = {"csv": "d.csv", "wells": "x", "columns": {"x": "OD"}}
    with pytest.raises(InputError, match=r"wells: data.columns says another column of x"):
        load_config({"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}, "data": data})


def test_labels_may_be_numbers_in_the_config() -> None:
    data = {"csv": "d.csv", "columns": {"x": 1, "y": [2, "3"]}}
    loaded = load_config({"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}, "data": data})
    assert loaded.config.data.columns == {"x": "1", "y": ["2", "3"]}
