"""Starts that know the data: how many of them reach the optimum, what they respect, and how to do without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import solve_ivp

import odefit
from from_text import assembled
from listeners import StopAt
from odefit.arrays import FloatArray
from odefit.collocation.starts import matched_points, obstacle
from odefit.config.load import load_config
from odefit.config.source import parse_yaml
from odefit.errors import ConfigError
from odefit.fitting.matched_starts import matched_starts
from odefit.fitting.offered_starts import bettered
from odefit.fitting.starting_points import candidates_for, starting_points
from odefit.objective.likelihood import Likelihood
from odefit.objective.problem import FitProblem
from odefit.objective.profile import ProfileLikelihood
from odefit.problem.preparation import prepare

LYNX = Path(__file__).parents[2] / "configs" / "lynx_hare.yaml"


def fitted(config: dict[str, Any], data: pd.DataFrame, **fit: Any) -> odefit.Run:
    return odefit.fit({**config, "fit": {"starts": 8, "seed": 0, "workers": 1, **fit}}, data=data)


def fitzhugh_nagumo() -> tuple[dict[str, Any], pd.DataFrame]:
    """A spiking membrane of which only the voltage is seen: its recovery is not."""
    t = np.linspace(0, 100, 81)
    solved = solve_ivp(
        lambda _, y: [y[0] - y[0] ** 3 / 3 - y[1] + 0.5, (y[0] + 0.7 - 0.8 * y[1]) / 12.5],
        (0, 100),
        [-1.0, -0.5],
        t_eval=t,
        rtol=1e-8,
        atol=1e-8,
    )
    noise = 0.05 * np.random.default_rng(1).standard_normal(81)
    config = {
        "model": {
            "equations": {"V": "V - V^3/3 - W + current", "W": "(V + a - b*W)/tau"},
            "observables": {"V": "V"},
            "initial": {"V": "estimate", "W": "estimate"},
        },
        "parameters": {
            "a": {"value": 1.5, "bounds": [0.01, 3]},
            "b": {"value": 1.5, "bounds": [0.01, 3]},
            "tau": {"value": 25, "bounds": [0.5, 50]},
            "current": {"value": 0.5, "estimate": False},
            "V_0": {"value": -1, "bounds": [-3, 3]},
            "W_0": {"value": 0, "bounds": [-3, 3]},
        },
    }
    return config, pd.DataFrame({"time": t, "V": solved.y[0] + noise})


def test_nearly_all_starts_of_lynx_and_hare_reach_the_optimum() -> None:
    notes = StopAt()
    run = odefit.fit(LYNX, overrides=["fit.workers=1"], progress=notes)
    assert run.result.objective.rss == pytest.approx(2.01866, rel=1e-4)
    assert run.result.starts.at_best >= 18
    assert any("19 of 20 starts were moved first" in note for note in notes.notes)


def test_a_state_that_nobody_measures_follows_from_the_equations() -> None:
    run = fitted(*fitzhugh_nagumo())
    assert run.result.starts.at_best >= 7
    for name, true in {"a": 0.7, "b": 0.8, "tau": 12.5}.items():
        estimate = run.result.estimates[name]
        assert estimate.value is not None
        assert estimate.standard_error is not None
        assert abs(estimate.value - true) < 4 * estimate.standard_error


def test_false_leaves_the_starts_where_they_are_drawn() -> None:
    config, data = fitzhugh_nagumo()
    drawn = [fitted(config, data, match=match, starts=3, max_iterations=1) for match in (False, False, None)]
    first, again, moved = (run.frame("starts")[["a", "b", "tau"]].to_numpy() for run in drawn)
    np.testing.assert_array_equal(first, again)
    assert np.abs(moved[1:] - first[1:]).max() > 0.1


def test_configs_of_the_first_version_keep_their_starts() -> None:
    config, data = fitzhugh_nagumo()
    notes = StopAt()
    odefit.fit(
        {**config, "version": 1, "fit": {"starts": 2, "max_iterations": 1, "workers": 1}}, data=data, progress=notes
    )
    assert not any("moved" in note for note in notes.notes)


def test_the_users_own_start_stays_unless_that_is_wanted() -> None:
    config, data = fitzhugh_nagumo()
    config["parameters"] |= {"tau": {"value": 1, "bounds": [0.5, 50]}, "b": {"value": 0.02, "bounds": [0.01, 3]}}
    notes = StopAt()
    one = odefit.fit({**config, "fit": {"starts": 1}}, data=data, progress=notes)
    assert not any("moved" in note for note in notes.notes)
    asked = odefit.fit({**config, "fit": {"starts": 1, "match": True}}, data=data)
    assert asked.result.objective.nll < one.result.objective.nll - 50
    assert asked.result.estimates["tau"].value == pytest.approx(12.5, rel=0.1)


SIR = """
model:
  equations: {S: -beta*S*I/N, I: beta*S*I/N - gamma*I}
  initial: {S: N - I_0, I: estimate}
  observables: {cases: rho*I}
