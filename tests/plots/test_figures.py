"""What profiles, draws and refits of a run give as figures, whether it has a folder or is in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

import odefit


@pytest.fixture(scope="module")
def decay() -> odefit.Run:
    run = odefit.fit(
        {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": {"value": 0.5, "bounds": [0.01, 9]}}},
        data=[odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})],
    )
    assert isinstance(run, odefit.Run)
    return run


@pytest.mark.parametrize("in_memory", [True, False], ids=["in memory", "in a folder"])
def test_every_answer_has_a_figure(decay: odefit.Run, tmp_path: Path, in_memory: bool) -> None:
    run = decay if in_memory else decay.save(tmp_path / "run")
    sampled, refitted = odefit.sample(run, 6, chains=4, warm_up=20), odefit.bootstrap(run, 20)
    figures = [sampled.figure(), sampled.figure("trace"), refitted.figure(), odefit.profile(run, ["k"]).figure()]
    assert [len(figure.axes) > 0 for figure in figures] == [True] * 4
    labels = {ax.get_xlabel() for ax in figures[2].axes}
    assert "k" in labels


def test_profiles_that_were_not_begun_in_the_time_are_counted(decay: odefit.Run) -> None:
    found = odefit.profile(decay, ["k", "x_0"], seconds=0)
    assert len(found) == 0
    assert found.remarks[-1] == "2 of 2 profiles were not begun in the time: the same call goes on with them"
