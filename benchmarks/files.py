"""How files of measurements are read: a corpus of quirks, and how long large files take.

    python benchmarks/files.py              # the corpus, a million rows, a workbook of 100,000 rows

The corpus (tests/support/file_corpus.py, messy_files.py, field_files.py) states the right values of every file: each is
read right, or refused with the key that decides. Times are CPU seconds of this process, the best of three.
"""

from __future__ import annotations

import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from field_files import field_cases, two_readers
from file_corpus import all_cases, is_right, outcome
from messy_files import messy_cases
from odefit.data.tables import read_table

ROWS, SHEET_ROWS = 1_000_000, 100_000
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACK = "http://schemas.openxmlformats.org/package/2006"


def corpus(folder: Path) -> None:
    """Every file of the corpus, and those that are not as they should be."""
    cases, wrong, misread = [*all_cases(), *messy_cases(), *field_cases(), *two_readers()], [], 0
    for case in cases:
        found = outcome(case, folder)
        if not is_right(case, found):
            wrong.append(case.name)
            misread += not isinstance(found, str)
    refused = sum(isinstance(case.expected, str) for case in cases)
    print(f"corpus: {len(cases)} files, {refused} to be refused; {len(wrong)} wrong, {misread} of them silently")
    for name in wrong:
        print(f"  {name}")


def seconds(work: Callable[[], object]) -> float:
    """CPU time, the best of three."""
    times = []
    for _ in range(3):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


def rows(count: int) -> list[tuple[float, float, float]]:
    """Times and two columns of numbers."""
    table = np.random.default_rng(0).random((count, 2)).round(6).tolist()
    return [(k / 1000, a, b) for k, (a, b) in enumerate(table)]


def write_workbook(path: Path, table: list[tuple[float, float, float]]) -> None:
    """A workbook of one sheet."""
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    names = "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in ("time", "x", "y"))
    body = "".join(f"<row><c><v>{t!r}</v></c><c><v>{a!r}</v></c><c><v>{b!r}</v></c></row>" for t, a, b in table)
    sheet = f'<worksheet xmlns="{MAIN}"><sheetData><row>{names}</row>{body}</sheetData></worksheet>'
    book = (
        f'<workbook xmlns="{MAIN}" xmlns:r="{REL}"><sheets><sheet name="d" sheetId="1" r:id="r1"/></sheets></workbook>'
    )
    ties = {
        "_rels/.rels": f'<Relationship Id="a" Type="{REL}/officeDocument" Target="xl/workbook.xml"/>',
        "xl/_rels/workbook.xml.rels": f'<Relationship Id="r1" Type="{REL}/worksheet" Target="worksheets/s1.xml"/>',
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", f'{head}<Types xmlns="{PACK}/content-types"/>')
        for name, tie in ties.items():
            archive.writestr(name, f'{head}<Relationships xmlns="{PACK}/relationships">{tie}</Relationships>')
        archive.writestr("xl/workbook.xml", head + book)
        archive.writestr("xl/worksheets/s1.xml", head + sheet)


def large(folder: Path) -> None:
    """A million rows of CSV, and 100,000 rows as CSV and as a workbook."""
    for name, count in (("large.csv", ROWS), ("small.csv", SHEET_ROWS)):
        with (folder / name).open("w") as file:
            file.write("time,x,y\n")
            file.writelines(f"{t!r},{a!r},{b!r}\n" for t, a, b in rows(count))
        took = seconds(lambda name=name: read_table(folder / name, observables=["x", "y"]))  # type: ignore[misc]
        print(f"{count:,} rows of CSV: {took:.2f} s")
    write_workbook(folder / "small.xlsx", rows(SHEET_ROWS))
    book = seconds(lambda: read_table(folder / "small.xlsx", observables=["x", "y"]))
    print(f"{SHEET_ROWS:,} rows of .xlsx: {book:.2f} s, {book / took:.1f} times the CSV")


def main() -> None:
    """All of it, in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        corpus(Path(folder))
        large(Path(folder))


if __name__ == "__main__":
    main()