parameters:
  beta: {value: 1, bounds: [0.01, 20], scale: log}
  gamma: {value: 1, bounds: [0.01, 20], scale: log}
  rho: {value: 0.5, bounds: [0.01, 1], scale: log}
  I_0: {value: 5, bounds: [0.1, 100], scale: log}
  N: {value: 1000, estimate: false}
noise: {cases: poisson}
fit: {starts: 6, seed: 3, workers: 1}
"""


def test_counts_with_a_share_that_is_reported() -> None:
    t = np.arange(0.0, 31.0)
    solved = solve_ivp(
        lambda _, y: [-0.6 * y[0] * y[1] / 1000, 0.6 * y[0] * y[1] / 1000 - 0.2 * y[1]],
        (0, 30),
        [997.0, 3.0],
        t_eval=t,
        rtol=1e-8,
    )
    cases = np.random.default_rng(0).poisson(0.4 * solved.y[1])
    run = odefit.fit(parse_yaml(SIR, "config").data, data=pd.DataFrame({"time": t, "cases": cases}))
    assert run.result.starts.at_best >= 5
    beta = run.result.estimates["beta"]
    assert beta.value is not None
    assert beta.standard_error is not None
    assert abs(beta.value - 0.6) < 4 * beta.standard_error


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("model.events=[{time: 1, set: {x: 2}}]", "events"),
        ("model.observables={x: {increase: x}}", "compared"),
    ],
)
def test_what_is_not_matched(override: str, why: str) -> None:
    text = "model: {equations: {x: -k*x}, initial: {x: 3}}\nparameters: {k: {value: 1, bounds: [0.1, 10]}}"
    table = "time,x\n0,\n1,2\n2,1.5\n3,1\n4,0.7\n"
    assert obstacle(assembled(text, data=table).problem) is None
    assert why in str(obstacle(assembled(text, override, data=table).problem))


@pytest.mark.parametrize(("fit", "fault"), [({"match": 200}, "network"), ({"match": True, "method": "adam"}, "starts")])
def test_what_match_cannot_be_for_equations(fit: dict[str, Any], fault: str) -> None:
    config, data = fitzhugh_nagumo()
    with pytest.raises(ConfigError, match=f"fit.match.*{fault}"):
        odefit.fit({**config, "fit": fit}, data=data)


STRANGE = {
    "one outlier": lambda t, x: (t, np.where(np.arange(12) == 5, 1e8, x)),
    "all alike": lambda t, x: (t, np.full(12, 2.0)),
    "zeros": lambda t, x: (t, np.zeros(12)),
    "huge": lambda t, x: (1e6 * t, 1e12 * x),
    "tiny": lambda t, x: (1e-9 * t, 1e-15 * x),
    "one measurement": lambda t, x: (t[:1], x[:1]),
    "long after 0": lambda t, x: (1e9 + t, x),
    "negative": lambda t, x: (t, -x),
    "many": lambda t, x: (np.linspace(0, 50, 3000), 3 + np.sin(np.linspace(0, 50, 3000))),
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_data_spoil_no_start(name: str) -> None:
    """Each start is as good as it was drawn, and nothing is raised or warned of."""
    config = """
