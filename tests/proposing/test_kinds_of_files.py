"""`odefit init` on files of many kinds: what it takes the columns for passes `check`, and finds the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.integrate import solve_ivp

import odefit
from commands import run
from odefit.proposing.look import look_at
from odefit.proposing.proposal import propose
from odefit.proposing.shapes import suggestions
from odefit.proposing.writing import config_text

T = np.arange(0, 12.5, 1.0)
Numbers = np.ndarray


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def logistic(t: Numbers, r: float, K: float, start: float) -> Numbers:
    return K / (1 + (K / start - 1) * np.exp(-r * t))


def scattered(values: Numbers, seed: int) -> Numbers:
    return values * np.exp(0.02 * np.random.default_rng(seed).standard_normal(len(values)))


def table(head: str, *columns: Numbers | Sequence[Any], sep: str = ",") -> str:
    rows = [sep.join(c if isinstance(c, str) else f"{c:.5g}" for c in row) for row in zip(*columns, strict=True)]
    return "\n".join([head, *rows, ""])


def growths(*rates: float, K: float = 50.0, start: float = 2.0) -> list[Numbers]:
    return [scattered(logistic(T, rate, K, start), k) for k, rate in enumerate(rates)]


def decays(*rates: float) -> list[Numbers]:
    return [scattered(10 * np.exp(-rate * T), k) for k, rate in enumerate(rates)]


def infused(t: float) -> float:
    """The concentration in a volume of 20 that 100 flow into for 2 hours, and that is left at a rate of 0.2."""
    return float(50 / (0.2 * 20) * (np.exp(-0.2 * max(t - 2, 0)) - np.exp(-0.2 * t)))


def microbes() -> tuple[Numbers, Numbers]:
    """10 g/l of a substrate, in mg/l, and 0.1 g/l of biomass with a yield of 0.5, by Monod's equations."""

    def slope(t: float, y: Numbers) -> Numbers:
        growth = 0.5 * y[1] / (0.5 + y[1]) * y[0]
        return np.array([growth, -2 * growth])

    biomass, substrate = solve_ivp(slope, (0, T[-1]), [0.1, 10], t_eval=T, rtol=1e-8).y
    return 1000 * substrate + 50 * np.random.default_rng(1).standard_normal(len(T)), scattered(biomass, 2)


