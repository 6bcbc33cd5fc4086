"""Doses and inputs at known times, in arrays of all members: the same as one by one, and as where a lag is searched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from interrupted_systems import engine_of, experiment, interrupted, polygon
from odefit.data.experiments import Dose

pytestmark = pytest.mark.parametrize("method", ["auto", "tsit45"])

TIMES = np.array([0.0, 0.4, 1.0, 1.7, 2.5, 3.1, 4.0, 6.0])
DOSES = (Dose(0.0, "G", 2.0), Dose(1.0, "C", 3.0, 1.2), Dose(2.4, "G", 1.0), Dose(2.4, "C", -0.2), Dose(3.1, "G", 0.5))
INPUT = polygon([0.0, 1.5, 3.0], [1.0, 2.0, 0.5])
EXPERIMENTS = [
    experiment(TIMES, doses=DOSES, inputs={"u": INPUT}, name="a"),
    experiment(TIMES[2:5], doses=DOSES[1:2], inputs={"u": INPUT}, name="b"),
    experiment(TIMES[:6], inputs={"u": polygon([0.0, 1.0], [0.3, 0.3])}, name="c"),
    experiment([0.0], doses=DOSES[:1], inputs={"u": INPUT}, name="d"),
]
EQUATIONS = {"G": "-ka*G", "C": "ka*G - ke*C + u/10 + piecewise(0, t < 2, 0.3)"}
NAMES = "ka ke c0 F"


def system(lag: str) -> Any:
    names = f"{NAMES} lag" if lag == "lag" else NAMES
    return interrupted(EQUATIONS, {"G": 0, "C": "c0*ka"}, names, ["u"], dosing=(lag, "F/2"))


def rows(n: int) -> Any:
    return np.random.default_rng(3).uniform(0.2, 1.5, (n, 4))


def test_all_members_at_once_are_what_each_is_alone(method: str) -> None:
    engine, p = engine_of(system("0"), method), rows(12)
    members = np.tile(np.arange(4), 3)
    found = engine.solve(p, EXPERIMENTS, True, members)
    assert method != "auto" or not engine.remembers
    for m, e in enumerate(members):
        alone = engine.reset_copy().solve(p[m : m + 1], EXPERIMENTS, True, np.array([e]))[0]
        np.testing.assert_array_equal(found[m].y, alone.y)
        np.testing.assert_array_equal(found[m].dy, alone.dy)


def test_they_are_those_of_the_way_that_may_move(method: str) -> None:
    p = rows(4)
    fixed = engine_of(system("0"), method).solve(p, EXPERIMENTS, True)
    moving = engine_of(system("lag"), method).solve(np.hstack([p, np.zeros((4, 1))]), EXPERIMENTS, True)
    assert fixed.dy is not None
    assert moving.dy is not None
    np.testing.assert_allclose(fixed.y, moving.y, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(fixed.dy, moving.dy[..., :4], rtol=1e-12, atol=1e-14)


def test_a_member_that_fails_costs_itself_only(method: str) -> None:
    engine, p = engine_of(system("0.1"), method), rows(4)
    whole = engine.solve(p, EXPERIMENTS, True)
    p[1, 0], p[2, 2] = np.nan, np.inf
    found = engine.reset_copy().solve(p, EXPERIMENTS, True)
    assert [failure is None for failure in found.failures] == [True, False, False, True]
    assert "ka" in str(found.failures[1])
    assert np.isnan(found[1].y).all()
    assert np.isnan(found[2].y).all()
    np.testing.assert_array_equal(found[0].dy, whole[0].dy)
    np.testing.assert_array_equal(found[3].y, whole[3].y)


def test_a_state_that_a_dose_makes_infinite_fails_where_it_comes(method: str) -> None:
    huge = experiment(TIMES, doses=(Dose(1.0, "G", 1.7e308),), inputs={"u": INPUT})
    found = engine_of(system("0"), method).solve(np.array([[1.0, 1.0, 1.0, 4.0]]), [huge])
    assert "1" in str(found.failures[0])
    assert np.isnan(found.y).all()
