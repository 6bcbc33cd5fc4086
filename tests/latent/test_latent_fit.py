"""`model.name: latent_ode` through every command: fit, load, plot, check, simulate, resume, and what is refused."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from scipy.stats import norm

import odefit
from commands import killed
from odefit import cli
from odefit.api import animate, check, draw, plot, simulate
from odefit.config.load import load_config
from odefit.errors import ConfigError, DataError, Faults, InputError, RunError, SolveError
from odefit.latent.estimator import noise_of
from odefit.latent.latent_run import LatentRun
from odefit.latent.minibatches import Minibatch, TrainingOptions
from odefit.latent.objective import Elbo
from odefit.latent.task import common_times, prepare_latent, refuse
from odefit.plots.latent_pictures import LatentPictures
from odefit.plots.selection import Choice
from odefit.runs import checkpoint
from odefit.runs.progress import Silent
from odefit.training.adam import AdamOptions
from odefit.training.learning_rate import Schedule

SPIRALS = """\
title: Little spirals
model:
  name: latent_ode
  measured: [x, y]
  hidden: [6]
  latent: {dimension: 3, encoder: 5, decoder: [4], observed: 6, times_per_step: 7, validation: 0.25}
data: {spirals: {series: 8, times: 20, end: 12, noise: 0.1, seed: 2}}
solver: {method: rk4, step: 1}
fit: {method: adam, epochs: 12, batch_size: 3, seed: 3}
"""
PATIENTS = """\
model:
  name: latent_ode
  measured: [glucose, insulin]
  units: {glucose: mmol/l, t: h}
  hidden: [6]
  latent: {dimension: 2, encoder: 5, decoder: [], observed: 12}
data: {csv: patients.csv, time: hours, experiment: name, columns: {insulin: ins}}
solver: {step: 3}
fit: {epochs: 3}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(SPIRALS)
    (tmp_path / "p.yaml").write_text(PATIENTS)
    write_patients(tmp_path / "patients.csv")
    return tmp_path


