"""A column that says the unit of each row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from odefit.config.load import load_config
from odefit.errors import InputError
from odefit.problem.event_table import with_events
from odefit.problem.measured import read_measured
from odefit.problem.preparation import prepare

pytest.importorskip("pint")
MODEL: dict[str, Any] = {"model": {"equations": {"x": "-k*x"}, "units": {"x": "mg/L"}}, "parameters": {"k": 0.5}}
LONG = "time,observable,value,unit,sd\n0,x,6000,ug/L,100\n1,x,4,mg/L,0.2\n2,x,<500,ug/L,\n"


def read(folder: Path, text: str, notes: list[str] | None = None, model_units: Any = None, **data: Any) -> Any:
    (folder / "d.csv").write_text(text)
    model = MODEL if model_units is None else {**MODEL, "model": {**MODEL["model"], "units": model_units}}
    loaded = with_events(load_config({**model, "data": {"csv": str(folder / "d.csv"), **data}}))
    return read_measured(loaded, ("x",), [] if notes is None else notes)


@pytest.mark.parametrize("name", ["unit", "UNITS", "uom", "what"])
def test_each_row_is_converted_from_its_own_unit(tmp_path: Path, name: str) -> None:
    notes: list[str] = []
    text = LONG.replace("unit", name).replace(",\n", ",9\n")
    more = {"unit": "what"} if name == "what" else {}
    (one,) = read(tmp_path, text, notes, sigma="sd", **more)
    np.testing.assert_allclose(one.values[:, 0], [6, 4, 0.5])
    np.testing.assert_allclose(one.sigma[:, 0], [0.1, 0.2, 0.009])
    assert one.censored[:, 0].tolist() == [0, 0, -1]
    assert any("x from ug/L to mg/L" in note for note in notes)


def test_a_wide_file_of_one_observable_has_it_too_and_intervals_follow(tmp_path: Path) -> None:
    (one,) = read(tmp_path, "time,x,unit\n0,6000,ug/L\n1,0.1..0.5,mg/L\n2,100..500,µg/L\n")
    np.testing.assert_allclose(one.values[:, 0], [6, 0.5, 0.5])
    np.testing.assert_allclose(one.other_end[1:, 0], [0.1, 0.1])


def test_one_unit_without_a_model_s_is_kept_for_axes_and_no_note_calls_it_unused(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time,observable,value,unit\n0,x,6,ug/L\n1,x,4,ug/L\n")
    config = {**MODEL, "model": {"equations": {"x": "-k*x"}}, "data": {"csv": str(tmp_path / "d.csv")}}
    assembled, _ = prepare(load_config(config))
    assert not [note for note in assembled.notes if "unit" in note]


@pytest.mark.parametrize(
    "text, units, data, message",
    [
        (LONG, {}, {}, "d.csv:3, column unit: x is in mg/L here, and in ug/L in line 2; `model.units: {x: ug/L}`"),
        (LONG.replace("mg/L", "mol/L"), None, {}, "d.csv:3, column unit: x: mol/L does not become mg/L"),
        (LONG.replace("mg/L", "furlong/x"), None, {}, "d.csv:3, column unit: x: 'furlong/x' is no unit"),
        (LONG.replace("mg/L", ""), None, {}, "d.csv:3, column unit: says no unit, and other rows of x are in ug/L"),
        (LONG, None, {"units": {"x": "ug/L"}}, "`data.units` cannot say both"),
    ],
)
def test_what_is_not_clear_is_refused_by_name_and_row(
    tmp_path: Path, text: str, units: Any, data: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, text, model_units=units, **data)
    assert message in str(error.value)


def test_a_standard_deviation_in_a_formula_is_not_left_behind(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(LONG.replace(",\n", ",9\n"))
    with pytest.raises(InputError, match="differs from row to row; name it as"):
        prepare(load_config({**MODEL, "data": {"csv": str(tmp_path / "d.csv")}, "noise": {"x": {"sigma": "sd"}}}))


def test_brackets_with_the_name_of_another_column_hold_no_unit(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time,A [uA],sd[A]\n0,1000,100\n1,2000,200\n")
    model = {"model": {"equations": {"A": "-k*A"}, "units": {"A": "mA"}}, "parameters": {"k": 0.5}}
    data = {"csv": str(tmp_path / "d.csv"), "sigma": {"A": "sd[A]"}}
    (one,) = read_measured(load_config({**model, "data": data}), ("A",), [])
    np.testing.assert_allclose(one.values[:, 0], [1, 2])
    np.testing.assert_allclose(one.sigma[:, 0], [0.1, 0.2])


def test_one_column_of_units_is_not_that_of_several_observables(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time,x,y,u\n0,1,2,g\n")
    model = {"model": {"equations": {"x": "-k*x", "y": "-k*y"}}, "parameters": {"k": 0.5}}
    loaded = load_config({**model, "data": {"csv": str(tmp_path / "d.csv"), "unit": "u"}})
    with pytest.raises(InputError, match="is one column of units for several observables"):
        read_measured(loaded, ("x", "y"), [])
