"""Posteriors from beginning to end: against a closed form, their files, and how they go on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from odefit.errors import RunError
from odefit.runs.pace import Pace
from odefit.runs.progress import Silent
from odefit.sampling import chains
from odefit.sampling.sample import Sampled
from odefit.sampling.work import Work

LINE: dict[str, Any] = {
    "model": {"equations": {"x": "a"}},
    "parameters": {
        "a": {"value": 1.0, "bounds": [-10, 10]},
        "x_0": {"value": 1.0, "scale": "linear", "bounds": [-20, 20], "prior": {"normal": [1.2, 0.1]}},
        "b": {"formula": "2*a"},
    },
    "noise": {"x": {"sigma": 0.3}},
}
T = np.arange(10.0)


def line() -> pd.DataFrame:
    return pd.DataFrame({"time": T, "x": 1 + 0.5 * T + np.random.default_rng(0).normal(0, 0.3, 10)})


def closed_form() -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of a and x_0: normal data, a normal prior of x_0, none that matters of a."""
    design = np.stack([T, np.ones(10)], axis=1)
    precision = design.T @ design / 0.09 + np.diag([0, 1 / 0.01])
    right = design.T @ line()["x"].to_numpy() / 0.09 + np.array([0, 1.2 / 0.01])
    covariance = np.linalg.inv(precision)
    return covariance @ right, covariance


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "line"
    odefit.fit(LINE, data=line(), out=path)
    return path


@pytest.fixture(scope="module")
def run(folder: Path) -> odefit.Run:
    loaded = odefit.load_run(folder)
    assert isinstance(loaded, odefit.Run)
    return loaded


@pytest.fixture(scope="module")
def found(run: odefit.Run) -> Sampled:
    return odefit.sample(replace(run, path=None), 100, chains=8, warm_up=60)


@pytest.mark.quick
def test_the_posterior_of_a_line(found: Sampled) -> None:
    mean, covariance = closed_form()
    table = found.parameters
    for k, name in enumerate(("a", "x_0")):
        one = table.loc[name]
        assert one["mean"] == pytest.approx(mean[k], abs=4 * one["mcse_mean"])
        assert one["sd"] == pytest.approx(np.sqrt(covariance[k, k]), rel=0.15)
        assert one["ess_bulk"] > 200
    draws = found.draws
    assert draws["b"].to_numpy() == pytest.approx(2 * draws["a"].to_numpy())
    assert np.cov(draws["a"], draws["x_0"])[0, 1] == pytest.approx(covariance[0, 1], rel=0.3)
    assert found.summary["priors"]["a"] == "flat in its value within its bounds"
    assert found.summary["priors"]["x_0"] == "normal(1.2, 0.1)"


def test_the_log_posterior_is_that_of_the_problem(run: odefit.Run, found: Sampled) -> None:
    problem = odefit.load(LINE, data=line())
    draws = found.draws
    theirs = [problem.log_posterior(row) for row in draws[["a", "x_0"]].to_numpy()[:5]]
    assert draws["log_posterior"].to_numpy()[:5] == pytest.approx(theirs, rel=1e-6)


def test_files_that_go_on(run: odefit.Run, folder: Path) -> None:
    odefit.sample(run, 6, chains=3, warm_up=20, seed=5)
    more = odefit.sample(odefit.load_run(folder), 14, chains=3, warm_up=20, seed=5)
    names = ("posterior.csv", "posterior.json", "posterior.arviz.json")
    kept = {name: (folder / name).read_bytes() for name in names}
    odefit.sample(run, 14, chains=3, warm_up=20, seed=5, overwrite=True)
    assert kept == {name: (folder / name).read_bytes() for name in names}
    assert json.loads(kept["posterior.json"]) == json.loads(json.dumps(more.summary))
    table = pd.read_csv(folder / "posterior.csv")
    assert list(table.columns) == ["chain", "draw", "log_posterior", "a", "x_0", "b"]
    assert table["chain"].tolist() == [1] * 14 + [2] * 14 + [3] * 14
    groups = json.loads(kept["posterior.arviz.json"])
    assert np.array(groups["posterior"]["a"]).shape == (3, 14)
    assert np.array(groups["posterior"]["a"]).ravel() == pytest.approx(table["a"].to_numpy())
    assert set(groups["sample_stats"]) == {"acceptance_rate", "n_steps", "diverging", "jumped", "lp"}
    with pytest.raises(RunError, match=r"holds draws of 3 chains, seed 5; say --overwrite"):
        odefit.sample(run, 14, chains=4, warm_up=20, seed=5)
    (folder / "posterior.csv").write_text("chain,draw,log_posterior,a,x_0,b\n1,1,0,0,0,0\n")
    with pytest.raises(RunError, match="its draws do not fit"):
        odefit.sample(run, 20, chains=3, warm_up=20, seed=5)
    assert odefit.sample(run, 4, chains=3, warm_up=20, overwrite=True).summary["draws"] == 4


def test_pictures_of_it(run: odefit.Run) -> None:
    odefit.sample(run, 30, chains=3, warm_up=20, overwrite=True)
    corner, trace = odefit.plot(run, "corner"), odefit.plot(run, "trace")
    assert "3 chains of 30 draws" in corner.get_suptitle()
    assert [ax.get_xlabel() for ax in corner.axes if ax.get_xlabel()] == ["a", "x_0", "b"]
    assert [ax.get_title(loc="left").split("   ")[0] for ax in trace.axes[:3]] == ["a", "x_0", "b"]
    table = pd.read_csv(run.path / "posterior.csv") if run.path else pd.DataFrame()
    first = trace.axes[0].lines[1].get_ydata()
    assert np.asarray(first) == pytest.approx(table[table["chain"] == 2]["a"].to_numpy())
    with pytest.raises(odefit.ConfigError, match="odefit sample RUN"):
        odefit.plot(replace(run, path=None), "corner")