def write_patients(path: Path) -> None:
    """Five series of their own lengths and times, a third of the cells empty, rows of two of them interleaved."""
    rng = np.random.default_rng(1)
    rows = []
    for name, n in (("ada", 9), ("ben", 14), ("cyd", 4), ("dan", 11), ("eve", 6)):
        for t in np.sort(rng.choice(240, n, replace=False)) / 10 + 100:
            cells = [5 + math.sin(t), 100 + 20 * math.cos(t)]
            rows.append([name, t, *(f"{x:.4f}" if rng.random() > 0.3 else "" for x in cells)])
        rows[-n][2] = "5.5"
        rows[-1][3] = "90"
    rows[9:23] = sorted(rows[9:23], key=lambda row: float(row[1]))
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["name", "hours", "glucose", "ins"], *rows])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> LatentRun:
    folder = tmp_path_factory.mktemp("run")
    (folder / "c.yaml").write_text(SPIRALS)
    fitted = odefit.fit(folder / "c.yaml", out=folder / "run")
    assert isinstance(fitted, LatentRun)
    return fitted


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def without_seconds(path: Path | str) -> dict[str, Any]:
    """All that a run folder says, but for how long it took."""
    path = Path(path)
    found: dict[str, Any] = {"weights": (path / "weights.pt").read_bytes()}
    for table in sorted(path.glob("*.csv")):
        found[table.name] = [{k: v for k, v in row.items() if k != "seconds"} for row in rows_of(table)]
    result = json.loads((path / "result.json").read_text())
    return found | {key: value for key, value in result.items() if key not in ("seconds", "message")}


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["odefit", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out + told.err


class StopAt(Silent):
    """Ctrl-C after so many epochs."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.seen: list[tuple[int, float, dict[str, float]]] = []
        self.notes: list[str] = []

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def epoch(self, number: int, loss: float, estimates: Any) -> None:
        self.seen.append((number, loss, dict(estimates)))
        if number == self.number:
            raise KeyboardInterrupt


# The run folder


def test_a_run_folder_holds_everything(run: LatentRun) -> None:
    assert sorted(p.name for p in run.path.iterdir()) == sorted(
        ("config.yaml", "data.csv", "history.csv", "parameters.csv", "predictions.csv", "result.json", "run.log",
         "weights.pt")
    )  # fmt: skip
    result = json.loads((run.path / "result.json").read_text())
    assert (result["status"], result["method"], result["seed"], result["schema_version"]) == ("stopped", "adam", 3, 1)
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
    told = StopAt(-1)
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


# Interruption, kills


@pytest.mark.parametrize("epochs", [3, 11])
def test_an_interrupted_training_goes_on(epochs: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "RARITY", 0)
    monkeypatch.setattr(checkpoint, "FIRST", 0.0)
    begun = odefit.fit("c.yaml", out="r", progress=StopAt(epochs))
    assert begun.result.status == "interrupted"
    assert begun.result.message.startswith(f"interrupted after {epochs} of 12 epochs")
    assert len(rows_of(folder / "r" / "history.csv")) == epochs
    told = StopAt(-1)
    resumed = odefit.fit("c.yaml", out="r", resume=True, progress=told)
    # The epoch that was interrupted had not been offered yet.
    assert [number for number, _, _ in told.seen] == list(range(epochs, 13))
    assert resumed.result.status == "stopped"
    assert not list((folder / "r").glob("checkpoint*"))
    odefit.fit("c.yaml", out="whole")
    assert without_seconds("r") == without_seconds("whole")


def test_what_was_reached_before_any_score_is_kept(folder: Path) -> None:
    begun = odefit.fit("c.yaml", out="r", progress=StopAt(3))
    assert isinstance(begun, LatentRun)
    assert "the state reached by then is kept" in begun.result.message
    three = odefit.fit("c.yaml", ["fit.schedule=constant"], out="a", progress=StopAt(3))
    untrained = odefit.fit("c.yaml", ["fit.schedule=constant"], out="b", progress=StopAt(1))
    assert three.result.objective.rss != untrained.result.objective.rss


def test_a_changed_config_is_not_resumed(folder: Path) -> None:
    odefit.fit("c.yaml", out="r", progress=StopAt(3))
    with pytest.raises(RunError, match=r"the config changed since: model.latent.dimension \(was 3, is 4\)"):
        odefit.fit("c.yaml", ["model.latent.dimension=4"], out="r", resume=True)
    with pytest.raises(RunError, match="the data changed since: the measurements"):
        odefit.fit("c.yaml", ["data.spirals.seed=9"], out="r", resume=True)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_killed_at_random_moments_it_gives_what_it_would_have_given() -> None:
    survived, _ = killed("latent", 2)
    assert survived >= 2


# Pictures


def pictures(run: LatentRun, **options: Any) -> LatentPictures:
    faults = Faults()
    made = LatentPictures(run, Choice(**options), faults)
    faults.check()
    return made


def test_every_picture_is_drawn_and_the_same_again(run: LatentRun, tmp_path: Path) -> None:
    paths = draw(run, out=tmp_path)
    assert [p.stem for p in paths] == ["time_series", "phase_plane", "history", "interpolation"]
    first = [p.read_bytes() for p in paths]
    assert all(data[:4] == b"\x89PNG" for data in first)
    assert [p.read_bytes() for p in draw(odefit.load_run(run.path), out=tmp_path)] == first
    [svg] = draw(run, kinds=["time_series"], experiments=["2", "5"], time_range=(0, 30), out=tmp_path / "x.svg")
    assert b"<svg" in svg.read_bytes()


def test_series_not_trained_on_are_shown_first_with_the_line_where_reading_stops(run: LatentRun) -> None:
    made = pictures(run)
    assert made.rows[:2] == list(run.task.aside)
    assert sorted(made.rows) == list(range(8))
    fig = plot(run)
    assert len(fig.axes) == 6
    assert "not trained on" in fig.axes[0].get_title(loc="left")
    assert "not trained on" not in fig.axes[2].get_title(loc="left")
    one = made.shown[0]
    lines = [line for line in fig.axes[0].lines if line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in lines] == [one.read]
    assert one.read == run.measured[one.row].times[9]
    truth = one.truth
    assert truth is not None
    np.testing.assert_allclose(truth, run.measured[one.row].values, atol=0.6)


def test_a_time_range_is_solved_and_shaded(run: LatentRun) -> None:
    made = pictures(run, time_range=(3.0, 25.0), experiments=["4"])
    [one] = made.shown
    assert (one.times[0], one.times[-1]) == (3.0, 25.0)
    exact = run.solve_some([3], [one.times])
    np.testing.assert_array_equal(one.values, exact.observables[0])
    ax = plot(run, time_range=(3.0, 25.0), experiments=["4"]).axes[0]
    assert ax.get_xlim() == (3.0, 25.0)
    assert len(ax.patches) == 1


def test_observables_of_other_sizes_have_panels_of_their_own(folder: Path) -> None:
    fitted = odefit.fit("p.yaml", out="r")
    assert isinstance(fitted, LatentRun)
    fig = plot(fitted)
    assert len(fig.axes) == 6
    assert [fig.axes[k].get_ylabel() for k in (0, 3)] == ["glucose (mmol/l)", "insulin"]
    assert fig.axes[3].get_xlabel() == "hours (h)"
    with pytest.raises(ConfigError, match="phase_plane: needs two observables; this shows one"):
        plot(fitted, "phase_plane", states=["insulin"])
    between = plot(fitted, "interpolation", states=["insulin"])
    assert len(between.axes) == 7
    assert between.axes[0].get_xlabel() == "hours (h)"
    history = plot(fitted, "history")
    assert len(history.axes) == 1


def test_interpolation_is_between_the_chosen_series(run: LatentRun) -> None:
    elapsed = np.linspace(0, 12, 9)
    between = run.between(4, 1, elapsed, 5)
    ends = run.solve_some([4, 1], [elapsed, elapsed]).observables
    np.testing.assert_allclose(between[[0, -1]], np.stack(ends), atol=1e-5)
    title = plot(run, "interpolation", experiments=["5", "2"]).get_suptitle()
    assert "from experiment 5 to experiment 2" in title


def test_what_cannot_be_drawn_is_told_in_a_line(run: LatentRun, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        draw(run, kinds=["residuals"], experiments=["9"], states=["z"], time_range=(5, 1))
    lines = [str(fault) for fault in caught.value.faults]
    assert len(lines) == 4
    assert any("'residuals' is no kind of picture of this run; there is: time_series" in line for line in lines)
    with pytest.raises(ConfigError, match="interpolation: needs two series; this shows one"):
        draw(run, kinds=["interpolation"], experiments=["1"])
    with pytest.raises(SolveError, match="needs more than 1000000 steps"):
        draw(run, kinds=["time_series"], time_range=(0, 1e9), out=tmp_path)


def test_no_animation(run: LatentRun) -> None:
    with pytest.raises(RunError, match="latent ODE, which keeps no frames"):
        animate(run)


# The other commands


def test_the_command_line(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = command(monkeypatch, capsys, "fit", "c.yaml", "--set", "fit.epochs=2", "--out", "r")
    assert code == 0
    for part in ("epoch 1/2", "score", "stopped: all 2 epochs used", "series set aside, continued: 40 measurements"):
        assert part in told
    assert len(list((folder / "r" / "plots").glob("*.png"))) == 4
    assert "all 2 epochs used" in (folder / "r" / "run.log").read_text()
    code, told = command(monkeypatch, capsys, "plot", "r", "--kind", "interpolation", "--format", "pdf")
    assert (code, told.strip()) == (0, "r/plots/interpolation.pdf")
    for arguments in (("solvers", "c.yaml"), ("check", "c.yaml", "--gradients")):
        code, told = command(monkeypatch, capsys, *arguments)
        assert code == 2
        assert "a latent ODE has no equations to be solved or differentiated here" in told.splitlines()[-1]
    code, told = command(monkeypatch, capsys, "models")
    assert "latent_ode" in told
    assert "measured: [x, y]" in command(monkeypatch, capsys, "models", "latent_ode")[1]


def test_check_tells_sizes(folder: Path) -> None:
    report = check("c.yaml")
    task = prepare_latent(load_config("c.yaml"))
    for part in (
        "encoder: 5 recurrent units (GRU) read each series until 6 after its start, backwards",
        "latent states: 3",
        "vector field: layers 3 - 6 - 3, silu: 45 weights",
        "decoder: layers 3 - 4 - 2: 26 weights",
        "x: 160 values",
        "8 series of 20 times",
        "10 of the times of a series are read",
        "2 series not trained on",
        "adam, 12 epochs of 2 steps, of up to 3 series each",
        "7 of the 20 times in a step",
        "solver: rk4, step 1, float32",
    ):
        assert part in report, part
    assert len(task.aside) == 2
    assert "5 series of 4 to 14 times" in check("p.yaml")


def test_spirals_are_simulated_with_their_matrices(folder: Path) -> None:
    made = simulate("c.yaml", out=folder / "s.csv")
    assert made.observables == ("x", "y")
    assert (folder / "s.truth.yaml").is_file()
    for e in made.experiments:
        matrix = np.array([[made.truth[f"a_{i}{j}[{e.name}]"] for j in (1, 2)] for i in (1, 2)])
        start = np.array([made.truth[f"{name}_0[{e.name}]"] for name in "xy"])
        exact = np.stack([expm(matrix * t) @ start for t in e.times])
        assert np.std(e.values - exact) == pytest.approx(0.1, rel=0.5)
    # What is written is what is fitted.
    (folder / "d.yaml").write_text(SPIRALS.replace("{spirals: {series: 8, times: 20, end: 12, noise: 0.1, seed: 2}}",
                                                   "{csv: s.csv}"))  # fmt: skip
    one, other = (odefit.fit(name, ["fit.epochs=1"], out=name[0]) for name in ("c.yaml", "d.yaml"))
    assert one.result.objective == other.result.objective


# What is refused


def test_all_that_makes_no_sense_is_told_at_once(folder: Path) -> None:
    odd = {
        "parameters": "{a: 1}",
        "noise": "{model: gaussian}",
        "model.states": "[z]",
        "model.observables": "{x: x}",
        "model.initial": "first",
        "model.steady_state": "true",
        "model.events": "[{time: 1, set: {x: 0}}]",
        "model.direction": "ascent",
        "model.time_input": "true",
        "model.normalise": "false",
        "model.activation": "tahn",
        "model.units.z": "m",
        "data.experiments": "{a: {k: 1}}",
        "data.doses": "doses.csv",
        "data.inputs": "{u: u.csv}",
        "data.hold_out": "{after: 3}",
        "data.start": "1",
        "solver.adjoint": "true",
        "solver.sensitivity_rtol": "0.1",
        "solver.sensitivity_atol": "0.1",
        "solver.device": "cuda",
        "solver.method": "bdf",
        "fit.time_limit": "3",
        "fit.folds": "3",
        "fit.match": "10",
        "fit.windows": "[10]",
        "fit.loss": "nll",
        "fit.weight_decay": "0.1",
        "fit.patience": "3",
        "fit.plot_every": "3",
        "fit.schedule": "plateau",
    }
    with pytest.raises(ConfigError) as caught:
        refuse(load_config("c.yaml", [f"{key}={value}" for key, value in odd.items()]))
    lines = [str(fault) for fault in caught.value.faults]
    assert all("\n" not in line and len(line) < 200 for line in lines)
    for key in odd:
        assert sum(line.startswith(f"--set {key}:") for line in lines) == 1, key
    assert len(lines) == len(odd)


@pytest.mark.parametrize(
    "config, change, phrase",
    [
        ("c", "model.latent.dimesion=3", "did you mean 'dimension'?"),
        ("c", "model.latent.constants=3", "constants: must be less than dimension"),
        ("c", "model={name: latent_ode, measured: [x, y], hidden: [], latent: {constants: 1}}", "a hidden layer"),
        ("c", "model.latent.encoder=100000", "weights; at most 10,000,000"),
        ("c", "model.hidden=[100000, 100000]", "weights; at most 10,000,000"),
        ("c", "model.latent.validation=0.99", "leaves none to train on"),
        ("c", "model.measured=[x]", "must be two names for `data.spirals`"),
        ("c", "model.measured=[x, y, x]", "names 'x' twice"),
        ("c", "model.name=lotka_volterra", "`measured` belongs to `name: latent_ode`"),
        ("c", "data.spirals.series=1000000", "makes 20,000,000 rows; at most 10,000,000"),
        ("c", "data.csv=a.csv", "and only one (got csv and spirals)"),
        ("c", "data.time=t", "`time` is about a CSV file and has no meaning with `spirals`"),
        ("c", "solver.method=dopri", "did you mean 'dopri8'?"),
        ("c", "solver={method: dopri5, step: 1}", "dopri5 chooses its steps itself"),
        ("c", "solver.step=1e-7", "1000000 are too many; make it larger"),
        ("c", "fit.method=lbfgs", "only for `method: adam`"),
        ("c", "fit={method: least_squares}", "a latent ODE is trained by adam"),
        ("c", "fit={starts: 3}", "it is trained from one start"),
        ("c", "fit.schedule={kind: cosine, final: 1}", "must not be above the first learning rate, 0.01"),
        ("p", "model.measured=[glucos, insulin]", "glucos"),
        ("p", "data.columns={insulin: insuln}", "insuln"),
        ("p", "data.csv=nowhere.csv", "nowhere.csv"),
    ],
)
def test_mistakes(config: str, change: str, phrase: str, folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        prepare_latent(load_config(f"{config}.yaml", [change]))
    assert any(phrase in str(fault) for fault in caught.value.faults), caught.value.faults
    assert all("\n" not in str(fault) for fault in caught.value.faults)


def test_names_of_what_is_measured_are_needed(folder: Path) -> None:
    (folder / "n.yaml").write_text("model: {name: latent_ode}\ndata: {spirals: {}}\n")
    with pytest.raises(ConfigError, match="`latent_ode` needs `measured`: the names of the measured columns"):
        load_config("n.yaml")


def test_limits_are_refused(folder: Path) -> None:
    text = (folder / "patients.csv").read_text()
    (folder / "patients.csv").write_text(text.replace(",5.5", ",<5.5"))
    with pytest.raises(DataError, match=r"experiment ada: has limits such as `<0\.5`"):
        prepare_latent(load_config("p.yaml"))


def test_an_experiment_with_nothing_to_read_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match="experiment ada: has no measurement until 5 after its start"):
        prepare_latent(load_config("p.yaml", ["data.start=90", "model.latent.observed=5"]))


def test_errors_in_the_data_are_not_used_and_that_is_said(folder: Path) -> None:
    rows = rows_of(folder / "patients.csv")
    lines = ["name,hours,glucose,ins,glucose_sigma"]
    lines += [",".join([*row.values(), "0.1" if row["glucose"] else ""]) for row in rows]
    (folder / "patients.csv").write_text("\n".join(lines) + "\n")
    told = StopAt(-1)
    odefit.fit("p.yaml", ["fit.epochs=1"], out="r", progress=told)
    assert any("a latent ODE does not use" in note for note in told.notes)


def test_spirals_are_for_latent_odes(folder: Path) -> None:
    (folder / "l.yaml").write_text("model: {name: linear, states: [x, y]}\ndata: {spirals: {}}\n")
    with pytest.raises(ConfigError, match="makes series for `name: latent_ode`; use csv or simulate"):
        odefit.fit("l.yaml")
    (folder / "m.yaml").write_text(
        "model: {name: linear, states: [x]}\n"
        "data: {simulate: {times: [0, 1], model: {name: latent_ode, measured: [x]}}}\n"
    )
    with pytest.raises(ConfigError, match="a latent ODE makes no data"):
        odefit.fit("m.yaml")


# Run folders that something happened to


def damaged(run: LatentRun, folder: Path, name: str) -> Path:
    return Path(shutil.copytree(run.path, folder / name))


def test_weights_that_are_no_numbers_are_refused(run: LatentRun, tmp_path: Path) -> None:
    for number, (name, value) in enumerate({"decoder.layers.0.bias": math.nan, "scale": 0.0, "unit": -1.0}.items()):
        path = damaged(run, tmp_path, f"r{number}")
        weights = torch.load(path / "weights.pt", weights_only=True)
        weights[name].fill_(value)
        torch.save(weights, path / "weights.pt")
        with pytest.raises(RunError, match="a weight or a unit is no such number"):
            odefit.load_run(path)


def test_a_folder_that_does_not_fit_together_is_refused(run: LatentRun, tmp_path: Path) -> None:
    path = damaged(run, tmp_path, "a")
    text = (path / "config.yaml").read_text()
    (path / "config.yaml").write_text(text.replace("dimension: 3", "dimension: 4"))
    with pytest.raises(RunError, match="cannot be read as this model's weights"):
        odefit.load_run(path)
    (path / "config.yaml").write_text(text + "parameters: {a: 1}\n")
    with pytest.raises(RunError, match="damaged or was changed by hand"):
        odefit.load_run(path)
    (path / "config.yaml").write_text(text)
    (path / "weights.pt").unlink()
    with pytest.raises(RunError, match=r"weights.pt"):
        odefit.load_run(path)
    path = damaged(run, tmp_path, "b")
    result = json.loads((path / "result.json").read_text())
    result["validation"] = {"observed": {"n_observations": "many"}}
    (path / "result.json").write_text(json.dumps(result))
    with pytest.raises(RunError, match="is damaged"):
        odefit.load_run(path)


def test_fewer_series_than_the_config_says_have_no_truth(run: LatentRun, tmp_path: Path) -> None:
    path = damaged(run, tmp_path, "r")
    lines = (path / "data.csv").read_text().splitlines()
    (path / "data.csv").write_text("\n".join(line for line in lines if not line.endswith(",8")) + "\n")
    shorter = odefit.load_run(path)
    assert isinstance(shorter, LatentRun)
    assert shorter.truth is None
    assert len(draw(shorter, kinds=["time_series"])) == 1
