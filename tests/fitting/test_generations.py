"""Places put together from the best of short searches: when they are, and that they lead on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from listeners import StopAt
from odefit.api import assembled
from odefit.config.fit_methods import METHODS
from odefit.fitting import generations
from odefit.fitting.generations import LONE, bred, distinct
from odefit.fitting.local_search import LocalSearch
from odefit.fitting.short_searches import short_searched
from odefit.objective.likelihood import Likelihood
from odefit.objective.profile import ProfileLikelihood
from odefit.optimizers.start_pool import StartOutcome
from odefit.problem.assembly import Assembly
from odefit.runs.checkpoint import Forgetful
from odefit.runs.progress import Silent

TIMES = np.linspace(0, 10, 41)
RATES = (1.1, 2.3, 3.7)
"""Frequencies of oscillators that know nothing of each other: a search finds one of them now and then, hardly all."""

DATA = pd.DataFrame({"time": TIMES, **{f"x{k}": np.cos(w * TIMES) for k, w in enumerate(RATES)}})
CONFIG: dict[str, Any] = {
    "model": {
        "equations": {"x": "-x"},
        "observables": {f"x{k}": f"x*exp(t)*cos(w{k}*t)" for k in range(3)},
        "initial": {"x": 1},
    },
    "parameters": {f"w{k}": {"value": 5.0, "bounds": [0.1, 6]} for k in range(3)},
    "noise": {"model": "gaussian", "sigma": 0.1},
    "fit": {"starts": 4, "seed": 1, "workers": 1, "match": False, "screen": "searches"},
}


@pytest.fixture(scope="module")
def problem() -> tuple[Assembly, LocalSearch, list[StartOutcome]]:
    assembly = assembled(CONFIG, data=DATA)
    search = LocalSearch(ProfileLikelihood(Likelihood(assembly.problem)), METHODS["least_squares"], None)
    points = np.random.default_rng(2).uniform(0.1, 6, (30, 3))
    return assembly, search, short_searched(assembly, search, points, Silent(), Forgetful(), "test")


def lowest(results: list[StartOutcome]) -> float:
    return min(r.value for r in results)


def test_what_each_has_found_comes_together(problem: tuple[Assembly, LocalSearch, list[StartOutcome]]) -> None:
    assembly, search, drawn = problem
    found = bred(assembly, search, drawn, Silent(), Forgetful())
    best = min(found, key=lambda r: r.value)
    assert lowest(drawn) - best.value > 100
    assert best.outcome is not None
    assert best.outcome.u == pytest.approx(RATES, rel=1e-3)
    assert found[: len(drawn)] == drawn
    assert [r.number for r in found] == list(range(len(found)))


def agreed_on(r: StartOutcome, drawn: list[StartOutcome]) -> list[StartOutcome]:
    """With this one, as many as make a lowest place no lone one have come there."""
    return [*drawn, *(replace(r, number=len(drawn) + k) for k in range(LONE))]


def test_none_where_several_have_come_to_what_explains_the_data(
    problem: tuple[Assembly, LocalSearch, list[StartOutcome]],
) -> None:
    assembly, search, drawn = problem
    (best,) = short_searched(assembly, search, np.array([RATES]), Silent(), Forgetful(), "right")
    agreed = agreed_on(best, drawn)
    assert bred(assembly, search, agreed, Silent(), Forgetful()) == agreed


def test_agreement_on_wrong_curves_is_not_believed(
    problem: tuple[Assembly, LocalSearch, list[StartOutcome]],
) -> None:
    assembly, search, drawn = problem
    agreed = agreed_on(min(drawn, key=lambda r: r.value), drawn)
    best = min(bred(assembly, search, agreed, Silent(), Forgetful()), key=lambda r: r.value)
    assert best.outcome is not None
    assert best.outcome.u == pytest.approx(RATES, rel=1e-3)


@pytest.mark.parametrize(
    ("lower", "n"),
    [
        ([0.0, 0.0], 2),  # places that come to where they are from do not make it less lone
        ([0.0, 5.0, 0.0, 0.0], 4),
        ([5.0, 0.0, 5.0, 0.05, 0.0], 5),
        ([5.0] * generations.MOST, generations.MOST),
    ],
)
def test_it_ends_after_generations_that_lead_no_lower(
    problem: tuple[Assembly, LocalSearch, list[StartOutcome]],
    monkeypatch: pytest.MonkeyPatch,
    lower: list[float],
    n: int,
) -> None:
    assembly, search, drawn = problem
    best, gains, asked = min(drawn, key=lambda r: r.value), iter(np.cumsum(lower)), []

    def one_generation(*_: object) -> list[StartOutcome]:
        asked.append(float(next(gains)))
        assert best.outcome is not None
        reached = replace(best.outcome, value=best.value - asked[-1])
        return [replace(best, outcome=reached)] * 3

    monkeypatch.setattr(generations, "short_searched", one_generation)
    assert len(bred(assembly, search, drawn, Silent(), Forgetful())) == len(drawn) + 3 * n
    assert len(asked) == n


def test_valleys_are_told_apart_by_their_curves(
    problem: tuple[Assembly, LocalSearch, list[StartOutcome]],
) -> None:
    _, search, drawn = problem
    assert drawn[0].outcome is not None
    found = [
        ([2.0, 3.0, 4.0], 11.9),  # as the lowest
        ([2.0, 3.0, 4.0], 10.0),
        ([2.0, 3.0, -4.0], 10.5),  # a cosine is the same: as far as one likes in parameters, and one valley
        ([2.0, 3.0, 4.001], 10.1),
        ([2.0, 3.0, 4.5], 10.3),  # as deep, and another curve
        ([2.0, 3.001, -4.0], 19.0),  # where much is left, the objective goes far with little of a curve
        ([2.5, 3.0, 4.0], 20.0),
        ([1.0, 3.0, 4.0], np.inf),
    ]
    at = [
        replace(drawn[0], outcome=replace(drawn[0].outcome, u=np.array(u), value=value), number=k)
        for k, (u, value) in enumerate(found)
    ]
    lowest = [[2.0, 3.0, 4.0], [2.0, 3.0, 4.5], [2.5, 3.0, 4.0]]
    np.testing.assert_array_equal(distinct(search.objective, at, 8), lowest)
    np.testing.assert_array_equal(distinct(search.objective, at, 2), lowest[:2])


def test_places_by_intervals_alone_are_told_apart_by_their_values(
    problem: tuple[Assembly, LocalSearch, list[StartOutcome]],
) -> None:
    _, _, drawn = problem
    limits = DATA.assign(**{f"x{k}": [f"{x - 1}..{x + 1}" for x in DATA[f"x{k}"]] for k in range(3)})
    objective = ProfileLikelihood(Likelihood(assembled(CONFIG, data=limits).problem))
    assert drawn[0].outcome is not None
    values = [31.0, 12.0, 10.0, 11.9, 14.1, 12.1, 10.5]
    at = [
        replace(drawn[0], outcome=replace(drawn[0].outcome, u=np.full(3, k + 1.0), value=value))
        for k, value in enumerate(values)
    ]
    np.testing.assert_array_equal(distinct(objective, at, 8)[:, 0], [3, 6, 1])


def test_one_valley_ends_where_the_objective_has_risen_by_as_much(
    problem: tuple[Assembly, LocalSearch, list[StartOutcome]],
) -> None:
    _, search, drawn = problem
    assert drawn[0].outcome is not None
    bottom = np.array(RATES)
    t, sigma, step = TIMES, 0.1, 1e-5
    slope = np.linalg.norm((np.cos((RATES[2] + step) * t) - np.cos(RATES[2] * t)) / step)
    limit = sigma * np.sqrt(2 * 2.0) / slope  # the squares of the residuals over two, in units of sigma, are 2 there
    for share, n in ((0.97, 1), (1.03, 2)):
        at = [
            replace(drawn[0], outcome=replace(drawn[0].outcome, u=bottom + d * np.eye(3)[2], value=0.0))
            for d in (0.0, share * limit)
        ]
        assert len(distinct(search.objective, at, 8)) == n


def test_a_fit_says_how_many_there_were() -> None:
    notes = StopAt()
    run = odefit.fit(CONFIG, data=DATA, progress=notes)
    assert any("put together from the best of the others" in note for note in notes.notes)
    assert run.result.starts.requested == run.result.starts.finished == 4
