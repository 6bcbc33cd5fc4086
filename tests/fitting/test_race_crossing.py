"""Starts made out of the best of a race, and starts that are left because they are slow or creep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import odefit
from from_text import assembled
from odefit.fitting.crossing import recombined
from odefit.fitting.entrant import Entrant
from odefit.fitting.loose_rounds import LOOSE, LOOSE_SLOPES, ended_exactly, loosened
from odefit.fitting.race import FIRST_STEPS, SLOW, Race, Rules
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.base import SearchOutcome
from odefit.optimizers.start_pool import StartOutcome
from odefit.problem.assembly import Assembly
from odefit.status import Ending, Reason
from small_problems import Array

N = 8
DECAY = """
model: {equations: {x: -k*x}, initial: {x: 1}, observables: {x: x}}
parameters: {k: {value: 3, bounds: [0.01, 10], scale: log}}
noise: {model: gaussian, sigma: 0.01}
solver: {rtol: 1e-10, atol: 1e-12}
"""


def ended(number: int, u: Array, value: float, reason: Reason = Reason.GRADIENT_VANISHES, n: int = 1) -> StartOutcome:
    outcome = SearchOutcome(u, value, Ending(reason, {"n": n, "more": 1}), n, n, (value,), np.zeros(len(u), np.int8))
    return StartOutcome(number, u, outcome, None, 0.0)


class Locks:
    """Every one of N components has to be in the right tenth of its range, and no search moves any."""

    def __init__(self) -> None:
        self.now = 0.0

    def draw(self, number: int) -> Array:
        return np.random.default_rng(number).random((20, N))

    def search(self, points: Array, steps: int, limit: float | None) -> Iterator[StartOutcome]:
        for number, u in enumerate(points):
            self.now += 1.0
            yield ended(number, u, float((u < 0.9).sum()))


def starts_until_open(race: Race) -> int:
    while race.advance():
        if race.best is not None and race.best.value == 0:
            break
    return len(race.entrants)


def test_what_each_start_has_found_is_put_together() -> None:
    """At random one start in a hundred million is right; out of the best ones, one of the first two thousand."""

    def cross(elite: Array, number: int) -> Array:
        return recombined(elite, 20, (np.zeros(N), np.ones(N)), np.random.default_rng(number))

    locks = Locks()
    race = Race(Rules(3000.0, 20, 20, np.ones(N)), locks.draw, locks.search, lambda: locks.now, cross)
    assert starts_until_open(race) < 2000
    assert race.best is not None
    assert race.best.value == 0
    assert 0.4 < np.mean([e.is_drawn for e in race.entrants]) < 0.6
    locks = Locks()
    alone = Race(Rules(3000.0, 20, 20, np.ones(N)), locks.draw, locks.search, lambda: locks.now)
    starts_until_open(alone)
    assert alone.best is not None
    assert alone.best.value > 0


def test_children_are_of_their_parents_but_for_mutations_within_the_box() -> None:
    elite = np.array([[0.0] * 40, [1.0] * 40, [2.0] * 40])
    children = recombined(elite, 300, (np.full(40, 5.0), np.full(40, 6.0)), np.random.default_rng(0))
    is_new = children >= 5
    assert (children <= 6).all()
    assert 1.5 < is_new.sum(axis=1).mean() < 2.5
    assert set(np.unique(children[~is_new])) == {0.0, 1.0, 2.0}
    assert all(len(np.unique(child[child < 5])) <= 2 for child in children)
    again = recombined(elite, 300, (np.full(40, 5.0), np.full(40, 6.0)), np.random.default_rng(0))
    np.testing.assert_array_equal(children, again)


def test_a_slow_start_has_a_few_times_what_the_others_take() -> None:
    limits: list[float | None] = []
    now = [0.0]

    def search(points: Array, steps: int, limit: float | None) -> Iterator[StartOutcome]:
        limits.append(limit)
        for number, u in enumerate(points):
            now[0] += 1.0  # of a second for twenty steps: costly, so that they are searched one by one
            yield ended(number, u, float(u[0]), n=FIRST_STEPS)

    race = Race(Rules(1000.0, 20, 20, np.ones(1)), Locks().draw, search, lambda: now[0])
    for _ in range(6):
        race.advance()
    assert limits[0] == pytest.approx(100)
    assert limits[-1] == pytest.approx(SLOW * 1.0)


def test_a_search_that_creeps_is_known() -> None:
    first = Entrant(ended(0, np.zeros(2), 100.0, Reason.OUT_OF_STEPS))
    later = ended(0, np.zeros(2), 99.9999, Reason.OUT_OF_STEPS)
    assert later.outcome is not None
    slow = replace(later, outcome=replace(later.outcome, history=(100.0, 99.9999)))
    quick = replace(later, outcome=replace(later.outcome, history=(100.0, 90.0), value=90.0))
    assert first.further(slow).creeps
    assert not first.further(quick).creeps
    assert not first.further(quick, 0.0).creeps
    assert first.further(quick, -1000.0).creeps
    assert Entrant.of_plain(first.further(slow).to_plain()).creeps


def test_values_are_those_of_the_configs_solver_in_spite_of_loose_first_rounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = {
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": 1}, "observables": {"x": "x"}},
        "parameters": {"k": {"value": 3, "bounds": [0.01, 10]}},
        "noise": {"model": "gaussian", "sigma": 1e-3},
        "solver": {"rtol": 1e-10, "atol": 1e-12},
        "fit": {"budget": 20, "starts": 5, "match": False, "workers": 1},
    }
    t = np.linspace(0, 5, 20)
    data = pd.DataFrame({"time": t, "x": np.exp(-0.7 * t) + np.random.default_rng(0).normal(0, 1e-3, 20)})
    used = []

    def noted(assembly: Assembly) -> Assembly | None:
        looser = loosened(assembly)
        assert looser is not None
        used.append((looser.problem.engine.options.rtol, looser.problem.engine.options.atol))
        assert loosened(looser) is None
        return looser

    monkeypatch.setattr("odefit.fitting.budget.loosened", noted)
    run = odefit.fit(config, data=data)
    assert isinstance(run, odefit.Run)
    assert used == [(LOOSE, pytest.approx(1e-8))]
    exact = odefit.load(config, data=data)
    assert isinstance(exact, odefit.Problem)
    theirs = exact.nll(run.parameters["value"].to_numpy())
    assert float(run.history["objective"].iloc[-1]) == pytest.approx(theirs, rel=1e-12)
    values = run.frame("starts")["objective"].to_numpy()
    assert np.ptp(values) < 1e-4


@pytest.mark.parametrize(("given", "used"), [(None, LOOSE_SLOPES), (1e-2, 1e-2)])
def test_slopes_of_first_rounds_follow_the_steps_of_the_states(given: float | None, used: float) -> None:
    """x = exp(-k t): dx/dk is known, and what little is lost of it sends no search another way."""
    t = np.linspace(0.1, 2, 20)
    data = pd.DataFrame({"time": t, "x": np.exp(-0.7 * t)}).to_csv(index=False)
    own = () if given is None else (f"solver.sensitivity_rtol={given}",)
    looser = loosened(assembled(DECAY, *own, data=data))
    assert looser is not None
    assert looser.problem.engine.options.sensitivity_rtol == used
    slope = ProfileLikelihood(Likelihood(looser.problem)).evaluate(np.log([3.0])).gradient
    exact = ((np.exp(-3 * t) - np.exp(-0.7 * t)) * -3 * t * np.exp(-3 * t)).sum() / 1e-4
    assert slope[0] == pytest.approx(exact, rel=1e-3)


def test_only_what_has_come_to_its_end_is_ended_exactly() -> None:
    places = np.arange(6.0).reshape(3, 2)
    loose = [
        ended(0, places[0], 5.0, Reason.OUT_OF_STEPS),
        ended(1, places[1], 4.0),
        ended(2, places[2], 3.0, Reason.NOT_CERTIFIED),
    ]

    def exactly(points: Array) -> Iterator[StartOutcome]:
        np.testing.assert_array_equal(points, places[1:])
        yield ended(0, points[0] + 0.1, 3.5)
        yield ended(1, points[1], np.inf)  # the config's own solver fails there

    found = ended_exactly(loose, exactly)
    assert [r.number for r in found] == [0, 1, 2]
    assert [r.value for r in found] == [5.0, 3.5, 3.0]
    assert found[1].outcome is not None
    assert found[1].outcome.history == (4.0, 3.5)
    assert found[1].outcome.n_gradients == 2
