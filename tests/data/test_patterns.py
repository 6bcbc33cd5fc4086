"""Names that stand for several files: those in folders below, and a file of inputs for each experiment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from odefit.config.load import load_config
from odefit.config.named_files import matching
from odefit.errors import ConfigError, InputError
from odefit.problem.preparation import prepare

CONFIG = {
    "model": {"equations": {"x": "-k*u*x"}},
    "parameters": {"k": {"value": 0.5, "bounds": [0.01, 10], "scale": "log"}},
}


def test_two_stars_are_any_number_of_folders(tmp_path: Path) -> None:
    names = ["r1.csv", "a/r2.csv", "a/b/r10.csv", "a/b/c/r3.csv"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("time,x\n0,1\n")
    assert sorted(matching("**/*.csv", tmp_path)) == sorted(names)
    assert sorted(matching("a/**/r*.csv", tmp_path)) == sorted(names[1:])
    assert matching("a/*.csv", tmp_path) == ["a/r2.csv"]


def runs(folder: Path) -> None:
    """Two runs, each with a temperature of its own beside what was measured."""
    for name, u in (("run 1", (1, 2, 4)), ("run 2", (3, 3, 3))):
        rows = "".join(f"{t};{x};{v}\n" for t, x, v in zip((0, 1, 2), ("4,5", "2,5", "1,5"), u, strict=True))
        (folder / f"{name}.csv").write_text(f"Zeit;x;u\nmin;g;K\n{rows}")


def test_each_file_is_the_input_of_the_experiment_that_is_called_like_it(tmp_path: Path) -> None:
    runs(tmp_path)
    data = {"csv": str(tmp_path / "run*.csv"), "time": "Zeit", "unused": ["u"]}
    inputs = {"u": {"csv": str(tmp_path / "run*.csv"), "time": "Zeit"}}
    experiments = prepare(load_config({**CONFIG, "data": {**data, "inputs": inputs}}))[0].measured
    assert [e.name for e in experiments] == ["run 1", "run 2"]
    for e, u in zip(experiments, ((1, 2, 4), (3, 3, 3)), strict=True):
        np.testing.assert_array_equal(e.inputs["u"](np.array([0.0, 1.0, 2.0])), u)


def test_a_pattern_that_finds_no_input_says_so(tmp_path: Path) -> None:
    runs(tmp_path)
    data = {"csv": str(tmp_path / "run*.csv"), "time": "Zeit", "unused": ["u"]}
    with pytest.raises(ConfigError, match=r"no file matches '.*temp\*\.csv'"):
        prepare(load_config({**CONFIG, "data": {**data, "inputs": {"u": {"csv": str(tmp_path / "temp*.csv")}}}}))


def test_a_unit_that_differs_between_files_is_named(tmp_path: Path) -> None:
    runs(tmp_path)
    other = tmp_path / "run 2.csv"
    other.write_text(other.read_text().replace("min;g", "h;g"))
    with pytest.raises(InputError, match=r"has Zeit in h, not min as in .*run 1\.csv; convert one of them"):
        prepare(load_config({**CONFIG, "data": {"csv": str(tmp_path / "run*.csv"), "time": "Zeit"}}))


def test_a_row_of_units_stands_above_numbers_that_all_have_decimal_commas(tmp_path: Path) -> None:
    """No cell below is a number by itself, so that the words of the row are all that tells it from data."""
    (tmp_path / "d.csv").write_text("time;x\nmin;mol/L\n0,0;4,5\n1,5;2,5\n2,5;1,5\n")
    config = {**CONFIG, "model": {"equations": {"x": "-k*x"}}, "data": {"csv": str(tmp_path / "d.csv")}}
    (experiment,) = prepare(load_config(config))[0].measured
    np.testing.assert_array_equal(experiment.times, [0, 1.5, 2.5])
    np.testing.assert_array_equal(experiment.values[:, 0], [4.5, 2.5, 1.5])
