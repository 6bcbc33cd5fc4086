"""A budget spent on many starts: who goes on, who ends early, when it is enough; a killed race goes on alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from odefit.arrays import FloatArray
from odefit.errors import ConfigError
from odefit.fitting import budget
from odefit.fitting.race import FIRST_STEPS, Race, Rules
from odefit.optimizers.base import SearchOutcome
from odefit.optimizers.start_pool import StartOutcome
from odefit.runs import checkpoint
from odefit.runs.progress import Silent
from odefit.status import Ending, Reason

SIZE = 20


class Wells:
    """Wells of some depths side by side, one unit wide each; so many steps lead to the middle of one."""

    def __init__(self, depths: list[float], needed: int, seconds: float = 0.0) -> None:
        self.depths, self.needed, self.seconds = depths, needed, seconds
        self.steps, self.now = 0, 0.0

    def draw(self, number: int) -> FloatArray:
        return np.random.default_rng([7, number]).uniform(0, len(self.depths), (SIZE, 1))

    def search(self, points: FloatArray, steps: int, limit: float | None) -> Iterator[StartOutcome]:
        for number, u in enumerate(points):
            well, left = int(u[0]), abs(u[0] - int(u[0]) - 0.5)
            taken = min(steps, int(np.ceil(2 * left * self.needed)))
            if limit is not None and self.seconds:
                taken = min(taken, int(limit / self.seconds))
            reached = max(left - taken / (2 * self.needed), 0.0)
            self.steps, self.now = self.steps + taken, self.now + taken * self.seconds
            ending = Ending(Reason.GRADIENT_VANISHES if reached == 0 else Reason.OUT_OF_STEPS, {"n": taken, "more": 1})
            if limit is not None and reached and taken < steps:
                ending = Ending(Reason.OUT_OF_CPU_TIME, {"limit": limit})
            value = self.depths[well] + reached
            place = np.array([well + 0.5 + np.copysign(reached, u[0] - well - 0.5)])
            history = (self.depths[well] + left, value)
            outcome = SearchOutcome(place, value, ending, taken, taken, history, np.zeros(1, dtype=np.int8))
            yield StartOutcome(number, u, outcome, None, 0.0)


def race_in(wells: Wells, limit: float = 1e6, most: int = 500) -> Race:
    rules = Rules(limit, SIZE, most, np.ones(1))
    return Race(rules, wells.draw, wells.search, lambda: wells.now)


def run_to_end(race: Race) -> Race:
    while race.advance():
        pass
    return race


def test_one_well_is_soon_known() -> None:
    race = run_to_end(race_in(Wells([0.0], FIRST_STEPS)))
    assert len(race.entrants) <= SIZE
    assert race.best is not None
    assert race.best.value == 0
    assert "no better optimum is to be expected" in race.account()


def test_a_well_that_one_start_in_fifty_sees_is_found_with_less_than_its_share_of_steps() -> None:
    depths = [float(d) for d in range(50, 0, -1)]
    wells = Wells(depths, 300)
    race = run_to_end(race_in(wells))
    assert race.best is not None
    assert race.best.value == 1.0
    assert race.best.converged
    assert wells.steps < 0.5 * 150 * len(race.entrants)  # 150 is what a start needs on average


def test_each_start_that_was_left_behind_says_so_and_keeps_its_number() -> None:
    race = run_to_end(race_in(Wells([3.0, 1.0, 2.0], 200)))
    ended = race.ended()
    assert [r.number for r in ended] == list(range(len(ended)))
    reasons = {r.outcome.ending.reason for r in ended if r.outcome is not None}
    assert Reason.OTHERS_AHEAD in reasons
    assert reasons <= {Reason.OTHERS_AHEAD, Reason.GRADIENT_VANISHES, Reason.SAME_AS_OTHER}


def test_a_start_that_has_come_to_where_another_is_ends_there() -> None:
    class Meeting(Wells):
        def draw(self, number: int) -> FloatArray:
            return np.full((SIZE, 1), 0.1) + 1e-4 * np.arange(SIZE)[:, None]

    wells = Meeting([0.0], 200)
    race = run_to_end(race_in(wells))
    twins = [e for e in race.entrants if e.twin >= 0]
    assert len(twins) == len(race.entrants) - 1
    endings = [r.outcome.ending for r in race.ended() if r.outcome is not None]
    assert sum(e.reason is Reason.SAME_AS_OTHER for e in endings) == len(twins)
    assert wells.steps < 1.5 * SIZE * FIRST_STEPS


def test_a_budget_is_kept_and_the_best_start_has_its_end() -> None:
    """Where a start takes a tenth of the budget, few are begun, and the last part belongs to the best one."""
    race = run_to_end(race_in(Wells([5.0, 1.0, 3.0], 100, seconds=1.0), limit=400.0))
    assert 2 <= len(race.entrants) < SIZE
    assert race.spent <= 401
    short = run_to_end(race_in(Wells([5.0], 1000, seconds=1.0), limit=100.0))
    assert short.spent <= 101
    (outcome,) = [r.outcome for r in short.ended() if r is not None and r.number == _lowest(short)]
    assert outcome is not None
    assert outcome.ending.reason is Reason.OUT_OF_BUDGET
    assert "100 s of CPU time was spent; raise fit.budget" in outcome.message


def _lowest(race: Race) -> int:
    assert race.best is not None
    return race.best.number


@pytest.mark.parametrize("after", [1, 3, 6])
def test_a_race_that_goes_on_is_the_one_that_was_never_stopped(after: int) -> None:
    depths = [float(d) for d in range(30, 0, -1)]
    whole = run_to_end(race_in(Wells(depths, 300)))
    first = race_in(Wells(depths, 300))
    for _ in range(after):
        assert first.advance()
    second = race_in(Wells(depths, 300))
    second.restore(first.to_plain())
    run_to_end(second)
    assert len(second.entrants) == len(whole.entrants)
    for a, b in zip(second.entrants, whole.entrants, strict=True):
        np.testing.assert_array_equal(a.place, b.place)
        assert (a.rounds, a.is_done, a.twin) == (b.rounds, b.is_done, b.twin)


# Fits


def sines(n: int = 20) -> pd.DataFrame:
    t = np.linspace(0, 10, n)
    return pd.DataFrame({"time": t, "x": np.cos(1.7 * t) + np.random.default_rng(0).normal(0, 0.1, n)})


OSCILLATOR: dict[str, Any] = {
    "model": {"equations": {"x": "v", "v": "-w^2*x"}, "initial": {"x": 1, "v": 0}, "observables": {"x": "x"}},
    "parameters": {"w": {"value": 4, "bounds": [0.1, 5]}},
    "fit": {"budget": 30, "match": False, "workers": 1},
}
"""Each frequency is an optimum of its own."""


def test_a_fit_with_a_budget_finds_the_frequency() -> None:
    run = odefit.fit(OSCILLATOR, data=sines())
    assert isinstance(run, odefit.Run)
    assert float(run.parameters.loc["w", "value"]) == pytest.approx(1.7, abs=0.01)
    starts = run.frame("starts")
    assert run.result.starts.finished == len(starts) >= 20
    assert run.result.starts.at_best >= 1


class StopsAtBatch(Silent):
    """Is Ctrl-C when so many batches of starts are done."""

    def __init__(self, number: int) -> None:
        self.left = number

    def now(self, what: str) -> None:
        if "s of CPU time" in what:
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt


def test_an_interrupted_race_keeps_its_best_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "RARITY", 0)
    monkeypatch.setattr(checkpoint, "FIRST", 0.0)
    monkeypatch.setattr(budget, "_stopwatch", lambda: lambda: 0.0)
    monkeypatch.chdir(tmp_path)
    sines().to_csv("d.csv", index=False)
    config = OSCILLATOR | {"data": {"csv": "d.csv"}}
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    whole = odefit.fit("c.yaml", out="whole")
    first = odefit.fit("c.yaml", out="parts", progress=StopsAtBatch(2))
    assert first.result.status == "interrupted"
    again = odefit.fit("c.yaml", out="parts", resume=True)
    a, b = (run.frame("starts").drop(columns="seconds") for run in (whole, again))
    assert a.to_csv() == b.to_csv()


@pytest.mark.parametrize(("method", "remedy"), [("adam", "epochs"), ("global", "evaluations")])
def test_methods_that_have_a_measure_of_their_own_take_no_budget(method: str, remedy: str) -> None:
    config = OSCILLATOR | {"fit": {"budget": 30, "method": method}}
    with pytest.raises(ConfigError, match=f"budget: not for `method: {method}`; set `{remedy}`"):
        odefit.fit(config, data=sines())


def test_what_the_best_leave_of_a_budget_goes_to_new_starts() -> None:
    """Each start comes to the end of its own well at once, and no two to the same: nobody is left to go on alone."""
    wells = Wells([1.0 + k / 10 for k in range(4000)], FIRST_STEPS, seconds=0.01)
    race = run_to_end(race_in(wells, limit=60.0))
    assert not any(e.goes_on for e in race.entrants)
    assert race.spent >= 60.0
    assert "the budget is spent" in race.account()