model: {equations: {x: -k*x/(1 + x) + m*y, y: k*x - m*y^n}, initial: {x: estimate, y: 0.5}, observables: {x: x}}
parameters:
  k: {value: 1, bounds: [0.001, 1000], scale: log}
  m: {value: 0.5, bounds: [0.001, 1000], scale: log}
  n: {value: 1.5, bounds: [0.5, 4]}
noise: {x: {sigma: 0.1}}
"""
    t = np.linspace(0, 5, 12)
    times, values = STRANGE[name](t, 3 * np.exp(-0.4 * t))
    problem = assembled(config, data=pd.DataFrame({"time": times, "x": values}).to_csv(index=False)).problem
    objective = ProfileLikelihood(Likelihood(problem))
    drawn = starting_points(objective, 4, 0)
    points, is_moved = matched_starts(objective, drawn)
    assert np.isfinite(points).all()
    np.testing.assert_array_equal(points[~is_moved], drawn[~is_moved])
    for k in np.flatnonzero(is_moved):
        assert objective.value(points[k]) < objective.value(drawn[k])


def test_parameters_follow_the_slopes_of_smooth_curves_from_wherever_they_were_drawn() -> None:
    """Where all states are measured, and rates are linear in the parameters, the first stage has one end."""
    problem = prepare(load_config(LYNX))[0].problem
    drawn = starting_points(ProfileLikelihood(Likelihood(problem)), 30, 0)
    first = next(matched_points(problem, np.pad(drawn, ((0, 0), (0, len(problem.table.estimated) - drawn.shape[1])))))
    moved = first[:, :4]
    assert np.isfinite(moved).all()
    there = np.median(moved, axis=0)
    assert (np.abs(moved - there) < 0.05).all()
    assert (np.abs(drawn[:, :4] - there) > 0.5).any(axis=1).sum() >= 29


def test_no_start_begins_where_what_was_measured_vanishes() -> None:
    """A third of the places in the box are such."""
    problem = prepare(load_config(LYNX))[0].problem
    objective = ProfileLikelihood(Likelihood(problem))
    places = candidates_for(objective, 90, 0)
    assert 0.3 < objective.vanishes(places.drawn).mean() < 0.7
    assert not objective.vanishes(places.chosen(90)).any()


def test_where_something_vanishes_everywhere_starts_begin_there_all_the_same() -> None:
    text = "model: {equations: {x: -k*x}, initial: {x: 1}}\nparameters: {k: {value: 40, bounds: [30, 50]}}"
    table = "time,x\n1,1\n2,0.5\n"
    objective = ProfileLikelihood(Likelihood(assembled(f"{text}\nnoise: lognormal", data=table).problem))
    places = candidates_for(objective, 5, 0)
    assert objective.vanishes(places.drawn).all()
    assert len(places.others) == len(places.drawn) - 1
    assert len(np.unique(places.chosen(5), axis=0)) == 5


def test_starts_that_a_curve_follows_the_data_from_are_moved_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """The states of lynx and hare need not be held: a search comes to the same optimum from where slopes match."""
    problem = prepare(load_config(LYNX))[0].problem
    objective = ProfileLikelihood(Likelihood(problem))
    drawn, asked = starting_points(objective, 6, 0), [0]

    def offer(problem: FitProblem, u: FloatArray) -> Iterator[FloatArray]:
        for each in matched_points(problem, u):
            asked[0] += 1
            yield each

    near, _ = bettered(objective, drawn, 1, offer)
    assert asked == [1]
    monkeypatch.setattr("odefit.fitting.offered_starts.FOLLOWED", 0.0)
    far, _ = bettered(objective, drawn, 1, offer)
    assert asked == [4]
    assert (objective.values(near)[1:] > objective.values(far)[1:] + 1).all()
