"""Files as instruments, houses and offices write them, one of each: what is right, or the key that must be asked for.

The forms are those of the trade, the numbers and names are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from file_corpus import Case, Values

ONE: Values = {"1": [(0, 10), (1, 6.25), (2, 3.5)]}
FILES: dict[str, tuple[str, dict[str, Any], Values | str]] = {
    "plate reader, a kinetic export with times of day": (
        "User: lab\tPath: D:\\data\nTest name: growth\nDate: 03.03.2021\tTime: 12:11:09\n\n"
        "Time\tT\u00b0 600\tA1\tA2\n0:00:00\t37.0\t10\t12\n1:00:00\t37.1\t6.25\t7.5\n2:00:00\t37.0\t3.5\t4.25\n",
        {"columns": {"x": "[A-H]?"}},
        {"A1": ONE["1"], "A2": [(0, 12), (1, 7.5), (2, 4.25)]},
    ),
    "plate reader, seconds with their unit and a cycle number": (
        "Cycle Nr.,Time [s],Temp. [\u00b0C],x\n1,0,37,10\n2,3600,37,6.25\n3,7200,37.1,3.5\n",
        {"time": "Time [s]"},
        {"1": [(0, 10), (3600, 6.25), (7200, 3.5)]},
    ),
    "plate reader, wells below each other": (
        "Well,Time (h),x\nA1,0,10\nA1,1,6.25\nB1,0,12\nB1,1,7.5\n",
        {"experiment": "Well"},
        {"A1": [(0, 10), (1, 6.25)], "B1": [(0, 12), (1, 7.5)]},
    ),
    "plate reader, wells below each other that no key names": (
        "Well,Time,x\nA1,0,10\nA1,1,6.25\nB1,0,12\nB1,1,7.5\n",
        {},
        "data.experiment",
    ),
    "plate reader, overflow marked by a word": ("time,x\n0,10\n1,OVRFLW\n2,3.5\n", {}, "'OVRFLW' is not a number"),
    "plate reader, overflow as missing": (
        "time,x\n0,10\n1,OVRFLW\n2,3.5\n",
        {"missing": ["OVRFLW"]},
        {"1": [(0, 10), (2, 3.5)]},
    ),
    "logger with four lines of header": (
        '"TOA5","mast","CR1000","1234","os","prog","99","table"\n"TIMESTAMP","RECORD","x"\n"TS","RN","mV"\n"","","Avg"\n'
        '"2021-03-01 00:00:00",0,10\n"2021-03-01 01:00:00",1,6.25\n"2021-03-01 02:00:00",2,3.5\n',
        {"time": "TIMESTAMP", "exclude": []},
        ONE,
    ),
    "logger with a title line and units in the header": (
        "\ufeffPlot Title: pond\n#,Date Time,x (mg/L) (LGR S/N: 77)\n1,03/25/21 12:00:00 PM,10\n"
        "2,03/25/21 01:00:00 PM,6.25\n3,03/25/21 02:00:00 PM,3.5\n",
        {"time": "Date Time", "columns": {"x": "x (mg/L) (LGR S/N: 77)"}},
        ONE,
    ),
    "logger, date and time in two columns, decimal commas": (
        "Datum;Uhrzeit;x\n01.03.2021;23:00;10\n02.03.2021;00:00;6,25\n02.03.2021;01:00;3,5\n",
        {"time": "Uhrzeit"},
        ONE,
    ),
    "logger, milliseconds since midnight in words": (
        "time,x\n00:00:00.000,10\n01:00:00.000,6.25\n02:00:00.000,3.5\n",
        {},
        ONE,
    ),
    "weather office, hour beside date": (
        "station;date;hour;x\nK1;2021-03-01;22;10\nK1;2021-03-01;23;6.25\nK1;2021-03-02;0;3.5\n",
        {"time": "date", "experiment": "station"},
        {"K1": ONE["1"]},
    ),
    "weather office, hour beside date that nothing names": (
        "station;date;hour;x\nK1;2021-03-01;22;10\nK1;2021-03-01;23;6.25\nK1;2021-03-02;0;3.5\n",
        {"time": "hour", "experiment": "station"},
        "`data.date: date`",
    ),
    "weather office, YYYYMMDDHH": (
        "STATIONS_ID;MESS_DATUM;x;eor\n44;2021030122;10;eor\n44;2021030123;6.25;eor\n44;2021030200;3.5;eor\n",
        {"time": "MESS_DATUM"},
        ONE,
    ),
    "electrochemistry, a count of header lines": (
        "EC-Lab ASCII FILE\nNb header lines : 4\n\ntime/s\tx\tI/mA\n0\t10\t1\n1\t6.25\t1\n2\t3.5\t1\n",
        {"time": "time/s"},
        ONE,
    ),
    "battery cycler, hours and minutes in words": (
        "Rec,Cycle,Test Time,x\n1,1,0d 00:00:00,10\n2,1,0d 01:00:00,6.25\n3,1,0d 02:00:00,3.5\n",
        {"time": "Test Time"},
        ONE,
    ),
    "patch clamp, a text file of traces": (
        'ATF\t1.0\n2\t3\n"Signals="\t"Im"\n"Time (s)"\t"x"\t"Trace #2 (pA)"\n0\t10\t1\n1\t6.25\t2\n2\t3.5\t1\n',
        {},
        ONE,
    ),
    "chromatography, amounts below the limit": (
        "Sample;Time (h);x\ns1;0;10\ns2;1;6,25\ns3;2;< LOQ\n",
        {"limit": {"x": 4}},
        {"1": [(0, 10), (1, 6.25), (2, 4)]},
    ),
    "chromatography, trace amounts": ("time,x\n0,10\n1,6.25\n2,tr.\n", {}, "'tr.' is not a number"),
    "cell counter, thousands": ('time,x\n0,"1,000"\n1,"2,500"\n', {}, "'1,000'"),
    "nonmem, a comment sign in front and points": (
        "#ID,TIME,AMT,DV,EVID\n1,0,100,.,1\n1,1,.,6.25,0\n1,2,.,3.5,0\n",
        {},
        {"1": [(1, 6.25), (2, 3.5)]},
    ),
    "nonmem, C for a comment": (
        "C,ID,TIME,AMT,DV,EVID\n.,1,0,100,.,1\n.,1,1,.,6.25,0\nC,1,1.5,.,99,0\n.,1,2,.,3.5,0\n",
        {},
        {"1": [(1, 6.25), (2, 3.5)]},
    ),
    "nonmem, blanks between columns and no header": (
        "1  0  100  .\n1  1  .  6.25\n1  2  .  3.5\n",
        {"header": ["ID", "TIME", "AMT", "DV"]},
        {"1": [(1, 6.25), (2, 3.5)]},
    ),
    "nonmem, month before day and clock times": (
        "ID,DATE,TIME,AMT,DV\n1,03/01/2021,22:00,100,.\n1,03/01/2021,23:00,.,6.25\n1,03/02/2021,0:00,.,3.5\n",
        {},
        {"1": [(1, 6.25), (2, 3.5)]},
    ),
    "nonmem, log DV beside DV": (
        "ID,TIME,AMT,DV,LDV,MDV\n1,0,100,0,0,1\n1,1,0,6.25,1.83,0\n1,2,0,3.5,1.25,0\n",
        {},
        {"1": [(1, 6.25), (2, 3.5)]},
    ),
    "nonmem, BLQ as a column and the limit as DV": (
        "ID,TIME,AMT,DV,BLQ,LLOQ\n1,0,100,.,0,1\n1,1,.,6.25,0,1\n1,2,.,1,1,1\n",
        {},
        {"1": [(1, 6.25), (2, 1)]},
    ),
    "monolix, other names": (
        "SUBJ;TIME;Y;DOSE\n1;0;.;100\n1;1;6.25;.\n1;2;3.5;.\n",
        {"format": "nonmem", "experiment": "SUBJ", "value": "Y", "doses": {"columns": {"amount": "DOSE"}}},
        {"1": [(1, 6.25), (2, 3.5)]},
    ),
    "sdtm, units in a column and character results": (
        "USUBJID,PCTPTNUM,PCTESTCD,PCSTRESN,PCSTRESU\ns1,0,DRUG,10,ng/mL\ns1,1,DRUG,6.25,ng/mL\n",
        {
            "experiment": "USUBJID",
            "time": "PCTPTNUM",
            "observable": "PCTESTCD",
            "value": "PCSTRESN",
            "columns": {"x": "DRUG"},
            "unit": "PCSTRESU",
        },
        {"s1": [(0, 10), (1, 6.25)]},
    ),
    "surveillance, a column per day, cumulative": (
        "Province/State,Country/Region,Lat,Long,1/22/20,1/23/20,1/24/20\n,Ruritania,1,2,10,12,15\n",
        {"columns": {"x": "{time}"}, "experiment": "Country/Region"},
        {"Ruritania": [(0, 10), (1, 12), (2, 15)]},
    ),
    "surveillance, year and week": (
        "year,week,x\n2020,52,10\n2020,53,6.25\n2021,1,3.5\n",
        {"time": "week"},
        "begins anew",
    ),
    "surveillance, ISO weeks": (
        "week,x\n2020-W52,10\n2020-W53,6.25\n2021-W01,3.5\n",
        {"time": "week"},
        {"1": [(0, 10), (7, 6.25), (14, 3.5)]},
    ),
    "surveillance, one row per place and day with an empty total": (
        "date,place,x\n2021-03-01,A,10\n2021-03-02,A,6.25\n2021-03-01,B,12\n2021-03-02,B,\n",
        {"time": "date", "experiment": "place"},
        {"A": [(0, 10), (1, 6.25)], "B": [(0, 12)]},
    ),
    "survey sheet, the date in the first row of each day only": (
        "Date,Time,x\n2021-03-01,22:00,10\n,23:00,6.25\n2021-03-02,0:00,3.5\n",
        {},
        "'' is no date",
    ),
    "spreadsheet saved as text, empty columns and rows at the end": (
        "time,x,,\n0,10,,\n1,6.25,,\n2,3.5,,\n,,,\n,,,\n",
        {},
        ONE,
    ),
    "spreadsheet with means and a line of averages": (
        "time,x\n0,10\n1,6.25\n2,3.5\nmean,6.58\n",
        {},
        "'mean' is not a number",
    ),
    "field book, values with their unit": ("time,x\n0,10 mg\n1,6.25 mg\n", {}, "write 10, without a unit"),
    "isotopes, value plus minus error": ("time,x\n0,10 \u00b1 0.5\n1,6.25 \u00b1 0.4\n", {}, "is not a number"),
    "simulation program, a star in front of the header": (
        "* t x\n0 10\n1 6.25\n2 3.5\n",
        {"header": ["t", "x"]},
        ONE,
    ),
    "statistics program, row names without a header": (
        '"time","x"\n"1",0,10\n"2",1,6.25\n"3",2,3.5\n',
        {},
        "header",
    ),
    "replicates in rows": (
        "time,replicate,x\n0,1,10\n0,2,12\n1,1,6.25\n1,2,7.5\n",
        {"experiment": "replicate"},
        {"1": [(0, 10), (1, 6.25)], "2": [(0, 12), (1, 7.5)]},
    ),
    "units in mixed rows": (
        "time,observable,value,unit\n0,x,10,mg/L\n1,x,6250,ug/L\n",
        {},
        "`model.units: {x: mg/L}`",
    ),
}
"""Name -> text, keys, what is right."""


def messy_cases() -> Iterator[Case]:
    """All of them."""
    for name, (text, data, expected) in FILES.items():
        yield Case(name, "d.csv", text.encode(), data, expected)
