"""Bootstraps from beginning to end: against Wald's errors where these are exact, their files, and how they go on."""

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
from odefit.resampling.bootstrap import Bootstrap

LINE: dict[str, Any] = {
    "model": {"equations": {"x": "a"}, "observables": {"x": "x"}},
    "parameters": {
        "a": {"value": 1.0, "bounds": [-10, 10]},
        "x_0": {"value": 1.0, "scale": "linear"},
        "b": {"formula": "2*a"},
    },
}


def line(seed: int = 0) -> pd.DataFrame:
    t = np.arange(10.0)
    return pd.DataFrame({"time": t, "x": 1 + 0.5 * t + np.random.default_rng(seed).normal(0, 0.3, 10)})


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
def found(run: odefit.Run) -> Bootstrap:
    return odefit.bootstrap(replace(run, path=None, tables={"covariance.csv": run.rows("covariance.csv")}), 600)


def test_of_a_line_it_says_what_students_distribution_says(run: odefit.Run, found: Bootstrap) -> None:
    assert found.summary.samples == {"requested": 600, "finished": 600, "converged": 600, "stopped": 0, "failed": 0}
    for name in ("a", "x_0", "b"):
        one, reported = found.estimates.loc[name], run.result.estimates[name]
        assert reported.standard_error is not None
        assert reported.interval is not None
        assert one["standard_error"] == pytest.approx(reported.standard_error, rel=4 / np.sqrt(2 * 600))
        assert abs(one["bias"]) < 4 * reported.standard_error / np.sqrt(600)
        assert one["interval_kind"] == "studentized"
        width = reported.interval[1] - reported.interval[0]
        assert one["low"] == pytest.approx(reported.interval[0], abs=0.1 * width)
        assert one["high"] == pytest.approx(reported.interval[1], abs=0.1 * width)
    # The level of the noise: s² (n - p)/sigma² is chi-square.
    sigma = found.estimates.loc["sigma_x"]
    low, high = run.result.estimates["sigma_x"].interval or (0, 0)
    assert (sigma["low"], sigma["high"]) == pytest.approx((low, high), rel=0.1)


def test_each_sample_is_an_ordinary_fit(run: odefit.Run, found: Bootstrap) -> None:
    from odefit.objective.likelihood import Likelihood
    from odefit.resampling.data_sets import resampling

    problem = run.assembly.problem
    u = problem.table.to_search(run.theta)
    drawn_with = u.copy()
    k = problem.table.estimated_names.index("sigma_x")
    n, p = 10, 2
    drawn_with[k] = problem.table.to_search(run.theta * np.sqrt(n / (n - p)))[k]
    (data,), _ = resampling(Likelihood(problem), u, drawn_with, "parametric", 0).drawn(np.arange(2))
    for b in range(2):
        again = odefit.fit(LINE, data=pd.DataFrame({"time": np.arange(10.0), "x": data.values[b]}))
        for name in ("a", "x_0", "sigma_x", "b"):
            assert found.samples[name][b] == pytest.approx(again.result.estimates[name].value, rel=1e-6)


@pytest.mark.parametrize("kind", ["residuals", "cases"])
def test_residuals_of_a_line_say_the_same(run: odefit.Run, kind: Any) -> None:
    other = odefit.bootstrap(replace(run, path=None), 300, kind=kind)
    assert other.summary.kind == "residuals"
    error = run.result.estimates["a"].standard_error
    assert other.estimates.loc["a", "standard_error"] == pytest.approx(error, rel=0.2)


