"""Plates as they lie on the bench and tables turned round: known as such, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz_workbooks import Pages, xlsx_parts, zipped
from odefit.config.load import load_config
from odefit.data.grid.arrangements import foreign_arrangement
from odefit.data.grid.table_file import OPEN
from odefit.errors import ConfigError, DataError
from odefit.problem.preparation import prepare
from odefit.proposing.look import look_at

LETTERS = "ABCDEFGH"
NUMBERS = ",".join(str(k + 1) for k in range(12))
VALUES = [",".join(f"{0.1 + 0.01 * k * j:.2f}" for k in range(12)) for j in range(8)]
BLOCK = "\n".join(f"{letter},{row}" for letter, row in zip(LETTERS, VALUES, strict=True))
PLATES = {
    "one": f"<>,{NUMBERS}\n{BLOCK}\n",
    "one for each time": "".join(f"Time [s],{t}\n,{NUMBERS}\n{BLOCK}\n\n" for t in (0, 60, 120)),
    "without names": "\n\n".join("\n".join(VALUES) for _ in range(2)),
}
TURNED = {
    "by commas": "time,0,1,2,4\nx,10,7,5,2.6\ny,0,3,5,7.4\n",
    "with units and decimal commas": "Zeit [min];0,5;1,5;2,5\nc(A) [mol/L];1,0;0,7;0,5\nc(B) [mol/L];0,1;0,3;0,5\n",
}
OTHERS = {
    "wide": "time,x,y\n0,10,0\n1,7,3\n2,5,5\n",
    "a column for each well": "time,A1,A2,B1\n0,1,2,3\n1,2,3,4\n2,3,4,5\n",
    "a row for each place": "place,1,2,3\nA,4,5,6\nB,5,6,7\n",
    "twelve columns of numbers, seven rows": f"time,{','.join('abcdefghijk')}\n" + "\n".join(VALUES[:7]),
    "nothing": "",
}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in {**PLATES, **TURNED}.items()])
def test_an_arrangement_that_is_not_read_is_named_with_what_to_do(text: str, tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text(text)
    said = "holds a plate as it lies on the bench" if text in PLATES.values() else "has its times across"
    with pytest.raises(DataError, match=said):
        look_at(path)
    config = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}, "data": {"csv": str(path)}}
    with pytest.raises((DataError, ConfigError), match=said):
        prepare(load_config(config))


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in OTHERS.items()])
def test_other_tables_are_none_of_these(text: str, tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text(text)
    assert foreign_arrangement(path, OPEN) is None


def test_a_plate_in_a_workbook_is_known_as_one(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    rows = [line.split(",") for line in PLATES["one"].splitlines()]
    cells = [[float(cell) if cell[0].isdigit() else cell for cell in row] for row in rows]
    (tmp_path / "d.xlsx").write_bytes(zipped(xlsx_parts([Pages("Plate", cells)])))
    found = foreign_arrangement(tmp_path / "d.xlsx", OPEN)
    assert found is not None
    assert found.startswith("holds a plate")