def test_what_is_said_of_priors() -> None:
    notes: list[str] = []

    class Heard:
        def note(self, sentence: str) -> None:
            notes.append(sentence)

        def __getattr__(self, name: str) -> Any:
            return lambda *_: None

    config = {
        "model": {"equations": {"x": "-k*x"}},
        "parameters": {
            "k": {"value": 0.5, "bounds": [0.01, 5], "scale": "log"},
            "x_0": {"value": 2.0, "scale": "linear"},
        },
    }
    data = [odefit.Experiment("a", [0, 1, 2, 3, 4], {"x": [2.0, 1.2, 0.75, 0.45, 0.27]})]
    fitted = odefit.fit(config, data=data)
    odefit.sample(fitted, 3, chains=2, warm_up=20, progress=Heard())
    flat = "which is no density"
    assert notes[0] == (
        f"priors: k flat in its logarithm within its bounds; x_0 flat in its value without bounds, {flat}; "
        f"sigma_x flat in its logarithm without bounds, {flat}"
    )


def test_ctrl_c_keeps_what_is_there(run: odefit.Run) -> None:
    class Impatient:
        drawing = False

        def begin(self, what: str, total: int) -> None:
            self.drawing = what == "draws"

        def part(self, done: int, text: str) -> None:
            if self.drawing:
                raise KeyboardInterrupt

        def __getattr__(self, name: str) -> Any:
            return lambda *_: None

    stopped = odefit.sample(replace(run, path=None), 400, chains=2, warm_up=20, progress=Impatient())
    assert stopped.interrupted
    assert 0 < stopped.summary["draws"] < 400


class Clock:
    """A time that goes on by a second whenever it is asked for; `asked` counts."""

    def __init__(self) -> None:
        self.asked = 0

    def monotonic(self) -> float:
        self.asked += 1
        return float(self.asked)


def test_a_time_that_is_over_within_the_warm_up_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The warm-up ends between two calls of the density, and says how far it came."""
    copy = tmp_path / "line"
    odefit.fit(LINE, data=line(), out=copy)
    with pytest.raises(RunError, match=r"over after 0 of 20 draws of the warm-up, so there is nothing to show"):
        odefit.sample(copy, 40, chains=2, warm_up=20, seconds=0)
    clock = Clock()
    monkeypatch.setattr(chains, "time", clock)
    work = Work(odefit.load_run(copy), 2, 0, 20, 0.8, 0.95)
    with pytest.raises(RunError, match=r"over after 5 of 20 draws of the warm-up.*--seconds.*--warm-up"):
        work.warm_up(Silent(), until=40.0)
    assert clock.asked == 40
    assert not (copy / "posterior.json").exists()


def test_a_time_that_is_over_within_a_round_keeps_what_all_chains_have_and_changes_no_later_draw(
    run: odefit.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only round has all 30 draws of both chains."""
    whole = odefit.sample(replace(run, path=None), 30, chains=2, warm_up=20).table.values
    work = Work(replace(run, path=None), 2, 0, 20, 0.8, 0.95)
    work.warm_up(Silent())
    assert work.table is not None
    over = iter([False, True])
    monkeypatch.setattr(chains, "time", Clock())
    monkeypatch.setattr("odefit.sampling.work.Pace", lambda *_: Pace(30, 2.0, 15.0, None))
    monkeypatch.setattr(Pace, "is_over", property(lambda _: next(over)))
    work.go_on(30, 60.0, Silent(), lambda: None)
    kept = work.table.values.shape[1]
    assert 0 < kept < 30
    assert np.array_equal(work.table.values, whole[:, :kept])
    monkeypatch.undo()
    work.go_on(30, None, Silent(), lambda: None)
    assert np.array_equal(work.table.values, whole)


@pytest.mark.parametrize(
    "arguments, what", [({"draws": 0}, "draws"), ({"chains": 1}, "chains"), ({"acceptance": 1.0}, "acceptance")]
)
def test_wrong_arguments(run: odefit.Run, arguments: dict[str, Any], what: str) -> None:
    with pytest.raises(odefit.InputError, match=f"^{what}: "):
        odefit.sample(run, **arguments)


def test_modes_that_the_starts_have_found_are_visited_in_proportion() -> None:
    # k and -k fit equally well, and the prior prefers one of them two to one.
    config = {
        "model": {"equations": {"x": "-k*k*x"}, "initial": {"x": 2}},
        "parameters": {"k": {"value": 0.5, "bounds": [-3, 3], "prior": {"normal": [0.1443, 0.5]}}},
        "noise": {"x": {"sigma": 0.02}},
        "fit": {"starts": 8, "match": False},
    }
    data = [odefit.Experiment("a", [0, 1, 2, 3], {"x": [None, 1.56, 1.21, 0.94]})]
    fitted = odefit.fit(config, data=data)
    draws = odefit.sample(fitted, 150, chains=8, warm_up=60).draws["k"].to_numpy()
    ratio = np.exp(2 * 0.5 * 0.1443 / 0.25)
    assert (draws > 0).mean() == pytest.approx(ratio / (1 + ratio), abs=0.06)
    assert 0.2 < (draws > 0).mean() < 0.8
