"""Tables of events (NONMEM, nlmixr2) of any columns and cells, for hypothesis: data, or faults at their places.

Most start as something that might be meant: columns by their usual names, cells as these have them, subjects in blocks;
some cells and headers are then anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hypothesis import strategies as st

from odefit.config.load import load_config
from odefit.errors import InputError
from odefit.problem.preparation import prepare

MODEL: dict[str, Any] = {
    "model": {
        "equations": {"gut": "-ka*gut*R1/4", "blood": "ka*gut*R1/4 - k*blood*D1/2"},
        "initial": {"gut": 0, "blood": 0},
        "observables": {"cp": "blood/10"},
    },
    "parameters": {"k": 0.2, "ka": 1.5, "R1": 4.0, "D1": 2.0},
}

_NUMBERS = ["0", "1", "2", ".", "", "100", "-1", "-2", "0.5", "1e3"]
CELLS: dict[str, list[str]] = {
    "ID": ["1", "2", "1", "2", "x"],
    "TIME": ["0", "1", "2.5", "4", "24", "1:30", "-1", "."],
    "DV": [".", "1.5", "0.3", "9", "0", "", "<0.1", "-1"],
    "AMT": [".", "0", "100", "50", "", "-5"],
    "RATE": ["0", ".", "10", "-1", "-2", "-3"],
    "EVID": ["0", "1", "2", "3", "4", "101", "5"],
    "MDV": ["0", "1", "."],
    "CMT": ["1", "2", "0", "-1", "3", "gut"],
    "II": ["0", ".", "12", "-1"],
    "ADDL": ["0", ".", "3", "-1", "1.5"],
    "SS": ["0", "1", "2", "."],
    "DVID": ["1", "2", "0"],
    "CENS": ["0", "1", "-1", "."],
    "LLOQ": ["0.1", ".", "0"],
    "WT": ["70", "70", "80"],
    "DUR": ["0", "2", ".", "-1"],
    "DATE": ["2021-03-01", "1", "."],
}
MEASURED = {"DV": ["1.5", "0.3", "9"], "EVID": ["0"], "MDV": ["0"], "AMT": ["."], "CENS": ["0"], "LLOQ": ["0.1"]}
"""What differs in a row of a measurement, and in that of a dose, where a table is meant."""
DOSED = {
    "DV": ["."],
    "EVID": ["1", "1", "4"],
    "MDV": ["1"],
    "AMT": ["100", "50"],
    "RATE": ["0", "10", "-1", "-2"],
    "II": ["12"],
    "ADDL": ["0", "3"],
    "SS": ["0", "1", "2"],
    "DUR": ["0", "2"],
}
CONSTANT = {"CMT": ["1", "2"], "DVID": ["1"], "WT": ["70"], "DATE": ["1"], "ID": ["1", "1", "2"]}
NOTHING = {"CENS": ["."], "LLOQ": ["."], "RATE": ["."], "II": ["."], "ADDL": ["."], "SS": ["."], "DUR": ["."]}
ANYTHING = st.one_of(st.sampled_from(_NUMBERS), st.text(st.characters(codec="utf-8"), max_size=5))


@st.composite
def event_tables(draw: st.DrawFn) -> bytes:
    """A file."""
    more = draw(st.lists(st.sampled_from(sorted(set(CELLS) - {"ID", "TIME", "DV", "AMT"})), unique=True, max_size=6))
    names = draw(st.permutations(["ID", "TIME", "DV", "AMT", *more]))
    usual = draw(st.floats(0, 1)) < 0.7
    rows = []
    for _ in range(draw(st.integers(0, 7))):
        kinds = {**NOTHING, **CONSTANT, **draw(st.sampled_from([MEASURED, DOSED]))} if usual else CELLS
        times = ["0", "1", "2.5", "4", "24"] if usual else CELLS["TIME"]
        rows.append([draw(st.sampled_from(times if name == "TIME" else kinds[name])) for name in names])
    if usual:
        rows.sort(key=lambda row: (row[names.index("ID")], float(row[names.index("TIME")])))
    header = [name.lower() if draw(st.integers(0, 9)) == 0 else name for name in names]
    table = [header, *rows]
    for _ in range(draw(st.integers(0, 2))):
        row = draw(st.integers(0, len(table) - 1))
        table[row][draw(st.integers(0, len(names) - 1))] = draw(ANYTHING)
    separator = draw(st.sampled_from([",", ",", "\t", ";"]))
    return "\n".join(separator.join(row) for row in table).encode()


def check_event_table(data: bytes, folder: Path) -> None:
    """Faults that can be printed, or a problem whose numbers are sound."""
    (folder / "events.csv").write_bytes(data)
    (folder / "events.yaml").write_text(yaml.safe_dump({**MODEL, "data": {"csv": "events.csv"}}), encoding="utf-8")
    try:
        problem = prepare(load_config(folder / "events.yaml"))[0].problem
    except InputError as error:
        assert error.faults
        for fault in error.faults:
            assert all(line.isprintable() for line in str(fault).split("\n")), fault
        return
    assert problem.n_measured > 0
    for experiment in problem.experiments:
        assert np.isfinite(experiment.times).all()
        assert (np.diff(experiment.times) >= 0).all()
        assert not np.isinf(experiment.values).any()
