"""Every shipped data file says where it comes from, and can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from odefit.data.tables import read_table

DATA = Path(__file__).parents[2] / "data"

# file: how to read it, experiments expected, measurements expected
SERIES: dict[str, tuple[dict[str, Any], int, int]] = {
    "lynx_hare.csv": ({"time": "year", "observables": ["hare", "lynx"]}, 1, 42),
    "puromycin.csv": ({"observables": ["product"]}, 23, 23),
    "robertson.csv": ({"observables": ["A", "B", "C"]}, 1, 84),
    "reference/nist_misra1a.csv": ({"time": "x", "observables": ["y"]}, 1, 14),
    "reference/nist_boxbod.csv": ({"time": "x", "observables": ["y"]}, 1, 6),
    "reference/nist_rat43.csv": ({"time": "x", "observables": ["y"]}, 1, 15),
    "reference/nist_mgh17.csv": ({"time": "x", "observables": ["y"]}, 1, 33),
    "reference/nist_gauss1.csv": ({"time": "x", "observables": ["y"]}, 1, 250),
    "reference/cops_gasoil.csv": ({"observables": ["y1", "y2"]}, 1, 42),
    "reference/focus_2006_A_to_F.csv": (
        {"experiment": "dataset", "observables": ["parent", "m1", "system", "water", "sediment"]},
        7,  # A to F, and the replicates of D
        109,
    ),
    "reference/schaefer07_complex.csv": ({"observables": ["parent", "A1", "B1", "C1", "A2"]}, 1, 33),
    "reference/theoph.csv": ({"time": "Time", "experiment": "Subject", "observables": ["conc"]}, 12, 132),
    "reference/loblolly329.csv": ({"time": "age", "observables": ["height"]}, 1, 6),
    "reference/fme_bacteria.csv": ({"observables": ["Bact"]}, 1, 17),
    "reference/gause_paramecium_mixture.csv": (
        {"time": "day", "observables": ["P_caudatum", "P_aurelia"]},
        1,
        46,
    ),
    "reference/flu_boarding_school_1978.csv": ({"time": "day", "observables": ["in_bed"]}, 1, 14),
}
NO_SERIES = {"reference/ivp_testset_reference.csv", "puromycin_experiments.csv", "theophylline_doses.csv"}


def test_every_file_has_a_row_and_every_row_a_file() -> None:
    files = {path.relative_to(DATA).as_posix() for path in DATA.rglob("*") if path.is_file()} - {"SOURCES.md"}
    rows = [line.split("|") for line in (DATA / "SOURCES.md").read_text(encoding="utf-8").splitlines()]
    table = {row[1].strip().strip("`"): row[2:5] for row in rows if len(row) == 6 and "`" in row[1]}
    assert table.keys() == files
    assert files == SERIES.keys() | NO_SERIES
    for name, cells in table.items():
        assert all(cell.strip() for cell in cells), name


def test_every_column_is_explained() -> None:
    text = (DATA / "SOURCES.md").read_text(encoding="utf-8").splitlines()
    for path in DATA.rglob("*.csv"):
        row = next(line for line in text if line.startswith(f"| `{path.relative_to(DATA).as_posix()}`"))
        for column in path.read_text(encoding="utf-8").splitlines()[0].split(","):
            assert f"`{column}`" in row, (path.name, column)


@pytest.mark.parametrize("name", SERIES)
def test_loads(name: str) -> None:
    how, n_experiments, n_measured = SERIES[name]
    experiments = read_table(DATA / name, **how)
    assert len(experiments) == n_experiments
    assert sum(experiment.n_measured for experiment in experiments) == n_measured
    for experiment in experiments:
        assert (np.diff(experiment.times) > 0).all()


def test_known_values() -> None:
    (pelts,) = read_table(DATA / "lynx_hare.csv", time="year", observables=["lynx", "hare"])
    assert pelts.start == 1900
    np.testing.assert_array_equal(pelts.values[[0, -1]], [[4, 30], [8.6, 24.7]])
    focus = DATA / "reference/focus_2006_A_to_F.csv"
    d = read_table(focus, experiment="dataset", only=["D"], observables=["parent", "m1"])
    assert [(e.name, e.start, e.n_measured) for e in d] == [("D", 0.0, 20), ("D#2", 0.0, 20)]
    np.testing.assert_array_equal(d[0].values[0], [99.46, 0.0])
    np.testing.assert_array_equal(d[1].values[0], [102.04, 0.0])
    (c,) = read_table(focus, experiment="dataset", only=["C"], observables=["parent"])
    assert c.values[:3, 0].tolist() == [85.1, 57.9, 29.9]
