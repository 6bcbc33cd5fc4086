"""Many searches in lockstep: each takes exactly the way that it takes alone."""

from __future__ import annotations

import numpy as np
import pytest

import closed_form_problems as closed
from more_garbow_hillstrom import PROBLEMS, Problem
from odefit.optimizers.base import OneByOne, SearchOutcome
from odefit.optimizers.certificate import certify, certify_many
from odefit.optimizers.least_squares import minimize_least_squares, minimize_many
from small_problems import Array

INF = np.inf


def starts_of(problem: Problem, n: int = 6) -> Array:
    rng = np.random.default_rng(1)
    starts: Array = problem.start * (1 + 0.2 * rng.normal(size=(n, len(problem.start)))) + 0.1 * rng.normal(size=(n, 1))
    return starts


def together(objective: closed.SquaredResiduals, u: Array, low: Array, high: Array, most: int) -> list[SearchOutcome]:
    return minimize_many(
        OneByOne(objective), u, low, high, size=np.ones(u.shape[1]), max_iterations=np.full(len(u), most)
    )


SMALL = [problem for problem in PROBLEMS if len(problem.start) <= 6][::2]


@pytest.mark.parametrize("bounded", [False, True], ids=["free", "in a box"])
@pytest.mark.parametrize("problem", SMALL, ids=lambda p: p.name)
def test_searches_do_not_see_each_other(problem: Problem, bounded: bool) -> None:
    objective, u = closed.SquaredResiduals.of(problem), starts_of(problem)
    reach = 0.5 if bounded else INF
    low, high = problem.start - reach, problem.start + reach
    whole = together(objective, u, low, high, 60)
    some = [outcome for first in (0, 4) for outcome in together(objective, u[first : first + 4], low, high, 60)]
    for k, start in enumerate(u):
        alone = minimize_least_squares(objective, start, low, high, size=np.ones(len(start)), max_iterations=60)
        for other in (whole[k], some[k]):
            assert other.history == alone.history
            assert (other.ending, other.n_evaluations, other.n_gradients) == (
                alone.ending, alone.n_evaluations, alone.n_gradients)  # fmt: skip
            np.testing.assert_array_equal(other.u, alone.u)


def test_one_that_cannot_begin_does_not_stop_the_others() -> None:
    problem = PROBLEMS[0]
    u = np.vstack([problem.start, np.full(2, 1e200), problem.start])
    wide = np.full(2, INF)
    first, failed, last = together(closed.SquaredResiduals.of(problem), u, -wide, wide, 200)
    assert failed.status == "failed"
    assert not failed.history
    assert first.status == last.status == "converged"
    np.testing.assert_allclose(last.u, [1, 1], atol=1e-7)


def test_each_has_its_own_number_of_steps() -> None:
    problem = PROBLEMS[0]
    wide, most = np.full(2, INF), np.array([3, 200, 5])
    outcomes = minimize_many(
        OneByOne(closed.SquaredResiduals.of(problem)), np.tile(problem.start, (3, 1)), -wide, wide,
        size=np.ones(2), max_iterations=most,
    )  # fmt: skip
    assert [o.status for o in outcomes] == ["stopped", "converged", "stopped"]
    assert "after 3 steps" in outcomes[0].message
    assert "after 5 steps" in outcomes[2].message


def test_the_caller_hears_of_each_and_may_end_it() -> None:
    problem = PROBLEMS[0]
    heard: list[tuple[int, float]] = []

    def callback(number: int, u: Array, value: float) -> bool:
        del u
        heard.append((number, value))
        return number == 1

    wide = np.full(2, INF)
    kept, ended = minimize_many(
        OneByOne(closed.SquaredResiduals.of(problem)), np.tile(problem.start, (2, 1)), -wide, wide,
        size=np.ones(2), max_iterations=np.full(2, 200), callback=callback,
    )  # fmt: skip
    assert kept.status == "converged"
    assert ended.n_iterations == 1
    assert "caller" in ended.message
    assert [value for number, value in heard if number == 0] == list(kept.history[1:])


def test_certificates_do_not_see_each_other_either() -> None:
    problem = PROBLEMS[0]
    objective = closed.SquaredResiduals.of(problem)
    u = np.array([[1.0, 1.0], [0.5, 0.25], [1e200, 1.0], [0.0, 0.0]])
    low, high, size = np.full(2, -2.0), np.full(2, 2.0), np.ones(2)
    whole = certify_many(OneByOne(objective), u, low, high, size, np.arange(4))
    for point, certificate in zip(u, whole, strict=True):
        alone = certify(objective, point, low, high, size)
        assert (certificate.promise, certificate.gain) == (alone.promise, alone.gain)
        np.testing.assert_array_equal(certificate.effects, alone.effects)
    assert [c.holds for c in whole] == [True, False, False, False]
