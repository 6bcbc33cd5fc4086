"""Units of files against those of the model: numbers are converted, and what measures something else is refused."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import odefit
from odefit.config.load import load_config
from odefit.data.given import given_data
from odefit.data.unit_words import split_unit
from odefit.data.units import Conversion, UnitFault, UnknownUnit, conversion
from odefit.errors import InputError
from odefit.problem.assembly import Assembly
from odefit.problem.preparation import prepare

ONE = {
    "model": {"equations": {"A": "-k*A"}, "initial": {"A": 0}, "observables": {"conc": "A/V"}},
    "parameters": {"k": 0.5, "V": 10},
}


def assembled(folder: Path, own: dict[str, str], model: dict[str, Any] | None = None, **data: Any) -> Assembly:
    whole = {**ONE, "data": {"csv": str(folder / "d.csv"), **data}}
    whole["model"] = {**ONE["model"], "units": own, **(model or {})}
    return prepare(load_config(whole))[0]


def refused(folder: Path, own: dict[str, str], **data: Any) -> str:
    with pytest.raises(InputError) as caught:
        assembled(folder, own, **data)
    return "\n".join(map(str, caught.value.faults)).replace(f"{folder}/", "")


# ---------------------------------------------------------------------------------------------- one unit


@pytest.mark.parametrize(
    ("source", "target", "factor", "offset"),
    [
        ("h", "min", 60, 0),
        ("min", "hours", 1 / 60, 0),
        ("mg/L", "ng/mL", 1000, 0),
        ("mM", "µmol/l", 1000, 0),
        ("mL/min/kg", "L/(h kg)", 0.06, 0),
        ("mg·L⁻¹", "g L-1", 1e-3, 0),
        ("10^6 cells/mL", "cells/L", 1e9, 0),
        ("%", "1", 0.01, 0),
        ("°C", "K", 1, 273.15),
        ("°F", "°C", 5 / 9, -160 / 9),
        ("J/(mol K)", "kJ/mol/°C", 1e-3, 0),
        ("1/ha", "m^-2", 1e-4, 0),
        ("OD600", "OD", 1, 0),
        ("mIU/mL", "IU/L", 1, 0),
    ],
)
def test_numbers_of_one_unit_become_numbers_of_another(source: str, target: str, factor: float, offset: float) -> None:
    found = conversion(source, target) or Conversion(1.0)
    assert (found.factor, found.offset) == pytest.approx((factor, offset), rel=1e-12)


def test_the_same_unit_in_another_spelling_needs_no_pint(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(name: str, *arguments: Any) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(builtins, "__import__", refusing)
    assert [conversion(*pair) for pair in (("mg/l", "mg/L"), ("[μg/mL]", "µg/mL"), ("any thing", "any  thing"))] == [
        None
    ] * 3
    assert conversion("d", "hours") == Conversion(24.0)


@pytest.mark.parametrize(
    ("source", "target", "why"),
    [
        ("mg/l", "mol/l", "molar mass"),
        ("pH", "mol/L", "pH is a logarithm"),
        ("cells/mL", "mg/mL", "measure different things"),
        ("AU", "m", "measure different things"),
        ("dB", "1", "is no multiple"),
    ],
)
def test_what_measures_something_else_is_refused_with_a_remedy(source: str, target: str, why: str) -> None:
    with pytest.raises(UnitFault, match=why):
        conversion(source, target)


@pytest.mark.parametrize(
    "text", ["rabbits", "m^31", "2^2^2", "m^", "((((((m))))))", "x" * 61, "mg//L", "L)", "m^0.5", "__"]
)
def test_a_text_that_is_no_unit_is_none(text: str) -> None:
    with pytest.raises(UnknownUnit):
        conversion(text, "kg")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("conc [mg/L]", ("conc", "mg/L")),
        ("time (h)", ("time", "h")),
        ("x(min)", ("x", "min")),
        ("x (sd)", ("x (sd)", "")),
        ("x (mean)", ("x (mean)", "")),
        ("[mg/L]", ("[mg/L]", "")),
        ("x", ("x", "")),
    ],
)
def test_a_header_names_a_unit_in_brackets(name: str, parts: tuple[str, str]) -> None:
    assert split_unit(name) == parts


# ---------------------------------------------------------------------------------------------- tables

UG = {"t": "h", "A": "ug", "conc": "ug/L"}


def test_times_values_errors_and_limits_are_converted(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time [min],conc [mg/L],conc_sigma,lab\n0,1,0.1,a\n60,<0.5,0.05,a\n90,0.2,0.05,b\n")
    assembly = assembled(tmp_path, UG)
    (one,) = assembly.measured
    assert one.times.tolist() == [0, 1, 1.5]
    assert one.values[:, 0] == pytest.approx([1000, 500, 200])
    assert one.sigma is not None
    assert one.sigma[:, 0] == pytest.approx([100, 50, 50])
    assert one.censored is not None
    assert one.censored[:, 0].tolist() == [0, -1, 0]
    assert any("t from min to h, conc from mg/L to ug/L" in note for note in assembly.notes)


def test_numbers_of_the_config_are_in_units_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time [min],conc [mg/L]\n0,1\n60,0.5\n90,0.2\n120,9\n")
    exclude = [{"times": [2], "reason": "slip"}]
    (one,) = assembled(
        tmp_path, UG, start=-1, limit={"conc": 300}, exclude=exclude, doses=[{"time": 0, "amount": 5, "state": "A"}]
    ).measured
    assert (one.start, one.times.tolist(), one.values[:, 0].tolist()) == (-1, [0, 1, 1.5], [1000, 500, 300])
    assert one.doses[0].amount == 5
    assert one.censored is not None
    assert one.censored[2, 0] == -1


@pytest.mark.parametrize(
    ("text", "limit", "said"),
    [
        ("time,conc [ug/L]\n0,9000\n1,900\n2,500\n", 2, "conc below 2 mg/L (2000 ug/L in the file)"),
        (
            "time,conc [g/L]\n0,9\n1,0.9\n2,0.5\n",  # nothing is beyond them, and they are said all the same
            {"below": 3, "least": 0, "above": 9500},
            "conc below 3 mg/L (0.003 g/L in the file), conc above 9500 mg/L (9.5 g/L in the file), "
            "conc least 0 mg/L (0 g/L in the file)",
        ),
        ("time,conc,unit\n0,9000,ug/L\n1,900,ug/L\n2,0.5,g/L\n", 2, "2 mg/L (2000 ug/L or 0.002 g/L in the file)"),
    ],
)
def test_limits_of_the_config_are_said_in_both_units(tmp_path: Path, text: str, limit: Any, said: str) -> None:
    (tmp_path / "d.csv").write_text(text)
    assembly = assembled(tmp_path, {"conc": "mg/L"}, limit={"conc": limit})
    found = [note for note in assembly.notes if "data.limit is in the units of the model: " in note]
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize("header", ["conc", "conc [mg/l]"])
def test_limits_in_the_unit_of_the_file_need_no_word(tmp_path: Path, header: str) -> None:
    (tmp_path / "d.csv").write_text(f"time,{header}\n0,9\n1,0.9\n2,0.5\n")
    assembly = assembled(tmp_path, {"conc": "mg/L"}, limit={"conc": 2})
    assert not any("units of the model" in note for note in assembly.notes)


def test_a_row_of_units_and_the_config_say_it_too(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time,conc\nmin,mg/L\n0,1\n60,0.5\n90,0.2\n")
    assert assembled(tmp_path, UG).measured[0].values[:, 0] == pytest.approx([1000, 500, 200])
    said = assembled(tmp_path, UG, units={"conc": "g/L", "t": "s"}).measured[0]
    assert said.values[0, 0] == pytest.approx(1e6)
    assert said.times[1] == pytest.approx(60 / 3600)
    assert assembled(tmp_path, UG, time_unit="d").measured[0].times[1] == 60 * 24


def test_a_long_table_has_a_unit_for_each_observable(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time,observable,value\n0,conc,1\n0,T,20\n1,conc,0.5\n1,T,21\n")
    model = {"observables": {"conc": "A/V", "T": "A"}}
    units = {"conc": "ug/L", "T": "K"}
    (one,) = assembled(tmp_path, units, model, units={"conc": "mg/L", "T": "°C"}).measured
    assert one.values.tolist() == [[1000, 293.15], [500, 294.15]]


def test_doses_inputs_and_constants_are_converted(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("experiment,time [min],conc [mg/L]\na,0,1\na,60,0.5\n")
    (tmp_path / "doses.csv").write_text("time,amount [mg],rate [mg/min],every [h],count\n0,10,,,\n30,6,1,2,2\n")
    (tmp_path / "T.csv").write_text("time [h],T (°C)\n0,20\n2,30\n")
    (tmp_path / "e.csv").write_text("experiment,W [g],A_0 [mg]\na,70000,2\n")
    model = {"equations": {"A": "-k*A*T/300*W/70"}, "initial": None}
    data = {
        "doses": {"csv": str(tmp_path / "doses.csv"), "state": "A"},
        "inputs": {"T": str(tmp_path / "T.csv")},
        "experiments": str(tmp_path / "e.csv"),
    }
    (one,) = assembled(tmp_path, {**UG, "T": "K", "W": "kg"}, model, **data).measured
    doses = [(d.time, d.amount, d.duration) for d in one.doses]
    assert np.array(doses) == pytest.approx(np.array([(0, 10000, 0), (0.5, 6000, 0.1), (2.5, 6000, 0.1)]))
    assert one.inputs["T"](np.array([0.0, 1.0, 2.0])) == pytest.approx([293.15, 298.15, 303.15])
    assert one.constants == pytest.approx({"W": 70, "A_0": 2000})


def test_a_table_of_events_is_converted(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("ID,TIME [min],AMT [mg],RATE,DV [mg/L],WT\n1,0,10,1,.,150\n1,60,.,.,1,150\n")
    (one,) = assembled(tmp_path, {**UG, "WT": "kg"}, {"equations": {"A": "-k*A/WT"}}, units={"WT": "lb"}).measured
    assert [(d.time, d.amount, d.duration) for d in one.doses] == [(0, 10000, pytest.approx(1 / 6))]
    assert (one.times.tolist(), one.values.tolist()) == ([1], [[1000]])
    assert one.constants["WT"] == pytest.approx(150 * 0.45359237)


def test_frames_have_units_in_their_headers(tmp_path: Path) -> None:
    frame = pd.DataFrame({"time (min)": [0.0, 60], "conc [mg/L]": [1.0, 0.5]})
    model = {**ONE["model"], "units": UG}
    (one,) = prepare(load_config({**ONE, "model": model, "data": {}}, given=given_data(frame)))[0].measured
    assert (one.times.tolist(), one.values[:, 0].tolist()) == ([0, 1], [1000, 500])


def test_dates_in_a_unit_of_their_own_become_times_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time,conc\n2021-03-01 08:00,1\n2021-03-01 20:00,0.5\n")
    assert assembled(tmp_path, {"t": "min"}).measured[0].times.tolist() == [0, 720]
    assert assembled(tmp_path, {"t": "min"}, time_unit="d").measured[0].times.tolist() == [0, 720]


def test_a_mismatch_is_an_error_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time [g],conc [mg/l]\n0,1\n60,0.5\n")
    (tmp_path / "named.csv").write_text("time,level\n0,1\n60,0.5\n")
    told = refused(tmp_path, {"t": "h", "conc": "mol/l"})
    assert "d.csv:1, column time [g]: t: g does not become h" in told
    assert "molar mass" in told
    assert "data.units: 'x' is no column" in refused(tmp_path, {}, units={"x": "h"}).replace("  ", " ")
    named = refused(tmp_path, {}, units={"level": "mg/l"}, columns={"conc": "level"}, csv=str(tmp_path / "named.csv"))
    assert "data.units: 'level' is the column of conc: write the unit of conc" in named
    assert "'rabbits' is no unit" in refused(tmp_path, {"conc": "mg/L"}, units={"conc": "rabbits"})


def test_a_unit_of_a_file_that_is_none_is_left_alone_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time,conc\n[h],[1000 rabbits]\n0,1\n60,0.5\n")
    assembly = assembled(tmp_path, {"t": "h", "conc": "rabbits"})
    assert assembly.measured[0].values[:, 0].tolist() == [1, 0.5]
    assert any("not converted: conc ('1000 rabbits' is no unit that is known)" in note for note in assembly.notes)


def test_without_pint_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from odefit.data import units

    def missing() -> None:
        raise ImportError

    monkeypatch.setattr(units, "pint_registry", missing)
    (tmp_path / "d.csv").write_text("time [h],conc [mg/L]\n0,1\n60,0.5\n")
    assert "pip install odefit[units]" in refused(tmp_path, UG)
    assert assembled(tmp_path, UG, units={"conc": "ug/L"}).measured[0].values[0, 0] == 1


def test_units_of_the_data_are_those_of_the_axes_where_the_model_has_none(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time [min],conc [mg/L]\n0,1\n60,0.5\n")
    assembly = assembled(tmp_path, {"conc": "ug/L"})
    assert assembly.loaded.config.model.units == {"conc": "ug/L", "t": "min"}


def test_a_run_folder_is_in_the_units_of_the_model(tmp_path: Path) -> None:
    """What was converted once is not converted again."""
    (tmp_path / "d.csv").write_text("time [min],conc [mg/L]\n0,1\n60,0.6\n120,0.4\n")
    model = {**ONE["model"], "units": UG, "initial": {"A": 9000}}
    config = {**ONE, "model": model, "data": {"csv": str(tmp_path / "d.csv"), "time": "time [min]"}}
    run = odefit.fit(config, out=tmp_path / "run")
    again = odefit.load_run(tmp_path / "run")
    for found in (run, again):
        assert found.measured[0].times.tolist() == [0, 1, 2]
        assert found.measured[0].values[:, 0] == pytest.approx([1000, 600, 400])


@settings(max_examples=100, deadline=None)
@given(st.text("mgLhKU%°µ²⁻¹1029.^*/()-+ [],e_=", max_size=24), st.sampled_from(["mg/L", "°C", "1", "h"]))
def test_any_text_is_a_unit_or_refused(text: str, target: str) -> None:
    """A text of a file never ends in anything but numbers or one sentence."""
    try:
        found = conversion(text, target)
    except UnitFault as fault:
        assert str(fault)
    else:
        assert found is None or np.isfinite([found.factor, found.offset]).all()


def test_a_column_of_units_is_not_left_alone_in_silence(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("time,conc,other,unit\n0,1,5,mg/L\n1,500,4,ug/L\n")
    model = {"equations": {"conc": "-k*conc", "other": "-k*other"}}
    config = {"model": model, "parameters": {"k": 0.5}, "data": {"csv": str(tmp_path / "d.csv")}}
    notes = prepare(load_config(config))[0].notes
    assert any("column 'unit' is named as what says units, and is NOT used" in note for note in notes)


# ---------------------------------------------------------------------------------------------- scatter


@pytest.mark.parametrize(
    ("noise", "header", "expected"),
    [
        ({"sigma": "column"}, "conc_sigma", 0.5),
        ({"sigma": "column"}, "conc_sigma [ug/L]", 5e-4),
        ({"model": "student_t", "sigma": "column"}, "conc_sigma", 0.5),
        ({"model": "lognormal", "sigma": "column"}, "conc_sigma", 0.5),
        ({"model": "log10_laplace", "sigma": "column"}, "conc_sigma [%]", 5e-3),
    ],
)
def test_standard_deviations_of_logarithms_have_no_unit(
    tmp_path: Path, noise: dict[str, str], header: str, expected: float
) -> None:
    scale = 1.0 if "log" in noise.get("model", "") else 1e3
    cells = "".join(f"{t},{c},0.5\n" for t, c in ((0, 30), (1, 20), (2, 12)))
    (tmp_path / "d.csv").write_text(f"t,conc [mg/L],{header}\n{cells}")
    whole = {**ONE, "data": {"csv": str(tmp_path / "d.csv"), "sigma": "conc_sigma"}, "noise": {"conc": noise}}
    whole["model"] = {**ONE["model"], "initial": {"A": 1}, "units": {"conc": "ug/L"}}
    experiment = prepare(load_config(whole))[0].problem.experiments[0]
    assert experiment.values[:, 0] == pytest.approx([30e3, 20e3, 12e3])
    assert experiment.sigma is not None
    assert experiment.sigma[:, 0] == pytest.approx(expected * scale)


def beside(folder: Path, sigma: dict[str, str], header: str) -> Any:
    (folder / "d.csv").write_text(f"t,A [mg/L],B [mg/L],{header}\n0,3000,2000,50\n1,2000,1500,50\n")
    config = {
        "model": {"equations": {"A": "-k*A", "B": "-k*B"}, "units": {"A": "g/L", "B": "mg/L"}},
        "parameters": {"k": 0.5, **({"s": 1.0} if "s*" in sigma["A"] else {})},
        "data": {"csv": str(folder / "d.csv")},
        "noise": {name: {"sigma": text} for name, text in sigma.items()},
    }
    return prepare(load_config(config))[0].problem.experiments[0].covariates["sd"][0]


@pytest.mark.parametrize(
    ("formula", "header", "expected"),
    [("s*sd", "sd [mg/L]", 0.05), ("sd", "sd", 0.05), ("s*sd", "sd", 50), ("s*sd", "sd[A]", 50)],
)
def test_columns_that_noise_names_are_converted_with_their_observable(
    tmp_path: Path, formula: str, header: str, expected: float
) -> None:
    assert beside(tmp_path, {"A": formula}, header)[0] == pytest.approx(expected)


def test_a_column_beside_observables_whose_units_change_differently_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give each a column of its own"):
        beside(tmp_path, {"A": "s*sd", "B": "s*sd"}, "sd [mg/L]")


@pytest.mark.parametrize(("header", "expected"), [("start", -1), ("start [h]", -60), ("start [s]", -1 / 60)])
def test_starts_are_in_the_unit_of_the_measurements_unless_their_table_says_another(
    tmp_path: Path, header: str, expected: float
) -> None:
    (tmp_path / "d.csv").write_text("time [min],A\n60,50\n120,40\n")
    (tmp_path / "e.csv").write_text(f"experiment,{header}\n1,-60\n")
    config = {
        "model": {"equations": {"A": "-k*A"}, "initial": {"A": 60}, "units": {"t": "h"}},
        "parameters": {"k": 0.5},
        "data": {"csv": str(tmp_path / "d.csv"), "experiments": str(tmp_path / "e.csv")},
    }
    experiment = prepare(load_config(config))[0].problem.experiments[0]
    assert experiment.times == pytest.approx([1, 2])
    assert experiment.start == pytest.approx(expected)


@pytest.mark.parametrize(("second", "expected"), [("mg/L", [[0.1, 0.2], [0.11, 0.22]]), ("g/L", None)])
def test_columns_side_by_side_are_converted_by_their_headers(
    tmp_path: Path, second: str, expected: list[list[float]] | None
) -> None:
    (tmp_path / "d.csv").write_text(f"time,w1 [mg/L],w2 [{second}]\n0,100,110\n1,200,220\n")
    config = {
        "model": {"equations": {"A": "k*A"}, "initial": {"A": 0.1}, "units": {"A": "g/L"}},
        "parameters": {"k": 0.5},
        "data": {"csv": str(tmp_path / "d.csv"), "columns": {"A": ["w1 [mg/L]", f"w2 [{second}]"]}},
    }
    if expected is None:
        with pytest.raises(InputError, match="write them in one unit"):
            prepare(load_config(config))
        return
    found = prepare(load_config(config))[0].problem.experiments
    np.testing.assert_allclose([one.values[:, 0] for one in found], expected)
