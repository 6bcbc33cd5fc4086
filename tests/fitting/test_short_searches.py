"""Places that short searches lead from become starts: what they reach, and when they are left out."""

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
from odefit.fitting.growing_horizon import beginnings, grown_places, shares
from odefit.fitting.local_search import LocalSearch
from odefit.fitting.short_searches import are_due
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.runs.checkpoint import Forgetful

TIMES = np.linspace(0, 10, 41)
W = float(np.sqrt(2.0**2 - 0.05**2))
SIZE = np.exp(-0.1 * TIMES) * (np.cos(W * TIMES) + 0.05 / W * np.sin(W * TIMES)) ** 2
CONFIG: dict[str, Any] = {
    # Frequencies that are wrong by more than the width of a resonance are all equally bad.
    "model": {
        "equations": {"x": "v", "v": "-w^2*x - 0.1*v"},
        "observables": {"size": "x^2"},
        "initial": {"x": 1, "v": 0},
    },
    "parameters": {"w": {"value": 5.0, "bounds": [0.01, 6.0]}},
    "noise": {"model": "gaussian", "sigma": 0.02},
}
DATA = pd.DataFrame({"time": TIMES, "size": SIZE + 0.02 * np.random.default_rng(0).standard_normal(len(TIMES))})


def config(**fit: Any) -> dict[str, Any]:
    return {**CONFIG, "fit": {"starts": 6, "seed": 1, "workers": 1, "match": False, **fit}}


def test_more_starts_reach_the_optimum() -> None:
    notes = StopAt()
    plain = odefit.fit(config(screen="values"), data=DATA)
    searched = odefit.fit(config(screen="searches"), data=DATA, progress=notes)
    assert plain.result.starts.at_best < searched.result.starts.at_best
    assert searched.result.starts.requested == searched.result.starts.finished == 6
    assert searched.result.estimates["w"].value == pytest.approx(2.0, rel=0.01)
    assert any("searched for 20 steps each" in note and "other 5 of 6 starts" in note for note in notes.notes)


@pytest.mark.parametrize("fit", [{"match": False}, {"screen": "values"}, {"starts": 1, "match": None}])
def test_left_out(fit: dict[str, Any]) -> None:
    notes = StopAt()
    odefit.fit(config(**{"match": None, **fit}), data=DATA, progress=notes)
    assert not any("20 steps" in note for note in notes.notes)


def test_starts_that_have_come_together_need_none() -> None:
    objective = ProfileLikelihood(Likelihood(assembled(config(), data=DATA).problem))
    together, apart = np.array([[5.0], [2.0], [2.0001], [4.0]]), np.array([[5.0], [2.0], [1.0], [4.0]])
    assert not are_due(objective, METHODS["least_squares"], together)
    assert are_due(objective, METHODS["least_squares"], apart)
    assert not are_due(objective, METHODS["lbfgs"], apart)
    wrong = np.array([[5.0], [0.01], [0.010001], [0.010002]])
    assert not are_due(objective, METHODS["least_squares"], wrong)
    assert are_due(objective, METHODS["least_squares"], wrong, are_shot=True)


def test_an_interrupted_fit_keeps_the_best_and_goes_on_to_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = config(screen="searches")
    whole = odefit.fit(asked, data=DATA, out=tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt_values(patch, 4)
        begun = odefit.fit(asked, data=DATA, out=tmp_path / "r")
    assert begun.result.status == "interrupted"
    assert begun.result.objective.nll is not None
    again = odefit.fit(asked, data=DATA, out=tmp_path / "r", resume=True)
    assert again.result.objective == whole.result.objective
    pd.testing.assert_frame_equal(
        again.frame("starts").drop(columns="seconds"), whole.frame("starts").drop(columns="seconds")
    )


def test_configs_of_the_first_version_choose_by_the_objective() -> None:
    asked = {**config(match=True), "version": 1}
    assert odefit.fit(asked, data=DATA).loaded.config.fit.screen == "values"


UNDAMPED: dict[str, Any] = {
    "model": {
        "equations": {"x": "v", "v": "-w^2*x"},
        "observables": {"size": "x^2"},
        "initial": {"x": 1, "v": 0},
    },
    "parameters": {"w": {"value": 5.0, "bounds": [0.5, 40.0]}},
    "noise": {"model": "gaussian", "sigma": 0.02},
}
LONG = np.linspace(0, 30, 241)
FAST = pd.DataFrame({"time": LONG, "size": np.cos(7.0 * LONG) ** 2})
"""A frequency of 7: over 30 units of time a resonance is a tenth wide, in a box of 40."""


def test_beginnings_of_an_oscillation_lead_to_its_frequency() -> None:
    objective = ProfileLikelihood(Likelihood((problem := assembled(UNDAMPED, data=FAST)).problem))
    search = LocalSearch(objective, METHODS["least_squares"], None)
    drawn = np.linspace(4.5, 9.5, 21)[:, None]
    grown = grown_places(problem, search, drawn, StopAt(), Forgetful())
    plain = np.stack([outcome.u for outcome in replace(search, max_iterations=100)(drawn)])
    hits = [int((np.abs(u - 7) < 0.01).sum()) for u in (grown, plain)]
    assert hits[0] >= 2 * hits[1] + 4


def test_starts_at_the_same_place_are_searched_once() -> None:
    objective = ProfileLikelihood(Likelihood(assembled(UNDAMPED, data=FAST).problem))
    search, heard = LocalSearch(objective, METHODS["least_squares"], None), set[int]()
    outcomes = search(np.array([[7.1], [6.9], [7.1], [6.9]]), lambda k, _u, _value: heard.add(k))
    assert heard == {0, 1}
    assert outcomes[2] is outcomes[0]
    assert outcomes[3] is outcomes[1]
    (alone,) = search(np.array([[7.1]]))
    assert (alone.u, alone.history) == (outcomes[0].u, outcomes[0].history)


@pytest.mark.parametrize(("screen", "grows"), [("horizon", True), ("searches", False)])
def test_what_oscillates_begins_with_its_beginnings(screen: str, grows: bool) -> None:
    notes = StopAt()
    fit = {"starts": 6, "workers": 1, "match": False, "max_iterations": 3, "screen": screen, "seed": 2}
    odefit.fit({**UNDAMPED, "fit": fit}, data=FAST, progress=notes)
    (told,) = [note for note in notes.notes if "20 steps each" in note]
    assert ("growing beginnings" in told) == grows


def test_what_decays_has_no_beginnings() -> None:
    decay = DATA.assign(size=np.exp(-TIMES))
    by_itself, asked = (assembled(config(match=None, screen=screen), data=decay) for screen in (None, "horizon"))
    assert not beginnings(by_itself)
    assert beginnings(assembled(config(match=None), data=DATA))
    found = beginnings(asked)
    assert [share for share, _ in found] == shares(3) == [2 / 3]
    assert [len(one.problem.experiments[0].times) for _, one in found] == [27]
