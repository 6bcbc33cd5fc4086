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
from odefit.fitting.generations import LONE, bred
from odefit.fitting.local_search import LocalSearch
from odefit.fitting.short_searches import distinct, short_searched
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


def test_none_where_several_have_come_to_the_lowest_place(
    problem: tuple[Assembly, LocalSearch, list[StartOutcome]],
) -> None:
    assembly, search, drawn = problem
    best = min(drawn, key=lambda r: r.value)
    agreed = [*drawn, *(replace(best, number=len(drawn) + k) for k in range(LONE - 1))]
    assert bred(assembly, search, agreed, Silent(), Forgetful()) == agreed


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


def test_of_places_that_are_alike_the_lowest_stands_for_all(
    problem: tuple[Assembly, LocalSearch, list[StartOutcome]],
) -> None:
    *_, drawn = problem
    assert drawn[0].outcome is not None
    values = [31.0, 12.0, 10.0, 11.9, np.inf, 14.1, 12.1, 10.5]
    at = [
        replace(drawn[0], outcome=replace(drawn[0].outcome, u=np.full(3, k), value=value))
        for k, value in enumerate(values)
    ]
    np.testing.assert_array_equal(distinct(at, 8)[:, 0], [2, 6, 0])
    np.testing.assert_array_equal(distinct(at, 2)[:, 0], [2, 6])


def test_a_fit_says_how_many_there_were() -> None:
    notes = StopAt()
    run = odefit.fit(CONFIG, data=DATA, progress=notes)
    assert any("put together from the best of the others" in note for note in notes.notes)
    assert run.result.starts.requested == run.result.starts.finished == 4
