"""Configs as PEtab problems, and back: the same objective, and nothing for libpetab's linter to find."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import odefit
from odefit.api import assembled
from odefit.errors import ConfigError, OdefitError
from odefit.interop.importing import import_file
from odefit.interop.petab_export.exporting import export_problem
from odefit.objective.likelihood import Likelihood
from odefit.problem.assembly import Assembly

CONFIGS = Path(__file__).parents[2] / "configs"
TIGHT = ["solver.method=auto", "solver.step=null", "solver.rtol=1e-10"]
T = np.linspace(0, 6, 7)


def experiment(name: str, seed: int = 0, **more: Any) -> odefit.Experiment:
    rng = np.random.default_rng(seed)
    values = {"x": 5 * np.exp(-0.4 * T) + 0.1 * rng.random(7), "y": 1 + T + 0.1 * rng.random(7)}
    return odefit.Experiment(name, more.pop("times", T), values, **more)


def log(value: float) -> dict[str, Any]:
    return {"value": value, "bounds": [1e-3, 1e3], "scale": "log"}


PLAIN = {"equations": {"x": "-k*x", "y": "k*x - c*y"}, "initial": {"x": "estimate", "y": 1}}
DOSES = [
    {"experiment": "a", "time": 1.5, "state": "x", "amount": 3},
    {"experiment": "b", "time": 1.5, "state": "x", "amount": 1},
    {"experiment": "a", "time": 2.5, "state": "y", "amount": 2, "duration": 1.25},
]
FRAME = pd.DataFrame(
    {"experiment": np.repeat(["a", "b", "c"], 7), "time": np.tile(T, 3), "x": 2 + np.cos(np.arange(21)), "y": 1.5}
)
TWO = [experiment("wild type"), experiment("knock-out", 1)]
FED = [
    experiment("a", constants={"inflow_before": 0.5}),
    experiment("b", 1, constants={"inflow_before": 2.0}),
    experiment("c", 2, constants={"inflow_before": 0.0}, steady_state=False),
]
FLOW = {
    "equations": {"x": "inflow*(1 + d) - k*x", "y": "k*x - c*y"},
    "initial": {"x": 1, "y": "c"},
    "events": [{"time": 2.5, "set": {"x": "x + d"}}, {"when": "t > 3 and x > 0.1", "set": {"y": "y/2"}}],
}
CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "names, groups, initial values by experiment": (
        {
            "model": PLAIN,
            "parameters": {"k": {**log(0.4), "by": "experiment"}, "c": 0.3},
            "noise": {"x": "lognormal", "y": "laplace"},
        },
        TWO,
    ),
    "fixed and computed parameters": (
        {"model": PLAIN, "parameters": {"k": {"value": 0.4, "estimate": False}, "c": "2*d", "d": 0.2}},
        TWO,
    ),
    "priors, decimal logarithms": (
        {
            "model": PLAIN,
            "parameters": {
                "k": {**log(0.4), "prior": {"lognormal": [0.5, 1]}},
                "c": {"value": 0.3, "bounds": [0, 1], "prior": {"normal": [0.3, 0.4], "truncated": True}},
                "x_0": {"value": 5, "bounds": [0, 20], "prior": {"half_normal": 8}},
                "sigma_x": {"value": 0.2, "bounds": [0.01, 2], "prior": {"exponential": 3}},
                "sigma_y": {"value": 0.2, "bounds": [0.01, 2], "prior": {"log_laplace": [0.2, 0.5]}},
            },
            "noise": {"x": "log10_normal", "y": "log10_laplace"},
        },
        [experiment("a")],
    ),
    "functions": (
        {
            "model": {
                "equations": {
                    "x": "-k*x*max(0.1, tanh(x)) + 0.1*heaviside(t - 2.5) - piecewise(0.1, x < 2 and t > 1, 0.02)",
                    "y": "abs(sin(t)) - c*y^2/(1 + y)^1.5 + log(1 + x) - sqrt(y)*sigmoid(x - 1) + atan(x)/10",
                },
                "observables": {"x": "x", "y": "y + exp(-t)"},
                "initial": {"x": "5*k", "y": 1},
            },
            "parameters": {"k": log(1), "c": 0.3},
        },
        TWO[:1],
    ),
    "noise of each measurement, shares": (
        {
            "model": PLAIN,
            "parameters": {"k": log(0.4), "c": 0.3, "s": log(1)},
            "noise": {"x": {"sigma": "column"}, "y": {"model": "additive_proportional", "proportional": "s"}},
        },
        [experiment("a", sigma={"x": 0.1 + 0.01 * T})],
    ),
    "doses with a lag, infusions, another start": (
        {
            "model": PLAIN,
            "parameters": {"k": log(0.4), "c": 0.3, "lag": {"value": 0.3, "bounds": [0, 0.4]}, "F": log(0.8)},
            "data": {"start": -1, "doses": {"table": DOSES, "lag": "lag", "fraction": "F"}},
        },
        FRAME,
    ),
    "events": (
        {
            "model": {
                **PLAIN,
                "events": [
                    {"time": "tau", "set": {"x": "x + 2", "y": "y/2"}},
                    {"when": "x < 0.9", "set": {"x": "x + 1.5"}},
                ],
            },
            "parameters": {"k": log(0.4), "c": 0.3, "tau": {"value": 2.3, "bounds": [2.1, 2.9]}},
        },
        TWO[:1],
    ),
    "priors of logarithms": (
        {
            "model": PLAIN,
            "parameters": {
                "k": {**log(0.4), "by": "experiment", "prior": {"normal": [-1, 0.5], "on": "log"}},
                "c": {**log(0.3), "prior": {"laplace": [-1, 0.5], "on": "log", "truncated": True}},
                "x_0": {"value": 5, "bounds": [0, 20]},
                "sigma_x": {**log(0.2), "prior": {"normal": [-1.5, 0.5], "on": "log"}},
            },
        },
        TWO,
    ),
    "a steady state before the start": (
        {
            "model": {**FLOW, "steady_state": {"k": "2*c", "inflow": "inflow_before"}},
            "parameters": {"k": log(0.4), "c": log(0.3), "d": log(0.2), "inflow": 1},
        },
        FED,
    ),
    "a steady state of some experiments, of a parameter that is a formula": (
        {
            "model": {**FLOW, "steady_state": {"k": 0.1, "inflow": 2}},
            "parameters": {"k": "2*c", "c": log(0.3), "d": log(0.2), "inflow": 1},
        },
        [experiment("a"), experiment("b", 1, steady_state=False)],
    ),
    "infinite times": (
        {
            "model": {**PLAIN, "equations": {"x": "c - k*x", "y": "k*x - c*y"}},
            "parameters": {"k": log(0.4), "c": log(0.3)},
        },
        [experiment("a", times=np.array([0, 1, 2, 3, 4, 5, np.inf]))],
    ),
    "columns of the measurements in observables": (
        {
            "model": {**PLAIN, "initial": {"x": 2, "y": 1}, "observables": {"x": "gain*x", "y": "y"}},
            "parameters": {"k": log(0.4), "c": 0.3},
            "noise": {"x": {"sigma": "0.1*gain"}, "y": "gaussian"},
        },
        FRAME.assign(gain=1 + np.arange(21) / 50),
    ),
}


def objective(assembly: Assembly, values: dict[str, float]) -> float:
    table = assembly.problem.table
    theta = np.array([values.get(name, value) for name, value in zip(table.names, table.values, strict=True)])
    return Likelihood(assembly.problem).value(table.to_search(theta))


def there_and_back(assembly: Assembly, folder: Path, factor: float = 1.07) -> tuple[float, float]:
    """Both objectives away from the nominal values."""
    exported = export_problem(assembly, None, "model")
    imported = import_file(exported.write(folder))
    again = assembled(imported.write(folder / "back"), TIGHT)
    rows = [line.split("\t") for line in exported.files["parameters.tsv"].splitlines()[1:]]
    table = assembly.problem.table
    moved = {p.name: min(max(p.value * factor, p.lower), p.upper) for p in table if p.estimate}
    logarithms = {f"ln {name}": np.log(value) for name, value in moved.items() if value > 0}
    there = {row[0]: {**moved, **logarithms}[row[1]] for row in rows}
    return objective(assembly, moved), objective(again, there) - exported.offset


@pytest.mark.parametrize("case", CASES)
def test_the_objective_is_the_same(case: str, tmp_path: Path) -> None:
    config, data = CASES[case]
    here, there = there_and_back(assembled(config, TIGHT, data=data), tmp_path)
    assert np.isfinite(here)
    assert there == pytest.approx(here, rel=1e-9)


def fed_by(path: Path, interpolation: str = "linear") -> dict[str, Any]:
    """A config with an input of a file."""
    return {
        "model": {
            "equations": {"x": "-k*x*u", "y": "k*x - c*y"},
            "initial": {"x": 4, "y": 1},
            "observables": {"x": "x + u", "y": "y"},
        },
        "parameters": {"k": log(0.4), "c": 0.3},
        "data": {
            "inputs": {"u": {"csv": str(path), "interpolation": interpolation}},
            "at_jumps": "after",
        },
    }


@pytest.mark.parametrize("interpolation", ["linear", "previous", "cubic"])
@pytest.mark.parametrize("rows", ["0,1\n2,3\n2,0.5\n4.5,2\n7,1", "a,0,1\na,3,2\na,8,0\nb,0,3\nb,2.5,1\nb,7,2"])
def test_inputs(rows: str, interpolation: str, tmp_path: Path) -> None:
    """One for all experiments, with a jump; or one for each."""
    header = "time,u" if rows[0] == "0" else "experiment,time,u"
    (tmp_path / "u.csv").write_text(f"{header}\n{rows}\n", encoding="utf-8")
    config = fed_by(tmp_path / "u.csv", interpolation)
    here, there = there_and_back(assembled(config, TIGHT, data=[experiment("a"), experiment("b", 1)]), tmp_path / "out")
    assert np.isfinite(here)
    assert there == pytest.approx(here, rel=1e-9)
    assert "u_curve" in (tmp_path / "out/model.xml").read_text("utf-8") or rows[0] == "0"


def test_an_input_that_is_too_long_for_a_formula(tmp_path: Path) -> None:
    lines = [f"{k / 1000},{k % 7}" for k in range(8000)]
    (tmp_path / "u.csv").write_text("\n".join(["time,u", *lines, ""]), encoding="utf-8")
    config = {
        "model": {"equations": {"x": "-k*x*u"}, "initial": {"x": 5}, "observables": {"x": "x"}},
        "parameters": {"k": log(0.4)},
        "data": {"inputs": {"u": {"csv": str(tmp_path / "u.csv")}}},
    }
    with pytest.raises(ConfigError, match="'u' has 8,000 pieces, which are too long for a formula of time"):
        export_problem(assembled(config, data=[odefit.Experiment("a", T, {"x": T})]), None, "model")


REFUSED = {
    "flu_1978": "negative_binomial noise",
    "hybrid_lotka_volterra": "PEtab has no penalties",
    "latent_spirals": "a latent ODE",
    "potential": "is a gradient",
    "reference/flu_1978_likelihood": "negative_binomial noise",
}
"""Shipped configs that PEtab cannot hold, and why."""
NETWORKS = ("hybrid_enzyme", "neural_cosine", "neural_time", "neural_van_der_pol", "sigmoid_spiral")
"""Those with a network, which PEtab-SciML holds; test_sciml_export.py reads such problems back."""
ALL = sorted(path.relative_to(CONFIGS).with_suffix("").as_posix() for path in CONFIGS.rglob("*.yaml"))


@pytest.mark.parametrize("name", [name for name in ALL if name not in (*REFUSED, *NETWORKS)])
def test_shipped_configs(name: str, tmp_path: Path) -> None:
    here, there = there_and_back(assembled(CONFIGS / f"{name}.yaml", TIGHT), tmp_path, 1.01)
    assert np.isfinite(here)
    assert there == pytest.approx(here, rel=1e-9)


@pytest.mark.torch
@pytest.mark.parametrize("name", NETWORKS)
def test_shipped_networks_are_written(name: str) -> None:
    exported = export_problem(assembled(CONFIGS / f"{name}.yaml", TIGHT), None, "model")
    extension = yaml.safe_load(exported.files["problem.yaml"])["extensions"]["petab_sciml"]
    assert all(net["location"] in exported.files for net in extension["neural_networks"].values())


@pytest.mark.parametrize("name", REFUSED)
def test_shipped_configs_that_petab_cannot_hold(name: str) -> None:
    with pytest.raises(OdefitError, match=REFUSED[name]):
        export_problem(assembled(CONFIGS / f"{name}.yaml", TIGHT), None, "model")


LINT = """
import sys, warnings
warnings.simplefilter("ignore")
from petab.v2 import Problem
from petab.v2.lint import lint_problem
for path in sys.argv[1:]:
    for issue in lint_problem(Problem.from_yaml(path)):
        print(path, issue)
