"""`odefit init`: columns that say something of the measurements, of the experiments, or of the doses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import odefit
from commands import run
from odefit.errors import DataError
from odefit.proposing.look import look_at
from odefit.proposing.proposal import propose
from odefit.proposing.shapes import suggestions
from odefit.proposing.writing import config_text

T = np.array([0.5, 1, 2, 3, 4, 6, 8, 12])


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def proposed(text: str, model: str | None = None) -> dict[str, Any]:
    """The config for a file, which passes `check`."""
    Path("mine.csv").write_text(text)
    look = look_at(Path("mine.csv"))
    chosen = model or suggestions(look)[0]
    Path("mine.yaml").write_text(config_text(look, propose(look, chosen), Path("mine.yaml"), ()))
    odefit.check("mine.yaml")
    config: dict[str, Any] = yaml.safe_load(Path("mine.yaml").read_text())
    return config


def oral(ka: float, k: float, volume: float, dose: float) -> np.ndarray:
    return dose * ka / volume / (ka - k) * (np.exp(-k * T) - np.exp(-ka * T))


LIMITS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "in cells": ("time,x\n0,9\n1,5\n2,3\n3,1.6\n4,<1\n5,<1\n", {}),
    "a word": ("time,x\n0,9\n1,5\n2,3\n3,1.6\n4,BLQ\n5,BLQ\n", {"limit": {"x": 1.6}}),
    "a word, and its limit": (
        "time,x,LLOQ\n0,9,1\n1,5,1\n2,3,1\n3,1.6,1\n4,BLQ,1\n",
        {"limit": {"x": 1.0}, "unused": ["LLOQ"]},
    ),
    "flags": ("time,x,x_cens\n0,9,0\n1,5,0\n2,3,0\n3,1.6,0\n4,1,1\n", {"censored": {"x": "x_cens"}}),
    "flags at 0": (
        "time,x,y,BLQ\n0,9,1,0\n1,5,2,0\n2,3,3,0\n3,1.6,4,0\n4,0,5,1\n",
        {"censored": {"x": "BLQ", "y": "BLQ"}, "limit": {"x": 1.6}},
    ),
    "flags of a long file": (
        "time,observable,value,cens\n0,x,9,0\n1,x,5,0\n2,x,3,0\n3,x,1.6,0\n4,x,1,1\n",
        {"censored": "cens"},
    ),
    "words for none": ("time,x\n0,9\n1,-\n2,3\n3,1.6\n4,failed\n5,1\n", {"missing": ["-", "failed"]}),
    "a number and a word for none": ("time,x\n0,9\n1,-99\n2,3\n3,1.6\n4,?\n5,1\n", {"missing": [-99, "?"]}),
}


@pytest.mark.parametrize("kind", LIMITS)
def test_limits_and_missing_cells(kind: str) -> None:
    text, data = LIMITS[kind]
    config = proposed(text)
    assert {key: value for key, value in config["data"].items() if key != "csv"} == data
    if kind == "flags at 0":
        assert config["model"]["equations"].keys() == {"x", "y"}


def test_a_guessed_limit_is_said() -> None:
    proposed(LIMITS["a word"][0])
    assert "limit: {x: 1.6}  # no column holds the limit: taken is the smallest" in Path("mine.yaml").read_text()


def test_a_column_of_doses_is_where_the_drug_begins() -> None:
    """Volumes and clearances from doses that differ, without a table of doses."""
    rows = [
        f"{who},{weight},{dose},{t:g},{c:.5g}"
        for who, weight, dose in (("a", 60, 100), ("b", 75, 200))
        for t, c in zip(T, oral(1.5, 0.2, 25.0, dose) * np.exp(0.03 * np.sin(9 * T + dose)), strict=True)
    ]
    config = proposed("\n".join(["id,weight,dose,time,conc", *rows, ""]))
    assert config["model"]["initial"] == {"gut": "dose", "central": 0}
    assert "unused" not in config["data"]
    assert "Formulas and `by` may use weight, dose: the same throughout" in Path("mine.yaml").read_text()
    result = odefit.fit("mine.yaml", ["fit.starts=4"]).result
    assert result.estimates["V"].value == pytest.approx(25, rel=0.1)
    assert result.estimates["CL"].value == pytest.approx(5, rel=0.1)


def test_groups_of_experiments_share_their_parameters() -> None:
    times = np.arange(0, 12.0)
    rows = [
        f"{who},{strain},{t:g},{50 / (1 + 24 * np.exp(-rate * t)):.4g}"
        for who, strain, rate in ((1, "wt", 0.8), (2, "wt", 0.82), (3, "mut", 0.4), (4, "mut", 0.41))
        for t in times
    ]
    config = proposed("\n".join(["culture,strain,h,OD", *rows, ""]))
    assert config["data"] == {"csv": "mine.csv", "time": "h", "experiment": "culture"}
    assert config["parameters"]["r"]["by"] == "strain"
    assert odefit.fit("mine.yaml", ["fit.starts=4"]).result.estimates["r[mut]"].value == pytest.approx(0.4, rel=0.05)


def test_a_table_of_infusions() -> None:
    """Into the compartment that is measured, called 2 in the file; at a rate that the file says."""
    conc = [50 / 4 * (np.exp(-0.2 * max(t - 2, 0)) - np.exp(-0.2 * t)) for t in T]
    rows = "".join(f"1,{t:g},.,.,{c:.4g},0,2\n" for t, c in zip(T, conc, strict=True))
    config = proposed(f"ID,TIME,AMT,RATE,DV,EVID,CMT\n1,0,100,50,.,1,2\n{rows}")
    assert config["model"]["equations"] == {"central": "-CL/V*central"}
    assert config["data"]["compartments"] == {"2": "central"}
    assert odefit.fit("mine.yaml", ["fit.starts=4"]).result.estimates["V"].value == pytest.approx(20, rel=0.01)


def test_what_is_not_measured_together_is_no_linear_system() -> None:
    text = "tank,what,day,value\n" + "".join(
        f"{tank},{what},{t},{10 * 0.8**t + k:.3g}\n" for k, (tank, what) in enumerate(("ab", "cd")) for t in range(6)
    )
    config = proposed(text)
    assert config["model"]["equations"] == {"b": "-k*b"}
    assert config["data"]["ignore"] == ["d"]


@pytest.mark.parametrize(
    "cells", [("10", "6", "2..5", "2..5", "0..2", "<2"), (">5", ">5", "2..5", "2..5", "0..2", "<2")]
)
def test_values_between_two_numbers_are_measured(cells: tuple[str, ...]) -> None:
    Path("mine.csv").write_text("time,x\n" + "".join(f"{t},{cell}\n" for t, cell in enumerate(cells)))
    look = look_at(Path("mine.csv"))
    assert "x: 3 values known only to lie between two numbers" in look.remarks
    np.testing.assert_allclose(look.series["x"][-3:, 1], [3.5, 3.5, 1])
    assert "missing" not in proposed(Path("mine.csv").read_text())["data"]


def test_tables_that_hold_no_measurements() -> None:
    Path("doses.csv").write_text("experiment,time,state,amount\n1,0,gut,4\n2,0,gut,5\n")
    with pytest.raises(DataError, match="holds doses, and no measurements"):
        look_at(Path("doses.csv"))
    Path("tanks.csv").write_text("experiment,weight\n1,60\n2,59\n")
    with pytest.raises(DataError, match="a table of constants of experiments goes under"):
        look_at(Path("tanks.csv"))
    Path("once.csv").write_text("experiment,time,x\na,1,60\nb,1,59\nc,1,70\n")
    assert "all measurements are of one time" in run("init", "once.csv")[0]


KINDS = {"gaussian": 0.0, "lognormal": 1.0}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_the_noise_is_that_of_the_data(kind: str, seed: int) -> None:
    """Growth over two decades, with errors of one size or by a share of the size; with replicates, and without."""
    rng = np.random.default_rng(seed)
    for times in (np.linspace(0, 12, 25), np.repeat(np.linspace(0, 12, 8), 3)):
        curve = 50 / (1 + 99 * np.exp(-0.8 * times))
        noise = rng.standard_normal(len(times))
        values = curve * np.exp(0.15 * noise) if kind == "lognormal" else 3 + curve + 0.8 * noise
        rows = "".join(f"{t:g},{v:.4g}\n" for t, v in zip(times, values, strict=True))
        config = proposed(f"time,x\n{rows}")
        # Where the model begins with nothing, and something was measured, noise of logarithms cannot be.
        share = "lognormal" if "gut" not in config["model"]["equations"] else "additive_proportional"
        assert config["noise"] == (share if kind == "lognormal" else kind)


def test_counts_scatter_as_counts() -> None:
    rng = np.random.default_rng(1)
    times = np.arange(0, 20)
    rows = "".join(f"{t},{rng.poisson(400 * np.exp(-(((t - 9) / 3.5) ** 2)))}\n" for t in times)
    assert proposed(f"day,cases\n{rows}")["noise"] == "negative_binomial"


def test_observables_scatter_each_in_its_own_way() -> None:
    rng = np.random.default_rng(2)
    t = np.linspace(0, 10, 40)
    falls = 10 * np.exp(-0.5 * t) * np.exp(0.1 * rng.standard_normal(40))
    grows = 0.02 * rng.standard_normal(40) + 1 - np.exp(-0.5 * t)
    grows[0] = -0.01
    rows = "".join(f"{a:g},{b:.4g},{c:.4g}\n" for a, b, c in zip(t, falls, grows, strict=True))
    assert proposed(f"time,a,b\n{rows}")["noise"] == {"a": "lognormal", "b": "gaussian"}


def test_metabolites_are_no_wells() -> None:
    head = "time,parent,A1,B1,A2"
    rows = [f"{t},{90 * 0.9**t:.3g},{10 * t:.3g},{5 * t:.3g},{2 * t:.3g}" for t in range(8)]
    Path("mine.csv").write_text("\n".join([head, *rows, ""]))
    assert look_at(Path("mine.csv")).kind == "wide"


def rows(head: str, *columns: Any) -> str:
    lines = [",".join(c if isinstance(c, str) else f"{c:.5g}" for c in row) for row in zip(*columns, strict=True)]
    return "\n".join([head, *lines, ""])


def test_times_of_day_in_a_column_of_any_name_and_a_level_that_is_not_zero() -> None:
    t = np.arange(0, 60, 5)
    config = proposed(rows("Messung,Temp [°C]", [f"14:{m:02d}:00" for m in t], 21 + 64 * np.exp(-0.04 * t)))
    assert config["data"]["time"] == "Messung"
    assert config["model"]["equations"] == {"T": "-k*(T - T_env)"}


def test_dates_a_year_apart_are_years() -> None:
    dates = [f"{year}-06-01" for year in range(1990, 2004)]
    config = proposed(rows("Date,elk", dates, 40 / (1 + 9 * np.exp(-0.5 * np.arange(14)))))
    assert config["data"]["time_unit"] == "year"
    assert 0.05 < config["parameters"]["r"]["value"] < 2


def test_a_current_is_an_input_of_a_cell() -> None:
    t = np.arange(0, 300, 10.0)
    current = np.where(t % 120 < 60, 2.0, 0.0)
    config = proposed(rows("time_s,current_A,voltage_V", t, current, 4 - 0.03 * current - t / 3000))
    assert config["data"]["inputs"] == {
        "current": {"csv": "mine.csv", "column": "current_A", "time": "time_s", "interpolation": "previous"}
    }
    assert config["data"]["columns"] == {"voltage": "voltage_V"}
    assert config["model"]["initial"] == {"z": 1, "v1": 0}
    assert "current" not in config["parameters"]


@pytest.mark.parametrize("most, start", [(20.0, "dose"), (60.0, "estimate")])
def test_headers_say_how_much_substrate_there_was(most: float, start: str) -> None:
    """Where no experiment ends with more product than that; else the numbers are those of something else."""
    t = np.arange(0, 20, 2.0)
    made = [(most / 20) * s * (1 - np.exp(-0.2 * t)) + 0.01 * np.cos(9 * t) - 0.01 for s in (5, 10, 20)]
    config = proposed(rows("min,5 uM,10 uM,20 uM", t, *made))
    assert config["model"]["initial"] == {"S": start, "P": 0}


def test_a_noisy_epidemic_is_one() -> None:
    rng = np.random.default_rng(3)
    t = np.arange(50)
    mean = 800 * np.exp(-(((t - 25) / 8) ** 2)) + 2
    cases = rng.negative_binomial(10, 10 / (10 + mean))
    config = proposed(rows("day,cases", t.astype(float), cases.astype(float)))
    assert list(config["model"]["equations"]) == ["S", "I", "R"]
    assert config["noise"] == "negative_binomial"
