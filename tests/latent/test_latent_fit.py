"""`odefit fit` of a latent ODE: what is in the run folder, and how an interrupted training goes on."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import norm

import odefit
from latent_runs import rows_of, without_seconds
from listeners import StopAt
from odefit.api import check
from odefit.config.load import load_config
from odefit.errors import ConfigError, RunError
from odefit.latent.estimator import noise_of
from odefit.latent.latent_run import LatentRun
from odefit.latent.minibatches import Minibatch, TrainingOptions
from odefit.latent.objective import Elbo
from odefit.latent.task import common_times, prepare_latent
from odefit.pictures import draw, plot
from odefit.runs import checkpoint
from odefit.training.adam import AdamOptions
from odefit.training.learning_rate import Schedule


def test_a_run_folder_holds_everything(run: LatentRun) -> None:
    assert sorted(p.name for p in run.path.iterdir()) == sorted(
        ("config.yaml", "data.csv", "history.csv", "identity.json", "parameters.csv", "predictions.csv",
         "result.json", "run.log", "weights.pt")
    )  # fmt: skip
    result = json.loads((run.path / "result.json").read_text())
    assert (result["status"], result["method"], result["seed"], result["schema_version"]) == ("stopped", "adam", 3, 2)
    assert "all 12 epochs used; the state of epoch 1" in result["message"]
    assert result["truth"] == {"sigma_x": 0.1, "sigma_y": 0.1}
    assert result["objective"]["n_observations"] == 6 * 20 * 2
    assert result["objective"]["n_estimated"] == sum(q.numel() for q in run.model.parameters())
    sigma = [result["estimates"][f"sigma_{name}"]["value"] for name in "xy"]
    assert sigma == pytest.approx(run.model.sigma.tolist())
    assert "torch" in result["versions"]
    history = rows_of(run.path / "history.csv")
    assert list(history[0]) == ["epoch", "loss", "learning_rate", "seconds", "score"]
    assert [row["epoch"] for row in history if row["score"]] == ["10", "12"]
    assert len(history) == 12


def test_scores_are_those_of_the_predictions(run: LatentRun) -> None:
    """Worked out again from predictions.csv: of the series set aside, and of those trained on."""
    rows = rows_of(run.path / "predictions.csv")
    assert len(rows) == 8 * 20 * 2
    aside = {row["experiment"] for row in rows if row["held_out"] == "True"}
    assert aside == {run.measured[k].name for k in run.task.aside}
    assert len(aside) == 2
    assert run.result.validation is not None
    for part in ("observed", "continued"):
        score = run.result.validation[part]
        for name in "xy":
            own = [float(r["residual"]) for r in rows
                   if r["experiment"] in aside and r["part"] == part and r["observable"] == name]  # fmt: skip
            assert score.rmse[name] == pytest.approx(math.sqrt(np.mean(np.square(own))), rel=1e-12)
        assert score.n_observations == 2 * len(own)
    early = [r for r in rows if r["experiment"] == "1" and r["observable"] == "x" and r["part"] == "observed"]
    assert len(early) == 10
    assert float(early[-1]["time"]) <= 6 < float(early[-1]["time"]) + 12 / 19
    seen = [float(r["residual"]) for r in rows if r["held_out"] == "False"]
    assert run.result.objective.rss == pytest.approx(float(np.sum(np.square(seen))), rel=1e-12)


def test_a_run_is_read_back(run: LatentRun) -> None:
    again = odefit.load_run(run.path)
    assert isinstance(again, LatentRun)
    assert again.result == run.result
    for name in ("options", "elbo", "training", "observed", "validation", "dtype", "aside"):
        assert getattr(again.task, name) == getattr(run.task, name)
    times = [np.array([0.0, 3.3, 20.0])] * 8
    here, there = run.solve(times), again.solve(times)
    np.testing.assert_array_equal(np.stack(here.observables), np.stack(there.observables))
    assert np.stack(here.states).shape == (8, 3, 3)
    assert run.states == ("z_1", "z_2", "z_3")
    assert set(again.history) == {"epoch", "loss", "learning_rate", "seconds", "score"}
    assert "<LatentRun " in repr(again)
    predicted = run.solve([e.times for e in run.measured]).observables
    table = again.predictions()
    own = table[(table.experiment == "3") & (table.observable == "y")].predicted
    np.testing.assert_array_equal(own, predicted[2][:, 1])


def test_the_config_of_a_run_gives_the_same_run(run: LatentRun, tmp_path: Path) -> None:
    odefit.fit(run.path / "config.yaml", out=tmp_path / "again")
    assert without_seconds(tmp_path / "again") == without_seconds(run.path)


def test_series_with_times_of_their_own_and_missing_cells(folder: Path) -> None:
    told = StopAt()
    fitted = odefit.fit("p.yaml", out="r", progress=told)
    assert isinstance(fitted, LatentRun)
    assert [e.name for e in fitted.measured] == ["ada", "ben", "cyd", "dan", "eve"]
    assert [len(e.times) for e in fitted.measured] == [9, 14, 4, 11, 6]
    assert fitted.result.objective.n_observations == sum(e.n_measured for e in fitted.measured) < 88
    assert fitted.result.validation is None
    assert "no series are set aside" in fitted.result.message
    assert any("5 series are few" in warning for warning in fitted.result.warnings)
    assert fitted.result.estimates["sigma_glucose"].unit == "mmol/l"
    for e, x in zip(fitted.measured, fitted.solve([e.times for e in fitted.measured]).observables, strict=True):
        assert x.shape == e.values.shape
        assert np.isfinite(x).all()
    cells = {(r["experiment"], r["time"], r["observable"]): r for r in rows_of(folder / "r" / "predictions.csv")}
    assert len(cells) == 2 * 44
    assert all((row["measured"] == "") == (row["residual"] == "") for row in cells.values())
    again = odefit.load_run("r")
    np.testing.assert_array_equal(again.measured[1].values, fitted.measured[1].values)
    assert [number for number, _, _ in told.seen] == [1, 2, 3]
    assert "hours" in (folder / "r" / "data.csv").read_text().splitlines()[0]


def test_series_of_one_time_can_be_fitted(folder: Path) -> None:
    """Nothing moves, but nothing breaks."""
    (folder / "one.csv").write_text("experiment,time,x\na,3,1\nb,4,2\nc,5,3\n")
    (folder / "o.yaml").write_text("model: {name: latent_ode, measured: [x]}\ndata: {csv: one.csv}\nfit: {epochs: 2}\n")
    fitted = odefit.fit("o.yaml", out="r")
    assert isinstance(fitted, LatentRun)
    assert fitted.result.status == "stopped"
    with pytest.raises(ConfigError, match="needs a series of more than one time"):
        plot(fitted, "interpolation")
    assert [p.stem for p in draw(fitted)] == ["time_series", "history"]


def test_common_times_are_one_but_for_rounding(folder: Path) -> None:
    task = prepare_latent(load_config("p.yaml"))
    elapsed = {round(float(t), 6) for e in task.measured for t in e.times - e.start}
    assert len(common_times(task.measured)) == len(elapsed)


def test_sections_become_options(folder: Path) -> None:
    task = prepare_latent(load_config("c.yaml", ["fit.schedule={kind: cosine, final: 0.002}", "solver.dtype=float64"]))
    adam = AdamOptions(12, 0.01, Schedule("cosine", 0.002), gradient_clip=1.0)
    assert task.training == TrainingOptions(adam, batch_size=3, score_every=10, seed=3)
    assert task.dtype == torch.float64
    assert (task.options.method, task.options.step) == ("rk4", 1.0)
    assert (task.options.hidden, task.options.decoder, task.options.activation) == ((6,), (4,), "silu")
    assert task.options.rtol == 1e-5
    assert (task.observed, task.elbo.times_per_step) == (6.0, 7)
    adaptive = ["solver={method: dopri5, rtol: 1e-4}", "fit.schedule=constant", "model.latent.sigma=0.2"]
    other = prepare_latent(load_config("c.yaml", adaptive))
    assert (other.options.step, other.options.rtol, other.options.sigma) == (None, 1e-4, 0.2)
    assert other.training.adam.schedule.lowest(0.01) == 0.01
    few = prepare_latent(load_config("p.yaml", ["fit={seed: 1}", "solver={}"]))
    longest = max(e.times[-1] - e.start for e in few.measured)
    assert few.options.step == pytest.approx(longest / 100)
    assert few.training.adam.epochs == 2000
    many = ["fit={seed: 1}", "data.spirals.series=1000", "model.latent={}"]
    assert prepare_latent(load_config("c.yaml", many)).training.adam.epochs == 200
    assert len(prepare_latent(load_config("c.yaml", many)).aside) == 100


def test_double_precision(folder: Path) -> None:
    fitted = odefit.fit("c.yaml", ["solver.dtype=float64", "fit.epochs=1"], out="r")
    assert isinstance(fitted, LatentRun)
    assert {q.dtype for q in fitted.model.parameters()} == {torch.float64}
    again = odefit.load_run("r")
    times = [e.times for e in fitted.measured]
    np.testing.assert_array_equal(again.solve(times).observables[0], fitted.solve(times).observables[0])


def test_constants_and_refinement(folder: Path) -> None:
    """With a size of its own, each series has noise of its own: the scores of predictions.csv know that."""
    sizes = "dimension: 3, constants: 1, refine: 2, encoder: 5, own_scale: true, observed: 6, validation: 0.25"
    latent = f"model.latent={{{sizes}}}"
    fitted = odefit.fit("c.yaml", [latent, "fit.epochs=2"], out="r")
    assert isinstance(fitted, LatentRun)
    assert (fitted.task.options.constants, fitted.task.options.refine) == (1, 2)
    assert fitted.result.truth is None
    times = [e.times for e in fitted.measured]
    curves, again = fitted.solve(times), odefit.load_run("r").solve(times)
    np.testing.assert_array_equal(np.stack(curves.observables), np.stack(again.observables))
    states = np.stack(curves.states)
    assert (states[:, :, 2] == states[:, :1, 2]).all()
    assert (np.ptp(states[:, :, :2], axis=1) > 0).all()
    noise = noise_of(fitted.model, 6.0, fitted.measured)
    assert np.ptp(noise[:, 0]) > 0
    nll = 0.0
    for row in fitted.task.aside:
        e, late = fitted.measured[row], fitted.measured[row].times > 6
        nll -= norm.logpdf(e.values[late], curves.observables[row][late], noise[row]).sum()
    assert fitted.result.validation is not None
    assert fitted.result.validation["continued"].nll == pytest.approx(nll, rel=1e-6)
    report = check("c.yaml", [latent])
    assert "latent states: 3, of which 1 keep" in report
    assert "2 Gauss-Newton steps" in report


def test_a_given_sigma_is_fixed(folder: Path) -> None:
    fitted = odefit.fit("c.yaml", ["model.latent.sigma=0.3", "fit.epochs=1"], out="r")
    assert [(e.value, e.fixed) for e in fitted.result.estimates.values()] == [(0.3, True)] * 2
    assert fitted.result.truth is None


def test_a_training_that_breaks_off_keeps_what_it_reached(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine, steps = Elbo.forward, 0

    def forward(self: Elbo, batch: Minibatch) -> torch.Tensor:
        nonlocal steps
        steps += 1
        return genuine(self, batch) * (math.nan if steps > limit else 1.0)

    monkeypatch.setattr(Elbo, "forward", forward)
    limit = 22
    fitted = odefit.fit("c.yaml", out="r")
    assert fitted.result.status == "stopped"
    assert "stopped at epoch 12: the loss is nan" in fitted.result.message
    assert "the state of epoch 10 is kept" in fitted.result.message
    limit, steps = 0, 0
    failed = odefit.fit("c.yaml", out="f")
    assert failed.result.status == "failed"
    assert odefit.load_run("f").result.message == failed.result.message


# Interruption


@pytest.mark.parametrize("epochs", [3, 11])
def test_an_interrupted_training_goes_on(epochs: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "RARITY", 0)
    monkeypatch.setattr(checkpoint, "FIRST", 0.0)
    begun = odefit.fit("c.yaml", out="r", progress=StopAt(epoch=epochs))
    assert begun.result.status == "interrupted"
    assert begun.result.message.startswith(f"interrupted after {epochs} of 12 epochs")
    assert len(rows_of(folder / "r" / "history.csv")) == epochs
    told = StopAt()
    resumed = odefit.fit("c.yaml", out="r", resume=True, progress=told)
    # The epoch that was interrupted had not been offered yet.
    assert [number for number, _, _ in told.seen] == list(range(epochs, 13))
    assert resumed.result.status == "stopped"
    assert not list((folder / "r").glob("checkpoint*"))
    odefit.fit("c.yaml", out="whole")
    assert without_seconds("r") == without_seconds("whole")


def test_what_was_reached_before_any_score_is_kept(folder: Path) -> None:
    begun = odefit.fit("c.yaml", out="r", progress=StopAt(epoch=3))
    assert isinstance(begun, LatentRun)
    assert "the state reached by then is kept" in begun.result.message
    three = odefit.fit("c.yaml", ["fit.schedule=constant"], out="a", progress=StopAt(epoch=3))
    untrained = odefit.fit("c.yaml", ["fit.schedule=constant"], out="b", progress=StopAt(epoch=1))
    assert three.result.objective.rss != untrained.result.objective.rss


def test_a_changed_config_is_not_resumed(folder: Path) -> None:
    odefit.fit("c.yaml", out="r", progress=StopAt(epoch=3))
    with pytest.raises(RunError, match=r"the config changed since: model.latent.dimension \(was 3, is 4\)"):
        odefit.fit("c.yaml", ["model.latent.dimension=4"], out="r", resume=True)
    with pytest.raises(RunError, match="the data changed since: the measurements"):
        odefit.fit("c.yaml", ["data.spirals.seed=9"], out="r", resume=True)
