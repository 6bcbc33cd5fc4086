"""Drawn starts that agree are not moved: when that is looked at, and what it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from interrupted_values import interrupt_values
from listeners import StopAt
from odefit.api import assembled
from odefit.config.fit_methods import METHODS
from odefit.fitting import multistart, plain_first
from odefit.fitting.explained import explains
from odefit.fitting.only_noise import leaves_noise
from odefit.fitting.plain_first import are_due, are_enough
from odefit.fitting.starting_points import starting_points
from odefit.fitting.starts_in_parts import PLAN, planned
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.base import SearchOutcome
from odefit.optimizers.start_pool import StartOutcome
from odefit.runs.checkpoint import Forgetful
from odefit.status import Ending, Reason

TIMES = np.linspace(0, 5, 21)
CURVE = 2 * np.exp(-0.8 * TIMES)
NOISE = 0.05 * np.random.default_rng(3).standard_normal(len(TIMES))
CONFIG: dict[str, Any] = {
    "model": {"equations": {"x": "-k*x"}, "initial": {"x": "A"}},
    "parameters": {
        "k": {"value": 3.0, "bounds": [0.01, 100], "scale": "log"},
        "A": {"value": 1.0, "bounds": [0.01, 100], "scale": "log"},
    },
    "noise": "gaussian",
}
DATA = pd.DataFrame({"time": TIMES, "x": CURVE + NOISE})


def config(**fit: Any) -> dict[str, Any]:
    return {**CONFIG, "fit": {"starts": 8, "seed": 1, "workers": 1, **fit}}


def objective_of(asked: dict[str, Any], data: pd.DataFrame = DATA) -> ProfileLikelihood:
    return ProfileLikelihood(Likelihood(assembled(asked, data=data).problem))


def test_starts_that_agree_are_not_moved() -> None:
    notes = StopAt()
    run = odefit.fit(config(), data=DATA, progress=notes)
    assert any("drawn starts came to one valley within 20 steps" in note for note in notes.notes)
    assert not any("moved by" in note or "were moved first" in note for note in notes.notes)
    assert run.result.starts.at_best >= 7
    assert run.result.estimates["k"].value == pytest.approx(0.8, rel=0.1)
    moved = odefit.fit(config(match=True), data=DATA)
    assert run.result.objective.nll == pytest.approx(moved.result.objective.nll)


def test_starts_that_agree_on_a_wrong_curve_are_moved() -> None:
    # A straight line is the best that a constant rate can do, and all starts agree on it.
    notes, wrong = StopAt(), {**CONFIG, "model": {"equations": {"x": "-k"}, "initial": {"x": "A"}}}
    odefit.fit({**wrong, "fit": config()["fit"]}, data=DATA, progress=notes)
    assert not any("none was moved first" in note for note in notes.notes)


def test_starts_that_agree_on_what_explains_the_data_are_not_moved() -> None:
    # The rate has a rhythm that the model knows nothing of: what is left is no noise, and no place is better.
    notes, data = StopAt(), DATA.assign(x=CURVE + 0.06 * np.cos(5 * TIMES))
    run = odefit.fit(config(), data=data, progress=notes)
    assert any("which explains the data" in note for note in notes.notes)
    assert not any("were moved first" in note for note in notes.notes)
    moved = odefit.fit(config(match=True), data=data)
    assert run.result.objective.nll == pytest.approx(moved.result.objective.nll)


@pytest.mark.parametrize(
    ("data", "above", "told"),
    [
        (DATA, (0.0, 0.005, 1.5, 1.9, 3.0, 40.0), "4 of 6 drawn starts came to one valley"),
        (DATA, (0.0, 0.005, 2.1, 3.0, 3.0, 40.0), None),
        (DATA.assign(x=CURVE + 0.06 * np.cos(5 * TIMES)), (0.0, 0.0, 0.0, 0.005, 0.009, 1.5), "5 of 6 drawn"),
        (DATA.assign(x=CURVE + 0.06 * np.cos(5 * TIMES)), (0.0, 0.0, 0.0, 0.005, 1.5, 1.5), None),
    ],
)
def test_what_is_counted_is_what_decides(data: pd.DataFrame, above: tuple[float, ...], told: str | None) -> None:
    objective, u = objective_of(config(), data), np.log([0.8, 2.0])
    ended, bounds = Ending(Reason.GRADIENT_VANISHES), np.zeros(2, dtype=np.int8)
    results = [
        StartOutcome(k, u, SearchOutcome(u, v, ended, 1, 1, (v,), bounds), None, 0.0) for k, v in enumerate(above)
    ]
    found = are_enough(objective, results)
    assert found is None if told is None else found is not None and found.startswith(told)


def test_a_curve_explains_how_data_vary_within_experiments() -> None:
    objective = objective_of(config())
    assert explains(objective, np.log([0.8, 2.0]))
    assert not explains(objective, np.log([0.4, 2.0]))
    # Two flat curves, each at the level of its experiment: they explain the levels alone.
    two = pd.concat([DATA.assign(experiment="a"), DATA.assign(experiment="b", x=DATA["x"] + 50)])
    parameters = {"k": {"value": 1e-9, "estimate": False}, "A": {"value": 1.0, "by": "experiment"}}
    flat = objective_of({**config(), "parameters": parameters}, two)
    assert len(flat.free) == 2
    assert not explains(flat, np.array([DATA["x"].mean(), DATA["x"].mean() + 50]))


def test_it_is_not_known_whether_intervals_alone_are_explained() -> None:
    low = np.floor(DATA["x"] * 4) / 4
    intervals = DATA.assign(x=[f"{a}..{a + 0.25}" for a in low])
    assert not explains(objective_of(config(), intervals), np.log([0.8, 2.0, 0.05]))


@pytest.mark.parametrize(
    "fit", [{}, {"match": True}, {"shooting": False}, {"screen": "searches"}, {"budget": 5.0}, {"starts": 3}]
)
def test_only_where_the_config_leaves_it_open(fit: dict[str, Any]) -> None:
    section = assembled(config(**fit), data=DATA).loaded.config.fit
    objective = objective_of(config(**fit))
    points = starting_points(objective, section.starts, 0)
    assert are_due(objective, METHODS["least_squares"], points, section) == (not fit)
    assert not are_due(objective, METHODS["lbfgs"], points, section)


def test_not_where_data_oscillate() -> None:
    turning = DATA.assign(x=2 + np.cos(4 * TIMES))
    section = assembled(config(), data=turning).loaded.config.fit
    objective = objective_of(config(), turning)
    assert not are_due(objective, METHODS["least_squares"], starting_points(objective, 8, 0), section)


def test_noise_is_told_from_a_curve() -> None:
    objective = objective_of(config())
    assert leaves_noise(objective, np.log([0.8, 2.0]))
    assert not leaves_noise(objective, np.log([0.4, 2.0]))
    few = objective_of(config(), DATA[::3])
    assert not leaves_noise(few, np.log([0.8, 2.0]))  # seven pairs say nothing


def test_a_curve_with_two_names_is_one() -> None:
    names = np.where(np.arange(len(TIMES)) % 2, "x", "x2")
    long = pd.DataFrame({"time": TIMES, "observable": names, "value": CURVE + NOISE})
    model = {**CONFIG["model"], "observables": {"x": "x", "x2": "x"}}
    section: dict[str, Any] = {"sigma": 0.05, "model": "gaussian"}
    both = objective_of({**config(), "model": model, "noise": {"x": section, "x2": section}}, long)
    alone = objective_of({**config(), "noise": section})
    for u in (np.log([0.8, 2.0]), np.log([0.75, 1.9]), np.log([0.4, 2.0])):
        assert leaves_noise(both, u) == leaves_noise(alone, u)


def test_a_curve_with_a_name_for_each_time_is_explained_as_one() -> None:
    names = [f"x{k}" for k in range(len(TIMES))]
    long = pd.DataFrame({"time": TIMES, "observable": names, "value": CURVE + NOISE})
    noise = {name: {"sigma": 0.05, "model": "gaussian"} for name in names}
    model = {**CONFIG["model"], "observables": dict.fromkeys(names, "x")}
    objective = objective_of({**config(), "model": model, "noise": noise}, long)
    assert explains(objective, np.log([0.8, 2.0]))
    assert not explains(objective, np.log([0.4, 2.0]))


def test_an_interrupted_fit_goes_on_to_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = odefit.fit(config(), data=DATA, out=tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt_values(patch, 4)
        begun = odefit.fit(config(), data=DATA, out=tmp_path / "r")
    assert begun.result.status == "interrupted"
    again = odefit.fit(config(), data=DATA, out=tmp_path / "r", resume=True)
    assert again.result.objective == whole.result.objective


@pytest.mark.parametrize("max_iterations", [6, 200])
def test_a_start_whose_worker_was_lost_in_its_first_steps_is_searched_again(
    max_iterations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_searched = multistart.short_searched

    def one_is_lost(*given: Any) -> list[StartOutcome]:
        results = short_searched(*given)
        results[2] = replace(results[2], outcome=None, failure="the worker was lost", lost=True)
        return results

    monkeypatch.setattr(multistart, "short_searched", one_is_lost)
    monkeypatch.setattr(plain_first, "are_enough", lambda *_: "they are")
    run = odefit.fit(config(max_iterations=max_iterations), data=DATA)
    assert run.result.starts.finished == 8
    assert len(run.frame("starts")) == 8


def test_a_part_keeps_first_steps_before_the_plan_that_it_goes_on_from() -> None:
    kept: dict[str, Any] = {}

    class Recording(Forgetful):
        def offer(self, key: str, what: Any, **_: Any) -> None:
            kept[key] = what()

    begun = [StartOutcome(k, np.zeros(1), None, "is lost" if k else "failed", 0.1, lost=k == 1) for k in range(2)]
    points = np.zeros((2, 1))
    assert planned(Recording(), lambda: (points, begun), "starts") == (points, begun)
    assert list(kept) == ["starts, stage 0", PLAN]
    assert [one["number"] for one in kept["starts, stage 0"]] == [0]
