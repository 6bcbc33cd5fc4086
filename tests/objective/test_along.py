"""Scales, offsets and noise levels fitted along solutions that stay as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from odefit.api import assembled
from odefit.fitting.observed_first import observed_fitted
from odefit.fitting.starting_points import starting_points
from odefit.objective.along import AlongSolutions, observed_only
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.sampling import UNPROMISING

CONFIG: dict[str, Any] = {
    "model": {
        "equations": {"x": "-k*x", "y": "k*x - c*y"},
        "initial": {"x": "x0", "y": 0},
        "observables": {"seen": "scale*x + offset", "other": "scale*y"},
    },
    "parameters": {
        "k": {"value": 0.5, "bounds": [1e-4, 1e4], "scale": "log"},
        "c": {"value": 0.1, "bounds": [1e-4, 1e4], "scale": "log"},
        "x0": {"value": 2.0, "bounds": [1e-4, 1e4], "scale": "log"},
        "half": "k/2",
        "scale": {"value": 1.0, "bounds": [1e-8, 1e8], "scale": "log"},
        "offset": {"value": 0.0, "bounds": [-200, 200]},
    },
    "noise": {"seen": {"model": "gaussian", "sigma": 0.1}, "other": {"model": "gaussian", "sigma": 0.05}},
}


def objective_of(config: dict[str, Any]) -> ProfileLikelihood:
    t = np.linspace(0, 10, 12)
    x = 3 * np.exp(-0.4 * t)
    y = 3 * 0.4 / (0.4 - 0.2) * (np.exp(-0.2 * t) - np.exp(-0.4 * t))
    noise = np.random.default_rng(0).normal(0, 0.05, (2, 12))
    data = pd.DataFrame({"time": t, "seen": 40 * x + 2 + noise[0], "other": 40 * y + noise[1]})
    return ProfileLikelihood(Likelihood(assembled(config, data=data).problem))


@pytest.fixture(scope="module")
def objective() -> ProfileLikelihood:
    return objective_of(CONFIG)


def names(objective: ProfileLikelihood, positions: Any) -> list[str]:
    table = objective.full.problem.table
    return [table.names[table.estimated[objective.free[k]]] for k in positions]


def points(objective: ProfileLikelihood, n: int) -> Any:
    return starting_points(objective, n + 1, 3)[1:]


def test_what_only_observables_name_is_found(objective: ProfileLikelihood) -> None:
    assert names(objective, observed_only(objective)) == ["scale", "offset"]


def test_a_parameter_that_states_follow_through_a_formula_is_not_among_it() -> None:
    config = CONFIG | {"parameters": CONFIG["parameters"] | {"k": "2*offset^2 + scale"}}
    assert names(objective_of(config), observed_only(objective_of(config))) == []


def test_along_solutions_the_objective_and_its_slopes_are_those_of_the_objective(objective: ProfileLikelihood) -> None:
    u = points(objective, 4)
    along = AlongSolutions(objective, u)
    columns = along.moving
    moved = u[:, columns] + 0.3
    whole = u.copy()
    whole[:, columns] = moved
    everyone = np.arange(len(u))
    np.testing.assert_allclose(along.values(moved, everyone), objective.values(whole), rtol=1e-12)
    here, there = along.evaluations(moved, everyone), objective.evaluations(whole)
    np.testing.assert_allclose(here.gradient, there.gradient[:, columns], rtol=1e-6)
    step = 1e-5
    for k in range(len(columns)):
        up, down = moved.copy(), moved.copy()
        up[:, k] += step
        down[:, k] -= step
        slopes = (along.values(up, everyone) - along.values(down, everyone)) / (2 * step)
        np.testing.assert_allclose(here.gradient[:, k], slopes, rtol=1e-4, atol=1e-4)


def test_scale_and_offset_are_those_of_linear_least_squares(objective: ProfileLikelihood) -> None:
    u = points(objective, 6)
    fitted, values = observed_fitted(objective, u, True)
    has_curve = values < UNPROMISING
    np.testing.assert_allclose(values[has_curve], objective.values(fitted)[has_curve], rtol=1e-9)
    assert (objective.values(fitted) <= objective.values(u) + 1e-9).all()
    problem = objective.full.problem
    checked = 0
    for u_k in fitted:
        theta = problem.table.to_natural(objective.complete(u_k))
        at_one = theta.copy()
        at_one[problem.table.index["scale"]], at_one[problem.table.index["offset"]] = 1.0, 0.0
        (g,) = problem.predict(at_one)
        rows = np.concatenate([np.stack([g[:, 0], np.ones(12)], 1) / 0.1, np.stack([g[:, 1], np.zeros(12)], 1) / 0.05])
        measured = np.concatenate([problem.data[0].values / 0.1, problem.data[1].values / 0.05])
        best = np.linalg.lstsq(rows, measured, rcond=None)[0]
        if 1e-7 < best[0] < 1e7 and abs(best[1]) < 199:
            reached = theta[problem.table.index["scale"]], theta[problem.table.index["offset"]]
            np.testing.assert_allclose(reached, best, rtol=0.02, atol=0.02)
            checked += 1
    assert checked >= 2


def test_a_point_stays_where_a_best_scale_would_make_its_curve_flat() -> None:
    """The equations fall where the data rise, so that the best scale is none at all."""
    config = {
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": 1}, "observables": {"seen": "scale*x"}},
        "parameters": {
            "k": {"value": 1.0, "bounds": [0.1, 10], "scale": "log"},
            "scale": {"value": 1.0, "bounds": [1e-8, 1e3], "scale": "log"},
        },
        "noise": {"seen": {"model": "gaussian", "sigma": 0.1}},
    }
    t = np.linspace(0, 5, 9)
    data = pd.DataFrame({"time": t, "seen": np.linspace(-1, 1, 9)})
    objective = ProfileLikelihood(Likelihood(assembled(config, data=data).problem))
    u = points(objective, 5)
    fitted, values = observed_fitted(objective, u, True)
    np.testing.assert_array_equal(fitted, u)
    is_flat = values >= UNPROMISING
    np.testing.assert_array_equal(values[~is_flat], objective.values(u)[~is_flat])


def test_flat_curves_are_chosen_last() -> None:
    """Nothing happens within the data where k is small: only those starts at which something does are taken."""
    config = {
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": 1}},
        "parameters": {"k": {"value": 1e-6, "bounds": [1e-9, 1e3], "scale": "log"}},
        "noise": {"x": {"model": "gaussian", "sigma": 0.1}},
    }
    t = np.linspace(0, 5, 9)
    objective = ProfileLikelihood(Likelihood(assembled(config, data=pd.DataFrame({"time": t, "x": 1 - t / 7})).problem))
    taken = [np.exp(starting_points(objective, 5, 1, fitted)[1:, 0]) for fitted in (False, True)]
    assert min(taken[0]) < 1e-4
    assert min(taken[1]) > 1e-3


def test_starts_are_fitted_but_for_the_users_own(objective: ProfileLikelihood) -> None:
    plain, fitted = starting_points(objective, 6, 1), starting_points(objective, 6, 1, True)
    np.testing.assert_array_equal(plain[0], fitted[0])
    assert np.median(objective.values(fitted[1:])) < np.median(objective.values(plain[1:]))


def test_classes_say_how_much_predictions_vary_where_nothing_is_measured() -> None:
    config = {
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": 1}, "observables": {"seen": "scale*x"}},
        "parameters": {"k": {"value": 0.5}, "scale": {"value": 4.0, "scale": "log"}},
    }
    data = pd.DataFrame({"time": [1.0, 2, 3], "seen": ["2..5", "1..2", "<1"]})
    objective = ProfileLikelihood(Likelihood(assembled(config, data=data).problem))
    u = np.repeat(points(objective, 1), 2, axis=0)
    along = AlongSolutions(objective, u)
    moved = u[:, along.moving] + np.log([[1.0], [0.5]])
    one, half = along.variations(moved)
    assert one > 0
    assert half == pytest.approx(one / 2)
