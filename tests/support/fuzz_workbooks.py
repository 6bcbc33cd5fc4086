"""Workbooks (.xlsx, .ods) of any cells and sheets, whole and damaged, for hypothesis, with what they are to be read as.

Each holds one table of times and measurements, written as programs of this kind write it: numbers, cached values of
formulas, dates, booleans, cells with errors, blank rows, merged titles, units, other sheets, hidden or empty.
"""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from hypothesis import strategies as st

from odefit.config.load import load_config
from odefit.errors import InputError
from odefit.problem.measured import read_measured

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACK = "http://schemas.openxmlformats.org/package/2006"
OASIS = "urn:oasis:names:tc:opendocument:xmlns"
FIRST_DAY = datetime.date(1899, 12, 30)
MODEL: dict[str, Any] = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}}
VALUES = [10.0, 6.25, 3.5, 0.125, 0.0, -2.5, 1e-300, 12345678.75, 0.1]
NAMES = ["Data", "Blatt 1", "été", "a'b", "<&>", "x" * 31, "数据", "1"]
STYLES = (
    f'{HEAD}<styleSheet xmlns="{MAIN}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>'
)


@dataclass(frozen=True)
class Error:
    """A cell whose formula failed; stored: a number that an OpenDocument holds all the same."""

    text: str = "#N/A"
    stored: float | None = None


@dataclass(frozen=True)
class Formula:
    """A formula, with the value that the program stored."""

    value: float


@dataclass(frozen=True)
class Pages:
    """A sheet: its name, its rows of cells, and whether it is hidden."""

    name: str
    rows: Sequence[Sequence[Any]]
    hidden: bool = False


@dataclass(frozen=True)
class Book:
    """A file, the sheet that the config names (None: none), and what is to be read.

    expected: the times and values, or None where it must be refused. whole: whether the file is undamaged; of a damaged
    one, the right reading or a refusal is right.
    """

    file: str
    data: bytes
    sheet: str | None
    expected: list[tuple[float, float]] | None
    whole: bool = True


def _xlsx_cell(value: Any, at: str, strings: list[str], shared: bool) -> str:
    if isinstance(value, bool):
        return f'<c{at} t="b"><v>{int(value)}</v></c>'
    if isinstance(value, Formula):
        return f"<c{at}><f>SUM(A1:B2)</f><v>{value.value!r}</v></c>"
    if isinstance(value, Error):
        return f'<c{at} t="e"><v>{value.text}</v></c>'
    if isinstance(value, datetime.date):
        return f'<c{at} s="1"><v>{(value - FIRST_DAY).days}</v></c>'
    if isinstance(value, str):
        if not shared:
            return f'<c{at} t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        strings.append(value)
        return f'<c{at} t="s"><v>{len(strings) - 1}</v></c>'
    return f'<c{at} s="0"/>' if value is None else f"<c{at}><v>{value!r}</v></c>"


def xlsx_parts(sheets: Sequence[Pages], refs: bool = True, shared: bool = True, merged: str = "") -> dict[str, str]:
    """The parts of a workbook of Excel."""
    strings: list[str] = []
    listed, ties, parts = "", "", {"[Content_Types].xml": f'{HEAD}<Types xmlns="{PACK}/content-types"/>'}
    for k, sheet in enumerate(sheets, 1):
        state = ' state="hidden"' if sheet.hidden else ""
        listed += f'<sheet name={quoteattr(sheet.name)} sheetId="{k}"{state} r:id="r{k}"/>'
        ties += f'<Relationship Id="r{k}" Type="{REL}/worksheet" Target="worksheets/s{k}.xml"/>'
        body = ""
        for n, row in enumerate(sheet.rows, 1):
            at = [f' r="{chr(65 + j)}{n}"' if refs else "" for j in range(len(row))]
            cells = "".join(_xlsx_cell(cell, a, strings, shared) for cell, a in zip(row, at, strict=True))
            body += f'<row r="{n}">{cells}</row>' if refs else f"<row>{cells}</row>"
        text = f'<worksheet xmlns="{MAIN}"><sheetData>{body}</sheetData>{merged}</worksheet>'
        parts[f"xl/worksheets/s{k}.xml"] = HEAD + text
    tables = {"sharedStrings": strings, "styles": [1]}
    for name in (name for name, filled in tables.items() if filled):
        ties += f'<Relationship Id="{name}" Type="{REL}/{name}" Target="{name}.xml"/>'
    root = f'<Relationship Id="a" Type="{REL}/officeDocument" Target="xl/workbook.xml"/>'
    for name, inner in (("_rels/.rels", root), ("xl/_rels/workbook.xml.rels", ties)):
        parts[name] = f'{HEAD}<Relationships xmlns="{PACK}/relationships">{inner}</Relationships>'
    parts["xl/workbook.xml"] = f'{HEAD}<workbook xmlns="{MAIN}" xmlns:r="{REL}"><sheets>{listed}</sheets></workbook>'
    parts["xl/styles.xml"] = STYLES
    if strings:
        items = "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
        parts["xl/sharedStrings.xml"] = f'{HEAD}<sst xmlns="{MAIN}">{items}</sst>'
    return parts