WELLS = [f"{row}{column}" for row in "AB" for column in (1, 2, 3)]
TEN = 5 * np.ones(len(T))
KINDS: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, float]]] = {
    "replicates": (
        table("time,x_1,x_2,x_3", T, *growths(0.6, 0.6, 0.6)),
        {"columns": {"x": ["x_1", "x_2", "x_3"]}},
        {"r": 0.6, "K": 50},
    ),
    "replicates by a word": (
        table("Time (h),Rep 1,Rep 2", T, *growths(0.6, 0.6)),
        {"time": "Time (h)", "columns": {"x": ["Rep 1", "Rep 2"]}},
        {"r": 0.6},
    ),
    "states that are numbered": (
        table("time,x_1,x_2", T, *decays(0.5), scattered(10 - 10 * np.exp(-0.5 * T) + 0.1, 3)),
        {},
        {"a_11": -0.5},
    ),
    "a plate": (
        table(f"Cycle;Time [s];Temp;{';'.join(WELLS)}", T + 1, 60 * T, 37 + T / 100, *growths(*6 * [0.6]), sep=";"),
        {"time": "Time [s]", "columns": {"x": "[A-H]*"}, "unused": ["Cycle", "Temp"]},
        {"r": 0.01},
    ),
    "conditions": (
        table("time,0 uM,50 uM,500 uM", T, *decays(0.5, 0.3, 0.1)),
        {"columns": {"y": "{dose} uM"}},
        {"k[0]": 0.5, "k[50]": 0.3, "k[500]": 0.1},
    ),
    "conditions with replicates": (
        table("time,0 uM rep1,0 uM rep2,50 uM rep1,50 uM rep2", T, *decays(0.5, 0.5, 0.2, 0.2)),
        {"columns": {"y": "{dose} uM rep*"}},
        {"k[0]": 0.5, "k[50]": 0.2},
    ),
    "conditions, numbered in brackets": (
        table("time,S=2 (1),S=2 (2),S=9 (1)", T, *decays(0.5, 0.5, 0.2)),
        {"columns": {"y": "S={dose} (*)"}},
        {"k[2]": 0.5, "k[9]": 0.2},
    ),
    "replicates in a column of numbers": (
        table(
            "strain,replicate,time,cells",
            *([13 * ["a"] + 13 * ["a"] + 13 * ["b"] + 13 * ["b"], 2 * (13 * ["1"] + 13 * ["2"])]),
            *([*T] * 4, np.concatenate(growths(0.6, 0.6, 0.3, 0.3))),
        ),
        {"experiment": "strain", "unused": ["replicate"]},
        {"r[a]": 0.6, "r[b]": 0.3},
    ),
    "microbes and what they live on": (
        table("time,glucose,biomass\nh,mg/l,g/l", T, *microbes()),
        {"columns": {"X": "biomass", "S": "glucose"}},
        {"Y": 5e-4, "mu_max": 0.5},
    ),
    "doses that take as long as the model says": (
        "ID,TIME,AMT,RATE,DV,EVID,CMT\n1,0,100,-2,.,1,1\n"
        + "".join(f"1,{t:g},.,.,{infused(t):.4g},0,1\n" for t in (0.5, 1, 1.5, 2, 2.5, 3, 4, 6, 9, 12)),
        {},
        {"D1": 2},
    ),
    "doses at a rate of the model": (
        "ID,TIME,AMT,RATE,DV,EVID\n1,0,100,-1,.,1\n"
        + "".join(f"1,{t:g},.,.,{infused(t):.4g},0\n" for t in (0.5, 1, 1.5, 2, 2.5, 3, 4, 6, 9, 12)),
        {},
        {"R1": 50},
    ),
    "conditions that are called": (
        table("min,pH5,pH7,pH9", T, *decays(0.5, 0.2, 0.1)),
        {"time": "min", "columns": {"y": "pH{pH}"}},
        {"k[7]": 0.2},
    ),
    "treatments": (
        table("time,OD_wt,OD_mut", T, *growths(0.6, 0.3)),
        {"columns": {"OD": "OD_*"}},
        {"r[wt]": 0.6, "r[mut]": 0.3},
    ),
    "quantities and experiments": (
        table("time,N_wt,N_mut,S_wt,S_mut", T, *decays(0.4, 0.3), *(d / 1000 for d in decays(0.2, 0.1))),
        {"columns": {"N": "N_*", "S": "S_*"}},
        {},
    ),
    "experiments and quantities": (
        table(
            "time,wt N,wt S,mut N,mut S", T, decays(0.4)[0], decays(0.2)[0] / 999, decays(0.3)[0], decays(0.1)[0] / 999
        ),
        {"columns": {"N": "* N", "S": "* S"}},
        {},
    ),
    "numbered tanks": (
        table("day,tank 1,tank 2", T, *growths(0.6), *growths(0.6, start=20.0)),
        {"time": "day", "columns": {"x": "tank *"}},
        {"r": 0.6},
    ),
    "subjects that are numbers": (
        table("time,1,2,3", T, *(a * d for a, d in zip((1, 2, 3), decays(0.3, 0.3, 0.3), strict=True))),
        {"columns": {"y": "*"}},
        {"k": 0.3},
    ),
    "a column for each day": (
        table(
            "place,day 0,day 1,day 2,day 4,day 8",
            ["Bern", "Chur"],
            [5, 9],
            [8.24, 14.8],
            [13.6, 24.5],
            [36.9, 66.5],
            [273, 492],
        ),
        {"experiment": "place", "columns": {"x": "day {time}"}},
        {"r": 0.5},
    ),
    "a column for each date": (
        table(
            "Province,Country,Lat,1/22/20,1/23/20,1/25/20,1/26/20",
            ["", ""],
            ["A", "B"],
            [1, 2],
            [5, 9],
            [8.24, 14.8],
            [22.4, 40.3],
            [36.9, 66.5],
        ),
        {"experiment": "Country", "columns": {"x": "{time}"}, "unused": ["Province", "Lat"]},
        {"r": 0.5},
    ),
    "dates and times of day in two columns": (
        table("Date,Time,x", [f"2021-03-0{d}" for d in "1122"], ["08:00", "20:00"] * 2, [90, 27.1, 8.16, 2.46]),
        {"time": "Time"},
        {"k": 0.1},
    ),
    "dates and hours": (
        table("Date,Hour,x", [f"2021-03-0{d}" for d in "1122"], [8, 20] * 2, [90, 27.1, 8.16, 2.46]),
        {"time": "Date"},
        {"k": 0.1},
    ),
    "times with decimal commas as headers": (
        "tank;0;0,5;1;2;4\na;10;8,2;6,7;4,5;2,02\nb;20;16,4;13,4;9;4,04\n",
        {"experiment": "tank", "columns": {"y": "{time}"}},
        {"k": 0.4},
    ),
    "means and their errors": (
        table("time,OD_mean,OD_sd", T, *growths(0.6), TEN / 10),
        {"sigma": {"OD_mean": "OD_sd"}},
        {"r": 0.6},
    ),
    "a number for none": (
        "time,x\n0,10\n1,7.4\n2,-999\n3,4.1\n4,-999\n5,2.2\n6,1.65\n",
        {"missing": [-999]},
        {"k": 0.3},
    ),
    "treatments in a column": (
        table("time,treatment,biomass", [*T, *T], 13 * ["control"] + 13 * ["drug"], np.concatenate(growths(0.6, 0.2))),
        {"experiment": "treatment"},
        {"r[control]": 0.6, "r[drug]": 0.2},
    ),
    "a row for each measurement, whose column of values has a name of its own": (
        table(
            "run,t (min),species,c (mol/L),temp",
            *([26 * ["cold"] + 26 * ["warm"], [*T] * 4, 2 * (13 * ["A"] + 13 * ["B"])]),
            np.concatenate([d for k in (0.2, 0.5) for d in (decays(k)[0], 10.1 - decays(k)[0])]),
            52 * [20],
        ),
        {"time": "t (min)", "experiment": "run", "observable": "species", "value": "c (mol/L)", "unused": ["temp"]},
        {},
    ),
    "rows of strains, which are experiments where nothing else is": (
        table(
            "time,species,OD", [*T, *T], 13 * ["wt"] + 13 * ["mut"], np.concatenate([decays(0.2)[0], decays(0.5)[0]])
        ),
        {"experiment": "species"},
        {},
    ),
    "doses, and words for what lies below a limit that no column holds": (
        "ID,TIME,AMT,DV,EVID,BLQ\n1,0,100,.,1,0\n"
        + "".join(f"1,{t:g},.,{5 * np.exp(-0.4 * t):.4g},0,0\n" for t in (1, 2, 3, 4, 6, 8))
        + "1,12,.,BLQ,0,1\n",
        {"limit": {"conc": 0.2038}},
        {},
    ),
    "columns in another order": (
        table("predator,prey,year", 30 + 20 * np.sin(T - 1.2), 40 + 30 * np.sin(T), 1900 + T),
        {"time": "year"},
        {"prey_0": 45},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file(kind: str) -> None:
    text, data, truth = KINDS[kind]
    Path("mine.csv").write_text(text)
    look = look_at(Path("mine.csv"))
    Path("mine.yaml").write_text(config_text(look, propose(look, suggestions(look)[0]), Path("mine.yaml"), ()))
    odefit.check("mine.yaml")
    config = yaml.safe_load(Path("mine.yaml").read_text())
    assert config["data"] == {"csv": "mine.csv", **data}
    if truth:
        result = odefit.fit("mine.yaml", ["fit.starts=4"]).result
        assert result.status == "converged"
        for name, value in truth.items():
            assert result.estimates[name].value == pytest.approx(value, rel=0.35 if name.endswith("_0") else 0.1), name


@pytest.mark.parametrize(
    ("text", "key", "answer", "end"),
    [
        ("time,x\n0:00,9\n0:30,7\n1:00,4\n", "data.clock", "m:ss", 1 / 60),
        ("date,x\n01/03/2021,9\n02/03/2021,7\n03/03/2021,4\n", "data.day_first", "true", 2),
        ("0,9\n1,7\n2,4\n", "data.header", "[time, x]", 2),
    ],
)
def test_what_the_file_does_not_say(text: str, key: str, answer: str, end: float) -> None:
    """In a pipe nothing is asked: the error names the key, and the key goes into the config."""
    Path("mine.csv").write_text(text)
    _, wrong = run("init", "mine.csv", code=2)
    assert f"here: --set {key}=…" in wrong
    assert not Path("mine.yaml").exists()
    run("init", "mine.csv", "--set", f"{key}={answer}")
    config = yaml.safe_load(Path("mine.yaml").read_text())
    assert config["data"][key.removeprefix("data.")] == yaml.safe_load(answer)
    assert f"t = 0 to {end:.6g}" in odefit.check("mine.yaml")


def test_only_keys_about_the_file_are_taken() -> None:
    Path("mine.csv").write_text(table("time,x", T, *decays(0.5)))
    _, wrong = run("init", "mine.csv", "--set", "fit.starts=3", code=2)
    assert "--set fit: says nothing of the file; `odefit init` takes sheet, header," in wrong
    _, wrong = run("init", "mine.csv", "--set", "data.clocks=h:mm", code=2)
    assert "--set data.clocks: unknown key; did you mean 'clock'?" in wrong
    run("init", "mine.csv", "--set", "data.columns={x: [x]}")
    assert yaml.safe_load(Path("mine.yaml").read_text())["data"]["columns"] == {"x": ["x"]}


def test_entries_of_a_matrix_are_bounded_in_the_units_of_their_states() -> None:
    Path("mine.csv").write_text(table("time,a,b", T, 1e4 * decays(0.5)[0], 10 - decays(0.5)[0] + 0.1))
    look = look_at(Path("mine.csv"))
    upper = {one.name: one.upper for one in propose(look, "linear").unknowns}
    assert upper["a_12"] == pytest.approx(1e8 * upper["a_21"], rel=0.2)
    assert upper["a_11"] == upper["a_22"]


TWO_DATES = (
    "A,Day,Clock,x\n2021-01-01,2021-03-01,22:00,10\n2021-01-01,2021-03-01,23:30,6\n2021-01-01,2021-03-02,0:30,4\n"
)


@pytest.mark.parametrize(
    "text, said",
    [
        (TWO_DATES, {"time": "Clock", "date": "Day"}),
        ("time,observable,value,u\n0,x,10,mg/L\n1,x,6,mg/L\n2,x,4,mg/L\n", {"unit": "u"}),
    ],
)
def test_the_columns_of_dates_and_of_units_may_be_said(text: str, said: Mapping[str, str]) -> None:
    Path("d.csv").write_text(text)
    run("init", "d.csv", *(word for key, name in said.items() for word in ("--set", f"data.{key}={name}")))
    data = yaml.safe_load(Path("d.yaml").read_text())["data"]
    assert {key: data[key] for key in said} == said
    assert not {*data.get("unused", [])} & {*said.values()}
