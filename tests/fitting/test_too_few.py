"""Fewer measurements than parameters: what is said of them, before a fit and after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import odefit
from commands import run as command

RATE = {"value": 0.5, "bounds": [0.01, 5], "scale": "log"}
DECAY = "{x: -k*x}, initial: {x: estimate}"
PREY = "{x: a*x - b*x*y, y: c*x*y - d*y}, initial: {x: estimate, y: estimate}"


def written(folder: Path, rows: str, noise: str, equations: str = DECAY, names: str = "k") -> Path:
    (folder / "few.csv").write_text(rows)
    parameters = ", ".join(f"{name}: {json.dumps(RATE)}" for name in names)
    config = folder / "few.yaml"
    config.write_text(
        f"model: {{equations: {equations}}}\nparameters: {{{parameters}}}\ndata: {{csv: few.csv}}\nnoise: {noise}\n"
    )
    return config


ONE = "time,x\n1,0.5\n"
TWO = "time,x\n1,0.5\n2,0.3\n"
FOUR = "time,x,y\n1,5,7\n2,8,3\n"
BOTH = "cannot determine 2 parameters (k, x_0)"


@pytest.mark.parametrize(
    ("rows", "noise", "said"),
    [
        (ONE, "{x: gaussian}", f"1 measurement {BOTH} and the size of the noise: measure more, fix some "),
        (ONE, "{x: {sigma: 0.1}}", f"1 measurement {BOTH}: measure more, fix some "),
        (TWO, "{x: gaussian}", f"2 measurements {BOTH} and the size of the noise: measure more, fix some "),
    ],
)
def test_too_few_measurements_are_named_by_check_and_by_fit(tmp_path: Path, rows: str, noise: str, said: str) -> None:
    config = written(tmp_path, rows, noise)
    out, _ = command("check", str(config))
    assert f"warning: {said}" in out
    out, _ = command("fit", str(config), "--no-plots", "--out", str(tmp_path / "run"))
    assert said in out
    assert f"next: odefit plot {tmp_path / 'run'}" in out
    assert "solver" not in out


@pytest.mark.parametrize("noise", ["gaussian", "laplace", "lognormal", "student_t"])
def test_a_search_that_vanishing_noise_stops_names_the_data_and_not_the_solver(tmp_path: Path, noise: str) -> None:
    config = written(tmp_path, FOUR, f"{{x: {noise}, y: {noise}}}", PREY, "abcd")
    config.write_text(config.read_text().replace("few.csv}", "few.csv, start: 0}"))
    run = odefit.fit(config)
    assert isinstance(run, odefit.Run)
    sentences = [run.result.message, *run.result.warnings]
    said = "4 measurements cannot determine 6 parameters (a, b, c, d, x_0, y_0) and the size of the noise"
    assert sum(said in sentence for sentence in sentences) == 1
    assert not any("solver" in sentence or "derivatives disagree" in sentence for sentence in sentences)
    assert run.result.tolerances_divided_by == 1


@pytest.mark.parametrize(
    ("rows", "parameters", "noise"),
    [
        (TWO, {"k": RATE}, {"x": {"sigma": 0.1}}),  # two measurements, two parameters, known noise: determined
        (TWO + "3,0.2\n", {"k": RATE}, {"x": "gaussian"}),  # one degree of freedom is left for the noise
        (ONE, {"k": {**RATE, "prior": {"lognormal": [0.5, 0.2]}}}, {"x": {"sigma": 0.1}}),  # a prior tells one
        (TWO, {"k": RATE}, {"x": {"model": "additive_proportional", "sigma": 0.1}}),  # the noise has a floor
        (TWO, {"k": RATE, "s": RATE}, {"x": {"sigma": "0.1 + s"}}),
        (TWO.replace("0.", ""), {"k": RATE}, {"x": "negative_binomial"}),  # which is no less than Poisson's
        (TWO, {"k": RATE, "s": {"value": 0.1, "prior": {"lognormal": [0.1, 0.5]}}}, {"x": {"sigma": "s"}}),
    ],
)
def test_enough_measurements_are_not_called_too_few(
    tmp_path: Path, rows: str, parameters: dict[str, Any], noise: dict[str, Any]
) -> None:
    (tmp_path / "few.csv").write_text(rows)
    model = {"equations": {"x": "-k*x"}, "initial": {"x": "estimate"}}
    config = {"model": model, "parameters": parameters, "noise": noise, "data": {"csv": str(tmp_path / "few.csv")}}
    run = odefit.fit(config)
    assert isinstance(run, odefit.Run)
    assert not any("cannot determine" in sentence for sentence in (run.result.message, *run.result.warnings))
    assert run.result.status == "converged"


def test_known_noise_and_priors_let_a_fit_go_on(tmp_path: Path) -> None:
    config = written(tmp_path, TWO, "{x: {sigma: 0.01}}")
    out, _ = command("fit", str(config), "--no-plots", "--out", str(tmp_path / "run"), "--set", "fit.max_iterations=1")
    assert "Not converged after 1 steps" in out
    assert f"--from {tmp_path / 'run'}" in out


def test_many_noise_free_measurements_are_still_judged_by_the_solver(tmp_path: Path) -> None:
    """What stops a fit with measurements enough keeps its own reason and its own advice."""
    rows = "time,x\n" + "".join(f"{t},{5 / (1 + t)}\n" for t in range(12))
    config = written(tmp_path, rows, "{x: gaussian}")
    how = ("--no-plots", "--out", str(tmp_path / "run"), "--set", "fit.max_iterations=1")
    out, _ = command("fit", str(config), *how)
    assert "Not converged after 1 steps" in out
    assert f"--from {tmp_path / 'run'}" in out
