"""A fit from Python: in memory, complete, and without a trace on the disk."""

from __future__ import annotations

import html
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import odefit
from small_problems import central_differences

ROOT = Path(__file__).parents[2]
LYNX = ROOT / "configs" / "lynx_hare.yaml"
GROWTH: dict[str, Any] = {
    "model": {"equations": {"N": "r*N*(1 - N/K)"}},
    "parameters": {
        "r": {"value": 0.5, "bounds": [0.01, 10], "scale": "log"},
        "K": {"value": 50, "bounds": [1, 1000], "unit": "g"},
    },
    "fit": {"starts": 3, "workers": 1},
}


def grown(seed: int = 2) -> pd.DataFrame:
    t = np.linspace(0, 12, 13)
    n = 60 / (1 + 14 * np.exp(-0.8 * t)) + np.random.default_rng(seed).normal(0, 1, 13)
    return pd.DataFrame({"time": t, "N": n})


@pytest.fixture(scope="module")
def run() -> odefit.Run:
    return odefit.fit(GROWTH, data=grown())


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    fitted = odefit.fit(GROWTH | {"fit": {"starts": 6, "workers": 2}}, data=grown())
    assert fitted.path is None
    assert fitted.result.status == "converged"
    fitted.predictions()
    assert not os.listdir(here)
    assert not os.listdir(temporary)
    assert odefit.fit(LYNX, ["fit.starts=1"]).path is None
    assert not os.listdir(here)


@pytest.mark.skipif(os.name != "posix", reason="needs folders that can be synchronised")
def test_the_disk_has_the_names_of_all_files_before_that_of_the_result(
    run: odefit.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, rename, sync = list[str](), os.replace, os.fsync

    def renamed(source: Any, target: Any) -> None:
        rename(source, target)
        steps.append(Path(target).name)

    def synced(descriptor: int) -> None:
        sync(descriptor)
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")

    monkeypatch.setattr(os, "replace", renamed)
    monkeypatch.setattr(os, "fsync", synced)
    run.save(tmp_path / "saved")
    last = steps.index("result.json")
    assert steps[last - 2 : last + 2] == ["folder", "file", "result.json", "folder"]
    names = [step for step in steps if step not in ("file", "folder")]
    assert sorted(names) == sorted(path.name for path in (tmp_path / "saved").iterdir())
    assert all(steps[steps.index(name) - 1] == "file" for name in names)
    assert max(steps.index(name) for name in names if name != "result.json") < last - 2


def test_a_run_in_memory_has_what_its_folder_would_have(run: odefit.Run, tmp_path: Path) -> None:
    written = odefit.fit(GROWTH, data=grown(), out=tmp_path / "run")
    loaded = odefit.load_run(tmp_path / "run")
    for other in (written, loaded):
        assert other.path == tmp_path / "run"
        pd.testing.assert_frame_equal(other.parameters, run.parameters)
        pd.testing.assert_frame_equal(other.covariance, run.covariance)
        pd.testing.assert_frame_equal(other.correlation, run.correlation)
        pd.testing.assert_frame_equal(other.history, run.history)
        pd.testing.assert_frame_equal(other.predictions(), run.predictions())
        pd.testing.assert_frame_equal(other.predictions([0, 20.5]), run.predictions([0, 20.5]))
        pd.testing.assert_frame_equal(other.starts.drop(columns="seconds"), run.starts.drop(columns="seconds"))
    in_file = pd.read_csv(tmp_path / "run" / "predictions.csv", dtype={"experiment": str})
    pd.testing.assert_frame_equal(in_file, run.predictions(), check_dtype=False)


def test_a_run_is_saved_later(run: odefit.Run, tmp_path: Path) -> None:
    odefit.fit(GROWTH, data=grown(), out=tmp_path / "at once")
    saved = run.save(tmp_path / "later")
    assert saved.path == tmp_path / "later"
    files = {path.name for path in (tmp_path / "later").iterdir()}
    assert files == {path.name for path in (tmp_path / "at once").iterdir()} - {"run.log"}
    for name in ("data.csv", "config.yaml", "parameters.csv", "covariance.csv", "predictions.csv", "history.csv"):
        assert (tmp_path / "later" / name).read_bytes() == (tmp_path / "at once" / name).read_bytes()
    assert odefit.load_run(tmp_path / "later").result == run.result
    with pytest.raises(odefit.RunError, match="exists already"):
        run.save(tmp_path / "later")
    again = odefit.load_run(tmp_path / "later").save(tmp_path / "copy")
    pd.testing.assert_frame_equal(again.history, run.history)
    run.save(tmp_path / "later", overwrite=True)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "text").write_text("years of work")
    with pytest.raises(odefit.RunError, match="no run folder"):
        run.save(tmp_path / "thesis", overwrite=True)