def _ods_cell(value: Any) -> str:
    kind = "float"
    if isinstance(value, Formula):
        value, formula = value.value, ' table:formula="of:=SUM([.A1:.B2])"'
    else:
        formula = ""
    if isinstance(value, Error):
        stored = 'office:value-type="string" office:string-value="" calcext:value-type="error"'
        if value.stored is not None:  # as older programs write it
            stored = f'office:value-type="float" office:value="{value.stored}"'
        return f'<table:table-cell table:formula="of:=NA()" {stored}><text:p>{value.text}</text:p></table:table-cell>'
    if value is None:
        return "<table:table-cell/>"
    if isinstance(value, bool):
        kind, said = "boolean", f'office:boolean-value="{str(value).lower()}"'
    elif isinstance(value, datetime.date):
        kind, said = "date", f'office:date-value="{value.isoformat()}"'
    elif isinstance(value, str):
        kind, said = "string", ""
    else:
        said = f'office:value="{value!r}"'
    text = escape(str(value))
    return f'<table:table-cell office:value-type="{kind}" {said}{formula}><text:p>{text}</text:p></table:table-cell>'


def ods_parts(sheets: Sequence[Pages]) -> dict[str, str]:
    """The parts of a workbook of LibreOffice; rows and columns of blanks after the table, as it writes them."""
    spaces = " ".join(f'xmlns:{name}="{OASIS}:{name}:1.0"' for name in ("office", "table", "text", "calcext"))
    blanks = '<table:table-cell table:number-columns-repeated="16000"/>'
    tables = ""
    for sheet in sheets:
        rows = "".join(f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>" for row in sheet.rows)
        rows += f'<table:table-row table:number-rows-repeated="1000000">{blanks}</table:table-row>'
        tables += f"<table:table table:name={quoteattr(sheet.name)}>{rows}</table:table>"
    body = f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    entry = f'<m:file-entry m:full-path="/" m:media-type="{kind}"/>'
    return {
        "mimetype": kind,
        "META-INF/manifest.xml": f'{HEAD}<m:manifest xmlns:m="{OASIS}:manifest:1.0">{entry}</m:manifest>',
        "content.xml": f"{HEAD}<office:document-content {spaces}>{body}</office:document-content>",
    }


def zipped(parts: dict[str, str], packed: bool = True) -> bytes:
    """An archive of them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return buffer.getvalue()


@st.composite
def workbooks(draw: st.DrawFn) -> Book:
    """A workbook."""
    rows, expected = draw(_tables())
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    others: list[list[list[Any]]] = [[], [[None, None]], [["Remarks", 1.0], ["none", 2.0]]]
    sheets = [Pages(name, draw(st.sampled_from(others)), draw(st.booleans())) for name in names[1:]]
    clash = any(cell is not None for sheet in sheets for row in sheet.rows for cell in row)
    sheets.insert(draw(st.integers(0, len(sheets))), Pages(names[0], rows))
    sheet = names[0] if draw(st.booleans()) else None
    if sheet is None and clash:
        expected = None
    elif draw(st.integers(0, 9)) == 0:
        sheet, expected = "no such sheet", None
    file = draw(st.sampled_from(["d.xlsx", "d.xlsx", "d.ods"]))
    if file == "d.ods":
        parts = ods_parts(sheets)
    else:
        merged = '<mergeCells count="1"><mergeCell ref="A1:B1"/></mergeCells>' if draw(st.booleans()) else ""
        parts = xlsx_parts(sheets, draw(st.booleans()), draw(st.booleans()), merged)
    packed = draw(st.booleans())
    damage = draw(st.sampled_from(["", "", "", "end", "byte", "part", "text"]))
    if damage == "part":
        parts.pop(draw(st.sampled_from([name for name in parts if "styles" not in name])))
    elif damage == "text":
        name = draw(st.sampled_from([name for name in parts if "styles" not in name]))
        parts[name] = parts[name][: draw(st.integers(0, len(parts[name]) - 1))]
    data = zipped(parts, packed)
    if damage == "end":
        data = data[: draw(st.integers(4, len(data) - 1))]
    elif damage == "byte":
        at = draw(st.integers(4, len(data) - 1))
        data = data[:at] + bytes([data[at] ^ draw(st.integers(1, 255))]) + data[at + 1 :]
    return Book(file, data, sheet, expected, not damage)


@st.composite
def _tables(draw: st.DrawFn) -> tuple[list[list[Any]], list[tuple[float, float]] | None]:
    """Rows of a sheet, and the times and values in them; None where a cell is none."""
    dated = draw(st.booleans())
    step = draw(st.integers(1, 40))
    values = draw(st.lists(st.sampled_from([*VALUES, None]), min_size=3, max_size=6).filter(any))
    more = draw(st.lists(st.sampled_from(["words", "flags"]), unique=True))
    rows: list[list[Any]] = [["Logger", "7 b"] for _ in range(draw(st.integers(0, 2)))]
    rows += [[]] * (draw(st.booleans()) and bool(rows))
    rows.append(["time", "x", *more])
    if draw(st.booleans()):
        rows.append(["d" if dated else "h", "mg/L", *("-" for _ in more)])
    expected: list[tuple[float, float]] = []
    for k, value in enumerate(values):
        time: Any = datetime.date(2021, 2, 27) + datetime.timedelta(days=k * step) if dated else float(k * step)
        cell: Any = Formula(value) if value is not None and draw(st.booleans()) else value
        if value is None and draw(st.booleans()):
            cell = Error(draw(st.sampled_from(["#N/A", "#DIV/0!", "#REF!"])))
        beside = {"words": "dry", "flags": draw(st.booleans())}
        rows.append([time, cell, *(beside[name] for name in more)])
        expected += [] if value is None else [(float(k * step), value)]
        rows += [[None] * len(rows[-1])] * (draw(st.integers(0, 5)) == 0)
    if draw(st.integers(0, 5)) == 0:
        bad = draw(st.sampled_from(["dry", True, datetime.date(2021, 3, 1), float("inf")]))
        rows.append([datetime.date(2031, 1, 1) if dated else 1e4, bad, *("-" for _ in more)])
        return rows, None
    return rows, expected


def check_workbook(book: Book, folder: Path) -> None:
    """The values that it holds, or faults that can be printed."""
    (folder / book.file).write_bytes(book.data)
    said = {} if book.sheet is None else {"sheet": book.sheet}
    try:
        loaded = load_config({**MODEL, "data": {"csv": str(folder / book.file), "unused": ["words", "flags"], **said}})
        (found,) = read_measured(loaded, ("x",), [])
    except InputError as error:
        assert error.faults
        for fault in error.faults:
            assert all(line.isprintable() for line in str(fault).split("\n")), fault
        assert book.expected is None or not book.whole, str(error)
        return
    assert book.expected is not None, found
    kept = ~np.isnan(found.values[:, 0])
    pairs = list(zip(found.times[kept].tolist(), found.values[kept, 0].tolist(), strict=True))
    assert pairs == book.expected, pairs
