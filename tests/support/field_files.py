"""Files of many fields as their instruments, offices and programs write them: what is right, or the key that decides.

The forms are those of the trade, the numbers and names are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from file_corpus import Case, Values

ONE: Values = {"1": [(0, 10), (1, 6.25), (2, 3.5)]}
PLATE: Values = {"A1": ONE["1"], "A2": [(0, 12), (1, 7.5), (2, 4.25)]}
FILES: dict[str, tuple[str | bytes, dict[str, Any], Values | str]] = {
    "growth, a plate with a cycle number": (
        "Cycle,Time,Temp,A1,A2\n1,0,37,10,12\n2,1,37,6.25,7.5\n3,2,37,3.5,4.25\n",
        {"wells": "x"},
        PLATE,
    ),
    "growth, a plate with a cycle number, by a pattern": (
        "Cycle,Time,Temp,A1,A2\n1,0,37,10,12\n2,1,37,6.25,7.5\n",
        {"columns": {"x": "[A-H]*"}},
        "`data.wells: x` reads wells only",
    ),
    "growth, wells with a zero and units": (
        "Time (h),A01 (mg/L),A02 (mg/L)\n0,10,12\n1,6.25,7.5\n2,3.5,4.25\n",
        {"time": "Time (h)", "columns": {"x": "{wells} (mg/L)"}},
        {"A01": PLATE["A1"], "A02": PLATE["A2"]},
    ),
    "growth, the time in minutes and seconds": (
        "Time\tA1\tA2\n00:00\t10\t12\n01:00\t6.25\t7.5\n02:00\t3.5\t4.25\n",
        {"wells": "x", "clock": "m:ss", "time_unit": "min"},
        PLATE,
    ),
    "growth, a reading per line and no header": ("0 10\n1 6.25\n2 3.5\n", {}, "data.header"),
    "ELISA, optical density over the range": (
        "time;x\n0;OVER\n1;6,25\n2;3,5\n",
        {"missing": ["OVER"]},
        {"1": [(1, 6.25), (2, 3.5)]},
    ),
    "ELISA, below the lowest standard": (
        "time,x\n0,10\n1,6.25\n2,< 4\n",
        {},
        {"1": [(0, 10), (1, 6.25), (2, 4)]},
    ),
    "ELISA, duplicates in two columns": (
        "time,OD 1,OD 2\n0,10,12\n1,6.25,7.5\n2,3.5,4.25\n",
        {"columns": {"x": ["OD 1", "OD 2"]}},
        {"1": PLATE["A1"], "1#2": PLATE["A2"]},
    ),
    "qPCR, undetermined cycles": (
        "Sample Name\tTime\tTarget Name\tCT\ns1\t0\tgene\t10\ns1\t1\tgene\t6.25\ns1\t2\tgene\tUndetermined\n",
        {
            "experiment": "Sample Name",
            "observable": "Target Name",
            "value": "CT",
            "columns": {"x": "gene"},
            "missing": ["Undetermined"],
        },
        {"s1": [(0, 10), (1, 6.25)]},
    ),
    "qPCR, undetermined cycles that no key explains": (
        "time\tx\n0\t10\n1\tUndetermined\n",
        {},
        "`data.missing: ['Undetermined']`",
    ),
    "ecotoxicology, a test by concentrations": (
        "Day,Control,3.2 mg/L,10 mg/L\n0,10,10,10\n3,6.25,5,4\n",
        {"columns": {"x": "{C} mg/L"}, "time": "Day"},
        {"3.2": [(0, 10), (3, 5)], "10": [(0, 10), (3, 4)]},
    ),
    "algae, replicates of a test below each other": (
        "conc,rep,day,x\n0,1,0,10\n0,1,1,6.25\n0,2,0,12\n0,2,1,7.5\n",
        {"time": "day", "experiment": "rep"},
        {"1": [(0, 10), (1, 6.25)], "2": [(0, 12), (1, 7.5)]},
    ),
    "surveillance, rows with the newest first": (
        "date,x\n2021-03-03,3.5\n2021-03-02,6.25\n2021-03-01,10\n",
        {"time": "date"},
        ONE,
    ),
    "surveillance, dates with a time of day that is midnight": (
        "date,x\n2021/03/01 00:00:00,10\n2021/03/02 00:00:00,6.25\n2021/03/03 00:00:00,3.5\n",
        {"time": "date"},
        ONE,
    ),
    "surveillance, weeks of a year in two columns": (
        "year,week,x\n2020,52,10\n2020,53,6.25\n2021,1,3.5\n",
        {"time": "week"},
        "begins anew",
    ),
    "surveillance, months": (
        "month,x\n2021-01,10\n2021-02,6.25\n2021-03,3.5\n",
        {"time": "month"},
        {"1": [(0, 10), (31, 6.25), (59, 3.5)]},
    ),
    "surveillance, places below each other that no key names": (
        "date,region,x\n2021-03-01,N,10\n2021-03-02,N,6.25\n2021-03-01,S,12\n2021-03-02,S,7.5\n",
        {"time": "date"},
        "data.experiment",
    ),
    "surveillance, zones that change with the clocks": (
        "time,x\n2021-03-28T01:00:00+01:00,10\n2021-03-28T03:00:00+02:00,6.25\n2021-03-28T04:00:00+02:00,3.5\n",
        {},
        ONE,
    ),
    "surveillance, some times with a zone": (
        "time,x\n2021-03-28T01:00:00Z,10\n2021-03-28 02:00:00,6.25\n",
        {},
        "names no time zone",
    ),
    "patch clamp, sweeps below each other": (
        "Sweep\tTime\tx\n1\t0.05\t10\n1\t1.05\t6.25\n2\t0\t12\n2\t1\t7.5\n",
        {},
        "`data.experiment: Sweep`",
    ),
    "patch clamp, sweeps as experiments": (
        "Sweep\tTime\tx\n1\t0.05\t10\n1\t1.05\t6.25\n2\t0\t12\n2\t1\t7.5\n",
        {"experiment": "Sweep"},
        {"1": [(0.05, 10), (1.05, 6.25)], "2": [(0, 12), (1, 7.5)]},
    ),
    "patch clamp, sweeps side by side": (
        "Time (ms)\tTrace #1 (pA)\tTrace #2 (pA)\n0\t10\t12\n1\t6.25\t7.5\n2\t3.5\t4.25\n",
        {"time": "Time (ms)", "columns": {"x": "Trace #? (pA)"}},
        {"1": PLATE["A1"], "2": PLATE["A2"]},
    ),
    "battery cycler, a time that begins anew with each cycle": (
        "Cycle_Index,Test_Time(s),x\n1,0.5,10\n1,10.5,6.25\n2,0,12\n2,10,7.5\n",
        {"time": "Test_Time(s)"},
        "`data.experiment: Cycle_Index`",
    ),
    "battery cycler, steps and a date beside the time": (
        "Date_Time,Test_Time(s),Step_Index,x\n03/15/2021 10:00:00,0,1,10\n03/15/2021 10:00:01,1,1,6.25\n"
        "03/15/2021 10:00:02,2,2,3.5\n",
        {"time": "Test_Time(s)"},
        ONE,
    ),
    "battery cycler, decimal commas and a unit in brackets": (
        "time/s;x/V;I/A\n0;10;1\n1;6,25;1\n2;3,5;1\n",
        {"time": "time/s", "columns": {"x": "x/V"}},
        ONE,
    ),
    "weather station, year, day of the year and hours": (
        "Year,DOY,Hour,x\n2021,60,22,10\n2021,60,23,6.25\n2021,61,0,3.5\n",
        {"time": "Hour", "date": "DOY"},
        ONE,
    ),
    "weather station, day of the year and a clock of four digits": (
        "Year,DOY,Time,x\n2021,60,2200,10\n2021,60,2300,6.25\n2021,61,0,3.5\n2021,61,100,3\n",
        {},
        "`data.date: DOY`",
    ),
    "weather station, a clock of four digits is no hour": (
        "Year,DOY,Time,x\n2021,60,2200,10\n2021,60,2300,6.25\n2021,61,0,3.5\n",
        {"date": "DOY"},
        "'2200' is no time of day",
    ),
    "weather station, numbered days of a year": (
        "day,x\n2021-060,10\n2021-061,6.25\n2021-062,3.5\n",
        {"time": "day"},
        ONE,
    ),
    "weather station, a sentinel for what failed": (
        "time,x\n0,10\n1,-9999\n2,3.5\n",
        {"missing": [-9999]},
        {"1": [(0, 10), (2, 3.5)]},
    ),
    "glucose monitor, a title and the local time": (
        "Glucose data,Generated on,15-03-2021 10:00 UTC,Generated by,me\nDevice,Serial,Device Timestamp,x\n"
        "m,7,15-03-2021 08:00,10\nm,7,15-03-2021 09:00,6.25\nm,7,15-03-2021 10:00,3.5\n",
        {"time": "Device Timestamp"},
        ONE,
    ),
    "glucose monitor, high and low in words": (
        "time,x\n0,10\n1,High\n2,Low\n",
        {},
        "`data.missing: ['High']`",
    ),
    "glucose monitor, ISO time with a T": (
        "Timestamp (YYYY-MM-DDThh:mm:ss),x\n2021-03-15T08:00:00,10\n2021-03-15T09:00:00,6.25\n"
        "2021-03-15T10:00:00,3.5\n",
        {"time": "Timestamp (YYYY-MM-DDThh:mm:ss)"},
        ONE,
    ),
    "glucose monitor, American dates in words": (
        'time,x\n"Mar 15, 2021 8:00 AM",10\n"Mar 15, 2021 9:00 AM",6.25\n"Mar 15, 2021 10:00 AM",3.5\n',
        {},
        ONE,
    ),
    "chemostat log, days and a clock in one cell": (
        "elapsed;x\n0d 00:00:00;10\n1d 00:00:00;6,25\n2d 00:00:00;3,5\n",
        {"time": "elapsed", "time_unit": "d"},
        ONE,
    ),
    "chemostat log, ISO durations": ("elapsed,x\nPT0S,10\nPT1H,6.25\nPT2H,3.5\n", {"time": "elapsed"}, ONE),
    "chemostat log, German months": (
        "Zeit;x\n31. Mai 2021;10\n1. Juni 2021;6,25\n2. Juni 2021;3,5\n",
        {"time": "Zeit"},
        ONE,
    ),
    "chemostat log, the header at the top of each page": (
        "time,x\n0,10\n1,6.25\ntime,x\n2,3.5\n",
        {},
        ONE,
    ),
    "chemostat log, runs each with a header": (
        "time,x\n0,10\n1,6.25\ntime,x\n0,12\n1,7.5\n",
        {},
        {"1": [(0, 10), (1, 6.25)], "2": [(0, 12), (1, 7.5)]},
    ),
    "logger, a separator at the end of each row": ("time;x\n0;10;\n1;6,25;\n2;3,5;\n", {}, ONE),
    "logger, an empty cell at the end of some rows": ("time;x\n0;10;\n1;6,25\n2;3,5;\n", {}, "cells, the header has 2"),
    "logger, UTF-16 without its mark": (
        "time\tx\n0\t10\n1\t6.25\n".encode("utf-16-le"),
        {},
        "`data.encoding: utf-16-le`",
    ),
    "logger, typographic minus": ("time,x\n\u22121,10\n0,6.25\n1,3.5\n", {}, {"1": [(-1, 10), (0, 6.25), (1, 3.5)]}),
    "logger, milliseconds since 1970": (
        "time,x\n1614585600000,10\n1614585601000,6.25\n",
        {},
        {"1": [(1614585600000, 10), (1614585601000, 6.25)]},
    ),
    "simulation program, exponents of Fortran": ("t x\n0.0D+00 1.0D+01\n1.0D+00 6.25D+00\n2.0D+00 0.35D+01\n", {}, ONE),
    "nlmixr, evid of RxODE": ("ID,TIME,DV,AMT,EVID\n1,0,.,100,101\n1,1,6.25,.,0\n", {}, "write EVID 1 and CMT 1"),
    "nlmixr, replaced amounts": ("ID,TIME,DV,AMT,EVID\n1,0,.,100,5\n1,1,6.25,.,0\n", {}, "`model.events`"),
    "nonmem, sex in words and weight in kg": (
        "ID,TIME,DV,AMT,SEX,WT\n1,0,.,100,F,70\n1,1,6.25,.,F,70\n1,2,3.5,.,F,70\n",
        {},
        {"1": [(1, 6.25), (2, 3.5)]},
    ),
    "nonmem, a reset between occasions": (
        "ID,TIME,DV,AMT,EVID,OCC\n1,0,.,100,1,1\n1,1,6.25,.,0,1\n1,0,.,100,4,2\n1,1,7.5,.,0,2\n",
        {},
        {"1": [(1, 6.25)], "1/2": [(1, 7.5)]},
    ),
    "nonmem, a time that goes back without a reset": (
        "ID,TIME,DV,AMT,EVID\n1,0,.,100,1\n1,1,6.25,.,0\n1,0,.,100,1\n1,1,7.5,.,0\n",
        {},
        "begins with EVID 3 or 4",
    ),
    "nonmem, doses in columns of a plain table": (
        "id,time,x,dose\na,0,10,100\na,1,6.25,0\na,2,3.5,0\n",
        {"experiment": "id", "doses": {"state": "x", "columns": {"amount": "dose"}}},
        {"a": ONE["1"]},
    ),
    "monolix, censored with a limit, semicolons": (
        "ID;TIME;DV;AMT;CENS;LIMIT\n1;0;.;100;.;.\n1;1;6.25;.;0;.\n1;2;3.5;.;1;0\n",
        {},
        {"1": [(1, 6.25), (2, 3.5)]},
    ),
    "monolix, an interval with its ends reversed": ("time,x\n0,10\n1,8..6\n", {}, "write 6..8"),
    "survey, classes of counts": ("time,x\n0,10\n1,5..8\n2,0..3\n", {}, {"1": [(0, 10), (1, 8), (2, 3)]}),
    "database, a file of SQLite": (b"SQLite format 3\x00" + bytes(20), {}, "is a database (SQLite)"),
    "science program, a file of HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(20), {}, "is an HDF5 file"),
}
"""Name -> text or bytes, keys, what is right."""


def field_cases() -> Iterator[Case]:
    """All of them."""
    for name, (text, data, expected) in FILES.items():
        yield Case(name, "d.csv", text if isinstance(text, bytes) else text.encode(), data, expected)


WAYS = {"semicolons and decimal commas": ";,", "tabs and decimal commas": "\t,", "commas": ",."}
"""How a table is written: what parts cells, and the sign of decimals."""
TIMES: Mapping[str, tuple[tuple[str, str, str], dict[str, Any]]] = {
    "dates": (("2021-03-01", "2021-03-02", "2021-03-03"), {}),
    "dates with the day first": (("13.03.2021", "14.03.2021", "15.03.2021"), {}),
    "hours of a day": (("22:00:00", "23:00:00", "00:00:00"), {"zero": "first"}),
    "a time zone that changes": (
        ("2021-03-28T01:00+01:00", "2021-03-28T03:00+02:00", "2021-03-28T04:00+02:00"),
        {},
    ),
    "weeks": (("2020-W53", "2021-W01", "2021-W02"), {"time_unit": "week"}),
    "durations": (("0 min", "60 min", "2 h"), {}),
}
SHAPES: Mapping[str, tuple[str, dict[str, Any], Values]] = {
    "wells": ("t;A1;A2\n{0};10;12\n{1};6.25;7.5\n{2};3.5;4.25\n", {"wells": "x"}, PLATE),
    "a limit in a word": ("t;x\n{0};10\n{1};6.25\n{2};BLQ\n", {"limit": {"x": 3.5}}, ONE),
    "an interval": ("t;x\n{0};10\n{1};6.25\n{2};2.5..3.5\n", {}, ONE),
    "a row left out": (
        "t;x\n{0};10\n{1};6.25\n{2};3.5\n{2};99\n",
        {"exclude": [{"rows": ["5"], "reason": "spilt"}]},
        ONE,
    ),
    "experiments in a column": (
        "id;t;x\na;{0};10\na;{1};6.25\na;{2};3.5\nb;{0};12\nb;{1};7.5\nb;{2};4.25\n",
        {"experiment": "id"},
        {"a": ONE["1"], "b": PLATE["A2"]},
    ),
    "flags": ("t;x;cens\n{0};10;0\n{1};6.25;0\n{2};3.5;1\n", {"censored": {"x": "cens"}}, ONE),
    "a preamble and units": ("Logger 7\n\nt;x\n;mg/L\n{0};10\n{1};6.25\n{2};3.5\n", {}, ONE),
    "the long layout": ("t;observable;value\n{0};x;10\n{1};x;6.25\n{2};x;3.5\n", {}, ONE),
}


def two_readers() -> Iterator[Case]:
    """Times that are no numbers, in tables of every shape, written in several ways."""
    for when, (cells, clock) in TIMES.items():
        for shape, (text, keys, values) in SHAPES.items():
            for way, (separator, decimal) in WAYS.items():
                rows = (line.replace(".", decimal).replace(2 * decimal, "..") for line in text.split("\n"))
                table = "\n".join(rows).format(*cells).replace(";", separator)
                yield Case(f"{when} + {shape}, {way}", "d.csv", table.encode(), {"time": "t", **clock, **keys}, values)
