"""Starts by multiple shooting: when, how many of them reach the optimum, and how to do without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
import odefit.api
from listeners import StopAt
from odefit.config.schema import FitSection
from odefit.errors import ConfigError
from odefit.fitting.shot_starts import are_due, shot_starts
from odefit.fitting.starting_points import starting_points
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.runs.checkpoint import Forgetful

KICKED: dict[str, Any] = {
    "model": {
        "equations": {"x": "v", "v": "-w^2*x"},
        "initial": {"x": "estimate", "v": 0},
        "events": [{"time": "kick", "set": {"v": "v + 1"}}],
        "observables": {"x": "x"},
    },
    "parameters": {
        "w": {"value": 1, "bounds": [0.2, 6]},
        "x_0": {"value": 0.7, "bounds": [0.1, 3]},
        "kick": {"value": 4.2, "bounds": [4, 6]},
    },
}


def kicked() -> pd.DataFrame:
    """A frequency of 2 and a kick at 5, in closed form, and scatter."""
    t = np.linspace(0, 12, 40)
    x = np.cos(2 * t) + np.where(t > 5, np.sin(2 * (t - 5)) / 2, 0.0)
    return pd.DataFrame({"time": t, "x": x + 0.05 * np.random.default_rng(0).standard_normal(40)})


def fitted(config: dict[str, Any] = KICKED, **fit: Any) -> tuple[odefit.Run, list[str]]:
    notes = StopAt()
    section = {"starts": 8, "seed": 0, "workers": 1, "screen": "values", **fit}
    return odefit.fit({**config, "fit": section}, data=kicked(), progress=notes), notes.notes


def test_what_cannot_be_matched_is_shot() -> None:
    run, notes = fitted()
    plain, _ = fitted(shooting=False)
    assert run.result.starts.at_best >= 5 > plain.result.starts.at_best
    for name, true in {"w": 2, "kick": 5}.items():
        estimate = run.result.estimates[name]
        assert estimate.value is not None
        assert estimate.standard_error is not None
        assert abs(estimate.value - true) < 4 * estimate.standard_error
    (told,) = [note for note in notes if "multiple shooting" in note]
    assert "the model has events" in told


TIMES = kicked()["time"]
SMOOTH = {**KICKED, "model": {key: each for key, each in KICKED["model"].items() if key != "events"}}
SMOOTH["parameters"] = {key: each for key, each in KICKED["parameters"].items() if key != "kick"}


@pytest.mark.parametrize(
    ("config", "x", "shooting", "due"),
    [
        (KICKED, np.cos(2 * TIMES), None, True),
        (KICKED, np.exp(-TIMES), None, False),  # no phase can be wrong
        (SMOOTH, np.cos(2 * TIMES), None, False),  # slopes can be matched
        (KICKED, np.exp(-TIMES), True, True),
        (SMOOTH, np.cos(2 * TIMES), True, True),
    ],
)
def test_shots_are_for_oscillations_that_cannot_be_matched(
    config: dict[str, Any], x: pd.Series, shooting: bool | None, due: bool
) -> None:
    data = pd.DataFrame({"time": TIMES, "x": x})
    objective = ProfileLikelihood(Likelihood(odefit.api.assembled(config, data=data).problem))
    points = starting_points(objective, 8, seed=0)
    assert are_due(objective, points[1:], FitSection(starts=8, shooting=shooting)) == due


@pytest.mark.parametrize("fit", [{"shooting": False}, {"match": False}, {"starts": 1}])
def test_how_to_do_without(fit: dict[str, Any]) -> None:
    _, notes = fitted(**{"max_iterations": 1, **fit})
    assert not any("multiple shooting" in note for note in notes)


def test_what_slopes_have_brought_together_is_not_shot_beside_hundreds_that_were_not_moved() -> None:
    objective = ProfileLikelihood(Likelihood(odefit.api.assembled(KICKED, data=kicked()).problem))
    found = objective.complete(np.array([2.0, 1.0, 5.0]))[objective.free]
    points = np.vstack([[found] * 61, np.linspace([0.3, 0.2, 4], [5, 2, 6], 300)])
    moved, is_moved = shot_starts(objective, points, FitSection(starts=361), Forgetful())
    assert not is_moved.any()
    np.testing.assert_array_equal(moved, points)


def test_a_budget_bounds_the_shots() -> None:
    _, notes = fitted(budget=0.001, screen=None)
    assert not any("multiple shooting" in note for note in notes)


def test_true_moves_the_users_own_start_as_well() -> None:
    plain, _ = fitted(starts=1)
    run, notes = fitted(starts=1, shooting=True)
    assert run.result.objective.nll < plain.result.objective.nll - 10
    assert any("1 of 1 starts were moved by multiple shooting" in note for note in notes)


def test_what_has_no_starts_is_not_shot() -> None:
    with pytest.raises(ConfigError, match=r"fit\.shooting.*adam"):
        fitted(shooting=True, starts=1, screen=None, method="adam")


def test_networks_are_trained_on_windows_instead() -> None:
    model = {"equations": {"x": "net(x)"}, "networks": {"net": {"hidden": [4]}}}
    with pytest.raises(ConfigError, match=r"fit\.shooting.*network"):
        fitted({"model": model}, shooting=True, starts=1, screen=None)
