"""Starts that end early, where it is certain that they would end where another one has: what they count as."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import odefit
from creeping_starts import DATA, creeping
from listeners import StopAt
from odefit.fitting import early_ends, multistart
from odefit.fitting.tally import Tally
from odefit.optimizers.start_pool import StartOutcome

CONFIG = creeping(starts=8, seed=0, workers=1, match=False)
ENDED = "only falls to where start"


@pytest.fixture
def short_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_ends, "STAGES", (6, 6))


@pytest.fixture
def pilots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight starts are many, and every other one goes ahead."""
    monkeypatch.setattr(early_ends, "MANY", 7)
    monkeypatch.setattr(early_ends, "PILOTS", 4)


@pytest.fixture
def whole() -> odefit.Run:
    return odefit.fit(CONFIG, data=DATA)


def test_they_count_where_they_lead(whole: odefit.Run, short_stages: None) -> None:
    early = odefit.fit(CONFIG, data=DATA)
    messages = early.frame("starts")["message"]
    leading = messages.str.contains(ENDED)
    assert not whole.frame("starts")["message"].str.contains(ENDED).any()
    assert leading.sum() >= 1
    assert early.result.starts.at_best >= whole.result.starts.at_best
    assert early.result.objective.nll == pytest.approx(whole.result.objective.nll, rel=1e-9)
    assert (early.frame("starts")["gradients"][leading] <= sum(early_ends.STAGES) + 2).all()
    other = int(messages[leading].iloc[0].split(ENDED)[1].split()[0])
    assert early.frame("starts")["status"].iloc[other - 1] == "converged"


def test_a_start_whose_time_is_limited_ends_by_that(short_stages: None) -> None:
    limited = odefit.fit({**CONFIG, "fit": {**CONFIG["fit"], "cpu_limit": 60}}, data=DATA)
    assert not limited.frame("starts")["message"].str.contains(ENDED).any()


@pytest.mark.parametrize("finished", [1, 4, 7])
def test_an_interrupted_fit_goes_on_to_the_same_numbers(finished: int, short_stages: None, tmp_path: Path) -> None:
    uninterrupted = odefit.fit(CONFIG, data=DATA, out=tmp_path / "whole")
    begun = odefit.fit(CONFIG, data=DATA, out=tmp_path / "r", progress=StopAt(start=finished))
    assert begun.result.status == "interrupted"
    again = odefit.fit(CONFIG, data=DATA, out=tmp_path / "r", resume=True)
    assert again.result.objective == uninterrupted.result.objective
    columns = ["status", "objective", "message", "evaluations", "V", "K"]
    pd.testing.assert_frame_equal(again.frame("starts")[columns], uninterrupted.frame("starts")[columns])


@pytest.mark.parametrize("finished", [3, 7])
def test_the_log_has_every_start_that_an_interrupted_fit_has_finished(
    finished: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multistart, "MAX_REPORTS", 2)  # so that four starts are written down together
    seen: list[StartOutcome] = []

    def counting(_: Tally, result: StartOutcome) -> None:
        seen.append(result)
        if len(seen) == finished:
            raise KeyboardInterrupt

    monkeypatch.setattr(Tally, "add", counting)
    run = odefit.fit(CONFIG, data=DATA, out=tmp_path / "r")
    assert run.result.status == "interrupted"
    log = (tmp_path / "r" / "run.log").read_text()
    assert len(re.findall(r"^.*start \d+: ", log, re.M)) == finished


def test_of_many_starts_some_go_ahead_and_the_others_end_where_these_have(whole: odefit.Run, pilots: None) -> None:
    early = odefit.fit(CONFIG, data=DATA)
    rows, complete = early.frame("starts"), whole.frame("starts")
    leading = rows["message"].str.contains(ENDED)
    assert leading.sum() >= 2
    assert not leading[::2].any(), "pilots"
    assert early.result.starts == whole.result.starts
    assert early.result.objective.nll == pytest.approx(whole.result.objective.nll, rel=1e-9)
    assert (rows["gradients"][leading] < complete["gradients"][leading]).all()
    for k in rows.index[leading]:
        other = int(rows["message"][k].split(ENDED)[1].split()[0]) - 1
        assert rows["status"][other] == "converged"
        assert complete["objective"][k] == pytest.approx(rows["objective"][other], abs=0.01)


@pytest.mark.parametrize("many", [100, 101, 120, 999, 1000])
def test_as_many_go_ahead_however_many_there_are(many: int) -> None:
    searches = early_ends.EarlyEnds.__new__(early_ends.EarlyEnds)
    searches.factor, searches.many = 1, many
    ahead = list(searches.pilots)
    if many > early_ends.MANY:
        assert len(ahead) == len(set(ahead)) == early_ends.PILOTS
        assert max(np.diff([*ahead, many])) <= many / early_ends.PILOTS + 1
    else:
        assert not ahead


@pytest.mark.parametrize("finished", [1, 3, 5, 7])
def test_many_that_were_interrupted_go_on_to_the_same_numbers(finished: int, pilots: None, tmp_path: Path) -> None:
    test_an_interrupted_fit_goes_on_to_the_same_numbers(finished, None, tmp_path)


def test_many_end_early_in_workers_as_in_this_process(pilots: None) -> None:
    columns = ["status", "objective", "message", "evaluations", "V", "K"]
    here, elsewhere = (
        odefit.fit({**CONFIG, "fit": {**CONFIG["fit"], "workers": workers}}, data=DATA).frame("starts")[columns]
        for workers in (1, 2)
    )
    pd.testing.assert_frame_equal(here, elsewhere)