def test_its_config_and_data_run_again(run: odefit.Run, tmp_path: Path) -> None:
    """Conditions of experiments made by hand are written as well."""
    config = {
        "model": {"equations": {"x": "-k/w*x"}},
        "parameters": {"k": {"value": 1, "by": "kind"}},
        "noise": {"x": {"sigma": 0.1}},
    }
    data = [
        odefit.Experiment(
            name, [1, 2], {"x": [1.0, 0.5 * w]}, start=0, doses=[odefit.Dose(0.5, "x", 1.0)],
            constants={"w": w}, labels={"kind": kind},
        )
        for name, w, kind in (("a", 1.0, "slow"), ("b", 1.5, "fast"))
    ]  # fmt: skip
    first = odefit.fit(config, data=data, out=tmp_path / "one")
    again = odefit.fit(tmp_path / "one" / "config.yaml")
    assert again.result.estimates == first.result.estimates
    loaded = odefit.load_run(tmp_path / "one")
    assert loaded.measured[1].doses == data[1].doses
    assert loaded.measured[1].start == 0
    assert loaded.measured[1].constants == {"w": 1.5}


def test_the_frames(run: odefit.Run) -> None:
    assert run.parameters.loc["K", "unit"] == "g"
    assert run.parameters.loc["r", "value"] == pytest.approx(0.8, rel=0.1)
    names = ["r", "K", "N_0", "sigma_N"]
    assert run.covariance.index.tolist() == run.covariance.columns.tolist() == names
    errors = np.sqrt(np.diag(run.covariance))
    np.testing.assert_allclose(errors, run.parameters["standard_error"], rtol=1e-9)
    assert run.correlation.index.tolist() == names
    np.testing.assert_allclose(np.diag(run.correlation), 1)
    assert run.correlation.loc["r", "K"] == run.correlation.loc["K", "r"] < 0
    table = run.predictions()
    assert table.columns.tolist() == [
        *("experiment", "time", "observable", "measured", "predicted", "residual", "censored", "held_out"),
        *("low", "high", "new_low", "new_high"),
    ]
    np.testing.assert_allclose(table["residual"], table["measured"] - table["predicted"])
    assert (table["new_low"] < table["low"]).all()
    assert (table["low"] < table["predicted"]).all()
    assert (table["predicted"] < table["high"]).all()
    other = run.predictions([3, 20], intervals=False)
    assert other.columns.tolist() == ["experiment", "time", "observable", "predicted"]
    assert other["predicted"][0] == pytest.approx(table["predicted"][3], rel=1e-5)


def test_the_intervals_are_those_of_the_delta_method(run: odefit.Run) -> None:
    """By the covariance of the estimates and differences of the predictions; with 13 measurements, t of 10 degrees."""
    from scipy import stats

    problem = odefit.load(GROWTH, data=grown())
    x = run.parameters.loc[list(problem.names), "value"].to_numpy(dtype=float)
    slopes = central_differences(lambda x: problem.simulate(x, [4, 15])["N"], x, step=1e-3)
    spread = np.sqrt(np.einsum("ti,ij,tj->t", slopes, run.covariance.to_numpy(), slopes))
    table = run.predictions([4, 15])
    q = stats.t.ppf(0.975, 10)
    np.testing.assert_allclose((table["high"] - table["low"]) / 2, q * spread, rtol=1e-3)
    wide = np.hypot(spread, x[problem.names.index("sigma_N")] * np.sqrt(13 / 10))
    np.testing.assert_allclose((table["new_high"] - table["new_low"]) / 2, q * wide, rtol=1e-3)


def test_predictions_of_some_experiments_at_times_of_their_own() -> None:
    data = pd.concat([grown().assign(experiment=1), grown(3).assign(experiment="b")])
    fitted = odefit.fit(GROWTH, data=data)
    table = fitted.predictions({"b": [0, 5]})
    assert table.groupby("experiment").size().to_dict() == {"1": 13, "b": 2}
    with pytest.raises(ValueError, match="'c' is no experiment"):
        fitted.predictions({"c": [1]})
    with pytest.raises(ValueError, match="before experiment 1 starts"):
        fitted.predictions([-1])


def test_what_a_run_does_not_have(run: odefit.Run) -> None:
    single = odefit.fit(GROWTH | {"fit": {"starts": 1}}, data=grown().head(3))
    for name in ("covariance", "correlation"):
        with pytest.raises(odefit.RunError, match="in memory"):
            getattr(single, name)
    assert "low" not in single.predictions()
    with pytest.raises(odefit.RunError, match="no table `frames`"):
        run.frame("frames")


def test_folds_are_kept() -> None:
    data = [odefit.Experiment(str(k), grown(k)["time"], {"N": grown(k)["N"]}) for k in range(4)]
    model = GROWTH["model"] | {"initial": {"N": 4}}
    fitted = odefit.fit(GROWTH | {"model": model, "fit": {"folds": 2, "starts": 1}}, data=data)
    assert fitted.frame("folds")["fold"].tolist() == [1, 2]
    assert fitted.result.cross_validation is not None


