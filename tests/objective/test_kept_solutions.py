"""The solutions that are kept: each point is solved once, unless its answer may be another one."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import numpy as np
import pytest

import odefit
from odefit.engines.base import Solutions
from odefit.engines.kernel.kernel_engine import KernelEngine
from odefit.objective.kept_solutions import MOST_KEPT, KeptSolutions


class Counting:
    """An engine that says how often it was asked."""

    class system:
        is_mechanistic = True

    def __init__(self, remembers: bool = False) -> None:
        self.remembers, self.asked = remembers, 0

    def solve(self, p: Any, experiments: Any, sensitivities: bool) -> Solutions:
        self.asked += 1
        return Solutions(np.full((1, 1), self.asked), None, np.array([0, 1]), (None,))


def asked(engine: Any, *questions: tuple[float, Any, bool], kept: KeptSolutions | None = None) -> list[float]:
    kept = kept or KeptSolutions()
    return [
        float(kept.find(engine, np.array([[p]]), experiments, slopes).y[0, 0]) for p, experiments, slopes in questions
    ]


def test_the_same_question_is_answered_by_the_same_solution() -> None:
    a, b = (object(),), (object(),)
    assert asked(Counting(), (1.0, a, False), (1.0, a, True), (1.0, b, False), (1.0, a, False)) == [1, 2, 3, 1]
    assert asked(Counting(), (0.0, a, False), (-0.0, a, False)) == [1, 2]  # to the last bit


def test_another_engine_is_asked_itself() -> None:
    kept, question = KeptSolutions(), (1.0, (object(),), False)
    first, second = Counting(), Counting()
    asked(first, question, kept=kept)
    asked(second, question, kept=kept)
    assert (first.asked, second.asked) == (1, 1)


def test_the_solutions_that_were_asked_for_last_are_kept() -> None:
    a = (object(),)
    others = [(float(k), a, False) for k in range(1, MOST_KEPT)]
    found = asked(Counting(), (0.0, a, False), *others, (0.0, a, False), (9.0, a, False), (0.0, a, False), others[0])
    assert found[-4:] == [1, MOST_KEPT + 1, 1, MOST_KEPT + 2]


def test_an_engine_that_remembers_is_asked_each_time() -> None:
    engine, a = Counting(remembers=True), (object(),)
    assert asked(engine, (1.0, a, False), (1.0, a, False)) == [1, 2]


def test_nothing_goes_to_another_process() -> None:
    kept, a = KeptSolutions(), (object(),)
    asked(Counting(), (1.0, a, False), kept=kept)
    other = copy.deepcopy(kept)  # by the state that pickle takes
    assert asked(Counting(), (1.0, a, False), (1.0, a, False), kept=other) == [1, 1]


@pytest.mark.quick
def test_what_follows_a_search_solves_no_point_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Checks, errors, noise levels, tables and bands of a fit whose parameters have scales of their own."""
    solve, asked = KernelEngine.solve, Counter[Any]()

    def counted(self: Any, p: Any, experiments: Any, sensitivities: bool = False, members: Any = None) -> Solutions:
        if members is None:
            asked[id(self), p.tobytes(), tuple(map(id, experiments)), sensitivities] += 1
        return solve(self, p, experiments, sensitivities, members)

    monkeypatch.setattr(KernelEngine, "solve", counted)
    t = np.linspace(0, 5, 12)
    x = 2 * np.exp(-0.5 * t) * np.exp(0.05 * np.random.default_rng(0).standard_normal(12))
    config = {
        "model": {"equations": {"x": "-k*x"}, "initial": {"x": "estimate"}},
        "parameters": {"k": {"value": 0.4, "scale": "log", "bounds": [0.01, 10]}},
        "noise": {"x": "lognormal"},
        "fit": {"starts": 1},
    }
    run = odefit.fit(config, data=[odefit.Experiment("a", t, {"x": x})], out=tmp_path / "run")
    own = {key: n for key, n in asked.items() if key[0] == id(run.assembly.problem.engine)}  # no search's
    assert set(own.values()) == {1}
    assert {key[3] for key in own} == {False, True}