def test_files_that_go_on(run: odefit.Run, folder: Path) -> None:
    first = odefit.bootstrap(run, 8, seed=5)
    assert first.path == folder
    begun = (folder / "bootstrap.csv").read_bytes()
    more = odefit.bootstrap(odefit.load_run(folder), 20, seed=5)
    assert (folder / "bootstrap.csv").read_bytes().startswith(begun)
    kept = {name: (folder / name).read_bytes() for name in ("bootstrap.csv", "bootstrap.json")}
    odefit.bootstrap(run, 20, seed=5, overwrite=True)
    assert kept == {name: (folder / name).read_bytes() for name in kept}
    assert json.loads(kept["bootstrap.json"])["estimates"] == json.loads(
        json.dumps(more.summary.to_json()["estimates"])
    )
    table = pd.read_csv(folder / "bootstrap.csv")
    assert list(table.columns[:3]) == ["sample", "status", "nll"]
    assert table["b"].to_numpy() == pytest.approx(2 * table["a"].to_numpy())
    with pytest.raises(RunError, match=r"holds a bootstrap \(parametric, seed 5\); say --overwrite"):
        odefit.bootstrap(run, 20, seed=6)
    (folder / "bootstrap.csv").write_text("sample,status\n1,converged\n")
    with pytest.raises(RunError, match="does not fit the parameters"):
        odefit.bootstrap(run, 20, seed=5)


def test_ctrl_c_keeps_what_is_done(run: odefit.Run) -> None:
    class Impatient:
        def note(self, sentence: str) -> None: ...
        def now(self, what: str) -> None: ...
        def begin(self, what: str, total: int) -> None: ...
        def epoch(self, number: int, loss: float, estimates: Any) -> None: ...
        def start(self, finished: int, failed: int, best: float, at_best: int, why: str) -> None: ...
        def end(self) -> None: ...
        def part(self, done: int, text: str) -> None:
            raise KeyboardInterrupt

    stopped = odefit.bootstrap(replace(run, path=None), 500, progress=Impatient())
    assert stopped.interrupted
    assert 0 < stopped.summary.samples["finished"] < 500
    assert not odefit.bootstrap(replace(run, path=None), 500, seconds=0).rows


def test_a_picture_of_it(run: odefit.Run, folder: Path) -> None:
    odefit.bootstrap(run, 60, overwrite=True)
    figure = odefit.plot(run, "bootstrap")
    assert [ax.get_xlabel() for ax in figure.axes] == ["a", "x_0", "sigma_x", "b"]
    assert "60 of 60 parametric samples converged" in figure.get_suptitle()
    with pytest.raises(odefit.ConfigError, match="odefit bootstrap RUN"):
        odefit.plot(replace(run, path=None), "bootstrap")


@pytest.mark.parametrize(
    "arguments, what", [({"kind": "all"}, "kind"), ({"intervals": "wald"}, "intervals"), ({"level": 1.0}, "level")]
)
def test_wrong_arguments(run: odefit.Run, arguments: dict[str, Any], what: str) -> None:
    with pytest.raises(odefit.InputError, match=f"^{what}: "):
        odefit.bootstrap(run, **arguments)


def test_an_experiment_that_was_not_drawn_has_no_value() -> None:
    rows = [
        (name, t, x0 * np.exp(-0.3 * t) * f)
        for name, x0 in zip("abc", (8, 9, 10), strict=True)
        for t, f in ((0, 1.05), (1, 0.97), (2, 1.02), (4, 0.98))
    ]
    config = {
        "model": {"equations": {"x": "-k*x"}},
        "parameters": {
            "k": {"value": 0.4, "scale": "log", "bounds": [0.01, 10]},
            "x_0": {"value": 9, "by": "experiment"},
        },
        "noise": "lognormal",
    }
    fitted = odefit.fit(config, data=pd.DataFrame(rows, columns=["experiment", "time", "x"]))
    notes: list[str] = []

    class Heard:
        def note(self, sentence: str) -> None:
            notes.append(sentence)

        def __getattr__(self, name: str) -> Any:
            return lambda *_: None

    found = odefit.bootstrap(fitted, 40, kind="cases", progress=Heard())
    assert notes == ["3 experiments are few to draw from: such intervals are rough, and mostly too short"]
    gone = found.samples[["x_0[a]", "x_0[b]", "x_0[c]"]].isna()
    assert gone.any(axis=1).sum() > 20
    assert not gone.all(axis=1).any()
    assert found.samples["k"].notna().all()
    assert found.summary.samples["converged"] == 40