def test_a_fit_that_failed(tmp_path: Path) -> None:
    explosive = {
        "model": {"equations": {"x": "k*x^2"}, "initial": {"x": 1}},
        "parameters": {"k": {"value": 9, "bounds": [8, 10]}},
    }
    failed = odefit.fit(explosive, data=pd.DataFrame({"time": [0, 1, 2], "x": [1, 2, 3]}))
    assert failed.result.status == "failed"
    assert "failed" in repr(failed)
    with pytest.raises((odefit.SolveError, odefit.RunError)):
        failed.predictions()
    assert odefit.load_run(failed.save(tmp_path / "run").path).result.status == "failed"


def test_an_interrupted_fit_is_a_run_as_well() -> None:
    class Stop:
        """Ctrl-C after the second start."""

        def note(self, sentence: str) -> None: ...
        def begin(self, what: str, total: int) -> None: ...
        def epoch(self, number: int, loss: float, estimates: Any) -> None: ...
        def end(self) -> None: ...
        def start(self, finished: int, failed: int, best: float, at_best: int, why: str) -> None:
            if finished == 2:
                raise KeyboardInterrupt

    stopped = odefit.fit(GROWTH | {"fit": {"starts": 50, "workers": 1}}, data=grown(), progress=Stop())
    assert stopped.result.status == "interrupted"
    assert len(stopped.starts) == 2


@pytest.mark.torch
def test_a_network_is_fitted_in_memory(tmp_path: Path) -> None:
    config = {"model": {"name": "mlp", "states": ["N"], "hidden": [3]}, "fit": {"method": "adam", "epochs": 2}}
    fitted = odefit.fit(config, data=grown())
    assert "low" not in fitted.predictions([0, 1, 2])
    saved = odefit.load_run(fitted.save(tmp_path / "run").path)
    pd.testing.assert_frame_equal(saved.predictions(), fitted.predictions())


def test_pictures_of_a_run_in_memory(run: odefit.Run, tmp_path: Path) -> None:
    from odefit.pictures import draw

    figure = odefit.plot(run, time_range=(0, 20))
    assert figure.axes[0].get_xlabel() == "time"
    assert {path.name for path in draw(run, out=tmp_path)} >= {"time_series.png", "residuals.png", "waterfall.png"}
    with pytest.raises(odefit.RunError, match="no folder for pictures"):
        draw(run)


def test_the_text_form_is_short_for_any_size(run: odefit.Run) -> None:
    assert repr(run).startswith("<Run in memory: converged; r=0.")
    many = [odefit.Experiment("e" * 90 + str(k), [0, 1], {"x": [1, 0.4]}) for k in range(400)]
    config = {"model": {"equations": {"x": "-k*x"}}, "parameters": {"k": 1}, "noise": {"x": {"sigma": 0.1}}}
    large = odefit.fit(config, data=many)
    assert len(repr(large)) < 600
    assert "(401 in all)" in repr(large)
    assert len(large._repr_html_()) < 12_000


def test_the_form_for_notebooks_is_escaped_html(run: odefit.Run) -> None:
    page = run._repr_html_()
    assert page.count("<tr>") == 5
    assert html.escape(run.result.message) in page
    data = [odefit.Experiment("<script>alert(1)</script>", [0, 1, 2, 3], {"N": [5, 9, 15, 24]})]
    config = GROWTH | {"parameters": {**GROWTH["parameters"], "r": {"value": 0.5, "by": "experiment"}}}
    page = odefit.fit(config, data=data)._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_simulated_data_are_a_frame() -> None:
    config = GROWTH | {"data": {"simulate": {"times": {"stop": 10, "step": 1}, "initial": {"N": 4}, "noise": 0.5,
                                             "experiments": 2, "seed": 1}}}  # fmt: skip
    simulated = odefit.simulate(config)
    assert simulated.frame.columns.tolist() == ["experiment", "time", "N"]
    assert simulated.frame["experiment"].unique().tolist() == ["1", "2"]
    one, other = odefit.load(config), odefit.load(GROWTH, data=simulated.frame)
    assert one.nll(one.x0) == other.nll(one.x0)


@pytest.mark.torch
def test_a_latent_ode_is_fitted_in_memory(tmp_path: Path) -> None:
    t = np.linspace(0, 5, 8)
    frame = pd.concat([pd.DataFrame({"experiment": k, "time": t, "x": np.sin(t + k)}) for k in range(6)])
    latent = {"dimension": 3, "encoder": 4, "observed": 2.5}
    config = {
        "model": {"name": "latent_ode", "measured": ["x"], "hidden": [4], "latent": latent},
        "fit": {"method": "adam", "epochs": 2, "batch_size": 3},
    }
    fitted = odefit.fit(config, data=frame)
    assert fitted.path is None
    assert fitted.predictions([0, 7])["time"].tolist() == [0, 7] * 6
    saved = odefit.load_run(fitted.save(tmp_path / "run").path)
    pd.testing.assert_frame_equal(saved.predictions(), fitted.predictions())
    pd.testing.assert_frame_equal(saved.history, fitted.history)
    with pytest.raises(odefit.ConfigError, match="has no equations"):
        odefit.load(config, data=frame)