"""


@pytest.mark.skipif(importlib.util.find_spec("petab") is None, reason="needs libpetab: pip install petab==0.8.2")
def test_libpetab_finds_nothing(tmp_path: Path) -> None:
    paths = []
    for k, (config, data) in enumerate(CASES.values()):
        exported = export_problem(assembled(config, data=data), None, "model")
        paths.append(str(exported.write(tmp_path / str(k))))
    (tmp_path / "u.csv").write_text("experiment,time,u\na,0,1\na,8,0\nb,0,3\nb,8,2\n", encoding="utf-8")
    fed = assembled(fed_by(tmp_path / "u.csv"), data=[experiment("a"), experiment("b", 1)])
    paths.append(str(export_problem(fed, None, "model").write(tmp_path / "fed")))
    paths.append(str(odefit.export_petab(CONFIGS / "lynx_hare.yaml").write(tmp_path / "lynx")))
    done = subprocess.run([sys.executable, "-c", LINT, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_estimates_of_a_fit_are_nominal(tmp_path: Path) -> None:
    data = [odefit.Experiment("a", T, {"x": 3 * np.exp(-0.7 * T)})]
    run = odefit.fit(
        {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 0.5}, "noise": {"sigma": 0.1}},
        data=data,
        out=tmp_path / "run",
    )
    for source in (run, tmp_path / "run"):
        rows = odefit.export_petab(source).files["parameters.tsv"].splitlines()
        assert float(rows[1].split("\t")[4]) == run.result.estimates["k"].value


def test_what_petab_cannot_hold_is_refused_by_name_all_at_once() -> None:
    config = {
        "model": {
            "equations": {"x": "-k*x", "y": "-c*y"},
            "initial": {"x": "estimate", "y": 1},
            "observables": {"x": "x", "y": {"increase": "y"}},
        },
        "parameters": {"k": log(0.4), "c": {**log(0.3), "prior": {"student_t": [1, 1, 3]}}},
        "data": {"start": -1},
        "noise": {"x": "student_t", "y": "gaussian"},
    }
    problem = assembled(config, data=TWO[:1])
    with pytest.raises(ConfigError) as caught:
        export_problem(problem, None, "model")
    told = "\n".join(str(fault) for fault in caught.value.faults)
    for words in ("'increase' compares two times", "x: student_t noise"):
        assert words in told


@pytest.mark.parametrize("scale", [[1.0, 2.0, 1.0, 3.0], ["blot", 2.0, "2*blot", "blot"]])
@pytest.mark.parametrize("noise", ["gaussian", {"model": "additive_proportional", "proportional": 0.2}, "0.1*scale"])
def test_a_column_of_the_measurements_in_an_observable(
    scale: list[float | str], noise: str | dict[str, Any], tmp_path: Path
) -> None:
    """Numbers, and formulas of parameters, in its cells."""
    frame = pd.DataFrame({"time": [0, 1, 2, 2], "y": [2.0, 2.5, 0.7, 0.9], "z": 0.4, "scale": scale})
    config = {
        "model": {
            "equations": {"x": "-k*x"},
            "initial": {"x": 2},
            "observables": {"y": "scale*x + scale", "z": "x"},
        },
        "parameters": {"k": log(0.4)} | ({"blot": log(1.3)} if "blot" in scale else {}),
        "noise": {"y": {"sigma": noise} if noise == "0.1*scale" else noise, "z": {"sigma": 0.1}},
    }
    here, there = there_and_back(assembled(config, TIGHT, data=frame), tmp_path)
    assert there == pytest.approx(here, rel=1e-9)


def test_samples_just_before_a_dose_are_refused() -> None:
    data = [experiment("a", doses=[odefit.Dose(2, "x", 3)])]
    config = {"model": PLAIN, "parameters": {"k": log(0.4), "c": 0.3}}
    with pytest.raises(ConfigError, match="has measurements just before what happens at t = 2"):
        export_problem(assembled(config, data=data), None, "model")
    after = {**config, "data": {"at_jumps": "after"}}
    assert export_problem(assembled(after, data=data), None, "model").files
