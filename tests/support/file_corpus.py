"""Small files as people have them, each with the values that are right: quirks one by one, and any two together.

A file is a table of three or four measurements of x, written with some quirks; `data` are the keys that its config has
beside the path, and `expected` what must be read, or a part of the message that must refuse it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

Values = dict[str, list[tuple[float, float]]]
ONE: Values = {"1": [(0, 10), (1, 6.25), (2, 3.5), (4, 1.5)]}
TWO: Values = {"1": [(0, 10), (1, 6.25), (2, 3.5)], "2": [(0, 12), (1, 7.5), (2, 4.25)]}


@dataclass(frozen=True)
class Written:
    """How a table is written."""

    values: Values = field(default_factory=lambda: ONE)
    names: tuple[str, str] = ("time", "x")
    separator: str = ","
    comma: bool = False
    preamble: tuple[str, ...] = ()
    mark: str = ""
    with_header: bool = True
    units: tuple[str, ...] = ()
    encoding: str = "utf-8"
    newline: str = "\n"
    word: str = ""
    remark: bool = False
    footer: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    scale: tuple[float, float] = (1, 1)
    model: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """The file."""
        lines = list(self.preamble)
        names = [*self.names, *(["remark"] if self.remark else [])]
        if self.with_header:
            lines.append(self.mark + self.separator.join(names))
        if self.units:
            lines.append(self.separator.join([*self.units, *(["-"] if self.remark else [])]))
        blocks = []
        for rows in self.values.values():
            cells = [
                [self.number(t * self.scale[0]), self.number(x * self.scale[1]), *(["dry"] if self.remark else [])]
                for t, x in rows
            ]
            if self.word:
                cells.append([self.number(9.0), self.word, *(["wet"] if self.remark else [])])
            blocks.append(self.newline.join(map(self.separator.join, cells)))
        text = self.newline.join([*lines, (2 * self.newline).join(blocks), *self.footer]) + self.newline
        return text.encode(self.encoding)

    def number(self, value: float) -> str:
        """A number as this file has it."""
        text = f"{value:g}"
        return text.replace(".", ",") if self.comma else text


@dataclass(frozen=True)
class Case:
    """A file, the keys that its config has, and what is right: values by experiment, or part of a refusal."""

    name: str
    file: str
    content: bytes
    data: Mapping[str, Any]
    expected: Values | str
    others: Mapping[str, bytes] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)


IN_HOURS = {"t": "h", "x": "mg/L"}
QUIRKS: dict[str, dict[str, Any]] = {
    "semicolons": {"separator": ";"},
    "tabs": {"separator": "\t"},
    "blanks": {"separator": "  "},
    "semicolons, decimal commas": {"separator": ";", "comma": True},
    "tabs, decimal commas": {"separator": "\t", "comma": True},
    "blanks, decimal commas": {"separator": "   ", "comma": True},
    "a preamble": {"preamble": ("Logger 7, serial 42", "Gain: 50", "")},
    "a preamble as wide as the table": {"preamble": ("Device,A7", "Temperature,37", "")},
    "a header behind #": {"mark": "# "},
    "a header behind #, without a blank": {"mark": "#"},
    "no header": {"with_header": False, "data": {"header": ["time", "x"]}},
    "units": {"units": ("h", "mg/L")},
    "units in brackets": {"units": ("[h]", "[10^6 cells/mL]")},
    "other units in the header": {"names": ("time (min)", "x [g/L]"), "scale": (60, 0.001), "model": IN_HOURS},
    "other units below the header": {"units": ("min", "µg/L"), "scale": (60, 1000), "model": IN_HOURS},
    "other units in the config": {
        "data": {"units": {"x": "kg/m3"}, "time_unit": "min"},
        "scale": (60, 0.001),
        "model": IN_HOURS,
    },
    "Latin-1": {"encoding": "latin-1", "preamble": ("Gerät: Müller & Söhne",)},
    "UTF-16": {"encoding": "utf-16"},
    "a byte order mark": {"encoding": "utf-8-sig"},
    "Windows line ends": {"newline": "\r\n"},
    "capitals": {"names": ("TIME", "X")},
    "other names": {"names": ("t_h", "OD600"), "data": {"time": "t_h", "columns": {"x": "OD600"}}},
    "a word for a missing value": {"word": "ND", "data": {"missing": ["ND"]}},
    "a number for a missing value": {"word": "-999", "data": {"missing": [-999]}},
    "experiments parted by blank lines": {"values": TWO},
    "a column of remarks": {"remark": True},
    "a comment at the end": {"footer": ("# end of file",), "preamble": ("# begin of file", "Logger;7")},
}
"""Quirk -> what of `Written` it changes."""


def _together(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any] | None:
    """Both, or None where they speak of the same thing, or cannot be together."""
    if set(one) & set(other) - {"data"}:
        return None
    both = {**one, **other, "data": {**one.get("data", {}), **other.get("data", {})}}
    if "with_header" in both and ("units" in both or "mark" in both or "names" in both):
        return None
    if "units" in both and "names" in both and "scale" in both:
        return None
    if "with_header" in both and "remark" in both:
        both["data"] = {"header": ["time", "x", "remark"]}
    separator = both.get("separator", ",")
    if "preamble" in both and separator != ",":
        both["preamble"] = tuple(line.replace(",", separator) for line in both["preamble"])
    for key in ("units", "names"):
        if key in both and separator.isspace() and separator != "\t":
            both[key] = tuple(unit.replace(" ", "") for unit in both[key])
    return both


def text_cases() -> Iterator[Case]:
    """Every quirk alone, and every two that can be together."""
    for name, changes in QUIRKS.items():
        yield _case(name, changes)
    for (a, one), (b, other) in itertools.combinations(QUIRKS.items(), 2):
        both = _together(one, other)
        if both is not None:
            yield _case(f"{a} + {b}", both)


def _case(name: str, changes: Mapping[str, Any]) -> Case:
    written = replace(Written(), **changes)
    return Case(name, "d.csv", written.content(), written.data, written.values, units=written.model)


REFUSED: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "no header, and none said": (b"0,10\n1,6.25\n2,3.5\n", {}, "must name the columns"),
    "thousands or decimals": (b"time\tx\n0\t1,234\n1\t2,345\n", {}, "'1,234' is 1234 or 1.234"),
    "a footer": (b"time,x\n0,10\n1,6.25\nend of data\n", {}, "this row has 1 cell"),
    "NUL bytes": (b"time,x\n0,\x001\n1,2\n", {}, "holds NUL bytes"),
    "no numbers": (b"dear all,\nthe meeting is at noon\n", {}, "is no table of numbers"),
    "a header too short": (b"time,x\n0,10\n1,5\n", {"header": ["time", "x", "y"]}, "data.header has 3 names"),
    "no such header": (b"time,x\n0,10\n1,5\n", {"header": 9}, "has no header in line 9 (data.header)"),
    "no text in that encoding": ("time,x\n0,1\n".encode("utf-16"), {"encoding": "utf-8"}, "is no text in utf-8"),
    "no such encoding": (b"time,x\n0,1\n", {"encoding": "klingon"}, "is no text in klingon (data.encoding)"),
    "an archive": (b"PK\x03\x04rest", {}, "is a zip archive or an Excel workbook, and damaged"),
    "a word for a limit": (b"time,x\n0,10\n1,BLQ\n", {}, "data.limit"),
    "an unknown word": (b"time,x\n0,10\n1,n.a.\n", {}, "'n.a.' is not a number"),
    "two units": (
        b"time (min),x\nh,mg/L\n0,10\n60,6.25\n",
        {"units": {"x": "mg/L"}},
        "the header says min, the row of units h; `data.units` says which it is",
    ),
    "other than the model": (b"time,x [mol/L]\n0,10\n60,6.25\n", {}, "x: mol/L does not become mg/L"),
    "compressed": (b"\x1f\x8b\x08rest", {}, "is compressed"),
}
"""Name -> content, keys, part of the message."""


def refused_cases() -> Iterator[Case]:
    """Files that nobody can read without a key, or at all."""
    for name, (content, data, message) in REFUSED.items():
        yield Case(name, "d.csv", content, data, message, units=IN_HOURS)


EVENTS = "ID,TIME,DV,AMT,CENS,{}\n1,0,.,100,0,.\n1,1,6.25,.,0,{}\n1,2,{},.,1,{}\n"
LIMITED: Values = {"1": [(1, 6.25), (2, 0.5)]}
LIMITS: dict[str, tuple[tuple[str, ...], dict[str, Any], Values | str]] = {
    "an interval": (("LIMIT", ".", "0.5", "0"), {}, LIMITED),
    "an interval that ends where it should not": (("LIMIT", ".", "0.5", "0.75"), {}, "and LIMIT is 0.75"),
    "an interval, left alone": (("LIMIT", ".", "0.5", "0"), {"unused": ["LIMIT"]}, LIMITED),
    "no interval": (("LIMIT", ".", "0.5", "-inf"), {}, LIMITED),
    "a truncated value": (("LIMIT", "0", "0.5", "."), {}, "data.unused: [LIMIT]"),
    "a column of limits": (("LLOQ", "0.5", "0", "0.5"), {}, LIMITED),
    "a column of limits, no value": (("LLOQ", "0.5", ".", "0.5"), {}, LIMITED),
    "two limits": (("LLOQ", "0.5", "0.25", "0.5"), {}, "data.unused: [LLOQ]"),
    "a flagged zero": (("OCC", "1", "0", "1"), {}, "data.limit"),
}
"""Tables of events with limits: name -> the cells that differ, keys, what is right."""


def limit_cases() -> Iterator[Case]:
    """Tables of events whose flags mean a limit, an interval, or nothing that can be known."""
    for name, (cells, data, expected) in LIMITS.items():
        yield Case(name, "d.csv", EVENTS.format(*cells).encode(), data, expected)


FIRST, SECOND = b"time,x\n0,10\n1,6.25\n2,3.5\n", b"time,x\n0,12\n1,7.5\n2,4.25\n"
BOTH: Values = {"r1": TWO["1"], "r2": TWO["2"]}
NAMED = b"experiment,time,x\na,0,12\na,1,7.5\na,2,4.25\n"
SEVERAL: dict[str, tuple[bytes, dict[str, Any], Values | str]] = {
    "a pattern": (SECOND, {"csv": "r*.csv"}, BOTH),
    "a list": (SECOND, {"csv": ["r1.csv", "r2.csv"]}, BOTH),
    "columns in another order": (b"x,time\n12,0\n7.5,1\n4.25,2\n", {"csv": "r?.csv"}, BOTH),
    "a preamble in one": (b"Logger 7\n\ntime;x\n0;12\n1;7.5\n2;4.25\n", {"csv": "r*.csv"}, BOTH),
    "decimal commas in one": (b"time;x\n0;12\n1;7,5\n2;4,25\n", {"csv": "r*.csv"}, "written in another way than"),
    "other columns": (b"time,y\n0,12\n1,7.5\n", {"csv": "r*.csv"}, "has other columns than"),
    "experiments in one only": (NAMED, {"csv": "r*.csv"}, "has other columns than"),
    "two series in one": (FIRST + b"\n0,12\n1,7.5\n", {"csv": "r*.csv"}, "begins a second series"),
    "one twice": (SECOND, {"csv": ["r1.csv", "r*.csv"]}, "names 'r1.csv' twice"),
    "none": (SECOND, {"csv": "q*.csv"}, "no file matches"),
    "one missing": (SECOND, {"csv": ["r1.csv", "r3.csv"]}, "r3.csv does not exist"),
    "a fault in one": (b"time,x\n0,12\n1,n.a.\n", {"csv": "r*.csv"}, "r2.csv:3, column x: 'n.a.'"),
    "the same experiment, merged": (
        b"time,x\n3,3\n4,2\n",
        {"csv": "r*.csv", "merge": True},
        {"1": [*TWO["1"], (3, 3), (4, 2)]},
    ),
    "the same value in two, merged": (
        b"time,x\n2,3.5\n3,2\n",
        {"csv": "r*.csv", "merge": True},
        "x of 1 at 2 stands in",
    ),
    "other columns, merged": (b"time,y\n0,5\n1,6\n", {"csv": "r*.csv", "merge": True}, {"1": TWO["1"]}),
    "experiments in one only, merged": (NAMED, {"csv": "r*.csv", "merge": True}, "has no column experiment"),
    "rows of one of them": (SECOND, {"csv": "r*.csv", "exclude": [{"rows": ["2"]}]}, "rows are lines of one"),
}
"""Two files: name -> the second one, keys, what is right. The first is FIRST."""


def several_cases() -> Iterator[Case]:
    """Lists and patterns of files."""
    for name, (content, data, expected) in SEVERAL.items():
        yield Case(name + ", several files", "r1.csv", FIRST, data, expected, {"r2.csv": content})


WELLS: Values = {"A1": TWO["1"], "B12": TWO["2"]}
SIDE_BY_SIDE: dict[str, tuple[bytes, dict[str, Any], Values | str]] = {
    "a plate": (b"time,A1,B12\n0,10,12\n1,6.25,7.5\n2,3.5,4.25\n", {"columns": {"x": "[A-H]*"}}, WELLS),
    "a plate, a cell missing": (
        b"time,A1,B12,T\n0,10,12,37\n1,6.25,,37\n",
        {"columns": {"x": "[A-H]*"}},
        {"A1": [(0, 10), (1, 6.25)], "B12": [(0, 12)]},
    ),
    "a plate with a preamble and decimal commas": (
        b"Reader 3\n\ntime;A1;B12\n0;10;12\n1;6,25;7,5\n2;3,5;4,25\n",
        {"columns": {"x": "[A-H]*"}},
        WELLS,
    ),
    "replicates": (
        b"time,x1,x2\n0,10,12\n1,6.25,7.5\n2,3.5,4.25\n",
        {"columns": {"x": ["x1", "x2"]}},
        {"1": TWO["1"], "1#2": TWO["2"]},
    ),
    "replicates in experiments": (
        b"experiment,time,x1,x2\na,0,10,12\na,1,6.25,7.5\na,2,3.5,4.25\n",
        {"columns": {"x": ["x1", "x2"]}},
        {"a": TWO["1"], "a#2": TWO["2"]},
    ),
    "conditions in the header": (
        b"time,0 uM,500 uM\n0,10,12\n1,6.25,7.5\n2,3.5,4.25\n",
        {"columns": {"x": "{S} uM"}},
        {"0": TWO["1"], "500": TWO["2"]},
    ),
    "a column per time": (
        b"place,0,1,2\nA1,10,6.25,3.5\nB12,12,7.5,4.25\n",
        {"columns": {"x": "{time}"}, "experiment": "place"},
        WELLS,
    ),
    "a column per day, as dates": (
        b"place,lat,1/22/20,1/23/20,1/24/20\nA1,50,10,6.25,3.5\nB12,51,12,7.5,4.25\n",
        {"columns": {"x": "{time}"}, "experiment": "place"},
        WELLS,
    ),
    "a header that looks like a pattern": (
        b"time,x [1/mL]\n0,10\n1,6.25\n",
        {"columns": {"x": "x [1/mL]"}},
        {"1": [(0, 10), (1, 6.25)]},
    ),
    "errors among them": (b"time,x_a,x_a_sd\n0,10,1\n1,6,1\n", {"columns": {"x": "x_*"}}, "data.unused: [x_a_sd]"),
    "no such columns": (b"time,x\n0,10\n1,6\n", {"columns": {"x": "[A-H]*"}}, "no column matches '[A-H]*'"),
    "two of one name": (
        b"time,ab_x,a_bx\n0,10,1\n1,6,1\n",
        {"columns": {"x": ["*_x", "a_*x"], "y": "ab"}},
        "'y' is no observable",
    ),
    "one experiment twice": (
        b"time,a_x,x_a\n0,10,1\n1,6,1\n",
        {"columns": {"x": ["*_x", "x_*"]}},
        "is the experiment 'a' by data.columns.x, as is a_x",
    ),
    "a fault in a well": (b"time,A1,B12\n0,10,12\n1,6,n.a.\n", {"columns": {"x": "[A-H]*"}}, "d.csv:3, column B12"),
    "no pattern": (b"time,x\n0,10\n1,6\n", {"columns": {"x": "[z-a]*"}}, "is no pattern of columns"),
}
"""Name -> content, keys, what is right."""


def side_cases() -> Iterator[Case]:
    """Experiments, replicates, conditions and times side by side."""
    for name, (content, data, expected) in SIDE_BY_SIDE.items():
        yield Case(name + ", side by side", "d.csv", content, data, expected)


def all_cases() -> list[Case]:
    """The whole corpus."""
    return [*text_cases(), *refused_cases(), *limit_cases(), *several_cases(), *side_cases()]


def outcome(case: Case, folder: Path) -> Values | str:
    """What is read of a case: values by experiment, or the message that refuses it."""
    from odefit.config.load import load_config
    from odefit.errors import InputError
    from odefit.problem.event_table import with_events
    from odefit.problem.measured import read_measured

    path = folder / case.file
    path.write_bytes(case.content)
    for name, content in case.others.items():
        (folder / name).write_bytes(content)
    model = {"model": {"equations": {"x": "-k*x"}, "units": dict(case.units)}, "parameters": {"k": 0.5}}
    try:
        loaded = with_events(load_config({**model, "data": {"csv": str(path), **_in_folder(case.data, folder)}}))
        found = read_measured(loaded, ("x",), [])
    except InputError as error:
        return str(error)
    return {
        e.name: [(t, x) for t, x in zip(e.times.tolist(), e.values[:, 0].tolist(), strict=True) if x == x]
        for e in found
    }


def _in_folder(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The keys with their files as paths."""
    csv = data.get("csv")
    if csv is None:
        return dict(data)
    return {**data, "csv": [str(folder / name) for name in csv] if isinstance(csv, list) else str(folder / csv)}


def is_right(case: Case, found: Values | str) -> bool:
    """Whether a case was read as it is meant, or refused as it must be."""
    if isinstance(case.expected, str) or isinstance(found, str):
        return isinstance(case.expected, str) and isinstance(found, str) and case.expected in found
    return found.keys() == case.expected.keys() and all(
        len(rows) == len(case.expected[name])
        and all(
            math.isclose(a, b, rel_tol=1e-12)
            for pair in zip(rows, case.expected[name], strict=True)
            for a, b in zip(*pair, strict=True)
        )
        for name, rows in found.items()
    )
