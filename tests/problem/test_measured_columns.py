"""Columns of the measurements in formulas of observables and noise: a scale, an offset, a sigma for each cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from small_problems import central_differences

TIMES = np.linspace(0.0, 3.0, 4)
SCALES: list[Any] = [1.0, "s1", "s1", "2*s2/(1 + s1)"]
OFFSETS: list[Any] = ["o", 0.0, "o", 0.5]
SIGMAS: list[Any] = [0.1, "sd", "sd", "sd*s1"]
VALUES = [2.1, 1.9, 1.4, 1.2]
START = np.array([0.4, 1.5, 1.1, 0.2, 0.15])


def config(method: str = "auto", **data: Any) -> dict[str, Any]:
    bounds = {"bounds": [0.01, 10], "scale": "log"}
    return {
        "model": {
            "equations": {"x": "-k*x"},
            "initial": {"x": 2},
            "observables": {"a": "scale*x + offset", "b": "x"},
        },
        "parameters": {
            "k": {"value": 0.5, **bounds},
            "s1": {"value": 1.0, **bounds},
            "s2": {"value": 1.0, **bounds},
            "o": {"value": 0.1, "bounds": [-1, 1]},
            "sd": {"value": 0.1, **bounds},
        },
        "noise": {"a": {"sigma": "error"}, "b": {"sigma": 0.1}},
        "data": data,
        "solver": {"rtol": 1e-10, "atol": 1e-12, "method": method},
    }


def expected(p: np.ndarray) -> float:
    """The likelihood by the closed form."""
    k, s1, s2, o, sd = p
    x = 2 * np.exp(-k * TIMES)
    scale = np.array([1.0, s1, s1, 2 * s2 / (1 + s1)])
    sigma = np.array([0.1, sd, sd, sd * s1])
    r = (scale * x + np.array([o, 0, o, 0.5]) - VALUES) / sigma
    b = (x - VALUES) / 0.1
    both = np.sum(r**2) / 2 + np.log(sigma).sum() + np.sum(b**2) / 2 + 4 * np.log(0.1)
    return float(both + 8 * np.log(2 * np.pi) / 2)


def wide() -> pd.DataFrame:
    columns = {"scale": SCALES, "offset": OFFSETS, "error": SIGMAS}
    return pd.DataFrame({"time": TIMES, "a": VALUES, "b": VALUES, **columns})


def long() -> pd.DataFrame:
    one = wide().rename(columns={"a": "value"}).drop(columns="b").assign(observable="a")
    other = pd.DataFrame({"time": TIMES, "value": VALUES, "observable": "b"})
    return pd.concat([one, other], ignore_index=True)


def by_hand() -> list[odefit.Experiment]:
    columns: Any = {"scale": {"a": SCALES}, "offset": {"a": OFFSETS}, "error": {"a": SIGMAS}}
    return [odefit.Experiment("1", TIMES, {"a": VALUES, "b": VALUES}, covariates=columns)]


@pytest.mark.quick
@pytest.mark.parametrize("method", ["auto", pytest.param("dopri5", marks=pytest.mark.torch)])
def test_cells_are_numbers_or_formulas(method: str) -> None:
    problem = odefit.load(config(method), data=wide())
    assert problem.names == ("k", "s1", "s2", "o", "sd")
    assert problem.nll(START) == pytest.approx(expected(START), rel=1e-6)
    assert problem.gradient(START) == pytest.approx(central_differences(expected, START), rel=1e-4)


def test_every_layout_says_the_same(tmp_path: Path) -> None:
    """Wide and long, as files and as frames, and experiments made by hand."""
    wide().to_csv(tmp_path / "wide.csv", index=False)
    long().to_csv(tmp_path / "long.csv", index=False)
    for name in ("wide", "long"):
        problem = odefit.load(config(csv=str(tmp_path / f"{name}.csv")))
        assert problem.nll(START) == pytest.approx(expected(START), rel=1e-6)
    for data in (long(), by_hand()):
        assert odefit.load(config(), data=data).nll(START) == pytest.approx(expected(START), rel=1e-6)


def test_a_fit_with_workers_and_its_folder(tmp_path: Path) -> None:
    text = config() | {"fit": {"starts": 2, "workers": 2}}
    run = odefit.fit(text, data=wide(), out=tmp_path / "run")
    best = np.array([run.result.estimates[name].value for name in ("k", "s1", "s2", "o", "sd")])
    assert run.result.objective.nll == pytest.approx(expected(best), rel=1e-6)
    again = odefit.load_run(tmp_path / "run")
    assert again.predictions()["predicted"].to_numpy() == pytest.approx(run.predictions()["predicted"].to_numpy())
    assert "2*s2/(1 + s1)" in (tmp_path / "run" / "data.csv").read_text()


def test_one_scale_for_a_whole_series_holds_at_other_times_too() -> None:
    """So curves can be drawn; where cells differ, nothing is known between them."""
    frame = wide().assign(scale="s1", offset=[0.0, None, 0.0, 0.0], a=[2.1, None, 1.4, 1.2])
    text = config()
    del text["parameters"]["s2"], text["parameters"]["o"]
    problem = odefit.load(text, data=frame)
    found = problem.simulate(START[[0, 1, 4]], [0.5, 2.5])
    assert found["a"].to_numpy() == pytest.approx(1.5 * found["b"].to_numpy())
    assert np.isnan(odefit.load(config(), data=wide()).simulate(START, [0.5])["a"][0])


def test_what_a_cell_cannot_be_is_named_with_its_place(tmp_path: Path) -> None:
    frame = wide().assign(scale=[1.0, "s1*nothing", "x + s1", "n.a."])
    frame.to_csv(tmp_path / "d.csv", index=False)
    with pytest.raises(odefit.OdefitError) as caught:
        odefit.load(config(csv=str(tmp_path / "d.csv")))
    text = str(caught.value)
    assert "d.csv:3, column scale: 's1*nothing' is no number and, as a formula, has a fault: unknown symbol" in text
    assert "d.csv:4, column scale: 'x + s1' is no number and, as a formula, has a fault: unknown symbol 'x'" in text
    assert "d.csv:5, column scale: 'n.a.' is not a number" in text


def test_a_typing_error_of_a_name_is_no_bad_number() -> None:
    with pytest.raises(odefit.DataError) as caught:
        odefit.load(config(), data=wide().assign(scale=[1.0, "s11", "s1", "s2"]))
    fault = "has a fault: unknown symbol 's11' (did you mean 's1'?)"
    assert f"column scale: 's11' is no number and, as a formula, {fault}" in str(caught.value)


def test_where_a_column_may_stand_is_said_where_it_may_not() -> None:
    frame = pd.DataFrame({"time": TIMES, "x": VALUES, "gain": 2.0})
    model = {"equations": {"x": "-k*x*gain"}, "initial": {"x": 2}, "expressions": {"e": "gain*x"}}
    with pytest.raises(odefit.ConfigError) as caught:
        odefit.load({"model": model, "parameters": {"k": 1}, "data": {"unused": ["gain"]}}, data=frame)
    first_lines = [fault.what.split("\n")[0] for fault in caught.value.faults]
    what = "'gain' is a column of the measurements, which formulas of observables and noise may name"
    what += ", others only one that is constant in each experiment and read as nothing else"
    assert first_lines == [f"unknown symbol 'gain'; {what}"] * 2


def test_a_name_that_is_no_column_is_unknown_and_comparisons_have_none() -> None:
    text = config()
    with pytest.raises(odefit.OdefitError, match="unknown symbol 'offset'"):
        odefit.load(text, data=wide().drop(columns="offset"))
    text["model"]["observables"]["a"] = {"fold_change": "scale*x"}
    with pytest.raises(odefit.OdefitError, match="compares two rows, and 'scale' is a column with a cell for each"):
        odefit.load(text, data=wide())
    with pytest.raises(odefit.OdefitError, match="is missing beside a measurement of a"):
        odefit.load(config(), data=wide().assign(scale=[1.0, None, "s1", "s2"]))
